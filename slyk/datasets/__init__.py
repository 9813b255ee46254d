"""Raw data sets: a module each, listed in `slyk.datasets.registry`, which alone imports them all."""

"""What the project promises, measured: a command a module, listed in README.md."""

"""Errors that a user can cause, each saying what was found, what was expected and what to do."""

import errno

OF_THE_MACHINE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
        *(errno.ETIMEDOUT, errno.ESTALE),
    }
)
"""Numbers of an OSError that say nothing about the file that was being read."""


class SlykError(Exception):
    """Anything that a user can cause and mend."""


class ParamsError(SlykError):
    """params.yaml holds an unknown key, a missing one or a value out of range."""


class DataMissingError(SlykError):
    """A raw data set, an index or a set of shards is not where params.yaml says."""


class StorageError(SlykError):
    """A storage behind a URL does not answer or refuses: that says nothing about the data in it."""


class CorruptShardError(SlykError):
    """A shard differs from its manifest; the message names file and member."""


class SplitError(SlykError):
    """One person or recording would be trained on and tested on."""


class PhotoError(SlykError):
    """A photo cannot be used; `reason` is the short word that goes into the rejects."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class TrainingError(SlykError):
    """Training cannot go on: a loss that is not finite, a checkpoint of another run."""


class RegistryError(SlykError):
    """A model version, alias or bundle is not what the command needs."""

"""Who takes part in what, as params.yaml chooses: the same for training, promotion and evaluation."""

from slyk.config import Params
from slyk.datasets.protocols import PROTOCOLS, Roles, official, only_tested, roles
from slyk.shards.manifest import Manifest


def roles_of(params: Params, found: Manifest) -> Roles:
    """The roles of a set; one that neither pretraining nor training names is tested only."""
    chosen = params.protocol.of(found.dataset)
    if found.dataset in learned_from(params):
        return roles(found, **chosen)
    return only_tested(found, name=chosen["name"], without=chosen["without"])


def learned_from(params: Params) -> set[str]:
    """The sets that pretraining or training reads."""
    return {*params.pretrain.datasets, *params.finetune.gaze.datasets}


def sets_tested(params: Params) -> tuple[str, ...]:
    """The sets that the report measures."""
    return params.evaluate.datasets or params.finetune.gaze.datasets


def told(params: Params, dataset: str) -> str:
    """The protocol of a set in words: name, fold, what it means."""
    chosen = params.protocol.of(dataset)
    entry = PROTOCOLS[chosen["name"]]
    fold = "" if chosen["fold"] is None else f", fold {chosen['fold']}"
    fold += "" if chosen["num_folds"] is None else f" of {chosen['num_folds']}"
    fold += "".join(f", without tag {tag}" for tag in chosen["without"])
    if dataset in learned_from(params):
        return f"{chosen['name']}{fold}: {entry.about}"
    groups = "the set's own test groups" if entry.divide is official else "all labelled groups"
    measured = "" if entry.measured is None else f", {entry.measured}"
    return f"{chosen['name']}, only tested: {groups}{measured}"

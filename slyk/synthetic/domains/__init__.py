"""The domains: each a whole data set of its own, so that a shift from one to another can be studied.

A domain is a module with `PHOTO_PX`, the usual width of its photos, and `shots`, which gives an endless iterator of
`Setup`s for a person; the first n are the same whatever is taken after them.
"""

from collections.abc import Iterator
from typing import Protocol

from slyk.synthetic.domains import near_eye, studio, webcam, wide, wild
from slyk.synthetic.head import Head
from slyk.synthetic.identity import Identity
from slyk.synthetic.scene import Setup


class Domain(Protocol):
    PHOTO_PX: int

    def shots(self, person: Identity, head: Head, *, seed: int, number: int, photo_px: int) -> Iterator[Setup]: ...


DOMAINS: dict[str, Domain] = {
    "wide": wide,  # gaze independent of the head, the default
    "webcam": webcam,  # MPIIFaceGaze: a person before a laptop, targets on its screen
    "wild": wild,  # Gaze360: far people from any side, indoors and outdoors
    "studio": studio,  # ETH-XGaze: 18 cameras at once, extreme poses
    "near_eye": near_eye,  # TEyeD: infrared video of one eye by a head-mounted camera
}

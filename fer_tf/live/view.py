"""What the live view knows of a frame once it has been read."""

from collections.abc import Mapping
from dataclasses import dataclass

from fer_tf.labels import CLASSES
from fer_tf.live.frames import Frame
from fer_tf.live.recogniser import Face
from fer_tf.live.smoothing import Smoothed
from fer_tf.quality import UnsureReason


@dataclass(frozen=True, eq=False)
class FollowedFace:
    """A face with its identity, its smoothed answer, and its true label if known."""

    face_id: int
    face: Face
    smoothed: Smoothed
    true_label: str = ""

    @property
    def label(self) -> str:
        """The class that is shown."""
        return CLASSES[self.smoothed.label]

    @property
    def unsure(self) -> bool:
        """"Unsure" is shown in place of the class."""
        return self.smoothed.unsure

    @property
    def unsure_reason(self) -> UnsureReason:
        """Why "unsure" is shown; empty where the class is."""
        return self.smoothed.unsure_reason


@dataclass(frozen=True, eq=False)
class View:
    """A frame, the faces in it, and how long each stage took.

    Attributes:
        stages_ms: `detect`, `classify` and `total`, in milliseconds.
        rate: frames per second of late.
        dropped: frames of a live source that nobody looked at, so far.
        smoke: the bundle knows nothing; say so.
        clahe: the classifier's input was equalised.
        smoothing_ms: the time constant of the smoothing.
    """

    frame: Frame
    faces: tuple[FollowedFace, ...]
    stages_ms: Mapping[str, float]
    rate: float
    dropped: int
    smoke: bool
    clahe: bool = True
    smoothing_ms: float = 0.0

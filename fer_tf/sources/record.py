"""One labelled picture of a face, whatever corpus it came from."""

from dataclasses import dataclass
from dataclasses import field

SPLITS = ("train", "validation", "test")
# The split of a source in `data.validate_on`. It is a manifest's alone: a publisher's
# split is one of `SPLITS`.
DOMAIN_VALIDATION = "domain_validation"
MANIFEST_SPLITS = (*SPLITS, DOMAIN_VALIDATION)


@dataclass(frozen=True)
class Record:
    """A picture and all its publisher says of it.

    Attributes:
        key: `<source>/<the publisher's own id>`; the same in every build.
        image: the encoded picture (PNG or JPEG), as published where it is a file.
        label: one of `labels.CLASSES`, or "" where the publisher's label is none of
            ours: such a record is kept, and excluded by name in the manifest.
        label_original: the publisher's own label, verbatim.
        distribution: seven probabilities in class order; all zero where `label` is "".
        votes: the raw crowd votes in the publisher's columns; empty where it has none.
        split: the publisher's, one of `SPLITS`; `train` where it has none. The
            manifest decides on the one that is used.
        subject: whose face it is, where the publisher says so; else "".
        photo: the larger picture that the face was cut from, where others may come
            from the same one; else "".
        box_xywh_px: the face in the picture, where the corpus itself knows it; else
            empty.
        square_xywh_px: the part of the picture that a model is shown; what lies around
            it is slack, for jitter. Empty where it is all of the picture.
        notes: What the build's report counts about the reading of this record, such as
            that the image was converted; it is not stored.
    """

    key: str
    image: bytes
    label: str
    label_original: str
    distribution: tuple[float, ...]
    split: str
    votes: tuple[int, ...] = ()
    subject: str = ""
    photo: str = ""
    box_xywh_px: tuple[float, ...] = ()
    square_xywh_px: tuple[float, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def source(self) -> str:
        """The corpus the record came from: the key up to its first slash."""
        return self.key.partition("/")[0]


def converted(kind: str) -> tuple[str, ...]:
    """Return the note on an image that was converted from a `kind`; none for ""."""
    return (f"converted from {kind}",) if kind else ()

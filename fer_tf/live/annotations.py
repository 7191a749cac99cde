"""Ground truth of a frame: where its faces are and what they show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_tf.live.assignment import assign
from fer_tf.live.tracker import iou

# A face is an annotated one when their boxes overlap by this IoU.
MIN_IOU = 0.5


@dataclass(frozen=True)
class Annotation:
    """The box and the label of a face, known without a detector.

    Attributes:
        box_xywh_px: left, top, width, height.
        label: a class of `labels.CLASSES`.
    """

    box_xywh_px: tuple[float, float, float, float]
    label: str


def match_labels(
    boxes_xywh_px: Sequence[np.ndarray], annotations: Sequence[Annotation]
) -> list[str]:
    """Return the annotated label of each box; "" where no annotation overlaps it.

    Boxes and annotations are matched one to one so that the sum of their IoU is the
    largest; pairs below `MIN_IOU` do not match.
    """
    matched = [""] * len(boxes_xywh_px)
    if not matched or not annotations:
        return matched
    annotated = np.array([one.box_xywh_px for one in annotations], float)
    overlaps = iou(np.array(boxes_xywh_px, float)[:, None], annotated[None])
    overlaps[overlaps < MIN_IOU] = 0
    for box, annotation in assign(overlaps):
        if overlaps[box, annotation]:
            matched[box] = annotations[annotation].label
    return matched

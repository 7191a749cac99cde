"""The YuNet face detector, through onnxruntime or through OpenCV.

The network is the same and so are its boxes; onnxruntime takes a third to a half of
OpenCV's time. Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (2023).
"""

import importlib.util
import threading
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fer_tf.errors import UserError
from fer_tf.live import opencv_log
from fer_tf.live.detection import Detection
from fer_tf.live.detection import Detector

# How much larger a frame is made in which no face was found,
ENLARGED = 2
# and how much larger than the first pass' input the second pass' may be: its time and
# its memory grow with the square.
MAX_ENLARGED = 4
STRIDES = (8, 16, 32)
NMS_IOU = 0.3
# The file fixes its input to [1, 3, 640, 640], though the network is convolutional.
# These are the last two dimensions as protobuf: `dim_value: 640` twice, and as long in
# bytes, `dim_param: "h"` and `dim_param: "w"`, which is any size.
FIXED_SIDES = b"\n\x03\x08\x80\x05\n\x03\x08\x80\x05"
FREE_SIDES = b"\n\x03\x12\x01h\n\x03\x12\x01w"


def load(
    model: Path, *, side_px: int = 640, score: float = 0.65, threads: int = 1
) -> Detector:
    """Return the fastest YuNet that can be had here.

    Args:
        model: the ONNX file as published.
        side_px: A frame's longer side is shrunk to this before the network sees it.
            Faces below about 30 px there are missed.
        score: what a face must reach; false boxes are still rare at 0.65.
        threads: how many onnxruntime may use.
    """
    if importlib.util.find_spec("onnxruntime"):
        return OnnxYuNet(model, side_px=side_px, score=score, threads=threads)
    return OpenCvYuNet(model, side_px=side_px, score=score)


class YuNet(ABC):
    """What both have in common: the sizes at which the network looks at a frame.

    Threads may share a detector. A process gets its own by pickling, which loads the
    model file again.
    """

    def __init__(self, model: Path, *, side_px: int, score: float) -> None:
        if not model.is_file():
            raise UserError(f"there is no detector model {model}.")
        self._model = model
        self._side_px = side_px
        self._score = score

    def __reduce__(self) -> tuple[Callable[..., "YuNet"], tuple[Path]]:
        """Return how to load the model again: a native network cannot be pickled."""
        return partial(type(self), **self._options()), (self._model,)

    def _options(self) -> dict[str, float]:
        """Return the arguments of the constructor besides the model."""
        return {"side_px": self._side_px, "score": self._score}

    def __call__(self, frame_bgr: np.ndarray) -> list[Detection]:
        """Return the faces in a frame of a video, uint8 [height, width, 3].

        Where there are none it looks once more, `ENLARGED` times as large.
        """
        side_px = min(self._side_px, max(frame_bgr.shape[:2]))
        rows = self._look(frame_bgr, side_px)
        if not len(rows):
            rows = self._look(frame_bgr, ENLARGED * side_px)
        return as_detections(rows)

    def detect_image(self, image_bgr: np.ndarray) -> list[Detection]:
        """Return the faces in an image, uint8 [height, width, 3], also small ones.

        An image that the first pass sees shrunk gets a second pass at its own size, at
        most `MAX_ENLARGED` times the first one's; so does an image without a face, at
        least `ENLARGED` times as large. The faces of both are merged.
        """
        longer_px = max(image_bgr.shape[:2])
        first_px = min(self._side_px, longer_px)
        rows = self._look(image_bgr, first_px)
        second_px = min(longer_px, MAX_ENLARGED * first_px)
        if not len(rows):
            second_px = max(second_px, ENLARGED * first_px)
        if second_px > first_px:
            more = self._look(image_bgr, second_px)
            rows = suppress(np.concatenate([rows, more]), self._score)
        return as_detections(rows)

    def _look(self, frame: np.ndarray, side_px: int) -> np.ndarray:
        """Look at a frame of that longer side; return its faces in its own pixels."""
        resized, scale = resize(frame, side_px)
        rows = self._rows(resized).astype(float)
        rows[:, :14] /= np.tile(scale, 7)
        return rows

    @abstractmethod
    def _rows(self, frame: np.ndarray) -> np.ndarray:
        """Return the faces in a frame of the network's size, as `decode` does."""


class OnnxYuNet(YuNet):
    """YuNet in onnxruntime, decoded here."""

    def __init__(
        self, model: Path, *, side_px: int, score: float, threads: int
    ) -> None:
        import onnxruntime

        super().__init__(model, side_px=side_px, score=score)
        self._threads = threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Else it warns, for every frame, that outputs are not those of 640x640.
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.read_bytes().replace(FIXED_SIDES, FREE_SIDES),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._outputs = [output.name for output in self._session.get_outputs()]

    def _options(self) -> dict[str, float]:
        return {**super()._options(), "threads": self._threads}

    def _rows(self, frame: np.ndarray) -> np.ndarray:
        padded = _pad(frame)
        blob = padded.transpose(2, 0, 1)[None].astype(np.float32)
        answers = self._session.run(self._outputs, {"input": blob})
        outputs = dict(zip(self._outputs, answers, strict=True))
        rows = [
            decode(outputs, stride, padded.shape[1] // stride, self._score)
            for stride in STRIDES
        ]
        return suppress(np.concatenate(rows), self._score)


class OpenCvYuNet(YuNet):
    """YuNet in OpenCV, which decodes it."""

    def __init__(self, model: Path, *, side_px: int, score: float) -> None:
        super().__init__(model, side_px=side_px, score=score)
        # The network keeps its input's size, and the frame while it is looked at.
        self._lock = threading.Lock()
        # OpenCV 5 warns that its new engine ignores a target nobody chose.
        with opencv_log.silenced():
            self._network = cv2.FaceDetectorYN.create(
                str(model), "", (side_px, side_px), score, NMS_IOU
            )

    def _rows(self, frame: np.ndarray) -> np.ndarray:
        with self._lock:
            self._network.setInputSize(frame.shape[1::-1])
            rows = self._network.detect(frame)[1]
        return np.empty((0, 15), np.float32) if rows is None else rows


def resize(frame: np.ndarray, side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Give a frame's longer side a length.

    Returns:
        The frame, resized or itself, and [x, y], its pixels per pixel of the original.
    """
    height, width = frame.shape[:2]
    factor = side_px / max(height, width)
    if factor == 1.0:
        return frame, np.ones(2)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(frame, size, interpolation=how), np.divide(size, (width, height))


def _pad(frame: np.ndarray) -> np.ndarray:
    """Extend a frame with black, right and below, to multiples of the last stride."""
    bottom, right = (-side % STRIDES[-1] for side in frame.shape[:2])
    if not bottom and not right:
        return frame
    return cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_CONSTANT)


def decode(
    outputs: dict[str, np.ndarray], stride: int, columns: int, least_score: float
) -> np.ndarray:
    """Decode one stride's anchors, one per cell of `stride` pixels, row by row.

    score = sqrt(cls * obj); with the cell's column and row as c, a box has its centre
    at (c + bbox[:2]) * stride and its sides exp(bbox[2:]) * stride; a landmark lies at
    (c + kps) * stride.

    Returns:
        float32 [faces, 15] in pixels of the network's input, as OpenCV orders them:
        x, y, width, height, five landmarks, score; those that reach `least_score`.
    """
    cls, obj, bbox, kps = (
        outputs[f"{name}_{stride}"][0] for name in ("cls", "obj", "bbox", "kps")
    )
    score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))[:, 0]
    found = np.flatnonzero(score >= least_score)
    if not found.size:
        return np.empty((0, 15), np.float32)
    cell = np.stack([found % columns, found // columns], axis=1).astype(np.float32)
    size = np.exp(bbox[found, 2:]) * stride
    corner = (cell + bbox[found, :2]) * stride - size / 2
    points = (np.tile(cell, 5) + kps[found]) * stride
    return np.concatenate([corner, size, points, score[found, None]], axis=1)


def suppress(rows: np.ndarray, least_score: float) -> np.ndarray:
    """Keep the best of overlapping faces: non-maximum suppression at `NMS_IOU`.

    Args:
        rows: [faces, 15] as `decode` returns them.
    """
    kept = cv2.dnn.NMSBoxes(
        rows[:, :4].tolist(), rows[:, 14].tolist(), least_score, NMS_IOU
    )
    return rows[np.asarray(kept, int).ravel()]


def as_detections(rows: np.ndarray) -> list[Detection]:
    """Return rows [faces, 15] as detections."""
    points = rows[:, :14].reshape(-1, 7, 2)
    return [
        Detection(face[:2].ravel(), face[2:], float(score))
        for face, score in zip(points, rows[:, 14], strict=True)
    ]

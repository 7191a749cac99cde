"""A picture to the faces in it, each with calibrated probabilities."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from fer_tf import conformal
from fer_tf import preprocess
from fer_tf import quality
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.live.detection import Detection
from fer_tf.live.detection import Detector
from fer_tf.live.detection import ImageDetector
from fer_tf.live.frames import check_bgr
from fer_tf.preprocess import FaceSpec
from fer_tf.quality import Thresholds
from fer_tf.quality import UnsureReason
from fer_tf.runtime import bundle as bundles
from fer_tf.runtime.bundle import Bundle
from fer_tf.runtime.classifier import Classifier


@dataclass(frozen=True, eq=False)
class Face:
    """A face and what it shows.

    Attributes:
        box_xywh_px: the detector's box, float [4], to the hundredth of a pixel.
        landmarks_px: float [5, 2].
        score: how sure the detector is, in 0..1.
        probabilities: calibrated, float32 [7], in the order of `labels.CLASSES`.
        label: the likeliest class.
        confidence: its probability.
        prediction_set: the classes it may show, likeliest first, as often right as the
            bundle says, and all of them where the face is not usable; None where the
            bundle does not say.
        unsure_reason: Why the prediction is unsure, such as "low_confidence" or
            "too_dark"; "" where it is sure.
    """

    box_xywh_px: np.ndarray
    landmarks_px: np.ndarray
    score: float
    probabilities: np.ndarray
    label: str
    confidence: float
    prediction_set: tuple[str, ...] | None
    unsure_reason: UnsureReason

    @property
    def abstained(self) -> bool:
        """The prediction is unsure."""
        return bool(self.unsure_reason)


class Recogniser:
    """A detector and a classifier, put together.

    Threads may share it if they may share the detector, as they may YuNet. It can be
    pickled if the detector can, as YuNet can; the models are then loaded again.

    Args:
        cropped: frames are faces already, and classified whole.
        thresholds: What a face must reach so that its prediction can be sure.

    Example:
        >>> recogniser = load("runs/quickstart/bundle")     # doctest: +SKIP
        >>> [face.label for face in recogniser(frame_bgr)]  # doctest: +SKIP
        ['Happy', 'Neutral']
    """

    def __init__(
        self,
        detector: Detector,
        classifier: Classifier,
        cropped: bool = False,
        thresholds: Thresholds = Thresholds(),
    ) -> None:
        self.detect = detector
        self.classifier = classifier
        self._cropped = cropped
        self._thresholds = thresholds
        self._spec = classifier.bundle.face

    @property
    def bundle(self) -> Bundle:
        """The bundle whose model answers."""
        return self.classifier.bundle

    @property
    def clahe(self) -> bool:
        """The classifier's input is equalised; as it was taught, unless toggled."""
        return self._spec.clahe_clip > 0

    def toggle_clahe(self) -> None:
        """Equalise the classifier's input if it was not, and the other way round."""
        taught = self.bundle.face.clahe_clip or FaceSpec.clahe_clip
        clip = 0.0 if self.clahe else taught
        self._spec = dataclasses.replace(self._spec, clahe_clip=clip)

    def __call__(self, frame_bgr: np.ndarray) -> list[Face]:
        """Return the faces in an image, uint8 [height, width, 3].

        YuNet takes more time here than `detect` takes for a frame of a video, in which
        small faces are left to later frames.

        Raises:
            UserError: `frame_bgr` is not a uint8 [height, width, 3] array.
        """
        return self.batch([frame_bgr])[0]

    def batch(self, frames_bgr: Sequence[np.ndarray]) -> list[list[Face]]:
        """Return the faces in each image; all are classified in one call.

        Args:
            frames_bgr: uint8 [height, width, 3] each, of any sizes.

        Raises:
            UserError: One of `frames_bgr` is not a uint8 [height, width, 3] array.
        """
        for frame in frames_bgr:
            check_bgr(frame)
        detector = self.detect
        if isinstance(detector, ImageDetector):
            detector = detector.detect_image
        return self._recognise(frames_bgr, [detector(frame) for frame in frames_bgr])

    def recognise(
        self, frame_bgr: np.ndarray, detections: Sequence[Detection]
    ) -> list[Face]:
        """Classify all faces that were found in a frame, in one call."""
        return self._recognise([frame_bgr], [detections])[0]

    def _recognise(
        self,
        frames_bgr: Sequence[np.ndarray],
        detections: Sequence[Sequence[Detection]],
    ) -> list[list[Face]]:
        # Cut by the box as it is written down, so that it can be cut again.
        told = [[_told(found) for found in inside] for inside in detections]
        # The only place between camera and model where the channels change places.
        crops = [
            cv2.cvtColor(self._crop(frame, found.box_xywh_px), cv2.COLOR_BGR2RGB)
            for frame, inside in zip(frames_bgr, told, strict=True)
            for found in inside
        ]
        answers = zip(self._answers(crops), crops, strict=True)
        return [
            [self._face(frame, found, *next(answers)) for found in inside]
            for frame, inside in zip(frames_bgr, told, strict=True)
        ]

    def _answers(self, crops: list[np.ndarray]) -> np.ndarray:
        """Return probabilities [n, 7] of crops, in one call."""
        spec = self._spec  # Another thread may toggle CLAHE in the meantime.
        if not crops or spec == self.bundle.face:
            return self.classifier(crops)
        prepared = [preprocess.prepare(crop, spec) for crop in crops]
        return self.classifier.classify(np.array(prepared))

    def _crop(self, frame: np.ndarray, box_xywh_px: np.ndarray) -> np.ndarray:
        """Cut a face out of a frame as the training pictures are framed."""
        if self._cropped:
            return frame
        square = preprocess.square_around(box_xywh_px, self.bundle.face.framing)
        return preprocess.cut(frame, square)

    def _face(
        self,
        frame: np.ndarray,
        detection: Detection,
        probabilities: np.ndarray,
        crop_rgb: np.ndarray,
    ) -> Face:
        best = int(np.argmax(probabilities))
        confidence = float(probabilities[best])
        reason = self._quality(frame, detection, crop_rgb)
        prediction_set = self._prediction_set(probabilities, reason)
        if not reason and confidence < self.bundle.abstain.threshold:
            reason = UnsureReason.LOW_CONFIDENCE
        return Face(
            **vars(detection),
            probabilities=probabilities,
            label=CLASSES[best],
            confidence=confidence,
            prediction_set=prediction_set,
            unsure_reason=reason,
        )

    def _quality(
        self, frame: np.ndarray, detection: Detection, crop_rgb: np.ndarray
    ) -> UnsureReason:
        height, width = frame.shape[:2]
        return quality.assess(
            cv2.cvtColor(crop_rgb, cv2.COLOR_RGB2GRAY),
            quality.visible_share(detection.box_xywh_px, (width, height)),
            self._thresholds,
        )

    def _prediction_set(
        self, probabilities: np.ndarray, reason: UnsureReason
    ) -> tuple[str, ...] | None:
        sets = self.bundle.prediction_sets
        if sets is None:
            return None
        held = conformal.prediction_sets(probabilities, sets.threshold)
        likeliest_first = np.argsort(-probabilities, kind="stable")
        # How often a set is right was measured on faces that can be seen.
        return tuple(
            CLASSES[index] for index in likeliest_first if reason or held[index]
        )


def _told(detection: Detection) -> Detection:
    """Return a detection whose box is in hundredths of a pixel."""
    box = np.round(np.asarray(detection.box_xywh_px, np.float64), 2)
    return dataclasses.replace(detection, box_xywh_px=box)


def find_bundle(folder: str | Path | None = None) -> Bundle:
    """Read the bundle in `folder`, or the one that is shipped.

    Raises:
        UserError: none was given and none is shipped, or it is not as it should be.
    """
    if folder is not None:
        return bundles.read(Path(folder))
    shipped = Path(str(resources.files("fer_tf"))) / "assets" / "student"
    if not shipped.is_dir():
        raise UserError(
            "no bundle is shipped with this fer-tf. Make one with `fer-tf run`, and "
            "give it with --bundle runs/quickstart/bundle."
        )
    return bundles.read(shipped)


def load(
    bundle: str | Path | None = None,
    *,
    detector: Detector | None = None,
    detector_model: str | Path | None = None,
    detect_side_px: int = 640,
    detector_score: float = 0.65,
    threads: int = 1,
) -> Recogniser:
    """Return a recogniser.

    Args:
        bundle: an exported bundle's folder; None is the one that is shipped.
        detector: what finds faces; None is YuNet.
        detector_model: YuNet's ONNX file; None looks where `yunet_model.find` does.
        detect_side_px: the longer side of what YuNet sees, at most.
        detector_score: what a face must reach to be one.
        threads: how many each of the two models may use.
    """
    classifier = Classifier(find_bundle(bundle), threads)
    if detector is None:
        model = yunet_model.find(Path(detector_model) if detector_model else None)
        detector = yunet.load(
            model, side_px=detect_side_px, score=detector_score, threads=threads
        )
    return Recogniser(detector, classifier)

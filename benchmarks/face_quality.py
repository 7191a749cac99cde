"""How often faces are found unusable: normal ones, damaged ones, and crops of no face.

    python benchmarks/face_quality.py --raw RAW [--bundle BUNDLE]

`RAW/fer2013/fer2013.csv` and `RAW/ferplus/fer2013new.csv` are the publishers' files, of
which the validation rows are taken whose crowd majority is one of the seven classes.
`RAW/wild/` holds photographs in `images/`, named in `labels.csv`; the face that YuNet
finds is framed as the bundle says. Both are scaled to 25 to 250 px. The thresholds of
`fer_tf.quality.Thresholds` were chosen by these tables: fewer than 1 % of the normal
faces may be affected. Every rate has its 95 % interval (Wilson).
"""

import argparse
import functools
import itertools
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fer_tf import picture
from fer_tf import preprocess
from fer_tf import quality
from fer_tf.labels import INDEX
from fer_tf.live import framing
from fer_tf.live import predict
from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.live.detection import Detector
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.recogniser import find_bundle
from fer_tf.quality import UnsureReason
from fer_tf.runtime.classifier import Classifier
from fer_tf.sources import ferplus
from fer_tf.sources import pictures
from fer_tf.sources.rejects import Rejects

SIDES = (25, 32, 48, 64, 100, 160, 250)
SMALL_SIDES = (24, 22, 20, 18, 16, 12, 8)
PASTED_SIDES = (16, 20, 22, 24, 25, 28, 32, 48, 100, 250)
PROBE_SIDES = (25, 32, 48, 64, 100, 160, 250, 500)
# Damage is done to a face of this side.
DAMAGED_SIDE = 100
NORMAL_95 = 1.96
REASONS = [reason for reason in UnsureReason if not reason.is_usable]
Damage = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Print four tables."""
    options = _options()
    bundle = find_bundle(options.bundle)
    recogniser = predict.of_cropped(Classifier(bundle))
    probes(recogniser, options.seeds)
    detector = yunet.load(
        yunet_model.find(options.detector_model), side_px=640, score=0.65, threads=1
    )
    faces = {
        "FERPlus, validation": list(_ferplus(options.raw)),
        "wild": list(_wild(options.raw, detector, bundle.face.framing)),
    }
    normal(faces)
    as_detected(faces["wild"], detector, recogniser.classifier, options.pasted)
    damaged(faces["FERPlus, validation"], recogniser)


def normal(faces: dict[str, list[tuple[np.ndarray, int]]]) -> None:
    """Print how often each reason is given for faces as they are."""
    names = [reason.value for reason in REASONS if reason != "outside_frame"]
    print(f"\n| normal faces | side, px | n | unusable | {' | '.join(names)} |")
    print("|---" * (4 + len(names)) + "|")
    for name, crops in faces.items():
        for side in SIDES:
            found = Counter(quality.assess(scaled(crop, side)) for crop, _ in crops)
            cells = [rate(len(crops) - found[UnsureReason.NONE], len(crops))]
            cells += [rate(found[reason], len(crops)) for reason in names]
            print(f"| {name} | {side} | {len(crops)} | {' | '.join(cells)} |")


def as_detected(
    faces: Sequence[tuple[np.ndarray, int]],
    detector: Detector,
    classifier: Classifier,
    count: int,
) -> None:
    """Print how often faces are unusable that are found where they were pasted."""
    print("\n| pasted at, px | pasted | found | side as found, px | unusable |")
    print("|---|---|---|---|---|")
    recogniser = Recogniser(detector, classifier)
    framed = recogniser.bundle.face.framing
    for side in PASTED_SIDES:
        sides, unusable = [], 0
        for crop, _ in itertools.islice(faces, count):
            found = recogniser(pasted(scaled(crop, side)))
            if found:
                best = max(found, key=lambda face: face.score)
                sides.append(preprocess.square_around(best.box_xywh_px, framed)[2])
                unusable += not best.unsure_reason.is_usable
        if sides:
            low, middle, high = np.percentile(sides, (5, 50, 95))
            print(
                f"| {side} | {count} | {len(sides)} | {middle:.0f} ({low:.0f} to "
                f"{high:.0f}) | {rate(unusable, len(sides))} |",
                flush=True,
            )


def damaged(
    faces: Sequence[tuple[np.ndarray, int]], recogniser: Recogniser
) -> None:
    """Print what the model makes of damaged faces, and how many are unusable."""
    print(
        "\n| damage | n | accuracy | sure without the check | right of these "
        "| unusable | reasons | sure | right of these |"
    )
    print("|---" * 9 + "|")
    truth = np.array([label for _, label in faces])
    for name, damage in _damages():
        crops = [damage(crop) for crop, _ in faces]
        probabilities = classified(crops, recogniser.classifier)
        reasons = [quality.assess(crop) for crop in crops]
        right = probabilities.argmax(1) == truth
        confident = (
            probabilities.max(1) >= recogniser.bundle.abstain.threshold
        )
        usable = np.array([reason.is_usable for reason in reasons])
        counts = Counter(reason.value for reason in reasons if not reason.is_usable)
        print(
            f"| {name} | {len(faces)} | {right.mean():.3f} | {confident.mean():.1%} | "
            f"{_mean(right[confident])} | {rate((~usable).sum(), len(usable))} | "
            f"{_listed(counts)} | "
            f"{(confident & usable).mean():.1%} | {_mean(right[confident & usable])} |",
            flush=True,
        )


def probes(recogniser: Recogniser, seeds: int) -> None:
    """Print how many crops that are no face are sure, with the check and without."""
    kinds: dict[str, list[tuple[bool, UnsureReason]]] = {}
    threshold = recogniser.bundle.abstain.threshold
    for kind, crop in _probes(seeds):
        (face,) = recogniser(np.ascontiguousarray(crop))
        kinds.setdefault(kind, []).append(
            (face.confidence >= threshold, face.unsure_reason)
        )
    print("| crops of no face | tried | sure without the check | sure | reasons |")
    print("|---|---|---|---|---|")
    for kind, found in kinds.items():
        confident = sum(sure for sure, _ in found)
        sure = sum(not reason for _, reason in found)
        reasons = Counter(reason.value for _, reason in found if reason)
        print(
            f"| {kind} | {len(found)} | {confident} | {sure} | {_listed(reasons)} |",
            flush=True,
        )


def rate(found: int, count: int) -> str:
    """Return a rate with its 95 % interval (Wilson 1927), in percent."""
    share, z2 = found / count, NORMAL_95**2 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = np.sqrt(share * (1 - share) * z2 + z2**2 / 4) / (1 + z2)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return f"{share:.2%} ({low:.2%} to {high:.2%})"


def scaled(gray: np.ndarray, side: int) -> np.ndarray:
    """Return a crop, scaled to a side in pixels."""
    how = cv2.INTER_AREA if side < min(gray.shape) else cv2.INTER_CUBIC
    return cv2.resize(gray, (side, side), interpolation=how)


def pasted(crop: np.ndarray) -> np.ndarray:
    """Return a plain frame, BGR, of 320 px or more, with a crop in its middle."""
    side = len(crop)
    whole = max(320, 3 * side)
    frame = np.full((whole, whole), round(float(crop.mean())), np.uint8)
    start = (whole - side) // 2
    frame[start:start + side, start:start + side] = crop
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)


def classified(crops: Sequence[np.ndarray], classifier: Classifier) -> np.ndarray:
    """Return probabilities [n, 7] of crops."""
    starts = range(0, len(crops), 128)
    return np.concatenate([classifier(crops[start:start + 128]) for start in starts])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in counts.most_common())


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.3f}" if len(values) else ""


def _ferplus(raw: Path) -> Iterator[tuple[np.ndarray, int]]:
    rejects = Rejects(ferplus.NAME)
    for record in ferplus.read(raw / ferplus.NAME, rejects, "validation"):
        gray = cv2.cvtColor(picture.decode(record.image), cv2.COLOR_RGB2GRAY)
        if record.label and gray.any():
            yield gray, INDEX[record.label]


def _wild(
    raw: Path, detector: Detector, framed: preprocess.Framing
) -> Iterator[tuple[np.ndarray, int]]:
    for record in pictures.read(raw / "wild", Rejects("wild")):
        rgb = picture.decode(record.image)
        box = framing.find(rgb, detector)
        if box is not None:
            crop = preprocess.cut(rgb, preprocess.square_around(box, framed))
            yield cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), INDEX.get(record.label, -1)


def _damages() -> Iterator[tuple[str, Damage]]:
    """Yield what is done to a face of 48 px, which is enlarged first unless noted."""
    yield "none", functools.partial(scaled, side=DAMAGED_SIDE)
    for factor in (0.5, 0.3, 0.2, 0.15, 0.1, 0.05):
        yield f"brightness x {factor}", _scaling(factor, 0.0)
    for factor in (0.3, 0.2, 0.1, 0.05):
        yield f"contrast x {factor}", _scaling(factor, 1.0)
    for share in (0.02, 0.03, 0.04, 0.06, 0.08, 0.12):
        yield f"blur, {share:.0%} of the side", _blur(share)
    for side in SMALL_SIDES:
        yield f"side {side} px", functools.partial(scaled, side=side)
    for deviation in (10, 20, 40, 80):
        yield f"48 px, noise of {deviation}", _noise(deviation)


def _scaling(factor: float, around_mean: float) -> Damage:
    def damage(gray: np.ndarray) -> np.ndarray:
        large = scaled(gray, DAMAGED_SIDE).astype(float)
        centre = around_mean * large.mean()
        changed = (large - centre) * factor + centre
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)

    return damage


def _blur(share: float) -> Damage:
    def damage(gray: np.ndarray) -> np.ndarray:
        large = scaled(gray, DAMAGED_SIDE)
        return cv2.GaussianBlur(large, (0, 0), share * DAMAGED_SIDE)

    return damage


def _noise(deviation: float) -> Damage:
    rng = np.random.default_rng(0)

    def damage(gray: np.ndarray) -> np.ndarray:
        noisy = gray + rng.normal(0, deviation, gray.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    return damage


def _probes(seeds: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield crops, BGR, that are no face, and what they are."""
    for side in PROBE_SIDES:
        for crop in _plain(side):
            yield "uniform", _bgr(crop)
        for crop in _gradients(side):
            yield "gradient", _bgr(crop)
        for crop in _patterns(side):
            yield "checker or stripes", _bgr(crop)
        for seed in range(seeds):
            rng = np.random.default_rng((seed, side))
            color = rng.integers(0, 256, 3, dtype=np.uint8)
            yield "uniform color", np.broadcast_to(color, (side, side, 3)).copy()
            yield from _noises(rng, side)


def _plain(side: int) -> Iterator[np.ndarray]:
    for level in (0, 1, 2, 8, 16, 32, 64, 128, 192, 240, 254, 255):
        yield np.full((side, side), level)


def _gradients(side: int) -> Iterator[np.ndarray]:
    y, x = np.mgrid[:side, :side] / (side - 1)
    radius = np.hypot(x - 0.5, y - 0.5)
    for ramp in (x, y, (x + y) / 2, radius / radius.max()):
        for end in (255, 120):
            yield end * ramp
            yield end * (1 - ramp)


def _patterns(side: int) -> Iterator[np.ndarray]:
    y, x = np.mgrid[:side, :side]
    for cell in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64):
        for low, high in ((0, 255), (60, 190), (110, 150)):
            for offset in (0, cell // 2):
                columns = (x + offset) // cell
                yield np.where((columns + y // cell) % 2, high, low)
                yield np.where(columns % 2, high, low)
                yield np.where(columns.T % 2, high, low)


def _noises(
    rng: np.random.Generator, side: int
) -> Iterator[tuple[str, np.ndarray]]:
    shape = (side, side)
    yield "uniform noise", _bgr(rng.integers(0, 256, shape))
    yield "uniform noise, in color", rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    for deviation in (10, 20, 40, 80):
        yield "Gaussian noise", _bgr(rng.normal(128, deviation, shape))
        yield "Gaussian noise, in color", _bgr(rng.normal(128, deviation, (*shape, 3)))
        yield "Gaussian noise, dark", _bgr(rng.normal(deviation, deviation, shape))
    for share in (0.02, 0.1, 0.3, 1.0):
        for ground in (0, 128, 255):
            salt = np.where(rng.random(shape) < 0.5, 0, 255)
            crop = np.where(rng.random(shape) < share, salt, ground)
            yield "salt and pepper", _bgr(crop)
    for exponent in (0.5, 1.0, 2.0, 3.0):
        kind = f"noise of power 1/f^{2 * exponent:g}"
        yield kind, _bgr(_colored(rng, side, exponent))
    for cells in (6, 8, 12, 16, 24):
        if cells < side:
            coarse = rng.integers(0, 256, (cells, cells), dtype=np.uint8)
            yield "noise of 6 to 24 px, enlarged", _bgr(scaled(coarse, side))


def _colored(rng: np.random.Generator, side: int, exponent: float) -> np.ndarray:
    frequency = np.fft.fftfreq(side)
    radius = np.hypot(frequency, frequency[:, None])
    radius[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.normal(size=(side, side))) / radius**exponent
    values = np.fft.ifft2(spectrum).real
    return 128 + 50 * values / values.std()


def _bgr(values: np.ndarray) -> np.ndarray:
    pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--detector-model", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--pasted", type=int, default=600)
    return parser.parse_args()


if __name__ == "__main__":
    main()

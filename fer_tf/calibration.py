"""Temperature, abstain threshold and sets: fitted on validation, used elsewhere."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import optimize

from fer_tf import conformal
from fer_tf import files
from fer_tf import metrics
from fer_tf.errors import UserError

log = logging.getLogger(__name__)

# Fewer answers than this say nothing of an accuracy.
LEAST_ANSWERED = 20


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the T that minimises the NLL of softmax(logits / T).

    Guo et al. 2017, arXiv:1706.04599, section 4.2. The NLL is convex in b = 1 / T, and
    its slope, mean(E_p[z] - z_label), rises with b: it has one root or none. Found by
    its root, T needs no start and no clamp, and follows the logits' scale. There is
    none where every answer is right (T would be 0) or where the logits know nothing
    of the labels (T would be infinite): then T = 1 and a warning.

    Args:
        logits: [n, 7].
        labels: [n], integers.
    """
    logits = np.asarray(logits, np.float64)
    target = logits[np.arange(len(labels)), labels]

    def slope(log_temperature: float) -> float:
        probs = metrics.softmax(logits / np.exp(log_temperature))
        return float(np.mean((probs * logits).sum(axis=-1) - target))

    sharpest, flattest = np.log(1e-6), np.log(1e6)
    if not slope(flattest) < 0 < slope(sharpest):
        log.warning(
            "no temperature fits: the %d answers are all right, or no better than "
            "chance. T = 1 is kept.",
            len(labels),
        )
        return 1.0
    return float(np.exp(optimize.brentq(slope, sharpest, flattest, xtol=1e-12)))


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(logits / temperature) over the last axis."""
    if not temperature > 0:
        raise ValueError(f"`temperature` must be positive, received {temperature}.")
    return metrics.softmax(np.asarray(logits, np.float64) / temperature)


def halves(groups: np.ndarray, seed: int) -> np.ndarray:
    """Return a mask [n] that parts the rows in two, whole groups at a time.

    What is fitted on one half is scored on the other, and the reverse, so that no row
    is scored by what it helped to fit.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"`groups` must hold two groups or more, received {names}.")
    order = np.random.default_rng(seed).permutation(len(names))
    return (order < len(names) // 2)[group_of]


def cross_calibrated(
    logits: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int
) -> np.ndarray:
    """Return logits / T, [n, 7], each half of them with the T of the other half."""
    mask = halves(groups, seed)
    scaled = np.array(logits, np.float64)
    for scored in (mask, ~mask):
        scaled[scored] /= fit_temperature(logits[~scored], labels[~scored])
    return scaled


@dataclass(frozen=True)
class Threshold:
    """Below this confidence the answer is "unsure".

    Attributes:
        threshold: an answer counts where its confidence is at least this.
        accuracy: of the answers that count; 0 where none does.
        coverage: the fraction of answers that count.
        reached: whether the wanted accuracy was reached.
    """

    threshold: float
    accuracy: float
    coverage: float
    reached: bool


def abstain_threshold(
    labels: np.ndarray,
    probs: np.ndarray,
    wanted_accuracy: float,
    least: int = LEAST_ANSWERED,
) -> Threshold:
    """Return the lowest threshold above which answers are `wanted_accuracy` right.

    Where no threshold with `least` answers or more reaches it, the threshold is 1 and
    `reached` is false: such a model is unsure of everything but a certainty.
    """
    if not 0 < wanted_accuracy <= 1:
        raise ValueError(
            f"`wanted_accuracy` must be in 0..1, received {wanted_accuracy}."
        )
    confidence = np.sort(np.max(probs, axis=1))[::-1]
    _, risk = metrics.risk_coverage(labels, probs)
    # A cut between two equal confidences cannot be made.
    can_cut = np.append(confidence[1:] < confidence[:-1], True)
    can_cut[: least - 1] = False
    good = np.flatnonzero(can_cut & (1 - risk >= wanted_accuracy - 1e-12))
    if len(good):
        last = good[-1]
        coverage = (last + 1) / len(labels)
        return Threshold(float(confidence[last]), float(1 - risk[last]), coverage, True)
    certain = int((confidence >= 1).sum())
    accuracy = float(1 - risk[certain - 1]) if certain else 0.0
    return Threshold(1.0, accuracy, certain / len(labels), False)


@dataclass(frozen=True)
class Calibration:
    """What makes a model's logits probabilities, and where it came from.

    Attributes:
        temperature: logits are divided by it.
        threshold: below this calibrated confidence the answer is "unsure".
        wanted_accuracy: what `threshold` was chosen for.
        threshold_reached: whether the split it was fitted on reached that accuracy.
        threshold_coverage: the fraction of that split that is answered.
        fitted_on: the name of the split.
        n: the number of its records.
        set_threshold: a class of at least this calibrated probability is in the
            prediction set; None where no sets were asked for.
        wanted_coverage: how often the set should hold the label.
    """

    temperature: float
    threshold: float
    wanted_accuracy: float
    threshold_reached: bool
    threshold_coverage: float
    fitted_on: str
    n: int
    set_threshold: float | None = None
    wanted_coverage: float | None = None

    @classmethod
    def fit(
        cls,
        logits: np.ndarray,
        labels: np.ndarray,
        wanted_accuracy: float,
        fitted_on: str,
        *,
        groups: np.ndarray | None = None,
        wanted_coverage: float | None = None,
    ) -> "Calibration":
        """Fit temperature, then both thresholds, on the split called `fitted_on`.

        The sets' guarantee is for probabilities that have not seen these labels. T has,
        which is one number of many records and moves the coverage by less than test
        can tell; the sets' coverage on test is what to go by.

        Args:
            groups: [n], equal where rows belong together; None is a group for each.
            wanted_coverage: of the prediction sets; None fits none.
        """
        temperature = fit_temperature(logits, labels)
        probs = apply_temperature(logits, temperature)
        threshold = abstain_threshold(labels, probs, wanted_accuracy)
        set_threshold = None
        if wanted_coverage is not None:
            groups = np.arange(len(labels)) if groups is None else groups
            set_threshold = conformal.set_threshold(
                labels, probs, groups, wanted_coverage
            )
        return cls(
            temperature=temperature,
            threshold=threshold.threshold,
            wanted_accuracy=wanted_accuracy,
            threshold_reached=threshold.reached,
            threshold_coverage=threshold.coverage,
            fitted_on=fitted_on,
            n=len(labels),
            set_threshold=set_threshold,
            wanted_coverage=wanted_coverage,
        )

    def scale(self, logits: np.ndarray, split: str) -> np.ndarray:
        """Return logits / T, to be scored on `split`.

        Raises:
            ValueError: `split` is the one it was fitted on, where the figures would
                flatter: use `cross_calibrated` there.
        """
        if split == self.fitted_on:
            raise ValueError(
                f"a calibration fitted on {split!r} must be scored on another split, "
                f"received {split!r}. Use cross_calibrated there."
            )
        return np.asarray(logits, np.float64) / self.temperature

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        files.write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote.

        Raises:
            UserError: the file is missing or holds something else.
        """
        try:
            return cls(**files.read_json(path))
        except TypeError as error:
            raise UserError(f"{path} is no calibration: {error}") from None

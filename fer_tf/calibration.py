"""Scaling, abstain threshold and sets: fitted on validation, used elsewhere."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import optimize

from fer_tf import conformal
from fer_tf import files
from fer_tf import metrics
from fer_tf.config import checks
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name
from fer_tf.labels import NUM_CLASSES

log = logging.getLogger(__name__)

METHODS = ("temperature", "vector")

# Fewer answers than this say nothing of an accuracy.
LEAST_ANSWERED = 20

# Bounds of what is read from a file; the fit stays a little inside them.
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-7, 1e7
MAX_SCALING = 1000.0

# Of vector scaling: odds of e^20 are not learnt from a validation split.
LARGEST_FACTOR = 20


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


def fit_balanced_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the T that minimizes the balanced NLL of softmax(logits / T).

    The class prior that is divided out is the mean of softmax(logits / T), so it
    changes with T. The loss has no closed slope and is flat where T is large, so the
    minimum is bracketed on a grid first. T = 1 is returned with a warning where the
    minimum lies at an end of the grid: all predictions are right, or none is better
    than chance.

    Args:
        logits: [n, 7], predictions on validation.
        labels: [n], integers.
    """
    logits = np.asarray(logits, np.float64)

    def loss(log_temperature: float) -> float:
        probs = metrics.softmax(logits / np.exp(log_temperature))
        return metrics.balanced_nll(labels, probs, metrics.source_prior(probs))

    grid = np.linspace(np.log(0.01), np.log(100), 65)
    best = int(np.argmin([loss(each) for each in grid]))
    if best in (0, len(grid) - 1):
        log.warning(
            "temperature scaling by balanced NLL failed: the %d predictions are all "
            "correct, or no better than chance. T = 1 is used.",
            len(labels),
        )
        return 1.0
    bounds = (grid[best - 1], grid[best + 1])
    found = optimize.minimize_scalar(
        loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    return float(np.exp(found.x))


def fit_vector(
    logits: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the w [7] and b [7] that minimise the NLL of softmax(w * logits + b).

    Vector scaling: W z + b of Guo et al. 2017, arXiv:1706.04599, section 4.2, eq. (8),
    with a diagonal W. The NLL is convex in both and does not see a number added to all
    of b, whose sum is therefore 0: any start leads to the same. Unlike a temperature
    it may change which class is the likeliest, and with it the accuracy. Where the
    labels lack a class, or w and b would be infinite, they are ones and zeros, with a
    warning.

    Args:
        logits: [n, 7], calibrated by a temperature, so that ones and zeros are near.
        labels: [n], integers.
    """
    logits = np.asarray(logits, np.float64)
    classes = logits.shape[1]
    target = np.eye(classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        log_probs = metrics.log_softmax(flat[:classes] * logits + flat[classes:])
        excess = (np.exp(log_probs) - target) / len(labels)
        slope = [(excess * logits).sum(axis=0), excess.sum(axis=0)]
        return -(log_probs * target).sum() / len(labels), np.concatenate(slope)

    identity = np.repeat([1.0, 0.0], classes)
    options = {"ftol": 0, "gtol": 1e-8, "maxiter": 1000}
    found = optimize.minimize(
        loss, identity, method="L-BFGS-B", jac=True, options=options
    ).x
    found[classes:] -= found[classes:].mean()
    answers = (found[:classes] * logits + found[classes:]).argmax(axis=1)
    lacks_a_class = not target.any(axis=0).all()
    # Where every answer is right, to double w and b would be better still.
    endless = (answers == labels).all() or np.abs(found).max() > LARGEST_FACTOR
    if lacks_a_class or endless:
        log.warning(
            "no vector scaling fits: the %d labels lack a class, or it can part one "
            "from the rest. The temperature alone is kept.",
            len(labels),
        )
        found = identity
    return found[:classes], found[classes:]


@dataclass(frozen=True)
class Scaling:
    """What is done to logits [n, 7]: w * (logits / T) + b, or logits / T alone.

    Attributes:
        temperature: T, positive.
        weights: w, seven numbers; none without vector scaling.
        biases: b, as many.
    """

    temperature: float
    weights: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        checks.number(
            "temperature", self.temperature, MIN_TEMPERATURE, MAX_TEMPERATURE
        )
        for name in ("weights", "biases"):
            values = getattr(self, name)
            if len(values) not in (0, NUM_CLASSES) or len(values) != len(self.weights):
                raise UserError(
                    f"{name} must be {NUM_CLASSES} numbers with vector scaling and "
                    f"none without, received {len(values)}."
                )
            for value in values:
                checks.number(name, value, -MAX_SCALING, MAX_SCALING)

    @classmethod
    def fit(cls, logits: np.ndarray, labels: np.ndarray, method: str) -> "Scaling":
        """Fit T by NLL, and for the method `vector` w and b on top of it."""
        if method not in METHODS:
            raise unknown_name("calibration method", method, METHODS)
        temperature = fit_temperature(logits, labels)
        if method == "temperature":
            return cls(temperature)
        weights, biases = fit_vector(np.asarray(logits) / temperature, labels)
        return cls(temperature, tuple(weights.tolist()), tuple(biases.tolist()))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated logits, whose softmax is calibrated probabilities."""
        scaled = np.asarray(logits, np.float64) / self.temperature
        return scaled * self.weights + self.biases if self.weights else scaled


def halves(groups: np.ndarray, seed: int) -> np.ndarray:
    """Return a mask [n] that parts the rows in two, whole groups at a time.

    What is fitted on one half is scored on the other, and the reverse, so that no row
    is scored by what it helped to fit.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise UserError(
            "to be fitted on one half and scored on the other, validation must hold "
            f"two groups of pictures or more, received {len(names)}. Give it more."
        )
    order = np.random.default_rng(seed).permutation(len(names))
    return (order < len(names) // 2)[group_of]


def cross_calibrated(
    logits: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    seed: int,
    method: str = "temperature",
    applied_to: np.ndarray | None = None,
) -> np.ndarray:
    """Return scaled logits [n, 7], each half of them by what fits the other half.

    Args:
        applied_to: [n, 7], other logits of the same records, which are scaled by what
            fits `logits`; None is `logits` themselves.
    """
    mask = halves(groups, seed)
    applied_to = logits if applied_to is None else applied_to
    scaled = np.array(applied_to, np.float64)
    for scored in (mask, ~mask):
        fitted = Scaling.fit(logits[~scored], labels[~scored], method)
        scaled[scored] = fitted.apply(applied_to[scored])
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
        method: how logits are scaled, one of `METHODS`.
        weights: of vector scaling, after the temperature.
        biases: of vector scaling.
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
    method: str = "temperature"
    weights: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        Scaling(self.temperature, self.weights, self.biases)
        for name in ("threshold", "wanted_accuracy", "threshold_coverage"):
            checks.number(name, getattr(self, name), 0, 1)
        for name in ("set_threshold", "wanted_coverage"):
            if getattr(self, name) is not None:
                checks.number(name, getattr(self, name), 0, 1)
        checks.of_type("threshold_reached", self.threshold_reached, bool)
        checks.of_type("fitted_on", self.fitted_on, str)
        checks.integer("n", self.n, 0, 10**12)
        checks.one_of("calibration method", self.method, METHODS)

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
        method: str = "temperature",
    ) -> "Calibration":
        """Fit the scaling, then both thresholds, on the split called `fitted_on`.

        The sets' guarantee is for probabilities that have not seen these labels. These
        have, through T, which is one number of many records, or through the 15 numbers
        of vector scaling; the sets' coverage on test is what to go by.

        Args:
            groups: [n], equal where rows belong together; None is a group for each.
            wanted_coverage: of the prediction sets; None fits none.
        """
        scaling = Scaling.fit(logits, labels, method)
        probs = metrics.softmax(scaling.apply(logits))
        threshold = abstain_threshold(labels, probs, wanted_accuracy)
        set_threshold = None
        if wanted_coverage is not None:
            groups = np.arange(len(labels)) if groups is None else groups
            set_threshold = conformal.set_threshold(
                labels, probs, groups, wanted_coverage
            )
        return cls(
            **vars(scaling),
            method=method,
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
        """Return calibrated logits, to be scored on `split`.

        Raises:
            ValueError: `split` is the one it was fitted on, where the figures would
                flatter: use `cross_calibrated` there.
        """
        if split == self.fitted_on:
            raise ValueError(
                f"a calibration fitted on {split!r} must be scored on another split, "
                f"received {split!r}. Use cross_calibrated there."
            )
        return self.scaling.apply(logits)

    @property
    def scaling(self) -> Scaling:
        """What is done to logits."""
        return Scaling(self.temperature, self.weights, self.biases)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        files.write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote.

        Raises:
            UserError: the file is missing or damaged, or holds something else.
        """
        do = "Make it again with `fer-tf calibrate`."
        with files.reading(path, "a calibration", do):
            content = files.read_json(path)
            lists = {key: tuple(content.get(key, ())) for key in ("weights", "biases")}
            return cls(**{**content, **lists})

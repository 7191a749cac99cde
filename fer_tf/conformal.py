"""Prediction sets: the classes that a face may show, with the label among them.

Split conformal prediction needs calibration and test to be exchangeable, and nothing
of the model: a poor one has large sets. NumPy alone, for the live view reads it.
"""

import numpy as np


def set_threshold(
    labels: np.ndarray, probs: np.ndarray, groups: np.ndarray, wanted_coverage: float
) -> float:
    """Return the t for which the sets {y : p_y >= t} hold the label often enough.

    The set is LAC's, of least mean size (Sadinle, Lei and Wasserman 2019,
    arXiv:1609.00451, theorem 1, where t is known). With a row per group, n of them, t
    is one minus the split conformal quantile of the scores 1 - p_label, that of level
    ceil((n + 1)(1 - alpha)) / n (Angelopoulos and Bates 2021, arXiv:2107.07511,
    section 1), where 1 - alpha is the wanted coverage.

    Records of one group (duplicates, one subject) are not exchangeable with those of
    another, so a group counts once, its m records for 1 / m each (HCP of Lee, Barber
    and Willett 2023, arXiv:2306.06342): t is the largest for which

        1 / (n + 1) sum_g mean_{i in g} [p_label,i >= t] >= 1 - alpha.

    What is guaranteed is that the set of a record of a new group, drawn as these were,
    holds its label with the wanted probability: over draws of both, not for each class
    or each picture. Where there are too few groups to promise it, t is 0 and the set
    is all classes.

    Args:
        labels: [n], integers.
        probs: [n, 7].
        groups: [n], equal where rows belong together.

    Raises:
        ValueError: `wanted_coverage` is not between 0 and 1, or the rows differ.
    """
    if not 0 < wanted_coverage < 1:
        raise ValueError(
            f"`wanted_coverage` must be between 0 and 1, received {wanted_coverage}."
        )
    if not len(labels) == len(probs) == len(groups):
        raise ValueError(
            "`labels`, `probs` and `groups` must have the same rows, received "
            f"{len(labels)}, {len(probs)} and {len(groups)}."
        )
    of_label = np.asarray(probs)[np.arange(len(labels)), labels]
    order = np.argsort(-of_label, kind="stable")
    weights = group_weights(groups)
    covered = np.cumsum(weights[order])
    # The sum of three thirds may be a little less than one.
    needed = wanted_coverage * (weights.sum() + 1) - 1e-9
    enough = np.flatnonzero(covered >= needed)
    return float(of_label[order[enough[0]]]) if len(enough) else 0.0


def prediction_sets(probs: np.ndarray, threshold: float) -> np.ndarray:
    """Return which classes are in the set {y : p_y >= threshold}, bool as `probs`.

    A set may be empty, where no class is likely enough: a model that is right more
    often than is wanted says so of the pictures that it knows least.
    """
    return np.asarray(probs) >= threshold


def group_weights(groups: np.ndarray) -> np.ndarray:
    """Return one over the size of each row's group, [n]."""
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return 1 / sizes[group_of]

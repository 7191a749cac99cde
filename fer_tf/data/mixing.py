"""MixUp and CutMix: two pictures of a batch as one, and their targets likewise."""

import numpy as np
import tensorflow as tf

from fer_tf.config import TrainConfig

Batch = tuple[np.ndarray, np.ndarray]


def mixed(
    data: tf.data.Dataset, train: TrainConfig, *, seed: tuple[int, ...], first_step: int
) -> tf.data.Dataset:
    """Mix each batch as a recipe asks: a function of `seed` and the batch's step.

    Args:
        data: of batches with "image", uint8, and "target"; the rest is handed along.
        seed: the experiment's and the epoch.
        first_step: the step of the first batch.
    """
    if not train.mixup and not train.cutmix:
        return data
    mix, alpha = (mixup, train.mixup) if train.mixup else (cutmix, train.cutmix)

    def mix_pixels(step: int, image: np.ndarray, target: np.ndarray) -> Batch:
        # NumPy takes missing words of a seed for 0: without the 1, the first step would
        # share its numbers with the order of the epoch.
        rng = np.random.default_rng([*seed, int(step), 1])
        return mix(image, target, alpha=alpha, rng=rng)

    def with_mixed(step: tf.Tensor, batch: dict) -> dict:
        given = (batch["image"], batch["target"])
        found = tf.numpy_function(mix_pixels, [step, *given], [tf.uint8, tf.float32])
        for new, old in zip(found, given, strict=True):
            new.set_shape(old.shape)
        return {**batch, "image": found[0], "target": found[1]}

    return (
        data.enumerate(first_step)
        .map(with_mixed, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def mixup(
    images: np.ndarray, targets: np.ndarray, *, alpha: float, rng: np.random.Generator
) -> Batch:
    """Blend each picture with another of its batch (Zhang et al., arXiv:1710.09412).

    x = lambda x_i + (1 - lambda) x_j and y = lambda y_i + (1 - lambda) y_j, one
    lambda ~ Beta(alpha, alpha) for the batch, as in the authors' code.

    Args:
        images: uint8 [batch, height, width, 3].
        targets: float32 [batch, 7], distributions.

    Returns:
        Of the same shapes and types; pixels are rounded.
    """
    other = rng.permutation(len(images))
    kept = np.float32(rng.beta(alpha, alpha))
    blended = kept * images + (1 - kept) * images[other]
    return np.rint(blended).astype(np.uint8), _blend(targets, other, kept)


def cutmix(
    images: np.ndarray, targets: np.ndarray, *, alpha: float, rng: np.random.Generator
) -> Batch:
    """Paste a part of another picture into each (Yun et al., arXiv:1905.04899).

    The part is a box with sides sqrt(1 - lambda) of the picture's (equation 2), with
    lambda ~ Beta(alpha, alpha), cut off at the picture's edge; targets are blended by
    the area that is left of each picture. One box for the batch, as in the authors'
    code.

    Args and returns as for `mixup`.
    """
    other = rng.permutation(len(images))
    height, width = images.shape[1:3]
    side = np.sqrt(1 - rng.beta(alpha, alpha))
    rows = _span(height, side, rng)
    columns = _span(width, side, rng)
    pasted = images.copy()
    pasted[:, rows, columns] = images[other, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return pasted, _blend(targets, other, np.float32(1 - area / (height * width)))


def _span(length: int, fraction: float, rng: np.random.Generator) -> slice:
    middle, half = rng.integers(length), round(length * fraction) / 2
    return slice(max(0, int(middle - half)), min(length, int(middle + half)))


def _blend(targets: np.ndarray, other: np.ndarray, kept: np.float32) -> np.ndarray:
    return kept * targets + (1 - kept) * targets[other]

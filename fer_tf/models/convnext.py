"""ConvNeXt: Liu et al., "A ConvNet for the 2020s", arXiv:2201.03545."""

import keras


def convnext_tiny(size: int) -> keras.Model:
    """ConvNeXt-Tiny's features, [batch, 768]; its own normalisation."""
    return keras.applications.ConvNeXtTiny(
        input_shape=(size, size, 3),
        include_top=False,
        weights=None,
        pooling="avg",
        include_preprocessing=True,
    )

"""ResNet: He et al., "Deep Residual Learning", arXiv:1512.03385."""

import keras


def resnet18(size: int) -> keras.Model:
    """ResNet18's features, [batch, 512]; its own rescaling to 0..1."""
    # keras_cv's named backbones download their preset even without weights; the plain
    # class with explicit arguments does not. Imported here: only this one needs it.
    from keras_cv.models import ResNetBackbone

    backbone = ResNetBackbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=[2, 2, 2, 2],
        stackwise_strides=[1, 2, 2, 2],
        block_type="basic_block",
        include_rescaling=True,
        input_shape=(size, size, 3),
    )
    features = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, features)

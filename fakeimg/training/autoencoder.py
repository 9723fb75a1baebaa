"""A generator of one's own, without a key or a network: an autoencoder trained on the photographs themselves.

It squeezes a face through a narrow middle and draws it again with transposed convolutions, the layers by which most
generators enlarge; what they leave in the spectrum (Zhang et al. 2019, "Detecting and Simulating Artifacts in GAN Fake
Images", who train detectors on exactly such fakes) is real, not painted on. The faces themselves stay the
photographs' own: these are reconstructions, not invented people.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.data.generate import PROVIDER
from fakeimg.data.images import read_batches, resize
from fakeimg.errors import DatasetError
from fakeimg.files import replacing
from fakeimg.models.network import import_keras, without_optimizer
from fakeimg.models.weights_file import load_checked
from fakeimg.progress import progress_bar

WEIGHTS = "autoencoder.weights.h5"
SIDE = 128
_WIDTHS = (32, 64, 128)  # channels at a half, a quarter and an eighth of the side
_MIDDLE = 24  # channels of the narrow middle: 24 numbers for each 8 x 8 x 3
_LEAST = 16
_MOST = 20_000  # photographs to learn from; more do not sharpen what so small a network draws


class Autoencoder:
    """Reconstructs photographs; a `Provider` of `fakeimg.data.generate`."""

    name = "autoencoder"
    workers = 1
    price: float | None = 0.0

    def __init__(self, model: Any) -> None:
        """Use `Autoencoder.train` or `Autoencoder.open`."""
        import tensorflow as tf

        digest = hashlib.sha256()
        for weight in model.get_weights():
            digest.update(np.ascontiguousarray(weight).data)
        self.fingerprint = f"autoencoder {digest.hexdigest()}"
        self._model = model
        signature = [tf.TensorSpec([1, SIDE, SIDE, 3], tf.float32)]
        self._run = tf.function(lambda image: model(image, training=False), input_signature=signature)

    @classmethod
    def train(
        cls, data: Dataset | Path | str, *, epochs: int = 60, batch_size: int = 16, seed: int = 0
    ) -> "Autoencoder":
        """Train on the photographs of `data` (its first class), 128 x 128.

        The loss is the mean absolute error of the pixels and of their differences to their neighbours; the latter keeps
        edges. Pictures are mirrored at random. The same seed on the same machine gives the same weights.

        Raises:
            DatasetError: fewer than 16 photographs can be read.
        """
        dataset = data if isinstance(data, Dataset) else Dataset.open(data)
        pixels = _photographs(dataset)
        import_keras()
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(seed)
        model = _network()
        steps = epochs * -(-len(pixels) // batch_size)
        model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)), _loss)
        random = np.random.default_rng(seed)
        with progress_bar("training the autoencoder", epochs) as advance:
            for _ in range(epochs):
                order = random.permutation(len(pixels))
                for start in range(0, len(order), batch_size):
                    batch = pixels[np.sort(order[start : start + batch_size])].astype(np.float32)
                    if random.random() < 0.5:
                        batch = batch[:, :, ::-1]
                    loss = model.train_on_batch(tf.constant(batch), tf.constant(batch))
                advance(1, f"loss {float(loss):.2f} grey levels")
        return cls(without_optimizer(model))

    @classmethod
    def open(cls, folder: Path | str) -> "Autoencoder":
        """What `save` wrote to `folder`.

        Raises:
            ModelError: the file is not whole, or of another network.
        """
        import_keras()
        model = _network()
        load_checked(model, Path(folder) / WEIGHTS)
        return cls(model)

    def save(self, folder: Path | str) -> None:
        """Write the weights, so that an interrupted generation goes on with the same network."""
        with replacing(Path(folder) / WEIGHTS) as temporary:
            # Keras goes by the end of the name.
            named = temporary.with_name(f"{temporary.stem}.weights.h5")
            self._model.save_weights(named)
            named.replace(temporary)

    def make(self, photograph: NDArray[np.uint8], key: str) -> NDArray[np.uint8]:
        """The reconstruction of `photograph` (s, s, 3): (128, 128, 3)."""
        small = resize(photograph, (SIDE, SIDE)).astype(np.float32)
        made = np.asarray(self._run(small[None]))[0]
        return np.asarray(np.rint(np.clip(made, 0, 255)), np.uint8)


def local_provider(data: Dataset | Path | str, out: Path | str, **options: Any) -> Autoencoder:
    """The autoencoder that an earlier run left in `out`; else one trained on `data` (see `Autoencoder.train`)."""
    folder = Path(out) / PROVIDER
    if (folder / WEIGHTS).is_file():
        return Autoencoder.open(folder)
    autoencoder = Autoencoder.train(data, **options)
    autoencoder.save(folder)
    return autoencoder


def _photographs(dataset: Dataset) -> NDArray[np.uint8]:
    """(n, 128, 128, 3) of the photographs that can be read."""
    rows = np.flatnonzero(dataset.labels == 0)[:_MOST]
    paths = dataset.take(rows).paths
    parts = [images for _, images, _ in read_batches(paths, (SIDE, SIDE), framing="crop")]
    pixels = np.concatenate(parts) if parts else np.empty((0, SIDE, SIDE, 3), np.uint8)
    if len(pixels) < _LEAST:
        raise DatasetError(f"{len(pixels)} photographs can be read, too few to learn from; {_LEAST} are the least")
    return pixels


def _network() -> Any:
    """From 0-to-255 RGB (n, 128, 128, 3) to the same."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    for width in _WIDTHS:
        x = layers.Conv2D(width, 4, strides=2, padding="same", activation="leaky_relu")(x)
    x = layers.Conv2D(_MIDDLE, 1, name="middle")(x)
    for width in reversed(_WIDTHS):
        x = layers.Conv2DTranspose(width, 4, strides=2, padding="same", activation="leaky_relu")(x)
    x = layers.Conv2D(3, 3, padding="same")(x)
    return keras.Model(image, layers.Rescaling(127.5, offset=127.5)(x), name="autoencoder")


def _loss(wanted: Any, made: Any) -> Any:
    from keras import ops

    error = made - wanted
    down, across = error[:, 1:] - error[:, :-1], error[:, :, 1:] - error[:, :, :-1]
    return ops.mean(ops.abs(error)) + ops.mean(ops.abs(down)) + ops.mean(ops.abs(across))

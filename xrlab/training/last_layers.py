"""Train the last layers of the network for measured images anew, by the likelihood alone.

``python -m xrlab.training.last_layers --start measured.weights.h5`` is the last stage of its
training. In the stages before, a squared error moves the correlations, and the likelihood has a
small weight; here all other layers are fixed, so that the images are read only once, and four of
them learn correlations and scale matrix together. Stopped on the images of the earlier stages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from xrlab.crystal.arrays import Reals, Singles
from xrlab.crystal.encoding import vector_length
from xrlab.networks.backend import import_keras
from xrlab.networks.folding import SPAN, cosines
from xrlab.networks.measured import with_mask
from xrlab.networks.measured_cnn import last_layers, measured_cnn
from xrlab.training.joint_loss import FREEDOM
from xrlab.training.measured_images import measured_set
from xrlab.training.train_measured import VALIDATION, batches, finish, stored_lattices
from xrlab.trials.crystals import calibration_crystals

if TYPE_CHECKING:
    import keras

# Images that are made at once, those of a step, and times that all are shown.
BLOCK, BATCH, PASSES = 4096, 256, 12


def before_last(core: keras.Model) -> keras.Model:
    """Return the part of a network before its last layers: to ``"hidden"`` and ``"cell"``."""
    keras = import_keras()
    hidden = next(x for x in core.layers if isinstance(x, keras.layers.Dense)).output
    return keras.Model(core.inputs, {"hidden": hidden, "cell": core.get_layer("cell").output})


def inputs(before: keras.Model, pixels: Singles, background: Singles) -> dict[str, Singles]:
    """Read images, shape (n, 64, 64, 3), and the same with h and k exchanged, for `last_layers`."""
    made = [
        before.predict({"pixels": x, "background": background}, batch_size=128, verbose=0)
        for x in (pixels, pixels.swapaxes(1, 2))
    ]
    hidden, cell = (np.stack([part[name] for part in made], axis=1) for name in ("hidden", "cell"))
    spectrum = softmax(cell.reshape(*cell.shape[:2], -1), axis=-1)
    return {"hidden": hidden, "seen": spectrum @ cosines()}


def training_inputs(
    before: keras.Model, n_images: int, lattices: tuple[Reals, Reals], seed: int
) -> tuple[dict[str, Singles], Singles]:
    """Make training images and read them; block b depends on (seed, b) alone."""
    read, vectors = [], []
    for block in range(n_images // BLOCK):
        made = batches(measured_set(BLOCK, 1000 * seed + block, lattices), 1000 * seed + block)
        for x, y in (made[index] for index in range(len(made))):
            read.append(inputs(before, x["pixels"], x["background"]))
            vectors.append(y["answer"])
        print(f"{(block + 1) * BLOCK} images read", flush=True)
    joined = {name: np.concatenate([x[name] for x in read]) for name in read[0]}
    return joined, np.concatenate(vectors)


def likelihood(true: Any, answer: Any) -> Any:
    """Minus the logarithm of the density, in nats for a correlation: Student's t, see `losses`.

    Parameters
    ----------
    true : tensor, shape (n, 15)
    answer : tensor, shape (n, 15, 16)
        The mean in its first column, the scale matrix in the others.
    """
    ops, n = import_keras().ops, vector_length(SPAN)
    lower = ops.cholesky(answer[..., 1:] + 1e-9 * np.eye(n, dtype=np.float32))
    deviation = ops.expand_dims(true, -1) - answer[..., :1]
    distance = ops.sum(ops.solve_triangular(lower, deviation, lower=True) ** 2, axis=(1, 2))
    volume = ops.sum(ops.log(ops.diagonal(lower, axis1=1, axis2=2)), axis=-1)
    return ((FREEDOM + n) / 2 * ops.log(1 + distance / FREEDOM) + volume) / n


def train_last(
    core: keras.Model,
    shown: tuple[dict[str, Singles], Singles],
    stopping: tuple[dict[str, Singles], Singles],
    seed: int,
) -> list[float]:
    """Train the last layers of a network in place; return the losses on the stopping set.

    They end half-way between their weights before and after: most of the gain in likelihood is
    there, with fewer errors of more than three standard deviations than at the end.
    """
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    model = last_layers()
    own = [x for x in core.layers if isinstance(x, keras.layers.Dense)][1:]
    new = [x for x in model.get_layer("last_layers").layers if isinstance(x, keras.layers.Dense)]
    pairs = [(x, next(y for y in own if y.units == x.units)) for x in new]
    for layer, from_layer in pairs:
        layer.set_weights(from_layer.get_weights())
    mean = keras.ops.expand_dims(model.output["mean"], -1)
    answer = keras.ops.concatenate([mean, model.output["scale"]], axis=-1)
    model = keras.Model(model.input, answer)
    steps = PASSES * ceil(len(shown[1]) / BATCH)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), likelihood)
    before = model.evaluate(*stopping, batch_size=1000, verbose=0)
    best = keras.callbacks.EarlyStopping(
        patience=PASSES, restore_best_weights=True, baseline=before
    )
    log = model.fit(
        *shown,
        validation_data=stopping,
        epochs=PASSES,
        batch_size=BATCH,
        callbacks=[best],
        verbose=2,
    )
    for layer, to_layer in pairs:
        both = zip(layer.get_weights(), to_layer.get_weights(), strict=True)
        to_layer.set_weights([(new + old) / 2 for new, old in both])
    return [float(before), *map(float, log.history["val_loss"])]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m xrlab.training.last_layers", description=__doc__
    )
    parser.add_argument("--start", type=Path, required=True, help="weights of the earlier stages")
    parser.add_argument("--images", type=int, default=40_960, help="default: 40960")
    parser.add_argument("--lattices", type=int, default=6000, help="default: 6000")
    parser.add_argument("--seed", type=int, default=3008, help="default: 3008")
    parser.add_argument("--lattice-file", type=Path, help="lattices made before, or to be kept")
    parser.add_argument("--weights", type=Path, default=Path("measured.weights.h5"))
    parser.add_argument("--out", type=Path, help="folder of network and card; none if not given")
    given = parser.parse_args(arguments)
    core = measured_cnn()
    core.load_weights(given.start)
    before = before_last(core)
    crystals = calibration_crystals(**VALIDATION)
    unknown = np.tile(np.array([0, 0, 1], np.float32), (len(crystals.images), 1))
    stopping = inputs(before, with_mask(crystals.images), unknown), crystals.encodings
    lattices = stored_lattices(given.lattices, given.seed, given.lattice_file)
    shown = training_inputs(before, given.images, lattices, given.seed)
    losses = train_last(core, shown, (stopping[0], stopping[1].astype(np.float32)), given.seed)
    print("stopping", *(f"{loss:.3f}" for loss in losses))
    core.save_weights(given.weights)
    if given.out is not None:
        command = " ".join(sys.argv[1:] if arguments is None else arguments)
        finish(given.weights, given.out, command=f"python -m xrlab.training.last_layers {command}")


if __name__ == "__main__":
    main()

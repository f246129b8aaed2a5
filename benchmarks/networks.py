"""The small CNN on two cores, its training beside a bare TensorFlow loop: one line of JSON.

A process of its own, as TensorFlow keeps the number of its threads for life.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
from measure import median_time, seconds

from xrlab import small_cnn
from xrlab.crystal.setting import Setting
from xrlab.datasets.dataset import DataSet
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import BATCH, load_network, run_model
from xrlab.training.fit import fit

EPOCHS = 3


def noise(samples: int) -> DataSet:
    """Return images and labels to be busy with, of span 4."""
    rng = np.random.default_rng(0)
    images = rng.exponential(size=(samples, 64, 64)).astype(np.float32)
    labels = rng.uniform(-0.5, 0.5, (samples, 15)).astype(np.float32)
    return DataSet(images, labels, labels, Setting())


def fit_epoch(data: DataSet) -> float:
    """Seconds per epoch of `fit`, symmetries included: without its start, and one validation."""
    one, more = (
        seconds(lambda: fit(small_cnn(15), data, data[:1], epochs=epochs))  # noqa: B023
        for epochs in (1, 1 + EPOCHS)
    )
    return (more - one) / EPOCHS


def bare_epoch(data: DataSet) -> float:
    """Seconds per epoch of the same layers in a loop of TensorFlow, without anything else."""
    keras = import_keras()
    import tensorflow as tf

    model, adam = small_cnn(15), keras.optimizers.Adam(1e-3)
    pairs = tf.data.Dataset.from_tensor_slices((data.images[..., None], data.encodings))
    batches = pairs.shuffle(len(data)).batch(32).prefetch(2)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(images, training=True) - labels) ** 2)
        weights = model.trainable_variables
        adam.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    times = []
    for _ in range(1 + EPOCHS):
        start = time.perf_counter()
        for images, labels in batches:
            step(images, labels)
        times.append(time.perf_counter() - start)
    return statistics.mean(times[1:])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("samples", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    data = noise(arguments.samples)
    # In turns, as what else the machine does changes with time.
    pairs = [(fit_epoch(data), bare_epoch(data)) for _ in range(arguments.repeats)]
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    model, images = load_network("cfs4"), data.images[: 8 * BATCH]
    run_model(model, images)
    batch = median_time(lambda _: run_model(model, images), range(5)) / len(images)
    print(json.dumps({"fit": ours, "bare": bare, "image": batch}))


if __name__ == "__main__":
    main()

"""Write networks as ONNX, the form in which they answer without Keras.

``python -m xrlab.training.export`` writes ``xrlab/weights/NAME.onnx`` for every ``NAME.keras``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xrlab.crystal.arrays import Singles
from xrlab.io.files import replacing
from xrlab.networks.backend import import_keras
from xrlab.networks.measured_cnn import answering
from xrlab.networks.shipped import WEIGHTS

if TYPE_CHECKING:
    import keras
    import onnx

# Smaller arrays are left as they are: a cast takes as much room as it saves.
SMALLEST = 64


def export(model: keras.Model, path: Path) -> None:
    """Write a network as an ONNX file that gives the same answers.

    Weights that half precision holds without loss are stored in it; the file is half as large.

    Parameters
    ----------
    model : keras.Model
        From `xrlab.networks.measured_cnn.measured_cnn` the whole graph of `answering` is made.
    path : Path
        An older file stays until the new one is whole.
    """
    import onnx

    graph = answering(model) if isinstance(model.input, dict) else model
    kernels = [w.transpose(3, 2, 0, 1) for w in model.get_weights() if w.ndim == 4]
    inputs = import_keras().tree.map_structure(
        lambda x: np.ones((1, *x.shape[1:]), np.float32), graph.input
    )
    graph(inputs)  # Keras exports only a model that was called before
    with replacing(path) as part:
        graph.export(part, format="onnx", verbose=False)
        exported = onnx.load(part)
        halve(exported, [k for k in kernels if np.array_equal(k, _half(k))])
        onnx.checker.check_model(exported)
        onnx.save(exported, part)


def halve(model: onnx.ModelProto, kernels: Sequence[Singles] = ()) -> None:
    """Store weights in half precision, in place, where that is without loss.

    Parameters
    ----------
    model : onnx.ModelProto
    kernels : sequence of float32 arrays, shape (outputs, inputs, rows, columns)
        Kernels of convolutions, which half precision holds. TensorFlow multiplies them by their
        batch normalisation when it exports: such a product is stored as its two factors.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes = []
    for tensor in [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT]:
        values, name = numpy_helper.to_array(tensor), tensor.name
        factor = None
        if not np.array_equal(values, _half(values)):
            same = [_factors(values, k) for k in kernels if k.shape == values.shape]
            values, factor = next((pair for pair in same if pair), (values, None))
            if factor is None:
                continue
        if values.size < SMALLEST:
            continue
        half, single = f"{name}/half", name if factor is None else f"{name}/kernel"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        nodes.append(helper.make_node("Cast", [half], [single], to=TensorProto.FLOAT))
        if factor is not None:
            model.graph.initializer.append(numpy_helper.from_array(factor, f"{name}/factor"))
            nodes.append(helper.make_node("Mul", [single, f"{name}/factor"], [name]))
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def _half(values: Singles) -> Singles:
    return values.astype(np.float16).astype(np.float32)


def _factors(values: Singles, kernel: Singles) -> tuple[Singles, Singles] | None:
    """Return kernel and factor of each output if the values are their product, else None."""
    axes = (1, 2, 3)
    square = (kernel.astype(np.float64) ** 2).sum(axes, keepdims=True)
    factor = (values * kernel.astype(np.float64)).sum(axes, keepdims=True) / (square + 1e-30)
    if not np.allclose(factor * kernel, values, rtol=1e-6, atol=1e-9):
        return None
    return kernel, factor.astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m xrlab.training.export", description=__doc__)
    parser.add_argument("names", nargs="*", help="networks (default: every Keras file)")
    parser.add_argument("--folder", type=Path, default=WEIGHTS, help="default: the package")
    given = parser.parse_args(arguments)
    keras = import_keras()
    for name in given.names or sorted(path.stem for path in given.folder.glob("*.keras")):
        path = given.folder / f"{name}.onnx"
        export(keras.saving.load_model(path.with_suffix(".keras"), compile=False), path)
        print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()

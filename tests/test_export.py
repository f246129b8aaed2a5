"""The ONNX files of the shipped networks: the same answers as Keras, small, and closed."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from xrlab.networks.backend import import_keras, load_model
from xrlab.networks.measured_cnn import answering
from xrlab.networks.shipped import (
    WEIGHTS,
    load_network,
    read_network,
    run_model,
    shipped_models,
)
from xrlab.training.export import export, halve


def stack(n, seed=0):
    """Images with speckle on any scale."""
    rng = np.random.default_rng(seed)
    return rng.gamma(8, 1 / 8, (n, 64, 64)) * rng.uniform(0.1, 3, (n, 64, 1))


def inputs_of(name, n):
    """Inputs of a shipped network, with gaps and with what is known of some images."""
    images = stack(n)
    if not name.startswith("measured"):
        return images[..., None].astype(np.float32)
    measured = np.random.default_rng(1).random(images.shape) > 0.1
    if name == "measured-grain":
        return np.stack([images * measured, measured], axis=-1).astype(np.float32)
    background = np.full((n, 2), np.nan)
    background[::2] = 0.1, 0.4
    factor = np.full(images.shape, np.nan)
    factor[1::2] = np.linspace(1, 3, 64)
    gaps = np.where(measured, images, np.nan)
    given = {"image": gaps, "background": background, "form_factor": factor}
    return {key: value.astype(np.float32) for key, value in given.items()}


@pytest.mark.parametrize("name", shipped_models())
def test_keras_and_onnx_agree(name):
    """Every output of every shipped network, for batches of one and of seven images."""
    model = load_model(name)
    model = answering(model) if name == "measured" else model
    for n in (1, 7):
        inputs = inputs_of(name, n)
        keras, ours = model.predict_on_batch(inputs), load_network(name).predict_on_batch(inputs)
        if not isinstance(keras, dict):
            keras, ours = {"encoding": keras}, {"encoding": ours}
        assert keras.keys() == ours.keys()
        for output, values in keras.items():
            assert np.isfinite(ours[output]).all()
            np.testing.assert_allclose(ours[output], values, rtol=1e-5, atol=1e-5, err_msg=output)


@pytest.mark.parametrize("name", shipped_models())
def test_file_is_small_and_closed(name):
    """At most 4 MB; standard operations only, and no weights in other files."""
    path = WEIGHTS / f"{name}.onnx"
    model = onnx.load(path, load_external_data=False)
    assert path.stat().st_size <= 4e6
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_export_gives_the_answers_of_the_model(tmp_path):
    """A small model with convolution and normalisation, and weights that half precision holds."""
    keras = import_keras()
    rng = np.random.default_rng(0)
    image = keras.Input((64, 64, 1), name="image")
    x = keras.layers.Conv2D(16, 3, use_bias=False)(image)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.ops.relu(x)))
    weights = [rng.uniform(0.5, 1.5, w.shape).astype("f2").astype("f4") for w in model.weights]
    model.set_weights(weights)
    export(model, tmp_path / "small.onnx")
    images = stack(3)
    np.testing.assert_allclose(
        run_model(read_network(tmp_path / "small.onnx"), images),
        run_model(model, images),
        rtol=1e-5,
    )
    kinds = [t.data_type for t in onnx.load(tmp_path / "small.onnx").graph.initializer]
    assert onnx.TensorProto.FLOAT16 in kinds


def test_only_exact_weights_are_halved():
    """A product of kernel and factors becomes two arrays; other single values stay."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(8, 4, 3, 3)).astype("f2").astype("f4")
    factor = rng.uniform(0.1, 2, (8, 1, 1, 1)).astype("f4")
    arrays = {
        "exact": kernel,
        "product": kernel * factor,
        "single": rng.normal(size=100).astype("f4"),
        "few": np.ones(3, np.float32),
    }
    made = [onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()]
    nodes = [onnx.helper.make_node("Identity", [name], [f"{name}_out"]) for name in arrays]
    outputs = [
        onnx.helper.make_tensor_value_info(f"{name}_out", onnx.TensorProto.FLOAT, value.shape)
        for name, value in arrays.items()
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "test", [], outputs, made))
    halve(model, [kernel])
    halved = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    assert halved == {"exact/half", "product/half"}
    results = ReferenceEvaluator(model).run(None, {})
    for name, values in zip(arrays, results, strict=True):
        np.testing.assert_allclose(values, arrays[name], rtol=2e-7, err_msg=name)

"""The last stage of the training of the network for measured images."""

import numpy as np
import pytest
from scipy import stats

from xrlab.networks.backend import import_keras, load_model
from xrlab.networks.folding import cosines
from xrlab.networks.measured import answer_all, with_mask
from xrlab.networks.measured_cnn import answering, last_layers, measured_cnn
from xrlab.training.joint_loss import FREEDOM
from xrlab.training.last_layers import before_last, inputs, likelihood, train_last
from xrlab.trials.crystals import calibration_crystals

UNKNOWN = np.array([[0, 0, 1]], np.float32)


@pytest.fixture(scope="module")
def core():
    """A network whose last layers are not at their start."""
    model = measured_cnn((4, 4, 4, 4))
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def crystals():
    return calibration_crystals(12, 5)


def read(core, crystals):
    return inputs(before_last(core), with_mask(crystals.images), UNKNOWN.repeat(12, axis=0))


def test_the_parts_give_the_answers_of_the_whole(core, crystals):
    """Everything up to the last layers, and these, are the network."""
    dense = import_keras().layers.Dense
    last = last_layers()
    for layer in last.get_layer("last_layers").layers:
        if isinstance(layer, dense):
            own = [x for x in core.layers if isinstance(x, dense) and x.units == layer.units]
            layer.set_weights(own[-1].get_weights())
    parts = last.predict(read(core, crystals), verbose=0)
    mean, scale, _ = answer_all(answering(core), crystals.images)
    assert np.allclose(parts["mean"], mean, atol=1e-5)
    assert np.allclose(parts["scale"], scale, atol=1e-5)


def test_a_network_from_a_file_is_taken_apart(crystals):
    """The shipped one, as the comparison with a normalizing flow does."""
    core = load_model("measured")
    made = read(core, crystals)
    whole = core.predict(
        {"pixels": with_mask(crystals.images), "background": UNKNOWN.repeat(12, axis=0)}, verbose=0
    )
    cell = np.exp(whole["cell"].reshape(12, -1))
    expected = cell @ cosines() / cell.sum(axis=1, keepdims=True)
    assert np.allclose(made["seen"][:, 0], expected, atol=1e-5)
    assert made["hidden"].shape == (12, 2, 192)


def test_the_loss_is_the_likelihood_of_student():
    """That of SciPy up to a constant, in nats for a correlation."""
    rng = np.random.default_rng(1)
    true, mean = rng.normal(0, 0.3, (2, 5, 15)).astype(np.float32)
    root = rng.normal(0, 0.2, (5, 15, 15)).astype(np.float32)
    scale = root @ root.transpose(0, 2, 1) + 0.05 * np.eye(15, dtype=np.float32)
    loss = likelihood(true, np.concatenate([mean[..., None], scale], axis=-1))
    exact = [
        -stats.multivariate_t(m, s, FREEDOM).logpdf(t) / 15
        for t, m, s in zip(true, mean, scale, strict=True)
    ]
    assert np.ptp(np.asarray(loss) - exact) < 1e-3


def test_only_the_last_layers_learn(core, crystals):
    """The loss on the stopping set falls, all other layers keep their weights."""
    before = {x.name: x.get_weights() for x in core.layers}
    shown = read(core, crystals), crystals.encodings.astype(np.float32)
    losses = train_last(core, shown, shown, seed=3)
    assert min(losses[1:]) < losses[0]
    changed = {
        x.name
        for x in core.layers
        if any((a != b).any() for a, b in zip(before[x.name], x.get_weights(), strict=True))
    }
    assert len(changed) == 4
    assert {"resolution", "scale_error", "directions"} < changed

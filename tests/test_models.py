"""The networks: exact size, shipped weights, and bad names."""

import numpy as np
import pytest

from xrlab import large_cnn, load_model, medium_cnn, small_cnn
from xrlab.crystal.setting import STUDY
from xrlab.datasets.dataset import generate
from xrlab.inference.baselines import delta_pdf_vectors
from xrlab.inference.metrics import mean_squared_error, r2_score
from xrlab.networks.backend import import_keras
from xrlab.networks.cnn import ARCHITECTURES
from xrlab.networks.shipped import (
    PIECE,
    load_network,
    model_card,
    run_model,
    shipped_models,
)

SPANS = (2, 3, 4)
# R^2 on the test images of the card.
LEAST_R2 = {2: 0.998, 3: 0.989, 4: 0.980}


@pytest.mark.parametrize(
    ("build", "parameters", "inputs", "least"),
    [
        (small_cnn, 207_375, 12_545, 10),
        (medium_cnn, 1_255_759, 129, 8),
        (large_cnn, 7_162_447, 129, 16),
    ],
)
def test_networks_have_the_published_sizes(build, parameters, inputs, least):
    """At 15 outputs as published; each has its weights and a bias. What is too small is refused."""
    for n_outputs in (15, 8, 3):
        assert build(n_outputs).count_params() == parameters - inputs * (15 - n_outputs)
    assert build(3, shape=(least, 20)).output_shape == (None, 3)
    with pytest.raises(ValueError, match="at least 1 output"):
        build(0)
    with pytest.raises(ValueError, match=f"{least} x {least}"):
        build(3, shape=(64, least - 1))


@pytest.mark.parametrize(("build", "stages"), [(medium_cnn, 1), (large_cnn, 3)])
def test_medium_and_large_cnn_have_the_published_layers(build, stages):
    """He-normal everywhere, 3 x 3 same; three convolutions a stage; a dense layer of 128."""
    layers = build(15).layers
    convolutions = [layer for layer in layers if layer.__class__.__name__ == "Conv2D"]
    filters = [32, 64, *[f for pair in ((64, 128), (256, 256), (512, 512)) for f in pair]]
    skips = [128, 256, 512]
    wanted = filters[: 2 + 2 * stages] + skips[:stages]
    assert sorted(c.filters for c in convolutions) == sorted(wanted)
    assert all(c.kernel_size == (3, 3) and c.padding == "same" for c in convolutions)
    assert sum(c.strides == (2, 2) for c in convolutions) == 1 + stages
    weighted = [layer for layer in layers if hasattr(layer, "kernel_initializer")]
    assert {w.kernel_initializer.__class__.__name__ for w in weighted} == {"HeNormal"}
    named = [layer.__class__.__name__ for layer in layers]
    assert named[-5:] == ["Flatten", "Dense", "BatchNormalization", "Dropout", "Dense"]
    assert [named.count(name) for name in ("Add", "ReLU")] == [stages, stages]
    assert [layer.units for layer in layers if layer.__class__.__name__ == "Dense"] == [128, 15]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_few_steps_reduce_the_loss(name, image):
    """Every architecture learns 16 images by heart, whatever their scale."""
    keras = import_keras()
    keras.utils.set_random_seed(1)
    model = ARCHITECTURES[name](3, (16, 16))
    rng = np.random.default_rng(0)
    images = image[:16, :16] * rng.gamma(8, size=(16, 16, 16, 1))[..., 0] * 100
    labels = rng.uniform(-1, 1, (16, 3)).astype("f4")
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    losses = [float(model.train_on_batch(images[..., None], labels)) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_small_cnn_has_the_published_layers():
    """Two convolutions with normalisation and pooling, dropout 0.2 and 0.5, one linear layer.

    A fixed scale before the last one is xrlab's own and has no parameters.
    """
    layers = [layer for layer in small_cnn(15).layers if layer.__class__.__module__ != "keras.ops"]
    named = [layer.__class__.__name__ for layer in layers]
    after_input = named[named.index("Conv2D") :]
    assert after_input == [
        *("Conv2D", "BatchNormalization", "MaxPooling2D", "Dropout"),
        *("Conv2D", "BatchNormalization", "MaxPooling2D", "Flatten", "Dropout"),
        *("Rescaling", "Dense"),
    ]
    convolutions = [layer for layer in layers if layer.__class__.__name__ == "Conv2D"]
    assert [c.filters for c in convolutions] == [32, 64]
    assert all(c.kernel_size == (3, 3) and c.padding == "valid" for c in convolutions)
    assert [layer.rate for layer in layers if "Dropout" in layer.name.title()] == [0.2, 0.5]
    assert layers[-1].activation.__name__ == "linear"


def test_the_scale_of_an_image_does_not_matter(image):
    """A model sees the image relative to its mean."""
    model = small_cnn(3)
    small, large = run_model(model, np.stack([image, 1e5 * image]))
    np.testing.assert_allclose(small, large, rtol=1e-3, atol=1e-5)


def test_batches_do_not_change_the_answer(image):
    """More images than one batch holds give the same answers one by one."""
    model = small_cnn(3)
    images = np.stack([np.roll(image, n, axis=0) for n in range(PIECE + 3)])
    together = run_model(model, images)
    assert together.shape == (PIECE + 3, 3)
    np.testing.assert_allclose(together[[0, -1]], run_model(model, images[[0, -1]]), atol=1e-5)


@pytest.mark.skipif(
    import_keras().backend.backend() != "tensorflow", reason="counts what TensorFlow traces"
)
def test_prediction_is_traced_once(image):
    """One image after the other runs the same compiled function."""
    model = small_cnn(3)
    run_model(model, image[None])
    traced = model.predict_function.experimental_get_tracing_count()
    for factor in range(1, 6):
        run_model(model, factor * image[None])
    assert model.predict_function.experimental_get_tracing_count() == traced


@pytest.mark.parametrize("span", SPANS)
def test_shipped_weights_meet_their_bar_on_unseen_images(span):
    """300 images of another seed: R^2 is as on the card, and the card meets the bar."""
    card = model_card(f"cfs{span}")
    assert card["test"]["r2"] >= LEAST_R2[span]
    unseen = generate(span, 300, 987, STUDY, progress=False)
    found = run_model(load_network(f"cfs{span}"), unseen.images)
    # R^2 of 300 images scatters by a fifth of 1 - R^2, mostly together with that of the baseline.
    assert 1 - r2_score(unseen.encodings, found) < 1.4 * (1 - card["test"]["r2"])
    fourier = delta_pdf_vectors(unseen)
    ratio = mean_squared_error(unseen.encodings, found)
    ratio /= mean_squared_error(unseen.encodings, fourier)
    assert ratio < 1.2 * card["test"]["mse"] / card["test_delta_pdf"]["mse"]


@pytest.mark.parametrize("span", SPANS)
def test_card_belongs_to_its_weights(span):
    """Size of the model, the published setting, and a command to make it again."""
    card = model_card(f"cfs{span}")
    assert load_model(f"cfs{span}").count_params() == card["parameters"]
    assert card["samples"] == {"train": 5000, "validation": 5000, "test": 1000}
    assert f"--span {span}" in card["command"]
    assert f"--seed {card['seed']}" in card["command"]
    assert len(card["standard_error"]) == span**2 - 1


@pytest.mark.parametrize("name", ["cfs9", "", "../../etc/passwd", "cfs4.keras"])
def test_unknown_models_are_refused(name):
    """The error lists what there is; a name is never a path."""
    for load in (load_model, load_network):
        with pytest.raises(ValueError, match=", ".join(shipped_models())):
            load(name)

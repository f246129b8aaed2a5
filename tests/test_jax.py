"""The models on JAX, in a process of its own, as Keras has one backend for its life."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xrlab import load_model
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import run_model

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)

CODE = """
import json
import numpy as np
from xrlab import ReciprocalGrid, load_model, medium_cnn, small_cnn
from xrlab.course.autoencoder import image_autoencoder
from xrlab.crystal.setting import Setting
from xrlab.datasets.dataset import generate
from xrlab.networks.backend import import_keras
from xrlab.networks.shipped import run_model
from xrlab.training.fit import fit

setting = Setting(size=20, lot_size=6, lots=4, grid=ReciprocalGrid(shape=(16, 16)))
train, validation = generate(2, 60, 1, setting, n_jobs=1, progress=False).split(40, 20)
losses = []
for build in (small_cnn, medium_cnn):
    model = build(3, (16, 16))
    losses += fit(model, train, validation, epochs=1, checkpoint=f"{build.__name__}.npz").loss
made = image_autoencoder(2, shape=(8, 8))
noise = np.random.default_rng(0).gamma(8, size=(20, 8, 8))
losses += [*made.fit(noise, epochs=1), *made.information(noise)]
assert made.draw([[0, 0]]).shape == (1, 8, 8)
images = np.random.default_rng(0).gamma(8, size=(5, 64, 64)).astype("f4")
answers = run_model(load_model("cfs2"), images).tolist()
print(json.dumps([import_keras().backend.backend(), losses, answers]))
"""


def test_models_train_and_answer_on_jax(tmp_path):
    """CNNs and the auto-encoder train; the shipped weights answer as on TensorFlow."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    backend, losses, answers = json.loads(done.stdout.splitlines()[-1])
    assert backend == "jax"
    assert np.isfinite(losses).all()
    assert (tmp_path / "medium_cnn.npz").exists()
    if import_keras().backend.backend() == "tensorflow":
        images = np.random.default_rng(0).gamma(8, size=(5, 64, 64)).astype("f4")
        np.testing.assert_allclose(answers, run_model(load_model("cfs2"), images), atol=1e-4)

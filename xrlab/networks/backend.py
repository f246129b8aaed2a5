"""Load Keras quietly, load shipped networks and their cards, run a network in batches."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


WEIGHTS = Path(__file__).parents[1] / "weights"

# Keras' `predict` on 1000 images takes 1.4 GB; batches of this size keep it far below 1 GB.
BATCH = 128

# Threads that import at once would quiet standard error each for the other, for ever.
_IMPORTING = threading.Lock()


def load_model(name: str) -> keras.Model:
    """Load a trained model that comes with xrlab.

    Parameters
    ----------
    name : str
        One of `shipped_models`. "cfs2", "cfs3", "cfs4": the small CNN for an encoding of that span,
        trained on simulated images of 64 x 64 pixels, h and k from 0 to 2 r.l.u. "cfs3-best" and
        "cfs4-best": Delta-PDF with a learned correction, `xrlab.training.train_corrected`.
        "measured": the network for measured images, see `xrlab.networks.measured`. What made a
        network and how well it does is in `model_card`.

    Returns
    -------
    keras.Model
        From (samples, 64, 64, 1), images on any scale, to (samples, span^2 - 1). For "measured" see
        `xrlab.networks.measured.measured_cnn`.

    Raises
    ------
    ValueError
        If there is no such model, or its file is damaged or holds code.
    """
    path = _weights_path(name)
    keras = import_keras()
    try:
        # In safe mode code in a file, such as that of a Lambda layer, is refused and never run.
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        reason = str(error).strip("\"' \n").partition("\n")[0].partition(". ")[0]
        raise ValueError(
            f"the weights {path} are damaged, or not those that xrlab came with "
            f"({type(error).__name__}: {reason}); install xrlab anew"
        ) from error


def model_card(name: str) -> dict[str, Any]:
    """Return how a shipped model was made and its figures on unseen images.

    Raises
    ------
    ValueError
        If there is no such model, or its card is damaged.

    Examples
    --------
    >>> model_card("cfs4")["parameters"]
    207375
    """
    path = _weights_path(name).with_suffix(".json")
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or not even text
        raise ValueError(f"the card {path} is damaged ({error}); install xrlab anew") from error
    return card


def shipped_models() -> list[str]:
    """Names that `load_model` takes.

    >>> shipped_models()[-3:]
    ['cfs4-best', 'measured', 'measured-grain']
    """
    return sorted(path.stem for path in WEIGHTS.glob("*.keras"))


def run_model(model: keras.Model, images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Apply a model to images of shape (samples, rows, columns), in batches of bounded memory.

    Batches have 1, 2, 4, ... up to `BATCH` images, the last one filled up, as TensorFlow traces
    the model anew for every size it meets.
    """
    size = min(BATCH, 1 << (len(images) - 1).bit_length())
    answers = []
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        filled = np.pad(batch, ((0, size - len(batch)), (0, 0), (0, 0)), mode="edge")
        answers.append(model.predict_on_batch(filled[..., None]))
    return np.concatenate(answers)[: len(images)]


def _weights_path(name: str) -> Path:
    # Compared with the list, never used as a path: a name with "../" in it finds nothing.
    if name not in shipped_models():
        raise ValueError(f"there is no model {name!r}; there is {', '.join(shipped_models())}")
    return WEIGHTS / f"{name}.keras"


# Packages that Keras can compute with, by the values of KERAS_BACKEND.
BACKENDS = ("tensorflow", "jax", "torch", "openvino")


@cache
def import_keras() -> Any:
    """Import Keras without what TensorFlow writes to standard error, then and later.

    TensorFlow Lite imports JAX where it is installed, 110 MB that nobody asked for: not here,
    unless JAX is the backend.
    """
    with _IMPORTING:
        return _imported_keras()


def _imported_keras() -> Any:
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in BACKENDS or find_spec(backend) is None:
        raise ValueError(
            f"KERAS_BACKEND is {backend!r}, which is not installed or no back end of Keras "
            f"({', '.join(BACKENDS)}): install it, or unset KERAS_BACKEND"
        )
    hide_jax = os.environ.get("KERAS_BACKEND") != "jax" and "jax" not in sys.modules
    if hide_jax:
        sys.modules["jax"] = None  # type: ignore[assignment]  # "import jax" fails
    try:
        with _quiet_stderr():
            import keras

            keras.ops.zeros(1)  # the backend starts here, and writes its lines
    finally:
        if hide_jax:
            del sys.modules["jax"]
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # "retracing": once for each model
    return keras


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to standard error; give it out after all on an error."""
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)

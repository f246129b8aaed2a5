"""Load Keras quietly, and the shipped networks as Keras models, for training."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from xrlab.networks.shipped import damaged, weights_path

if TYPE_CHECKING:
    import keras


# Two threads importing Keras at once could leave standard error redirected for good.
_IMPORTING = threading.Lock()


def load_model(name: str) -> keras.Model:
    """Load a trained model that comes with xrlab, as Keras trains it on.

    To use a network `xrlab.networks.shipped.load_network` is enough; this needs Keras, which
    ``pip install "xrlab[train]"`` brings. The large networks, "-best" and "measured", are in the
    package as ONNX only; their Keras files come with a checkout.

    Parameters
    ----------
    name : str
        One of `xrlab.networks.shipped.shipped_models`.

    Returns
    -------
    keras.Model
        From (samples, 64, 64, 1), images on any scale, to (samples, span^2 - 1). For "measured" see
        `xrlab.networks.measured_cnn.measured_cnn`.

    Raises
    ------
    ValueError
        If there is no such model, or its file is damaged or holds code.
    ModuleNotFoundError
        If Keras is not installed.
    FileNotFoundError
        If its Keras file is not installed.
    """
    path = weights_path(name, ".keras")
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} comes with a checkout of xrlab (git clone), for training it on; to use "
            f"the network, take xrlab.networks.shipped.load_network({name!r})"
        )
    keras = import_keras()
    try:
        # In safe mode code in a file, such as that of a Lambda layer, is refused and never run.
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise damaged(path, error) from error


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
    if find_spec("keras") is None:
        raise ModuleNotFoundError(
            'training needs Keras and TensorFlow: pip install "xrlab[train]"', name="keras"
        )
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

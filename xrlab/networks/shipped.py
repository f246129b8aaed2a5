"""The shipped networks, run by ONNX Runtime: their names, cards, and answers in batches.

Each is the ONNX file of a Keras network, see `xrlab.training.export`. Answers need no Keras.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.arrays import Singles

WEIGHTS = Path(__file__).parents[1] / "weights"

# More images at a time are no faster, and take more memory.
BATCH = 128

# Images that a network computes at a time: with ONNX Runtime 256 images through cfs2 take 0.23 s
# and 75 MB in sixteens, 0.56 s and 214 MB in batches of 128; Keras needs 95 MB less.
PIECE = 16


class Model(Protocol):
    """What answers a batch of images: a shipped `Network`, or a Keras model."""

    def predict_on_batch(self, x: Any) -> Any:
        """Return the output for a batch, or a dict of outputs by name."""


class Network:
    """A network that ONNX Runtime runs.

    Parameters
    ----------
    content : bytes
        An ONNX file. Only what it contains is used: files that it may refer to are not read.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime  # only where a network answers

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)  # 0: every core
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False  # it keeps the memory of the largest batch for good
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [each.name for each in self._session.get_inputs()]
        self.outputs = [each.name for each in self._session.get_outputs()]

    def predict_on_batch(self, x: NDArray[Any] | Mapping[str, NDArray[Any]]) -> Any:
        """Answer a batch, as the method of this name of a Keras model.

        Parameters
        ----------
        x : array, or dict of arrays by the names of the inputs

        Returns
        -------
        float32 array, or dict of float32 arrays by the names of the outputs
        """
        named = x if isinstance(x, Mapping) else {self.inputs[0]: x}
        feed = {name: np.ascontiguousarray(value, np.float32) for name, value in named.items()}
        starts = range(0, len(next(iter(feed.values()))), PIECE)
        parts = [
            self._session.run(None, {name: x[n : n + PIECE] for name, x in feed.items()})
            for n in starts
        ]
        values = [np.concatenate(part) for part in zip(*parts, strict=True)]
        return dict(zip(self.outputs, values, strict=True)) if len(values) > 1 else values[0]


@cache
def load_network(name: str) -> Network:
    """Load a network that comes with xrlab, once in a process.

    Parameters
    ----------
    name : str
        One of `shipped_models`. "cfs2", "cfs3", "cfs4": the small CNN for an encoding of that span,
        trained on simulated images of 64 x 64 pixels, h and k from 0 to 2 r.l.u. "cfs3-best" and
        "cfs4-best": Delta-PDF with a learned correction, `xrlab.training.train_corrected`.
        "measured": the network for measured images with all that comes before and after it, see
        `xrlab.networks.measured_cnn.answering`. What made a network and how well it does is in
        `model_card`.

    Raises
    ------
    ValueError
        If there is no such network, or its file is damaged.
    """
    return read_network(weights_path(name, ".onnx"))


def read_network(path: Path) -> Network:
    """Read an ONNX file; raise ValueError if it is damaged."""
    try:
        return Network(path.read_bytes())
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise damaged(path, error) from error


def run_model(model: Model, images: NDArray[np.floating]) -> Singles:
    """Apply a network to images of shape (samples, rows, columns), in batches of bounded memory.

    Batches have 1, 2, 4, ... up to `PIECE` images, the last one filled up, as TensorFlow traces
    the model anew for every size it meets.
    """
    size = min(PIECE, 1 << (len(images) - 1).bit_length())
    answers = []
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        filled = np.pad(batch, ((0, size - len(batch)), (0, 0), (0, 0)), mode="edge")
        answers.append(model.predict_on_batch(filled[..., None]))
    return np.concatenate(answers)[: len(images)]


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
    path = weights_path(name, ".json")
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or not even text
        raise ValueError(f"the card {path} is damaged ({error}); install xrlab anew") from error
    return card


def shipped_models() -> list[str]:
    """Names that `load_network` and `xrlab.load_model` take.

    >>> shipped_models()[-3:]
    ['cfs4-best', 'measured', 'measured-grain']
    """
    return sorted(path.stem for path in WEIGHTS.glob("*.onnx"))


def weights_path(name: str, suffix: str) -> Path:
    """Return the path of a shipped network's file; raise ValueError if there is no such network."""
    # Compared with the list, never used as a path: a name with "../" in it finds nothing.
    if name not in shipped_models():
        raise ValueError(f"there is no model {name!r}; there is {', '.join(shipped_models())}")
    return WEIGHTS / f"{name}{suffix}"


def damaged(path: Path, error: Exception) -> ValueError:
    """Make the error that says that a file of weights is damaged, on one line."""
    reason = str(error).strip("\"' \n").partition("\n")[0].partition(". ")[0]
    return ValueError(
        f"the weights {path} are damaged, or not those that xrlab came with "
        f"({type(error).__name__}: {reason}); install xrlab anew"
    )

"""Checkpoints, from which a killed training goes on, and the history of a training.

A checkpoint is one NumPy file of plain arrays: reading it runs no code, and it replaces the one
before it only when it is complete.
"""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xrlab.crystal.arrays import Singles
from xrlab.datasets.lock import InUseError
from xrlab.io.files import write
from xrlab.networks.backend import import_keras

if TYPE_CHECKING:
    import keras


@dataclass
class History:
    """What happened during a training: mean squared errors per epoch.

    Parameters
    ----------
    loss : list of float
        On the training images, with dropout at work, so usually above `validation_loss`.
    validation_loss : list of float
    seconds : float
        How long it took.
    stages : list of int
        Epochs, counted from 0, with which a stage of the training began: more than one if it was
        incremental.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    seconds: float = 0.0
    stages: list[int] = field(default_factory=lambda: [0])

    @property
    def best_epoch(self) -> int:
        """Epoch, counted from 1, of the last stage's lowest validation loss: its weights are kept.

        >>> History([3, 2, 1], [5.0, 4.0, 6.0]).best_epoch
        2
        """
        last = self.stages[-1]
        return last + int(np.argmin(np.nan_to_num(self.validation_loss[last:], nan=np.inf))) + 1

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        Path(path).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read what `save` wrote."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


class Checkpoint:
    """The state of a training, in a file if there is a path to one.

    Parameters
    ----------
    path : str or Path, optional
    training : dict
        What makes this training what it is, in values that JSON holds. A checkpoint of another
        one is refused.

    Attributes
    ----------
    history : History
    best : list of arrays
        Weights of the best epoch so far of the present stage.
    """

    def __init__(self, path: str | Path | None, training: dict[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self.training = training
        self.history = History()
        self.best: list[Singles] = []
        self._arrays: list[NDArray[Any]] = []
        self._seen = self._stamp()
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def save(self, model: keras.Model) -> None:
        """Write the state of a model, its optimiser and this history.

        Raises
        ------
        InUseError
            If another training has written the file since this one read or wrote it.
        OSError
            If it cannot be written; the one of the epoch before stays.
        """
        if self.path is None:
            return
        self._refuse_another()
        record = {"training": self.training, "history": asdict(self.history)}
        to_numpy = import_keras().ops.convert_to_numpy
        arrays: dict[str, Any] = {
            "record": np.frombuffer(json.dumps(record).encode(), np.uint8),
            **{f"state_{n}": to_numpy(each) for n, each in enumerate(_state(model))},
            **{f"best_{n}": each for n, each in enumerate(self.best)},
        }
        content = io.BytesIO()
        np.savez(content, **arrays)
        self._refuse_another()
        write(self.path, content.getvalue(), ". Put that right, and the same training goes on")
        self._seen = self._stamp()
        for left_over in self.path.parent.glob(f".{escape(self.path.name)}.*.partial"):
            with suppress(OSError):  # of a write that was killed
                left_over.unlink()

    def restore(self, model: keras.Model) -> None:
        """Give a compiled model the state that was read, once; otherwise leave it as it is."""
        for variable, array in zip(_state(model), self._arrays, strict=bool(self._arrays)):
            variable.assign(array)
        self._arrays = []

    def _stamp(self) -> tuple[int, int, int] | None:
        """Tell one writing of the file from the next; None where there is none."""
        if self.path is None or not self.path.exists():
            return None
        status = self.path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _refuse_another(self) -> None:
        now = self._stamp()
        if now not in (None, self._seen):
            raise InUseError(
                f"another training writes to {self.path}, so this one stops. Wait until that one "
                f"ends, or give each its own checkpoint"
            )

    def _read(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            record = json.loads(arrays["record"].tobytes())
            training, history = record["training"], History(**record["history"])
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} is damaged or no checkpoint ({error}); delete it to begin anew"
            ) from error
        for name, wanted in self.training.items():
            if training.get(name) != wanted:
                raise ValueError(
                    f"{path} is the checkpoint of another training, with {name} "
                    f"{training.get(name)}, here {wanted}; delete it to begin anew"
                )
        self.history = history
        self._arrays = _numbered(arrays, "state")
        self.best = _numbered(arrays, "best")


def _numbered(arrays: dict[str, NDArray[Any]], name: str) -> list[NDArray[Any]]:
    count = sum(key.startswith(f"{name}_") for key in arrays)
    return [arrays[f"{name}_{n}"] for n in range(count)]


def _state(model: keras.Model) -> list[Any]:
    """Variables that decide how a training goes on: weights, seeds of dropout, optimiser."""
    passing = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in passing]
    return own + list(model.optimizer.variables)

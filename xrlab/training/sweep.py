"""Train one network for each of many settings, on all cores or on a cluster, and resume.

The settings are the arguments of a training, `xrlab.training.train_clean.train_and_save` unless
another one is named. Each has a folder of its own, which holds its checkpoint while it runs and its
card when it is done: whatever was killed goes on where it was.
"""

from __future__ import annotations

import inspect
import json
import os
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed, parallel_config
from tqdm.auto import tqdm

from xrlab.io.files import write
from xrlab.training.train_clean import train_and_save

Card = dict[str, Any]
Train = Callable[..., Card]
DONE, CHECKPOINT = "card.json", "checkpoint.npz"

# Keras draws all random numbers of a process from one seed, so a process trains one network at a
# time, however many threads it has.
_one_at_a_time = threading.Lock()


def sweep(
    folder: str | os.PathLike[str],
    settings: Sequence[Mapping[str, Any]],
    *,
    train: Train = train_and_save,
    n_jobs: int = -1,
    progress: bool = True,
) -> list[Card]:
    """Train with every one of these settings, or go on where an earlier call was interrupted.

    The cards do not depend on the number of workers, but for the seconds in them. Within ``with
    joblib.parallel_config(backend="dask")`` and with a `distributed.Client` open the workers are
    those of its cluster, and the folder is one that they all see; otherwise they are processes.

    Parameters
    ----------
    folder : path
        Gets a folder for each setting, named by `folder_of`.
    settings : sequence of dict
        Arguments of `train` by name, without ``out`` and ``checkpoint``.
    train : function
        Takes a setting, a folder ``out`` and a file ``checkpoint``, and returns a card that JSON
        holds.
    n_jobs : int
        Workers; -1 for one per core.
    progress : bool
        Show a progress bar, in which the settings of an earlier call count as done.

    Returns
    -------
    list of dict
        The card of every setting, in their order.

    Raises
    ------
    ValueError
        If there is no setting, two are the same, or one is not what `train` takes. Nothing is
        trained then.

    Examples
    --------
    >>> def train(power, out, checkpoint):
    ...     return {"result": 2**power}
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sweep(folder, [{"power": 3}, {"power": 5}], train=train, n_jobs=1, progress=False)
    [{'result': 8}, {'result': 32}]
    """
    folder = Path(folder).absolute()
    places = [folder / folder_of(setting) for setting in settings]
    if not settings:
        raise ValueError("a sweep has at least one setting; got none")
    if len(set(places)) < len(places):
        raise ValueError("two settings of the sweep are the same: name each once")
    for setting in settings:
        try:
            inspect.signature(train).bind(**setting, out=folder, checkpoint=folder)
        except TypeError as error:
            raise ValueError(f"{dict(setting)} is not what the training takes: {error}") from error
    cards = {place: _read(place) for place in places}
    todo = [(s, p) for s, p in zip(settings, places, strict=True) if cards[p] is None]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
    with tqdm(
        total=len(places),
        initial=len(places) - len(todo),
        desc="sweep",
        unit=" trainings",
        disable=not progress,
    ) as bar:
        for place, card in parallel(delayed(_run)(train, dict(s), place) for s, place in todo):
            cards[place] = card
            bar.update()
    return [cards[place] or {} for place in places]


def folder_of(setting: Mapping[str, Any]) -> str:
    """Name the folder of a setting: the same for the same arguments, in whatever order.

    Examples
    --------
    >>> folder_of({"span": 3, "epochs": 50})
    'epochs=50,span=3-9de52ee7'
    """
    text = ",".join(f"{name}={value!r}" for name, value in sorted(setting.items()))
    readable = "".join(letter for letter in text if letter.isalnum() or letter in "=,.-_")
    return f"{readable[:60]}-{zlib.crc32(text.encode()):08x}"


def _run(train: Train, setting: dict[str, Any], place: Path) -> tuple[Path, Card]:
    """Do one training and write its card last; a worker runs this."""
    with _one_at_a_time, Path(os.devnull).open("w") as nowhere:
        done = _read(place)
        if done is not None:
            return place, done
        place.mkdir(parents=True, exist_ok=True)
        # Workers that made workers of their own would get into each other's way; and progress bars.
        with parallel_config(backend="sequential"), redirect_stderr(nowhere):
            card = train(**setting, out=place, checkpoint=place / CHECKPOINT)
        write(place / DONE, json.dumps(card, indent=1) + "\n")
        (place / CHECKPOINT).unlink(missing_ok=True)
    return place, json.loads(json.dumps(card))


def _read(place: Path) -> Card | None:
    """Card of a finished training; None where there is none."""
    try:
        card = json.loads((place / DONE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{place / DONE} is damaged; delete it to train again") from error
    return dict(card)

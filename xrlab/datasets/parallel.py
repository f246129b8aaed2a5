"""One way to run a function over many arguments on all cores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

A = TypeVar("A")
R = TypeVar("R")


def in_parallel(
    function: Callable[[A], R],
    arguments: Collection[A],
    n_jobs: int = -1,
    title: str = "",
    unit: str = " images",
    **options: Any,
) -> Iterator[R]:
    """Yield the result for every argument, in their order.

    Nearly all the work of xrlab is done by compiled code that lets other threads run, so threads
    serve as well as processes and need no memory of their own. Linear algebra is kept to one
    thread in each, or threads would multiply.

    Parameters
    ----------
    function : callable
    arguments : collection
    n_jobs : int
        Workers, threads unless `joblib.parallel_config` says otherwise; -1 for one per core.
    title, unit : str
        Of the progress bar; without a title there is none.
    **options
        Of `joblib.Parallel`.

    Examples
    --------
    >>> list(in_parallel(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    options = {"prefer": "threads", "return_as": "generator", **options}
    with threadpool_limits(1):
        made = Parallel(n_jobs=n_jobs, **options)(delayed(function)(each) for each in arguments)
        yield from tqdm(made, title, len(arguments), unit=unit, disable=not title)

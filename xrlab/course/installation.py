"""Check of the installation: whether this computer can run the course, and if not, what to do."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

# What a notebook may take at most, in bytes.
NEEDED = 1.2 * 2**30

# Networks that the notebooks load.
NETWORKS = ("cfs2", "cfs3", "cfs4", "measured")
AGAIN = "close this notebook, run `make install` in the folder of the course, and start again"
CONTROL_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Line:
    """Result of one test.

    Parameters
    ----------
    name : str
        What was tested.
    ok : bool
    says : str
        What was found, or what went wrong.
    remedy : str
        What to do; empty where all is well.
    """

    name: str
    ok: bool
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        verdict = "ok      " if self.ok else "PROBLEM "
        what_to_do = f"\n{'':10}What to do: {self.remedy}." if self.remedy else ""
        return f"{verdict}  {self.name}: {self.says}{what_to_do}"


def check(tests: dict[str, tuple[Callable[[], str], str]] | None = None) -> list[Line]:
    """Run every test; one that fails does not stop the others.

    Parameters
    ----------
    tests : dict, optional
        Name: (a function that returns what it found or raises, what to do if it raises). All of
        `TESTS` if not given.

    Returns
    -------
    list of Line

    Examples
    --------
    >>> [line.ok for line in check({"two and two": (lambda: str(2 + 2), "")})]
    [True]
    """
    lines = []
    for name, (test, remedy) in (TESTS if tests is None else tests).items():
        try:
            lines.append(Line(name, True, test()))
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            lines.append(Line(name, False, reason, remedy))
    return lines


def report(lines: list[Line] | None = None) -> str:
    """Return the check as text: one line for each test, and what to do where one failed.

    >>> print(report([Line("coffee", True, "hot"), Line("milk", False, "none left", "buy some")]))
    ok        coffee: hot
    PROBLEM   milk: none left
              What to do: buy some.
    <BLANKLINE>
    1 of 2 tests failed.
    """
    lines = check() if lines is None else lines
    failed = sum(not line.ok for line in lines)
    verdict = f"{failed} of {len(lines)} tests failed." if failed else "Everything works."
    return "\n".join([*map(str, lines), "", verdict])


def free_memory() -> float | None:
    """Bytes of memory that a notebook can still have; None where it is unknown.

    In a container, such as on Binder, the limit of its control group counts, not that of the
    computer.
    """
    limits = []
    try:
        import psutil  # type: ignore[import-untyped]

        limits.append(float(psutil.virtual_memory().available))
    except ImportError:
        pass
    try:
        limit, used = (
            float((CONTROL_GROUP / name).read_text()) for name in ("memory.max", "memory.current")
        )
        cached = (CONTROL_GROUP / "memory.stat").read_text().split("\ninactive_file ")
        limits.append(limit - used + (float(cached[1].split()[0]) if len(cached) > 1 else 0.0))
    except (OSError, ValueError):  # no control group, or one without a limit ("max")
        pass
    return min(limits, default=None)


def _packages() -> str:
    """Compare the installed packages with what xrlab asks for."""
    from packaging.requirements import Requirement

    wrong, required = [], [Requirement(text) for text in metadata.requires("xrlab") or []]
    required = [each for each in required if not each.marker or each.marker.evaluate({"extra": ""})]
    for each in required:
        try:
            version = metadata.version(each.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(version, prereleases=True):
            wrong.append(f"{each.name} is {version}, wanted is {each.specifier}")
    if wrong:
        raise RuntimeError("; ".join(wrong))
    return (
        f"Python {platform.python_version()}, xrlab {metadata.version('xrlab')}, all "
        f"{len(required)} packages that it needs"
    )


def _weights() -> str:
    """Look whether the files of the networks are there and whole."""
    from xrlab.networks import shipped

    size = 0
    for name in NETWORKS:
        path = shipped.WEIGHTS / f"{name}.onnx"
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path.name} in {path.parent}")
        shipped.read_network(path)
        shipped.model_card(name)
        size += path.stat().st_size
    return f"{', '.join(NETWORKS)}, {size / 2**20:.1f} MB"


def _memory() -> str:
    """Look whether the largest notebook fits."""
    free = free_memory()
    if free is None:
        return f"unknown (a notebook needs up to {NEEDED / 2**30:.1f} GB)"
    words = f"{free / 2**30:.1f} GB free, a notebook needs up to {NEEDED / 2**30:.1f} GB"
    if free < NEEDED:
        raise MemoryError(words)
    return words


def _numba() -> str:
    """Compile the Monte Carlo kernel, and see that it does what it should."""
    from xrlab.crystal.encoding import Encoding
    from xrlab.crystal.lattice import simulate

    start = time.perf_counter()
    c = simulate(Encoding.from_vector([0.5, -0.5, -0.25]), 20, seed=0).realised.vector
    if not (c[0] > 0.3 and c[1] < -0.3):
        raise ArithmeticError(f"asked for correlations of 0.5 and -0.5, got {c[:2].round(2)}")
    return f"a small lattice in {time.perf_counter() - start:.1f} s"


def _answer() -> str:
    """Let a network read a simulated image."""
    from xrlab.crystal.diffraction import expected_image
    from xrlab.crystal.encoding import Encoding
    from xrlab.networks.shipped import load_network, run_model

    start = time.perf_counter()
    true = Encoding.from_vector([0.4, 0.2, 0.1])
    (estimate,) = run_model(load_network("cfs2"), expected_image(true)[None])
    if not np.abs(estimate - true.vector).max() < 0.2:
        raise ArithmeticError(f"the network read {estimate.round(2)} where {true.vector} is true")
    seconds = time.perf_counter() - start
    return f"ONNX Runtime {metadata.version('onnxruntime')}, first answer in {seconds:.1f} s"


def _pictures() -> str:
    """Draw one picture for sliders and one figure for looking closely."""
    import plotly.graph_objects as go

    from xrlab.drawing.plots import images_figure
    from xrlab.drawing.png import picture

    values = np.outer(np.arange(64.0), np.arange(64.0))
    png = picture(values)
    figure = images_figure({"a test": values})
    go.FigureWidget(figure)
    if not (png.startswith(b"\x89PNG") and "heatmap" in figure.to_json()):
        raise RuntimeError("the picture came out empty")
    return f"PNG and plotly {metadata.version('plotly')}, anywidget {metadata.version('anywidget')}"


TESTS: dict[str, tuple[Callable[[], str], str]] = {
    "packages": (_packages, AGAIN),
    "networks": (_weights, f"get the files of xrlab/weights again (git checkout); then {AGAIN}"),
    "memory": (
        _memory,
        "shut down other notebooks (menu Kernel, Shut Down All Kernels) and close other programs",
    ),
    "numba": (
        _numba,
        f"delete the folders __pycache__ inside xrlab; if that does not help, {AGAIN}",
    ),
    "answer": (_answer, f"restart the kernel; if that does not help, {AGAIN}"),
    "pictures": (_pictures, AGAIN),
}

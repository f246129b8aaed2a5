"""Finish an installation: compile Python's bytecode and the Monte Carlo kernels once, for good.

Otherwise every process compiles TensorFlow's modules again wherever Python does not write bytecode
(containers set ``PYTHONDONTWRITEBYTECODE``), and the first lattice waits for numba. What cannot be
written, for instance on a read-only system, is left to the first use; nothing here fails.
"""

from __future__ import annotations

import compileall
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import xrlab


def installed() -> list[str]:
    """Return the folders of all installed packages and of xrlab."""
    packages = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return sorted({*packages, str(Path(xrlab.__file__).parent)})


def compile_bytecode(folders: Iterable[str]) -> None:
    """Compile every module in these folders, on every core, unless it is compiled already.

    Files that are not Python, such as templates that some packages ship, are passed over silently.
    """
    for folder in folders:
        compileall.compile_dir(folder, quiet=2, workers=0)


def compile_kernels() -> None:
    """Simulate a small lattice by every sampler, which leaves the kernels in numba's cache."""
    from xrlab.crystal.samplers import SAMPLERS

    for sampler in SAMPLERS:
        xrlab.simulate(xrlab.Encoding.product(0.3, 0.3, 2), size=8, sampler=sampler)


def main() -> None:
    """Compile bytecode and kernels."""
    compile_bytecode(installed())
    try:
        compile_kernels()
    except Exception as error:
        print(f"the Monte Carlo kernels will be compiled at first use: {error}")


if __name__ == "__main__":
    main()

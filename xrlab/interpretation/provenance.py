"""The origin of an interpretation, for repeating it: file, corrections, command and versions."""

from __future__ import annotations

import hashlib
import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xrlab.measurement.pipeline import Pipeline


# Packages on which the numbers depend. Their versions are looked up without an import.
PACKAGES = (
    *("xrlab", "onnxruntime", "numpy", "scipy", "numba"),
    *("scikit-image", "fabio", "h5py", "tifffile"),
)


def provenance(
    path: str | os.PathLike[str] | None = None,
    pipeline: Pipeline | str | None = None,
    seed: int = 0,
    command: str | None = None,
) -> dict[str, Any]:
    """Collect file, corrections, command and versions, with which to repeat an interpretation.

    Parameters
    ----------
    path : path, optional
        File of the image; its name and SHA-256 are kept, not its folder.
    pipeline : Pipeline or its text, optional
        The corrections applied before.
    seed : int
        As given to `xrlab.interpret`.
    command : str, optional
        The command line that repeats it.

    Returns
    -------
    dict
        Plain values: "command", "file", "sha256", "pipeline", "seed", "versions", "system", "date".

    Examples
    --------
    >>> provenance(seed=3)["seed"], "numpy" in provenance()["versions"]
    (3, True)
    """
    digest = None
    if path is not None:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {
        "command": command,
        "file": None if path is None else Path(path).name,
        "sha256": digest,
        "pipeline": None if pipeline is None else _text(pipeline),
        "seed": seed,
        "versions": versions,
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _text(pipeline: Pipeline | str) -> str:
    """Write a pipeline as YAML, or in words where it holds a step of the user's own."""
    if isinstance(pipeline, str):
        return pipeline
    try:
        return pipeline.to_yaml()
    except ValueError:
        return str(pipeline)

"""Measured images: fetch the ones that notebooks and tests use."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pooch
from numpy.typing import NDArray

from xrlab.io.files import write
from xrlab.io.read import read_image

# A folder with copies of the real data, used before any download: for workshops without a network.
LOCAL_DATA = "XRLAB_LOCAL_DATA"

_CNN_2D = (
    "https://raw.githubusercontent.com/echanj/CNN_2D_lattice_diffuse/"
    "115be440f7bbc3465274bcc624c98b5d9e8c6493/simple_lattice_CNN/obs_data_prep_for_testing/"
)

_ZMCGUI = (
    "https://raw.githubusercontent.com/echanj/ZMCGUI/"
    "5653953f4a805d09a04de22b452d6d79fe0137b6/zmc_python_module/readpgm/"
)

# name: (address, SHA-256). The files are published under the GPL (version 3), so they are fetched
# and never shipped.
REAL_DATA = {
    "box1": (
        _CNN_2D + "dcdnb_hk0_box1_64x64.tif",
        "f31033dc9f22e3d2fb48ed10dcb50afdf9c9bfdfc760401c0609eaf4d0756346",
    ),
    "box2": (
        _CNN_2D + "hk0_box2_64x64.tif",
        "b6743919da7e87a8a68e3091da4776b1cde7a97bfb04f643b078543f61cc3e45",
    ),
    "box1_corrected": (
        _CNN_2D + "dcdnb_hk0_box1.npy",
        "ddadb08869a95a5537ee2741242e081bed11f10e1919ebc8c4e9c4c94064c515",
    ),
    "undecanedioic_acid": (
        _ZMCGUI + "h_0.66_l_16bit_box1.pgm",
        "6988690efb08dde405d04579d744ee06ca9679af6c6c665f9b4a2a010d185b6b",
    ),
}


class DataUnavailableError(OSError):
    """Real data are neither in the cache nor in the local folder, and cannot be downloaded."""


def fetch(name: str) -> Path:
    """Find a file of real measured data, downloading it the first time.

    Parameters
    ----------
    name : {"box1", "box2", "box1_corrected", "undecanedioic_acid"}
        ``box1`` and ``box2`` are parts of the hk0 section of dichlorodinitrobenzene, 64 x 64
        pixels over 2 x 2 reciprocal cells; ``box1_corrected`` is box 1 after the correction of
        its author; ``undecanedioic_acid`` is the section (h, 0.66, l) of 1,11-undecanedioic acid.

    Returns
    -------
    Path
        In the cache folder (``pooch.os_cache("xrlab")``, or the environment variable XRLAB_DATA).
        The checksum is verified every time.

    Raises
    ------
    ValueError
        If there are no data of that name.
    DataUnavailableError
        If the file is not at hand and there is no network, or the cache cannot be written.
    """
    if name not in REAL_DATA:
        raise ValueError(f"there are no data named {name!r}; there are {', '.join(REAL_DATA)}")
    address, checksum = REAL_DATA[name]
    cache = Path(os.environ.get("XRLAB_DATA") or pooch.os_cache("xrlab"))
    file_name = address.rsplit("/", 1)[1]
    folder = os.environ.get(LOCAL_DATA)
    copy = Path(folder, file_name) if folder else None
    if copy and _is_intact(copy, checksum) and not _is_intact(cache / file_name, checksum):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            write(cache / file_name, copy.read_bytes())
        except OSError:  # a disk that is full or cannot be written
            return copy
    try:
        found = pooch.retrieve(
            address,
            known_hash=f"sha256:{checksum}",
            fname=file_name,
            path=cache,
            downloader=pooch.HTTPDownloader(timeout=10),
        )
    except (OSError, ValueError) as error:
        damaged = f" The one in {folder} is damaged." if copy and copy.exists() else ""
        raise DataUnavailableError(
            f"the measured image {name!r} is not on this computer and could not be downloaded to "
            f"{cache} ({type(error).__name__}).{damaged} With a network, try again; without one, "
            f"put {file_name} into a folder and name that folder in {LOCAL_DATA}"
        ) from error
    return Path(found)


def _is_intact(path: Path, checksum: str) -> bool:
    return path.is_file() and pooch.file_hash(str(path)) == checksum


def measured_or_simulated(name: str) -> tuple[NDArray[np.float64], str]:
    """Fetch and read a measured image, or simulate one where that cannot be done.

    Returns
    -------
    image : float64 array
    source : str
        A sentence that says which of the two it is, to print beside every figure.
    """
    try:
        return read_image(fetch(name)), f"{name}: measured X-ray diffuse scattering."
    except DataUnavailableError as error:
        stand_in = simulated_measurement(seed=sorted(REAL_DATA).index(name))
        return stand_in, f"{name}: NOT measured but a simulated stand-in, because {error}."


def simulated_measurement(seed: int = 0) -> NDArray[np.float64]:
    """Simulate what a detector sees of a molecular crystal, on the standard grid.

    The image I = E S + B is counted: S of a 96 x 96 lattice, E = |form factor difference|^2 a
    smooth exponential of a random polynomial, B a flat background, and Bragg peaks at whole h, k.

    Returns
    -------
    float64 array, shape (64, 64)
        Counts.
    """
    from xrlab.crystal.diffraction import diffraction_image
    from xrlab.crystal.encoding import Encoding
    from xrlab.crystal.grid import STANDARD_GRID
    from xrlab.crystal.lattice import simulate

    rng = np.random.default_rng(seed)
    crystal = simulate(Encoding.from_vector([0.1, 0.35, -0.1]), 96, seed=rng)
    pattern = diffraction_image(crystal, lot_size=48, lots=64, seed=rng)
    h, k = np.meshgrid(STANDARD_GRID.h_values - 1, STANDARD_GRID.k_values - 1, indexing="ij")
    smooth = np.tensordot(rng.normal(0, 0.5, 5), [h, k, h * k, h**2, k**2], axes=1)
    bragg = 40 * np.exp(-0.5 * (STANDARD_GRID.distance_to_bragg() / 0.03) ** 2)
    return rng.poisson(300 * (np.exp(smooth) * (pattern + bragg) + 0.5)).astype(np.float64)

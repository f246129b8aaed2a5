"""How an image is simulated: lattice size, lots, sampler and grid in one record."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from xrlab.crystal.arrays import Singles, Sites
from xrlab.crystal.diffraction import diffraction_image
from xrlab.crystal.encoding import Distribution, Encoding
from xrlab.crystal.grid import ReciprocalGrid
from xrlab.crystal.lattice import Lattice, simulate
from xrlab.crystal.samplers import Start

SPAN = 4


@dataclass(frozen=True)
class Setting:
    """How the lattices and images of a data set are made.

    Parameters
    ----------
    size, lot_size, lots : int
        N, L and the number of lots: "50/25/8".
    sampler : {"monte_carlo", "gaussian", "growth"}
        See `simulate`.
    grid : ReciprocalGrid
    targets : {"realisable", "uniform"}
        How the targets are drawn, see `Encoding.random`. Targets of the growth sampler are
        products c(i, j) = r^i s^j of two numbers drawn uniformly from (-0.9, 0.9).
    start : {"warm", "cold"}, optional
        Of "monte_carlo", see `simulate`.
    """

    size: int = 50
    lot_size: int = 25
    lots: int = 8
    sampler: str = "monte_carlo"
    grid: ReciprocalGrid = field(default_factory=ReciprocalGrid)
    targets: Distribution = "realisable"
    start: Start | None = None

    def simulate(self, target: Encoding, seed: int | np.random.Generator = 0) -> Lattice:
        """Simulate a lattice of this size by this sampler."""
        return simulate(target, self.size, self.sampler, seed, start=self.start)

    def image(self, lattice: Lattice | Sites, seed: int | np.random.Generator = 0) -> Singles:
        """Return the diffraction image of a lattice on this grid, with these lots."""
        return diffraction_image(lattice, self.grid, self.lot_size, self.lots, seed)

    @property
    def numbers(self) -> str:
        """N/L/lots, as in "50/25/8"."""
        return f"{self.size}/{self.lot_size}/{self.lots}"

    def __str__(self) -> str:
        return f"{self.numbers} {self.sampler}"


# As in the study of 2023, and for the networks that come with xrlab: any target, and a start from
# nothing.
STUDY = Setting(targets="uniform", start="cold")
STANDARD = Setting()  # 50/25/8
SETTING = Setting(size=96, lot_size=48, lots=64)

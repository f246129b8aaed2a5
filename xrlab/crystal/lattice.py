"""Disordered lattices with given target correlations, and the correlations of a lattice.

A lattice is a periodic N x N array of sites s = +1 or -1. Axis 0 runs along **a** (index i),
axis 1 along **b** (index j).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from xrlab.crystal.arrays import Sites
from xrlab.crystal.encoding import Encoding, vector_length
from xrlab.crystal.samplers import SAMPLERS, Start


@dataclass(frozen=True, eq=False)
class Lattice:
    """A simulated lattice with its target.

    Parameters
    ----------
    sites : int8 array, shape (N, N)
        +1 or -1 at every site, periodic.
    target : Encoding
        The target correlations.
    realised : Encoding
        The correlations that this finite lattice has, of the target's span.
    """

    sites: Sites
    target: Encoding
    realised: Encoding = field(init=False)

    def __post_init__(self) -> None:
        realised = realised_correlations(self.sites, self.target.span)
        object.__setattr__(self, "realised", realised)

    @property
    def size(self) -> int:
        """Number of sites along each axis, N."""
        return len(self.sites)

    @property
    def concentration(self) -> float:
        """Fraction of sites that are +1."""
        return float(np.mean(self.sites > 0))


def simulate(
    encoding: Encoding,
    size: int = 50,
    sampler: str = "monte_carlo",
    seed: int | np.random.Generator = 0,
    *,
    concentration: float = 0.5,
    cycles: int | None = None,
    start: Start | None = None,
) -> Lattice:
    """Make a lattice whose correlations come as near to the encoding as they can.

    Parameters
    ----------
    encoding : Encoding
        The target. Not every target is possible; ``Lattice.realised`` has what the lattice reached.
    size : int
        Sites along each axis, at least twice the span.
    sampler : {"monte_carlo", "gaussian", "growth"}
        How the lattice is made: by equilibration, the reference; as a thresholded Gaussian field,
        the fast way; or site by site, for c(i, j) = r^|i| s^|j| only. See `xrlab.crystal.samplers`.
    seed : int or numpy Generator
        The same seed gives the same lattice.
    concentration : float
        Fraction of +1 sites, 0.05 to 0.95; kept exactly (to the nearest whole site), but on
        average only by "growth".
    cycles : int, optional
        For "monte_carlo": cycles of one attempted swap per site. A cold start has
        `samplers.default_cycles`, a warm one an eighth of them.
    start : {"warm", "cold"}, optional
        For "monte_carlo": from a Gaussian field where there is one (the default), or from a random
        lattice without couplings, as the study of 2023 did.

    Returns
    -------
    Lattice
        With ``.sites``, ``.target`` and ``.realised``.

    Raises
    ------
    NotRealisableError
        A ValueError, from "gaussian": no Gaussian field has these correlations. Ask
        ``encoding.violations()``, or take ``encoding.nearest_realisable()``.
    ValueError
        If an argument is outside its range, the sampler is unknown or cannot do what is asked.

    Examples
    --------
    >>> clusters = simulate(Encoding.from_vector([0.6, 0.6, 0.36]), seed=1)
    >>> bool(abs(clusters.realised.vector - [0.6, 0.6, 0.36]).max() < 0.05)
    True
    """
    if not isinstance(encoding, Encoding):
        raise ValueError(f"simulate needs an Encoding, not {type(encoding).__name__}")
    if size < 2 * encoding.span:
        raise ValueError(
            f"a lattice of {size} x {size} sites is too small for span {encoding.span}: "
            f"correlations would wrap round; take a size of {2 * encoding.span} or more"
        )
    if not 0.05 <= concentration <= 0.95:
        raise ValueError(f"the concentration is a number from 0.05 to 0.95; got {concentration:g}")
    if cycles is not None and cycles < 1:
        raise ValueError(f"a simulation needs at least 1 cycle; got {cycles}")
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}; there is {', '.join(SAMPLERS)}")
    rng = np.random.default_rng(seed)
    options = {"cycles": cycles, "start": start}
    options = {name: value for name, value in options.items() if value is not None}
    if options and sampler != "monte_carlo":
        raise ValueError(f"{' and '.join(options)} go with sampler 'monte_carlo', not {sampler!r}")
    sites = SAMPLERS[sampler](encoding, size, rng, concentration, **options)
    return Lattice(sites, target=encoding)


def realised_correlations(sites: ArrayLike, span: int) -> Encoding:
    """Return the correlations of a finite periodic lattice, over all its sites.

    Parameters
    ----------
    sites : array of +1 and -1, shape (N, N)
    span : int
        From 2 to N.

    Raises
    ------
    ValueError
        If the sites are not a square array of +1 and -1 with both kinds present, or there are
        fewer along an axis than the span.

    Examples
    --------
    >>> checkerboard = np.indices((8, 8)).sum(axis=0) % 2 * 2 - 1
    >>> realised_correlations(checkerboard, span=2)
    Encoding.from_vector([-1, -1, 1])
    """
    vector_length(span)
    array = as_sites(sites)
    if len(array) < span:
        raise ValueError(
            f"a lattice of {len(array)} x {len(array)} sites has no correlations of span {span}: "
            f"take a larger lattice or a span up to {len(array)}"
        )
    # Sums of s(x, y) s(x + i, y + j), whole numbers, by the Wiener-Khinchin theorem.
    sums = np.rint(fft.irfft2(np.abs(fft.rfft2(array.astype(np.float64))) ** 2, array.shape))
    mean = array.mean()
    return Encoding((sums[:span, :span] / array.size - mean**2) / (1 - mean**2))


def as_sites(sites: ArrayLike) -> Sites:
    """Check that an array is a lattice of +1 and -1 and return it as int8."""
    array = np.asarray(sites)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"a lattice is a square array of sites; this one has shape {array.shape}")
    if not np.array_equal(np.unique(array), [-1, 1]):
        raise ValueError(
            "a lattice holds +1 and -1, both of them; "
            f"this one holds {np.unique(array)[:5].tolist()}"
        )
    return np.ascontiguousarray(array, dtype=np.int8)

"""A simulator and an instrument that no training sees: the test of whether an answer travels.

Both are written apart from `xrlab.crystal.samplers` and `xrlab.measurement.instrument` and differ
from them where they can. The lattices are in equilibrium with random couplings, also along (i, -j),
where the samplers seek a target; the image is seen through the form factor of a molecule of real
atoms, with Bragg peaks that have tails, a slanted background, a tilted detector with gaps,
flat-field errors, streaks and electronic noise.
"""

from __future__ import annotations

import numpy as np

from xrlab.crystal.arrays import Image, Reals, Sites
from xrlab.crystal.form_factor import Cell, FormFactor, Molecule
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid
from xrlab.crystal.kernels import compiled

SWEEPS = 200


def thermal_lattice(rng: np.random.Generator, size: int = 96, sweeps: int = SWEEPS) -> Sites:
    """Equilibrate an Ising lattice with random couplings by heat-bath flips at kT = 1.

    E = -sum J_r s s' over 3 to 7 vectors r of a half-plane, each at most 3 sites long along a and
    b; J_r is normal with standard deviation 0.5 / |r|. A penalty on the magnetisation keeps it near
    0. Couplings that would order the whole lattice are made weaker by a fifth until they do not.

    Parameters
    ----------
    rng : numpy Generator
    size : int
        Sites along each axis, N.
    sweeps : int
        Attempts to flip each site.

    Returns
    -------
    int8 array, shape (N, N), of -1 and +1
    """
    half_plane = [(i, j) for i in range(4) for j in range(-3, 4) if i > 0 or j > 0]
    chosen = rng.choice(len(half_plane), rng.integers(3, 8), replace=False)
    vectors = np.array([half_plane[n] for n in chosen])
    coupling = rng.normal(0, 0.5, len(vectors)) / np.hypot(*vectors.T)
    while True:
        sites = rng.choice(np.array([-1, 1], np.int8), (size, size))
        heat_bath(sites, vectors, coupling, sweeps, rng)
        far = np.fft.ifft2(np.abs(np.fft.fft2(sites)) ** 2).real / size**2
        if np.abs(far[size // 4 : -size // 4, size // 4 : -size // 4]).max() < 0.2:
            return sites
        coupling *= 0.8


@compiled
def heat_bath(sites, vectors, coupling, sweeps, rng):  # type: ignore[no-untyped-def]
    """Flip sites in place at kT = 1, E = -sum coupling s s' over the vectors and their opposite."""
    size = len(sites)
    total = sites.sum()
    for _ in range(sweeps):
        for x in range(size):
            for y in range(size):
                field = -4.0 * (total - sites[x, y]) / size**2
                for n in range(len(vectors)):
                    i, j = vectors[n]
                    field += coupling[n] * sites[(x + i) % size, (y + j) % size]
                    field += coupling[n] * sites[(x - i) % size, (y - j) % size]
                spin = 1 if rng.random() * (1 + np.exp(-2 * field)) < 1 else -1
                total += spin - sites[x, y]
                sites[x, y] = spin


def unseen_measurement(image: Reals, rng: np.random.Generator) -> Image:
    """Measure a clean image of 64 x 64 pixels with a random instrument of another make.

    Parameters
    ----------
    image : array, shape (64, 64)
        In Laue units.

    Returns
    -------
    float64 array, shape (64, 64), NaN where unmeasured
        Counts above the dark level.
    """
    h0, k0 = rng.integers(0, 4, 2)
    grid = ReciprocalGrid((h0, h0 + 2), (k0, k0 + 2), STANDARD_GRID.shape)
    h, k = np.meshgrid(grid.h_values, grid.k_values, indexing="ij")
    image = image * random_molecule(rng).on(grid, unit_mean=True)
    slant = rng.uniform(-0.3, 0.3, 2)
    level = 1 + slant[0] * (h - h0 - 1) + slant[1] * (k - k0 - 1)
    image = image + rng.uniform(0.02, 1.0) * level
    hump, place, width = rng.uniform(0, 1), rng.uniform(0, 2, 2), rng.uniform(0.4, 1.2)
    image += hump * np.exp(-((h - h0 - place[0]) ** 2 + (k - k0 - place[1]) ** 2) / 2 / width**2)
    tail = rng.uniform(0.008, 0.025)
    for peak in np.ndindex(3, 3):  # Lorentzians to the power 3/2
        distance = np.hypot(h - h0 - peak[0], k - k0 - peak[1])
        strength = rng.lognormal(np.log(20), 1)
        image += strength * (1 + (distance / tail) ** 2) ** -1.5
    image *= 1 + 0.02 * rng.standard_normal(image.shape[1])  # flat field, column by column
    gain = np.exp(rng.uniform(np.log(20), np.log(2000)))  # counts in a pixel of intensity 1
    counts = rng.poisson(image * gain) + rng.normal(0, rng.uniform(0, 3), image.shape)
    for _ in range(rng.poisson(3)):  # streaks of cosmic rays
        row, column, length = rng.integers(64), rng.integers(60), rng.integers(2, 6)
        counts[row, column : column + length] += rng.exponential(20 * gain)
    counts = np.maximum(counts, 0)
    angle, period, gap = rng.uniform(0, np.pi / 2), rng.uniform(0.9, 1.8), rng.uniform(0.03, 0.1)
    turned = h * np.cos(angle) + k * np.sin(angle), k * np.cos(angle) - h * np.sin(angle)
    for axis in turned:
        counts[(axis - rng.uniform(0, period)) % period < gap] = np.nan
    if rng.random() < 0.5:
        counts[grid.distance_to_bragg() < rng.uniform(0.05, 0.13)] = np.nan
    counts[np.hypot(h, k) < rng.uniform(0.1, 0.3)] = np.nan
    return counts


def random_molecule(rng: np.random.Generator) -> FormFactor:
    """Draw a flat molecule of 5 to 12 atoms, disordered by half a turn or by a mirror."""
    n_atoms = int(rng.integers(5, 13))
    radius, angle = 2.6 * np.sqrt(rng.random(n_atoms)), rng.uniform(0, 2 * np.pi, n_atoms)
    elements = rng.choice(["C", "N", "O", "F", "Cl"], n_atoms)
    atoms = [
        (str(element), r * np.cos(a), r * np.sin(a), 0.0)
        for element, r, a in zip(elements, radius, angle, strict=True)
    ]
    molecule = Molecule(atoms, b_iso=float(rng.uniform(2, 5)))
    other = molecule.rotated(180) if rng.random() < 0.5 else molecule.mirrored((1, 0, 0))
    edges = rng.uniform(6, 10, 2)
    return FormFactor(molecule, other, Cell(*edges))

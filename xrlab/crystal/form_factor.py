"""Form factors: what the molecules of a disordered crystal contribute to its diffuse scattering.

Every site holds a molecule in one of two orientations, A (s = +1) or B (s = -1), and scatters
(F_A + F_B)/2 + s (F_A - F_B)/2. The first term is alike on all sites; the second carries the
disorder. So a lattice of mean m scatters diffusely, in electrons^2 per site,

    I(q) = (1 - m^2) |dF(q)|^2 S(q),    dF = (F_A - F_B)/2,

with S the image in Laue monotonic units. As (1 - m^2)/4 is the product of the two concentrations,
this is c_A c_B |F_A - F_B|^2 S (Warren, X-ray Diffraction, 1969, chapter 12; Welberry, Diffuse
X-ray Scattering and Models of Disorder, 2004). Anomalous dispersion is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from xrlab.crystal.arrays import Floats, Waves
from xrlab.crystal.grid import STANDARD_GRID, ReciprocalGrid

Atom = tuple[str, float, float, float]


def scattering_factor(element: str, s: ArrayLike) -> Floats:
    """Scattering factor f of a free atom or ion at rest, in electrons.

    Five Gaussians and a constant, f = sum a_i exp(-b_i s^2) + c (Waasmaier & Kirfel, Acta Cryst.
    A51, 416, 1995, doi:10.1107/S0108767394013292), as tabulated by the package periodictable.

    Parameters
    ----------
    element : str
        Symbol of an element from H to Cf, or an ion such as ``"Cl1-"``.
    s : array
        sin(theta)/lambda = |q|/4 pi in 1/Å, from 0 to 6, where the fit ends.

    Raises
    ------
    ValueError
        If the table does not hold the element, or s is outside its range.

    Examples
    --------
    >>> scattering_factor("Cl", [0, 0.5]).round(1)
    array([17. ,  7.3])
    """
    from periodictable.cromermann import getCMformula  # imported here: it takes 0.1 s

    try:
        formula = getCMformula(element)
    except KeyError:
        raise ValueError(
            f"there is no scattering factor for {element!r}; write an element from H to Cf as in "
            f"'C' or 'Cl', or an ion as in 'Cl1-'"
        ) from None
    s = np.asarray(s, np.float64)
    if not ((s >= 0) & (s <= formula.stollimit)).all():
        raise ValueError(
            f"scattering factors are known for sin(theta)/lambda from 0 to {formula.stollimit:g} "
            f"per Å; asked for {s.min():g} to {s.max():g}. Are the cell edges in Å?"
        )
    return np.asarray(formula.atstol(s), np.float64)


@dataclass(frozen=True)
class Cell:
    """Unit cell of the average crystal, in a Cartesian frame with x along a, y in the a-b plane.

    Parameters
    ----------
    a, b, c : float
        Edges in Å. The section l = 0 does not depend on c, which may then be left out.
    alpha, beta, gamma : float
        Angles between b and c, a and c, a and b, in degrees.

    Raises
    ------
    ValueError
        If an edge is not above 0 or no cell has these angles.
    """

    a: float
    b: float
    c: float | None = None
    alpha: float = 90.0
    beta: float = 90.0
    gamma: float = 90.0

    def __post_init__(self) -> None:
        for name, edge in (("a", self.a), ("b", self.b), ("c", self.c)):
            if edge is not None and not (np.isfinite(edge) and edge > 0):
                raise ValueError(f"cell edge {name} is a length above 0 in Å; got {edge}")
        angles = (self.alpha, self.beta, self.gamma)
        possible = sum(angles) < 360 and 2 * max(angles) < sum(angles)
        if not (possible and min(angles) > 0):
            raise ValueError(
                f"no cell has the angles {angles} degrees: each is above 0 and smaller than the "
                f"other two together, and all three together are below 360"
            )

    @property
    def reciprocal(self) -> Floats:
        """**a***, **b***, **c*** as the rows of a 3 x 3 array, in 1/Å (without the factor 2 pi).

        >>> Cell(5.0, 10.0).reciprocal[:2].round(3) + 0
        array([[0.2, 0. , 0. ],
               [0. , 0.1, 0. ]])
        """
        x, y, z = np.cos(np.radians([self.alpha, self.beta, self.gamma]))
        # The Cholesky factor of the metric is triangular: a along x, b in the x-y plane.
        directions = np.linalg.cholesky(np.array([[1, z, y], [z, 1, x], [y, x, 1]]))
        edges = np.array([self.a, self.b, 1.0 if self.c is None else self.c])
        return np.linalg.inv(edges[:, None] * directions).T


@dataclass(frozen=True)
class Molecule:
    """Atoms at places relative to a lattice site.

    Parameters
    ----------
    atoms : sequence of (element, x, y, z)
        Places in Å in the Cartesian frame of `Cell`.
    b_iso : float, or one for each atom
        Isotropic displacement parameter B = 8 pi^2 <u^2> in Å^2: 3 to 5 is usual for a molecular
        crystal at room temperature, 0 is atoms at rest.

    Raises
    ------
    ValueError
        If there is no atom, an element is unknown, a place is not finite or B is negative.

    Examples
    --------
    >>> Molecule([("O", 0, 0, 0.6), ("N", 0, 0, -0.6)]).mirrored(axis=(0, 0, 1)).positions[:, 2]
    array([-0.6,  0.6])
    """

    atoms: Sequence[Atom]
    b_iso: float | Sequence[float] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "atoms", tuple(map(tuple, self.atoms)))
        if not self.atoms:
            raise ValueError("a molecule has at least 1 atom, as in [('C', 0, 0, 0)]; got none")
        for atom in self.atoms:
            if len(atom) != 4 or not np.isfinite(np.asarray(atom[1:], np.float64)).all():
                raise ValueError(f"an atom is (element, x, y, z), finite and in Å; got {atom}")
            scattering_factor(atom[0], 0)
        b = np.asarray(self.b_iso, np.float64)
        if b.shape not in ((), (len(self.atoms),)) or not (np.isfinite(b) & (b >= 0)).all():
            raise ValueError(
                f"b_iso is one number of 0 or more Å^2, or one for each of the {len(self.atoms)} "
                f"atoms; got {self.b_iso}"
            )
        object.__setattr__(self, "b_iso", float(b) if b.ndim == 0 else tuple(b.tolist()))

    @property
    def positions(self) -> Floats:
        """Places of the atoms in Å, shape (atoms, 3)."""
        return np.array([atom[1:] for atom in self.atoms], np.float64)

    def rotated(self, angle: float, axis: ArrayLike = (0, 0, 1)) -> Molecule:
        """Turn by `angle` degrees about the site, right-handed about the direction `axis`."""
        x, y, z = _unit_vector(axis)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        turn = np.radians(angle)
        return self._moved(np.eye(3) + np.sin(turn) * cross + (1 - np.cos(turn)) * cross @ cross)

    def inverted(self) -> Molecule:
        """Invert at the site."""
        return self._moved(-np.eye(3))

    def mirrored(self, axis: ArrayLike) -> Molecule:
        """Mirror in the plane through the site normal to the direction `axis`."""
        normal = _unit_vector(axis)
        return self._moved(np.eye(3) - 2 * np.outer(normal, normal))

    def translated(self, shift: ArrayLike) -> Molecule:
        """Shift by (x, y, z) Å."""
        return self._moved(np.eye(3), shift)

    def _moved(self, matrix: Floats, shift: ArrayLike = 0) -> Molecule:
        places = (self.positions @ matrix.T + np.asarray(shift, np.float64)).tolist()
        elements = [atom[0] for atom in self.atoms]
        return replace(self, atoms=[(e, *r) for e, r in zip(elements, places, strict=True)])

    def amplitude(self, grid: ReciprocalGrid, cell: Cell, l_value: float = 0.0) -> Waves:
        """Scattered amplitude F(q) = sum f_n(s) exp(-B_n s^2) exp(i q r_n), in electrons.

        Here q = 2 pi (h a* + k b* + l c*) and s = |q|/4 pi. The array has the shape of the grid.

        Raises
        ------
        ValueError
            If l is not 0 and the cell has no edge c, or the grid reaches beyond s = 6 per Å.
        """
        if l_value and cell.c is None:
            raise ValueError(f"the section l = {l_value:g} needs the edge c, as in Cell(a, b, c)")
        h, k = grid.h_values[:, None], grid.k_values[:, None]
        u, v, w = cell.reciprocal @ self.positions.T  # fractional coordinates
        to_h = np.exp(2j * np.pi * (h * u + l_value * w))
        to_k = np.exp(2j * np.pi * k * v).T
        a_star, b_star, c_star = cell.reciprocal
        s = np.linalg.norm((h * a_star)[:, None] + k * b_star + l_value * c_star, axis=-1) / 2
        kinds: dict[tuple[str, float], list[int]] = {}  # atoms of a kind share f exp(-B s^2)
        for n, b in enumerate(np.broadcast_to(self.b_iso, len(self.atoms)).tolist()):
            kinds.setdefault((self.atoms[n][0], b), []).append(n)
        total = np.zeros(grid.shape, np.complex128)
        for (element, b), members in kinds.items():
            phases = to_h[:, members] @ to_k[members]
            total += scattering_factor(element, s) * np.exp(-b * s**2) * phases
        return total


def _unit_vector(axis: ArrayLike) -> Floats:
    vector = np.asarray(axis, np.float64)
    if vector.shape != (3,) or not np.isfinite(vector).all() or not vector.any():
        raise ValueError(f"an axis is a direction (x, y, z) other than (0, 0, 0); got {axis!r}")
    return vector / np.linalg.norm(vector)


@dataclass(frozen=True)
class FormFactor:
    """Squared form-factor difference |dF|^2 of the two orientations in a disordered crystal.

    Parameters
    ----------
    first, second : Molecule
        Orientations A (s = +1) and B (s = -1), each relative to its lattice site.
    cell : Cell
    l_value : float
        l of the section, r.l.u.

    Examples
    --------
    >>> molecule = dichlorodinitrobenzene()
    >>> form_factor = FormFactor(molecule, molecule.rotated(180), Cell(8.0, 8.0))
    >>> form_factor.on(ReciprocalGrid(shape=(5, 5)))[0].round(1)
    array([ 0. , 27.7,  5.9,  4.2,  0. ])
    """

    first: Molecule
    second: Molecule
    cell: Cell
    l_value: float = 0.0

    def on(self, grid: ReciprocalGrid = STANDARD_GRID, unit_mean: bool = False) -> Floats:
        """Return |dF|^2, dF = (F_A - F_B)/2, at the points of a grid.

        Parameters
        ----------
        grid : ReciprocalGrid
        unit_mean : bool
            Divide by the mean over the points, so that an image keeps about its scale when it is
            multiplied by this. Otherwise in electrons^2.

        Returns
        -------
        float64 array, shape ``grid.shape``, 0 or more

        Raises
        ------
        ValueError
            If the two orientations scatter alike at every point: their disorder does not show.
        """
        first = self.first.amplitude(grid, self.cell, self.l_value)
        difference = (first - self.second.amplitude(grid, self.cell, self.l_value)) / 2
        squared = difference.real**2 + difference.imag**2
        if squared.max() <= 1e-20 * np.abs(first).max() ** 2:
            raise ValueError(
                f"the two orientations scatter alike everywhere on this grid, at "
                f"l = {self.l_value:g}, so their disorder does not show; give a second molecule "
                f"that differs, or another section"
            )
        return squared / squared.mean() if unit_mean else squared


def dichlorodinitrobenzene(
    chlorine: Collection[int] = (1, 3), nitro: Collection[int] = (4, 6), b_iso: float = 4.0
) -> Molecule:
    """Idealised planar dichlorodinitrobenzene, C6H2Cl2(NO2)2, centred on the site.

    A regular hexagon in the a-b plane, carbon 1 on +x, with usual bond lengths: C-C 1.39, C-Cl
    1.73, C-N 1.47, N-O 1.22, C-H 0.95 Å; angle O-N-O 124 degrees. It is no refined structure:
    real nitro groups beside chlorine turn out of the plane, and neither the isomer in the measured
    crystal nor its place in the cell is recorded with the images. In this isomer, as in
    1,2-dichloro-4,5-dinitrobenzene, ``rotated(180)`` exchanges chlorine and nitro groups.

    Parameters
    ----------
    chlorine, nitro : collection of int
        Numbers, 1 to 6, of the carbon atoms that carry them; the others carry hydrogen.
    b_iso : float
        Isotropic displacement parameter B, Å^2.

    Raises
    ------
    ValueError
        If a number is not one of 1 to 6 or is given twice.
    """
    taken = [*chlorine, *nitro]
    if len(set(taken)) < len(taken) or not set(taken) <= set(range(1, 7)):
        raise ValueError(
            f"the carbon atoms are numbered 1 to 6 and carry one group each; got chlorine on "
            f"{chlorine} and nitro groups on {nitro}"
        )
    c, cl, n, h = 1.39, 1.39 + 1.73, 1.39 + 1.47, 1.39 + 0.95  # distances from the centre
    along, across = 1.22 * np.cos(np.radians(62)), 1.22 * np.sin(np.radians(62))
    atoms: list[Atom] = []
    for number in range(1, 7):
        group: list[Atom] = [("H", h, 0, 0)]
        if number in chlorine:
            group = [("Cl", cl, 0, 0)]
        elif number in nitro:
            group = [("N", n, 0, 0), ("O", n + along, across, 0), ("O", n + along, -across, 0)]
        atoms += Molecule([("C", c, 0, 0), *group]).rotated(60 * (number - 1)).atoms
    return Molecule(atoms, b_iso)

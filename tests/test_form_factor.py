"""Form factors against the International Tables, direct sums over atoms and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrlab import ReciprocalGrid
from xrlab.crystal.form_factor import (
    Cell,
    FormFactor,
    Molecule,
    dichlorodinitrobenzene,
    scattering_factor,
)

# Cromer-Mann coefficients (a, b, c) of four Gaussians: International Tables for Crystallography,
# vol. C, table 6.1.1.4. Another fit than the one in the package, good to s = 2 per Å.
INTERNATIONAL_TABLES = {
    "C": ((2.31, 1.02, 1.5886, 0.865), (20.8439, 10.2075, 0.5687, 51.6512), 0.2156),
    "O": ((3.0485, 2.2868, 1.5463, 0.867), (13.2771, 5.7011, 0.3239, 32.9089), 0.2508),
    "Cl": ((11.4604, 7.1964, 6.2556, 1.6455), (0.0104, 1.1662, 18.5194, 47.7784), -9.5574),
}
GRID = ReciprocalGrid(h=(-1.3, 2.1), k=(0.25, 1.8), shape=(5, 7))
LOPSIDED = Molecule([("C", 0.3, 0.1, 0.2), ("O", 1.3, -0.4, 0.9), ("Cl", -0.8, 1.5, -0.6)], 2.5)
CELL = Cell(7.1, 8.4, 5.9, 82, 97, 104)


def tabulated(element, s):
    """Scattering factor from the International Tables."""
    a, b, c = INTERNATIONAL_TABLES[element]
    return sum(x * np.exp(-y * s**2) for x, y in zip(a, b, strict=True)) + c


def edges(cell):
    """Vectors a, b, c in the documented frame, from the textbook formulae."""
    alpha, beta, gamma = np.radians([cell.alpha, cell.beta, cell.gamma])
    x = np.cos(beta)
    y = (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
    a = cell.a * np.array([1, 0, 0])
    b = cell.b * np.array([np.cos(gamma), np.sin(gamma), 0])
    return a, b, (cell.c or 1) * np.array([x, y, np.sqrt(1 - x**2 - y**2)])


def direct_sum(molecule, grid, cell, l_value=0.0, factor=scattering_factor):
    """Amplitude added up point by point and atom by atom, q from cross products."""
    a, b, c = edges(cell)
    volume = np.dot(a, np.cross(b, c))
    total = np.zeros(grid.shape, complex)
    for i, h in enumerate(grid.h_values):
        for j, k in enumerate(grid.k_values):
            stars = h * np.cross(b, c) + k * np.cross(c, a) + l_value * np.cross(a, b)
            q = 2 * np.pi * stars / volume
            for element, *place in molecule.atoms:
                damping = np.exp(-molecule.b_iso * (q @ q) / (16 * np.pi**2))
                f = factor(element, np.linalg.norm(q) / (4 * np.pi))
                total[i, j] += f * damping * np.exp(1j * (q @ place))
    return total


@pytest.mark.parametrize("element", INTERNATIONAL_TABLES)
def test_scattering_factors_agree_with_the_international_tables(element):
    """Two independent fits of the same atom differ by less than 0.03 electrons up to 1.5 per Å."""
    s = np.linspace(0, 1.5, 40)
    np.testing.assert_allclose(scattering_factor(element, s), tabulated(element, s), atol=0.03)


@pytest.mark.parametrize(("element", "electrons"), [("H", 1), ("C", 6), ("Cl", 17), ("Cl1-", 18)])
def test_forward_scattering_counts_the_electrons(element, electrons):
    """f(0) is the number of electrons of the atom or ion."""
    assert scattering_factor(element, 0) == pytest.approx(electrons, abs=0.01)


def test_forward_amplitude_of_a_molecule_counts_its_electrons():
    """F(0) of C6H2Cl2(NO2)2 is 6*6 + 2*1 + 2*17 + 2*(7 + 16)."""
    grid = ReciprocalGrid(h=(0, 1), k=(0, 1), shape=(2, 2))
    forward = dichlorodinitrobenzene().amplitude(grid, Cell(8, 9))[0, 0]
    assert forward == pytest.approx(118, abs=0.03)


@pytest.mark.parametrize(
    ("cell", "l_value"), [(Cell(7, 9), 0), (Cell(7, 9, gamma=60), 0), (CELL, 0), (CELL, 0.7)]
)
def test_amplitude_equals_the_sum_over_atoms(cell, l_value):
    """Any cell and section: phases from dot products q r, atoms added one at a time."""
    amplitude = LOPSIDED.amplitude(GRID, cell, l_value)
    assert amplitude.shape == GRID.shape
    expected = direct_sum(LOPSIDED, GRID, cell, l_value)
    np.testing.assert_allclose(amplitude, expected, atol=1e-11)
    by_tables = direct_sum(LOPSIDED, GRID, cell, l_value, factor=tabulated)
    np.testing.assert_allclose(amplitude, by_tables, atol=0.06)


def test_squared_difference_is_that_of_half_the_amplitudes():
    """|dF|^2 = |F_A - F_B|^2 / 4: the amplitude that goes with s = +1 and -1."""
    second = LOPSIDED.rotated(70, (1, 2, 3))
    difference = direct_sum(LOPSIDED, GRID, CELL, 0.4) - direct_sum(second, GRID, CELL, 0.4)
    squared = FormFactor(LOPSIDED, second, CELL, 0.4).on(GRID)
    assert squared.dtype == np.float64
    np.testing.assert_allclose(squared, np.abs(difference) ** 2 / 4, rtol=1e-9, atol=1e-11)


def test_displaced_atom_gives_a_sine_squared():
    """An atom at +d or -d along a: |dF|^2 = f^2 exp(-2 B s^2) sin^2(2 pi h d / a)."""
    atom, cell = Molecule([("C", 0.9, 0, 0)], b_iso=3), Cell(6, 8)
    h, k = GRID.h_values[:, None], GRID.k_values[None, :]
    s = np.hypot(h / 6, k / 8) / 2
    expected = (tabulated("C", s) * np.exp(-3 * s**2) * np.sin(2 * np.pi * h * 0.15)) ** 2
    squared = FormFactor(atom, atom.inverted(), cell).on(GRID)
    np.testing.assert_allclose(squared, expected, atol=0.05)
    assert squared.max() > 5


def test_swapped_atoms_give_a_sine_squared():
    """Two unlike atoms at +d and -d exchanged: |dF|^2 = (f_1 - f_2)^2 sin^2(2 pi h d / a)."""
    pair, cell = Molecule([("Cl", 0.9, 0, 0), ("O", -0.9, 0, 0)]), Cell(6, 8)
    h, k = GRID.h_values[:, None], GRID.k_values[None, :]
    s = np.hypot(h / 6, k / 8) / 2
    contrast = scattering_factor("Cl", s) - scattering_factor("O", s)
    squared = FormFactor(pair, pair.rotated(180), cell).on(GRID)
    np.testing.assert_allclose(squared, (contrast * np.sin(2 * np.pi * h * 0.15)) ** 2, atol=1e-11)


def test_displacements_damp_the_intensity():
    """B multiplies the intensity by exp(-2 B s^2), s = sin(theta)/lambda."""
    still, moving = (Molecule(LOPSIDED.atoms, b) for b in (0, 5))
    ratio = FormFactor(moving, moving.inverted(), Cell(6, 8)).on(GRID) / FormFactor(
        still, still.inverted(), Cell(6, 8)
    ).on(GRID)
    s = np.hypot(GRID.h_values[:, None] / 6, GRID.k_values / 8) / 2
    np.testing.assert_allclose(ratio, np.exp(-2 * 5 * s**2), rtol=1e-9)


def test_each_atom_can_have_its_own_displacements():
    """A molecule with one B per atom scatters as the sum of its atoms."""
    together = Molecule(LOPSIDED.atoms, [1, 2, 3]).amplitude(GRID, CELL)
    one_by_one = [
        Molecule([atom], b).amplitude(GRID, CELL)
        for atom, b in zip(LOPSIDED.atoms, (1, 2, 3), strict=True)
    ]
    np.testing.assert_allclose(together, sum(one_by_one), atol=1e-12)


lengths = st.floats(3, 20)
places = st.tuples(*[st.floats(-3, 3)] * 3)
molecules = st.lists(st.tuples(st.sampled_from(["H", "C", "O", "Cl"]), places), min_size=1).map(
    lambda atoms: Molecule([(element, *place) for element, place in atoms], b_iso=2)
)


@settings(max_examples=50)
@given(molecules, lengths, lengths, st.floats(40, 140))
def test_scattering_does_not_depend_on_the_choice_of_axes(molecule, a, b, gamma):
    """The cell (a + b, b) of the same crystal turns molecule and reciprocal space together."""
    along_a, along_b = edges(Cell(a, b, gamma=gamma))[:2]
    diagonal = along_a + along_b
    length = np.linalg.norm(diagonal)
    cosine = diagonal @ along_b / (length * b)
    other = Cell(length, b, gamma=np.degrees(np.arccos(cosine)))
    turned = molecule.rotated(-np.degrees(np.arctan2(diagonal[1], diagonal[0])))
    here = molecule.amplitude(ReciprocalGrid(shape=(5, 5)), Cell(a, b, gamma=gamma))
    there = turned.amplitude(ReciprocalGrid(h=(0, 4), shape=(9, 5)), other)  # h' = h + k, k' = k
    i, j = np.indices((5, 5))
    np.testing.assert_allclose(there[i + j, j], here, atol=1e-7 * len(molecule.atoms))


@settings(max_examples=50)
@given(molecules, places)
def test_shifting_both_orientations_changes_nothing(molecule, shift):
    """The origin of the molecular frame is arbitrary as long as both orientations share it."""
    first = Molecule([*molecule.atoms, ("Cl", 2, 1, 0.5)])
    second = first.inverted()
    here = FormFactor(first, second, CELL, 0.3).on(GRID)
    there = FormFactor(first.translated(shift), second.translated(shift), CELL, 0.3).on(GRID)
    np.testing.assert_allclose(there, here, rtol=1e-7, atol=1e-9 * here.max())


def test_opposite_points_are_alike():
    """Friedel: without anomalous dispersion F(-q) is the conjugate of F(q)."""
    grid = ReciprocalGrid(h=(-1.5, 1.5), k=(-1, 1), shape=(8, 9))
    amplitude = LOPSIDED.amplitude(grid, CELL)
    np.testing.assert_allclose(amplitude[::-1, ::-1], amplitude.conj(), atol=1e-11)
    opposite_section = LOPSIDED.amplitude(grid, CELL, -0.4)[::-1, ::-1]
    np.testing.assert_allclose(LOPSIDED.amplitude(grid, CELL, 0.4), opposite_section.conj())
    assert np.abs(amplitude.imag).max() > 1


def test_rows_run_along_h():
    """A displacement along a leaves the row h = 0 dark, and only it."""
    atom = Molecule([("C", 0.9, 0, 0)])
    squared = FormFactor(atom, atom.inverted(), Cell(6, 8)).on(ReciprocalGrid(shape=(5, 5)))
    assert squared[0].max() < 1e-20
    assert squared[1:, 0].min() > 0.1


@pytest.mark.parametrize(
    ("moved", "place"),
    [
        (lambda m: m.rotated(90), (-2, 1, 3)),
        (lambda m: m.rotated(90, (5, 0, 0)), (1, -3, 2)),
        (lambda m: m.rotated(120, (1, 1, 1)), (3, 1, 2)),
        (lambda m: m.mirrored((0, 2, 0)), (1, -2, 3)),
        (lambda m: m.inverted(), (-1, -2, -3)),
        (lambda m: m.translated((1, 0, -1)), (2, 2, 2)),
    ],
)
def test_operations_move_atoms_where_they_should(moved, place):
    """Turns are right-handed about the site, and elements and B stay."""
    molecule = moved(Molecule([("C", 1, 2, 3)], b_iso=4))
    np.testing.assert_allclose(molecule.positions, [place], atol=1e-12)
    assert (molecule.atoms[0][0], molecule.b_iso) == ("C", 4)


def test_unit_mean_only_rescales():
    """The mean over the grid becomes 1, the shape stays."""
    form_factor = FormFactor(LOPSIDED, LOPSIDED.inverted(), CELL)
    scaled, squared = form_factor.on(GRID, unit_mean=True), form_factor.on(GRID)
    assert scaled.mean() == pytest.approx(1)
    np.testing.assert_allclose(scaled * squared.mean(), squared)


def test_example_molecule_has_its_bond_lengths():
    """The shortest distances between the elements are the bonds of the docstring."""
    molecule = dichlorodinitrobenzene()
    elements = np.array([atom[0] for atom in molecule.atoms])
    distance = np.linalg.norm(molecule.positions[:, None] - molecule.positions, axis=-1)
    np.fill_diagonal(distance, np.inf)
    for pair, length in {"C C": 1.39, "C Cl": 1.73, "C N": 1.47, "N O": 1.22, "C H": 0.95}.items():
        one, other = pair.split()
        nearest = distance[elements == one][:, elements == other].min(axis=0)
        np.testing.assert_allclose(nearest, length)


@pytest.mark.parametrize("groups", [((1, 3), (4, 6)), ((1, 2), (4, 5))])
def test_half_a_turn_of_the_example_exchanges_its_groups(groups):
    """Chlorine goes where nitrogen was, seen from the centre, and the ring falls on itself."""
    molecule = dichlorodinitrobenzene(*groups)
    turned = molecule.rotated(180)
    elements = [atom[0] for atom in molecule.atoms]

    def directions(of, element):
        places = of.positions[[e == element for e in elements]]
        return sorted((places / np.linalg.norm(places, axis=1)[:, None]).round(9).tolist())

    assert np.allclose(directions(turned, "Cl"), directions(molecule, "N"))
    assert np.allclose(directions(turned, "C"), directions(molecule, "C"))
    assert FormFactor(molecule, turned, Cell(8, 8)).on().max() > 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Molecule([]), "at least 1 atom"),
        (lambda: Molecule([("Xx", 0, 0, 0)]), "no scattering factor for 'Xx'"),
        (lambda: Molecule([("C", 0, np.nan, 0)]), r"finite and in Å; got \('C', 0, nan, 0\)"),
        (lambda: Molecule([("C", 0, 0)]), "an atom is"),
        (lambda: Molecule([("C", 0, 0, 0)], b_iso=-1), "b_iso is .* got -1"),
        (lambda: Molecule([("C", 0, 0, 0)], b_iso=[1, 2]), "each of the 1 atoms"),
        (lambda: LOPSIDED.mirrored((0, 0, 0)), r"other than \(0, 0, 0\)"),
        (lambda: Cell(0, 8), "edge a is .* got 0"),
        (lambda: Cell(8, np.nan), "edge b .* got nan"),
        (lambda: Cell(8, 8, -3), "edge c .* got -3"),
        (lambda: Cell(8, 8, gamma=180), r"no cell has the angles \(90.0, 90.0, 180\)"),
        (lambda: Cell(8, 8, gamma=np.nan), r"no cell .* nan\)"),
        (lambda: Cell(8, 8, alpha=30, beta=30), r"no cell has the angles \(30, 30, 90.0\)"),
        (lambda: Cell(8, 8, gamma=0), "each is above 0"),
        (lambda: Cell(8, 8, 8, 120, 120, 120), "no cell has the angles"),
        (lambda: LOPSIDED.amplitude(GRID, Cell(8, 8), 1), "l = 1 needs the edge c"),
        (lambda: LOPSIDED.amplitude(GRID, Cell(0.1, 8)), "Are the cell edges in Å"),
        (lambda: scattering_factor("C", -1), "from 0 to 6"),
        (lambda: dichlorodinitrobenzene((1, 2), (2, 4)), "one group each"),
        (lambda: dichlorodinitrobenzene((0, 1)), "numbered 1 to 6"),
        *(  # the same molecule, or one that differs only across the section l = 0
            (
                lambda m=m: FormFactor(LOPSIDED, m, Cell(7, 8, 9)).on(GRID),
                "scatter alike everywhere",
            )
            for m in (LOPSIDED, LOPSIDED.rotated(360), LOPSIDED.mirrored((0, 0, 1)))
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    """The error names what was given and what is expected."""
    with pytest.raises(ValueError, match=message):
        make()

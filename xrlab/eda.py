"""Looking at data before a network sees it: densities, and the laws to set beside them.

Plain numbers; `eda_plots` draws them. A *law* is what chance alone would give, so that a figure
shows at once what is special about the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import gammaln, polygamma
from threadpoolctl import threadpool_limits

from xrlab.dataset import Setting
from xrlab.diffraction import diffraction_image
from xrlab.encoding import Encoding, vector_length
from xrlab.lattice import simulate

Array = NDArray[np.float64]

STANDARD = Setting()  # 50/25/8

# Steps of r^2 per unit for the law of the norm: the error of the density is far below a line's
# width, and the Fourier transform takes 3 ms.
NORM_STEPS = 4096

# Correlations nearer together than this are the same: float32 labels are rounded by 6e-8, linear
# programs end within 1e-7.
SAME_POINT = 1e-6


# Encodings


def three_site_conditions(span: int) -> Array:
    """Write the three-site conditions as A c <= 1, c the vector of an encoding.

    Any three sites of +1 and -1 hold an even number of unlike pairs, so the correlations
    x = c(a), y = c(b), z = c(a + b) of their pairs obey |x + y| <= 1 + z and |x - y| <= 1 - z: the
    point (x, y, z) lies in a tetrahedron, a third of the cube. For every a and b within the span
    this gives four rows.

    Parameters
    ----------
    span : int

    Returns
    -------
    float64 array, shape (conditions, span^2 - 1)

    Examples
    --------
    >>> three_site_conditions(2)  # columns c(0, 1), c(1, 0), c(1, 1)
    array([[ 1.,  1., -1.],
           [ 1., -1.,  1.],
           [-1.,  1.,  1.],
           [-1., -1., -1.]])
    """
    n_values = vector_length(span)
    places = [divmod(n, span) for n in range(1, n_values + 1)]
    rows = []
    for n, (i, j) in enumerate(places):
        for m, (x, y) in enumerate(places[n:], start=n):
            if max(i + x, j + y) >= span:
                continue
            both = (i + x) * span + j + y - 1
            for signs in ((1, 1, -1), (1, -1, 1), (-1, 1, 1), (-1, -1, -1)):
                row = np.zeros(n_values)
                np.add.at(row, [n, m, both], signs)
                rows.append(row)
    return np.array(rows)


def three_site_slack(vectors: ArrayLike, span: int) -> Array:
    """Distance, 1 - A c, of every encoding from its nearest three-site condition.

    Parameters
    ----------
    vectors : array, shape (samples, span^2 - 1)

    Returns
    -------
    float64 array, shape (samples,)
        Below 0: no lattice of +1 and -1 has this encoding. 0: on the border of the possible. 1:
        all correlations are 0, as far from the border as can be.

    Examples
    --------
    >>> three_site_slack([[0.5, 0.5, 0.25], [0.9, 0.9, 0.0], [0, 0, 0]], span=2)
    array([ 0.25, -0.8 ,  1.  ])
    """
    return 1 - (_vectors(vectors, span) @ three_site_conditions(span).T).max(axis=1)


def possible(vectors: ArrayLike, span: int) -> NDArray[np.bool_]:
    """Say which encodings meet every three-site condition.

    >>> possible([[0.5, 0.5, 0.25], [0.9, 0.9, 0.0]], span=2)
    array([ True, False])
    """
    return three_site_slack(vectors, span) >= -SAME_POINT


def possible_region(
    span: int, across: int, up: int, held: Mapping[int, tuple[float, float]] | None = None
) -> Array:
    """Find which pairs of values two components can have under the three-site conditions.

    The conditions cut a convex body out of all encodings; this is its shadow on the plane of two
    components. No lattice lies outside; that one lies at every point inside is not promised.

    Parameters
    ----------
    span : int
    across, up : int
        Positions of the two components in the vector.
    held : mapping from position to (float, float), optional
        Lowest and highest value of other components; those not named are free.

    Returns
    -------
    float64 array, shape (corners, 2)
        The corners of a convex polygon, counter-clockwise; none if nothing is possible.

    Examples
    --------
    >>> possible_region(3, across=0, up=1) + 0.0  # c(0, 2) is not below 2 |c(0, 1)| - 1
    array([[ 1.,  1.],
           [-1.,  1.],
           [ 0., -1.]])
    """
    n_values = vector_length(span)
    if across == up or not {across, up, *(held or {})} <= set(range(n_values)):
        raise ValueError(
            f"choose two different components, numbers from 0 to {n_values - 1}; "
            f"got {across} and {up}"
        )
    bounds = tuple(sorted((held or {}).items()))
    return _region(span, across, up, bounds).copy()


@lru_cache(maxsize=512)
def _region(
    span: int, across: int, up: int, held: tuple[tuple[int, tuple[float, float]], ...]
) -> Array:
    from scipy.optimize import linprog  # not needed for the ranges of every explorer: 20 MB

    conditions = three_site_conditions(span)
    limits = [(-1.0, 1.0)] * vector_length(span)
    for place, (low, high) in held:
        limits[place] = (max(low, -1.0), min(high, 1.0))
        if limits[place][0] > limits[place][1]:
            return np.empty((0, 2))

    def farthest(direction: Array) -> Array | None:
        """Return the point of the region farthest in a direction."""
        cost = np.zeros(len(limits))
        cost[[across, up]] = -direction
        answer = linprog(cost, conditions, np.ones(len(conditions)), bounds=limits)
        return answer.x[[across, up]] if answer.status == 0 else None

    corners: list[Array] = []
    for direction in np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], float):
        point = farthest(direction)
        if point is None:
            return np.empty((0, 2))
        if not any(np.abs(point - other).max() < SAME_POINT for other in corners):
            corners.append(point)
    # Between two corners there may be another: look straight out of the edge that joins them.
    place = 0
    while 1 < len(corners) > place:
        start, end = corners[place], corners[(place + 1) % len(corners)]
        outwards = np.array([end[1] - start[1], start[0] - end[0]])
        point = farthest(outwards)
        if point is not None and outwards @ (point - start) > SAME_POINT:
            corners.insert(place + 1, point)
        else:
            place += 1
    region = np.round(corners, 9)
    before, after = np.roll(region, 1, axis=0) - region, np.roll(region, -1, axis=0) - region
    bend = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return region[np.abs(bend) > SAME_POINT] if len(region) > 2 else region


def inside(region: ArrayLike, points: ArrayLike, margin: float = SAME_POINT) -> NDArray[np.bool_]:
    """Say which points lie in a convex polygon.

    Parameters
    ----------
    region : array, shape (corners, 2)
        Counter-clockwise.
    points : array, shape (points, 2)
    margin : float
        Points this far outside still count.

    Examples
    --------
    >>> inside([[0, 0], [1, 0], [0, 1]], [[0.2, 0.2], [0.8, 0.8]])
    array([ True, False])
    """
    corners, places = np.asarray(region, float), np.asarray(points, float)
    if len(corners) < 3:
        return np.zeros(len(places), bool)
    edges = np.roll(corners, -1, axis=0) - corners
    from_corner = places[:, None] - corners
    left = edges[:, 0] * from_corner[..., 1] - edges[:, 1] * from_corner[..., 0]
    return (left >= -margin * np.linalg.norm(edges, axis=1)).all(axis=1)


def pair_density(across: ArrayLike, up: ArrayLike, bins: int = 32, smooth: float = 0.0) -> Array:
    """Density of pairs of correlations, in units of that of values spread evenly from -1 to 1.

    Parameters
    ----------
    across, up : arrays, shape (samples,)
    bins : int
        Squares along each axis, from -1 to 1.
    smooth : float
        Standard deviation, in bins, of a Gaussian that the density is smoothed with.

    Returns
    -------
    float64 array, shape (bins, bins)
        Rows go up, columns across; its mean is 1.

    Examples
    --------
    >>> pair_density([-0.5, 0.5, 0.6], [-0.5, 0.5, 0.5], bins=2).round(2)
    array([[1.33, 0.  ],
           [0.  , 2.67]])
    """
    limits = [(-1, 1), (-1, 1)]
    count, _, _ = np.histogram2d(np.asarray(up), np.asarray(across), bins, limits)
    if smooth:
        count = gaussian_filter(count, smooth, mode="reflect")
    return count / max(count.mean(), 1e-300)


def pair_mosaic(
    lower: ArrayLike, upper: ArrayLike, span: int, bins: int = 12, smooth: float = 0.0
) -> Array:
    """Lay the densities of all pairs of components out in one array of tiles.

    Parameters
    ----------
    lower, upper : arrays, shape (samples, span^2 - 1)
        Encodings for the tiles below the diagonal, and above it.
    span, bins, smooth : int, int, float
        See `pair_density`.

    Returns
    -------
    float64 array, shape (n (bins + 1) - 1, n (bins + 1) - 1), n = span^2 - 1
        Tile (i, j) has component j across and component i up. NaN on the diagonal and on the lines
        between tiles. Row 0 of the array is the *bottom* of the tiles in the last row.
    """
    below, above = _vectors(lower, span), _vectors(upper, span)
    n, step = below.shape[1], bins + 1
    mosaic = np.full((n * step - 1, n * step - 1), np.nan)
    for i in range(n):
        for j in range(n):
            if i != j:
                vectors = below if i > j else above
                tile = pair_density(vectors[:, j], vectors[:, i], bins, smooth)
                row = (n - 1 - i) * step
                mosaic[row : row + bins, j * step : j * step + bins] = tile
    return mosaic


def normal_density(values: ArrayLike, mean: float, spread: float) -> Array:
    """Density of the normal law.

    >>> normal_density([0, 1], mean=0, spread=1).round(4)
    array([0.3989, 0.242 ])
    """
    z = (np.asarray(values, float) - mean) / spread
    return np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * spread)


def cube_norm_density(radius: ArrayLike, n_values: int) -> Array:
    """Density of the distance from the origin of points spread evenly over the cube (-1, 1)^n.

    The square of one uniform value has the density 1 / (2 sqrt t), 0 < t < 1; that of the sum of n
    squares is its n-fold convolution, done here by Fourier transform. The mean square is n / 3.

    Parameters
    ----------
    radius : array
    n_values : int
        n, 1 or more.

    Examples
    --------
    A shell of radius r <= 1 in three dimensions has the area 4 pi r^2, of a cube of volume 8:

    >>> cube_norm_density([0.5], 3).round(3), round(np.pi * 0.5**2 / 2, 3)
    (array([0.393]), 0.393)
    """
    r = np.asarray(radius, float)
    share = np.diff(np.sqrt(np.linspace(0, 1, NORM_STEPS + 1)))
    length = 1 << int(n_values * NORM_STEPS).bit_length()
    sums = np.fft.irfft(np.fft.rfft(share, length) ** n_values, length)[: n_values * NORM_STEPS]
    squares = (np.arange(len(sums)) + n_values / 2) / NORM_STEPS
    return 2 * r * np.interp(r**2, squares, sums * NORM_STEPS, left=0, right=0)


def normal_norm_density(radius: ArrayLike, n_values: int, spread: float) -> Array:
    """Density of the distance from the origin of n independent normal values, mean 0.

    The chi law with n degrees of freedom, times the spread: r^(n-1) exp(-r^2 / 2) /
    (2^(n/2-1) Gamma(n/2)) for a spread of 1.

    Examples
    --------
    In two dimensions it is Rayleigh's law, r exp(-r^2 / 2):

    >>> normal_norm_density([1.0], 2, spread=1.0).round(4), round(float(np.exp(-0.5)), 4)
    (array([0.6065]), 0.6065)
    """
    r = np.asarray(radius, float) / spread
    log_scale = (n_values / 2 - 1) * np.log(2) + gammaln(n_values / 2)
    return r ** (n_values - 1) * np.exp(-(r**2) / 2 - log_scale) / spread


def _vectors(vectors: ArrayLike, span: int) -> Array:
    array = np.asarray(vectors, float)
    if array.ndim != 2 or array.shape[1] != vector_length(span):
        raise ValueError(
            f"encodings of span {span} are an array of shape (samples, {vector_length(span)}); "
            f"this one has shape {array.shape}"
        )
    return array


# Intensities


def repeated_images(
    encoding: Encoding, n_images: int, setting: Setting = STANDARD, seed: int = 0
) -> NDArray[np.float32]:
    """Simulate many images of one encoding, each of a lattice of its own.

    Parameters
    ----------
    encoding : Encoding
    n_images : int
    setting : Setting
        Size, lots, sampler and grid; its way to draw targets is not used.
    seed : int

    Returns
    -------
    float32 array, shape (n_images, rows, columns)
        Image i depends on (seed, i) and the setting alone.

    Examples
    --------
    >>> repeated_images(Encoding.from_vector([0.5, 0, 0]), 3).shape
    (3, 64, 64)
    """
    images = np.empty((n_images, *setting.grid.shape), np.float32)
    # One image is too small a piece of linear algebra to share among threads: ten times slower.
    with threadpool_limits(1):
        for i in range(n_images):
            rng = np.random.default_rng([seed, i])
            lattice = simulate(encoding, setting.size, setting.sampler, rng, start=setting.start)
            images[i] = diffraction_image(
                lattice, setting.grid, setting.lot_size, setting.lots, rng
            )
    return images


def effective_lots(size: int, lot_size: int, lots: int) -> float:
    """Count the independent lots that would be as noisy as these overlapping ones.

    Two windows at random places of a periodic N x N lattice of independent sites share a part, and
    their intensities have a correlation of p^2, p = sum_d max(1 - |d|/L, 0)^2 / N over the
    displacements d along one axis. The mean of M of them has a relative variance of
    (1 + (M - 1) p^2) / M.

    Parameters
    ----------
    size, lot_size, lots : int
        N, L and M; N is 2 L or more, so that no window meets another one twice.

    Examples
    --------
    >>> round(effective_lots(size=50, lot_size=25, lots=8), 1)
    4.5
    >>> round(effective_lots(size=96, lot_size=48, lots=64), 1)
    8.0
    """
    if not (1 <= lot_size <= size / 2 and lots >= 1):
        raise ValueError(
            f"lots are at most half as wide as the lattice, and at least 1; "
            f"got {lots} of {lot_size} x {lot_size} sites in {size} x {size}"
        )
    distance = np.arange(-lot_size, lot_size + 1)
    p = ((1 - np.abs(distance) / lot_size) ** 2).sum() / size
    return float(lots / (1 + (lots - 1) * p**2))


def speckle_density(intensity: ArrayLike, lots: float, expected: ArrayLike = 1.0) -> Array:
    """Compute the density of intensities that M independent lots show round their expectation S.

    The amplitude of one large lot is a sum of many contributions, so its real and imaginary part
    are normal, and its intensity has the exponential law exp(-I / S) / S; the mean of M has
    Gamma(M, S / M) (Goodman, Speckle Phenomena in Optics, 2007, chapter 3).

    Parameters
    ----------
    intensity : array
        Above 0.
    lots : float
        M, see `effective_lots`.
    expected : float or array
        S; of many values, such as the pixels of an expected image, the mean law is returned.

    Returns
    -------
    float64 array, the shape of `intensity`

    Examples
    --------
    >>> speckle_density([1.0, 2.0], lots=1).round(4)  # exp(-1), exp(-2)
    array([0.3679, 0.1353])
    """
    values, mean = np.asarray(intensity, float), np.ravel(np.asarray(expected, float))
    ratio = values[..., None] / mean
    log_density = (lots - 1) * np.log(ratio) - lots * ratio + lots * np.log(lots) - gammaln(lots)
    return (np.exp(log_density) / mean).mean(axis=-1)


def speckle_contrast(lots: float) -> float:
    """Compute the contrast that M independent lots give by chance, where S is the same everywhere.

    The standard deviation of ln I (see `log_contrast`) of the image of a random crystal: the square
    root of the trigamma function at M.

    >>> round(speckle_contrast(1), 4), round(np.pi / 6**0.5, 4)
    (1.2825, 1.2825)
    """
    return float(np.sqrt(polygamma(1, lots)))


def per_decade(intensities: ArrayLike, edges: ArrayLike) -> Array:
    """Share of the pixels per factor of ten in intensity.

    Parameters
    ----------
    intensities : array
        Any shape; NaN where unmeasured.
    edges : array, shape (bins + 1,)
        Ends of the bins, rising, above 0.

    Returns
    -------
    float64 array, shape (bins,)

    Examples
    --------
    >>> per_decade([0.5, 2.0, 3.0, np.nan], edges=[0.1, 1, 10]).round(2)
    array([0.33, 0.67])
    """
    values = np.ravel(np.asarray(intensities))
    ends = np.asarray(edges, float)
    count, _ = np.histogram(values[np.isfinite(values)], ends)
    return count / max(np.isfinite(values).sum(), 1) / np.diff(np.log10(ends))


def log_contrast(images: ArrayLike) -> NDArray[np.floating]:
    """Compute the standard deviation of ln I over the pixels, for each image.

    It does not change when an image is multiplied by a number, and it is what the last step of the
    reference correction sets.

    Parameters
    ----------
    images : array, shape (..., rows, columns)
        Pixels of 0 or NaN are left out.

    Examples
    --------
    >>> log_contrast([[1.0, 1.0], [np.e**2, np.e**2]]).round(6)
    np.float64(1.0)
    """
    array = np.asarray(images)
    array = array.astype(np.result_type(array, np.float32), copy=False)
    log = np.log(array, where=array > 0, out=np.full_like(array, np.nan))
    return np.nanstd(log, axis=(-2, -1))

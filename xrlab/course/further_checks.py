"""Checks of the second exercise of each notebook, like those of `xrlab.course.checks`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xrlab.course.replies import friendly, matching, number, numbers
from xrlab.crystal.encoding import Encoding
from xrlab.crystal.speckle import expected_grain

# Half the width of a 90 % interval, in standard errors.
WIDTH = 1.645


@friendly
def share_interval(answer: ArrayLike, correlation: float, error: float) -> str:
    """Check exercise 0, second: the 90 % interval of the share of like neighbours."""
    ends = float(correlation) + np.array([-WIDTH, WIDTH]) * float(error)
    middle, half = (1 + correlation) / 2, np.array([-1, 1]) * error / 2
    expected = (1 + ends) / 2
    values = numbers(answer)
    if values.shape != (2,):
        return f"Not yet: the answer is two numbers, [low, high]; yours has shape {values.shape}."
    verdict = "lies inside" if expected[0] <= 0.5 <= expected[1] else "lies outside"
    replies = {
        f"Right: {expected[0]:.1%} to {expected[1]:.1%}. One half, the share without any "
        f"order, {verdict}. Notice that the interval of a share is half as wide as that of "
        f"its correlation.": expected,
        "Close: the lower end comes first.": expected[::-1],
        "Close: that is the interval of the correlation. Turn both ends into shares.": ends,
        f"Close: that is one standard error each way. A 90 % interval has {WIDTH} of them.": (
            middle + half
        ),
        "Close: the middle is right. The share is half of 1 + c, so its error is half of that "
        "of c.": middle + 2 * WIDTH * half,
    }
    return matching(values, replies) or (
        f"Not yet: write c − {WIDTH} × error and c + {WIDTH} × error first, then turn each into a "
        f"share as in the first exercise."
    )


@friendly
def intensity_at_half(answer: float, encoding: Encoding) -> str:
    """Check exercise 1, second: S(1/2, 0) of an encoding of span 2, c(1, -1) = c(1, 1)."""
    c01, c10, c11 = encoding.vector
    expected = 1 + 2 * c01 - 2 * c10 - 4 * c11
    replies = {
        f"Right: {expected:.2f}, where a crystal without order has 1. Notice that every "
        f"neighbour counts twice, once in front of a site and once behind it, and that four "
        f"diagonal neighbours share the value c(1, 1).": expected,
        "Close: the sum runs over negative i and j too. A site has two neighbours along a, two "
        "along b and four along the diagonals.": 1 + c01 - c10 - c11,
        "Close: there are two diagonals, (1, 1) and (1, −1), each in two directions.": (
            expected + 2 * c11
        ),
        "Close: c(0, 0) = 1 is part of the sum.": expected - 1,
        "Close: that is the intensity at (0, ½). Which cosine is −1 at h = ½, k = 0?": (
            1 + 2 * c10 - 2 * c01 - 4 * c11
        ),
        "Not yet: that is the intensity at (0, 0), where every cosine is 1.": (
            1 + 2 * c01 + 2 * c10 + 4 * c11
        ),
    }
    return matching(number(answer), replies) or (
        "Not yet: at (½, 0) the cosine of (0, 1) is +1, and those of (1, 0), (1, 1) and (1, −1) "
        "are −1. Add up c times cosine over all eight neighbours and the site itself."
    )


@friendly
def effective_number(answer: float, ratio: ArrayLike) -> str:
    """Check exercise 2, second: the number of independent lots that has this variance of I/S."""
    variance = float(np.var(np.asarray(ratio, dtype=float)))
    expected, grain = 1 / variance, np.sqrt(variance)
    replies = {
        f"Right: {expected:.1f}. The law of overlapping lots gives 4.5. Whoever counts the "
        f"lots, 8, states a grain that is too small.": expected,
        "Close: that is the variance of I/S. It is 1/M: turn it over.": variance,
        "Close: you divide by the standard deviation. The *variance* is 1/M.": 1 / grain,
        "Not yet: that is the standard deviation of I/S, the grain. M is 1 over its square.": grain,
        "Not yet: 8 lots were averaged, but they overlap. Measure, do not count.": 8,
    }
    return (
        matching(number(answer), replies, within=0.02)
        or "Not yet: the relative variance of the mean of M independent lots is 1/M."
    )


@friendly
def enough_lots(answer: float, size: int = 50, lot_size: int = 25) -> str:
    """Check exercise 3, second: fewest lots whose grain is within 10 percent of its limit."""
    limit = expected_grain(size, lot_size, 10**9)
    expected = next(n for n in range(1, 10**5) if expected_grain(size, lot_size, n) <= 1.1 * limit)
    value = number(answer)
    if abs(value - expected) <= 1:
        return (
            f"Right: {expected} lots. From there on the lattice decides: all further lots "
            f"together cannot make the grain smaller by more than a tenth. Notice that the "
            f"96/48/64 of the longer simulations lies beyond this number."
        )
    if value <= 0:
        return "Not yet: the number of lots is 1 or more."
    if abs(value - (1 - limit**2) / (0.1 * limit**2)) <= 1.5:
        return "Close: that brings the variance v within 10 %. The grain is its root."
    if value in (7, 8):
        return "Close: you set 1/√M to the limit. Both terms of the law count: 1/M and (1 − 1/M) κ."
    if value in (9, 10):
        return "Close: there both terms of the law are equal, so v is about twice its limit."
    excess = expected_grain(size, lot_size, max(int(min(value, 1e9)), 1)) / limit - 1
    word = "More are needed" if value < expected else "Fewer would do"
    return f"Not yet: with {value:.4g} lots the grain is {excess:.1%} above its limit. {word}."


@friendly
def check_background(answer: ArrayLike, seen: ArrayLike, added: float) -> str:
    """Check exercise 4, second: correlations before a flat background of `added` means was put."""
    before = np.asarray(seen, dtype=float)
    values, factor = numbers(answer), 1 + float(added)
    if values.shape != before.shape:
        return (
            f"Not yet: the answer is one number for each of the {before.size} correlations; yours "
            f"has shape {values.shape}. NumPy multiplies a whole array at once."
        )
    sign = np.sign((values - before).sum())
    replies = {
        f"Right: every correlation was too weak by the factor {1 / factor:.2f}, the near "
        f"and the far ones alike. Notice what it takes to undo this: the level of the "
        f"background, which a real image does not tell.": before * factor,
        "Not yet: these are the correlations of the image with background.": before,
        "Close: you make them weaker still. The background has weakened them: divide by it.": (
            before / factor
        ),
        f"Close: the background is {added:g} of the mean *before*. Of the new mean, "
        f"{factor:g}, it is a smaller share.": before / (2 - factor),
        "Not yet: the background adds to the intensity, not to the correlations.": (
            before + sign * added
        ),
    }
    return matching(values, replies) or (
        "Not yet: ΔPDF divides every wave by the mean of the image. The waves have not changed; "
        "by which factor has the mean grown?"
    )


@friendly
def number_of_parameters(answer: float) -> str:
    """Check exercise 5, second: 16 filters of 5 x 5 on 64 x 64, pooling, dense layer of 3."""

    def count(side: int, filters: int = 16, width: int = 5, biases: int = 1) -> int:
        return (width**2 + biases) * filters + (side**2 * filters + biases) * 3

    value = number(answer)
    if value == count(30):
        dense = (30**2 * 16 + 1) * 3 / count(30)
        return (
            f"Right: {count(30):,}, and {dense:.0%} of them in the dense layer. Notice that larger "
            f"filters would cost next to nothing; what costs is every pixel that pooling leaves."
        )
    mistakes = {
        count(30, biases=0): "Close: every filter and every output also has a bias, one number.",
        count(60): "Close: max-pooling halves the side of every map before the dense layer.",
        count(32): (
            "Close: without padding a filter of 5 × 5 makes the map 4 pixels smaller: 64 → 60."
        ),
        count(31): "Close: a filter of 5 × 5 makes the map 4 pixels smaller, not 2.",
        (25 + 1) * 16: "Close: that is the convolution. The dense layer is missing.",
        (30**2 * 16 + 1) * 3: "Close: that is the dense layer. The convolution is missing.",
        416 + (30**2 + 1) * 3: "Close: the dense layer gets the pixels of all 16 maps.",
    }
    if value in mistakes:
        return mistakes[int(value)]
    return (
        "Not yet: (weights of a filter + 1) × filters, plus (numbers that enter the dense layer + "
        "1) × 3. How large is a map after the convolution, and after the pooling?"
    )


@friendly
def widening(answer: float, true: ArrayLike, mean: ArrayLike, error: ArrayLike) -> str:
    """Check exercise 6, second: the factor that makes 90 % intervals hold 90 % of the values."""
    off = np.abs(np.asarray(mean, dtype=float) - np.asarray(true, dtype=float))
    off = off / np.asarray(error, dtype=float)
    quantile = float(np.quantile(off, 0.9))
    expected = quantile / WIDTH
    value = number(answer)
    verdict = (
        "about right for these images"
        if abs(expected - 1) < 0.05
        else f"too {'wide' if expected < 1 else 'narrow'} for these images"
    )
    replies = {
        f"Right: {expected:.2f}, so the errors are {verdict}. Notice that a factor found on "
        f"some images has to be tested on others before it may be used.": expected,
        f"Close: that many errors hold 90 %. The interval already has {WIDTH} of them.": quantile,
        "Close: that is one over the factor. Multiply the errors by what?": 1 / expected,
        "Close: the share inside does not grow in proportion to the width. Ask how wide the "
        "intervals must be: a quantile.": 0.9 / np.mean(off < WIDTH),
        "Close: a size has no sign, so the quantile is that of 0.9, not of 0.95.": (
            np.quantile(off, 0.95) / WIDTH
        ),
        "Close: that makes the root mean square 1. What counts here is the share inside.": (
            np.sqrt(np.mean(off**2))
        ),
    }
    if reply := matching(value, replies, within=0.01):
        return reply
    if value <= 0:
        return "Not yet: a factor of errors is above 0."
    inside = np.mean(off < WIDTH * value)
    return f"Not yet: with errors {value:.3g} times as large the intervals hold {inside:.1%}."


@friendly
def best_r2(answer: float, image: ArrayLike) -> str:
    """Check exercise 7, second: largest R² of any image that an inversion leaves as it is."""
    array = np.asarray(image, dtype=float)
    odd = float(np.mean((array - array[::-1, ::-1]) ** 2) / array.var())
    expected = 1 - odd / 4
    value = number(answer)
    replies = {
        f"Right: {expected:.2f}. The best symmetric image is the mean of the image and its "
        f"inversion. Notice that no lattice was needed: the symmetry alone limits every "
        f"encoding of every span.": expected,
        "Close: half of the change belongs to each side. The best image lies in the middle "
        "between the two, so its distance is half of the change.": 1 - odd,
        "Close: a distance of half the change has a *square* of a quarter.": 1 - odd / 2,
        "Close: that is the share of the variance that is not explained.": odd / 4,
        "Close: R² is 1, not 100, where everything is explained.": 100 * expected,
    }
    if reply := matching(value, replies):
        return reply
    if value > 1:
        return "Not yet: R² is never above 1."
    return (
        "Not yet: take the mean of image and image[::-1, ::-1] as the best image. R² is 1 − (mean "
        "squared difference) / (variance of the image)."
    )


@friendly
def check_difference(answer: float, covariance: ArrayLike, one: int = 0, two: int = 3) -> str:
    """Check exercise 8, second: standard error of the difference of two correlated values."""
    matrix = np.asarray(covariance, dtype=float)
    a, b, both = matrix[one, one], matrix[two, two], matrix[one, two]
    expected, independent = np.sqrt(a + b - 2 * both), np.sqrt(a + b)
    value = number(answer)
    word = "smaller" if both > 0 else "larger"
    replies = {
        f"Right: {expected:.3f}; with independent errors it would be {independent:.3f}. "
        f"The errors of the two values go together, so their difference has a {word} one. "
        f"Notice how much an answer hides that gives the errors alone.": expected,
        "Close: that is the variance of the difference. Take the root.": expected**2,
        "Close: that is the error of the sum. In a difference the covariance counts minus.": (
            np.sqrt(a + b + 2 * both)
        ),
        "Close: that holds for independent errors. The covariance of the two is missing.": (
            independent
        ),
        "Close: the covariance stands in the matrix twice, above and below the diagonal.": (
            np.sqrt(a + b - both)
        ),
        "Not yet: variances add up, standard errors do not.": np.sqrt(a) + np.sqrt(b),
    }
    if reply := matching(value, replies):
        return reply
    if value < 0:
        return "Not yet: a standard error is not below 0."
    return "Not yet: var(x − y) = var(x) + var(y) − 2 cov(x, y), and the error is its root."


@friendly
def check_tolerable(answer: float, values: int = 15, right: float = 0.9) -> str:
    """Check exercise 9, second: how many of 1000 single values may be off."""
    expected = 1000 * (1 - right ** (1 / values))
    value = number(answer)
    replies = {
        f"Right: {expected:.1f} of 1000. A single value has to be right in 99.3 % of all "
        f"cases for an answer of {values} to be right in {right:.0%}. Notice that R² says "
        f"nothing about it.": expected,
        "Close: that is a share. Of 1000 values, how many?": expected / 1000,
        "Close: so many must be right. How many may be off?": 1000 - expected,
        f"Close: you divide the {1 - right:.0%} among {values} values. Some answers have two "
        f"values off and count once, so a few more are allowed: multiply "
        f"probabilities.": 1000 * (1 - right) / values,
        "Close: the power is upside down. p to the power of 15 is 0.9; what is p?": (
            1000 * (1 - right**values)
        ),
        "Not yet: then each of the 15 values would be right in 90 %, and 0.9¹⁵ is 0.21.": (
            1000 * (1 - right)
        ),
    }
    if reply := matching(value, replies):
        return reply
    if not 0 <= value <= 1000:
        return "Not yet: of 1000 values, from 0 to 1000 can be off."
    share = (1 - value / 1000) ** values
    return f"Not yet: with {value:.3g} of 1000 off, {share:.1%} of the answers are right."


@friendly
def check_bits(answer: float, size: int = 50) -> str:
    """Check exercise 10, second: coin tosses that determine the lattice of triples."""
    expected = 2 * size - 1
    replies = {
        f"Right: {expected}, one for each site of the first row and column. A lattice of coin "
        f"tosses needs {size**2}. Notice that the image cannot tell the one from the "
        f"other.": expected,
        "Close: the corner belongs to the first row and to the first column. Count it once.": (
            2 * size
        ),
        "Not yet: so many has a lattice of coin tosses. Here most sites follow from others.": (
            size**2
        ),
        f"Close: {size} sites are the first row. Without the first column nothing follows.": size,
        "Close: those are the sites that follow. How many are tossed?": (size - 1) ** 2,
        f"Close: so many such lattices exist, 2 to the power of {expected}. Count the tosses.": 2.0
        ** expected,
    }
    return (
        matching(number(answer), replies)
        or "Not yet: a site follows from the one above it and the one to its left. Which have both?"
    )

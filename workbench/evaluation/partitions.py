"""How alike two partitions of the same things are, such as two sets of scenes of the same frames.

scikit-learn measures this too, but it takes most of a second to load, as long as a short clip takes to be restored.
"""

from collections.abc import Sequence

import numpy as np

Labels = Sequence[str] | Sequence[int] | np.ndarray  # the part of every thing; equal labels are one part


def pair_counts(one: Labels, two: Labels) -> np.ndarray:
    """Count the pairs of things that two partitions put together.

    Parameters
    ----------
    one, two : sequence of N labels
        The part of every thing; labels of one kind, of any value.

    Returns
    -------
    (2, 2) int64 array
        Unordered pairs, by (together in ``one``, together in ``two``): ``[[neither, two alone], [one alone, both]]``.
    """
    (parts, first), (others, second) = (np.unique(np.asarray(labels), return_inverse=True) for labels in (one, two))
    shared = np.unique(first * len(others) + second, return_counts=True)[1]
    sizes = shared, np.bincount(first, minlength=len(parts)), np.bincount(second, minlength=len(others))
    both, in_one, in_two = (int((counts * (counts - 1) // 2).sum()) for counts in sizes)
    every = len(first) * (len(first) - 1) // 2
    return np.array([[every - in_one - in_two + both, in_two - both], [in_one - both, both]], dtype=np.int64)


def adjusted_rand_index(one: Labels, two: Labels) -> float:
    """Measure how alike two partitions are, corrected for chance.

    Parameters
    ----------
    one, two : sequence of N labels
        The part of every thing.

    Returns
    -------
    float
        -0.5 to 1: 1 for the same partition, 0 on average for two random ones.

    Notes
    -----
    Hubert and Arabie, "Comparing partitions", Journal of Classification 1985.
    """
    # Python's integers: products of four counts of pairs are too large for 64 bits from some 50,000 things on.
    (neither, two_alone), (one_alone, both) = pair_counts(one, two).tolist()
    if not one_alone and not two_alone:
        return 1.0
    chance = (both + one_alone) * (one_alone + neither) + (both + two_alone) * (two_alone + neither)
    return 2 * (both * neither - one_alone * two_alone) / chance

"""Agreement of partitions, beside scikit-learn's own."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

from workbench.evaluation.partitions import adjusted_rand_index, pair_counts

LETTERS = np.array(["green", "red", "blue"])


@pytest.mark.parametrize("things", [1, 2, 7, 200])
@pytest.mark.parametrize("parts", [1, 3, 150])
def test_as_scikit_learn_counts(things, parts):
    """Labels are drawn at random, those of the second partition follow the first in half of the things; a third partition has
    words for labels."""
    rng = np.random.default_rng(things * parts)
    one = rng.integers(-1, parts, things)
    two = np.where(rng.random(things) < 0.5, one, rng.integers(-1, parts, things))
    for a, b in ((one, two), (two, one), (one, one), (one, LETTERS[two % 3]), (one.tolist(), LETTERS[two % 3].tolist())):
        assert (2 * pair_counts(a, b) == pair_confusion_matrix(a, b)).all()
        assert adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)


def test_many_things_do_not_overflow():
    """100,000 things in two halves, the second time with one thing in a hundred on the other side."""
    one = np.arange(100_000) % 2
    two = np.where(np.arange(100_000) % 100 == 0, 1 - one, one)
    assert adjusted_rand_index(one, two) == pytest.approx(adjusted_rand_score(one, two)) == pytest.approx(0.9604, abs=1e-3)

"""The figures and the table of notebook 04, on the run of the short sample: 26 frames, two scenes and 4 foreign frames."""

import numpy as np
import pytest

from workbench import pairview
from workbench.parameters import MatchParameters


@pytest.fixture
def pairs(short_run) -> np.ndarray:
    """(P, 2) the run's pairs, from the fewest inliers to the most."""
    return pairview.ranked_pairs(short_run[0])


def test_both_matchers_on_the_same_pair(short_run, pairs):
    """Each figure says whose matches it shows; asked for the run's own matcher, it shows the run's own matches."""
    own = short_run[0].record["stages"]["match"]["parameters"]
    titles = [
        pairview.matches_figure(short_run[0], *pairs[-1], other).get_suptitle()
        for other in (None, MatchParameters(**own), MatchParameters(matcher="sift-flann", ratio=0.5))
    ]
    assert titles[0] == titles[1] and titles[0].startswith(f"{own['matcher']}: ")
    assert titles[2].startswith("sift-flann: ") and titles[2] != titles[0]


def test_matchers_compared(short_run, pairs):
    """A stricter ratio leaves fewer matches, of which more agree; both register the easy pairs of a rendered clip."""
    loose, strict = (MatchParameters(matcher=name, ratio=ratio) for name, ratio in (("sift-exact", 1.0), ("sift-flann", 0.6)))
    table = pairview.compare_matchers(short_run[0], pairs[len(pairs) // 2 :][:6], [loose, strict])
    assert list(table.index) == ["sift-exact", "sift-flann"]
    assert table.loc["sift-flann", "matches"] < table.loc["sift-exact", "matches"]
    assert table.loc["sift-flann", "inlier share"] > table.loc["sift-exact", "inlier share"]
    assert (table["registered"] == 1).all() and (table["inliers"] <= table["matches"]).all()

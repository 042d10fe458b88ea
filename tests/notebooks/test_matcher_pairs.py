"""Matchers on drawn pairs: which ones can be shown here, and how their matches are counted and drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from workbench.evaluation.drawn_pairs import drawn_pairs
from workbench.notebooks import matcher_pairs

BUNDLED = ["sift-flann", "sift-exact", "superglue-sift"]


@pytest.fixture(scope="module")
def judged():
    """Two methods that need no download, on both pairs."""
    return matcher_pairs.judge(drawn_pairs(), ["sift-exact", "superglue-sift"])


def test_methods_without_their_weights_are_left_out(monkeypatch):
    """Nothing is fetched; where the weights are but not the package that reads them, the method is left out too."""
    monkeypatch.setattr(matcher_pairs, "find_file", lambda name: None)
    assert matcher_pairs.methods_here() == (BUNDLED, [name for name in matcher_pairs.SHOWN_METHODS if name not in BUNDLED])


def test_right_and_wrong_matches(judged):
    """Of the matches of the flickering pair most are right, of the wide one some are wrong."""
    table = matcher_pairs.judged_table(judged)
    assert table[["pair", "method"]].to_numpy().tolist() == [
        [pair, method] for pair in ("wide-baseline", "flickering") for method in ("sift-exact", "superglue-sift")
    ]
    share = (table["right"] / table["matches"]).to_numpy()
    assert (table["right"] > 20).all() and (share[2:] > 0.7).all() and (share[:2] < share[2:]).all()


def test_every_match_is_drawn_in_its_colour(judged):
    fig = matcher_pairs.judged_figure(judged)
    assert len(fig.axes) == 4
    for one, ax in zip([judged[k] for k in (0, 2, 1, 3)], fig.axes, strict=True):
        right = one.right.sum()
        assert ax.get_title() == f"{one.pair.name}, {one.method}: {right} right, {len(one.right) - right} wrong"
        colours = [to_hex(lines.get_color()[0]).upper() for lines in ax.collections if len(lines.get_segments())]
        assert colours == [matcher_pairs.WRONG_COLOUR, matcher_pairs.RIGHT_COLOUR]
        assert sum(len(lines.get_segments()) for lines in ax.collections) == len(one.right)
        start, end = ax.collections[1].get_segments()[0]
        np.testing.assert_allclose(start, one.points_a[one.right][0])
        np.testing.assert_allclose(end - [one.pair.first.shape[1], 0], one.points_b[one.right][0], atol=1e-4)
    plt.close(fig)

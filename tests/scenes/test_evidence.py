"""Evidence from matches: what is usual in a piece, ratios, and the odds, by hand and by the distributions they stand for."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import lognorm

from workbench.scenes.evidence import Evidence, foreign_odds, gather_evidence, together_odds, usual_residuals


def rows(*found):
    """A table of registered pairs from (a, b, inliers, residual); six inliers register."""
    table = pd.DataFrame(found, columns=["a", "b", "inliers", "residual"])
    return table.astype({"a": int, "b": int, "inliers": int, "residual": float}).assign(
        model=np.where(table["inliers"] >= 6, "similarity", "none")
    )


def scene_of(frames, pairs, registered):
    """Evidence of one scene in which so many ``pairs`` (P, 2) were compared, of which the first ones ``registered``."""
    none = np.zeros(frames, int)
    pairs = np.array(pairs)
    a, b = pairs[:registered].T
    return Evidence(none, none, none, pairs, a, b, np.full(registered, 40), np.ones(registered))


def chain(count):
    """Pairs of neighbours among so many frames, (count - 1, 2)."""
    return [(k, k + 1) for k in range(count - 1)]


# --- odds that frames belong together ---------------------------------------------------------------------------------------


def test_the_odds_fall_with_the_ratio():
    """From nothing different to entirely different; they stay within 1e-4 and 1e4, and reach both."""
    odds = np.array([together_odds(ratio) for ratio in np.geomspace(1e-6, 1e6, 400)])
    assert (np.diff(odds) <= 0).all()
    assert odds.max() == 1e4 and odds.min() == 1e-4
    inside = (odds < 1e4) & (odds > 1e-4)
    assert inside.sum() > 20 and (np.diff(odds[inside]) < 0).all()


@pytest.mark.parametrize(("ratio", "odds"), [(0.0, 1e4), (-1.0, 1e4), (np.inf, 1e-4)])
def test_odds_of_a_ratio_without_limits(ratio, odds):
    assert together_odds(ratio) == odds


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0, 4.0, 5.0, 5.4])
def test_the_odds_are_those_of_two_log_normal_distributions(ratio):
    """Between their middles: frames that belong together have log ratios of 0.4 +- 0.45, other takes of 1.7 +- 0.35."""
    together, other = lognorm.pdf(ratio, 0.45, scale=np.exp(0.4)), lognorm.pdf(ratio, 0.35, scale=np.exp(1.7))
    assert together_odds(ratio) == pytest.approx(together / other, rel=1e-6)


def test_what_was_measured_falls_on_the_right_side():
    """Most frames that belong together have ratios of 1.0 to 2.5, other takes from 3.4 on; even odds are in between."""
    for ratio in (1.0, 1.5, 2.0, 2.5):
        assert together_odds(ratio) > 2
    assert together_odds(1.5) > 100 > 1 / 100 > together_odds(8)
    for ratio in (3.4, 4.5, 6.0, 17.0):
        assert together_odds(ratio) < 0.5
    assert together_odds(4.5) < 0.05
    assert together_odds(2.6) > 1 > together_odds(3.3)


# --- residuals and ratios ---------------------------------------------------------------------------------------------------


def test_usual_residuals_by_hand():
    """Frames 0 to 2 are a piece: their nearest frames are 0.1, 0.1 and 0.2 off, and 0.95 of the way from the first to the last
    of these is 0.19. Frames 3 to 6 are one: 0.3, 0.3, 0.4 and 0.5. Pairs of two pieces, with frame 7, which is in none, or of 7
    and 8 say nothing."""
    pieces = np.array([0, 0, 0, 1, 1, 1, 1, -1, -1])
    inside = [(0, 1, 9, 0.1), (1, 2, 9, 0.2), (0, 2, 9, 0.5), (3, 4, 9, 0.3), (4, 5, 9, 0.4), (5, 6, 9, 0.5), (3, 6, 9, 0.6)]
    across = [(2, 3, 9, 0.01), (5, 7, 9, 0.01), (7, 8, 9, 0.01)]
    usual = usual_residuals(pieces, rows(*inside, *across))
    assert usual == pytest.approx([0.1 + 0.9 * 0.1, 0.4 + 0.85 * 0.1])


def test_no_pieces():
    assert usual_residuals(np.full(3, -1), rows((0, 1, 9, 0.2))).shape == (0,)
    assert usual_residuals(np.zeros(0, int), rows()).shape == (0,)


def test_ratios_are_in_units_of_what_is_usual():
    """Two pieces of three frames, of which 0.05 and 0.2 are usual, and two single frames. Of a pair of both, the larger counts;
    with a single frame that of the piece; between single frames one hundredth. What does not register has no ratio."""
    pieces = np.array([0, 0, 0, 1, 1, 1, -1, -1])
    inside = [(0, 1, 30, 0.05), (0, 2, 30, 0.05), (3, 4, 30, 0.2), (4, 5, 30, 0.2)]
    others = [(2, 3, 12, 0.3), (1, 6, 11, 0.15), (4, 6, 6, 0.5), (6, 7, 20, 0.04), (5, 7, 5, 0.9)]
    labels, keypoints = np.zeros(8, int), np.arange(8)
    evidence = gather_evidence(labels, pieces, rows(*inside, *others), keypoints)
    assert evidence.ratio == pytest.approx([1, 1, 1, 1, 1.5, 3, 2.5, 4])
    assert evidence.inliers.tolist() == [30, 30, 30, 30, 12, 11, 6, 20]
    assert evidence.strong.tolist() == [True, True, True, True, True, False, False, True]
    assert len(evidence.pairs) == 9 and evidence.pairs[-1].tolist() == [5, 7], "it was compared all the same"
    assert evidence.labels is labels and evidence.pieces is pieces and evidence.keypoints is keypoints
    assert evidence.of_frame(6).tolist() == [5, 6, 7]
    assert evidence.partners(6, evidence.of_frame(6)).tolist() == [1, 4, 7]
    assert evidence.of_frame(7).tolist() == [7] and evidence.partners(7, np.array([7])).tolist() == [6]


def test_where_frames_are_all_but_identical_noise_is_usual():
    """Three frames that differ by a thousandth, and a fourth by a fiftieth: twice what counts as usual at least, not twenty."""
    evidence = gather_evidence(
        np.zeros(4, int), np.array([0, 0, 0, -1]), rows((0, 1, 90, 0.001), (1, 2, 90, 0.001), (2, 3, 90, 0.02)), np.full(4, 99)
    )
    assert evidence.ratio == pytest.approx([0.1, 0.1, 2])


# --- odds that a frame is foreign -------------------------------------------------------------------------------------------


def test_foreign_odds_by_hand():
    """Ten pairs of a scene, of which eight register: by the rule of succession 3 in 12 fail, so three failures are as likely as
    1 in 64. Without frame 10 there are nine pairs, and 2 in 11 fail. Pairs that lead out of the scene do not count, those that
    register (0, 12) or those that do not."""
    evidence = scene_of(14, [(0, 12), *chain(9), (9, 10), (0, 9), (10, 11), (12, 13)], 9)
    assert foreign_odds(evidence, np.arange(14) <= 10, 3) == pytest.approx((12 / 3) ** 3)
    assert foreign_odds(evidence, np.arange(14) < 10, 3) == pytest.approx((11 / 2) ** 3)
    assert foreign_odds(evidence, np.arange(14) < 10, 0) == 1


def test_foreign_odds_are_bounded_and_grow_with_what_was_compared():
    everything = np.ones(40, bool)
    sure, water = scene_of(40, chain(40), 39), scene_of(40, chain(40), 4)
    odds = [foreign_odds(sure, everything, compared) for compared in range(5)]
    assert (np.diff(odds[:3]) > 0).all() and odds[-1] == 1e4
    assert 1 < foreign_odds(water, everything, 3) < 2, "where hardly anything registers, not to register says little"
    assert foreign_odds(sure, np.zeros(40, bool), 3) == pytest.approx(8), "nothing known: as likely as not"

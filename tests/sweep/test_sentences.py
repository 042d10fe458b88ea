"""The sentences below the figures of notebook 07, on tables written by hand."""

import numpy as np
import pandas as pd

from tests.sweep.test_table import rows
from workbench.notebooks import pairfacts, pairview
from workbench.sweep import sentences

FOUND = pd.DataFrame(
    {"share": [0.6, 0.1, 0.02], "low": [0.4, 0.0, 0.0], "high": [0.7, 0.3, 0.05]},
    index=pd.Index(["features.max_keypoints", "match.match_threshold", "features.nms_radius"], name="parameter"),
)
CHANGES = pd.DataFrame(
    {
        "parameter": ["features.max_keypoints"] * 2 + ["match.sinkhorn_iterations"] * 2,
        "value": [64, 256, 5, 20],
        "default": [False, True] * 2,
        "inliers_per_pair": [20.0, 80.0, 79.0, 80.0],
        "seconds": [8.0, 32.0, 31.0, 32.0],
    }
)


def test_importances():
    """Clear shares are named with their spread, the others as what may be chance."""
    assert sentences.of_importances(FOUND, "adjacent") == (
        "The variance of adjacent is explained by max keypoints 60% (40% to 70%). "
        "What match threshold and nms radius explain may be chance."
    )
    assert sentences.of_importances(FOUND[1:], "tau").startswith("No parameter alone clearly decides tau.")
    assert sentences.of_importances(FOUND * 0, "tau") == "No parameter changes tau: it is the same in every trial."


def test_trials():
    """The range, the best, the defaults (256 and 0.25), and how many are better than they."""
    table = rows(
        *(
            {"features.max_keypoints": count, "adjacent": value}
            for count, value in ((256, 0.6), (64, 0.3), (300, 0.7), (400, 0.9))
        )
    )
    assert sentences.of_trials(table, "adjacent") == (
        "4 trials come to adjacent 0.300 to 0.900; the best is max_keypoints 400."
    )
    tie = table.assign(adjacent=[0.9, 0.3, 0.7, 0.9])
    assert sentences.of_trials(tie, "adjacent").endswith("0.900; 2 share the best, among them that of the defaults.")
    assert "defaults" not in sentences.of_trials(table[1:], "adjacent")
    assert sentences.of_trials(table.assign(status="failed"), "adjacent") == "No trial has a value of adjacent."


def test_defaults():
    """The defaults are a match threshold of 0.25; another trial is 0.2 better, or none is, or the defaults were not tried."""
    values = (0.25, 0.6), (0.1, 0.3), (0.5, 0.8)
    table = rows(*({"match.match_threshold": threshold, "adjacent": value} for threshold, value in values))
    assert sentences.of_defaults(table, "adjacent") == (
        "Are the defaults right? Not on this clip: of 2 other trials 1 is better, by 0.200."
    )
    assert sentences.of_defaults(table[:2], "adjacent") == (
        "Are the defaults right? Nothing that was tried on this clip is better: of 1 other trial 0 are as good, 1 worse."
    )
    np.testing.assert_allclose(sentences.gains(table, "adjacent"), [0, -0.3, 0.2])
    assert "cannot be told" in sentences.of_defaults(table[1:], "adjacent") and len(sentences.gains(table[1:], "adjacent")) == 0
    assert "cannot be told" in sentences.of_defaults(table.assign(status="failed"), "adjacent")


def test_changes():
    """64 keypoints cost a quarter of the defaults; that 5 iterations cost a second less is left to chance."""
    assert sentences.of_changes(CHANGES, "inliers_per_pair") == (
        "Max keypoints changes inliers per pair most, from 20 to 80. Sinkhorn iterations change it by a tenth at most. "
        "Each value ran once, so seconds that differ by less than 20% are noise. More apart from those of the defaults: max "
        "keypoints 64 (0.25 times)."
    )
    same = sentences.of_changes(CHANGES.assign(seconds=30.0), "inliers_per_pair")
    assert same.endswith("those of the defaults: none.")


def test_findings():
    """Three parts; a share that depends on the draw and a single clip are doubts."""
    table = rows({"features.max_keypoints": 256, "adjacent": 0.6}, {"features.max_keypoints": 64, "adjacent": 0.3})
    text = sentences.findings(table, FOUND, CHANGES, "adjacent")
    assert [part for part in ("Learnt", "Doubtful", "What to do next") if f"**{part}**\n\n- " in text] == [
        "Learnt",
        "Doubtful",
        "What to do next",
    ]
    assert "- How much is explained by match threshold depends on which trials are drawn." in text and "one clip" in text


def test_no_pair():
    assert sentences.of_pair(None, None, []) == "No pair of frames inside a scene registers."


def test_a_pair_whose_transform_follows_a_thing_that_moves(short_run, monkeypatch):
    """The transform of the run is taken as it is; then every transform counts as one that fits worse than none."""
    run = short_run[0]
    pair = tuple(pairview.ranked_pairs(run)[-1].tolist())
    settings = [{"match_threshold": value} for value in (0.25, 0.9)]
    good = sentences.of_pair(run, pair, settings)
    assert good.startswith("Matches that agree on one transform: match threshold 0.25 (") and "moves" not in good
    assert not pairfacts.follows_a_thing(run, pair, np.eye(2, 3))
    assert pairfacts.follows_a_thing(run, pair, np.array([[1.0, 0, 90], [0, 1, 60]]))
    monkeypatch.setattr(sentences, "follows_a_thing", lambda *_: True)
    assert sentences.of_pair(run, pair, settings).count("the pair counts as registered, but the frames fit better") == 2

"""The sentences below the figures of notebook 07, on tables written by hand."""

import pandas as pd

from tests.sweep.test_table import rows
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
        "4 trials come to adjacent 0.300 to 0.900; the best is max_keypoints 400. "
        "The defaults come to 0.600; 2 of the other 3 trials are better."
    )
    tie = table.assign(adjacent=[0.9, 0.3, 0.7, 0.9])
    assert sentences.of_trials(tie, "adjacent").endswith("0.900; 2 share the best, among them that of the defaults.")
    assert "defaults" not in sentences.of_trials(table[1:], "adjacent")
    assert sentences.of_trials(table.assign(status="failed"), "adjacent") == "No trial has a value of adjacent."


def test_changes():
    assert sentences.of_changes(CHANGES, "inliers_per_pair") == (
        "Max keypoints changes inliers per pair most, from 20 to 80, and its values cost 8 to 32 s of keypoints and matches. "
        "Sinkhorn iterations change it by a tenth at most."
    )


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

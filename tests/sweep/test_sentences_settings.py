"""The sentences of notebook 06 on settings, networks and matchers, on tables written by hand."""

import itertools

import pandas as pd
import pytest

from tests.sweep.test_table import rows
from workbench.sweep import sentences_methods, sentences_settings
from workbench.sweep.effects import pivot
from workbench.sweep.table import FAILED, best_settings


@pytest.fixture
def grid() -> pd.DataFrame:
    """Path is 0.2 better than greedy, and three times as slow; alpha 0.5 is better than 0 with path, and worse with greedy."""
    values = {("path", 0.0): 0.8, ("path", 0.5): 0.9, ("greedy", 0.0): 0.7, ("greedy", 0.5): 0.6}
    return rows(
        *(
            {"order.method": method, "order.alpha": alpha, "adjacent": values[method, alpha], "seconds": seconds + alpha}
            for (method, seconds), alpha in itertools.product((("path", 30.0), ("greedy", 10.0)), (0.0, 0.5))
        )
    )


PARAMETERS = ["order.method", "order.alpha"]


def test_parameters(grid):
    """The parameter that changes most comes first; where the means are closer than the cells of one value, that is said."""
    assert sentences_settings.of_parameters(grid, PARAMETERS[::-1], "adjacent") == (
        "By method, the mean of adjacent is best with path (0.850) and worst with greedy (0.650). "
        "Alpha does not change adjacent."
    )
    grid.loc[1, "adjacent"] = 1.0
    found = sentences_settings.of_parameters(grid, PARAMETERS, "adjacent")
    assert "best with 0.5 (0.800) and worst with 0 (0.750), less apart than the cells of one value" in found
    assert sentences_settings.of_parameters(grid[:1], PARAMETERS, "adjacent") == "No parameter has more than one value."


def test_a_metric_of_which_less_is_better(grid):
    grid["weak_links"] = [1, 1, 9, 9]
    assert "best with path (1.000) and worst with greedy (9.000)" in sentences_settings.of_parameters(
        grid, PARAMETERS[:1], "weak_links"
    )
    grid["weak_links"] = [1, 2, 3, 9]
    means = pivot(grid, "order.method", "order.alpha", "weak_links")
    assert sentences_settings.of_two_parameters(means, "weak_links").startswith("Alpha 0 is best in every row")


def test_two_parameters(grid):
    """What is best depends on the row, or does not, or cannot be told."""
    say = sentences_settings.of_two_parameters
    assert say(pivot(grid, *PARAMETERS, "adjacent"), "adjacent") == (
        "The best alpha depends on method: 0 with greedy and 0.5 with path."
    )
    assert "Method path is best in every row: it does not depend on alpha." in say(
        pivot(grid, *PARAMETERS[::-1], "adjacent"), "adjacent"
    )
    assert "cannot be seen" in say(pivot(grid[:2], *PARAMETERS, "adjacent"), "adjacent")
    assert "the same everywhere" in say(pivot(grid.assign(adjacent=1.0), *PARAMETERS, "adjacent"), "adjacent")


def test_front(grid):
    """The best and what is much faster; what is a little faster than a better one is left to chance."""
    best = best_settings(grid, "adjacent")
    assert sentences_settings.of_front(best, "adjacent") == (
        "The best, path, alpha 0.5, comes to 0.900 in 30.5 s. In 33 % of that time, greedy, alpha 0 comes to 0.700. Of "
        "the front, 1 is faster than a better one by less than 20%: so much may be the machine's doing, and says nothing."
    )
    alone = sentences_settings.of_front(best_settings(grid[1:2], "adjacent"), "adjacent")
    assert alone.endswith("No other is more than 20% faster and on the front.")
    assert "no front" in sentences_settings.of_front(best_settings(twice(grid, FAILED), "adjacent"), "adjacent")


def twice(grid: pd.DataFrame, status: str = "done") -> pd.DataFrame:
    """The same cells on a second video, each 0.3 worse."""
    return pd.concat([grid, grid.assign(video="b.mp4", adjacent=grid["adjacent"] - 0.3, status=status)], ignore_index=True)


def test_spread(grid):
    """One cell each tells nothing of another clip; of several, those within a standard deviation are counted."""
    one = sentences_settings.of_spread(best_settings(grid, "adjacent"), "adjacent")
    assert one.startswith("Every setting has one cell.") and "path, alpha 0.5, 0.100 ahead of the next value," in one
    assert "ahead" not in sentences_settings.of_spread(best_settings(grid.assign(adjacent=1.0), "adjacent"), "adjacent")
    several = sentences_settings.of_spread(best_settings(twice(grid), "adjacent"), "adjacent")
    assert several == (
        "path, alpha 0.5 has a mean adjacent of 0.750 and a standard deviation of 0.212 over 2 cells; 2 of the other 3 means "
        "lie within that."
    )
    assert "one setting only" in sentences_settings.of_spread(best_settings(grid[:1], "adjacent"), "adjacent")


def test_findings(grid):
    """One video and a cell that failed are doubts; several videos and a whole grid leave none."""
    whole = twice(grid)
    found = sentences_settings.setting_findings(whole, PARAMETERS, best_settings(whole, "adjacent"), "adjacent", ["A matcher."])
    assert found.doubtful == [] and found.learnt[-1] == "A matcher." and len(found.learnt) == 3
    grid.loc[3, "status"] = FAILED
    found = sentences_settings.setting_findings(grid[1:], PARAMETERS, best_settings(grid[1:], "adjacent"), "adjacent", [])
    assert [line.split()[0] for line in found.doubtful] == ["1", "Not", "The"] and len(found.following) == 3


def networks(**scores: tuple[float, float]) -> pd.DataFrame:
    """Two clips; for each network the scene F1 on both, and twice the milliseconds of the network before."""
    return rows(
        *(
            {
                "video": f"{clip}.mp4",
                "embed.backbone": name,
                "clustered_scene_f1": value,
                "clustered_outlier_f1": 1.0,
                "neighbour_recall": 0.9,
                "ms_per_frame": 2.0**place,
                "weights_mb": 10.0,
            }
            for place, (name, both) in enumerate(scores.items())
            for clip, value in zip("ab", both, strict=True)
        )
    )


def test_backbones():
    """Others are better, as good or worse than the default, by the clips on which everything is found."""
    text = sentences_methods.of_backbones(networks(ours=(1, 0.5), same=(0.9, 1), more=(1, 1), fewer=(0.9, 0.9)), "ours")
    assert text.startswith("With ours, the default, DBSCAN alone finds all scenes and all foreign frames on 1 of 2 clips")
    assert "(scene F1: mean 0.750, least 0.50; outlier F1: mean 1.000), and 90.0 % of the frames" in text
    assert "On more clips: more (2; 90.0 % of the neighbours, 4 times the cost)." in text
    assert "On as many: same (1; 90.0 % of the neighbours, 2 times the cost)." in text and "On fewer: fewer (0;" in text
    assert "On more clips" not in sentences_methods.of_backbones(networks(ours=(1, 1), other=(1, 0.9)), "ours")


def matchers(tau: tuple[float, float], scene_f1: float) -> pd.DataFrame:
    """Two clips of 100 frames; ``flann`` takes half as long as ``net``, and comes to the given figures on the clip b."""
    measured = {
        ("a", "net"): (1.0, 1.0),
        ("a", "flann"): (1.0, 1.0),
        ("b", "net"): (tau[0], 1.0),
        ("b", "flann"): (tau[1], scene_f1),
    }
    return rows(
        *(
            {
                "video": f"cases/{clip}.mp4",
                "match.matcher": name,
                "tau": values[0],
                "scene_f1": values[1],
                "seconds": 10.0 if name == "flann" else 20.0,
                "frames": 100,
            }
            for (clip, name), values in measured.items()
        )
    )


def test_matchers():
    """Clips on which they differ are named with the worst and the best; so is who loses frames of scenes."""
    alike, apart = sentences_methods.of_matchers(matchers((0.9, 0.901), 1.0), "net"), matchers((0.99, 0.7), 0.8)
    assert alike == (
        "On 2 of 2 clips the |tau| of all matchers are within 0.003 of each other. Where a clip takes 1 second with net, it "
        "takes 0.50 with flann, in the median over the clips."
    )
    text = sentences_methods.of_matchers(apart, "net")
    assert "On 1 of 2 clips" in text and "not on b (from 0.700 by flann to 0.990 by net)." in text
    assert "The least scene F1 of a clip is 1.000 with net, and less, 0.800 with flann." in text
    assert sentences_methods.seconds_per_frame(apart).tolist() == [0.2, 0.1, 0.2, 0.1]


def test_clusterers():
    """Three clips: one clusterer is right on all of them, another one on one, and is worse by 0.1 and by 0.5 on the others."""
    table = pd.DataFrame(
        {"case": list("abc"), "good_outlier_f1": 1.0, "good_scene_f1": 1.0, "bad_outlier_f1": [1.0, 0.9, 0.5]}
    ).assign(bad_scene_f1=lambda made: made["bad_outlier_f1"])
    assert sentences_methods.of_clusterers(table, "good") == (
        "Alone, good finds all scenes and all foreign frames on 3 of 3 clips; bad on 1 (its mean F1 is 0.200 lower; 0.00 to "
        "0.50 per clip)."
    )

"""Figures of a sweep's table, and the menus above them.

``grid`` has models a, b and one of a long name by eps 0.1, 0.2 and 0.4: adjacent is 0.5, 0.6, 0.7 by model plus eps, seconds
are 10, 20, 30 by model; the cell of b at 0.4 has failed.
"""

import itertools

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.sweep.test_table import rows
from workbench import widgets
from workbench.errors import UsageError
from workbench.sweep import figures
from workbench.sweep.effects import pivot
from workbench.sweep.figures import broken
from workbench.sweep.table import FAILED, best_settings
from workbench.widgets.sweep import SweepBrowser

LONG_NAME = "magic-leap-community/superglue_outdoor"
MODELS, EPS = ("a", "b", LONG_NAME), (0.1, 0.2, 0.4)


@pytest.fixture
def grid() -> pd.DataFrame:
    cells = [
        {"match.model": model, "cluster.eps": eps, "adjacent": 0.5 + k / 10 + eps, "weak_links": 5, "seconds": 10.0 + 10 * k}
        for (k, model), eps in itertools.product(enumerate(MODELS), EPS)
    ]
    table = rows(*cells)
    table.loc[5, ["status", "adjacent"]] = [FAILED, pd.NA]
    return table


pytestmark = pytest.mark.usefixtures("drawable")


def words(ax):
    return [text.get_text() for text in ax.texts]


def names(labels):
    return [text.get_text().replace("\n", "") for text in labels]


def test_main_effects(grid):
    """Names stand below each other with their counts, numbers are to scale; the metric has the same limits in both panels."""
    by_model, by_eps = figures.main_effects_plot(grid, ["match.model", "cluster.eps"], "adjacent").axes
    assert names(by_model.get_yticklabels()) == ["a (3)", "b (2)", f"{LONG_NAME} (3)"]
    means = by_model.lines[-1]
    assert means.get_ydata().tolist() == [0, 1, 2] and by_model.yaxis_inverted()
    np.testing.assert_allclose(means.get_xdata(), [0.5 + 0.7 / 3, 0.75, 0.7 + 0.7 / 3])
    curve = by_eps.lines[-1]
    assert curve.get_xdata().tolist() == list(EPS)
    np.testing.assert_allclose(curve.get_ydata(), [0.7, 0.8, 1.0])
    assert by_model.get_xlim() == by_eps.get_ylim()
    assert by_model.get_title() == "match.model" and by_eps.get_xlabel() == "cluster.eps"


def test_main_effects_have_their_range(grid):
    """Whiskers span the range, bars one standard deviation to both sides; a single cell has none."""
    (ax,) = figures.main_effects_plot(grid, ["match.model"], "adjacent").axes
    ends = [path.vertices[:, 0].tolist() for path in ax.collections[0].get_paths()]
    np.testing.assert_allclose(ends, [[0.6, 0.9], [0.7, 0.8], [0.8, 1.1]])
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [0.75 - 0.05 * 2**0.5, 0.75 + 0.05 * 2**0.5])
    (single,) = figures.main_effects_plot(grid[:1], ["match.model"], "adjacent").axes
    assert np.ptp(single.lines[0].get_xdata()) == 0


def test_heat_map(grid):
    """The values are written in, the failed cell is marked, and the best value has the lightest colour."""
    ax, bar = figures.heat_map(pivot(grid, "match.model", "cluster.eps", "adjacent"), "adjacent").axes
    assert words(ax) == ["0.600", "0.700", "0.900", "0.700", "0.800", "none", "0.800", "0.900", "1.100"]
    assert names(ax.get_yticklabels()) == list(MODELS) and names(ax.get_xticklabels()) == ["0.1", "0.2", "0.4"]
    assert (ax.get_ylabel(), ax.get_xlabel(), bar.get_ylabel()) == ("match.model", "cluster.eps", "adjacent")
    picture = ax.images[0]
    best, worst = (np.mean(picture.cmap(picture.norm(value))[:3]) for value in (1.1, 0.6))
    assert best > worst
    text = dict(zip(words(ax), ax.texts, strict=True))
    assert (text["1.100"].get_color(), text["0.600"].get_color()) == ("black", "white")


def test_heat_map_of_equal_values(grid):
    """Equal values get no colour bar; a metric of which less is better has the lightest colour at its least value."""
    figure = figures.heat_map(pivot(grid, "match.model", "cluster.eps", "weak_links"), "weak_links")
    (ax,) = figure.axes
    assert ax.get_title() == "Mean weak_links: the same everywhere"
    grid.loc[0, "weak_links"] = 1
    ax, _ = figures.heat_map(pivot(grid, "cluster.eps", "match.model", "weak_links"), "weak_links").axes
    picture = ax.images[0]
    assert np.mean(picture.cmap(picture.norm(1.0))[:3]) > np.mean(picture.cmap(picture.norm(5.0))[:3])


def test_pareto(grid):
    """The best eps of each model, except b, whose best is worse than a at 0.4; the best is number 1. The failed cell has
    no point."""
    figure = figures.pareto_plot(best_settings(grid, "adjacent"), "adjacent")
    (ax,) = figure.axes
    front = next(line for line in ax.lines if line.get_label().startswith("front"))
    np.testing.assert_allclose(np.transpose(front.get_data()), [[30, 1.1], [10, 0.9]])
    assert words(ax) == ["1", "2"]
    (legend,) = figure.legends
    assert names(legend.get_texts()) == [f"1  {LONG_NAME}, eps 0.4", "2  a, eps 0.4"]
    assert ax.lines[0].get_label() == "settings (8)" and len(ax.lines[0].get_xdata()) == 8


def test_numbers_of_points_that_lie_close_together(grid):
    """Each number of a crowd is joined to its own point, and they do not cover each other; one that lies alone has no line."""
    grid["seconds"] = grid["match.model"].map({"a": 10.0, "b": 30.0, LONG_NAME: 30.1})
    grid.loc[5, ["status", "adjacent"]] = ["done", 1.0]
    figure = figures.pareto_plot(best_settings(grid, "adjacent"), "adjacent")
    (ax,) = figure.axes
    figure.canvas.draw()
    assert [(text.get_text(), text.xy[0], text.arrow_patch is not None) for text in ax.texts] == [
        ("1", 30.1, True),
        ("2", 30.0, True),
        ("3", 10.0, False),
    ]
    first, second, _ = (text.get_window_extent() for text in ax.texts)
    assert first.x0 > second.x1


def test_pareto_of_settings_that_failed_somewhere(grid):
    """One video failed: the setting is a grey cross, and not on the front, however good its other videos."""
    grid = pd.concat([grid, grid.assign(video="b.mp4", adjacent=1.0, status="done")])
    (ax,) = figures.pareto_plot(best_settings(grid, "adjacent"), "adjacent").axes
    cross = next(line for line in ax.lines if line.get_label() == "not done in all cells (1)")
    np.testing.assert_allclose(np.transpose(cross.get_data()), [[20, 1.0]])


def test_best_settings(grid):
    """The best on top with full names and seconds; settings that are not done in all cells are marked."""
    (ax,) = figures.best_settings_plot(best_settings(grid, "adjacent"), "adjacent", count=3).axes
    assert names(ax.get_yticklabels()) == [f"{LONG_NAME},eps 0.4", "a, eps 0.4", f"{LONG_NAME},eps 0.2"]
    assert words(ax) == ["30.0 s", "10.0 s", "30.0 s"] and ax.yaxis_inverted()
    assert ax.get_title() == "The best 3 of 9 settings: one cell each"
    twice = pd.concat([grid, grid.assign(video="b.mp4", adjacent=1.0, status="done")])
    (ax,) = figures.best_settings_plot(best_settings(twice, "adjacent"), "adjacent").axes
    assert words(ax)[-1] == "20.0 s, 1 of 2 cells" and "± std" in ax.get_title()
    low, high = ax.get_xlim()
    assert low < 0.6 and high > 1.1


def test_long_names_are_broken():
    """At a comma, else a slash, else between words; no letter is lost."""
    assert broken("superglue") == "superglue"
    assert broken(LONG_NAME) == "magic-leap-community/\nsuperglue_outdoor"
    assert broken(f"{LONG_NAME}, eps 0.1") == f"{LONG_NAME},\neps 0.1"
    assert broken("/data/my-network-of-last-week") == "/data/\nmy-network-of-last-week"
    assert broken("x" * 40) == "x" * 40


# --- menus ----------------------------------------------------------------------------------------------------------------


def picture_size(image) -> tuple[int, int]:
    return cv2.imdecode(np.frombuffer(image.value, np.uint8), cv2.IMREAD_COLOR).shape[:2]


def test_browser(grid):
    """The chosen parameters are drawn; choosing one twice exchanges the two; no figure is left open for the notebook."""
    browser = SweepBrowser(grid, "adjacent", "", "")
    assert (browser.metric.value, browser.rows.value, browser.columns.value) == ("adjacent", "match.model", "cluster.eps")
    assert browser.metric.options == ("adjacent", "weak_links")
    assert (
        browser.verdict.value
        == "The best of 9 settings is magic-leap-community/superglue_outdoor, eps 0.4: adjacent 1.100, 30.0 s."
    )
    first = [picture.value for picture in browser.pictures]
    assert all(picture_size(picture)[1] == 800 for picture in browser.pictures)
    browser.rows.value = "cluster.eps"
    assert browser.columns.value == "match.model"
    second = [picture.value for picture in browser.pictures]
    assert second[0] != first[0] and second[2] == first[2]
    browser.columns.value = "cluster.eps"
    assert browser.rows.value == "match.model" and [picture.value for picture in browser.pictures] == first
    browser.metric.value = "weak_links"
    assert browser.verdict.value.startswith("8 of 9 settings tie at weak_links 5.000; the fastest of them is a, eps 0.")
    assert browser.pictures[0].value != first[0]
    assert plt.get_fignums() == []


def test_browser_refuses(grid):
    with pytest.raises(UsageError, match="does not vary"):
        widgets.sweep_browser(grid, "adjacent", "write.crf")

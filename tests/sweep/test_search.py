"""Searches by Optuna: the file, which trials are chosen, what a kill and a failure change, and which parameters matter.

Cells are not reconstructed here: their results are written by :func:`tried`, which rewards a match threshold near 0.3 and
nothing else. The video is :func:`tiny.mixture`, which is only read for its digest.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.helpers.tiny import encode, mixture
from tests.sweep.test_table import rows
from workbench.errors import UsageError
from workbench.storage.folder import write_whole
from workbench.sweep import importance, search
from workbench.sweep.batches import cell_batches, with_cells
from workbench.sweep.cells import is_done, write_result, write_table
from workbench.sweep.importance import importance_plot, importances, trial_means, trials_plot
from workbench.sweep.plan import Cell, Sweep, read_sweep
from workbench.sweep.search import Range, Search, Trials, read_search
from workbench.sweep.table import DONE, FAILED

RANGES = {
    "match_threshold": {"low": 0.0, "high": 0.8},
    "max_keypoints": {"low": 64, "high": 512, "log": True},
    "keypoints": ["sift", "sift-opencv"],
}
CONTENT = {"search": "optuna", "metric": "adjacent", "trials": 6, "parameters": {"ranges": RANGES}}
FILE = Path("sweep.yaml")


# --- the file -------------------------------------------------------------------------------------------------------------


def test_read():
    """Names become dotted; of a usual metric it is known whether more is better."""
    found = read_search(FILE, CONTENT)
    space = {
        "match.match_threshold": Range(0.0, 0.8),
        "features.max_keypoints": Range(64, 512, log=True),
        "features.keypoints": ["sift", "sift-opencv"],
    }
    assert found == Search("adjacent", True, 6, 4, 0, space)
    assert not read_search(FILE, CONTENT | {"metric": "weak_links"}).maximise
    assert not read_search(FILE, CONTENT | {"metric": "seconds_match", "direction": "minimize"}).maximise
    assert read_search(FILE, {"parameters": {"grid": {}}}) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"search": "grid"}, "search 'grid' is not known; known: optuna"),
        ({"metric": "seconds_match"}, "whether more seconds_match is better is not known: give direction"),
        ({"direction": "minimize"}, "of adjacent, more is better: leave direction out"),
        ({"direction": "up"}, "direction 'up' is not known"),
        ({"trials": 0}, "trials is 0: give a whole number of at least 1"),
        ({"batch": 1.5}, "batch is 1.5: give a whole number"),
        ({"seed": -1}, "seed is -1: give a whole number of at least 0"),
        ({"parameters": {"grid": {"eps": [0.1]}}}, "parameters is grid: a search takes ranges"),
        ({"parameters": {"ranges": {}}}, "ranges names no parameter"),
        ({"parameters": {"ranges": {"eps": {"low": 0.1}}}}, "eps has low: give low and high"),
        ({"parameters": {"ranges": {"eps": {"low": 0.1, "high": 0.2, "log": 1}}}}, "log: true if wanted"),
        ({"parameters": {"ranges": {"eps": {"low": 0.2, "high": 0.1}}}}, "give low below high"),
        ({"parameters": {"ranges": {"eps": {"low": 0.0, "high": 0.1, "log": True}}}}, "above 0 where log is true"),
        ({"parameters": {"ranges": {"eps": {"low": 0.1, "high": 3.0}}}}, "eps=3.0 is out of range"),
        ({"parameters": {"ranges": {"matcher": {"low": 0, "high": 1}}}}, "matcher is no number: give a list"),
        ({"parameters": {"ranges": {"epsilon": [1]}}}, "unknown parameter epsilon"),
        ({"parameters": {"ranges": {"eps": 0.1}}}, "eps must be names with values"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_bad_files(change, words):
    with pytest.raises(UsageError) as caught:
        read_search(FILE, CONTENT | change)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_keys_of_a_search_without_one():
    with pytest.raises(UsageError, match="metric, trials belongs to a search: add `search: optuna`"):
        read_search(FILE, {key: value for key, value in CONTENT.items() if key != "search"})
    with pytest.raises(UsageError, match="a search needs metric and trials"):
        read_search(FILE, {"search": "optuna", "parameters": {"ranges": RANGES}})


def test_without_optuna(monkeypatch):
    monkeypatch.setattr(search, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="a search by Optuna, which is not installed: pip install optuna"):
        read_search(FILE, CONTENT)


# --- the trials -----------------------------------------------------------------------------------------------------------


def run(trials: Trials) -> list[dict]:
    """Ask for all trials, and tell that the best threshold is 0.3."""
    asked = []
    while sets := trials.ask():
        asked += sets
        trials.tell([-abs(values["match.match_threshold"] - 0.3) for values in sets])
    return asked


def trials(count: int, seed: int = 0, batch: int = 4) -> Trials:
    return Trials(read_search(FILE, CONTENT | {"trials": count, "seed": seed, "batch": batch}))


def test_trials_are_seeded_and_in_range():
    """The first has the defaults; seed and batch decide the others; the last batch has what is left of the budget."""
    asked = run(trials(14))
    assert len(asked) == 14 and run(trials(14)) == asked
    assert asked != run(trials(14, seed=1)) and asked != run(trials(14, batch=7))
    assert asked[0] == {"match.match_threshold": 0.25, "features.max_keypoints": 256, "features.keypoints": "sift"}
    for values in asked:
        assert 0 <= values["match.match_threshold"] <= 0.8 and 64 <= values["features.max_keypoints"] <= 512
        assert type(values["features.max_keypoints"]) is int
        assert float(f"{values['match.match_threshold']:.6g}") == values["match.match_threshold"]
    assert {values["features.keypoints"] for values in asked} == {"sift", "sift-opencv"}


def test_later_trials_are_better():
    """Ten are drawn at random; from then on, the search stays near the best threshold."""
    off = [abs(values["match.match_threshold"] - 0.3) for values in run(trials(40))]
    assert np.mean(off[-15:]) < 0.7 * np.mean(off[1:10])


def test_trials_without_a_value_are_left_out():
    """All trials of the first batch fail: the search goes on to its end."""
    failing = trials(8)
    failing.ask()
    failing.tell([None] * 4)
    assert len(failing.ask()) == 4
    failing.tell([0.1, 0.2, None, 0.3])
    assert failing.ask() == []


# --- the cells ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sweep(tmp_path) -> Sweep:
    """A search of six trials, two at a time, over two videos."""
    for name in ("a", "b"):
        encode(tmp_path / f"{name}.mp4", mixture()[: 4 + (name == "b")])
    content = CONTENT | {"videos": ["a.mp4", "b.mp4"], "runner": "stages", "batch": 2}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    return read_sweep(tmp_path / "sweep.yaml")


def tried(cell: Cell, folder: Path, status: str = DONE) -> None:
    """Write a result: adjacent is 1 at a match threshold of 0.3, and 0.1 less for the second video."""
    value = 1 - abs(cell.parameters["match.match_threshold"] - 0.3) - 0.1 * (cell.video == "b.mp4")
    path = folder / "cells" / cell.name
    path.mkdir(parents=True, exist_ok=True)
    write_whole(path / "metrics.json", f'{{"adjacent": {value}, "seconds_match": 1.0}}')
    write_result(cell, folder, status)


def test_cells_of_a_search(sweep, tmp_path):
    """A trial has a cell per video; batches come one after another; the table has all of them, and their fixed parameters."""
    assert (sweep.cells, sweep.size) == ([], 12)
    batches = []
    for cells in cell_batches(sweep, tmp_path):
        batches.append(cells)
        for cell in cells:
            tried(cell, tmp_path)
    assert [[cell.video for cell in cells] for cells in batches] == [["a.mp4", "b.mp4"] * 2] * 3
    cells = [cell for batch in batches for cell in batch]
    table = write_table(with_cells(sweep, [*cells, *cells[:2]]), tmp_path)
    assert len(table) == 12 and (table["status"] == DONE).all()
    means = trial_means(table, "adjacent")
    assert len(means) == 6
    assert means["adjacent"].to_numpy() == pytest.approx(0.95 - (means["match.match_threshold"] - 0.3).abs())


def test_a_killed_search_goes_on(sweep, tmp_path):
    """What is done is not asked for differently, and the trials after it are the same, whatever finished first."""
    names = []
    for cells in cell_batches(sweep, tmp_path / "whole"):
        names += [cell.name for cell in cells]
        for cell in cells:
            tried(cell, tmp_path / "whole")
    killed = tmp_path / "killed"
    first = next(cell_batches(sweep, killed))
    for cell in first[::-1][:3]:
        tried(cell, killed)
    again, left = [], 0
    for cells in cell_batches(sweep, killed):
        again += [cell.name for cell in cells]
        for cell in cells:
            if not is_done(cell, killed):
                left += 1
                tried(cell, killed)
    assert again == names and left == len(names) - 3


def test_failed_cells(sweep, tmp_path):
    """A trial with a failed video counts as none; the others decide, and the table has all cells."""
    seen = []
    for cells in cell_batches(sweep, tmp_path):
        for cell in cells:
            tried(cell, tmp_path, FAILED if cell.video == "b.mp4" and not seen else DONE)
            seen.append(cell)
    table = write_table(with_cells(sweep, seen), tmp_path)
    assert (table["status"] == FAILED).sum() == 0 and len(trial_means(table, "adjacent")) == 6
    tried(seen[1], tmp_path, FAILED)
    assert len(trial_means(write_table(with_cells(sweep, seen), tmp_path), "adjacent")) == 5


def test_a_metric_that_no_cell_has(sweep, tmp_path):
    """Known after the first batch: one line lists those there are."""
    batches = cell_batches(sweep, tmp_path)
    for cell in next(batches):
        tried(cell, tmp_path)
        write_whole(tmp_path / "cells" / cell.name / "metrics.json", '{"tau": 0.5, "rows": "none"}')
        write_result(cell, tmp_path, DONE)
    with pytest.raises(UsageError, match=r"the cells have no metric adjacent: give one of tau$"):
        next(batches)


# --- which parameters matter ----------------------------------------------------------------------------------------------


@pytest.fixture
def table(monkeypatch) -> pd.DataFrame:
    """Forty trials on two videos: the threshold decides, keypoints add a little, the kind of keypoints nothing."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(importance, "DRAWS", 3)
    cells = []
    for _ in range(40):
        values = {
            "match.match_threshold": float(rng.uniform(0, 0.8)),
            "features.max_keypoints": int(rng.integers(64, 512)),
            "features.keypoints": str(rng.choice(["sift", "sift-opencv"])),
        }
        adjacent = 1 - values["match.match_threshold"] + values["features.max_keypoints"] / 2000
        cells += [values | {"video": video, "adjacent": adjacent - shift} for video, shift in (("a.mp4", 0), ("b.mp4", 0.1))]
    return rows(*cells)


def test_importances(table):
    """The threshold explains most; its spread is around its share; what was not done is left out."""
    found = importances(table, "adjacent")
    assert list(found.index) == ["match.match_threshold", "features.max_keypoints", "features.keypoints"]
    assert found["share"].iloc[0] > 0.8 and found["share"].iloc[2] < 0.05 and found["share"].sum() < 1.01
    assert (found["low"] < found["high"]).all() and found["high"].iloc[1] < found["low"].iloc[0]
    table.loc[0, ["status", "adjacent"]] = [FAILED, pd.NA]
    pd.testing.assert_frame_equal(trial_means(table, "adjacent"), trial_means(table[2:], "adjacent"))


def test_nothing_matters_where_all_is_equal(table):
    table["adjacent"] = 1.0
    assert (importances(table, "adjacent") == 0).all(axis=None)
    with pytest.raises(UsageError, match="the table has no beauty"):
        importances(table, "beauty")


@pytest.mark.usefixtures("drawable")
def test_figures(table):
    """Bars in order of importance with names in words; a panel per parameter with a point per cell and the default marked."""
    found = importances(table, "adjacent")
    ax = importance_plot(found, "adjacent").axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["match threshold", "max keypoints", "keypoints"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(found["share"].tolist()) and ax.yaxis_inverted()
    figure = trials_plot(table, list(found.index), "adjacent")
    panels = [ax for ax in figure.axes if ax.lines]
    assert [ax.get_xlabel() for ax in panels] == ["match threshold", "max keypoints", "keypoints"]
    assert len(panels[0].lines[0].get_xdata()) == 40
    assert panels[0].lines[2].get_xdata() == [0.25, 0.25] and panels[2].lines[2].get_xdata() == [0, 0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a.mp4", "b.mp4"]
    plt.close("all")

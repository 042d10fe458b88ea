"""Reading the table of a sweep.

``rows`` makes tables as :func:`~workbench.sweep.cells.write_table` writes them, with its types and columns, and empty values
where a cell has none.
"""

import itertools
import shlex
import statistics
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import papermill
import pytest
from papermill.cli import _resolve_type as papermill_value

from tests.helpers.tiny import encode
from workbench.cli import reconstruct
from workbench.errors import UsageError
from workbench.notebooks.chain import CHAIN, notebooks_folder
from workbench.notebooks.commands import papermill_commands, run_command, source
from workbench.run import Run
from workbench.run.stages import STAGES, stage_parameters
from workbench.sweep.effects import axes, is_crossed, main_effect, pivot, without_unused
from workbench.sweep.table import (
    DONE,
    FAILED,
    NO_WEIGHTS,
    best_cell,
    best_settings,
    metrics,
    not_done,
    pareto_front,
    read_table,
    setting_names,
    settings,
    varied,
    verdict,
)

KINDS = {"video": "string", "status": "string", "error": "string", "run": "string", "notebooks": "string"}


def rows(*cells: dict) -> pd.DataFrame:
    """One row per cell; columns that are not given are those of a cell of one video that was done in a second."""
    rest = {"video": "a.mp4", "status": DONE, "error": "", "seconds": 1.0, "run": "cells/x", "notebooks": None}
    table = pd.DataFrame([rest | cell for cell in cells])
    return table.astype(KINDS).convert_dtypes()


def written(folder: Path, table: pd.DataFrame) -> Path:
    """The folder with the table in both forms."""
    table.to_parquet(folder / "sweep.parquet")
    table.to_csv(folder / "sweep.csv", index=False, lineterminator="\n")
    return folder


@pytest.fixture
def mixed() -> pd.DataFrame:
    """Three cells: done, failed without any figure, without weights. One column is empty, one holds whole numbers as floats,
    one texts that look like numbers, one a number without a short decimal form."""
    return pd.DataFrame(
        {
            "video": pd.Series(["a.mp4", "a.mp4", "b.mp4"], dtype="string"),
            "cluster.eps": pd.Series([0.0, 1.0, 2.0], dtype="Float64"),
            "cluster.min_samples": pd.Series([3, 4, 5], dtype="Int64"),
            "embed.backbone": pd.Series(["18", "null", "vgg16"], dtype="string"),
            "write.stabilise": pd.Series([True, False, True], dtype="boolean"),
            "write.crf": pd.Series([18, 18, 18], dtype="Int64"),
            "status": pd.Series([DONE, FAILED, NO_WEIGHTS], dtype="string"),
            "error": pd.Series(["", "no scene, says \"it\"", "not here"], dtype="string"),
            "seconds": pd.Series([0.1 + 0.2, None, 3.0], dtype="Float64"),
            "scenes": pd.Series([2, None, None], dtype="Int64"),
            "eps": pd.Series([None, None, None], dtype="string"),
            "weak_link_places": pd.Series(["", None, "0:3 1:2"], dtype="string"),
            "run": pd.Series(["cells/1", "cells/2", "cells/3"], dtype="string"),
            "notebooks": pd.Series([None, None, None], dtype="string"),
        }
    )  # fmt: skip


def test_all_forms_of_a_table_are_the_same(tmp_path, mixed):
    """Folder, .parquet and .csv give the same types and every digit."""
    folder = written(tmp_path, mixed)
    read = [read_table(path) for path in (folder, folder / "sweep.parquet", str(folder / "sweep.csv"))]
    for table in read[1:]:
        pd.testing.assert_frame_equal(table, read[0], check_exact=True)
    expected = mixed.assign(weak_link_places=pd.Series([None, None, "0:3 1:2"], dtype="string"))
    pd.testing.assert_frame_equal(read[0], expected, check_exact=True)
    (folder / "sweep.parquet").unlink()
    pd.testing.assert_frame_equal(read_table(folder), read[0], check_exact=True)


def test_varied(mixed):
    """Only parameters vary, not figures; write.crf is the same in all cells."""
    assert varied(mixed) == ["cluster.eps", "cluster.min_samples", "embed.backbone", "write.stabilise"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("", None, "holds no sweep.csv: finish the sweep first with `workbench sweep FILE"),
        ("sweep.csv", None, "sweep.csv is not there: run `workbench sweep FILE`"),
        ("sweep.parquet", None, "sweep.parquet is not there"),
        ("sweep.xlsx", "x", "is not a table: give the folder of a sweep, or its sweep.csv or sweep.parquet"),
        ("sweep.csv", "", "cannot be read"),
        ("sweep.parquet", "no parquet", "cannot be read"),
        ("sweep.csv", "video,status\na.mp4,done\n", "lacks error, run, notebooks, seconds"),
        ("sweep.csv", "video,cluster.epsilon,status,error,seconds,run,notebooks\n", "has unknown parameters cluster.epsilon"),
    ],
)  # fmt: skip
def test_files_that_are_not_a_table(tmp_path, name: str, content: str | None, words: str):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError) as caught:
        read_table(tmp_path / name)
    assert words in str(caught.value) and "\n" not in str(caught.value)


# --- evaluation -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def crossed() -> pd.DataFrame:
    """eps 0.1, 0.2 by path, greedy on two videos with two seeds: 16 cells. adjacent is 0.9 for path and 0.5 for greedy, 0.05
    more at eps 0.2, 0.02 less on b.mp4, 0.01 more with seed 1. greedy takes 2 s, path 4 s."""
    cells = [
        {
            "video": video,
            "cluster.eps": eps,
            "order.method": method,
            "embed.seed": seed,
            "write.crf": 20,
            "adjacent": (0.9 if method == "path" else 0.5) + (eps == 0.2) * 0.05 - (video == "b.mp4") * 0.02 + seed * 0.01,
            "weak_links": 3 if method == "path" else 9,
            "seconds": 4.0 if method == "path" else 2.0,
        }
        for video, eps, method, seed in itertools.product(("a.mp4", "b.mp4"), (0.2, 0.1), ("path", "greedy"), (0, 1))
    ]
    return rows(*cells)


def test_metrics(crossed):
    """The metrics of QUALITY in their own order, without those that no cell has."""
    assert metrics(crossed) == ["adjacent", "weak_links"]
    assert metrics(crossed.assign(adjacent=pd.NA)) == ["weak_links"]
    for table, metric in ((crossed, "seconds"), (crossed, "tau"), (crossed.assign(adjacent=pd.NA), "adjacent")):
        with pytest.raises(UsageError, match=f"{metric} is not a metric of this table: choose one of those it has"):
            best_settings(table, metric)


def test_main_effect(crossed):
    """Means by hand: path 0.9 + 0.025 - 0.01 + 0.005; values are sorted."""
    method = main_effect(crossed, "order.method", "adjacent")
    assert method.index.tolist() == ["greedy", "path"]
    assert method["mean"].tolist() == pytest.approx([0.52, 0.92])
    assert method["min"].tolist() == pytest.approx([0.48, 0.88]) and method["max"].tolist() == pytest.approx([0.56, 0.96])
    assert method["std"].tolist() == pytest.approx([statistics.stdev(_offsets())] * 2)
    assert method["count"].tolist() == [8, 8]
    eps = main_effect(crossed, "cluster.eps", "adjacent")
    assert eps.index.tolist() == [0.1, 0.2] and eps["mean"].diff().iloc[1] == pytest.approx(0.05)


def _offsets() -> list[float]:
    return [sum(some) for some in itertools.product((0, 0.05), (0, -0.02), (0, 0.01))]


def test_cells_that_are_not_done_do_not_count(crossed):
    """A cell may fail after it was measured: its figure does not count."""
    crossed.loc[crossed["order.method"] == "path", ["status", "adjacent"]] = [FAILED, 0.0]
    assert main_effect(crossed, "order.method", "adjacent").index.tolist() == ["greedy"]
    heat = pivot(crossed, "order.method", "cluster.eps", "adjacent")
    assert heat.isna().to_numpy().tolist() == [[False, False], [True, True]]
    best = best_settings(crossed, "adjacent")
    assert best["order.method"].tolist() == ["greedy", "greedy", "path", "path"]
    assert best["count"].tolist() == [4, 4, 0, 0] and best["cells"].tolist() == [4] * 4
    assert pareto_front(best, "adjacent")["order.method"].tolist() == ["greedy"]


def test_pivot(crossed):
    heat = pivot(crossed, "order.method", "cluster.eps", "adjacent")
    assert (heat.index.name, heat.columns.name) == ("order.method", "cluster.eps")
    assert (heat.index.tolist(), heat.columns.tolist()) == (["greedy", "path"], [0.1, 0.2])
    np.testing.assert_allclose(heat.to_numpy(float), [[0.495, 0.545], [0.895, 0.945]])


def test_not_done(crossed):
    """A cell that failed is named by its video and by all varied parameters, seeds included."""
    assert not_done(crossed).empty
    crossed.loc[5, ["status", "error"]] = [NO_WEIGHTS, "put it there"]
    assert not_done(crossed).to_dict("records") == [
        {"cell": "a.mp4: eps 0.1, path, seed 1", "status": NO_WEIGHTS, "error": "put it there"}
    ]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ((), ("cluster.eps", "order.method")),
        (("order.method",), ("order.method", "cluster.eps")),
        (("", "cluster.eps"), ("order.method", "cluster.eps")),
        (("embed.seed", "video"), ("embed.seed", "video")),
    ],
)
def test_axes_of_the_heat_map(crossed, named: tuple[str, ...], expected: tuple[str, str]):
    assert axes(crossed, *named) == expected
    assert not pivot(crossed, *expected, "adjacent").isna().to_numpy().any()


def test_axes_that_are_refused(crossed):
    assert axes(crossed[crossed["cluster.eps"] == 0.1].assign(**{"embed.seed": 0})) == ("order.method", "video")
    for table, named, words in (
        (crossed, ("write.crf",), "write.crf does not vary in this table: choose one of cluster.eps, order.method"),
        (crossed, ("video", "video"), "video is given twice"),
        (crossed[:1], (), "no parameter varies in this table"),
    ):
        with pytest.raises(UsageError, match=words):
            axes(table, *named)


def test_best_settings(crossed):
    """Four settings of four cells (two videos, two seeds), best first; a fixed parameter is not part of a setting."""
    best = best_settings(crossed, "adjacent")
    assert settings(best) == ["cluster.eps", "order.method"]
    assert setting_names(best) == ["eps 0.2, path", "eps 0.1, path", "eps 0.2, greedy", "eps 0.1, greedy"]
    assert best["mean"].tolist() == pytest.approx([0.945, 0.895, 0.545, 0.495])
    assert best["std"][0] == pytest.approx(statistics.stdev([0.95, 0.96, 0.93, 0.94]))
    assert (best["min"][0], best["max"][0]) == pytest.approx((0.93, 0.96))
    assert best["count"].tolist() == best["cells"].tolist() == [4] * 4
    assert verdict(best, "adjacent") == "The best of 4 settings is eps 0.2, path: adjacent 0.945, 4.0 s."
    cell = best_cell(crossed, best)
    assert (cell["video"], cell["cluster.eps"], cell["order.method"], cell["embed.seed"]) == ("a.mp4", 0.2, "path", 0)


def test_less_may_be_better(crossed):
    best = best_settings(crossed, "weak_links")
    assert best["mean"].tolist() == [3, 3, 9, 9]
    front = pareto_front(best, "weak_links")
    assert front["mean"].tolist() == [9, 3] and front["seconds"].tolist() == [2, 4]


def test_what_failed_once_comes_last(crossed):
    """The best setting fails on one video with one seed: its mean over the rest is too optimistic."""
    crossed.loc[0, "status"] = FAILED
    best = best_settings(crossed, "adjacent")
    assert setting_names(best) == ["eps 0.1, path", "eps 0.2, greedy", "eps 0.1, greedy", "eps 0.2, path"]
    assert best["count"].tolist() == [4, 4, 4, 3]
    crossed["status"] = [FAILED if seed else DONE for seed in crossed["embed.seed"]]
    best = best_settings(crossed, "adjacent")
    assert verdict(best, "adjacent") == "No setting has a result in all its cells; the best of the others is eps 0.2, path."
    assert pareto_front(best, "adjacent").empty


def test_ties_are_reported():
    """Equal to four digits; the fastest is named, and a slower one that is as good is not on the front."""
    table = rows(
        {"cluster.eps": 0.1, "adjacent": 0.30004, "seconds": 3.0},
        {"cluster.eps": 0.2, "adjacent": 0.3, "seconds": 2.0},
        {"cluster.eps": 0.3, "adjacent": 0.2, "seconds": 1.0},
    )
    best = best_settings(table, "adjacent")
    assert verdict(best, "adjacent") == "2 of 3 settings tie at adjacent 0.300; the fastest of them is eps 0.2 (2.0 s)."
    assert verdict(best[:2], "adjacent") == "All 2 settings tie at adjacent 0.300; the fastest of them is eps 0.2 (2.0 s)."
    assert pareto_front(best, "adjacent")["cluster.eps"].tolist() == [0.3, 0.2]


def test_one_setting_on_some_videos():
    """Only the video varies: the single setting still has a spread."""
    best = best_settings(rows({"video": "a.mp4", "tau": 0.8}, {"video": "b.mp4", "tau": 1.0}), "tau")
    assert (len(best), best["mean"][0], best["count"][0], setting_names(best)) == (1, pytest.approx(0.9), 2, ["the only one"])
    assert best_cell(rows({"tau": 0.8}), best)["tau"] == 0.8


def test_parameters_that_do_not_affect_a_cell():
    """Two clusterers, each over its own parameter: the effect of eps comes from DBSCAN's cells alone, and commands leave out
    parameters without effect. HDBSCAN's cells with different eps are one setting."""
    table = without_unused(
        rows(
            {"cluster.clusterer": "dbscan", "cluster.eps": 0.1, "cluster.min_cluster_size": 10, "tau": 0.2},
            {"cluster.clusterer": "dbscan", "cluster.eps": 0.2, "cluster.min_cluster_size": 20, "tau": 0.4},
            {"cluster.clusterer": "hdbscan", "cluster.eps": 0.1, "cluster.min_cluster_size": 5, "tau": 0.9, "seconds": 4},
            {"cluster.clusterer": "hdbscan", "cluster.eps": 0.2, "cluster.min_cluster_size": 5, "tau": 0.7, "seconds": 6},
            {"cluster.clusterer": "hdbscan", "cluster.eps": 0.2, "cluster.min_cluster_size": 8, "tau": 0.1, "seconds": 1},
        )
    )
    assert main_effect(table, "cluster.eps", "tau")["mean"].tolist() == [0.2, 0.4]
    assert main_effect(table, "cluster.min_cluster_size", "tau")["count"].tolist() == [2, 1]
    best = best_settings(table, "tau")
    assert setting_names(best) == [
        "hdbscan, min_cluster_size 5", "dbscan, eps 0.2", "dbscan, eps 0.1", "hdbscan, min_cluster_size 8"
    ]  # fmt: skip
    assert best["mean"].tolist() == pytest.approx([0.8, 0.4, 0.2, 0.1]) and best["cells"].tolist() == [2, 1, 1, 1]
    assert best["seconds"].tolist() == [5, 1, 1, 1]
    assert pivot(table, "cluster.clusterer", "cluster.eps", "tau").isna().to_numpy().tolist() == [[False, False], [True, True]]
    cell = best_cell(table, best)
    assert cell["tau"] == 0.9
    assert run_command(cell, "a", "b").endswith("-p cluster.clusterer=hdbscan -p cluster.min_cluster_size=5")
    fixed = without_unused(rows({"cluster.eps": 0.1}, {"cluster.xi": 0.1}))  # the clusterer is not in the table: the default's
    assert fixed["cluster.eps"].notna().tolist() == [True, False] and fixed["cluster.xi"].isna().all()


def test_grids_and_lists(crossed):
    assert is_crossed(crossed) and not is_crossed(crossed[1:])


# --- commands -------------------------------------------------------------------------------------------------------------


CELL = {
    "write.crf": 20, "order.alpha": 0.3, "order.method": "greedy", "match.ratio": 1.0, "match.matcher": "superglue",
    "write.stabilise": True, "embed.backbone": "my net",
}  # fmt: skip


def test_run_command():
    """Defaults are left out, the order is that of the stages, names with spaces are quoted; the command parses the same."""
    command = run_command(rows(CELL).iloc[0], "a b.mp4", "runs/best")
    assert command == (
        "workbench run 'a b.mp4' --out runs/best -p 'embed.backbone=my net' -p match.ratio=1.0 -p order.method=greedy "
        "-p order.alpha=0.3 -p write.crf=20 -p write.stabilise=True"
    )
    read = reconstruct.run_command.make_context("run", shlex.split(command)[2:]).params
    assert (str(read["video"]), str(read["out"])) == ("a b.mp4", "runs/best")
    values = dict(reconstruct._pair(value) for value in read["values"])
    assert stage_parameters(values) == stage_parameters(CELL)


@pytest.mark.parametrize(
    ("cell", "varied", "first"),
    [
        (CELL, ["order.alpha"], 1),
        (CELL | {"embed.backbone": "resnet18-photos", "match.ratio": 0.8}, ["order.alpha"], 5),
        ({"cluster.eps": 0.0}, ["cluster.eps"], 3),
        ({"video.proxy_size": 300}, ["video.proxy_size"], 0),
    ],
)
def test_papermill_commands(cell: dict, varied: list[str], first: int):
    """From the first notebook with a changed parameter to the last; every notebook has the parameters it is given, or takes
    them although they have no line in its cell."""
    lines = [shlex.split(line) for line in papermill_commands(rows(cell).iloc[0], varied, "../a.mp4", "../runs/best")]
    given = {}
    for name, words in zip(CHAIN[first:], lines, strict=True):
        assert words[:3] == ["papermill", f"{name}.ipynb", f"../runs/best/{name}.ipynb"]
        values = dict(zip(words[4::3], words[5::3], strict=True))
        assert words[3::3] == ["-p"] * len(values)
        assert (values.pop("run_path"), values.pop("overwrite"), values.pop("interactive")) == ("../runs/best", "True", "False")
        assert values.pop("video", "") == ("../a.mp4" if name == CHAIN[0] else "")
        kinds = [stage.parameters for stage in STAGES.values() if stage.notebook == name]
        taken = {item.name for kind in kinds for item in fields(kind) if not item.metadata["in_cell"]}
        assert values.keys() <= papermill.inspect_notebook(str(notebooks_folder() / f"{name}.ipynb")).keys() | taken
        given |= {name: papermill_value(value) for name, value in values.items()}
    assert stage_parameters(given) == stage_parameters(cell)


def test_source(tmp_path):
    """The run of a cell records the path of its video; a table without runs has the path in the sweep file."""
    cell = rows({"video": "../a.mp4"}).iloc[0]
    assert source(cell, tmp_path) == "../a.mp4"
    assert source(rows({"video": "../a.mp4", "run": None}).iloc[0], tmp_path) == "../a.mp4"  # measured without a run
    video = encode(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 2)
    Run.create(tmp_path / "sweep" / "cells" / "x", video)
    for table in (tmp_path / "sweep", tmp_path / "sweep" / "sweep.csv"):
        assert source(cell, table) == str(video)

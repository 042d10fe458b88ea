"""Sweeps: the file, the cells and the results they share, the table, and failures on the way.

The video is :func:`tiny.mixture`: scenes of 14 and 10 frames and three foreign pictures, blurred noise embedded by rank-vlad,
which separates them at eps 0.2 to 0.4; at 0.001 no frame has a neighbour, and no scene is found. A cell without notebooks
takes less than a second once everything is imported.
"""

import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import dask
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from distributed import LocalCluster
from filelock import FileLock

from tests import ROOT
from tests.helpers.tiny import check_result, encode, mixture, refused, workbench
from workbench.errors import UsageError
from workbench.evaluation.files import OUTLIER, TruthRow, truth_path
from workbench.matching.nearest import SiftFlann
from workbench.notebooks.chain import CHAIN
from workbench.pipeline import match_scenes, stages, workers, writing
from workbench.pipeline.editing import flip_scenes
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.sweep.cells import read_result, run_cell, run_cells, write_result, write_table
from workbench.sweep.plan import read_sweep
from workbench.sweep.table import DONE, FAILED, NO_WEIGHTS

FAST = {"embed.backbone": "rank-vlad", "match.matcher": "sift-flann"}


@pytest.fixture
def clip(tmp_path) -> Path:
    """:func:`tiny.mixture` as ``clip.mp4``, with its truth beside it."""
    rows = [TruthRow(k, "left" if frame < 14 else "right", int(frame)) for k, frame in enumerate(_shuffled())]
    rows += [TruthRow(24 + k, OUTLIER, k) for k in range(3)]
    table = pd.DataFrame(rows)
    table.loc[table["clip"] == "right", "frame"] -= 14
    table.to_csv(tmp_path / "clip.truth.csv", index=False)
    return encode(tmp_path / "clip.mp4", mixture())


def _shuffled() -> np.ndarray:
    return np.random.default_rng(3).permutation(24)


def sweep_file(clip: Path, parameters: dict, **more: object) -> Path:
    """A sweep file beside ``clip``, of fast cells without notebooks unless ``more`` says otherwise."""
    content = {"question": "Which?", "videos": [clip.name], "runner": "stages", "fixed": FAST, "parameters": parameters} | more
    path = clip.with_name("sweep.yaml")
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def without_seconds(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in table.columns if not name.startswith("seconds")]]


# --- the file -------------------------------------------------------------------------------------------------------------


def test_grid(clip):
    """All combinations, the last parameter changing fastest; short names become dotted, and paths are relative to the file."""
    sweep = read_sweep(sweep_file(clip, {"grid": {"eps": [0.2, 0.3], "order.method": ["path", "greedy"]}}))
    assert (sweep.question, sweep.varied) == ("Which?", ("cluster.eps", "order.method"))
    assert [tuple(cell.parameters.values()) for cell in sweep.cells] == [
        (0.2, "path"),
        (0.2, "greedy"),
        (0.3, "path"),
        (0.3, "greedy"),
    ]
    assert len({cell.name for cell in sweep.cells}) == 4
    for cell in sweep.cells:
        assert cell.given == FAST | cell.parameters
        assert (cell.video, cell.source, cell.runner) == ("clip.mp4", clip.resolve(), "stages")


def test_list_has_the_rest_from_fixed_and_defaults(clip):
    wanted = {"list": [{"eps": 0.2}, {"clusterer": "hdbscan", "min_cluster_size": 5}]}
    sweep = read_sweep(sweep_file(clip, wanted))
    assert sweep.varied == ("cluster.eps", "cluster.clusterer", "cluster.min_cluster_size")
    assert [tuple(cell.parameters.values()) for cell in sweep.cells] == [(0.2, "dbscan", 10), (0.0, "hdbscan", 5)]


def test_sample_is_seeded_and_in_range(clip):
    """Draws are uniform: of 200 draws from 0 to 2, about half are below 1; the same seed draws the same values."""
    chosen = {"eps": [0, 2], "min_samples": [2, 4], "matcher": ["sift-flann", "sift-exact"]}
    files = {"embed.backbone": "rank-vlad"}

    def draw(seed: int) -> list[tuple]:
        wanted = {"sample": {"count": 200, "seed": seed, "from": chosen}}
        return [tuple(cell.parameters.values()) for cell in read_sweep(sweep_file(clip, wanted, fixed=files)).cells]

    drawn = draw(7)
    eps, samples, matchers = zip(*drawn, strict=True)
    assert len(set(eps)) == 200 and min(eps) >= 0 and max(eps) <= 2
    assert 70 < sum(value < 1 for value in eps) < 130
    assert min(Counter(samples).values()) > 40 and set(samples) == {2, 3, 4}
    assert min(Counter(matchers).values()) > 70 and len(set(matchers)) == 2
    assert draw(7) == drawn != draw(8)


def test_the_name_of_a_cell_covers_everything_that_decides_its_result(clip):
    """The effective parameters count, not how they are written; video and truth count by their bytes."""

    def name(parameters: dict, **more: object) -> str:
        return read_sweep(sweep_file(clip, {"list": [parameters]}, **more)).cells[0].name

    first = name({"eps": 0.3})
    assert (
        name({"cluster.eps": 0.3, "min_samples": 3})
        == first
        == name({"backbone": "rank-vlad"}, fixed={"matcher": "sift-flann", "eps": 0.3})
    )
    assert first not in (name({"eps": 0.31}), name({"eps": 0.3}, runner="notebooks"))
    truth = clip.with_name("clip.truth.csv")
    truth.write_text(truth.read_text().replace("left", "first"))
    assert name({"eps": 0.3}) != first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parameters": {"grid": {"epsilon": [1]}}}, ["unknown parameter epsilon; known: ", "cluster.eps", "write.crf"]),
        ({"parameters": {"grid": {"clusters.eps": [1]}}}, ["unknown parameter clusters.eps; known: ", "cluster.eps"]),
        ({"parameters": {"grid": {"eps": [0.1, 3.0]}}}, ["eps=3.0 is out of range", "0 to 2"]),
        ({"parameters": {"grid": {"eps": 0.1}}}, ["eps must be a list of values"]),
        ({"parameters": {"grid": {"eps": []}}}, ["eps must be a list of values, as [...], with at least one"]),
        ({"parameters": {"grid": {}}}, ["grid names no parameter"]),
        ({"parameters": {"grid": {"eps": [0.1], "cluster.eps": [0.2]}}}, ["eps is given twice"]),
        ({"parameters": {"grid": {"matcher": ["sift-exact"]}}}, ["match.matcher is both fixed and varied"]),
        ({"parameters": {"gird": {"eps": [0.1]}}}, ["parameters is gird: give one of grid, list, sample"]),
        ({"parameters": {}}, ["parameters is empty: give one of grid, list, sample"]),
        ({"parameters": {"list": [0.1]}}, ["list must be a list of dictionaries"]),
        (
            {"parameters": {"sample": {"count": 3, "from": {"eps": [0, 1]}}}},
            ["sample has count, from: give count, seed and from"],
        ),
        ({"parameters": {"sample": {"count": 0, "seed": 1, "from": {"eps": [0, 1]}}}}, ["count is 0: give a whole number"]),
        ({"parameters": {"sample": {"count": 3, "seed": 1, "from": {"eps": [0, float("inf")]}}}}, ["eps=inf is out of range"]),
        (
            {"parameters": {"sample": {"count": 3, "seed": 1, "from": {"crf": [0, 10**30]}}}},
            ["range: constant rate factor"],
        ),
        ({"parameters": {"grid": {"eps": [[0.1, 0.2]]}}}, ["eps=[0.1, 0.2] must be of type float"]),
        ({"parameters": {"grid": {"eps": [0.1, 0.3, 0.1]}}}, ["clip.mp4 with cluster.eps 0.1 is there twice"]),
        ({"parameters": {"list": [{"eps": 0.1}, {"cluster.eps": 0.1, "crf": 18}]}}, ["is there twice: give every video"]),
        ({"videos": ["clip.mp4", "./clip.mp4"]}, ["./clip.mp4 with cluster.eps 0.1 is there twice: give every video"]),
        ({"fixed": {"min_samples": "few"}}, ["min_samples='few' must be of type int"]),
        ({"fixed": ["eps"]}, ["fixed must be names with values"]),
        ({"video": "clip.mp4"}, ["video is not known; known: question, videos, runner, fixed, parameters"]),
        ({"trials": 3}, ["trials belongs to a search: add `search: optuna`"]),
        ({"videos": []}, ["videos must be a list of paths"]),
        ({"videos": ["clip.mp4", "gone.mp4"]}, ["the video gone.mp4 is not there", "relative to the sweep file"]),
        ({"videos": ["clip.truth.csv"]}, ["clip.truth.csv"]),
        ({"runner": "papermill"}, ["runner 'papermill' is not known; known: notebooks, stages"]),
        ({"parameters": {"grid": {"proxy_size": list(range(64, 164)), "crf": list(range(11))}}}, ["1,100 cells", "--yes"]),
        ({"parameters": {"sample": {"count": 10**6, "seed": 0, "from": {"eps": [0, 1]}}}}, ["1,000,000 cells", "--yes"]),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[0][:30],
)
def test_bad_files(clip, tmp_path, change, words):
    """One line lists the valid names or says what to do, before anything is written."""
    file = sweep_file(clip, {"grid": {"eps": [0.1]}})
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | change))
    answer = workbench("sweep", file, "--out", tmp_path / "out")
    refused(answer, 1 if change == {"videos": ["clip.truth.csv"]} else 2, *words)
    assert not (tmp_path / "out").exists()


# Nine lists, each of nine references to the one before: 387 million values in a few lines.
BOMB = b"a0: &a0 [1]\n" + b"".join(b"a%d: &a%d [%s]\n" % (k, k, b", ".join([b"*a%d" % (k - 1)] * 9)) for k in range(1, 10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "a sweep file must be names with values"),
        (b"- a list", "a sweep file must be names with values"),
        (b"videos: [clip.mp4", "is not valid YAML"),
        (b"\xff\xfe", "is not valid YAML"),
        (b"videos: [clip.mp4]", "lacks parameters"),
        (b"question: 2026-02-30", "is not valid YAML"),
        (b"question: " + b"1" * 5000, "is not valid YAML"),
        (b"videos: " + b"[" * 50_000, "or lists nested too deeply"),
        (b"question: '" + b"?" * 2**20 + b"'", "has more than 1 MiB"),
        (BOMB, "has references (*NAME)"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_files_that_are_not_a_sweep(tmp_path, text, words):
    (tmp_path / "sweep.yaml").write_bytes(text)
    refused(workbench("sweep", tmp_path / "sweep.yaml"), 2, "sweep.yaml", words)


def test_paths_that_cannot_be_used(clip, tmp_path):
    """A missing sweep file, and an output folder that cannot be made."""
    refused(workbench("sweep", tmp_path / "gone.yaml"), 2, "gone.yaml cannot be read", "give the path of a sweep file")
    refused(workbench("sweep", tmp_path), 2, "is not a file: give the path of a sweep file")
    file = sweep_file(clip, {"grid": {"eps": [0.1]}})
    for out in (clip, clip / "below"):
        refused(workbench("sweep", file, "--out", out), 2, f"{out} is no folder, or lies in none: choose another --out")


def test_a_million_cells_are_counted_not_made(clip):
    """The answer is immediate; ``--yes`` allows many cells."""
    file = sweep_file(
        clip, {"grid": {"crf": list(range(50)), "proxy_size": list(range(64, 264)), "max_keypoints": list(range(16, 116))}}
    )
    start = time.perf_counter()
    with pytest.raises(UsageError, match="1,000,000 cells: pass --yes"):
        read_sweep(file)
    assert time.perf_counter() - start < 2
    file = sweep_file(clip, {"grid": {"crf": list(range(50)), "proxy_size": list(range(64, 88))}})
    assert len(read_sweep(file, many=True).cells) == 1200


def test_the_ready_sweeps_can_be_read():
    files = sorted((ROOT / "sweeps").glob("*.yaml"))
    assert files
    for file in files:
        sweep = read_sweep(file)
        assert sweep.question.endswith("?") and sweep.size > 1, file


# --- the cells ------------------------------------------------------------------------------------------------------------


def count_calls(monkeypatch, *names: str) -> Counter:
    """Count the calls of functions that the computations of the stages use, by their names."""
    calls = Counter()
    for name in names:
        target = {"search": match_scenes, "write_parts": writing}.get(name, stages)
        true = getattr(target, name)

        def counted(*args, _true=true, _name=name, **kwargs):
            calls[_name] += 1
            return _true(*args, **kwargs)

        monkeypatch.setattr(target, name, counted)
    return calls


def test_shared_stages_are_computed_once(short, tmp_path, monkeypatch):
    """20 values of eps cost one embedding and one clustering per value; later stages run once for all that find the same
    scenes. The cost is below 2.5 runs, in processor seconds. Every cell has the files and figures of a separate run."""
    values = [round(0.3 + 0.01 * k, 3) for k in range(20)]
    shutil.copy(truth_path(short), tmp_path)
    video = Path(shutil.copy(short, tmp_path))
    sweep = read_sweep(sweep_file(video, {"grid": {"eps": values}}, fixed={"backbone": "rank-vlad"}))
    chosen, alone = sweep.cells[10], Run.create(tmp_path / "alone", short)
    run_cell(chosen, tmp_path / "warm")  # so that imports are not measured
    start = time.process_time()
    stages.reconstruct(alone, stage_parameters(chosen.given), truth_path(short), progress=False)
    once = time.process_time() - start

    calls = count_calls(monkeypatch, "read_proxies", "embed", "cluster", "extract", "search", "write_parts")
    start = time.process_time()
    for cell in sweep.cells:
        assert run_cell(cell, tmp_path)["status"] == DONE
    cost = (time.process_time() - start) / once
    print(f"20 values of eps cost {cost:.2f} runs")
    assert cost < 2.5
    found = {tuple(Run.open(tmp_path / "cells" / cell.name).labels()) for cell in sweep.cells}
    assert (calls["read_proxies"], calls["embed"], calls["extract"], calls["cluster"]) == (1, 1, 1, 20)
    assert calls["search"] == len(found) < 6
    run = tmp_path / "cells" / chosen.name
    for name in ("order.csv", "transforms.csv", "embeddings.npy", "clusters.csv", "scenes.csv", "frames.csv"):
        assert (run / name).read_bytes() == (alone.path / name).read_bytes(), name
    check_result(run, short, exact=False)
    mine, other = (json.loads((path / "metrics.json").read_text()) for path in (run, alone.path))
    assert {k: v for k, v in mine.items() if "seconds" not in k} == {k: v for k, v in other.items() if "seconds" not in k}


def test_pairs_are_matched_once(clip, tmp_path, monkeypatch):
    """Cells with different budgets compare different pairs, many of them in common: only the first cell matches those, unless
    the matcher differs. The result of the second cell is the same as without sharing."""
    matched = count_matched(monkeypatch)
    values = [{"match.pairs_per_frame": 8}, {"match.pairs_per_frame": 0}, {"match.ratio": 0.7}]
    counts = []
    for cell in read_sweep(sweep_file(clip, {"list": values})).cells:
        run_cell(cell, tmp_path)
        found = Run.open(tmp_path / "cells" / cell.name)
        counts.append((len(matched), found.info("match")["pairs"]))
        assert found.info("match")["shared_pairs"] == counts[-1][1] - len(matched)
        matched.clear()
        alone = Run.create(tmp_path / f"alone{len(counts)}", clip)
        stages.reconstruct(alone, stage_parameters(cell.given), progress=False)
        assert len(matched) == counts[-1][1]
        for name in ("matches.h5", "order.csv"):
            assert (alone.path / name).read_bytes() == (found.path / name).read_bytes(), name
        matched.clear()
    (first, budget), (second, all_pairs), (third, other) = counts
    assert first == budget and third == other
    assert second == all_pairs - budget


def count_matched(monkeypatch, seconds: float = 0.0) -> list[int]:
    """A list that gets an item for every pair matched from now on; each pair takes ``seconds`` longer."""
    matched, true = [], SiftFlann._match

    def slow(self, a, b):
        matched.append(1)
        time.sleep(seconds)
        return true(self, a, b)

    monkeypatch.setattr(SiftFlann, "_match", slow)
    return matched


@pytest.mark.parametrize("rate", [None, "100.0", "", "NaN", '"a"', "-1.0", "{}"])
def test_the_time_of_shared_pairs_is_counted(clip, tmp_path, monkeypatch, rate):
    """A pair takes at least 20 ms in the first cell, one after the other, or 100 s as its store reports; the second cell, which
    takes the pairs from the store, counts the same. A value that is not a number of seconds counts as 0 and is no error."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    count_matched(monkeypatch, 0.02)
    first, second = read_sweep(sweep_file(clip, {"grid": {"match.pairs_per_frame": [8, 6]}})).cells
    run_cell(first, tmp_path)
    (file,) = tmp_path.glob("store/pairs-*/seconds_each.json")
    assert 0.02 < float(file.read_text()) < 0.1
    if rate is not None:
        file.write_text(rate)
    assert run_cell(second, tmp_path)["status"] == DONE
    found = Run.open(tmp_path / "cells" / second.name)
    info, seconds = found.info("match"), found.seconds()["match"]
    each = {None: info["shared_seconds"] / info["shared_pairs"], "100.0": 100}.get(rate, 0)
    assert info["shared_seconds"] == pytest.approx(each * info["shared_pairs"], rel=1e-3)
    assert info["shared_pairs"] > 50 and seconds > info["shared_seconds"] and (rate is not None or each > 0.02)


def test_matches_outlast_a_full_disk(clip, tmp_path, monkeypatch):
    """The store has no room for the matches; once there is room, no pair is matched a second time."""
    matched = count_matched(monkeypatch)
    (cell,) = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3]}})).cells

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("workbench.run.store.Pool.add", full)
        with pytest.raises(OSError, match="No space left on device"):
            run_cell(cell, tmp_path)
    assert matched
    matched.clear()
    assert run_cell(cell, tmp_path)["status"] == DONE and not matched


def test_a_link_in_place_of_shared_matches(clip, tmp_path):
    """Nothing is written to the target of the link."""
    first, second = read_sweep(sweep_file(clip, {"grid": {"match.pairs_per_frame": [8, 6]}})).cells
    run_cell(first, tmp_path)
    (pool,) = (path for path in tmp_path.glob("store/pairs-*") if path.is_dir())
    pool.rename(tmp_path / "mine")
    pool.symlink_to(tmp_path / "mine")
    before = sorted(path.name for path in (tmp_path / "mine").iterdir())
    result = run_cell(second, tmp_path)
    assert result["status"] == FAILED and "is a link" in result["error"]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == before


def test_a_shared_result_is_never_changed_by_a_cell(clip, tmp_path):
    """An edit in the run of one cell stays there: the other cells and the store keep the computed order."""
    sweep = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3, 0.31, 0.32]}}))
    first, second, third = sweep.cells
    for cell in (first, second):
        run_cell(cell, tmp_path)
    orders = [tmp_path / "cells" / cell.name / "order.csv" for cell in (first, second, third)]
    before = orders[0].read_bytes()
    flip_scenes(Run.open(orders[0].parent), None, progress=False)
    assert orders[0].read_bytes() != before == orders[1].read_bytes()
    run_cell(third, tmp_path)
    assert orders[2].read_bytes() == before


def test_changes_in_an_editor_stay_in_their_cell(clip, tmp_path):
    """Many editors, as that of JupyterLab, write into the existing file. Text files are no links, so no other cell changes."""
    first, second = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3, 0.31]}})).cells
    for cell in (first, second):
        run_cell(cell, tmp_path)
    folder = tmp_path / "cells" / first.name
    links = {path.name: path.stat().st_nlink for path in folder.iterdir() if path.is_file()}
    texts = [name for name in links if name.endswith((".csv", ".txt"))]
    assert len(texts) >= 7 and {links[name] for name in texts} == {1}
    assert links["features.h5"] == links["embeddings.npy"] == 3  # two cells and the store
    assert links["matches.h5"] == 4  # the store has it as a whole and for its pairs
    before = (tmp_path / "cells" / second.name / "order.csv").read_bytes()
    with (folder / "order.csv").open("a") as file:
        file.write("by hand\n")
    kept = [path.read_bytes() for path in tmp_path.glob("**/order.csv") if path.parent != folder]
    assert kept == [before, before]


def test_another_version_of_the_code_shares_nothing(clip, tmp_path, monkeypatch):
    """Otherwise one table would mix results of older and newer code."""
    file = sweep_file(clip, {"grid": {"eps": [0.3]}})
    (old,) = read_sweep(file).cells
    run_cell(old, tmp_path)
    for module in ("sweep.plan", "run.store"):
        monkeypatch.setattr(f"workbench.{module}.code_digest", lambda: "newer")
    (new,) = read_sweep(file).cells
    calls = count_calls(monkeypatch, "embed")
    assert new.name != old.name and run_cell(new, tmp_path)["status"] == DONE and calls["embed"] == 1


def test_a_cell_is_run_by_one_worker_at_a_time(clip, tmp_path, monkeypatch):
    """The worker of a killed sweep may still run its cell; the worker of the next sweep waits and uses its result."""
    (cell,) = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3]}})).cells
    (tmp_path / "cells").mkdir()
    monkeypatch.setattr("workbench.sweep.cells._reconstruct", lambda *_: pytest.fail("the other worker did it"))
    with ThreadPoolExecutor(1) as pool:
        with FileLock(tmp_path / "cells" / f"{cell.name}.lock"):
            result = pool.submit(run_cell, cell, tmp_path)
            time.sleep(0.2)
            assert not result.done()
            write_result(cell, tmp_path, DONE)
        assert result.result(timeout=20)["status"] == DONE


def test_a_truth_that_does_not_fit(clip, tmp_path, monkeypatch):
    """The truth has 26 of 27 frames: the cell fails before anything but the video is read."""
    truth = clip.with_name("clip.truth.csv")
    truth.write_text("".join(truth.read_text().splitlines(keepends=True)[:-1]))
    (cell,) = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3]}})).cells
    calls = count_calls(monkeypatch, "embed")
    result = run_cell(cell, tmp_path)
    assert result["status"] == FAILED and "26" in result["error"] and "27" in result["error"] and not calls


def test_stages_with_other_parameters_of_earlier_stages_are_not_shared(clip, tmp_path):
    """Alignment reads the threshold of RANSAC: cells that differ in it share no alignment, even where the pairs are equal."""
    sweep = read_sweep(sweep_file(clip, {"grid": {"register.threshold": [3.0, 3.0000001]}}))
    for cell in sweep.cells:
        run_cell(cell, tmp_path)
    records = [Run.open(tmp_path / "cells" / cell.name).record["stages"] for cell in sweep.cells]
    same = [name for name in records[0] if records[0][name]["shared"] == records[1][name]["shared"]]
    assert same == ["video", "embed", "cluster", "features", "match"]


def test_failing_cells_are_rows(clip, tmp_path, monkeypatch):
    """No scene, no weights, a fault of the program: each has its status and one line; earlier results are in its row."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    wanted = [{"eps": 0.3}, {"eps": 0.001}, {"keypoints": "superpoint"}, {"crf": 30}]
    sweep = read_sweep(sweep_file(clip, {"list": wanted}, fixed=FAST | {"seed": 1}))
    true = writing.write_parts

    def fault(source: Path, orders: list, names: list, codec: str, crf: int, **more: object) -> object:
        if crf == 30:
            raise ValueError("first line\nsecond line")
        return true(source, orders, names, codec, crf, **more)

    monkeypatch.setattr(writing, "write_parts", fault)
    for cell in sweep.cells:
        run_cell(cell, tmp_path)
    table = write_table(sweep, tmp_path)
    assert list(table["status"]) == [DONE, FAILED, NO_WEIGHTS, FAILED]
    assert table["error"][0] == ""
    assert "no scene was found: all 27 frames" in table["error"][1]
    assert "magic-leap-community/superpoint" in table["error"][2]
    assert table["error"][3] == "ValueError: first line second line"
    assert list(table["outliers"].isna()) == [False, False, True, False] and table["outliers"][1] == 27
    assert list(table["scene_f1"].fillna(-1))[:3] == [1, 0, -1]
    read = pd.read_parquet(tmp_path / "sweep.parquet")
    pd.testing.assert_frame_equal(read, table)
    assert (table.dtypes["crf" if "crf" in table else "write.crf"], table.dtypes["outliers"]) == ("Int64", "Int64")
    again = pd.read_csv(tmp_path / "sweep.csv")
    assert list(again.columns) == list(table.columns) and list(again["cluster.eps"]) == [0.3, 0.001, 0, 0]
    parameters = ["cluster.eps", "features.keypoints", "write.crf", *FAST, "embed.seed"]
    assert list(again.columns)[: len(parameters) + 4] == ["video", *parameters, "status", "error", "seconds"]


def test_full_disk_stops_and_loses_nothing(clip, tmp_path, monkeypatch):
    """A full disk is not the result of a cell; once there is room, only the missing stages are computed."""
    (cell,) = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3]}})).cells

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "clusters.csv")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "cluster", full)
        with pytest.raises(OSError, match="No space left on device"):
            run_cell(cell, tmp_path)
    assert read_result(cell, tmp_path) is None
    with monkeypatch.context() as patch:  # the store itself may have no room
        patch.setattr(os, "link", full)
        patch.setattr("workbench.run.store.shutil.copyfile", full)
        with pytest.raises(OSError, match="No space left on device"):
            run_cell(cell, tmp_path)
    assert read_result(cell, tmp_path) is None
    assert not list((tmp_path / "store").glob(".*"))
    calls = count_calls(monkeypatch, "read_proxies", "embed", "cluster", "extract")
    assert run_cell(cell, tmp_path)["status"] == DONE
    assert calls == {"extract": 1}


def test_results_are_copied_where_links_are_refused(clip, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    cells = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3, 0.31]}})).cells
    calls = count_calls(monkeypatch, "read_proxies", "embed", "write_parts")
    assert [run_cell(cell, tmp_path)["status"] for cell in cells] == [DONE, DONE]
    assert (calls["read_proxies"], calls["embed"]) == (1, 1)


def test_a_sweep_that_was_moved_still_shares(clip, tmp_path, monkeypatch):
    first, second = read_sweep(sweep_file(clip, {"grid": {"eps": [0.3, 0.31]}})).cells
    run_cell(first, tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    calls = count_calls(monkeypatch, "embed")
    run_cell(second, tmp_path / "there")
    assert calls["embed"] == 0


# --- on Dask --------------------------------------------------------------------------------------------------------------

EPS = [0.2, 0.25, 0.3, 0.35, 0.001, 0.4]


def command(file: Path, out: Path, *more: object) -> list[str]:
    program = "from workbench.cli.app import main; main()"
    return [sys.executable, "-c", program, "sweep", str(file), "--out", str(out), *map(str, more)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """A sweep file of six cells, one of which fails, and its table, made cell by cell in this process."""
    folder = tmp_path_factory.mktemp("whole")
    clip = encode(folder / "clip.mp4", mixture())
    sweep = read_sweep(sweep_file(clip, {"grid": {"eps": EPS}}))
    for cell in sweep.cells:
        run_cell(cell, folder / "out")
    return folder / "sweep.yaml", write_table(sweep, folder / "out")


def check_table(out: Path, whole: pd.DataFrame) -> None:
    """The table in ``out`` is that of an undisturbed sweep, except for seconds and the folder's name in errors."""
    table, expected = (without_seconds(frame) for frame in (pd.read_parquet(out / "sweep.parquet"), whole))
    assert list(table["status"]) == [DONE] * 4 + [FAILED, DONE]
    assert "no scene was found" in table["error"][4]
    pd.testing.assert_frame_equal(table.drop(columns="error"), expected.drop(columns="error"))


def test_on_this_machine(whole, tmp_path):
    """The sweep starts its own cluster. A folder serves one sweep at a time."""
    file, expected = whole
    answer = workbench("sweep", file, "--out", tmp_path / "out")
    assert answer.status == 0, answer
    assert answer.out.splitlines() == [
        "6 cells: 5 done, 1 failed",
        str(tmp_path / "out" / "sweep.csv"),
        str(tmp_path / "out" / "sweep.parquet"),
    ]
    *lines, note = answer.err.splitlines()
    assert {line.split(" ", 1)[0] for line in lines} == {f"{k}/6" for k in range(1, 7)}
    assert note.startswith("note: 1 x no scene was found") and "/cells/ID/order.csv sets them aside" in note
    check_table(tmp_path / "out", expected)
    with FileLock(tmp_path / "out" / ".lock"):
        refused(workbench("sweep", file, "--out", tmp_path / "out"), 2, "another sweep works in", "--out")


def test_a_search(clip, tmp_path):
    """Three trials, two at a time: the best is printed, the figure is there, and a second call runs nothing."""
    ranges = {"match.ratio": {"low": 0.6, "high": 0.95}}
    wanted = {"search": "optuna", "metric": "adjacent", "trials": 3, "batch": 2}
    file = sweep_file(clip, {"ranges": ranges}, **wanted)
    answer = workbench("sweep", file, "--out", tmp_path / "out")
    assert answer.status == 0, answer
    first, best, *files = answer.out.splitlines()
    table = pd.read_parquet(tmp_path / "out" / "sweep.parquet")
    top = table.loc[table["adjacent"].idxmax()]
    assert (
        first == "3 cells: 3 done"
        and best == f"best of 3 trials: ratio {top['match.ratio']:.6g}: adjacent {top['adjacent']:.4g}"
    )
    assert files == [str(tmp_path / "out" / name) for name in ("sweep.csv", "sweep.parquet", "importance.png")]
    assert cv2.imread(files[-1]) is not None
    assert [line.split(" ", 1)[0] for line in answer.err.splitlines()] == ["1/3", "2/3", "3/3"]
    assert 0.8 in set(table["match.ratio"][:2])  # the first trial has the default
    again = workbench("sweep", file, "--out", tmp_path / "out")
    assert (again.out, again.err) == (answer.out, "")


def test_killed_and_started_again(whole, tmp_path):
    """SIGKILL after the second cell: finished cells are not run again, and the table is the same."""
    file, expected = whole
    out = tmp_path / "out"
    process = subprocess.Popen(command(file, out), stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: len(list(out.glob("cells/[0-9a-f]*.json"))) >= 2, process)
    process.kill()
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in out.glob("cells/[0-9a-f]*.json")}
    done = {path: when for path, when in finished.items() if json.loads(path.read_text())["status"] == DONE}
    assert done and not (out / "sweep.csv").exists()
    subprocess.run(command(file, out), check=True, capture_output=True, timeout=120)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    check_table(out, expected)


def wait_for(happened, process: subprocess.Popen, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, "the sweep ended too early"
        assert time.monotonic() < end, "the sweep takes too long"
        time.sleep(0.02)


def test_a_worker_that_dies(whole, scheduler, tmp_path):
    """One of two workers is killed when the first cell is done: the other runs the rest, and no cell is missing."""
    file, expected = whole
    address, (_, victim, survivor) = scheduler
    out = tmp_path / "out"
    process = subprocess.Popen(command(file, out, "--scheduler", address), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(out.glob("cells/[0-9a-f]*.json")), process)
    victim.send_signal(signal.SIGKILL)
    _, printed = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert survivor.poll() is None
    check_table(out, expected)


def test_a_scheduler_that_dies(whole, scheduler, tmp_path):
    """The sweep ends with one line, and finished cells are kept."""
    file, _ = whole
    address, (master, *_) = scheduler
    out = tmp_path / "out"
    process = subprocess.Popen(command(file, out, "--scheduler", address), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(out.glob("cells/[0-9a-f]*.json")), process)
    master.send_signal(signal.SIGKILL)
    _, printed = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "was lost: what is finished is kept" in printed.splitlines()[-1] and "Traceback" not in printed
    assert list(out.glob("cells/[0-9a-f]*.json"))


def killed_at_even_places(cell, folder: Path) -> dict:
    """Work that no worker survives, for every other cell of :data:`EPS`."""
    if EPS.index(cell.parameters["cluster.eps"]) % 2 == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return write_result(cell, folder, DONE)


def test_cells_that_no_worker_survives(whole, tmp_path, caplog):
    """They are given up after a few attempts (here two) and fail; the others are done."""
    caplog.set_level(logging.CRITICAL, "distributed.scheduler")  # it rightly logs that it gives up
    cells = read_sweep(whole[0]).cells[:2]
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        results = {cell.name: result["status"] for cell, result in run_cells([cells], tmp_path, work=killed_at_even_places)}
    assert [results[cell.name] for cell in cells] == [FAILED, DONE]
    assert "its worker process was killed 2 times" in read_result(cells[0], tmp_path)["error"]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "127.0.0.1"])
def test_a_scheduler_that_does_not_answer(whole, tmp_path, monkeypatch, address):
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    answer = workbench("sweep", whole[0], "--out", tmp_path / "out", "--scheduler", address)
    refused(answer, 2, f"the scheduler {address} does not answer", "dask scheduler")


@pytest.mark.parametrize(
    ("size", "words"),
    [({"n_workers": 0}, "has no workers"), ({"n_workers": 1, "threads_per_worker": 2}, "have more than one thread")],
    ids=["none", "threads"],
)
def test_workers_that_cannot_be_used(whole, tmp_path, size, words):
    with LocalCluster(**size, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        answer = workbench("sweep", whole[0], "--out", tmp_path / "out", "--scheduler", cluster.scheduler_address)
    refused(answer, 2, words, f"`dask worker {cluster.scheduler_address} --nthreads 1`")


# --- with the notebooks ----------------------------------------------------------------------------------------------------


def test_notebooks(clip, tmp_path):
    """Two cells by papermill, one of which lacks its weights: its notebook 04 stays partly executed. The notebooks before it
    are the same in both cells; they are executed once, and each copy names its own run."""
    file = sweep_file(clip, {"grid": {"keypoints": ["sift", "superpoint"]}}, runner="notebooks")
    answer = workbench("sweep", file, "--out", tmp_path / "out")
    assert answer.out.startswith("2 cells: 1 done, 1 weights not available\n"), answer
    assert "magic-leap-community/superpoint" in answer.err.splitlines()[-1]
    table = pd.read_csv(tmp_path / "out" / "sweep.csv")
    assert list(table["scene_f1"].fillna(-1)) == [1, -1]
    assert list(table["seconds"] > 0) == [True, True]
    assert "04_inspect_matches" in table["error"][1]
    done, short = ((tmp_path / "out" / folder) for folder in table["notebooks"])
    assert sorted(path.stem for path in done.iterdir()) == list(CHAIN)
    assert sorted(path.stem for path in short.iterdir()) == list(CHAIN[:5])
    for name in CHAIN[:4]:
        first, second = (nbformat.read(folder / f"{name}.ipynb", as_version=4) for folder in (done, short))
        assert first.metadata.papermill.start_time == second.metadata.papermill.start_time
        assert all(
            str(book.metadata.papermill.parameters.run_path) == str(path.parent)
            for book, path in ((first, done), (second, short))
        )
    stages_of = [Run.open(path.parent).record["stages"] for path in (done, short)]
    assert list(stages_of[1]) == ["video", "embed", "umap", "cluster"]
    assert all(stages_of[0][name]["finished"] == found["finished"] for name, found in stages_of[1].items())

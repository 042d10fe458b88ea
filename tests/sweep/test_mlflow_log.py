"""Sweeps in MLflow: what a store holds after one, after an interruption, and when it cannot be used.

The clip is :func:`tiny.mixture`, shuffled scenes of 14 and 10 frames and three foreign pictures, with its truth; rank-vlad
separates them at eps 0.2, and at 0.001 no scene is found, so that a cell with it fails. Tests of the log alone use cells of
which only the result is written. The store is a SQLite database of MLflow's own; every test has an
experiment of its own in it.
"""

import os
import socket
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.helpers.tiny import encode, mixture, refused, workbench
from workbench import __version__
from workbench.errors import RunError, UsageError
from workbench.evaluation.files import OUTLIER, TruthRow
from workbench.storage.folder import file_sha256
from workbench.sweep import mlflow_log
from workbench.sweep.cells import read_result, run_path, write_result
from workbench.sweep.mlflow_log import EXPERIMENT, PARENT_TAG, open_log
from workbench.sweep.plan import Sweep, read_sweep
from workbench.sweep.table import DONE, FAILED

pytest.importorskip("mlflow", reason="the client of MLflow is not installed: pip install -c constraints.txt -e '.[mlflow]'")

FIXED = {"embed.backbone": "rank-vlad", "match.matcher": "sift-flann"}
ERROR = "no scene was found at eps 0.001"


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    """URI of a database; its tables, which take seconds to make, are made by the first test."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def store(database, tmp_path, monkeypatch) -> str:
    """The database, with an experiment of this test alone, whose files lie in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    return database


@pytest.fixture
def file(tmp_path) -> Path:
    """A sweep file of two cells; the second fails."""
    true = np.random.default_rng(3).permutation(24)  # as the mixture is shuffled
    rows = [TruthRow(k, "left" if n < 14 else "right", int(n if n < 14 else n - 14)) for k, n in enumerate(true)]
    rows += [TruthRow(24 + k, OUTLIER, k) for k in range(3)]
    frames = mixture()
    pd.DataFrame(rows).to_csv(tmp_path / "clip.truth.csv", index=False)
    encode(tmp_path / "clip.mp4", frames)
    grid = {"cluster.eps": [0.2, 0.001]}
    content = {"question": "Which?", "videos": ["clip.mp4"], "runner": "stages", "fixed": FIXED, "parameters": {"grid": grid}}
    path = tmp_path / "radii.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def sweep(file, tmp_path) -> Sweep:
    """The sweep of the file; its folder ``out`` is there and empty."""
    (tmp_path / "out/cells").mkdir(parents=True)
    return read_sweep(file)


def runs_of(uri: str, experiment: str) -> tuple[list, list, object]:
    """The parent runs of an experiment, the runs below them by eps, and the client."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    parents = [run for run in runs if PARENT_TAG not in run.data.tags]
    below = [run for run in runs if PARENT_TAG in run.data.tags]
    return parents, sorted(below, key=lambda run: -float(run.data.params["cluster.eps"])), client


def artifacts(client, run) -> set[str]:
    return {found.path for found in client.list_artifacts(run.info.run_id)}


def write_done(cell, folder: Path, adjacent: float = 0.9) -> None:
    """The result of a finished cell, without its run directory but for the metrics."""
    run_path(cell, folder).mkdir(parents=True, exist_ok=True)
    (run_path(cell, folder) / "metrics.json").write_text(
        f'{{"adjacent": {adjacent}, "seconds_match": 2.5, "models": ["a"], "tau": null}}'
    )
    write_result(cell, folder, DONE)


def check_sweep(uri: str, experiment: str, file: Path, out: Path) -> None:
    """What the command leaves in a store, and that the same command again adds nothing to it."""
    answer = workbench("sweep", file, "--out", out, "--mlflow", uri)
    assert answer.status == 0, answer
    assert answer.out.splitlines() == ["2 cells: 1 done, 1 failed", str(out / "sweep.csv"), str(out / "sweep.parquet")]
    table = pd.read_parquet(out / "sweep.parquet")
    (parent,), (good, bad), client = runs_of(uri, experiment)
    assert (parent.info.run_name, parent.info.status) == ("radii", "FINISHED")
    assert parent.data.tags["mlflow.note.content"] == "Which?"
    assert artifacts(client, parent) == {"sweep.yaml", "sweep.csv", "sweep.parquet"}
    for run, eps, row in zip((good, bad), (0.2, 0.001), table.itertuples(), strict=True):
        assert run.info.run_name == f"clip.mp4, eps {eps}"
        assert run.data.params == {"video": "clip.mp4", "runner": "stages", "cluster.eps": str(eps), **FIXED}
        tags = run.data.tags
        assert tags[PARENT_TAG] == parent.info.run_id and tags["workbench.version"] == __version__
        assert tags["workbench.clip_sha256"] == file_sha256(file.with_name("clip.mp4"))
        assert tags["workbench.run"] == str(out / row.run) and tags["workbench.status"] == row.status
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
    assert bad.data.tags["workbench.error"] == table["error"][1] and "no scene" in table["error"][1]
    assert "workbench.error" not in good.data.tags
    numbers = table.select_dtypes("number").drop(columns=["cluster.eps"]).iloc[0].dropna()
    assert {"adjacent", "tau", "outlier_f1", "scenes", "seconds", "seconds_match"} <= set(numbers.index)
    assert numbers["outlier_f1"] == numbers["scene_f1"] == 1 and numbers["tau"] > 0.9, "the truth fits"
    logged = {name: good.data.metrics[name] for name in numbers.index}
    assert logged == pytest.approx(numbers.to_dict(), abs=1e-3)
    took = (good.info.end_time - good.info.start_time) / 1000
    assert took >= good.data.metrics["seconds"] - 0.01, "a run lasts as long as its cell did"
    assert artifacts(client, good) == {"order.png", "links.png", "truth.png", "order.csv"} and not artifacts(client, bad)
    for name in ("order.png", "links.png", "truth.png"):
        picture = cv2.imread(client.download_artifacts(good.info.run_id, name))
        assert picture is not None and np.ptp(picture) > 100, "a picture, not a blank page"
    copy = Path(client.download_artifacts(good.info.run_id, "order.csv"))
    assert copy.read_bytes() == (out / table["run"][0] / "order.csv").read_bytes()

    assert workbench("sweep", file, "--out", out, "--mlflow", uri).status == 0
    parents, below, _ = runs_of(uri, experiment)
    assert [run.info.run_id for run in (*parents, *below)] == [run.info.run_id for run in (parent, good, bad)]
    assert below[0].info.end_time == good.info.end_time, "what is finished is not logged again"
    assert below[1].info.status == "FAILED" and parents[0].info.status == "FINISHED"


def test_a_sweep_in_a_database(store, file, tmp_path):
    check_sweep(store, tmp_path.name, file, tmp_path / "out")


def test_a_sweep_on_a_server(file, tmp_path, monkeypatch):
    """A real server with its own database, on this machine; it comes with the whole package, which is heavy."""
    command = os.environ.get("MLFLOW_SERVER", "")
    if not command:
        pytest.skip("MLFLOW_SERVER is not set: set it to the `mlflow` of an environment with `pip install mlflow`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "server").mkdir()
    places = ["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "artifacts"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [command, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *places],
        cwd=tmp_path / "server",
        env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_server(server, port)
        monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        check_sweep(f"http://127.0.0.1:{port}", EXPERIMENT, file, tmp_path / "out")
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
    answer = workbench("sweep", file, "--out", tmp_path / "out", "--mlflow", f"http://127.0.0.1:{port}")
    refused(answer, 2, "cannot be used", "Connection refused")


def wait_for_server(server: subprocess.Popen, port: int, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while True:
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < end, "the server takes too long"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)


def test_what_was_interrupted_is_completed(store, sweep, tmp_path):
    """A cell that failed and then succeeded, one of an earlier call without MLflow, and a run that is half written: each is one
    run in the end, and says only what is true now."""
    out, (first, second) = tmp_path / "out", sweep.cells
    write_result(first, out, FAILED, ERROR)
    open_log(store, sweep, out).add([first])
    (parent,), (run,), client = runs_of(store, tmp_path.name)
    assert (parent.info.status, run.info.status, run.data.tags["workbench.error"]) == ("RUNNING", "FAILED", ERROR)
    write_done(first, out)
    write_done(second, out, 0.5)
    open_log(store, sweep, out).add([first, second])
    client.update_run(runs_of(store, tmp_path.name)[1][1].info.run_id, status="RUNNING")  # as if killed before its end
    log = open_log(store, sweep, out)
    log.add(sweep.cells)
    log.add(sweep.cells)
    log.close([])
    (same,), (good, other), _ = runs_of(store, tmp_path.name)
    assert (same.info.run_id, good.info.run_id) == (parent.info.run_id, run.info.run_id)
    assert [found.info.status for found in (same, good, other)] == ["FINISHED"] * 3
    assert "workbench.error" not in good.data.tags and good.data.tags["workbench.status"] == DONE
    assert good.data.metrics == {"adjacent": 0.9, "seconds": 2.5, "seconds_match": 2.5}
    assert other.data.metrics["adjacent"] == 0.5
    assert [len(client.get_metric_history(good.info.run_id, name)) for name in ("adjacent", "seconds_match")] == [1, 1]


def test_more_runs_than_a_page(store, sweep, tmp_path, monkeypatch):
    """With pages of one run, both are found again."""
    monkeypatch.setattr(mlflow_log, "PAGE", 1)
    for cell in sweep.cells:
        write_done(cell, tmp_path / "out")
    for _ in range(2):
        open_log(store, sweep, tmp_path / "out").add(sweep.cells)
    parents, below, _ = runs_of(store, tmp_path.name)
    assert (len(parents), len(below)) == (1, 2)


def test_other_folders_and_other_code_have_parents_of_their_own(store, sweep, file, tmp_path, monkeypatch):
    """A folder that was moved keeps its parent; one that was begun anew, or another version of the code, has another."""
    out = tmp_path / "out"
    open_log(store, sweep, out)
    out.rename(tmp_path / "moved")
    open_log(store, sweep, tmp_path / "moved")
    assert len(runs_of(store, tmp_path.name)[0]) == 1
    out.mkdir()
    open_log(store, sweep, out)
    assert len(runs_of(store, tmp_path.name)[0]) == 2
    monkeypatch.setattr("workbench.sweep.plan.code_digest", lambda: "another version")
    open_log(store, read_sweep(file), out)
    assert len(runs_of(store, tmp_path.name)[0]) == 3


def test_a_store_that_is_lost_on_the_way(store, sweep, tmp_path, monkeypatch):
    """The cells are kept, the end says what to do, and doing it logs each cell once."""
    from mlflow.exceptions import MlflowException

    out = tmp_path / "out"
    for cell in sweep.cells:
        write_done(cell, out)
    log = open_log(store, sweep, out)
    log.add(sweep.cells[:1])
    with monkeypatch.context() as lost:
        lost.setattr("mlflow.MlflowClient.log_batch", lambda *_: (_ for _ in ()).throw(MlflowException("nobody\nanswers")))
        log.add(sweep.cells[1:])
    with pytest.raises(RunError, match=r"is finished, but MLflow at sqlite.* \(nobody answers\): call the same command again"):
        log.close([])
    log = open_log(store, sweep, out)
    log.add(sweep.cells)
    log.close([])
    (parent,), below, _ = runs_of(store, tmp_path.name)
    assert [run.info.status for run in (parent, *below)] == ["FINISHED"] * 3


def refuses(file: Path, out: Path, uri: str, *words: str) -> None:
    """The command refuses the store in one line, in seconds, and computes nothing."""
    begun = time.monotonic()
    refused(workbench("sweep", file, "--out", out, "--mlflow", uri), 2, *words)
    assert time.monotonic() - begun < 60
    assert all(read_result(cell, out) is None for cell in read_sweep(file).cells)


def test_a_server_that_does_not_answer(file, tmp_path):
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        refuses(file, tmp_path / "out", uri, f"MLflow at {uri} cannot be used", "Connection refused", "start its server")


@pytest.mark.parametrize("uri", ["nowhere://host", "sqlite:///radii.yaml", "sqlite:///.", "sqlite:////proc/none/mlflow.db"])
def test_stores_that_cannot_be_used(file, tmp_path, monkeypatch, uri):
    monkeypatch.chdir(tmp_path)
    refuses(file, tmp_path / "out", uri, "--mlflow")
    assert file.read_text().startswith("fixed")


def test_without_the_package(file, tmp_path, monkeypatch):
    monkeypatch.setattr(mlflow_log, "find_spec", lambda name: None)
    refuses(file, tmp_path / "out", "sqlite:///mlflow.db", "pip install 'video-reconstruction-workbench[mlflow]'")
    with pytest.raises(UsageError, match="not installed"):
        open_log("sqlite:///mlflow.db", read_sweep(file), tmp_path)

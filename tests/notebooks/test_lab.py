"""``workbench lab``: the run of the sample, made or reused, copies of the notebooks beside a run, and JupyterLab itself.

Only the last test starts JupyterLab; the others record the options it would be given. The runs are those of ``short``
(tests/conftest.py): 26 frames, two scenes, four foreign frames.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from jupyterlab.labapp import LabApp

from tests import ROOT
from tests.helpers.tiny import refused, workbench
from workbench.evaluation.files import truth_path
from workbench.notebooks import lab
from workbench.notebooks.chain import CHAIN, SWEEP_NOTEBOOKS
from workbench.parameters import ClusterParameters
from workbench.pipeline import stages
from workbench.run import Run
from workbench.run.kept import read_kept, with_kept
from workbench.run.stages import STAGES, stage_parameters


@pytest.fixture
def started(monkeypatch) -> list[list[str]]:
    """The options that JupyterLab is given at each start; it does not start."""
    calls: list[list[str]] = []
    monkeypatch.setattr(LabApp, "launch_instance", calls.append)
    return calls


@pytest.fixture
def own_run(short_run, tmp_path) -> Run:
    """A copy of the short video's run."""
    shutil.copytree(short_run[0].path, tmp_path / "mine")
    return Run.open(tmp_path / "mine")


@pytest.fixture
def clone(short, short_run, tmp_path, monkeypatch) -> Path:
    """A small repository: the notebooks and, in place of the sample, the short video, its truth and its run without a map."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (folder / "data").mkdir()
    shutil.copy(short, folder / "data" / "sample.mp4")
    shutil.copy(truth_path(short), folder / "data" / "sample.truth.csv")
    shutil.copytree(short_run[0].path, folder / "runs" / "sample")
    monkeypatch.setattr("workbench.notebooks.chain.__file__", str(folder / "workbench" / "notebooks" / "chain.py"))
    return folder


# --- the sample -----------------------------------------------------------------------------------------------------------


def test_sample_is_finished_once(clone, started, monkeypatch):
    """A killed run (no map, no videos) is finished and measured against the truth, which is reported; finished stages stay as
    they were. The second call computes nothing."""
    path = clone / "runs" / "sample"
    (path / "metrics.json").unlink()
    for name in Run.open(path).record["stages"]["write"]["outputs"]:
        (path / name).unlink()
    before = Run.open(path).record["stages"]
    answer = workbench("lab")
    assert (answer.status, answer.out) == (0, "")
    assert answer.err.startswith(f"reconstructing the sample in {path}")
    run = Run.open(path)
    run.require(*STAGES)
    assert {name for name, stage in run.record["stages"].items() if stage != before.get(name)} == {"umap", "write"}
    assert json.loads((path / "metrics.json").read_text())["scene_f1"] == 1

    text = (path / "run.json").read_bytes()
    monkeypatch.setattr(stages, "reconstruct", None)  # calling it would fail
    answer = workbench("lab")
    assert (answer.status, answer.err.count("\n")) == (0, 1)
    assert answer.err.startswith("starting JupyterLab")
    assert (path / "run.json").read_bytes() == text
    assert len(started) == 2


def test_sample_is_started(clone, started, monkeypatch):
    """Without a run, everything is computed from the video of the sample with the default parameters."""
    shutil.rmtree(clone / "runs")
    called = []
    monkeypatch.setattr(stages, "reconstruct", lambda run, *given, progress: called.append((run.path, run.source, *given)))
    monkeypatch.setattr(stages, "run_stage", lambda run, parameters: called.append((run.path, parameters)))
    assert workbench("lab").status == 0
    path, data, defaults = clone / "runs" / "sample", clone / "data", stage_parameters({})
    reconstructed = (path, data / "sample.mp4", defaults, data / "sample.truth.csv")
    assert called == [reconstructed, (path, defaults["umap"])]


def test_sample_that_somebody_works_on_is_left_alone(clone, started):
    """After an edit, later results are out of date and some are missing: JupyterLab starts, and the run is not changed."""
    path = clone / "runs" / "sample"
    Run.create(path, clone / "data" / "sample.mp4").set_edits("embed", [{"by": "hand"}], {})
    before = (path / "run.json").read_bytes()
    assert workbench("lab").err.startswith("starting JupyterLab")
    assert (path / "run.json").read_bytes() == before
    assert len(started) == 1


def test_something_else_in_the_samples_place(clone, started):
    """A folder that is no run is not touched; its owner decides where it belongs."""
    (clone / "runs" / "sample" / "run.json").unlink()
    refused(workbench("lab"), 1, "is there already and is no run: move it away", "sample.mp4")
    assert started == []


def test_sample_of_a_clone_that_cannot_be_written(clone, started, tmp_path, monkeypatch):
    """The run is made below the current folder, JupyterLab works on copies in it, and the clone stays as it was. Where the
    current folder cannot be written either, the message says what to do."""
    shutil.rmtree(clone / "runs")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    # Also root, who may write anywhere, is refused.
    monkeypatch.setattr("workbench.notebooks.lab.os.access", lambda place, _: not Path(place).is_relative_to(clone))
    answer = workbench("lab")
    assert answer.status == 0, answer.err
    assert f"{clone} cannot be written" in answer.err and f"go to {here / 'runs' / 'sample'}" in answer.err
    assert not (clone / "runs").exists()
    Run.open(here / "runs" / "sample").require(*STAGES)
    assert {path.stem for path in (here / "runs" / "sample" / "lab").iterdir()} == {*CHAIN, *SWEEP_NOTEBOOKS}
    assert started[0][0] == f"--ServerApp.root_dir={here / 'runs' / 'sample'}"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "runs").touch()
    monkeypatch.chdir(tmp_path / "full")
    answer = workbench("lab")
    assert answer.status == 1 and len(started) == 1
    assert answer.err.endswith("change into a folder that can be written, and call `workbench lab` there\n")


def test_options_are_passed_on(clone, started, monkeypatch):
    """Options after ``--`` come last and replace those of the workbench: Jupyter refuses an option that is given twice."""
    monkeypatch.setattr(lab, "make_sample", lambda *_: None)
    assert workbench("lab", "--", "--no-browser", "--port=9999").status == 0
    assert workbench("lab", "--", "--ip=0.0.0.0", "--log-level=INFO").status == 0
    root = f"--ServerApp.root_dir={clone}"
    page = "--LabApp.default_url=/lab/tree/notebooks/00_make_corrupted_clip.ipynb"
    quiet = ["--ServerApp.log_level=WARN", "--LabApp.log_level=WARN"]
    assert started[0] == [root, page, "--ServerApp.ip=127.0.0.1", *quiet, "--no-browser", "--port=9999"]
    assert started[1] == [root, page, "--ip=0.0.0.0", "--log-level=INFO"]


# --- a run of one's own ---------------------------------------------------------------------------------------------------


def test_copies_work_on_the_run(own_run, started):
    """Copies have the same cells without outputs; only ``run_path`` and ``video``, which lead to the run, and ``table``, which
    leads to the repository, have other values. The map, which ``reconstruct`` leaves out, is computed, so that any notebook
    may be opened first.
    """
    answer = workbench("lab", own_run.path)
    assert answer.status == 0 and "computing the map of the frames" in answer.err
    Run.open(own_run.path).require("umap")
    folder = own_run.path / "lab"
    assert sorted(path.stem for path in folder.iterdir()) == sorted((*CHAIN, *SWEEP_NOTEBOOKS))
    for name in (*CHAIN, *SWEEP_NOTEBOOKS):
        original = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        copy = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in copy.cells)
        changed = set()
        for old, new in zip(original.cells, copy.cells, strict=True):
            assert (old.cell_type, old.id, old.metadata.get("tags")) == (new.cell_type, new.id, new.metadata.get("tags"))
            lines = zip(old.source.splitlines(), new.source.splitlines(), strict=True)
            changed |= {after for before, after in lines if after != before}
        values: dict[str, str] = {}
        exec("\n".join(changed), values)
        others = {CHAIN[0]: {"run_path", "video"}, "06_compare": {"table"}, "07_tune_superglue": {"run_path", "table"}}
        assert values.keys() - {"__builtins__"} == others.get(name, {"run_path"}) and len(changed) == len(values) - 1
        if "table" in values:
            assert Path(values["table"]).parent == ROOT / "data" / "sweeps" and Path(values["table"]).is_file()
        assert (folder / values.get("run_path", "..")).resolve() == own_run.path.resolve()
        assert Path(values.get("video", own_run.source)) == own_run.source
    (options,) = started
    assert options[:2] == [f"--ServerApp.root_dir={own_run.path}", f"--LabApp.default_url=/lab/tree/lab/{CHAIN[0]}.ipynb"]


def test_copies_that_are_there_stay(own_run, started):
    """Changes in a copy are kept, a copy that was deleted is made again, and both are reported."""
    workbench("lab", own_run.path)
    first, second = (own_run.path / "lab" / f"{name}.ipynb" for name in CHAIN[:2])
    first.write_text("mine")
    second.unlink()
    answer = workbench("lab", own_run.path)
    assert first.read_text() == "mine"
    assert second.exists()
    copied, there, _ = answer.err.splitlines()
    assert copied == f"copied to {own_run.path / 'lab'}: {CHAIN[1]}"
    assert there.startswith(f"left as they were in {own_run.path / 'lab'}: {CHAIN[0]}, {CHAIN[2]}")
    assert CHAIN[1] not in there


def test_made_with_other_parameters(own_run, started):
    """The scenes of the run were found with an eps of the user: it is kept, and the notebook finds the stage finished."""
    chosen = ClusterParameters(eps=0.07)
    stages.run_stage(own_run, chosen, overwrite=True)
    answer = workbench("lab", own_run.path)
    assert f"kept in {own_run.path / 'kept.yaml'}, since stages were made with it: cluster.eps=0.07" in answer.err
    run = Run.open(own_run.path)
    assert read_kept(run) == {"cluster.eps": 0.07}
    before = run.record["stages"]["cluster"]
    assert stages.run_stage(run, with_kept(run, stage_parameters({})["cluster"])) == before


def test_refusals(own_run, started, tmp_path, monkeypatch):
    """No run, no place for the copies, a video that is gone, no notebooks: one line each, and JupyterLab does not start."""
    refused(workbench("lab", tmp_path / "nothing"), 1, "nothing is no run directory yet", "`workbench reconstruct VIDEO`")
    refused(workbench("lab", tmp_path, "--", "--no-browser"), 1, "is no run directory yet")
    with monkeypatch.context() as patch:
        installed = tmp_path / "site-packages" / "workbench" / "notebooks" / "chain.py"
        patch.setattr("workbench.notebooks.chain.__file__", str(installed))
        patch.chdir(tmp_path)
        refused(workbench("lab", own_run.path), 1, "the notebooks are not here")
    (own_run.path / "lab").touch()
    refused(workbench("lab", own_run.path), 1, f"{own_run.path / 'lab'} cannot be written (File exists)")
    (own_run.path / "lab").unlink()
    record = json.loads((own_run.path / "run.json").read_text())
    record["source"]["path"] = str(tmp_path / "gone.mp4")
    (own_run.path / "run.json").write_text(json.dumps(record))
    refused(workbench("lab", own_run.path), 1, "the video of this run is gone")
    assert started == []


# --- JupyterLab itself ----------------------------------------------------------------------------------------------------


def test_jupyterlab_prints_its_address(own_run, tmp_path):
    """In its own process, on a free port: the address it prints is on loopback, with the token, and shows the copies."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(tmp_path / name)
    words = ["lab", str(own_run.path), "--", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    command = [sys.executable, "-c", "from workbench.cli.app import main; main()", *words]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    watchdog = threading.Timer(180, process.kill)  # ends both loops below
    watchdog.start()
    printed = []
    try:
        for line in process.stderr:
            printed.append(line)
            if found := re.search(r"(http://127\.0\.0\.1:\d+)(/lab/tree/lab/00_\w+\.ipynb)\?token=(\w+)", line):
                break
        else:
            pytest.fail("".join(printed))
        server, page, token = found.groups()
        while True:
            try:
                urllib.request.urlopen(f"{server}/api", timeout=60).close()
                break
            except urllib.error.URLError:  # it listens a moment after it has printed the address
                assert process.poll() is None
        for path, expected in (("/api/status", "kernels"), ("/api/contents/lab", CHAIN[-1]), (page, "jupyter-config-data")):
            request = urllib.request.Request(server + path, headers={"Authorization": f"token {token}"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert expected in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{server}/api/status", timeout=60)
    finally:
        watchdog.cancel()
        process.terminate()
        process.communicate(timeout=60)

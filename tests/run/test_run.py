"""The run directory: made, opened, refused; stages reused, stale, replaced, interrupted. The "video" is a few bytes: a run
only takes its checksum, and the stages here write small texts."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import MissingStageError, RunError, StaleStageError, VideoError
from workbench.parameters import ClusterParameters, EmbedParameters, OrderParameters, Parameters
from workbench.run import Run
from workbench.run.stages import NOTEBOOKS


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"not looked into")
    return path


@pytest.fixture
def run(tmp_path, source) -> Run:
    return Run.create(tmp_path / "runs" / "one", source)


class Writer:
    """A stage's computation: writes ``text`` to the named outputs and counts its calls."""

    def __init__(self, text: str, *outputs: str, fails: type[BaseException] | None = None) -> None:
        self.text, self.outputs, self.fails, self.calls = text, outputs, fails, 0

    def __call__(self, folder: Path) -> dict:
        self.calls += 1
        for name in self.outputs:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(self.text)
        if self.fails:
            raise self.fails("half way")
        return {"text": self.text}


def names(run: Run) -> list[str]:
    """What lies in the run directory, but for the locks."""
    return sorted(path.name for path in run.path.iterdir() if path.suffix != ".lock")


def chain(run: Run, eps: float = 0.1, overwrite: bool = False) -> None:
    """Three stages that build on each other: embed, cluster, order."""
    run.stage("embed", EmbedParameters(), (), ("a.txt",), Writer("a", "a.txt"), overwrite)
    run.stage("cluster", ClusterParameters(eps=eps), ("embed",), ("b.txt",), Writer(str(eps), "b.txt"), overwrite)
    run.stage("order", OrderParameters(), ("cluster",), ("c.txt",), Writer(f"c{eps}", "c.txt"), overwrite)


def test_create_and_open(tmp_path, source):
    made = Run.create(tmp_path / "a" / "b", source)
    opened = Run.open(tmp_path / "a" / "b")
    assert opened.record == made.record and opened.source == source.resolve()
    assert opened.record["source"]["bytes"] == 15 and len(opened.record["source"]["sha256"]) == 64
    assert opened.record["versions"]["numpy"] == np.__version__
    assert names(opened) == ["run.json"]


def test_a_stage_from_before_a_parameter(run, source):
    """A run of an older workbench, whose stage lacks a parameter of today, is refused with its name, and can be replaced."""
    chain(run)
    record = json.loads((run.path / "run.json").read_text())
    del record["stages"]["cluster"]["parameters"]["xi"]
    record["stages"]["cluster"]["fingerprint"] = "that of the others"
    (run.path / "run.json").write_text(json.dumps(record))
    older = Run.create(run.path, source)
    with pytest.raises(StaleStageError, match="cluster was made by an older workbench, which had no xi: pass --overwrite"):
        chain(older)
    chain(older, overwrite=True)
    older.require("order")


def test_an_empty_folder_is_taken(tmp_path, source):
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", source).record["stages"] == {}


def test_creating_again_opens(run, source):
    chain(run)
    again = Run.create(run.path, source)
    assert again.record == run.record and list(again.record["stages"]) == ["embed", "cluster", "order"]


def test_run_of_another_video(run, tmp_path):
    other = tmp_path / "other.mp4"
    other.write_bytes(b"something else")
    with pytest.raises(RunError, match=r"is the run of another video \(video\.mp4\): choose another folder with --out"):
        Run.create(run.path, other)


def test_the_same_video_elsewhere(run, source, tmp_path):
    """Moved, the video is still the same by its checksum: finished stages stay, and the new place is remembered."""
    chain(run)
    moved = tmp_path / "moved.mp4"
    source.rename(moved)
    with pytest.raises(RunError, match=r"is gone .*: put it back, or tell where it is now"):
        _ = Run.open(run.path).source
    again = Run.create(run.path, moved)
    assert again.source == Run.open(run.path).source == moved.resolve() and "order" in again.record["stages"]


def test_no_video(tmp_path):
    for path, message in ((tmp_path / "nothing.mp4", "does not exist: check the path"), (tmp_path, "without a file in it")):
        with pytest.raises(VideoError, match=message):
            Run.create(tmp_path / "run", path)
    assert not (tmp_path / "run").exists()


def test_what_a_browser_sent_is_there_before_the_run(tmp_path, source):
    sent = tmp_path / "sent" / "upload" / source.name
    sent.parent.mkdir(parents=True)
    sent.write_bytes(source.read_bytes())
    assert Run.create(tmp_path / "sent", sent).source == sent.resolve()
    assert sent.read_bytes() == source.read_bytes()


def test_folders_and_files_that_are_no_run(tmp_path, source):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for name in ("full", "video.mp4"):
        with pytest.raises(RunError, match="is there already and is no run: choose another folder with --out"):
            Run.create(tmp_path / name, source)
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"
    with pytest.raises(RunError, match=r"cannot be written .*: choose another folder with --out"):
        Run.create(source / "below a file", source)


def test_a_folder_that_refuses(tmp_path, source, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match=r"run cannot be written \(Permission denied\): choose another folder with --out"):
        Run.create(tmp_path / "run", source)


def test_a_finished_run_that_refuses(run, monkeypatch):
    """Stages that are finished can still be read; a new one is refused in words."""
    chain(run)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    chain(run)
    with pytest.raises(RunError, match=r"cannot be written \(Permission denied\): choose another folder with --out"):
        run.stage("umap", Parameters(), ("embed",), ("u.txt",), Writer("u", "u.txt"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path, source):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(RunError, match=r"cannot be written .*: choose another folder with --out"):
        Run.create(tmp_path / "locked" / "run", source)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"format": 1}', '{"format": 1, "source": {}, "stages": {}}'])
def test_damaged(run, source, text):
    (run.path / "run.json").write_text(text)
    for attempt in (lambda: Run.open(run.path), lambda: Run.create(run.path, source)):
        with pytest.raises(RunError, match="is damaged: start a new run in another folder"):
            attempt()


def test_damaged_bytes(run):
    (run.path / "run.json").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(RunError, match="is damaged"):
        Run.open(run.path)


def test_another_format(run):
    (run.path / "run.json").write_text(json.dumps(run.record | {"format": 99}))
    with pytest.raises(RunError, match="has format 99, this workbench reads 1: start a new run"):
        Run.open(run.path)


def test_no_run_yet(tmp_path):
    with pytest.raises(
        MissingStageError, match=r"is no run directory yet: run notebooks/00_.*ipynb first, or `workbench reconstruct"
    ):
        Run.open(tmp_path / "nothing")


def test_missing_stages_name_the_notebook(run):
    for stage, notebook in NOTEBOOKS.items():
        with pytest.raises(
            MissingStageError, match=f"stage {stage} of .* is missing: run notebooks/{notebook}.ipynb first, or"
        ):
            run.require(stage)
    with pytest.raises(MissingStageError, match=r"stage embed .*01_embed"):
        run.stage("cluster", ClusterParameters(), ("embed",), ("b.txt",), Writer("b", "b.txt"))
    for read in (run.images, run.embeddings, run.labels, run.scenes, run.transforms, run.order, run.alignment):
        with pytest.raises(MissingStageError, match="is missing: run notebooks/"):
            read()


def test_what_others_write_meanwhile_is_neither_lost_nor_taken_for_older_results(run):
    """Two open notebooks: one replaces scenes, the other orders them, the one takes the old eps again. The order is of the
    scenes there are now, and an edit is still there."""

    def scenes(eps: float) -> None:
        run.stage("cluster", ClusterParameters(eps=eps), (), ("b.txt",), Writer(str(eps), "b.txt"))

    def order() -> None:
        other = Run.open(run.path)
        writer = Writer((run.path / "b.txt").read_text(), "c.txt")
        other.stage("order", OrderParameters(), ("cluster",), ("c.txt",), writer)

    scenes(0.1)
    order()
    for eps in (0.2, 0.1):
        run.release("cluster")
        scenes(eps)
        order()
        assert (run.path / "c.txt").read_text() == str(eps)
    Run.open(run.path).set_edits("order", [{"by": "hand"}], {})
    assert run.edits("order") == [{"by": "hand"}]
    run.release("cluster")
    assert Run.open(run.path).edits("order") == [{"by": "hand"}]


def test_a_stage_is_computed_once(run):
    compute = Writer("x", "x.txt", "folder/y.txt")
    outputs = ("x.txt", "folder/y.txt")
    first = run.stage("embed", EmbedParameters(), (), outputs, compute)
    for again in (run, Run.open(run.path)):
        assert again.stage("embed", EmbedParameters(), (), outputs, compute) == first
        assert again.stage("embed", EmbedParameters(), (), outputs, compute, overwrite=True) == first
    assert compute.calls == 1
    assert (run.path / "folder" / "y.txt").read_text() == "x" and run.info("embed") == {"text": "x"}
    assert first["parameters"] == EmbedParameters().as_dict() and first["seconds"] >= 0
    assert list(run.seconds()) == ["embed"] and names(run) == ["folder", "run.json", "x.txt"]


def test_scenes_are_those_verified_by_the_matches(run):
    """DBSCAN's labels are still there beside them."""
    rows = "position,scene,clustered,verdict\n0,0,0,\n1,-1,0,expelled\n2,0,-1,rescued\n"
    run.stage("cluster", Parameters(), (), ("clusters.csv",), Writer("position,scene\n0,0\n1,0\n2,-1\n", "clusters.csv"))
    with pytest.raises(MissingStageError, match="stage match"):
        run.scenes()
    run.stage("match", Parameters(), ("cluster",), ("scenes.csv",), Writer(rows, "scenes.csv"))
    assert run.labels().tolist() == [0, 0, -1] and run.scenes().tolist() == [0, -1, 0]


def test_a_table_without_any_pair_has_whole_numbers(run):
    """A clip of one frame has no pairs, and its table of transforms only a heading."""
    run.stage("register", Parameters(), (), ("transforms.csv",), Writer("a,b,matches,residual\n", "transforms.csv"))
    pairs = run.transforms()[["a", "b"]].to_numpy()
    assert pairs.shape == (0, 2) and pairs.dtype.kind == "i"


def test_a_lost_output_is_made_again(run):
    chain(run)
    (run.path / "a.txt").unlink()
    with pytest.raises(MissingStageError, match="stage embed"):
        run.require("embed")
    chain(run)
    assert (run.path / "a.txt").read_text() == "a"


def test_other_parameters_are_refused_by_name(run):
    chain(run)
    with pytest.raises(StaleStageError) as error:
        chain(run, eps=0.2)
    message = str(error.value)
    assert "stage cluster was made with eps=0.1 (now 0.2): pass --overwrite (in a notebook: overwrite = True)" in message
    assert "min_samples" not in message and "\n" not in message
    assert (run.path / "b.txt").read_text() == "0.1"
    chain(run)  # nothing was lost


def test_overwriting_makes_what_follows_stale(run):
    chain(run)
    run.stage("cluster", ClusterParameters(eps=0.2), ("embed",), ("b.txt",), Writer("new", "b.txt"), overwrite=True)
    assert (run.path / "b.txt").read_text() == "new"
    compute = Writer("c", "c.txt")
    with pytest.raises(StaleStageError, match="stage order was made from other inputs than there are now: pass --overwrite"):
        run.stage("order", OrderParameters(), ("cluster",), ("c.txt",), compute)
    assert compute.calls == 0
    run.stage("order", OrderParameters(), ("cluster",), ("c.txt",), compute, overwrite=True)
    run.require("embed", "cluster", "order")
    assert compute.calls == 1


def test_nothing_is_built_on_a_stale_stage(run):
    """Embeddings are replaced, scenes are not: an order would mix both, and the old order may not be read either."""
    chain(run)
    run.stage("embed", EmbedParameters(seed=1), (), ("a.txt",), Writer("new", "a.txt"), overwrite=True)
    remedy = r"made from other inputs than there are now: run notebooks/{}\.ipynb with overwrite = True first"
    with pytest.raises(StaleStageError, match="stage cluster .*" + remedy.format("03_tune_eps")):
        run.stage("order", OrderParameters(), ("embed", "cluster"), ("c.txt",), Writer("c", "c.txt"), overwrite=True)
    with pytest.raises(StaleStageError, match="stage order .*" + remedy.format("05_order_frames")):
        Run.open(run.path).order()
    run.require("embed")


def test_an_edit_by_hand_makes_what_follows_stale(run):
    chain(run)
    run.set_edits("cluster", [{"moved": 3}], {})
    run.require("cluster")
    with pytest.raises(StaleStageError, match="stage order"):
        Run.open(run.path).require("order")


def test_replaced_outputs_leave_nothing_behind(run):
    """Three files and a folder at first, then one file of another name."""
    run.stage("write", Parameters(), (), ("0.txt", "1.txt", "more"), Writer("old", "0.txt", "1.txt", "more/2.txt"))
    run.stage("write", EmbedParameters(), (), ("0.avi",), Writer("new", "0.avi"), overwrite=True)
    assert names(run) == ["0.avi", "run.json"]


@pytest.mark.parametrize("fails", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_computation_that_fails_leaves_nothing(run, fails):
    with pytest.raises(fails, match="half way"):
        run.stage("embed", Parameters(), (), ("a.txt",), Writer("a", "a.txt", fails=fails))
    assert names(run) == ["run.json"]
    assert Run.open(run.path).record["stages"] == {}
    run.stage("embed", Parameters(), (), ("a.txt",), Writer("a", "a.txt"))
    assert (run.path / "a.txt").read_text() == "a"


def test_a_replacement_that_fails_leaves_the_old(run):
    """The stage is made with eps 0.2, and its replacement with 0.3 fails half way: the old result and its record stand."""
    chain(run, eps=0.2)
    with pytest.raises(ValueError, match="half way"):
        run.stage("cluster", ClusterParameters(eps=0.3), ("embed",), ("b.txt",), Writer("b", "b.txt", fails=ValueError), True)
    again = Run.open(run.path)
    assert again.record["stages"]["cluster"]["parameters"]["eps"] == 0.2
    assert (run.path / "b.txt").read_text() == "0.2"
    again.require("cluster", "order")


def test_what_a_killed_process_left_is_cleared(run):
    """A folder of a stage that was killed: its files do not get into the result."""
    (run.path / ".embed.partial").mkdir()
    (run.path / ".embed.partial" / "half.txt").write_text("half")
    run.stage("embed", Parameters(), (), ("a.txt",), Writer("a", "a.txt"))
    assert names(run) == ["a.txt", "run.json"]


def test_fingerprints_cover_parameters_inputs_and_video(tmp_path, source, run):
    chain(run)
    other_video = tmp_path / "other.mp4"
    other_video.write_bytes(b"another")
    runs = [
        Run.create(tmp_path / "same", source),
        Run.create(tmp_path / "eps", source),
        Run.create(tmp_path / "v", other_video),
    ]
    for made, eps in zip(runs, (0.1, 0.2, 0.1), strict=True):
        chain(made, eps)
    prints = [made.fingerprint("order") for made in (run, *runs)]
    assert prints[0] == prints[1] and len(set(prints)) == 3
    assert runs[1].fingerprint("embed") == run.fingerprint("embed") != runs[2].fingerprint("embed")


def test_released_stages_are_replaced_without_overwrite(run):
    """Cluster is released, and with it order, which builds on it; embed is not. Replacing one ends its release."""
    chain(run)
    run.release("cluster")
    assert {name for name, found in run.record["stages"].items() if found.get("released")} == {"cluster", "order"}
    assert (run.path / "c.txt").read_text() == "c0.1", "until then all stays as it is"
    run.stage("cluster", ClusterParameters(eps=0.2), ("embed",), ("b.txt",), Writer("0.2", "b.txt"))
    with pytest.raises(StaleStageError, match=r"run notebooks/05_order_frames\.ipynb first, or `workbench reconstruct VIDEO`$"):
        Run.open(run.path).require("order")
    run.stage("order", OrderParameters(), ("cluster",), ("c.txt",), Writer("c0.2", "c.txt"))
    assert (run.path / "c.txt").read_text() == "c0.2"
    with pytest.raises(StaleStageError, match=r"stage cluster was made with eps=0\.2"):
        run.stage("cluster", ClusterParameters(eps=0.3), ("embed",), ("b.txt",), Writer("0.3", "b.txt"))


def test_a_released_stage_that_is_up_to_date_is_reused_and_no_longer_released(run):
    chain(run)
    run.release("cluster")
    again = Writer("again", "b.txt")
    run.stage("cluster", ClusterParameters(eps=0.1), ("embed",), ("b.txt",), again)
    assert again.calls == 0
    with pytest.raises(StaleStageError, match="stage cluster was made with"):
        Run.open(run.path).stage("cluster", ClusterParameters(eps=0.3), ("embed",), ("b.txt",), again)


def test_a_run_of_several_files(tmp_path):
    """What was given is recorded, file by file, and found again; a file that is gone is named; moved files are remembered."""
    files = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for file in files:
        file.write_bytes(file.name.encode())
    run = Run.create(tmp_path / "run", files)
    assert run.inputs == [str(file) for file in files] == Run.open(run.path).inputs
    assert (run.source.name, run.record["source"]["bytes"]) == ("a.mp4, b.mp4", 10)
    assert Run.create(run.path, [str(file) for file in files]).source_digest == run.source_digest
    with pytest.raises(RunError, match="is the run of another video"):
        Run.create(run.path, files[::-1])
    (tmp_path / "there").mkdir()
    moved = [file.rename(tmp_path / "there" / file.name) for file in files]
    with pytest.raises(RunError, match=r"is gone \(.*a\.mp4\)"):
        _ = run.inputs
    assert Run.create(run.path, moved).inputs == [str(file) for file in moved]


def test_a_run_of_a_folder(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"a")
    run = Run.create(tmp_path / "run", folder)
    assert run.inputs == str(folder) == str(run.source)
    (folder / "b.png").write_bytes(b"b")
    with pytest.raises(RunError, match="is the run of another video"):
        Run.create(run.path, folder)


@pytest.mark.parametrize("files", ["text", [], [7], ["a\0b"], {"a": 1}])
def test_damaged_files_of_a_record(run, files):
    record = json.loads((run.path / "run.json").read_text())
    record["source"]["files"] = files
    (run.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="is damaged"):
        Run.open(run.path)

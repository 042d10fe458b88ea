"""Changing an order by hand: edits are recorded in the run, are kept when stages are computed again, and can be taken back;
reversing a scene changes the file, the videos and the record of the run together, or nothing.
"""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.tiny import check_result, encode, mixture, pictures
from workbench.errors import ClusterError, RunError, StaleStageError, UsageError, VideoError
from workbench.evaluation.files import read_order
from workbench.parameters import AlignParameters, ClusterParameters, OrderParameters
from workbench.pipeline.editing import computed, edit_order, flip_scenes, undo, write_again
from workbench.pipeline.edits import frame_lists
from workbench.pipeline.scene_edits import flip
from workbench.pipeline.stages import reconstruct, run_stage
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.video.encode import prepared

LOSSLESS = {"write.codec": "lossless"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with ``clip.mkv`` (:func:`tiny.mixture`, two scenes of 14 and 10 frames) and its run, written lossless."""
    folder = tmp_path_factory.mktemp("finished")
    video = encode(folder / "clip.mkv", mixture(), "ffv1", "bgr0")
    reconstruct(Run.create(folder / "run", video), stage_parameters(LOSSLESS), progress=False)
    return folder


@pytest.fixture
def run(finished, tmp_path) -> Run:
    """A copy of it, to be changed."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return Run.create(tmp_path / "run", tmp_path / "clip.mkv")


def everything(run: Run) -> dict[str, bytes]:
    """Name and content of every file of a run."""
    return {str(path.relative_to(run.path)): path.read_bytes() for path in sorted(run.path.rglob("*")) if path.is_file()}


def test_one_scene(run):
    before, videos = read_order(run.path / "order.csv"), {scene: pictures(run.path / f"scene0{scene}.mkv") for scene in (0, 1)}
    assert flip_scenes(run, 1, progress=False) == [1]
    expected = [row._replace(order=9 - row.order) if row.scene == 1 else row for row in before]
    assert check_result(run.path, run.source) == expected
    assert np.array_equal(pictures(run.path / "scene00.mkv"), videos[0])
    assert np.array_equal(pictures(run.path / "scene01.mkv"), videos[1][::-1])
    assert np.array_equal(pictures(run.path / "reconstructed.mkv"), videos[0] + videos[1][::-1])


def test_all_scenes_twice_is_as_before(run):
    before, video = everything(run), pictures(run.path / "reconstructed.mkv")
    assert flip_scenes(run, progress=False) == [0, 1]
    assert everything(run)["order.csv"] != before["order.csv"]
    assert flip_scenes(run, progress=False) == [0, 1]
    after = everything(run)
    written = set(run.record["stages"]["write"]["outputs"])  # Matroska files carry a random number
    assert {name for name in before if after[name] != before[name]} <= {"run.json"} | written
    assert after.keys() == before.keys()
    assert np.array_equal(pictures(run.path / "reconstructed.mkv"), video)


def test_the_confidence_of_a_link_stays_with_its_two_frames(run):
    """It stands at the first frame of the link, which is the other one once the scene is reversed."""

    def links() -> dict[frozenset, float]:
        table, found = run.order(), {}
        for scene in (0, 1):
            order = run.scene_order(scene).tolist()
            confidence = table["confidence"].to_numpy()[order]
            assert np.isnan(confidence[-1])
            found |= {frozenset(pair): value for pair, value in zip(pairwise(order), confidence, strict=False)}
        return found

    before = links()
    assert len(before) == 13 + 9
    flip_scenes(run, progress=False)
    assert links() == before


def test_later_calls_keep_it(run):
    """The order stage is still the one that was computed: it is reused with the change, and so are the videos."""
    flip_scenes(run, 0, progress=False)
    before = everything(run)
    frames = Run.open(run.path).scene_order(0).tolist()
    assert run.edits("order") == [{"flip": [frames[0], frames[-1]]}]
    reconstruct(Run.open(run.path), stage_parameters(LOSSLESS), progress=False)
    after = everything(run)
    assert {name for name in before if after[name] != before[name]} <= {"metrics.json"}


def test_before_the_videos_were_written(run):
    """With the defaults of writing, H.264."""
    del run.record["stages"]["write"]
    flip_scenes(run, 0, progress=False)
    check_result(run.path, run.source, exact=False)
    assert run.record["stages"]["write"]["outputs"] == ["scene00.mp4", "scene01.mp4", "reconstructed.mp4"]


@pytest.mark.parametrize("scene", [2, -1])
def test_scene_that_is_not_there(run, scene: int):
    before = everything(run)
    with pytest.raises(UsageError, match=f"there is no scene {scene}: .* has 0, 1, choose"):
        flip_scenes(run, scene)
    assert everything(run) == before


def test_no_scene_at_all(finished, tmp_path):
    """At eps 1e-9 every frame is set aside, and nothing can be written."""
    run = Run.create(tmp_path / "run", finished / "clip.mkv")
    with pytest.raises(ClusterError):
        reconstruct(run, stage_parameters({}) | {"cluster": ClusterParameters(eps=1e-9)}, progress=False)
    before = everything(run)
    with pytest.raises(ClusterError, match="has no scene, all frames are set aside"):
        flip_scenes(run)
    assert everything(run) == before


@pytest.mark.parametrize(("content", "error"), [(None, RunError), (b"not a video", VideoError)])
def test_video_that_is_gone(run, content: bytes | None, error: type[Exception]):
    """Without it no video can be written: the order stays as it was."""
    before = everything(run)
    run.source.unlink()
    if content:
        Path(run.record["source"]["path"]).write_bytes(content)
    with pytest.raises(error):
        flip_scenes(run)
    assert everything(run) == before


# --- edits ----------------------------------------------------------------------------------------------------------------


def test_every_kind_of_edit_is_in_the_videos(run):
    """The first frame of scene 0 goes into the midst of scene 1, a foreign one after the last of scene 0, and one frame of each
    scene is set aside; alignment copes with frames that nothing registers to."""
    large, small = frame_lists(run.order())
    foreign = run.order().query("scene < 0")["position"].tolist()
    edits = [{"move": large[0], "before": small[4]}, {"move": foreign[0], "after": large[-1]}]
    edit_order(run, *edits, {"drop": large[5]}, {"drop": small[5]})
    with pytest.raises(StaleStageError):
        run.require("write")
    write_again(run, progress=False)
    check_result(run.path, run.source)
    expected = [[*large[1:5], *large[6:], foreign[0]], [*small[:4], large[0], small[4], *small[6:]]]
    assert frame_lists(run.order()) == expected
    aligned = run.alignment()
    assert aligned["scene"].tolist() == run.order()["scene"].tolist()
    apart = [*foreign, large[0], large[5], small[5]]
    assert aligned.query("connected == 0")["position"].tolist() == sorted(apart)


def test_the_next_run_writes_what_was_edited(run):
    """Without ``overwrite``: alignment and videos are made again, the order is not, and the metrics count the edits."""
    edits = [flip(run, 1), {"drop": int(run.scene_order(0)[0])}]
    edit_order(run, *edits)
    changed, computed_at = (run.path / "order.csv").read_bytes(), run.record["stages"]["order"]["finished"]
    metrics = reconstruct(Run.open(run.path), stage_parameters(LOSSLESS), progress=False)
    assert (run.path / "order.csv").read_bytes() == changed
    assert Run.open(run.path).record["stages"]["order"]["finished"] == computed_at
    assert (metrics["edits"], metrics["outliers"]) == (2, 4)
    check_result(run.path, run.source)


def test_a_steady_video_after_an_edit(run):
    """A frame that is not connected stays as it is."""
    foreign = run.order().query("scene < 0")["position"].tolist()
    run.record["stages"]["write"]["parameters"]["stabilise"] = True
    edit_order(run, {"move": foreign[0], "before": int(run.scene_order(1)[0])})
    write_again(run, progress=False)
    assert np.array_equal(pictures(run.path / "scene01.mkv")[0], pictures(run.source)[foreign[0]])


def test_undo_of_everything_is_what_was_computed(run):
    before = everything(run)
    rng = np.random.default_rng(5)
    made = []
    while len(made) < 12:
        a, b = rng.integers(0, 27, 2).tolist()
        edit = [{"move": a, "after": b}, {"move": a, "before": b}, {"drop": a}, flip(run, int(rng.integers(2)))][
            rng.integers(4)
        ]
        try:
            edit_order(run, edit)
        except UsageError:
            continue
        made.append(edit)
        rows = read_order(run.path / "order.csv")  # raises unless every frame stands there once
        assert len(rows) == 27
    assert Run.open(run.path).edits("order") == made
    assert everything(run)["order.csv"] != before["order.csv"]
    for edit in reversed(made):
        assert undo(run) == edit
    after = everything(run)
    assert {name for name in before if after[name] != before[name]} == {"run.json"}
    run.require("align", "write")  # what was made from the computed order is right again
    with pytest.raises(UsageError, match="no edit to take back"):
        undo(run)


def test_a_refused_edit_changes_nothing(run):
    """The first of the two could be made."""
    before = everything(run)
    with pytest.raises(UsageError, match="there is no frame 27"):
        edit_order(run, {"drop": 0}, {"drop": 27})
    assert everything(run) == before


@pytest.mark.parametrize(
    "other", [OrderParameters(distance="blend", alpha=0.9), OrderParameters(method="greedy")], ids=["blend", "greedy"]
)
def test_edits_survive_another_order(run, other: OrderParameters):
    """The order stage is replaced: a frame that was set aside stays so, a flipped scene begins with the same end, a frame that
    was moved stands beside the same one."""
    large, small = frame_lists(run.order())
    edits = [flip(run, 0), {"drop": large[7]}, {"move": large[3], "after": small[2]}]
    edit_order(run, *edits)
    run_stage(run, other, overwrite=True)
    run = Run.open(run.path)
    assert run.edits("order") == edits and run.info("order")["edits_left_out"] == []
    scenes = frame_lists(run.order())
    assert large[7] not in scenes[0] + scenes[1]
    assert scenes[1].index(large[3]) == scenes[1].index(small[2]) + 1
    assert scenes[0].index(large[-1]) < scenes[0].index(large[0])
    first, last = large[0], large[-1]
    had_them_the_other_way = frame_lists(computed(run))[0].index(first) < frame_lists(computed(run))[0].index(last)
    assert had_them_the_other_way or other.method == "greedy"  # a greedy chain may have run the other way already
    with pytest.raises(StaleStageError):
        run.require("align")
    reconstruct(run, stage_parameters(LOSSLESS) | {"order": other}, overwrite=True, progress=False)
    check_result(run.path, run.source)
    assert run.edits("order") == edits
    undo(run), undo(run), undo(run)
    assert run.order().equals(computed(run))


def test_edits_that_no_longer_fit_are_kept_and_reported(run):
    """With a very small eps every frame is set aside: a scene cannot be reversed, a frame that was to be set aside is. Back at
    the first eps all fit again."""
    edits = [flip(run, 0), {"drop": int(run.scene_order(1)[0])}]
    edit_order(run, *edits)
    with pytest.raises(ClusterError):
        reconstruct(run, stage_parameters(LOSSLESS) | {"cluster": ClusterParameters(eps=1e-9)}, overwrite=True, progress=False)
    assert run.edits("order") == edits
    (message,) = run.info("order")["edits_left_out"]
    first, last = edits[0]["flip"]
    assert message.startswith(f"flip the scene so that frame {first} comes before frame {last}: left out, frames {first} and")
    reconstruct(run, stage_parameters(LOSSLESS), overwrite=True, progress=False)
    assert run.info("order")["edits_left_out"] == []
    check_result(run.path, run.source)


def test_an_order_that_something_else_changed_is_not_lost(run):
    """Two places of order.csv are exchanged with a text editor: no edit is made on top, and nothing is written."""
    lines = (run.path / "order.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    one, other = (next(row for row in rows if row[1:3] == ["0", place]) for place in "01")
    one[2], other[2] = other[2], one[2]
    (run.path / "order.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    before = everything(run)
    for change in (lambda: edit_order(run, {"drop": 0}), lambda: undo(run), lambda: flip_scenes(run)):
        with pytest.raises(RunError, match=r"order\.csv was changed by something else than edits: delete it and reconstruct"):
            change()
    assert everything(run) == before
    (run.path / "order.csv").unlink()
    run_stage(run, OrderParameters())
    edit_order(run, {"drop": 0})


@pytest.mark.parametrize("stops", [KeyboardInterrupt, OSError])
def test_writing_that_is_stopped_leaves_the_old_videos(run, monkeypatch, stops: type[BaseException]):
    """It stops on the way; called again it writes them all."""
    edit_order(run, flip(run, 1))
    before = everything(run)
    written = []

    def write(frame, codec):
        written.append(frame)
        if len(written) == len(run.scene_order(0)) + 5:
            raise stops
        return prepared(frame, codec)

    with monkeypatch.context() as patched:
        patched.setattr("workbench.video.reorder.prepared", write)
        with pytest.raises(VideoError if stops is OSError else stops):
            write_again(run, progress=False)
    after = everything(run)
    assert {name for name in before if after[name] != before[name]} <= {"run.json", "alignment.csv"}
    assert after.keys() == before.keys()
    write_again(run, progress=False)
    check_result(run.path, run.source)


def test_without_an_alignment_none_is_made(run):
    del run.record["stages"]["align"]
    (run.path / "alignment.csv").unlink()
    edit_order(run, flip(run, 0))
    write_again(run, progress=False)
    assert "align" not in run.record["stages"]
    check_result(run.path, run.source)
    run_stage(run, AlignParameters(), progress=False)

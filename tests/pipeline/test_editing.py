"""Changing an order by hand: edits are recorded in the run, are kept when stages are computed again, and can be taken back;
reversing a scene changes the file, the videos and the record of the run together, or nothing.
"""

import shutil
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.tiny import check_result, encode, mixture, pictures
from workbench.errors import ClusterError, RunError, StaleStageError, UsageError, VideoError
from workbench.evaluation.files import read_order
from workbench.parameters import AlignParameters, ClusterParameters, OrderParameters, WriteParameters
from workbench.pipeline import scene_edits
from workbench.pipeline.editing import computed, edit_order, flip_scenes, undo, undo_all, write_again, writing_again
from workbench.pipeline.edits import frame_lists
from workbench.pipeline.metrics import write_metrics
from workbench.pipeline.order_edits import describe
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
    assert run.record["stages"]["write"]["outputs"][:3] == ["scene00.mp4", "scene01.mp4", "reconstructed.mp4"]


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


def test_video_that_is_gone(run):
    """Without it no video can be written: the order stays as it was."""
    before = everything(run)
    run.source.unlink()
    with pytest.raises(RunError, match=r"is gone \(.*\): put it back, or tell where it is now, with `workbench reconstruct"):
        flip_scenes(run)
    assert everything(run) == before


def test_another_video_in_its_place(run):
    """As many frames of the same size, in another order: its frames would be written as those of the run, without a word."""
    before = everything(run)
    encode(run.source, mixture()[::-1], "ffv1", "bgr0")
    with pytest.raises(RunError, match="is not what this run was made from any more: put that back"):
        flip_scenes(run)
    with pytest.raises(RunError, match="is not what this run was made from any more"):
        run_stage(run, WriteParameters(codec="lossless", images="png"), overwrite=True, progress=False)
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


# --- whole scenes -----------------------------------------------------------------------------------------------------------


def written_scenes(run: Run) -> None:
    """Check that every video has the frames of its scene, and the last one those of all scenes, as they are numbered."""
    source, scenes = pictures(run.source), frame_lists(run.order())
    names = run.record["stages"]["write"]["outputs"][: len(scenes) + 1]
    assert names == [*(f"scene{number:02d}.mkv" for number in range(len(scenes))), "reconstructed.mkv"]
    for name, frames in zip(names, [*scenes, [*chain(*scenes)]], strict=True):
        assert np.array_equal(pictures(run.path / name), [source[frame] for frame in frames]), name
    assert {path.name for path in run.path.glob("*.mkv")} == set(names)


def test_scenes_in_another_order_are_played_so(run):
    large, small = frame_lists(run.order())
    with writing_again(run, progress=False):
        edit_order(run, scene_edits.play_in_order(run, [1, 0]))
    assert frame_lists(run.order()) == [small, large]
    written_scenes(run)
    assert set(run.alignment()["scene"]) == {-1, 0, 1}


def test_cut_join_and_set_aside(run):
    """The large scene is cut after six frames, its first part goes behind the small scene, and its second part is set aside.
    The videos follow every time, those that are too many are gone, and taking all back gives the first order again."""
    large, small = frame_lists(run.order())
    before = (run.path / "order.csv").read_bytes()
    for make, expected in (
        (lambda: scene_edits.cut(run, large[6]), [large[:6], large[6:], small]),
        (lambda: scene_edits.join(run, 2, 0), [large[6:], small + large[:6]]),
        (lambda: scene_edits.set_aside(run, 0), [small + large[:6]]),
    ):
        with writing_again(run, progress=False):
            edit_order(run, make())
        assert frame_lists(run.order()) == expected
        written_scenes(run)
    with pytest.raises(UsageError, match="no scene would be left"):
        edit_order(run, scene_edits.set_aside(run, 0))
    assert len(undo_all(run)) == 3 and run.edits("order") == []
    assert (run.path / "order.csv").read_bytes() == before
    with pytest.raises(UsageError, match="no edit to take back"):
        undo_all(run)


def test_the_first_frame_of_a_scene(run):
    large, small = frame_lists(run.order())
    with writing_again(run, progress=False):
        edit_order(run, {"first": small[7]})
    assert frame_lists(run.order()) == [large, small[7:] + small[:7]]
    written_scenes(run)


def test_edits_of_scenes_survive_another_order(run):
    """The order is computed anew by another method, which gives other places: the scenes are cut between the same frames, set
    aside, joined and played as before."""
    large, small = frame_lists(run.order())
    edits = [scene_edits.cut(run, large[6]), {"first": small[4]}]
    edit_order(run, *edits)
    edits.append(scene_edits.play_in_order(run, [2, 1, 0]))
    edit_order(run, edits[-1])
    edits.append(scene_edits.set_aside(run, 1))
    edit_order(run, edits[-1])
    assert frame_lists(run.order()) == [small[4:] + small[:4], large[:6]]
    run_stage(run, OrderParameters(method="greedy"), overwrite=True)
    run = Run.open(run.path)
    assert run.edits("order") == edits and run.info("order")["edits_left_out"] == []
    first, second = frame_lists(run.order())
    assert first[0] == small[4] and set(first) == set(small) and not set(second) & set(large[6:])
    assert large[5] in second and set(second) < set(large)
    reconstruct(run, stage_parameters(LOSSLESS) | {"order": OrderParameters(method="greedy")}, progress=False)
    written_scenes(run)


def test_an_edit_of_scenes_that_no_longer_fits_is_kept_and_reported(run):
    """With a very small eps there is no scene to cut, to join or to play first; back at the first eps all fit again."""
    large, _ = frame_lists(run.order())
    edits = [scene_edits.cut(run, large[6]), scene_edits.join(run, 1, 0), scene_edits.play_in_order(run, [1])]
    edit_order(run, *edits[:2])
    assert len(frame_lists(run.order())) == 2
    edit_order(run, edits[2])
    changed = frame_lists(run.order())
    with pytest.raises(ClusterError):
        reconstruct(run, stage_parameters(LOSSLESS) | {"cluster": ClusterParameters(eps=1e-9)}, overwrite=True, progress=False)
    messages = run.info("order")["edits_left_out"]
    assert run.edits("order") == edits
    assert [message.split(": left out, ")[0] for message in messages] == [describe(edit) for edit in edits]
    reconstruct(run, stage_parameters(LOSSLESS), overwrite=True, progress=False)
    assert run.info("order")["edits_left_out"] == [] and frame_lists(run.order()) == changed


def test_an_edit_in_between_is_taken_back(run):
    """The others are made without it; one that cannot be is left out and reported, and is made again when it can be."""
    large, small = frame_lists(run.order())
    edits = [flip(run, 1), {"cut": [large[5], large[6]]}, {"join": [large[0], large[6]]}]
    edit_order(run, *edits)
    assert undo(run, 1) == edits[0] and frame_lists(run.order()) == [large, small]
    assert undo(run, 1) == edits[1] and run.edits("order") == edits[2:]
    (message,) = run.info("order")["edits_left_out"]
    assert message.startswith(f"{describe(edits[2])}: left out, frames {large[0]} and {large[6]} are in one scene already")
    for number in (0, 2, -1):
        with pytest.raises(UsageError, match=f"there is no edit {number}: the run has edits 1 to 1"):
            undo(run, number)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda run: scene_edits.join(run, 1, 1), "scene 1 cannot be joined to itself"),
        (lambda run: scene_edits.join(run, 0, 2), "there is no scene 2: .* has 0, 1, choose"),
        (lambda run: scene_edits.set_aside(run, -1), "there is no scene -1"),
        (lambda run: scene_edits.play_in_order(run, [1, 1]), "scene 1 is named twice"),
        (lambda run: scene_edits.cut(run, int(run.scene_order(0)[0])), "is the first of its scene"),
        (lambda run: scene_edits.cut(run, 26), "frame 26 is in no scene"),
        (lambda run: scene_edits.cut(run, 27), "frame 27 is in no scene"),
    ],
)
def test_scenes_that_cannot_be_named_so(run, make, words: str):
    with pytest.raises(UsageError, match=words):
        make(run)


def test_the_figures_of_a_scene_follow_it(run):
    """The first scene is played last: the doubt of the order stage, which is about it, counts its frames."""
    large, small = frame_lists(run.order())
    run.record["stages"]["order"]["info"]["undetermined_scenes"] = [0]
    edit_order(run, scene_edits.play_in_order(run, [1, 0]))
    assert [scene_edits.computed_scene(run, frames) for frames in (small, large, [26])] == [1, 0, None]
    assert write_metrics(run)["undetermined_frames"] == 14


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

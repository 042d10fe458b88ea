"""What the page shows of a run and changes in it, on copies of the short run: scenes of 12 and 10 frames, 4 foreign."""

import io
import shutil
import zipfile

import cv2
import numpy as np
import pytest

from workbench.app.jobs import Job, State
from workbench.app.pictures import zipped
from workbench.app.result import change, describe_result, frame_picture, result_files
from workbench.errors import BusyError, UsageError
from workbench.pipeline.editing import write_again
from workbench.pipeline.scene_edits import scene_lists
from workbench.run import Run


@pytest.fixture
def job(short_run, tmp_path) -> Job:
    shutil.copytree(short_run[0].path, tmp_path / "short")
    return Job(tmp_path / "short", State.DONE)


def test_all_that_was_found_is_described(short_run):
    run, _ = short_run
    found = describe_result(run)
    table = run.order()
    assert [scene["frames"] for scene in found["scenes"]] == [12, 10] and found["foreign"]["frames"] == 4
    assert [scene["strip"] for scene in found["scenes"]] == [run.scene_order(k).tolist() for k in range(2)]
    assert found["foreign"]["strip"] == table.loc[table["scene"] < 0, "position"].tolist()
    assert [scene["video"] for scene in found["scenes"]] == ["scene00.mp4", "scene01.mp4"]
    assert found["video"] == "reconstructed.mp4" and found["written"] and not found["pictures"] and not found["edits"]
    assert {name for name, _ in found["files"]} == {
        "reconstructed.mp4", "order.csv", "reconstructed.otio", "reconstructed.edl", "reconstructed.ffconcat"
    }  # fmt: skip
    assert set(result_files(run)) == {name for name, _ in found["files"]} | {"scene00.mp4", "scene01.mp4"}


def test_doubtful_links_are_those_of_the_table(short_run):
    run, _ = short_run
    table = run.order()
    doubtful = describe_result(run)["doubtful"]
    weak = table[table["confidence"] < 0.8]
    assert doubtful["count"] == len(weak) == len(doubtful["links"])
    confidences = [link["confidence"] for link in doubtful["links"]]
    assert confidences == sorted(confidences)
    for link in doubtful["links"]:
        row = table.iloc[link["before"][-1]]
        assert row["confidence"] == link["confidence"] and row["scene"] == link["scene"]
        frames = run.scene_order(link["scene"]).tolist()
        place = frames.index(link["before"][-1]) + 1
        assert link["after"] == frames[place : place + 3]


def test_a_flip_changes_the_order_and_not_the_videos(job):
    before, version = scene_lists(job.run), job.version()
    change(job.run, "flip", 1)
    found = describe_result(job.run)
    assert scene_lists(job.run) == [before[0], before[1][::-1]]
    assert not found["written"] and found["video"] == "reconstructed.mp4" and len(found["edits"]) == 1
    assert all(scene["video"] is None for scene in found["scenes"])  # they may be of other scenes now
    assert job.version() not in ("", version)
    change(job.run, "undo", 0)
    assert scene_lists(job.run) == before and describe_result(job.run)["written"] and job.version() == version


def test_scenes_are_reordered_and_set_aside(job):
    before = scene_lists(job.run)
    change(job.run, "later", 0)
    assert scene_lists(job.run) == before[::-1]
    change(job.run, "earlier", 1)
    assert scene_lists(job.run) == before
    change(job.run, "set-aside", 0)
    assert scene_lists(job.run) == before[1:] and describe_result(job.run)["foreign"]["frames"] == 16
    write_again(job.run, progress=False)
    assert describe_result(job.run)["written"] and len(describe_result(job.run)["scenes"]) == 1


@pytest.mark.parametrize(
    ("verb", "scene", "words"),
    [
        ("flip", 2, "there is no scene 2"),
        ("flip", -1, "there is no scene -1"),
        ("earlier", 0, "scene 0 is the first one already"),
        ("later", 1, "scene 1 is the last one already"),
        ("undo", 0, "there is no edit to take back"),
        ("turn", 0, "there is no change called turn: use flip, earlier, later, set-aside or undo"),
    ],
)
def test_what_cannot_be_changed_is_one_line(job, verb, scene, words):
    order = job.run.order_path.read_bytes()
    with pytest.raises(UsageError, match=words):
        change(job.run, verb, scene)
    assert job.run.order_path.read_bytes() == order


def test_a_run_in_use_is_not_changed(job):
    with Run.open(job.path).held(), pytest.raises(BusyError):
        change(job.run, "flip", 0)


def test_frames_are_small_pictures(short_run):
    """As the working copy has them, but for the loss of JPEG."""
    run, _ = short_run
    picture = cv2.imdecode(np.frombuffer(frame_picture(run, 5), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture.shape == (150, 200, 3)
    assert np.abs(cv2.resize(run.images()[5], (200, 150), interpolation=cv2.INTER_AREA).astype(int) - picture).mean() < 6
    for position in (-1, 26):
        with pytest.raises(UsageError, match="the last one is 25"):
            frame_picture(run, position)


def test_an_archive_is_made_while_it_is_sent(tmp_path):
    """Every file in a piece of its own, so that none waits in memory for the others."""
    contents = {f"scene00/{k:06d}.png": np.random.default_rng(k).bytes(1000 * k) for k in range(5)}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    pieces = [*zipped(tmp_path)]
    assert len(pieces) == 6
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents

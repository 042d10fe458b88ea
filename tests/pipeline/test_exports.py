"""What the write stage leaves beside the videos: cut lists that play the restored order, and pictures that are asked for."""

import shutil

import numpy as np
import opentimelineio as otio
import pytest
from PIL import Image

from tests.helpers.tiny import pictures
from tests.video.test_cut_lists import played
from workbench.errors import ParameterError, VideoError
from workbench.parameters import WriteParameters
from workbench.pipeline.editing import flip_scenes
from workbench.pipeline.exports import export_names, write_exports
from workbench.pipeline.stages import run_stage
from workbench.run import Run

LISTS = ["reconstructed.otio", "reconstructed.edl", "reconstructed.ffconcat"]


@pytest.fixture
def run(short_run, tmp_path) -> Run:
    """A copy of the run of the short video, to be changed."""
    shutil.copytree(short_run[0].path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def restored(run: Run) -> list[int]:
    """Positions of the frames of all scenes in restored order."""
    return [position for scene in range(run.scenes().max() + 1) for position in run.scene_order(scene).tolist()]


def test_lists_are_always_written(short_run, tmp_path):
    """The frames that ffmpeg's list plays are those of the source in the restored order; the others count the same."""
    run, _ = short_run
    outputs = run.recorded_outputs("write")
    assert outputs == ["scene00.mp4", "scene01.mp4", "reconstructed.mp4", *LISTS] and not (run.path / "images").exists()
    assert run.info("write")["warnings"] == []
    source, order = pictures(run.source), restored(run)
    shown = played((run.path / "reconstructed.ffconcat").read_text(), tmp_path)
    assert len(shown) == len(order)
    assert all(np.array_equal(picture, source[position]) for picture, position in zip(shown, order, strict=True))
    for name in LISTS[:2]:
        rate = {"rate": float(run.frame_rate)} if name.endswith(".edl") else {}
        (track,) = otio.adapters.read_from_file(str(run.path / name), **rate).tracks
        spans = [(int(clip.source_range.start_time.value), int(clip.source_range.duration.value)) for clip in track]
        assert [start + step for start, count in spans for step in range(count)] == order
    made = otio.adapters.read_from_file(str(run.path / "reconstructed.otio"))
    assert made.name == run.source.stem and len(made.tracks.markers) == 2
    assert list(made.metadata["workbench"]["foreign"]) == np.flatnonzero(run.scenes() < 0).tolist()


def test_lists_follow_an_edit(run):
    """They are outputs of the write stage: when a scene is turned round by hand, they are made again with its video."""
    before = restored(run)
    flip_scenes(run, 0, progress=False)
    after, first = restored(run), len(run.scene_order(0))
    assert after == before[:first][::-1] + before[first:]
    (track,) = otio.adapters.read_from_file(str(run.path / "reconstructed.otio")).tracks
    starts = [clip.source_range.start_time.value for clip in track]
    assert starts[0] == after[0] and starts[-1] + track[-1].source_range.duration.value - 1 == after[-1]


@pytest.mark.parametrize(("kind", "suffix", "apart"), [("png", "png", 5), ("jpeg", "jpg", 6)])
def test_pictures(kind, suffix, apart, run):
    """Every frame is there once: of scenes under its place, of foreign ones under its position."""
    run_stage(run, WriteParameters(images=kind), overwrite=True, progress=False)
    assert run.recorded_outputs("write")[-1] == "images"
    source, scenes = pictures(run.source), run.scenes()
    expected = {f"foreign/{position:06d}.{suffix}": position for position in np.flatnonzero(scenes < 0).tolist()}
    for scene in range(2):
        expected |= {f"scene{scene:02d}/{k:06d}.{suffix}": p for k, p in enumerate(run.scene_order(scene).tolist())}
    images = run.path / "images"
    assert {path.relative_to(images).as_posix() for path in images.rglob("*.*")} == expected.keys()
    for name, position in expected.items():
        found = np.asarray(Image.open(images / name)).astype(int)
        assert np.abs(found - source[position]).mean() < apart
        assert np.argmin([np.abs(found - frame).mean() for frame in source]) == position
    run_stage(run, WriteParameters(), overwrite=True, progress=False)
    assert not images.exists()  # no picture stays behind that is of an earlier order


def test_a_video_has_no_pictures_to_copy(run):
    """Said before anything is computed."""
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(
        ParameterError, match=r"images=copy copies the pictures that came in, but .*short.mp4 is a video: use png"
    ):
        run_stage(run, WriteParameters(images="copy"), overwrite=True, progress=False)
    assert (run.path / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_cannot_be_written(name, run, tmp_path):
    """A folder is in its place."""
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(
        VideoError, match=rf"{name} cannot be written \(Is a directory\): check the folder, its permissions"
    ) as raised:
        write_exports(run, WriteParameters(), tmp_path / "out", progress=False)
    assert len(str(raised.value).splitlines()) == 1


def test_no_list_for_ffmpeg_without_times(run, tmp_path, monkeypatch):
    """Times that stand still, as in some damaged files: ffmpeg could not find the frames."""
    times = run.times().copy()
    times[5] = times[4]
    monkeypatch.setattr(Run, "times", lambda _: times)
    assert export_names(run, WriteParameters()) == tuple(LISTS[:2])
    reason = "no reconstructed.ffconcat is written: the times of the source do not rise from frame to frame"
    assert write_exports(run, WriteParameters(), tmp_path, progress=False) == [reason]
    assert (tmp_path / "reconstructed.otio").exists() and not (tmp_path / "reconstructed.ffconcat").exists()


def test_no_list_for_ffmpeg_with_a_line_break(run, tmp_path):
    run.record["source"]["path"] = str(shutil.copy(run.source, tmp_path / "a\nfile b.mp4"))
    assert export_names(run, WriteParameters()) == tuple(LISTS[:2])
    (warning,) = write_exports(run, WriteParameters(), tmp_path, progress=False)
    assert warning == "no reconstructed.ffconcat is written: the name of the source has a line break, rename it"


def test_a_varying_rate_is_said(run, tmp_path):
    run.record["stages"]["video"]["info"]["variable_frame_rate"] = True
    (warning,) = write_exports(run, WriteParameters(), tmp_path, progress=False)
    assert warning.startswith("the frame rate varies: an editor")
    made = otio.adapters.read_from_file(str(tmp_path / "reconstructed.otio"))
    assert made.metadata["workbench"]["note"] == warning

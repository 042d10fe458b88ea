"""Copies and cut lists where pictures or several videos came in: what they play is the restored order."""

import zipfile
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from PIL import Image

from tests.helpers.tiny import encode, mixture, pictures
from tests.video.test_cut_lists import played
from workbench.errors import VideoError
from workbench.parameters import WriteParameters
from workbench.pipeline.stages import reconstruct, run_stage
from workbench.run import Run
from workbench.run.stages import stage_parameters

LISTS = ["reconstructed.otio", "reconstructed.edl", "reconstructed.ffconcat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``pictures/``: the 27 frames of :func:`tiny.mixture` as ``p00.png`` and so on; ``pictures.zip`` with the same files."""
    folder = tmp_path_factory.mktemp("came_in")
    (folder / "pictures").mkdir()
    for number, frame in enumerate(mixture()):
        Image.fromarray(frame).save(folder / "pictures" / f"p{number:02d}.png")
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for file in sorted((folder / "pictures").iterdir()):
            archive.write(file, f"inside/{file.name}")
    return folder


def restored(run: Run) -> list[int]:
    """Positions of the frames of all scenes in restored order."""
    return [position for scene in range(run.scenes().max() + 1) for position in run.scene_order(scene).tolist()]


def test_copies_of_a_folder_and_its_lists(folder, tmp_path):
    """Every file once, the same bytes, sorted in the restored order; the lists name the files that came in."""
    run = Run.create(tmp_path / "run", folder / "pictures")
    reconstruct(run, stage_parameters({"write.images": "copy"}), progress=False)
    order, files = restored(run), sorted((folder / "pictures").iterdir())
    copies = sorted((run.path / "images").glob("scene*/*"))
    assert len(order) == 24 and [copy.name[7:] for copy in copies] == [files[position].name for position in order]
    assert all(copy.read_bytes() == files[position].read_bytes() for copy, position in zip(copies, order, strict=True))
    foreign = sorted((run.path / "images/foreign").iterdir())
    assert [copy.name for copy in foreign] == [f"{p:06d}_p{p:02d}.png" for p in range(24, 27)]
    assert all(copy.read_bytes() == files[p].read_bytes() for copy, p in zip(foreign, range(24, 27), strict=True))
    (track,) = otio.adapters.read_from_file(str(run.path / "reconstructed.otio")).tracks
    named = [otio.url_utils.filepath_from_url(clip.media_reference.target_url) for clip in track]
    assert named == [str(files[position].resolve()) for position in order]
    source = mixture()
    shown = played((run.path / "reconstructed.ffconcat").read_text(), tmp_path)
    assert all(np.array_equal(picture, source[position]) for picture, position in zip(shown, order, strict=True))


def test_an_archive(folder, tmp_path):
    """Its members are no files that a list can name: only with pictures written are there lists."""
    run = Run.create(tmp_path / "run", folder / "pictures.zip")
    reconstruct(run, stage_parameters({}), progress=False)
    assert not any((run.path / name).exists() for name in LISTS)
    assert run.info("write")["warnings"][-1].startswith(
        "no lists are written: the pictures are not files of their own; with --write"
    )
    run_stage(run, WriteParameters(images="copy"), overwrite=True, progress=False)
    order, source = restored(run), mixture()
    copies = sorted((run.path / "images").glob("scene*/*"))
    assert [copy.name[7:] for copy in copies] == [f"p{position:02d}.png" for position in order]
    assert copies[0].read_bytes() == (folder / "pictures" / f"p{order[0]:02d}.png").read_bytes()
    shown = played((run.path / "reconstructed.ffconcat").read_text(), tmp_path)
    assert all(np.array_equal(picture, source[position]) for picture, position in zip(shown, order, strict=True))


def test_several_videos(tmp_path):
    """The frames of :func:`tiny.mixture` in two videos: cuts name the one that a frame is in, and its place there."""
    frames = mixture()
    videos = [encode(tmp_path / "a.mp4", frames[:12]), encode(tmp_path / "b.mp4", frames[12:])]
    run = Run.create(tmp_path / "run", videos)
    reconstruct(run, stage_parameters({}), progress=False)
    order, source = restored(run), [picture for video in videos for picture in pictures(video)]
    shown = played((run.path / "reconstructed.ffconcat").read_text(), tmp_path)
    assert len(shown) == len(order)
    assert all(np.array_equal(picture, source[position]) for picture, position in zip(shown, order, strict=True))
    (track,) = otio.adapters.read_from_file(str(run.path / "reconstructed.otio")).tracks
    offsets = {videos[0].name: 0, videos[1].name: 12}
    listed = []
    for clip in track:
        start = offsets[clip.media_reference.name] + int(clip.source_range.start_time.value)
        listed += range(start, start + int(clip.source_range.duration.value))
    assert listed == order
    with pytest.raises(
        VideoError, match="comes from a video and has no picture file of its own: write the frames as new pictures"
    ):
        run_stage(run, WriteParameters(images="copy"), overwrite=True, progress=False)

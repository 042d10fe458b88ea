"""Whole runs of pictures and of several videos: the frames of the short video (see ``tests/fixtures/short.py``) in other files.

Decoded to RGB and stored without loss, under names that say the position in the video, they are in the same order as before.
"""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.video.test_pictures import noise, save
from workbench.errors import ParameterError
from workbench.evaluation.files import read_order
from workbench.parameters import VideoParameters
from workbench.pipeline.editing import flip_scenes
from workbench.pipeline.stages import reconstruct, run_stage
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.video.decode import decode
from workbench.video.encode import write_frames
from workbench.video.proxies import rgb
from workbench.video.reorder import write_video
from workbench.video.source import open_source


@pytest.fixture(scope="module")
def exploded(short, tmp_path_factory) -> tuple[Path, list[int]]:
    """The frames as pictures whose names sort in a drawn order; and the position in the video of each, in that order."""
    folder = tmp_path_factory.mktemp("exploded") / "frames"
    folder.mkdir()
    drawn = np.random.default_rng(5).permutation(26).tolist()
    for position, frame in decode(short):
        Image.fromarray(rgb(frame)).save(folder / f"f{drawn.index(position)}_{position}.png")
    return folder, drawn


def test_pictures_come_out_as_the_video_does(exploded, short_run, tmp_path):
    folder, drawn = exploded
    run = Run.create(tmp_path / "run", folder)
    reconstruct(run, stage_parameters({}), progress=False)
    table = run.order()
    assert table["name"].tolist() == run.names() == [f"f{place}_{position}.png" for place, position in enumerate(drawn)]
    found = sorted(row._replace(position=drawn[row.position]) for row in read_order(run.order_path))
    truth = read_order(short_run[0].order_path)
    assert [row.scene for row in found] == [row.scene for row in truth]
    scenes = [[[row.position for row in sorted(rows, key=lambda row: row.order) if row.scene == scene] for scene in range(2)]
              for rows in (found, truth)]  # fmt: skip
    for ours, theirs in zip(*scenes, strict=True):
        places = [theirs.index(position) for position in ours]
        assert abs(np.corrcoef(places, range(len(places)))[0, 1]) > 0.99

    before = table["name"].tolist()
    flip_scenes(run, 0, progress=False)
    after = Run.open(run.path).order()
    assert after["name"].tolist() == before and not after["order"].equals(table["order"])
    with open_source(run.inputs) as source:
        assert source.original(3) == (folder / before[3]).read_bytes()


def test_several_videos_come_out_as_one(short, short_run, tmp_path):
    """The first 13 frames in one file, the rest in another."""
    halves = [
        write_video(short, range(start, start + 13), tmp_path / f"{start}.mkv", "lossless", progress=False) for start in (0, 13)
    ]
    run = Run.create(tmp_path / "run", halves)
    reconstruct(run, stage_parameters({}), progress=False)
    assert run.names()[12:14] == ["0.mkv#12", "13.mkv#0"]
    assert read_order(run.order_path) == read_order(short_run[0].order_path)
    with av.open(str(run.path / "reconstructed.mp4")) as container:
        assert container.streams.video[0].frames == 22


def test_the_order_inside_several_videos_is_kept(sample_clips, tmp_path):
    """24 frames of pagoda in three videos, given as the last, the first and the second: nothing is shuffled inside them."""
    videos = []
    for start in (16, 0, 8):
        videos.append(tmp_path / f"{start}.mkv")
        write_frames(sample_clips["pagoda"][start : start + 8], videos[-1], codec="lossless")
    run = Run.create(tmp_path / "run", videos)
    reconstruct(run, stage_parameters({"video.keep_order": True}), progress=False)
    assert run.scene_order(0).tolist() == [*range(8, 24), *range(8)]
    confidence = run.order()["confidence"].to_numpy()
    assert (confidence[[place for place in range(24) if place % 8 != 7]] == 1).all() and np.isnan(confidence[7])


def test_the_order_inside_one_video_is_what_is_sought(short, tmp_path):
    run = Run.create(tmp_path / "run", short)
    with pytest.raises(ParameterError, match="keep_order is for several videos"):
        run_stage(run, VideoParameters(keep_order=True), progress=False)


def test_the_order_of_pictures_is_what_is_sought(tmp_path):
    """Two pictures of noise, each a file of its own: there is no order inside them."""
    (tmp_path / "pictures").mkdir()
    for number in (1, 2):
        save(tmp_path / "pictures" / f"{number}.png", noise(number))
    run = Run.create(tmp_path / "run", tmp_path / "pictures")
    with pytest.raises(ParameterError, match="every frame is a file of its own: leave it out"):
        run_stage(run, VideoParameters(keep_order=True), progress=False)

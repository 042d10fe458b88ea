"""Reversing scenes by hand: the file, the videos and the record of the run change together, or nothing does."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tiny import check_result, encode, mixture, pictures

from workbench.edit import flip_scenes
from workbench.errors import ClusterError, RunError, UsageError, VideoError
from workbench.evaluate import read_order
from workbench.parameters import ClusterParameters, stage_parameters
from workbench.run import Run
from workbench.stages import reconstruct

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
    assert len(before) == 13 + 9 and len(set(before.values())) > 1
    flip_scenes(run, progress=False)
    assert links() == before


def test_later_calls_keep_it(run):
    """The order stage is still the one that was computed: it is reused with the change, and so are the videos."""
    flip_scenes(run, 0, progress=False)
    before = everything(run)
    assert run.record["stages"]["order"]["edits"] == [{"flipped": [0]}]
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

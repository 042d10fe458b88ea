"""Sound through a whole run. The clip has scenes of 12 and 8 frames and 3 foreign pictures, shuffled, at 10 frames per second;
frame k is heard as a tone of its own, as in ``tests/video/test_sound.py``."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tests.helpers.tiny import pan, workbench
from tests.video.test_sound import RATE, SECONDS, heard, samples_of, tones
from workbench.run import Run
from workbench.video.sound import find_sound


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    frames = pan(1, 12) + pan(2, 8) + [pan(100 + k, 1)[0] for k in range(3)]
    frames = [frames[k] for k in np.random.default_rng(4).permutation(len(frames))]
    path = tmp_path_factory.mktemp("sound") / "clip.mkv"
    with av.open(str(path), "w") as file:
        video, sound = file.add_stream("ffv1", rate=10), file.add_stream("flac", rate=RATE, layout="mono")
        video.width, video.height, video.pix_fmt = 96, 72, "yuv420p"
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p", threads=1)
            frame.pts = index
            file.mux(video.encode(frame))
        file.mux(video.encode())
        block = tones(np.full(len(frames), SECONDS)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        file.mux(sound.encode(frame))
        file.mux(sound.encode())
    return path


def test_sound_of_a_run(clip, tmp_path):
    """Left out and said by default; with ``follow`` in every video, in the order of its frames; with ``keep`` in one."""
    words = ("reconstruct", clip, "--out", tmp_path / "run", "--match.matcher", "sift-flann", "--write.codec", "lossless")
    answer = workbench(*words)
    assert answer.status == 0 and "note: there is sound (flac, 1 channel, 2.3 s): it is left out" in answer.err
    run = Run.open(tmp_path / "run")
    scenes = [run.scene_order(scene).tolist() for scene in (0, 1)]
    names = ["scene00.mkv", "scene01.mkv", "reconstructed.mkv"]
    assert [find_sound(run.path / name) for name in names] == [None] * 3

    assert workbench(*words, "--write.audio", "follow", "--overwrite").status == 0
    for name, order in zip(names, [*scenes, scenes[0] + scenes[1]], strict=True):
        assert heard(samples_of(run.path / name), np.full(len(order), SECONDS)) == order

    assert workbench(*words, "--write.audio", "keep", "--overwrite").status == 0
    assert [find_sound(run.path / name) is None for name in names] == [True, True, False]
    assert (samples_of(run.path / names[2]) == samples_of(clip)).all()


def test_what_is_said_when_there_is_no_sound(short, tmp_path):
    words = ("--out", tmp_path / "run", "--match.matcher", "sift-flann", "--write.audio", "follow")
    answer = workbench("reconstruct", short, *words)
    assert answer.status == 0 and "note: the video has no sound: --write.audio follow adds none\n" in answer.err


def test_the_sound_of_several_videos_is_left_out(clip, short, tmp_path):
    """One of two videos has sound: both are restored, without it, and both notes say why."""
    words = ("--out", tmp_path / "run", "--match.matcher", "sift-flann", "--write.audio", "follow")
    answer = workbench("reconstruct", clip, short, *words)
    assert answer.status == 0
    assert "note: there is sound in " in answer.err and "clip.mkv: it is left out" in answer.err
    assert "note: --write.audio follow is for one video file: what is written has no sound" in answer.err
    assert find_sound(tmp_path / "run" / "reconstructed.mp4") is None

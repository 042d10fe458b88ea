"""The write stage with every codec and timing, on one run: what is in the files, and what the user is told about them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.helpers.tiny import encode, mixture, workbench
from workbench.errors import RunError, StaleStageError, VideoError
from workbench.parameters import WriteParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.video.codecs import CODECS
from workbench.video.decode import Decoder, decode

STEPS_MS = [20, 40, 70]  # how long frames last, in turn


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """``workbench reconstruct`` on :func:`tiny.mixture`, two scenes of 14 and 10 frames and 3 foreign ones, with 10 bits per
    channel and frames that last 20, 40, 70, 20, ... ms; what it said, and the run beside the video."""
    folder = tmp_path_factory.mktemp("written")
    pts = np.cumsum([0, *(STEPS_MS * 9)])[:27].tolist()
    video = encode(folder / "clip.mkv", mixture(), "ffv1", "yuv420p10le", 1000, pts)
    return workbench("reconstruct", video, "--out", folder / "run", "--write.timing", "source"), folder / "run"


@pytest.fixture
def run(answer: tuple[object, Path]) -> Run:
    return Run.open(answer[1])


def written(run: Run, **values: object) -> dict:
    return run_stage(run, WriteParameters(**values), overwrite=True, progress=False)


def times_ms(path: Path) -> list[float]:
    return [float(1000 * frame.pts * frame.time_base) for _, frame in decode(path)]


def test_the_command_tells_what_is_lost(answer):
    """H.264 has 8 bits: the terminal says so, in one line with the remedy."""
    said, path = answer
    assert said.status == 0
    assert "note: the source has 10 bits per channel, what is written has 8: --write.codec h265," in said.err
    assert len(said.err.splitlines()) == 2 and "the frame rate varies" in said.err
    assert Run.open(path).info("write")["warnings"] == [
        line.removeprefix("note: ") for line in said.err.splitlines() if "10 bits" in line
    ]


@pytest.mark.parametrize("codec", list(CODECS))
def test_every_codec_keeps_order_times_and_chapters(run, codec):
    """The joined video has the kept frames scene by scene, each as long as in the source (the last one: the median, 40 ms), and
    a chapter for each of the two scenes."""
    made = written(run, codec=codec, timing="source")
    suffix = CODECS[codec].suffixes[0]
    assert made["outputs"] == [f"scene00{suffix}", f"scene01{suffix}", f"reconstructed{suffix}"]
    assert bool(made["info"]["warnings"]) == (codec == "h264")
    frames = np.concatenate([run.scene_order(0), run.scene_order(1)])
    durations = np.array([40 if frame == 26 else STEPS_MS[frame % 3] for frame in frames])
    begins = np.cumsum([0, *durations])
    assert times_ms(run.path / made["outputs"][-1]) == pytest.approx(begins[:-1], abs=0.02)
    assert times_ms(run.path / made["outputs"][1]) == pytest.approx(begins[14:24] - begins[14], abs=0.02)
    with av.open(str(run.path / made["outputs"][-1])) as file:
        chapters = file.chapters()
        assert file.duration / 1000 == pytest.approx(begins[-1], abs=1)
    assert [chapter["metadata"]["title"] for chapter in chapters] == ["Scene 0 (14 frames)", "Scene 1 (10 frames)"]
    assert [float(1000 * chapter["start"] * chapter["time_base"]) for chapter in chapters] == [0, begins[14]]


@pytest.mark.parametrize(("fps", "step_ms"), [(10.0, 100), (0.5, 2000), (29.97, 1000 / 29.97)])
def test_a_chosen_frame_rate(run, fps, step_ms):
    made = written(run, fps=fps)
    for name in made["outputs"]:
        times = times_ms(run.path / name)
        assert times == pytest.approx(step_ms * np.arange(len(times)), abs=0.05)
    with Decoder(run.path / "reconstructed.mp4") as decoder:
        assert float(decoder.frame_rate) == pytest.approx(fps, rel=1e-4)


def test_without_a_choice_the_rate_is_that_of_the_source(run):
    written(run)
    with Decoder(run.path / "reconstructed.mp4") as decoder:
        assert decoder.frame_rate == run.frame_rate().limit_denominator(1001)
        times = [float(frame.pts * frame.time_base) for _, frame in decode(decoder)]
    assert np.diff(times) == pytest.approx(float(1 / run.frame_rate()), abs=2e-5)


def test_another_timing_is_another_result(run):
    """A finished stage is not replaced by one with another timing without being told to."""
    written(run)
    with pytest.raises(StaleStageError, match=r"timing='constant' \(now 'source'\): pass --overwrite"):
        run_stage(run, WriteParameters(timing="source"), progress=False)


def test_a_rate_that_no_file_can_state_is_refused(run):
    made = written(run)
    with pytest.raises(VideoError, match=r"a frame rate of 0\.0001 cannot be written"):
        written(run, fps=0.0001)
    assert run.record["stages"]["write"] == made


@pytest.mark.parametrize("rate", ["1/0", "25", "-25/1", "x", "1e9/1"])
def test_a_damaged_frame_rate_is_one_line(run, monkeypatch, rate):
    assert run.frame_rate() > Fraction(20)
    monkeypatch.setitem(run.record["stages"]["video"]["info"], "frame_rate", rate)
    with pytest.raises(RunError, match="is no frame rate"):
        run.frame_rate()

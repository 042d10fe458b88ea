"""The first stage on files that are not plain: what is recorded, and that later stages read the same stream at the same rate.

Files have a few frames that drift over one seeded picture; they are made here.
"""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from tests.helpers.muxed import drifting, mux, steps, without_rate
from workbench.errors import RunError, VideoError
from workbench.parameters import VideoParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run


def read(folder, video, **parameters):
    run = Run.create(folder / "run", video)
    run_stage(run, VideoParameters(**parameters), progress=False)
    return run


def test_what_bars_hide_does_not_count(tmp_path):
    """Two frames of 64 x 48 px, then two of 36 x 48 px, as when a phone is turned: what is left is the middle."""
    video = tmp_path / "turned.h264"
    parts = [mux(tmp_path / f"{width}.h264", ("libx264", drifting(2, width), (0, 40), {})) for width in (64, 36)]
    video.write_bytes(b"".join(part.read_bytes() for part in parts))
    run = read(tmp_path, video)
    counted = ~run.overlay()
    assert counted[:, 18:46].all() and not counted[:, :14].any() and not counted[:, 50:].any()
    info = run.info("video")
    assert info["sizes"] == [[64, 48, 2], [36, 48, 2]] and info["overlay_share"] == 0
    assert any("2 frames differ" in note and "black bars" in note for note in info["warnings"])
    assert any("compared by the part that all shapes show" in note for note in info["warnings"])
    kept = read(tmp_path / "kept", video, overlay="keep")
    assert not kept.overlay().any() and not any("compared" in note for note in kept.info("video")["warnings"])


def test_frames_of_one_shape_count_as_a_whole(tmp_path):
    run = read(tmp_path, mux(tmp_path / "clip.mp4", ("libx264", drifting(3), (0, 40, 80), {})))
    assert not run.overlay().any() and run.info("video")["warnings"] == []


def test_the_chosen_stream_and_the_rate_found_are_what_later_stages_use(tmp_path):
    """Two streams without a stated rate, 80 ms apart: the second by its size, the first by its number."""
    times = steps([80] * 7)
    tracks = [("libx264", drifting(8, *size), times, {"bf": "0"}) for size in ((32, 24), (64, 48))]
    video = mux(tmp_path / "two.mkv", *tracks)
    for _ in tracks:
        without_rate(video)
    run = read(tmp_path, video)
    assert (run.stream, run.info("video")["stream"], run.frame_rate) == (-1, 1, Fraction(25, 2))
    assert np.allclose(np.diff(pd.read_csv(run.frames_path)["time_s"]), 0.08)
    first = read(tmp_path / "first", video, stream=0)
    assert (first.stream, first.info("video")["width"], first.frame_rate) == (0, 32, Fraction(25, 2))
    with pytest.raises(VideoError, match=r"no video stream 5: choose with --video\.stream"):
        read(tmp_path / "none", video, stream=5)


def test_a_record_without_a_rate_is_damaged(tmp_path):
    run = read(tmp_path, mux(tmp_path / "clip.mp4", ("libx264", drifting(3), (0, 40, 80), {})))
    for rate in (None, "fast", "1/0"):
        run.record["stages"]["video"]["info"]["frame_rate"] = rate
        with pytest.raises(RunError, match="damaged"):
            _ = run.frame_rate

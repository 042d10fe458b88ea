"""Drawn clips as notebook 08 restores them, and what is said of scenes that come out in the order of the file."""

from types import SimpleNamespace

import numpy as np
import pytest

from workbench.evaluation.drawn_clips import DrawnClip, drawn_clips
from workbench.notebooks.failures import RestoredClip, restore_drawn
from workbench.reports.findings_file import file_sentences
from workbench.video import encode


@pytest.mark.parametrize("name", ["still", "takes"])
def test_only_a_still_clip_comes_out_in_the_order_of_its_file(tmp_path, monkeypatch, name):
    """Thirty noisy frames of one picture, and two takes in which something moves, both shuffled with seed 0. x264 by its preset
    alone copies parts of each frame from the one before it in the file: all that tells the frames of the first apart."""
    monkeypatch.setattr(encode, "encoder_options", lambda _codec, _format, crf: {"crf": str(crf), "preset": "veryfast"})
    (clip,) = (clip for clip in drawn_clips() if clip.name == name)
    shown = restore_drawn(clip, tmp_path, 0)
    words = file_sentences(shown.scenes())
    if name == "still":
        assert len(words) == 1 and words[0].startswith("The order of scene 0 is nearly that of the file")
    else:
        assert words == [] and shown.measured["tau"] > 0.98


def test_scenes_that_run_backwards():
    """Scene 0 is the true scene b, forwards; scene 1 is a, backwards but for two frames; a frame of b is set aside."""
    true_frames, names = np.r_[np.arange(5), np.arange(5)], np.repeat(["a", "b"], 5)
    orders = [np.array([5, 6, 7, 8]), np.array([4, 3, 1, 2, 0])]
    run = SimpleNamespace(scene_orders=lambda: orders)
    labels = np.r_[np.ones(5, int), np.zeros(4, int), -1]
    clip = DrawnClip("two", "Two scenes.", {"a": np.zeros((5, 4, 4, 3)), "b": np.zeros((5, 4, 4, 3))})
    shown = RestoredClip(clip, run, {}, labels, np.zeros(10, int), true_frames, names)
    assert shown.backwards() == [1]
    titles = list(shown.strips())
    assert titles[2] == "restored order, scene 0: |tau| with the true order 1.00" and titles[3].endswith("0.80, backwards")

"""Sentences about what an order rests on, from the record of the order stage of a run that is only described here."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workbench.embedding.distances import fine_distances, small_copies
from workbench.registration.aligned import KINDS
from workbench.reports.order import WORDS, order_doubts, order_sentences


def described(*, edited=(0, 0, 1, -1), **info):
    """A run of two scenes, frames 0 and 1 and frame 2, whose order stage recorded ``info``; ``edited`` are the scenes after
    edits by hand."""
    order = pd.Series([0, 1, 0, 0], dtype="Int64").mask(np.array(edited) < 0)
    table = pd.DataFrame({"position": range(4), "scene": edited, "order": order})
    labels = np.array([0, 0, 1, -1])
    return SimpleNamespace(info=lambda stage: info if stage == "order" else {}, order=lambda: table, scenes=lambda: labels)


def test_the_largest_shares_are_named_first_and_small_ones_are_not():
    run = described(scene00_weight_ranks=0.3, scene00_weight_residual=0.65, scene00_weight_pixels=0.05, scene00_closed=True)
    first, second = order_sentences(run)
    assert first == f"Scene 0: its order rests on {WORDS['residual']} (65 %); {WORDS['ranks']} (30 %); smaller parts (5 %)."
    assert second == "Scene 1: its order rests on many distances alike."


def test_equal_shares_are_said_once():
    run = described(scene00_weight_ranks=0.4, scene00_weight_colours=0.4, scene00_weight_pixels=0.2)
    assert order_sentences(run)[0] == (
        f"Scene 0: its order rests on {WORDS['ranks']} and {WORDS['colours']} (40 % each); {WORDS['pixels']} (20 %)."
    )


def test_an_order_that_is_not_in_the_pictures_is_said_last():
    run = described(
        scene00_weight_ranks=1.0, scene01_weight_ranks=1.0, doubts=["the order of scene 1 (40 frames) is not there"]
    )
    assert order_doubts(run) == ["The order of scene 1 (40 frames) is not there."] == order_sentences(run)[2:]
    assert order_doubts(described()) == []


@pytest.mark.parametrize(
    ("edited", "named", "now"),
    [
        ((1, 1, 0, -1), ["Scene 0 (scene 1 as it was computed)", "Scene 1 (scene 0 as it was computed)"], "it is scene 0 now."),
        ((0, 0, 0, -1), ["Scene 0:"], "it was set aside or became part of another scene."),
        ((0, 0, -1, 1), ["Scene 0:", "Scene 1: it was put together by hand"], "it was set aside or became part"),
        ((0, 0, 1, 2), ["Scene 0:", "Scene 1:", "Scene 2: it was put together by hand"], ""),
    ],
    ids=["other order", "joined", "set aside", "as before"],
)
def test_scenes_that_have_other_numbers_by_hand(edited, named, now):
    """The shares and the doubts are those of the scenes as they were computed, and the sentences say which that is now."""
    run = described(
        edited=edited,
        scene00_weight_ranks=1.0,
        scene01_weight_colours=1.0,
        doubts=["the order of scene 1 (1 frames) is not there"],
        undetermined_scenes=[1],
    )
    *scenes, doubt = order_sentences(run)
    assert len(scenes) == len(named) and all(map(str.startswith, scenes, named))
    start = "The order of scene 1 (1 frames) is not there."
    assert doubt == start if not now else doubt.startswith(f"{start} By hand, {now}")
    parts = {"Scene 0 (scene 1": "colours", "Scene 1 (scene 0": "ranks of the grey levels"}
    assert all(f"rests on {parts[line[:16]]} (100 %)" in line for line in scenes if line[:16] in parts)


def test_every_part_of_a_distance_has_words():
    """The distances of frames as they lie and of aligned ones, and what comes from matches."""
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    names = [*fine_distances(small_copies(images)), *(f"aligned_{kind}" for kind in KINDS)]
    assert {"residual", "missing_inliers", "principal", *names} == set(WORDS)

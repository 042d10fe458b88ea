"""Sentences about what an order rests on, from the record of the order stage of a run that is only described here."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from workbench.embedding.distances import fine_distances, small_copies
from workbench.registration.aligned import KINDS
from workbench.reports.order import WORDS, order_doubts, order_sentences


def described(**info):
    """A run of two scenes whose order stage recorded ``info``."""
    table = pd.DataFrame({"scene": [0, 0, 1, -1]})
    return SimpleNamespace(info=lambda stage: info if stage == "order" else {}, order=lambda: table)


def test_the_largest_shares_are_named_first_and_small_ones_are_not():
    run = described(scene00_weight_ranks=0.3, scene00_weight_residual=0.65, scene00_weight_pixels=0.05, scene00_closed=True)
    first, second = order_sentences(run)
    assert first == f"Scene 0: its order rests on {WORDS['residual']} (65 %), {WORDS['ranks']} (30 %)."
    assert second == "Scene 1: its order rests on many distances alike."


def test_an_order_that_is_not_in_the_pictures_is_said_last():
    run = described(
        scene00_weight_ranks=1.0, scene01_weight_ranks=1.0, doubts=["the order of scene 1 (40 frames) is not there"]
    )
    assert order_doubts(run) == ["The order of scene 1 (40 frames) is not there."] == order_sentences(run)[2:]
    assert order_doubts(described()) == []


def test_every_part_of_a_distance_has_words():
    """The distances of frames as they lie and of aligned ones, and what comes from matches."""
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    names = [*fine_distances(small_copies(images)), *(f"aligned_{kind}" for kind in KINDS)]
    assert {"residual", "missing_inliers", "principal", *names} == set(WORDS)

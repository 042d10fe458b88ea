"""The table of registered pairs, on frames of the sample with their true neighbours."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import MissingStageError, RunError
from workbench.matching.keypoints import extract
from workbench.matching.matches import match_pairs
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.registration.pair import UNRELATED
from workbench.registration.points import registered_pairs, registered_points
from workbench.registration.tables import TRANSFORM, match_figures, register_pairs
from workbench.storage.blocks import BlockJob

COLUMNS = ["a", "b", "matches", "inliers", "inlier_share", "model", "displacement", "residual", *TRANSFORM]
SIZE = (320, 240)
# Frames 0 to 7 are pagoda 0 to 7, 8 and 9 toys 0 and 40, 10 is black: neighbours, second neighbours, strangers, nothing.
NEAR, NEXT = [[k, k + 1] for k in range(7)], [[k, k + 2] for k in range(6)]
FAR, NOTHING = [[0, 8], [3, 9], [7, 8]], [[0, 10]]
PAIRS = np.array(sorted([*NEAR, *NEXT, *FAR, *NOTHING]))


@pytest.fixture(scope="module")
def images(sample_clips):
    """Eight frames of the panning scene in true order, two of another scene, and a black one."""
    return np.stack([*sample_clips["pagoda"][:8], *sample_clips["toys"][[0, 40]], np.zeros((240, 320, 3), np.uint8)])


@pytest.fixture(scope="module")
def files(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transforms")
    features = extract(images, SIZE, FeatureParameters(), folder / "features.h5", BlockJob("key", progress=False))
    return features, match_pairs(features, PAIRS, MatchParameters(), folder / "matches.h5", BlockJob("key", progress=False))


@pytest.fixture(scope="module")
def table(files, images):
    return register_pairs(*files, PAIRS, images, 3.0, progress=False)


def rows(table, pairs):
    return table.set_index(["a", "b"]).loc[[tuple(pair) for pair in pairs]]


def test_a_row_per_pair(table):
    assert table.columns.tolist() == COLUMNS
    assert table[["a", "b"]].to_numpy().tolist() == PAIRS.tolist()
    assert (table["inliers"] <= table["matches"]).all() and table["inlier_share"].between(0, 1).all()
    assert table["residual"].between(0, 1).all() and set(table["model"]) == {"similarity", "none"}


def test_points_of_the_pairs_of_a_scene(files, table):
    """Eight frames of one scene, two foreign ones and the black one, and the same with the scene parted in two: the pairs that
    register go to the scene of both of their frames. Their points agree with their transforms."""
    one = np.array([0] * 8 + [-1, -1, -1])
    two = np.array([1] * 4 + [0] * 4 + [-1] * 3)
    whole = registered_pairs(table, one)
    assert len(whole) == 1 and whole[0][["a", "b"]].to_numpy().tolist() == sorted([*NEAR, *NEXT])
    parted = registered_pairs(table, two)
    assert [{*rows["a"], *rows["b"]} for rows in parted] == [{4, 5, 6, 7}, {0, 1, 2, 3}]
    assert registered_pairs(table[:0], one)[0].empty and registered_pairs(table, np.full(11, -1)) == []
    steps = []
    points = registered_points(*files, whole[0], 3 / 320, lambda: steps.append(1))
    assert len(steps) == len(points.pairs) == len(whole[0])
    transforms = points.transforms[points.pair]
    off = np.einsum("nij,nj->ni", transforms[:, :, :2], points.points_a) + transforms[:, :, 2] - points.points_b
    assert np.linalg.norm(off, axis=1).max() <= 3.01


def test_true_neighbours_register(table):
    near = rows(table, NEAR)
    assert (near["model"] == "similarity").all() and (near["inliers"] > 30).all()
    assert (near["residual"] < 0.5 * UNRELATED).all()
    # The camera pans: content moves to the left by a few pixels, hardly turns and keeps its size.
    moved = near[TRANSFORM].to_numpy().reshape(-1, 2, 3)
    assert np.abs(np.hypot(moved[:, 0, 0], moved[:, 1, 0]) - 1).max() < 0.03
    assert (moved[:, 0, 2] < 2).all() and np.median(moved[:, 0, 2]) < -1
    assert near["displacement"].between(0, 0.1).all()


def test_second_neighbours_differ_more(table):
    near, after = rows(table, NEAR), rows(table, NEXT)
    assert after["displacement"].mean() > 1.4 * near["displacement"].mean()
    assert after["residual"].mean() > near["residual"].mean()
    assert after["inlier_share"].mean() < near["inlier_share"].mean()


def test_strangers_and_blank_frames_do_not_register(table):
    apart = rows(table, FAR + NOTHING)
    assert (apart["model"] == "none").all()
    assert (apart["inliers"] == 0).all() and (apart["inlier_share"] == 0).all()
    assert apart["displacement"].isna().all() and (apart["residual"] == UNRELATED).all()
    assert (apart[TRANSFORM].to_numpy() == [1, 0, 0, 0, 1, 0]).all()
    assert rows(table, NOTHING)["matches"].item() == 0


def test_figures_of_the_matches(table):
    """As counted by hand: of four pairs two register, with 30 of their 40 matches; the other 10 matches agree with nothing."""
    pairs = {"matches": [10, 30, 10, 0], "inliers": [8, 22, 0, 0], "model": ["similarity", "similarity", "none", "none"]}
    found = match_figures(pd.DataFrame(pairs))
    assert found == {"matches_per_pair": 12.5, "inliers_per_pair": 7.5, "inlier_ratio": 0.6, "registered_share": 0.5}
    assert set(match_figures(table[:0]).values()) == {0}
    assert match_figures(rows(table, NEAR))["registered_share"] == 1 and match_figures(rows(table, NEAR))["inlier_ratio"] > 0.7


def test_a_stricter_threshold_has_fewer_inliers(files, images, table):
    strict = register_pairs(*files, np.array(NEAR), images, 0.5, progress=False)
    assert (strict["inliers"].to_numpy() <= rows(table, NEAR)["inliers"].to_numpy()).all()
    assert strict["inliers"].sum() < 0.95 * rows(table, NEAR)["inliers"].sum()


def test_working_copies_of_half_the_size_give_transforms_of_the_original(images, tmp_path):
    """Keypoints of 160 x 120 copies, in pixels of the 320 x 240 original: the pan is measured in the same pixels."""
    small = np.ascontiguousarray(images[:, ::2, ::2])
    features = extract(small, SIZE, FeatureParameters(), tmp_path / "features.h5", BlockJob("key", progress=False))
    matches = match_pairs(features, np.array(NEXT), MatchParameters(), tmp_path / "matches.h5", BlockJob("key", progress=False))
    found = register_pairs(features, matches, np.array(NEXT), small, 3.0, progress=False)
    whole = register_pairs(features, matches, np.array(NEXT), images, 3.0, progress=False)
    assert (found["model"] == "similarity").all()
    assert (found["t02"] < 0).all() and found["t02"].mean() == pytest.approx(whole["t02"].mean(), abs=2)


def test_no_pairs(files, images):
    empty = register_pairs(*files, np.zeros((0, 2), int), images, 3.0, progress=False)
    assert len(empty) == 0 and empty.columns.tolist() == COLUMNS


def test_what_is_not_there(files, images, tmp_path):
    with pytest.raises(RunError, match="run the match stage again"):
        register_pairs(*files, np.array([[0, 7]]), images, 3.0, progress=False)
    with pytest.raises(MissingStageError, match="run the stage that writes it first"):
        register_pairs(files[0], tmp_path / "matches.h5", PAIRS, images, 3.0, progress=False)

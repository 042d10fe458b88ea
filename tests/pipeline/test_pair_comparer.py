"""Matching in rounds, on six views of one photograph, 8 px apart: what is kept, and that nothing is matched twice."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from workbench.errors import RunError
from workbench.matching.keypoints import extract
from workbench.matching.matches import match_pairs
from workbench.matching.nearest import SiftFlann
from workbench.parameters import FeatureParameters, MatchParameters, RegisterParameters
from workbench.pipeline.match_scenes import compare_new
from workbench.pipeline.pair_comparer import PairComparer
from workbench.registration.tables import register_pairs
from workbench.storage.blocks import BlockJob
from workbench.storage.hloc import open_h5, read_matches

FIRST, SECOND = np.array([[0, 1], [1, 2], [3, 4]]), np.array([[0, 2], [2, 3], [4, 5]])


@pytest.fixture(scope="module")
def images():
    china = load_sample_images().images[0]
    return np.stack([china[100:340, 8 * k : 8 * k + 320] for k in range(6)])


@pytest.fixture(scope="module")
def features_h5(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "features.h5"
    return extract(images, (320, 240), FeatureParameters(max_keypoints=100), out, BlockJob("images", progress=False))


@pytest.fixture
def matched(monkeypatch):
    """The number of pairs of every call of the matcher."""
    counts, match = [], SiftFlann.match

    def noted(self, features_a, features_b):
        counts.append(len(features_a))
        return match(self, features_a, features_b)

    monkeypatch.setattr(SiftFlann, "match", noted)
    return counts


@pytest.fixture
def make(features_h5, images, tmp_path):
    """Rounds in one folder, as a process that is started again would make them."""

    def made(key="key", **values):
        chosen = MatchParameters(matcher="sift-flann", **values)
        return PairComparer(features_h5, images, chosen, tmp_path / "parts", BlockJob(key, progress=False))

    return made


def test_rounds_give_what_matching_at_once_gives(make, features_h5, images, tmp_path):
    """Rows and matches of six pairs in two rounds are those of one call."""
    rounds = make()
    table = compare_new(rounds.compare(FIRST), SECOND, rounds.compare)
    pairs = table[["a", "b"]].to_numpy()
    assert np.array_equal(pairs, np.unique(np.r_[FIRST, SECOND], axis=0))
    joined = rounds.join(tmp_path / "joined.h5", pairs)
    whole = match_pairs(features_h5, pairs, rounds.parameters, tmp_path / "whole.h5", BlockJob("key", progress=False))
    assert table.equals(register_pairs(features_h5, whole, pairs, images, RegisterParameters().threshold, False))
    with open_h5(joined) as one, open_h5(whole) as other:
        assert dict(one.attrs) == dict(other.attrs)
        for pair in pairs.tolist():
            for found, expected in zip(read_matches(one, *pair), read_matches(other, *pair), strict=True):
                assert np.array_equal(found, expected)
    assert (table["model"] == "similarity").all() and table["t02"].to_numpy() == pytest.approx(
        -8 * (pairs[:, 1] - pairs[:, 0]), abs=1
    )


def test_finished_rounds_are_not_matched_again(make, tmp_path, matched):
    """Started again, the first two rounds are read and the third is matched; joined, the bytes are those of an unbroken run."""
    third = np.array([[0, 5]])
    unbroken = make()
    tables = [unbroken.compare(pairs) for pairs in (FIRST, SECOND, third)]
    pairs = np.r_[FIRST, SECOND, third]
    whole = unbroken.join(tmp_path / "whole.h5", pairs).read_bytes()
    (tmp_path / "parts" / "matches-round3.h5").unlink()
    assert sum(matched) == 7
    again = make()
    for some, table in zip((FIRST, SECOND, third), tables, strict=True):
        assert again.compare(some).equals(table)
    assert sum(matched) == 8
    assert again.join(tmp_path / "again.h5", pairs).read_bytes() == whole


@pytest.mark.parametrize("change", [{"key": "other"}, {"ratio": 0.7}])
def test_rounds_of_other_features_or_parameters_are_made_again(make, matched, change):
    make().compare(FIRST)
    make(**change).compare(FIRST)
    assert sum(matched) == 6


def test_a_round_of_other_pairs_and_a_damaged_one_are_made_again(make, tmp_path, matched):
    make().compare(FIRST)
    expected = make().compare(SECOND)  # as its first round
    assert sum(matched) == 6
    (tmp_path / "parts" / "matches-round1.h5").write_bytes(b"not HDF5")
    assert make().compare(SECOND).equals(expected) and sum(matched) == 9


def test_only_new_pairs_are_compared(make, matched):
    """Of four pairs one was compared before; when all were, there is no round."""
    rounds = make()
    table = compare_new(rounds.compare(FIRST), np.r_[SECOND, FIRST[:1]], rounds.compare)
    assert sum(matched) == 6 and len(rounds.files) == 2 and len(table) == 6
    assert compare_new(table, np.r_[FIRST, SECOND], rounds.compare).equals(table)
    assert compare_new(table, np.zeros((0, 2), int), rounds.compare).equals(table)
    assert sum(matched) == 6 and len(rounds.files) == 2


def test_no_pairs_at_all(make, tmp_path):
    """A clip of foreign frames alone: columns of whole numbers, so that a table can be read like any other."""
    rounds = make()
    table = rounds.compare(np.zeros((0, 2), int))
    assert len(table) == 0 and table[["a", "b", "inliers"]].to_numpy().dtype.kind == "i"
    more = compare_new(table, FIRST, rounds.compare)
    assert np.array_equal(more[["a", "b"]].to_numpy(), FIRST) and more["a"].dtype.kind == "i"
    with open_h5(rounds.join(tmp_path / "joined.h5", FIRST)) as file:
        assert sum(len(file[name]) for name in file) == 3


def test_bad_pairs(make):
    for pairs in ([[1, 0]], [[2, 2]], [[0, 1], [0, 1]], [[0, 99]]):
        with pytest.raises(RunError):
            make().compare(np.array(pairs))

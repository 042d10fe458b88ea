"""Easy pairs by nearest neighbours, the others by a network.

Frames are synthetic: keypoints at seeded random places with random descriptors. The second frame of a pair is the first one,
shifted; a share of its descriptors is drawn anew, so that these keypoints have no partner.
"""

import numpy as np
import pytest

from workbench.matching.base import as_matches, no_matches
from workbench.matching.cascade import NearestFirst, agreeing
from workbench.matching.matches import make_cascade, make_matcher
from workbench.matching.nearest import SiftExact
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features


def frame(seed, count=100, move=(0.0, 0.0), lost=0):
    """A frame of 400 x 300 px; the last ``lost`` keypoints have descriptors of their own."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((0, 0), (400, 300), (count, 2)) @ [[0.99, 0.1], [-0.1, 0.99]] + move
    descriptors = rng.normal(size=(128, count))
    if lost:
        descriptors[:, -lost:] = np.random.default_rng(seed + 1000).normal(size=(128, lost))
    descriptors /= np.linalg.norm(descriptors, axis=0)
    size = np.array([400, 300])
    return Features(points.astype(np.float32), np.ones(count, np.float32), descriptors.astype(np.float32), size)


class Network:
    """Matches every keypoint with the one of the same number at a score of 0.5, and remembers the pairs."""

    def __init__(self):
        self.seen = []

    def match(self, features_a, features_b):
        self.seen += list(zip(features_a, features_b, strict=True))
        numbers = [np.arange(min(len(a), len(b))) for a, b in zip(features_a, features_b, strict=True)]
        return [as_matches(a, some, some, np.full(len(some), 0.5)) for a, some in zip(features_a, numbers, strict=True)]


def test_only_pairs_with_few_agreeing_neighbours_reach_the_network():
    """Of four pairs 100, 24, 31 and 0 keypoints are found again: the second and the last are not easy. The order stays."""
    firsts = [frame(seed) for seed in range(4)]
    seconds = [frame(seed, move=(9, -4), lost=lost) for seed, lost in zip(range(4), (0, 76, 69, 100), strict=True)]
    network = Network()
    found = NearestFirst(network, 30).match(firsts, seconds)
    assert [(a is firsts[1], a is firsts[3]) for a, _ in network.seen] == [(True, False), (False, True)]
    nearest = SiftExact(MatchParameters(matcher="sift-exact")).match(firsts, seconds)
    for place in (0, 2):
        assert (found[place][0] == nearest[place][0]).all() and (found[place][1] == nearest[place][1]).all()
    for place in (1, 3):
        assert (found[place][1] == 0.5).all()
    assert (found[2][0] >= 0).sum() >= 31


@pytest.mark.parametrize(("count", "lost", "easy"), [(100, 74, True), (100, 76, False), (48, 22, True), (48, 26, False)])
def test_a_frame_with_few_keypoints_is_easy_where_a_quarter_of_them_agree(count, lost, easy):
    """At 60: of 100 keypoints 26 or 24 are found again; of 48 26 or 22, both more than a quarter, but 22 are fewer than 24."""
    network = Network()
    NearestFirst(network, 60).match([frame(2, count)], [frame(2, count, move=(9, -4), lost=lost)])
    assert (len(network.seen) == 0) == easy


def test_nearest_neighbours_stay_where_the_network_has_less():
    """Twenty neighbours agree; the network matches nothing, or all keypoints with a wrong one, or all with the right one."""
    a, b = frame(1), frame(1, move=(9, -4), lost=80)
    (nearest,) = SiftExact(MatchParameters(matcher="sift-exact")).match([a], [b])
    network = Network()
    for numbers, kept in ((np.zeros(0, int), True), (np.arange(100)[::-1], True), (np.arange(100), False)):
        chosen = np.arange(len(numbers))
        network.match = lambda some, _, chosen=chosen, numbers=numbers: [
            as_matches(a, chosen, numbers, np.full(len(numbers), 0.5))
        ]
        ((matches, _),) = NearestFirst(network, 30).match([a], [b])
        assert np.array_equal(matches, nearest[0]) == kept


@pytest.mark.parametrize("moved", [0, 40, 100])
def test_what_agrees_with_one_motion_is_counted(moved):
    """Of a hundred right correspondences so many are given a wrong end at a random place."""
    a, b = frame(1), frame(1, move=(20, 5))
    b.keypoints[:moved] = np.random.default_rng(5).uniform((0, 0), (400, 300), (moved, 2))
    count = agreeing(a, b, np.arange(100))
    assert 100 - moved <= count <= 100 - moved + 6


def test_frames_without_keypoints_go_to_the_network():
    empty, full = frame(1, 0), frame(2)
    network = Network()
    for first, second in ((empty, full), (full, empty), (empty, empty)):
        ((matches, _),) = NearestFirst(network, 1).match([first], [second])
        assert len(matches) == len(first) and (matches < 0).all()
    assert len(network.seen) == 3
    assert NearestFirst(network, 1).match([], []) == []
    assert agreeing(full, empty, no_matches(full)[0]) == 0


def test_it_stands_before_networks_alone():
    """By default before SuperGlue; not with zero inliers, and not before nearest neighbours."""
    assert isinstance(make_cascade(MatchParameters()), NearestFirst)
    for parameters in (MatchParameters(nearest_inliers=0), MatchParameters(matcher="sift-flann")):
        assert type(make_cascade(parameters)) is type(make_matcher(parameters))

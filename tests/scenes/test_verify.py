"""Scenes checked against matches, in synthetic clips: it is given which frames belong together and which pairs register.

A clip is given by its true scenes: the scene of every frame, -1 for foreign ones. Frames of a scene are in true order; a pair
registers with 40 inliers if it is of one scene and up to four places apart, and not at all otherwise.
"""

import numpy as np
import pandas as pd
import pytest

from workbench.embedding.views import matrix_view
from workbench.matching.pairs import nearest_pairs
from workbench.scenes.verify import pieces_of, probing_pairs, scenes_table, verify

REGISTERING_PLACES = 4  # places in the true order up to which two frames of a scene register


class Clip:
    """The matches of a clip. truth: (N,) int. blank: frames that register to nothing although they belong to a scene."""

    def __init__(self, truth, blank=()):
        self.truth, self.blank = np.array(truth), set(blank)
        count = len(self.truth)
        self.place = np.array([(self.truth[:k] == self.truth[k]).sum() for k in range(count)])
        # As embeddings would: frames of a scene by how near they are in its order, everything else far.
        same = (self.truth[:, None] == self.truth) & (self.truth >= 0)
        far = np.triu(np.random.default_rng(0).uniform(5, 6, (count, count)), 1)
        self.distances = np.where(same, np.abs(self.place[:, None] - self.place) / 10, far + far.T)
        np.fill_diagonal(self.distances, 0)

    def inliers(self, a, b):
        near = self.truth[a] == self.truth[b] >= 0 and abs(self.place[a] - self.place[b]) <= REGISTERING_PLACES
        return 40 if near and not {a, b} & self.blank else 0

    def compare(self, pairs):
        return rows((a, b, self.inliers(a, b)) for a, b in pairs.tolist())

    def verified(self, labels, keypoints=None):
        """The verified scenes, as the match stage finds them: near pairs, probing pairs, verdict."""
        labels = np.array(labels)
        table = self.compare(nearest_pairs(labels, [matrix_view(self.distances)], 4))
        pieces = pieces_of(labels, table)
        probed = self.compare(probing_pairs(pieces, matrix_view(self.distances)))
        table = pd.concat([table, probed]).drop_duplicates(["a", "b"]).sort_values(["a", "b"], ignore_index=True)
        return verify(labels, pieces, table, np.full(len(labels), 200) if keypoints is None else np.array(keypoints))


def rows(found):
    """A table of registered pairs from (a, b, inliers); six inliers register."""
    columns = {"a": int, "b": int, "inliers": int}
    table = pd.DataFrame(list(found), columns=list(columns)).astype(columns)
    return table.assign(model=np.where(table["inliers"] >= 6, "similarity", "none"))


def runs(*scenes):
    """Labels of (scene, count), ... one after the other."""
    return np.concatenate([np.full(count, scene) for scene, count in scenes])


NOTHING = {"rescued_frames": 0, "expelled_frames": 0, "joined_scenes": 0, "split_scenes": 0}


def changed(verified):
    """The counts that are not 0."""
    return {name: count for name, count in verified.counts().items() if count}


# --- wrong labels are corrected ---------------------------------------------------------------------------------------------


def test_right_scenes_stay_as_they_are():
    truth = runs((0, 30), (1, 20), (-1, 6))
    found = Clip(truth).verified(truth)
    assert found.labels.tolist() == truth.tolist() and found.counts() == NOTHING


def test_a_foreign_frame_that_slipped_in_is_expelled():
    truth = runs((0, 30), (1, 20), (-1, 3))
    labels = np.where(np.arange(53) == 51, 1, truth)
    found = Clip(truth).verified(labels)
    assert found.labels.tolist() == truth.tolist()
    assert found.expelled.tolist() == [51] and changed(found) == {"expelled_frames": 1}


def test_frames_that_were_thrown_out_are_taken_back_into_their_scene():
    truth = runs((0, 30), (1, 20), (-1, 3))
    labels = truth.copy()
    labels[[0, 14, 29, 40]] = -1
    found = Clip(truth).verified(labels)
    assert found.labels.tolist() == truth.tolist()
    assert found.rescued.tolist() == [0, 14, 29, 40] and changed(found) == {"rescued_frames": 4}


@pytest.mark.parametrize("cut", [10, 20, 37])
def test_a_scene_that_fell_to_pieces_is_joined(cut):
    """Forty frames in two scenes of DBSCAN, cut where the second begins."""
    truth = runs((0, 40), (1, 15))
    labels = np.r_[runs((0, cut), (2, 40 - cut)), runs((1, 15))]
    found = Clip(truth).verified(labels)
    assert found.labels.tolist() == truth.tolist() and changed(found) == {"joined_scenes": 1}


def test_scenes_that_were_thrown_together_come_apart():
    truth = runs((0, 30), (1, 20), (2, 10))
    found = Clip(truth).verified(np.zeros(60, int))
    assert found.labels.tolist() == truth.tolist() and changed(found) == {"split_scenes": 2}


def test_a_small_scene_of_foreign_frames_is_set_aside():
    """Four foreign frames that DBSCAN took for a scene, among sixty: a scene up to a tenth of a clip must register."""
    truth = runs((0, 35), (1, 21), (-1, 4))
    found = Clip(truth).verified(runs((0, 35), (1, 21), (2, 4)))
    assert found.labels.tolist() == truth.tolist() and changed(found) == {"expelled_frames": 4}


@pytest.mark.parametrize("seed", range(12))
def test_everything_at_once(seed):
    """Three scenes of 15 to 40 frames and five foreign ones, shuffled. Two scenes thrown together, the third one broken, three
    frames left out and two foreign ones in a scene: all of it is corrected."""
    rng = np.random.default_rng(seed)
    sizes = sorted(rng.choice(np.arange(15, 41), 3, replace=False), reverse=True)
    truth = rng.permutation(np.repeat([0, 1, 2, -1], [*sizes, 5]))
    clip = Clip(truth)
    labels = np.where(truth == 1, 0, truth)
    labels[(truth == 2) & (clip.place > sizes[2] // 2)] = 1
    out, foreign = rng.choice(np.flatnonzero(truth >= 0), 3, replace=False), np.flatnonzero(truth < 0)
    labels[out] = -1
    labels[foreign[:2]] = 0, 2
    found = clip.verified(labels)
    assert found.labels.tolist() == truth.tolist()
    assert found.rescued.tolist() == sorted(out.tolist()) and found.expelled.tolist() == foreign[:2].tolist()
    assert (found.joined, found.split) == (1, 1)


# --- where the matches show nothing clear, DBSCAN's labels stay -------------------------------------------------------------


def test_without_registered_pairs_nothing_changes():
    labels = runs((0, 12), (1, 8), (2, 3), (-1, 4))
    for table in (rows([]), rows((a, a + 1, 0) for a in range(26))):
        found = verify(labels, pieces_of(labels, table), table, np.full(27, 200))
        assert found.labels.tolist() == labels.tolist() and found.counts() == NOTHING


@pytest.mark.parametrize("labels", [[], [0], [-1], [-1] * 5, [0, 0]])
def test_very_few_frames(labels):
    found = Clip(labels).verified(np.array(labels, dtype=int))
    assert found.labels.tolist() == labels and found.counts() == NOTHING


@pytest.mark.parametrize(("keypoints", "stays"), [(0, True), (49, True), (50, False)])
def test_a_frame_with_few_keypoints_may_belong_without_registering(keypoints, stays):
    """A blurred frame of a scene that registers to nothing."""
    truth = runs((0, 30), (1, 20))
    counts = np.where(np.arange(50) == 12, keypoints, 200)
    found = Clip(truth, blank=[12]).verified(truth, counts)
    assert found.expelled.tolist() == ([] if stays else [12])
    assert found.labels[12] == (0 if stays else -1)
    assert np.array_equal(np.delete(found.labels, 12), np.delete(truth, 12))


def test_a_scene_of_water_stays():
    """Twenty frames that register to nothing, beside two scenes that do."""
    truth = runs((0, 25), (1, 20), (2, 18), (-1, 2))
    found = Clip(truth, blank=range(25, 45)).verified(truth)
    assert found.labels.tolist() == truth.tolist() and found.counts() == NOTHING


def test_a_scene_that_is_half_water_stays():
    """Of thirty frames every second one registers to nothing: too many for all of them to be foreign."""
    truth = runs((0, 30), (1, 20))
    found = Clip(truth, blank=range(0, 30, 2)).verified(truth)
    assert found.labels.tolist() == truth.tolist() and found.counts() == NOTHING


@pytest.mark.parametrize(("size", "parts"), [(3, 1), (4, 1), (5, 2), (9, 2)])
def test_a_piece_of_fewer_than_five_frames_is_no_scene_of_its_own(size, parts):
    """Some frames of a scene of forty register to each other only."""
    found = Clip(runs((0, 40 - size), (1, size))).verified(np.zeros(40, int))
    assert found.labels.max() + 1 == parts and (found.labels >= 0).all() and found.split == parts - 1


def test_a_small_scene_that_registers_stays():
    """Three frames that register to each other are a scene if DBSCAN says so: neither foreign nor too small."""
    truth = runs((0, 40), (1, 3))
    assert Clip(truth).verified(truth).labels.tolist() == truth.tolist()


def scenes_and(*more):
    """Table of two scenes of ten frames each, every frame registered to the next two, and ``more`` (a, b, inliers)."""
    inside = [(s + k, s + k + gap, 40) for s in (0, 10) for gap in (1, 2) for k in range(10 - gap)]
    return rows([*inside, *more])


@pytest.mark.parametrize(
    ("pairs", "home"),
    [
        ([(0, 20, 12), (5, 20, 12)], 0),  # two with twelve inliers
        ([(0, 20, 40), (5, 20, 11)], -1),  # one alone
        ([(0, 20, 11), (1, 20, 11), (2, 20, 11)], -1),  # chance
        ([(0, 20, 40), (1, 20, 40), (10, 20, 40)], 0),  # of two scenes, the one with more pairs
        ([(0, 20, 40), (10, 20, 40)], -1),  # one in each
    ],
)
def test_an_outlier_needs_two_strong_pairs_with_a_scene(pairs, home):
    labels, table = runs((0, 10), (1, 10), (-1, 1)), scenes_and(*pairs)
    found = verify(labels, pieces_of(labels, table), table, np.full(21, 200))
    assert found.labels.tolist() == [*labels[:20], home]


@pytest.mark.parametrize(("inliers", "joined"), [([40, 40], 0), ([11] * 8, 0), ([12, 12, 12], 1), ([40, 40, 11], 0)])
def test_scenes_are_joined_by_three_strong_pairs(inliers, joined):
    labels = runs((0, 10), (1, 10))
    table = scenes_and(*((k, 10 + k, count) for k, count in enumerate(inliers)))
    found = verify(labels, pieces_of(labels, table), table, np.full(20, 200))
    assert found.joined == joined and found.labels.max() == 1 - joined


@pytest.mark.parametrize(("inliers", "parts"), [(6, 1), (5, 2)])
def test_pieces_of_one_scene_stay_together_by_a_single_pair(inliers, parts):
    """Found when the pieces are compared; six inliers are enough where DBSCAN saw one scene."""
    labels, inside = np.zeros(20, int), scenes_and()
    table = scenes_and((3, 17, inliers))
    found = verify(labels, pieces_of(labels, inside), table, np.full(20, 200))
    assert found.labels.max() + 1 == parts


@pytest.mark.parametrize("compared", [2, 3])
def test_a_frame_is_expelled_only_when_it_was_compared_often_enough(compared):
    labels = np.r_[runs((0, 10), (1, 10)), 0]
    table = scenes_and(*((k, 20, 0) for k in range(compared)))
    found = verify(labels, pieces_of(labels, table), table, np.full(21, 200))
    assert found.labels[20] == (0 if compared < 3 else -1)


def test_a_frame_that_registers_weakly_is_not_expelled():
    labels = np.r_[runs((0, 10), (1, 10)), 0]
    table = scenes_and((0, 20, 0), (1, 20, 0), (2, 20, 6), (3, 20, 0))
    found = verify(labels, pieces_of(labels, table), table, np.full(21, 200))
    assert found.labels.tolist() == labels.tolist() and found.counts() == NOTHING


# --- numbers and the record -------------------------------------------------------------------------------------------------


def test_scenes_are_numbered_by_size_again():
    """DBSCAN's largest scene, of 30 frames, comes after the 40 frames of its second and third one together."""
    labels = runs((0, 30), (1, 22), (2, 18))
    found = Clip(runs((0, 30), (1, 40))).verified(labels)
    assert found.labels.tolist() == runs((1, 30), (0, 40)).tolist() and changed(found) == {"joined_scenes": 1}


def test_the_record_of_what_was_changed():
    """A frame left out, a foreign one in a scene, the second scene broken in two."""
    truth = runs((0, 20), (1, 18), (-1, 2))
    labels = np.r_[-1, runs((0, 19), (1, 10), (2, 8)), 0, -1]
    found = Clip(truth).verified(labels)
    assert found.counts() == {"rescued_frames": 1, "expelled_frames": 1, "joined_scenes": 1, "split_scenes": 0}
    table = scenes_table(labels, found)
    assert list(table) == ["position", "scene", "clustered", "verdict"]
    assert table["position"].tolist() == list(range(40))
    assert table["scene"].tolist() == truth.tolist() and table["clustered"].tolist() == labels.tolist()
    assert table["verdict"].tolist() == ["rescued", *[""] * 37, "expelled", ""]


# --- pieces and probes ------------------------------------------------------------------------------------------------------


def test_pieces_are_chains_inside_scenes():
    """Frames 0 to 3 in a chain, 4 and 5 a pair, 6 to 8 a chain; 9 registers across scenes; 10 is an outlier that registers."""
    labels = np.array([0] * 6 + [1] * 4 + [-1])
    table = rows([(0, 1, 9), (1, 3, 9), (2, 3, 6), (4, 5, 50), (6, 7, 9), (7, 8, 9), (3, 9, 50), (3, 10, 50), (8, 9, 5)])
    assert pieces_of(labels, table).tolist() == [0, 0, 0, 0, -1, -1, 1, 1, 1, -1, -1]


def test_larger_pieces_have_lower_numbers():
    labels = np.zeros(9, int)
    table = rows([(0, 1, 9), (1, 2, 9), (3, 4, 9), (4, 5, 9), (5, 6, 9)])
    assert pieces_of(labels, table).tolist() == [1, 1, 1, 0, 0, 0, 0, -1, -1]


@pytest.mark.parametrize("seed", range(3))
def test_probing_pairs(seed):
    """Six pieces of 4 to 30 frames and nine single frames at random places in space, shuffled: each single frame with the three
    nearest frames of pieces, two pieces by at most eight pairs with the nearest one among them, no frame in more than two."""
    rng = np.random.default_rng(seed)
    pieces = rng.permutation(np.repeat([*range(6), -1], [30, 20, 12, 8, 5, 4, 9]))
    points = rng.random((len(pieces), 3)) + 2 * rng.random((7, 3))[pieces]
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    pairs = probing_pairs(pieces, matrix_view(distances))
    assert pairs.dtype.kind == "i" and (pairs[:, 0] < pairs[:, 1]).all()
    assert np.array_equal(pairs, np.unique(pairs, axis=0))
    single = (pieces[pairs] < 0).any(axis=1)
    in_pieces = np.flatnonzero(pieces >= 0)
    for frame in np.flatnonzero(pieces < 0):
        partners = pairs[(pairs == frame).any(axis=1)].sum(axis=1) - frame
        assert set(partners) == set(in_pieces[np.argsort(distances[frame, in_pieces])[:3]])
    across = np.sort(pieces[pairs[~single]], axis=1)
    assert (across[:, 0] != across[:, 1]).all()
    for one, other in np.unique(across, axis=0):
        some = pairs[~single][(across == (one, other)).all(axis=1)]
        assert len(some) == min(8, 2 * (pieces == one).sum(), 2 * (pieces == other).sum())
        assert np.bincount(some.ravel()).max() <= 2
        block = distances[np.ix_(pieces == one, pieces == other)]
        assert distances[some[:, 0], some[:, 1]].min() == block.min()
    for piece in range(6):
        gaps = [distances[np.ix_(pieces == piece, pieces == other)].min() if other != piece else np.inf for other in range(6)]
        compared = set(across[(across == piece).any(axis=1)].ravel().tolist())
        assert set(np.argsort(gaps)[:3].tolist()) <= compared


@pytest.mark.parametrize("pieces", [[], [-1], [-1, -1, -1], [0, 0, 0]])
def test_nothing_to_probe(pieces):
    found = probing_pairs(np.array(pieces, dtype=int), matrix_view(np.zeros((len(pieces), len(pieces)))))
    assert found.shape == (0, 2) and found.dtype.kind == "i"


def test_fewer_frames_in_pieces_than_probes():
    """Three frames of a piece and a single frame, all at one place."""
    assert probing_pairs(np.array([0, -1, 0, 0]), matrix_view(np.zeros((4, 4)))).tolist() == [[0, 1], [1, 2], [1, 3]]

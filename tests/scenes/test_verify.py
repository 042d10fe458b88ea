"""Scenes checked against matches, in synthetic clips: it is given which frames belong together and which pairs register.

A clip is given by its true scenes: the scene of every frame, -1 for foreign ones. Frames of a scene are in true order; a pair
registers with 40 inliers if it is of one scene and up to four places apart, and not at all otherwise.
"""

import numpy as np
import pandas as pd
import pytest

from workbench.embedding.views import matrix_view
from workbench.matching.pairs import nearest_pairs
from workbench.scenes.decisions import changed_counts, decisions_table
from workbench.scenes.pieces import BRIDGES, MORE_BRIDGES, pairs_before_splits, pieces_of, probing_pairs
from workbench.scenes.verify import verify

REGISTERING_PLACES = 4  # places in the true order up to which two frames of a scene register
USUAL = 0.05  # residual of pairs that register, where nothing else is said


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

    def verified(self, labels, keypoints=None, **more):
        """The verified scenes, as the match stage finds them: near pairs, probing pairs, verdict."""
        labels = np.array(labels)
        view = matrix_view(self.distances)
        table = self.compare(nearest_pairs(labels, [view], 4))
        pieces = pieces_of(labels, table)
        probed = self.compare(probing_pairs(pieces, view, view))
        table = pd.concat([table, probed]).drop_duplicates(["a", "b"]).sort_values(["a", "b"], ignore_index=True)
        counts = np.full(len(labels), 200) if keypoints is None else np.array(keypoints)
        return Found(labels, verify(labels, pieces, table, counts, view, **{"alike": 0.05} | more))


class Found:
    """Verified scenes beside those of the clusterer."""

    def __init__(self, before, verified):
        self.before, self.labels, self.decisions, self.doubts = before, verified.labels, verified.decisions, verified.doubts

    def counts(self):
        return changed_counts(self.before, self.labels)

    def frames(self, verdict):
        """The frames of all decisions of one kind, sorted."""
        return sorted(frame for decision in self.decisions if decision.verdict == verdict for frame in decision.frames.tolist())


def verified(labels, pieces, table, count, **more):
    """The verified scenes of a clip in which no two frames look alike, each with 200 keypoints."""
    view = matrix_view(1 - np.eye(count))
    return Found(labels, verify(labels, pieces, table, np.full(count, 200), view, 0.05, **more))


def rows(found):
    """A table of registered pairs from (a, b, inliers), or (a, b, inliers, residual); six inliers register."""
    columns = {"a": int, "b": int, "inliers": int, "residual": float}
    table = pd.DataFrame([(*row, USUAL)[:4] for row in found], columns=list(columns)).astype(columns)
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
    assert found.frames("expelled") == [51] and changed(found) == {"expelled_frames": 1}


def test_frames_that_were_thrown_out_are_taken_back_into_their_scene():
    truth = runs((0, 30), (1, 20), (-1, 3))
    labels = truth.copy()
    labels[[0, 14, 29, 40]] = -1
    found = Clip(truth).verified(labels)
    assert found.labels.tolist() == truth.tolist()
    assert found.frames("rescued") == [0, 14, 29, 40] and changed(found) == {"rescued_frames": 4}


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
    assert found.frames("rescued") == sorted(out.tolist()) and found.frames("expelled") == foreign[:2].tolist()
    assert changed(found) == {"rescued_frames": 3, "expelled_frames": 2, "joined_scenes": 1, "split_scenes": 1}


# --- where the matches show nothing clear, DBSCAN's labels stay -------------------------------------------------------------


def test_without_registered_pairs_nothing_changes():
    labels = runs((0, 12), (1, 8), (2, 3), (-1, 4))
    for table in (rows([]), rows((a, a + 1, 0) for a in range(26))):
        found = verified(labels, pieces_of(labels, table), table, 27)
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
    assert found.frames("expelled") == ([] if stays else [12])
    assert found.labels[12] == (0 if stays else -1)
    assert np.array_equal(np.delete(found.labels, 12), np.delete(truth, 12))


@pytest.mark.parametrize(("apart", "stays"), [(0.1, True), (0.2, False)])
def test_a_frame_that_looks_like_its_scene_is_not_expelled(apart, stays):
    """It registers to nothing: every matcher fails on some frames. The others are 0.1 from their neighbours."""
    truth = runs((0, 30), (1, 20))
    clip = Clip(truth, blank=[12])
    clip.distances[12] = clip.distances[:, 12] = np.maximum(clip.distances[12], apart) * (np.arange(50) != 12)
    found = clip.verified(truth, alike=0.3)
    assert found.frames("expelled") == ([] if stays else [12])
    assert found.labels[12] == (0 if stays else -1)
    said = "frame 12 was left: it registers to none of"
    assert [doubt.startswith(said) and "looks like a frame of the scene" in doubt for doubt in found.doubts] == [True] * stays


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
    assert found.labels.max() + 1 == parts and (found.labels >= 0).all() and found.counts()["split_scenes"] == parts - 1


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
    found = verified(labels, pieces_of(labels, table), table, 21)
    assert found.labels.tolist() == [*labels[:20], home]


@pytest.mark.parametrize(("inliers", "joined"), [([40, 40], 0), ([11] * 8, 0), ([12, 12, 12], 1), ([40, 40, 11], 0)])
def test_scenes_are_joined_by_three_strong_pairs(inliers, joined):
    labels = runs((0, 10), (1, 10))
    table = scenes_and(*((k, 10 + k, count) for k, count in enumerate(inliers)))
    found = verified(labels, pieces_of(labels, table), table, 20)
    assert found.counts()["joined_scenes"] == joined and found.labels.max() == 1 - joined


@pytest.mark.parametrize(("inliers", "parts"), [(6, 1), (5, 2)])
def test_pieces_of_one_scene_stay_together_by_a_single_pair(inliers, parts):
    """Found when the pieces are compared; six inliers are enough where DBSCAN saw one scene."""
    labels, inside = np.zeros(20, int), scenes_and()
    table = scenes_and((3, 17, inliers))
    found = verified(labels, pieces_of(labels, inside), table, 20)
    assert found.labels.max() + 1 == parts


@pytest.mark.parametrize("compared", [2, 3])
def test_a_frame_is_expelled_only_when_it_was_compared_often_enough(compared):
    labels = np.r_[runs((0, 10), (1, 10)), 0]
    table = scenes_and(*((k, 20, 0) for k in range(compared)))
    found = verified(labels, pieces_of(labels, table), table, 21)
    assert found.labels[20] == (0 if compared < 3 else -1)


def test_a_frame_that_registers_weakly_is_not_expelled():
    labels = np.r_[runs((0, 10), (1, 10)), 0]
    table = scenes_and((0, 20, 0), (1, 20, 0), (2, 20, 6), (3, 20, 0))
    found = verified(labels, pieces_of(labels, table), table, 21)
    assert found.labels.tolist() == labels.tolist() and found.counts() == NOTHING


# --- the same place is not the same scene -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("times", "together"), [(1.0, True), (2.0, True), (4.0, False), (8.0, False)])
@pytest.mark.parametrize("same_place", ["split", "join"])
def test_what_remains_different_keeps_scenes_apart(times, together, same_place):
    """Two scenes of ten frames before one wall: eight pairs register strongly, and the people before it differ, which leaves
    some times the residual that is usual between neighbours of the scenes."""
    labels = runs((0, 10), (1, 10))
    table = scenes_and(*((k, 10 + k, 40, times * USUAL) for k in range(8)))
    found = verified(labels, pieces_of(labels, table), table, 20, same_place=same_place)
    joined = together or same_place == "join"
    assert found.counts()["joined_scenes"] == joined and len(found.doubts) == (not joined)
    if found.doubts:
        assert found.doubts[0].startswith("10 and 10 frames show the same place and stay apart: 8 of their pairs register")


@pytest.mark.parametrize(("times", "rescued"), [(1.0, True), (2.5, True), (5.0, False)])
def test_a_frame_of_another_take_is_not_taken_back(times, rescued):
    """An outlier that registers strongly to three frames of a scene."""
    labels = runs((0, 10), (1, 10), (-1, 1))
    table = scenes_and(*((k, 20, 40, times * USUAL) for k in range(3)))
    found = verified(labels, pieces_of(labels, table), table, 21)
    assert (found.labels[20] == 0) == rescued and len(found.doubts) == (not rescued)


def test_the_embeddings_have_a_word_too():
    """The same outlier with five times the usual residual, which looks like a frame of the scene: an eps that was too small."""
    labels, table = runs((0, 10), (1, 10), (-1, 1)), scenes_and(*((k, 20, 40, 5 * USUAL) for k in range(3)))
    distances = 1 - np.eye(21)
    distances[20, 4] = distances[4, 20] = 0.01
    found = verify(labels, pieces_of(labels, table), table, np.full(21, 200), matrix_view(distances), 0.05)
    assert found.labels[20] == 0 and found.decisions[0].verdict == "rescued" and not found.doubts


def test_a_cross_fade_joins_nothing():
    """Frame 9 of the first scene is a blend with the second, and registers to all of it, perfectly; so do its neighbours."""
    labels = runs((0, 10), (1, 10))
    table = scenes_and(*((k, other, 40) for k in (8, 9) for other in range(10, 16)))
    assert verified(labels, pieces_of(labels, table), table, 20).labels.max() == 0
    pieces = pieces_of(labels, table, without=[9])
    found = verified(labels, pieces, table, 20, blends=[9], apart={(0, 1)})
    assert found.labels.tolist() == labels.tolist() and not found.decisions and pieces[9] == -1


@pytest.mark.parametrize(("size", "stays"), [(3, False), (5, False), (6, True)])
def test_a_burst_of_foreign_frames_is_no_scene(size, stays):
    """Some look-alikes that register to each other and to nothing else, beside a scene of forty frames."""
    truth = runs((0, 40), (1, size))
    found = Clip(truth).verified(truth, min_scene_frames=6)
    assert found.labels[40:].tolist() == [1 if stays else -1] * size and (found.labels[:40] == 0).all()
    assert found.frames("expelled") == ([] if stays else list(range(40, 40 + size)))


def test_a_clip_of_small_scenes_keeps_them():
    truth = runs((0, 5), (1, 4))
    assert Clip(truth).verified(truth, min_scene_frames=6).labels.tolist() == truth.tolist()


def test_a_few_frames_that_look_like_a_scene_go_to_it():
    """Four frames that the clusterer parted from forty, of which one looks like a frame of these; nothing registers between."""
    labels = runs((0, 40), (1, 4))
    clip = Clip(labels)
    clip.distances[41, 12] = clip.distances[12, 41] = 0.04
    found = clip.verified(labels, min_scene_frames=6)
    assert (found.labels == 0).all() and found.frames("joined") == [40, 41, 42, 43]


@pytest.mark.parametrize(("keypoints", "scenes"), [(10, 1), (200, 2)])
def test_a_plain_sky_leads_from_one_part_of_a_scene_to_the_next(keypoints, scenes):
    """A plane shrinks into plain sky, then the camera tilts to the ground: fifteen frames that register to each other, ten with
    hardly a keypoint that register to nothing, fifteen more. Neighbours look alike. With many keypoints in the ten frames the
    parts are two scenes."""
    labels = np.zeros(40, int)
    truth = runs((0, 15), (-1, 10), (1, 15))
    inside = [(a, a + gap, 40) for gap in (1, 2) for a in range(40 - gap) if truth[a] == truth[a + gap] >= 0]
    failed = [(14, 25, 0), (13, 26, 0), *((k, near, 0) for k in range(15, 25) for near in (13, 14, 25))]
    table = rows([*inside, *failed])
    counts = np.where(truth < 0, keypoints, 200)
    view = matrix_view(0.02 * np.abs(np.arange(40)[:, None] - np.arange(40)))
    found = verify(labels, pieces_of(labels, table), table, counts, view, 0.05)
    assert found.labels.max() + 1 == scenes and (found.labels[truth >= 0] >= 0).all()
    assert scenes > 1 or (found.labels == 0).all()


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
    table = decisions_table(labels, found.labels, found.decisions)
    assert table["position"].tolist() == list(range(40))
    assert table["scene"].tolist() == truth.tolist() and table["clustered"].tolist() == labels.tolist()
    assert table["verdict"].tolist() == ["rescued", *[""] * 29, *["joined"] * 8, "expelled", ""]
    assert (table["odds"][table["verdict"] != ""] > 10).all() and (table["reason"][table["verdict"] != ""] != "").all()
    assert table["reason"][38] == "registers to none of 8 frames, though it has 200 keypoints and 95 % of its scene register"


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
    nearest frames of pieces, two pieces by eight pairs, with the nearest one among them, and by the four nearest of another
    view, no frame in more than two of either."""
    rng = np.random.default_rng(seed)
    pieces = rng.permutation(np.repeat([*range(6), -1], [30, 20, 12, 8, 5, 4, 9]))
    points = rng.random((len(pieces), 3)) + 2 * rng.random((7, 3))[pieces]
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    seen = rng.random(distances.shape)
    seen += seen.T
    pairs = probing_pairs(pieces, matrix_view(distances), matrix_view(seen))
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
        assert 8 <= len(some) <= 12 or len(some) >= 2 * min((pieces == one).sum(), (pieces == other).sum())
        assert np.bincount(some.ravel()).max() <= 4
        assert seen[some[:, 0], some[:, 1]].min() == seen[np.ix_(pieces == one, pieces == other)].min()
        block = distances[np.ix_(pieces == one, pieces == other)]
        assert distances[some[:, 0], some[:, 1]].min() == block.min()
    for piece in range(6):
        gaps = [distances[np.ix_(pieces == piece, pieces == other)].min() if other != piece else np.inf for other in range(6)]
        compared = set(across[(across == piece).any(axis=1)].ravel().tolist())
        assert set(np.argsort(gaps)[:3].tolist()) <= compared


@pytest.mark.parametrize("seed", range(3))
def test_more_pairs_before_a_scene_is_split(seed):
    """Two scenes, shuffled: one of pieces of 40, 30 and 4 frames, the other of one piece and single frames. Only the two large
    pieces of the first are compared, by their nearest pairs of either view, no frame in more than two of either."""
    rng = np.random.default_rng(seed)
    pieces, labels = rng.permutation(np.array([(0, 0)] * 40 + [(1, 0)] * 30 + [(4, 0)] * 4 + [(2, 1)] * 20 + [(-1, 1)] * 5)).T
    points = rng.random((len(pieces), 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    seen = rng.random(distances.shape)
    seen += seen.T
    pairs = pairs_before_splits(labels, pieces, matrix_view(distances), matrix_view(seen))
    assert (pairs[:, 0] < pairs[:, 1]).all() and np.array_equal(pairs, np.unique(pairs, axis=0))
    assert (np.sort(pieces[pairs], axis=1) == (0, 1)).all()
    assert max(MORE_BRIDGES) // 2 < len(pairs) <= sum(MORE_BRIDGES) and len(pairs) > sum(BRIDGES)
    assert np.bincount(pairs.ravel()).max() <= 4
    for matrix in (distances, seen):
        assert matrix[tuple(pairs.T)].min() == matrix[np.ix_(pieces == 0, pieces == 1)].min()


@pytest.mark.parametrize(("residual", "looks_alike", "split"), [(0.02, False, False), (0.07, False, True), (0.07, True, False)])
def test_one_pair_of_many_that_registers(residual, looks_alike, split):
    """Two pieces of nine frames of one scene, what is usual in them is 0.02; all 81 pairs between them were compared, and one
    registers, with few inliers: by chance, where it aligns badly and the pieces do not look alike either."""
    labels = np.zeros(18, int)
    inside = [(k, k + 1, 40, 0.02) for k in range(17) if k != 8]
    across = [(a, b, 0, 0.4) for a in range(9) for b in range(9, 18) if (a, b) != (0, 9)]
    table = rows([*inside, *across, (0, 9, 8, residual)])
    pieces = pieces_of(labels, table[table["b"] - table["a"] == 1][lambda chosen: chosen["inliers"] == 40])
    distances = np.full((18, 18), 0.01 if looks_alike else 0.5)
    found = verify(labels, pieces, table, np.full(18, 200), matrix_view(distances), 0.05)
    assert (len(np.unique(found.labels)) == 2) is split
    assert [decision.verdict for decision in found.decisions] == ["split"] * split


@pytest.mark.parametrize("pieces", [[], [-1], [-1, -1, -1], [0, 0, 0]])
def test_nothing_to_probe(pieces):
    found = probing_pairs(np.array(pieces, dtype=int), *[matrix_view(np.zeros((len(pieces), len(pieces))))] * 2)
    assert found.shape == (0, 2) and found.dtype.kind == "i"


def test_fewer_frames_in_pieces_than_probes():
    """Three frames of a piece and a single frame, all at one place."""
    assert probing_pairs(np.array([0, -1, 0, 0]), *[matrix_view(np.zeros((4, 4)))] * 2).tolist() == [[0, 1], [1, 2], [1, 3]]

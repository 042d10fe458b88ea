"""Findings in words, on made-up numbers: a good run and a bad one give different sentences, and both are true."""

import numpy as np
import pandas as pd
import pytest

from workbench.reports import (
    findings_clip,
    findings_eps,
    findings_failures,
    findings_file,
    findings_order,
    findings_pairs,
    findings_scenes,
)
from workbench.reports.changes import NOTHING
from workbench.reports.findings import NO_DOUBT, Findings, checks, count_of, listed, percent
from workbench.scenes.eps import sweep_eps

SHUFFLED, SMOOTH = np.full(100, 0.3), np.full(100, 0.02)
LABELS = np.repeat([0, 1, -1], [6, 4, 2])


def test_words():
    assert [count_of(number, "frame") for number in (0, 1, 1200)] == ["no frames", "1 frame", "1,200 frames"]
    assert count_of(2, "match", "matches") == "2 matches"
    shares = (0, 0.0004, 0.004, 0.37, 0.995, 0.9996, 1)
    words = ["0 %", "less than 0.1 %", "0.4 %", "37 %", "99.5 %", "more than 99.9 %", "100 %"]
    assert [percent(share) for share in shares] == words
    assert [listed(range(count)) for count in (0, 1, 2, 9)] == ["none", "0", "0 and 1", "0, 1, 2, 3, 4, 5 and 3 more"]


def test_findings_are_lists():
    """Names from files cannot bring HTML into the page; where nothing is in doubt, that is said."""
    found = Findings(["<b> was read."], [], ["Go on."])
    assert found._repr_markdown_() == (
        f"**Learnt**\n\n- &lt;b&gt; was read.\n\n**Doubtful**\n\n- {NO_DOUBT}\n\n**What to do next**\n\n- Go on."
    )
    assert repr(found).splitlines()[0] == "Learnt: <b> was read."


def test_checks():
    table = checks(("frames", 200, "=", 200), ("percent", 71.26, "at least", 90), ("failed", 0, "at most", 2))
    assert table["holds"].tolist() == ["yes", "NO", "yes"]
    assert table.loc["percent"].tolist() == ["71.26", "at least 90", "NO"]


@pytest.mark.parametrize(
    ("changes", "words", "state"),
    [
        (SHUFFLED, "100 % of the steps are jumps: frames that follow each other in the file did not", "shuffled"),
        (np.r_[SMOOTH, SHUFFLED[:20]], "17 % of the steps are jumps: stretches of the file run smoothly", "in order in parts"),
        (SMOOTH, "Hardly any step is a jump (0 %): the file seems to be in order", "smooth"),
    ],
    ids=["shuffled", "parts", "in order"],
)
def test_the_clip(changes, words, state):
    sentence, found = findings_clip.change_sentence(changes), findings_clip.clip_findings(changes, "No logo.", ["Damaged."])
    assert words in sentence and f"by {np.median(changes):.2f} in the median" in sentence
    assert "A step above half of that, 0.17, is called a jump." in sentence
    assert f"is {state}" in found.learnt[0] and found.learnt[1] == "No logo." and found.doubtful[0] == "Damaged."
    assert any("nothing to restore" in line for line in found.doubtful) == (state == "smooth")
    assert "1 frame" in findings_clip.clip_findings(np.zeros(0), "", []).learnt[0]
    assert findings_clip.change_sentence(np.zeros(0)).startswith("There is one frame only")


def test_the_file():
    assert findings_clip.file_sentence(200, 8.0, 320, 240, 0).endswith("8.0 s in all; every packet gave a frame.")
    assert findings_clip.file_sentence(1, 0.04, 320, 240, 3).startswith("1 frame of 320 x 240 px")
    assert "3 packets could not be decoded" in findings_clip.file_sentence(1, 0.04, 320, 240, 3)


def test_similarities_tell_whether_the_file_is_in_order():
    """60 frames whose similarity falls with their distance in time, as they are and shuffled."""
    time = np.arange(60)
    ordered = np.exp(-np.abs(time[:, None] - time) / 10)
    shuffled = np.random.default_rng(0).permutation(60)
    assert "part of the order is in the file" in findings_clip.similarity_sentence(ordered)
    assert "the order of the file says nothing" in findings_clip.similarity_sentence(ordered[np.ix_(shuffled, shuffled)])
    assert "too few frames" in findings_clip.similarity_sentence(np.eye(2))


def test_similarity_of_what_is_unrelated():
    """40 frames that are alike to 0.999, and two that have 0.5 and 0.4 with all others; then without these."""
    similarity = np.full((42, 42), 0.999)
    similarity[40], similarity[:, 40], similarity[41], similarity[:, 41] = 0.5, 0.5, 0.4, 0.4
    np.fill_diagonal(similarity, 1)
    assert findings_clip.similarity_sentence(similarity).endswith(
        "do not come to 0. The 2 frames that are like no other have 0.40 with the others in the median, and the least of all "
        "pairs is 0.40."
    )
    assert "The frame that is like no other has 0.50" in findings_clip.similarity_sentence(similarity[:41, :41])
    assert "like no other" not in findings_clip.similarity_sentence(similarity[:40, :40])


def test_frames_alone():
    together, alone = np.full(40, 0.001), np.r_[np.full(36, 0.001), np.full(4, 0.2)]
    assert "none stands alone" in findings_clip.nearest_sentence(together)
    assert "For 4 frames (10 %) it is more than ten times" in findings_clip.nearest_sentence(alone)
    few, many = (findings_clip.embedding_findings(np.r_[np.full(60 - n, 0.001), np.full(n, 0.2)], "net") for n in (4, 25))
    assert few.learnt == ["By net, 56 frames have others that look alike, and 4 do not."]
    assert len(many.doubtful) == len(few.doubtful) + 1 and "another backbone" in many.following[-1]


def test_the_map():
    """Two islands, each a scene; then the same points with scenes that are mixed."""
    rng = np.random.default_rng(0)
    points, labels = np.r_[rng.normal(0, 1, (30, 2)), rng.normal(50, 1, (30, 2))], np.repeat([0, 1], 30)
    good, bad = (findings_scenes.map_share(points, found) for found in (labels, labels[::2].repeat(2)[rng.permutation(60)]))
    assert good == 1 and bad < 0.8
    assert "100 % are of its scene: the 2 scenes" in findings_scenes.map_sentence(good, [1, 1])
    assert "believe the vectors. Every scene is one island." in findings_scenes.map_sentence(bad, [1, 1])
    assert findings_scenes.islands(points, labels) == [1, 1] and findings_scenes.islands(points, np.zeros(60, int)) == [2]
    assert "are of its scene: the scene that DBSCAN" in findings_scenes.map_sentence(good, [1])
    assert "A scene need not be one island: scene 1 lies in 2 islands." in findings_scenes.map_sentence(good, [1, 2])
    assert findings_scenes.islands(points * np.nan, labels) == []
    assert np.isnan(findings_scenes.map_share(np.full((60, 2), np.nan), labels))
    assert findings_scenes.map_sentence(np.nan, []).startswith("There is nothing to compare")
    assert "does not show the scenes" in findings_scenes.map_findings(labels, bad, np.full(60, 0.01)).doubtful[0]


def test_loneliness():
    parted, mixed = np.r_[np.full(10, 0.01), 0.1, 0.2], np.r_[np.full(9, 0.01), 0.15, 0.1, 0.2]
    near, far = np.array([0.05, 0.3]), np.array([0.4, 0.3])
    assert "is 0.050 away from it. From 0.010 to 0.050, a factor of 5.0, any radius sets" in findings_scenes.gap_sentence(
        parted, LABELS, near
    )
    assert "From 0.010 to 0.100, a factor of 10.0, any radius sets" in findings_scenes.gap_sentence(parted, LABELS, far)
    assert "no radius leaves it out" in findings_scenes.gap_sentence(parted, LABELS, near / 10)
    assert "no radius parts them" in findings_scenes.gap_sentence(mixed, LABELS, far)
    assert "No frame is set aside" in findings_scenes.gap_sentence(parted, np.zeros(12, int), far[:0])
    assert "All frames are set aside" in findings_scenes.gap_sentence(parted, np.full(12, -1), far[:0])
    assert findings_scenes.map_findings(LABELS, 1.0, parted).doubtful == []
    assert "no lonelier" in findings_scenes.map_findings(LABELS, 1.0, mixed).doubtful[0]
    assert findings_scenes.lonely_sentence(np.array([-1, -1, 0])).endswith(
        "frames: 2; the first frame of a scene comes at place 3."
    )
    assert findings_scenes.lonely_sentence(np.array([-1])).endswith("frames: 1; none is of a scene.")
    assert findings_scenes.scenes_sentence(LABELS) == "2 scenes of 6 and 4 frames; 2 outliers (17 %)."
    assert findings_scenes.scenes_sentence(np.full(3, -1)).startswith("No scene was found: 3 outliers")


def test_outliers_and_the_nearest_frame_of_a_scene():
    """Two frames of a scene, one outlier at a right angle to both, one at 60 degrees to the nearer."""
    embeddings = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1], [0.5, 0, 0.75**0.5]], np.float32)
    found = findings_scenes.join_distances(embeddings, np.array([0, 0, -1, -1]))
    np.testing.assert_allclose(found, [1, 0.5], atol=1e-6)
    assert findings_scenes.join_distances(embeddings, np.full(4, -1)).shape == (0,)


@pytest.fixture(scope="module")
def sweep():
    """30 frames of two scenes at distances of 0.01, scenes 0.5 apart, and 2 frames at 0.4 from everything."""
    distances = np.full((32, 32), 0.5)
    distances[:16, :16] = distances[16:30, 16:30] = 0.01
    distances[30:] = distances[:, 30:] = 0.4
    np.fill_diagonal(distances, 0)
    return sweep_eps(distances, 3, 0.05)


def test_the_radius(sweep):
    good, bad = (findings_eps.eps_sentence(sweep, used, "dbscan", 0.05) for used in (0.05, 0.6))
    assert "2 scenes and 2 outliers" in good and good.endswith("lies in this range.") and bad.endswith("outside of this range.")
    assert f"Suggested is {sweep.suggested:.3g}; the usual radius of this backbone, ε₀, is 0.05." in good
    assert "clustered by optics" in findings_eps.eps_sentence(sweep, None, "optics", 0.05)
    labels = sweep.tree.labels(0.05)
    ranges = pd.DataFrame(
        [(0.01, 0.02, 2, 2, 0.8), (0.02, 0.2, 3, 9, 0.6)], columns=["low", "high", "scenes", "outliers", "silhouette"]
    )
    assert findings_eps.eps_findings(sweep, ranges, labels, 0.05).doubtful == []
    doubts = findings_eps.eps_findings(sweep, ranges, np.full(32, -1), 0.6).doubtful
    assert "lies outside of the suggested range" in doubts[0] and "No scene was found" in doubts[1] and len(doubts) == 2
    (doubt,) = findings_eps.eps_findings(sweep, ranges[1:], labels, 0.05).doubtful
    assert doubt.startswith("The silhouette is best (0.60) with 3 scenes and 9 outliers, from eps 0.02 to 0.2: there ")
    assert findings_eps.eps_findings(sweep, ranges.assign(silhouette=np.nan), labels, 0.05).doubtful == []


def test_the_knee():
    distances = np.r_[np.full(30, 0.01), 0.4, 0.4]
    good, bad = (findings_eps.knee_sentence(distances, eps) for eps in (0.05, 0.001))
    assert "40.0 times as high, from 0.01 to 0.4; eps lies in this jump. Above eps: 2 frames" in good
    assert "eps does not lie in this jump. Above eps: 32 frames" in bad
    assert findings_eps.knee_sentence(distances, None).endswith("0.4.")


def test_ranges_of_eps():
    ranges = pd.DataFrame(
        [(0.01, 0.02, 4, 9, 0.8), (0.02, 0.2, 3, 9, 0.6), (0.3, 1.0, 1, 0, np.nan)],
        columns=["low", "high", "scenes", "outliers", "silhouette"],
    )
    assert "the silhouette alone would choose otherwise" in findings_eps.ranges_sentence(ranges, 0.05)
    agreed = findings_eps.ranges_sentence(ranges[1:], 0.5)
    assert "both are the same range" in agreed and agreed.endswith("in another range, which has 1 scene.")
    as_many = ranges.assign(scenes=[3, 3, 1])
    assert findings_eps.ranges_sentence(as_many, 0.25).endswith("other ones. The eps in use lies between two of the ranges.")
    assert findings_eps.ranges_sentence(as_many, None).endswith("as many, but other ones.")
    assert findings_eps.ranges_sentence(ranges[2:], 0.5) == "At no eps is there more than one scene."


def test_three_radii():
    same = findings_eps.radii_sentence({"eps 0.1": LABELS, "eps 0.2": LABELS}, "eps 0.1")
    assert same == (
        "eps 0.1 gives 2 scenes and 2 outliers; eps 0.2 gives 2 scenes and 2 outliers. The scenes do not depend on it."
    )


def test_what_becomes_of_scenes_at_another_radius():
    """Two scenes of six and four frames and two outliers; each other clustering changes a thing or two."""
    other = {
        "merged": np.zeros(12, int),
        "broken": np.repeat([0, 2, 1, -1], [3, 3, 4, 2]),
        "lost": np.repeat([0, 1, -1], [6, 3, 3]),
        "made": np.repeat([0, 1, 2], [6, 4, 2]),
        "taken": np.repeat([0, 1, -1], [6, 5, 1]),
        "same": np.repeat([1, 0, -1], [6, 4, 2]),
    }
    text = findings_eps.radii_sentence({"eps": LABELS, **other}, "eps")
    assert (
        "At merged scenes 0 and 1 are one; 2 outliers are in scenes of other frames. At broken scene 0 lies in 2 islands."
        in text
    )
    assert "At lost 1 frame of scenes is set aside. At made 2 outliers have enough neighbours for a scene of their own." in text
    assert text.endswith("At taken 1 outlier is in scenes of other frames.")


def test_pairs():
    inside, outside = np.r_[np.ones(9, bool), False], np.zeros(5, bool)
    sentence = findings_pairs.pairs_sentence(inside, outside, 20)
    assert sentence.startswith("15 pairs of 190 (8 %) were compared. Inside scenes 90 % of 10 pairs register.")
    assert sentence.endswith("Of 5 pairs with an outlier or between scenes none did.")
    assert findings_pairs.pairs_sentence(inside[:0], ~outside, 20).endswith("between scenes 5 did.")


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((60, 4, False, False, np.nan, 0.3, np.nan, 0), "it does not register"),
        ((60, 40, True, True, 0.1, 0.05, 0.05, 3), "the camera stood still"),
        ((60, 40, True, True, 0.1, 0.05, 0.05, 3), "by itself. The other 20 matches have no movement in common"),
        ((60, 40, True, False, 12.0, 0.20, 0.05, 12), "falls from 0.200 to 0.050"),
        ((60, 40, True, False, 12.0, 0.20, 0.05, 12), "camera. Of the other 20 matches 12 agree with each other"),
        (
            (60, 11, True, False, 12.0, 0.05, 0.20, 40),
            "rises from 0.050 to 0.200 (0: the same; 0.41: nothing in common): the transform follows",
        ),
        ((60, 11, True, False, 12.0, 0.20, 0.20, 0), "stays about the same, 0.200 and 0.200"),
    ],
    ids=["unregistered", "still", "no second movement", "camera", "second movement", "thing that moves", "undecided"],
)
def test_a_pair(numbers, words):
    assert words in findings_pairs.pair_sentence(*numbers)


def test_a_pair_whose_matches_all_agree():
    assert findings_pairs.pair_sentence(60, 60, True, False, 12.0, 0.20, 0.05, 0).endswith("as by a camera.")


def test_two_matchers():
    table = pd.DataFrame(
        {"matches": [120.0, 60.0], "inliers": [60.0, 59.0], "inliers per match": [0.5, 0.98], "registered": [1.0, 0.5]},
        index=["glue", "flann"],
    )
    sentence = findings_pairs.matchers_sentence(table)
    assert sentence.startswith("Compared with flann, glue finds 2.00 times as many matches and as many inliers;")
    assert sentence.endswith("So flann is the more precise of the two. It registers 100 % of the pairs, flann 50 %.")
    table["inliers"] = [90.0, 50.0]
    assert "So glue finds more that agrees, and flann is more precise." in findings_pairs.matchers_sentence(table)
    assert "So glue finds more that agrees, and flann is more precise." in findings_pairs.matchers_sentence(table[::-1])
    table["inliers per match"] = [0.9, 0.5]
    assert "So glue finds more that agrees, and is more precise too." in findings_pairs.matchers_sentence(table[::-1])
    table["inliers"] = [60.0, 59.0]
    assert findings_pairs.matchers_sentence(table[::-1]).startswith(
        "Compared with glue, flann finds 0.50 times as many matches"
    )


def test_drawn_pairs_in_words():
    rows = [("wide", "one", 40, 30), ("wide", "two", 50, 10), ("dark", "one", 40, 30), ("dark", "two", 31, 30)]
    table = pd.DataFrame(rows, columns=["pair", "method", "matches", "right"])
    sentence = findings_pairs.drawn_sentence(table, ["three"])
    assert "On the wide pair one has the most right matches, 30 of 40 (75 %), and two the fewest, 10 of 50 (20 %)." in sentence
    assert "On the dark pair all find about as many right matches; one 30 of 40" in sentence
    assert sentence.endswith("not on this machine: three.") and "Not shown" not in findings_pairs.drawn_sentence(table)


def test_blocks():
    counts = np.full((12, 12), np.nan)
    counts[:6, :6] = counts[0, 11] = counts[11, 0] = 50
    assert findings_pairs.blocks_sentence(counts, LABELS).startswith("94 % of the compared pairs lie in the blocks")
    assert findings_pairs.blocks_sentence(np.full((12, 12), np.nan), LABELS) == "No pair was compared."


def test_the_camera():
    both = findings_pairs.camera_sentence({0: 0.0343, 1: 0.0019, 2: 0.02}, 400)
    assert "moved in scene 0 (13.7 px) and scene 2 (8.0 px)" in both and both.endswith("It stood still in scene 1.")
    assert findings_pairs.camera_sentence({3: 0.0}, 400) == "The camera stood still in scene 3."
    assert "is not known" in findings_pairs.camera_sentence({}, 400)


def test_findings_of_the_matches():
    every, none = np.ones(20, bool), np.zeros(20, bool)
    good = findings_pairs.match_findings(every, none, none, 0, "It moved.", "Glue finds more.", [NOTHING], [])
    assert good == Findings(
        ["100 % of the pairs inside scenes register.", "It moved.", "Glue finds more.", NOTHING], [], [good.following[-1]]
    )
    bad = findings_pairs.match_findings(none, every, every, 2, "It moved.", "", ["A scene was split."], ["the odds are even"])
    assert bad.doubtful[0] == "The odds are even." and len(bad.doubtful) == 5 and len(bad.following) == 3
    assert any(text.startswith("2 pairs inside scenes registered although") for text in bad.doubtful)
    assert (
        "nothing was registered"
        in findings_pairs.match_findings(none[:0], none, none[:0], 0, "", "", [NOTHING], []).doubtful[0]
    )


def time_line(count: int = 40) -> np.ndarray:
    """(n, n) float: distances of frames that move on evenly."""
    places = np.arange(count, dtype=float)
    return np.abs(places[:, None] - places)


def test_the_order_and_its_distances():
    """Right order of 40 frames that move on evenly, and an order that is shuffled."""
    right, wrong = np.arange(40), np.random.default_rng(0).permutation(40)
    distances = time_line()
    assert findings_order.beside_share(-distances, right) == 1 and findings_order.beside_share(-distances, wrong) < 0.3
    counts = np.where(distances <= 4, 90.0, 0.0)
    some = findings_order.distance_sentence(-distances, distances, counts, right)
    assert "well determined. 19 % of the pairs of the scene were matched." in some and "even surface" in some
    every = findings_order.distance_sentence(-distances, distances, counts + 1, wrong)
    assert "hardly stands out" in every and every.endswith("All pairs of the scene were matched.")
    assert "agree with the order" in findings_order.similarity_sentence(-distances, [right])
    assert "but not the places in them" in findings_order.similarity_sentence(-distances, [wrong])
    assert "too short" in findings_order.similarity_sentence(-distances, [right[:2]])
    assert "too short" in findings_order.distance_sentence(-distances[:3, :3], distances[:3, :3], counts[:3, :3], right[:3])


def test_smoothness():
    jump = SMOOTH.copy()
    jump[5] = 0.3
    assert "No step inside a scene is a jump" in findings_order.smoothness_sentence(SHUFFLED, [SMOOTH, SMOOTH])
    assert "Jumps (above 0.17): 1 in scene 1." in findings_order.smoothness_sentence(SHUFFLED, [SMOOTH, jump])
    assert "nothing to compare" in findings_order.smoothness_sentence(SHUFFLED, [np.zeros(0)])


def test_links():
    weak = pd.DataFrame({"scene": [2], "place": [3], "first": [17], "second": [4], "confidence": [0.41]})
    assert "none is a guess" in findings_order.links_sentence(np.array([0.9, 0.95, np.nan]), weak[:0])
    some = findings_order.links_sentence(np.array([0.9, 0.41]), weak)
    assert some.startswith("1 of 2 links are guesses") and some.endswith("0.41, joins frames 17 and 4 of scene 2.")
    assert findings_order.links_sentence(np.full(3, np.nan), weak[:0]) == "This kind of order has no confidence."


def test_alignment():
    assert "what is blurred moved by itself, or lies at another depth" in findings_order.alignment_sentence(
        np.full(5, 0.3), np.full(5, 1.2)
    )
    bad = findings_order.alignment_sentence(np.r_[np.full(4, 3.0), np.nan], np.full(5, np.nan))
    assert "expect blur" in bad and bad.endswith("Not joined to the reference: 1 frame.") and "chained" not in bad
    assert "no alignment" in findings_order.alignment_sentence(np.full(3, np.nan), np.full(3, np.nan))


@pytest.mark.parametrize(
    ("tau", "loop", "adjacent", "words"),
    [
        (1.0, 1.0, 1.0, "the order is that of the truth"),
        (0.99, 0.99, 0.83, "the whole is right, up to its direction, and some neighbours are exchanged"),
        (0.5, 0.99, 0.97, "where a loop begins"),
        (0.2, 0.3, 0.9, "pieces are right, and were joined wrongly"),
        (0.9, 0.9, 0.4, "neighbours are mixed up"),
    ],
)
def test_against_the_truth(tau, loop, adjacent, words):
    measured = {"tau": tau, "tau_loop": loop, "adjacent": adjacent, "scene_f1": 1.0, "outlier_f1": 1.0, "outliers": 3}
    assert words in findings_order.truth_sentence(measured, 3)


def test_against_the_truth_with_faults():
    """Scenes and outliers that are wrong are told; that there are no foreign frames is no fault; nor is a missing truth."""
    good = {"tau": 1.0, "adjacent": 1.0, "scene_f1": 1.0, "outlier_f1": 0.0, "outliers": 0}
    assert "F1" not in findings_order.truth_sentence(good, 0)
    assert "foreign frames" in findings_order.truth_sentence(good, 5)
    assert "scenes are not those of the truth (F1 0.800)" in findings_order.truth_sentence(good | {"scene_f1": 0.8}, 0)
    assert findings_order.truth_sentence(good, 0, {"tau": 0.3, "adjacent": 0.5}).endswith("comes to 0.300 and 50 %.")
    assert findings_order.truth_sentence({}, 0).startswith("No truth is known")


def test_findings_of_the_order():
    good = findings_order.order_findings(LABELS, 0, [], [SMOOTH], "No truth.")
    assert good.learnt == ["10 of 12 frames are in order, in 2 scenes; 2 frames are set aside as foreign.", "No truth."]
    assert good.doubtful == ["No distance has a direction of time: any scene may run backwards."]
    bad = findings_order.order_findings(LABELS, 1, ["The order of scene 1 is not there."], [SHUFFLED[:1]], "No truth.")
    assert bad.doubtful[:3] == ["The order of scene 1 is not there.", "1 link is a guess.", "1 step inside scenes is a jump."]
    assert bad.following[0].startswith("Look at the guessed links")


def metrics(**changed: float) -> dict[str, float]:
    """The metrics of a scene that was restored rightly, with changes."""
    good = {"tau": 1.0, "tau_loop": 1.0, "adjacent": 1.0, "scene_f1": 1.0, "scenes": 1}
    return good | {"links": 20, "weak_links": 0, "undetermined_scenes": 0} | changed


@pytest.mark.parametrize(
    ("measured", "closes", "words"),
    [
        (metrics(), False, ["1 scene, as in the truth, and the order is right", "0 of 20 links are guesses."]),
        (metrics(tau=0.1, tau_loop=0.2, weak_links=20), False, ["The order is wrong", "marks this: 20 of 20 links"]),
        (metrics(tau=0.1, tau_loop=0.2, undetermined_scenes=1), False, ["The order is wrong", "The workbench marks this"]),
        (
            metrics(tau=0.1, tau_loop=0.2, weak_links=2),
            False,
            ["The order is wrong", "The links do not show this: 2 of 20 links"],
        ),
        (metrics(tau=0.1), True, ["right but for where it begins", "The workbench says that the scene is a loop"]),
        (metrics(tau=0.1), False, ["right but for where it begins", "does not say that the scene is a loop"]),
        (metrics(scene_f1=0.6), False, ["The scenes are not those of the truth (F1 0.60)"]),
    ],
)
def test_verdicts(measured, closes, words):
    sentence = findings_failures.verdict_sentence(measured, closes, [])
    assert all(part in sentence for part in words) and "backwards" not in sentence.replace("none came out backwards", "")


def test_a_right_order_has_no_direction():
    say = findings_failures.verdict_sentence
    assert "right but for its direction (|tau| 1.00), which is not in the pictures: that none" in say(metrics(), False, [])
    assert "pictures: scene 1 came out backwards." in say(metrics(), False, [1])
    assert "pictures: scenes 0 and 1 came out backwards." in say(metrics(), False, [0, 1])


def test_findings_of_failures():
    wrong = {"tau": 0.1, "tau_loop": 0.2}
    found = findings_failures.failure_findings(
        {"a": metrics(), "b": metrics(tau=0.1), "c": metrics(**wrong, weak_links=20), "d": metrics(**wrong)}, ["b"]
    )
    assert (
        found.learnt[0] == "Restored, up to the direction, which is never in the pictures: the clip “a”."
        and found.learnt[1].endswith("a loop: the clip “b”.")
        and found.learnt[2].endswith("guessed: the clip “c”.")
    )
    assert found.doubtful[0].startswith("Wrong, and not marked: the clip “d”.") and len(found.doubtful) == 1
    in_file = findings_failures.failure_findings({"d": metrics(**wrong), "e": metrics(**wrong)}, [], ["d"])
    assert "is that of the shuffled file: the clip “d”." in in_file.doubtful[0]
    assert in_file.doubtful[1].startswith("Wrong, and not marked: the clip “e”.") and len(in_file.doubtful) == 2
    guessed = findings_failures.failure_findings({"c": metrics(**wrong, weak_links=20)}, [], ["c"])
    assert guessed.doubtful == ["In the order of the shuffled file: the clip “c”."]
    assert findings_failures.failure_findings({"a": metrics()}, []).doubtful == []


def test_scenes_in_the_order_of_the_file():
    """A scene that came out as it lies in the file, one backwards, one shuffled, and one that is too short to tell."""
    shuffled = np.random.default_rng(0).permutation(30)
    (one,) = findings_file.file_sentences([shuffled, np.arange(60, 30, -1), np.arange(5)])
    assert one.startswith(
        "The order of scene 1 is nearly that of the file (|tau| with the positions in it: 1.00): either the file"
    )
    nearly = np.r_[np.arange(1, 7), 0, np.arange(7, 30)]
    (two,) = findings_file.file_sentences([np.arange(30), shuffled, nearly, np.arange(0, 60, 3)])
    assert two.startswith("The order of scenes 0, 2 and 3 is nearly that") and " or more)" not in one
    assert findings_file.file_sentences([shuffled, np.arange(11)]) == []

"""The figures and the table of notebook 04, on the run of the short sample: 26 frames, two scenes and 4 foreign frames."""

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from workbench.notebooks import pairfacts, pairview
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.registration.pair import in_pixels_of
from workbench.registration.tables import TRANSFORM
from workbench.storage.hloc import open_h5, read_features, read_matches


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def pairs(short_run) -> np.ndarray:
    """(P, 2) int, the pairs of the run, from the fewest inliers to the most."""
    return pairview.ranked_pairs(short_run[0])


def test_both_matchers_on_the_same_pair(short_run, pairs):
    """Each figure names its matcher; for the run's own matcher it shows the run's own matches."""
    own = short_run[0].record["stages"]["match"]["parameters"]
    titles = [
        pairview.matches_figure(short_run[0], *pairs[-1], other).get_suptitle()
        for other in (None, MatchParameters(**own), MatchParameters(matcher="sift-flann", ratio=0.5))
    ]
    assert titles[0] == titles[1] and titles[0].startswith(f"{own['matcher']}: ")
    assert titles[2].startswith("sift-flann: ") and titles[2] != titles[0]


def test_compare_matchers(short_run, pairs):
    """A stricter ratio leaves fewer matches, of which more agree; both register the easy pairs of a rendered clip."""
    loose, strict = (MatchParameters(matcher=name, ratio=ratio) for name, ratio in (("sift-exact", 1.0), ("sift-flann", 0.6)))
    table = pairview.compare_matchers(short_run[0], pairs[len(pairs) // 2 :][:6], [loose, strict])
    assert list(table.index) == ["sift-exact", "sift-flann"]
    assert table.loc["sift-flann", "matches"] < table.loc["sift-exact", "matches"]
    assert table.loc["sift-flann", "inliers per match"] > table.loc["sift-exact", "inliers per match"]
    assert (table["registered"] == 1).all() and (table["inliers"] <= table["matches"]).all()


def test_pairs_that_fit_better_unmoved(short_run, pairs, monkeypatch):
    """Hardly any pair of the run; all pairs of a table that moves every frame by 40 px; none where no pair registers."""
    run = short_run[0]
    assert pairfacts.better_unmoved(run, pairs).mean() < 0.05 and pairfacts.better_unmoved(run, pairs[:0]).shape == (0,)
    table, alike = run.transforms(), pairs[-3:]
    moved = table.assign(t02=table["t02"] + 40, residual=0.4)
    monkeypatch.setattr(type(run), "transforms", lambda _: moved)
    assert pairfacts.better_unmoved(run, alike).all()
    monkeypatch.setattr(type(run), "transforms", lambda _: moved.assign(model="none"))
    assert not pairfacts.better_unmoved(run, alike).any()


def test_numbers_of_a_pair(short_run, pairs):
    """Those of the table, with the displacement in px; the difference before is that of the frames as they are."""
    run, (a, b) = short_run[0], pairs[len(pairs) // 2].tolist()
    numbers, row = pairfacts.pair_numbers(run, a, b), run.transforms().set_index(["a", "b"]).loc[(a, b)]
    assert [numbers[name] for name in ("matches", "inliers", "after")] == [row["matches"], row["inliers"], row["residual"]]
    diagonal = np.hypot(run.info("video")["width"], run.info("video")["height"])
    assert numbers["registered"] and numbers["displacement"] == pytest.approx(row["displacement"] * diagonal)
    assert numbers["before"] >= 0.9 * numbers["after"] > 0
    assert 0 <= numbers["together"] <= numbers["matches"] - numbers["inliers"]


def test_matches_that_agree_on_another_movement(short_run, pairs):
    """Six tenths of the keypoints move by 10 px, three tenths by -20 px, the others anyhow: only the second are counted."""
    run, (a, b) = short_run[0], pairs[-1].tolist()
    features, _ = pairview._features(run, [(a, b)])[0]
    places = np.arange(len(features))
    moved = np.where((places % 10 < 6)[:, None], (10.0, 0.0), np.where((places % 10 < 9)[:, None], (-20.0, 0.0), 0.0))
    noise = np.random.default_rng(0).uniform(-60, 60, (len(features), 2)) * (places % 10 == 9)[:, None]
    other = replace(features, keypoints=(features.keypoints + moved + noise).astype(np.float32))
    third = (places % 10 >= 6).sum() - (places % 10 == 9).sum()
    agree = places % 10 < 6
    assert abs(pairfacts.agree_apart(features, other, places, agree, run.ransac_threshold()) - third) <= 2
    assert pairfacts.agree_apart(features, other, np.full(len(features), -1), agree[:0], run.ransac_threshold()) == 0


def test_pairs_matched_live_are_those_of_the_run(short_run, pairs):
    """With the run's settings, the matches and the transform are the run's. With a ratio that SuperGlue does not use, it
    matches again, easy pairs too, and finds nearly all of the same matches."""
    run = short_run[0]
    matcher, table = pairview.PairMatcher(run), run.transforms().set_index(["a", "b"])
    for a, b in pairs[:: len(pairs) // 4].tolist():
        own = matcher.match(a, b, FeatureParameters(), MatchParameters())
        with open_h5(run.path / "matches.h5") as file:
            matches, scores = read_matches(file, a, b)
        assert (own.matches == matches).all() and (own.scores == scores).all()
        transform = table.loc[(a, b), TRANSFORM].to_numpy(dtype=float).reshape(2, 3)
        np.testing.assert_allclose(own.aligned.transform, transform, atol=1e-9)
        size, small = (run.info("video")["width"], run.info("video")["height"]), run.images().shape[2:0:-1]
        np.testing.assert_allclose(matcher.transform(own.aligned), in_pixels_of(transform, size, small), atol=1e-6)
        again = matcher.match(a, b, FeatureParameters(), MatchParameters(ratio=0.5))
        both = (again.matches >= 0) & (own.matches >= 0)
        assert (again.matches == own.matches)[both].mean() > 0.95 and both.sum() > 0.8 * (own.matches >= 0).sum()


def test_features_found_live_are_those_a_run_would_have(short_run):
    """Keypoints are sorted by strength: 100 of them are the first 100 of the run. Descriptors are rounded as in the file."""
    run = short_run[0]
    found = pairview.PairMatcher(run).features(5, FeatureParameters(max_keypoints=100))
    with open_h5(run.path / "features.h5") as file:
        whole = read_features(file, 5)
    assert len(found) == 100 < len(whole)
    assert (found.keypoints == whole.keypoints[:100]).all() and (found.scores == whole.scores[:100]).all()
    assert (found.descriptors == whole.descriptors[:, :100]).all() and (found.image_size == whole.image_size).all()


def test_weights_and_features_are_read_once(short_run, pairs, monkeypatch):
    """With other thresholds, ratios and frames, SuperGlue's weights and the features of a frame stay in memory."""
    matcher, (a, b) = pairview.PairMatcher(short_run[0]), pairs[-1].tolist()
    before = matcher.match(a, b, FeatureParameters(), MatchParameters(match_threshold=0.5))
    monkeypatch.setattr("workbench.matching.superglue.read_weights", None)
    monkeypatch.setattr("workbench.notebooks.pairview.read_features", None)
    after = matcher.match(a, b, FeatureParameters(), MatchParameters(match_threshold=0.9, sinkhorn_iterations=5))
    assert after.first is before.first and (after.matches >= 0).sum() < (before.matches >= 0).sum()


def test_settings_side_by_side(short_run, pairs):
    """One picture per setting, with its counts in the title: a higher threshold leaves fewer matches, and the default gives
    those of the run."""
    run, pair = short_run[0], tuple(pairs[len(pairs) // 2].tolist())
    fig = pairview.settings_figure(run, *pair, [{"match_threshold": value} for value in (0.0, 0.25, 0.9)])
    titles = [ax.get_title() for ax in fig.axes]
    found = [re.fullmatch(r"match_threshold (\S+): (\d+) matches, (\d+) agree, registered", title) for title in titles]
    assert [match[1] for match in found] == ["0.0", "0.25", "0.9"]
    counts = [int(match[2]) for match in found]
    assert counts[0] > counts[1] > counts[2] > 0
    own = run.transforms().set_index(["a", "b"]).loc[pair]
    assert [int(found[1][2]), int(found[1][3])] == own[["matches", "inliers"]].tolist()
    assert all(ax.images[0].get_array().shape == fig.axes[0].images[0].get_array().shape for ax in fig.axes)


def test_matchers_that_fit_the_keypoints():
    """The run's matcher beside FLANN; a run of nearest neighbours is compared with SuperGlue for SIFT keypoints alone."""
    own = MatchParameters(matcher="lightglue", model="some/lightglue", match_threshold=0.5)
    alone = replace(own, nearest_inliers=0)
    assert pairview.matchers_to_compare(FeatureParameters("superpoint"), own) == [alone, replace(own, matcher="sift-flann")]
    nearest = MatchParameters(matcher="sift-flann", ratio=0.7)
    for keypoints, other in (("sift", "superglue"), ("sift-opencv", "superglue"), ("superpoint", "sift-exact")):
        first, second = pairview.matchers_to_compare(FeatureParameters(keypoints), nearest)
        assert (first.matcher, second) == (other, nearest)

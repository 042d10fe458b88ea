"""How far a whole run is: by a clock that the tests set, and never by the time that anything takes."""

import pytest

from workbench.pipeline.cost import ClipSize, announcement, expected_pairs, in_words, most_pairs, stage_seconds
from workbench.pipeline.whole_run import WholeRun
from workbench.run.stages import STAGES, stage_parameters

CLIP = ClipSize(100, 1000, 500)
CHOSEN = stage_parameters({})
ITEMS = {"video": 100, "embed": 100, "features": 100, "match": 500, "register": 500, "align": 500, "write": 100}
STEPS = 20  # looks at the run per stage


class Clock:
    """A clock that stands still until it is set forward."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def followed(pace=1.0, clip=CLIP, finished=(), found=None):
    """Every look at a run whose stages take ``pace`` times what is expected; ``found`` of their items were there before."""
    clock, looks = Clock(), []
    whole, seconds = WholeRun(clip, CHOSEN, set(finished), clock), stage_seconds(CLIP, CHOSEN)
    for name in seconds:
        whole.begin(STAGES[name])
        before, items = (found or {}).get(name, 0), ITEMS.get(name, 0)
        for step in range(STEPS * (name not in finished)):
            share = step / STEPS
            if items:
                whole.told(before + round(share * (items - before)), before, 0 if name == "match" else items)
            looks.append((clock.now, whole.standing()))
            clock.now += pace * seconds[name] * (1 - before / items if items else 1) / STEPS
        if items and name not in finished:
            whole.told(items, before, 0 if name == "match" else items)
    whole.end()
    return clock.now, looks, whole.standing()


def test_pairs_are_those_of_a_usual_search_within_the_budget():
    assert (expected_pairs(100, 8), most_pairs(100, 8)) == (500, 800)
    assert (expected_pairs(100, 3), most_pairs(100, 3)) == (300, 300)
    assert expected_pairs(100, 0) == most_pairs(100, 0) == 4950
    assert expected_pairs(4, 8) == most_pairs(4, 8) == 6


def test_seconds_follow_frames_size_pairs_and_method():
    usual = stage_seconds(CLIP, CHOSEN)
    assert list(usual) == [stage.name for stage in STAGES.values() if stage.on_fast_path] and min(usual.values()) > 0
    larger = stage_seconds(ClipSize(100, 2000, 1000), CHOSEN)
    assert {name for name in usual if larger[name] != usual[name]} == {"video", "write"}
    longer = stage_seconds(ClipSize(200, 1000, 500), CHOSEN)
    assert {name for name in usual if longer[name] <= usual[name]} == {"cluster"}
    nearest = stage_seconds(CLIP, stage_parameters({"match.matcher": "sift-flann"}))
    alone = stage_seconds(CLIP, stage_parameters({"match.nearest_inliers": 0}))
    assert nearest["match"] < usual["match"] < alone["match"]
    known = stage_seconds(CLIP, CHOSEN, pairs=1000)
    assert known["register"] - usual["register"] == pytest.approx(500 * 0.0014)


def test_announcement():
    longer = ClipSize(1000, 1000, 500)
    line = announcement(longer, CHOSEN, set())
    assert line.startswith("1000 frames, about 5000 pairs: about ") and "; with --match.matcher sift-flann about " in line
    assert "sift-flann" not in announcement(longer, stage_parameters({"match.matcher": "sift-flann"}), set())
    assert "pairs" not in announcement(CLIP, CHOSEN, {"match"})
    assert announcement(CLIP, CHOSEN, set(stage_seconds(CLIP, CHOSEN))) == "100 frames: everything is there already"
    assert announcement(ClipSize(0, 1000, 500), CHOSEN, set()).startswith("the file does not state how many frames")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (7.6, "8 s"),
        (22, "20 s"),
        (59, "1 min"),
        (150, "2.5 min"),
        (1210, "20 min"),
        (3599, "1.0 h"),
        (5400, "1.5 h"),
    ],
)
def test_times_in_words(seconds, text):
    assert in_words(seconds) == text


def test_a_run_as_expected_counts_down_to_its_end():
    ended, looks, last = followed()
    shares, left = [look.share for _, look in looks], [look.left for _, look in looks]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] < 1
    assert left == sorted(left, reverse=True)
    for now, look in looks:
        assert look.left == pytest.approx(ended - now, abs=0.05 * ended)
    assert (last.share, last.left, last.in_words()) == (1, 0, "")


@pytest.mark.parametrize("pace", [0.5, 3.0])
def test_another_machine_is_recognised_by_its_first_stages(pace):
    ended, looks, _ = followed(pace)
    shares = [look.share for _, look in looks]
    assert shares == sorted(shares)
    late = [(now, look.left) for now, look in looks if now > 0.4 * ended]
    assert all(abs(left - (ended - now)) < 0.35 * (ended - now) + 0.5 for now, left in late)


def test_what_a_killed_run_left_is_no_sign_of_a_fast_machine():
    """Most keypoints and half of the pairs were there; the rest takes as long as expected."""
    ended, looks, last = followed(found={"features": 90, "match": 250}, finished=("video", "embed", "cluster"))
    assert looks[0][1].stage == "features" and looks[0][1].share > 0
    shares = [look.share for _, look in looks]
    assert shares == sorted(shares) and last.share == 1
    for now, look in [some for some in looks if some[1].stage in ("match", "register", "order")][1:]:
        assert look.left == pytest.approx(ended - now, rel=0.2, abs=0.5)


def test_a_run_that_was_finished_is_at_its_end():
    ended, looks, last = followed(finished=tuple(stage_seconds(CLIP, CHOSEN)))
    assert (ended, looks, last.share, last.left) == (0, [], 1, 0)
    whole = WholeRun(CLIP, CHOSEN, set(stage_seconds(CLIP, CHOSEN)), Clock())
    whole.begin(STAGES["match"])
    assert (whole.standing().share, whole.standing().in_words()) == (1, "match")


def test_frames_that_the_file_does_not_state_are_known_once_they_are_decoded():
    _, looks, last = followed(clip=ClipSize(0, 1000, 500))
    assert all(look.left is None and look.share == 0 for _, look in looks[:STEPS])
    assert all(look.left for _, look in looks[STEPS:]) and last.share == 1


def test_the_budget_of_pairs_is_told():
    _, looks, _ = followed()
    words = [look.in_words() for _, look in looks if look.stage == "match"]
    assert words[0].startswith("match, about ") and words[10].endswith(", 250 of at most 800 pairs")

"""The metrics, against slow definitions written out here, and against the reference scorer where there is one.

Truths and results are drawn from seeds: one to four clips of 1 to 12 frames, up to five foreign frames, shuffled. A
result is the truth with scenes renamed and some frames moved to another scene, set aside, or elsewhere in the order.
"""

import importlib.util
import itertools
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import ROOT
from workbench.errors import RunError, TruthError
from workbench.evaluation.corrupt import write_case
from workbench.evaluation.files import (
    OUTLIER,
    OrderRow,
    TruthRow,
    frames_of_scenes,
    read_order,
    read_order_table,
    read_true_transforms,
    read_truth,
)
from workbench.evaluation.metrics import evaluate, evaluate_clips, kendall, kendall_loop, neighbours_compared
from workbench.pipeline.edits import frame_lists

SCORER = ROOT.parent / "shared" / "score.py"


def random_case(seed: int) -> tuple[list[TruthRow], list[OrderRow]]:
    """A seeded truth and an imperfect result for it; ``seed`` also decides how imperfect, up to nonsense."""
    draw = random.Random(seed)
    sources = {f"clip{k}": draw.randint(1, 12) for k in range(draw.randint(1, 4))}
    sources[OUTLIER] = draw.randint(0, 5)
    frames = [(clip, frame) for clip, count in sources.items() for frame in range(count)]
    draw.shuffle(frames)
    truth = [TruthRow(position, *entry) for position, entry in enumerate(frames)]
    errors = draw.choice((0.0, 0.1, 0.5, 1.0))
    numbers = dict(zip(sources, draw.sample(range(12), len(sources)), strict=True)) | {OUTLIER: -1}
    placed = []
    for row in truth:
        scene, place = numbers[row.clip], float(row.frame)
        if draw.random() < errors:
            scene, place = draw.choice([-1, *numbers.values()]), draw.uniform(0, 12)
        placed.append((scene, place, row.position))
    result, counts = [], dict.fromkeys(range(12), 0)
    for scene, _, position in sorted(placed):
        result.append(OrderRow(position, scene, counts[scene] if scene >= 0 else -1))
        if scene >= 0:
            counts[scene] += 1
    return truth, sorted(result)


def reference(truth: list[TruthRow], result: list[OrderRow]) -> dict[str, float]:
    """Every figure from its definition, by loops over frames and pairs."""
    placed = {row.position: row for row in result}
    true = [row for row in truth if row.clip != OUTLIER]
    foreign = [row for row in truth if row.clip == OUTLIER]
    aside = [row for row in truth if placed[row.position].scene < 0]
    hits = [row for row in foreign if row in aside]
    clip_pairs = scene_pairs = both = pairs = 0
    for one, two in itertools.combinations(true, 2):
        same_clip = one.clip == two.clip
        same_scene = placed[one.position].scene == placed[two.position].scene >= 0
        pairs += 1
        clip_pairs += same_clip
        scene_pairs += same_scene
        both += same_clip and same_scene
    chance = clip_pairs * scene_pairs / pairs if pairs else 0
    most = (clip_pairs + scene_pairs) / 2
    totals = {"tau": 0.0, "tau_loop": 0.0, "adjacent": 0.0, "coverage": 0.0}
    for clip in {row.clip for row in true}:
        own = [row for row in true if row.clip == clip]
        scenes = [placed[row.position].scene for row in own if placed[row.position].scene >= 0]
        if not scenes:
            continue
        main = max(set(scenes), key=scenes.count)
        everything = sorted((r for r in truth if placed[r.position].scene == main), key=lambda r: placed[r.position].order)
        kept = [row.frame for row in everything if row.clip == clip]
        taus = []
        for start in range(len(kept)):
            rotated = kept[start:] + kept[:start]
            forward = sum(a < b for a, b in itertools.combinations(rotated, 2))
            backward = sum(a > b for a, b in itertools.combinations(rotated, 2))
            taus.append(abs(forward - backward) / (forward + backward) if len(kept) > 1 else 1.0)
        beside = 0
        for one, two in itertools.pairwise(everything):
            if one.clip == clip and two.clip == clip and one.frame in (two.frame - 1, two.frame + 1):
                beside += 1
        totals["tau"] += taus[0] * len(kept)
        totals["tau_loop"] += max(taus) * len(kept)
        totals["adjacent"] += len(own) * beside / max(1, len(own) - 1)
        totals["coverage"] += len(kept)
    return {
        "outlier_precision": len(hits) / len(aside) if aside else 0.0,
        "outlier_recall": len(hits) / len(foreign) if foreign else 0.0,
        "outlier_f1": 2 * len(hits) / (len(aside) + len(foreign)) if aside or foreign else 0.0,
        "scene_f1": 2 * both / (clip_pairs + scene_pairs) if clip_pairs + scene_pairs else 0.0,
        "scene_ari": (both - chance) / (most - chance) if most != chance else 1.0,
        **{name: total / len(true) for name, total in totals.items()},
    }


def write_csv(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def write_both(folder: Path, truth: list[TruthRow], result: list[OrderRow]) -> tuple[Path, Path]:
    """The case as files, as the workbench writes them: outliers have an empty order."""
    one = write_csv(folder / "a.truth.csv", "position,clip,frame", [f"{p},{c},{f}" for p, c, f in truth])
    rows = [f"{p},{s},{o if s >= 0 else ''}" for p, s, o in result]
    return one, write_csv(folder / "order.csv", "position,scene,order", rows)


@pytest.mark.parametrize("seed", range(80))
def test_agrees_with_the_definitions(seed: int) -> None:
    truth, result = random_case(seed)
    assert evaluate(truth, result) == pytest.approx(reference(truth, result), abs=1e-12)


def test_agrees_with_the_reference_scorer(tmp_path: Path) -> None:
    if not SCORER.is_file():
        pytest.skip("the reference scorer ../shared/score.py is not beside this repository")
    spec = importlib.util.spec_from_file_location("reference_scorer", SCORER)
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    for seed in range(80):
        truth, order = write_both(tmp_path, *random_case(seed))
        expected = scorer.score(truth, order)
        figures = evaluate(read_truth(truth), read_order(order))
        assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-12), f"seed {seed}"


def test_random_cases_cover_good_and_bad() -> None:
    """Guards the fuzz tests: their cases must reach perfection, nonsense, and videos without foreign frames."""
    cases = [random_case(seed) for seed in range(80)]
    taus = [evaluate(*case)["tau"] for case in cases]
    assert max(taus) == 1 and min(taus) < 0.4
    assert any(all(row.clip != OUTLIER for row in truth) for truth, _ in cases)


def two_clips() -> tuple[list[TruthRow], list[OrderRow]]:
    """Ten frames of ``a``, four of ``b``, two foreign ones, in random places; the result is perfect."""
    rows = [("a", k) for k in range(10)] + [("b", k) for k in range(4)] + [(OUTLIER, 0), (OUTLIER, 1)]
    places = np.random.default_rng(5).permutation(len(rows)).tolist()
    truth = sorted(TruthRow(place, *row) for place, row in zip(places, rows, strict=True))
    scene = {"a": 0, "b": 1, OUTLIER: -1}
    return truth, [OrderRow(p, scene[c], f if c != OUTLIER else -1) for p, c, f in truth]


def test_perfect_result_has_all_ones() -> None:
    assert set(evaluate(*two_clips()).values()) == {1.0}


def test_direction_of_time_does_not_count() -> None:
    truth, result = two_clips()
    backwards = [row._replace(order=9 - row.order) if row.scene == 0 else row for row in result]
    assert evaluate(truth, backwards) == evaluate(truth, result)


def test_a_loop_may_begin_anywhere() -> None:
    """Clip ``a`` is restored from its frame 4 on: 24 pairs are in reverse order and 21 are not."""
    truth, result = two_clips()
    turned = [row._replace(order=(row.order - 4) % 10) if row.scene == 0 else row for row in result]
    figures = evaluate(truth, turned)
    assert figures["tau_loop"] == 1
    assert figures["tau"] == pytest.approx((10 * 3 / 45 + 4) / 14)


def test_taus_of_a_long_clip() -> None:
    """10,000 numbers with ties, most rotations of a sorted sequence: the best one is found in seconds."""
    numbers = np.roll(np.arange(10_000) // 2, 3_000)
    assert kendall_loop(numbers.tolist()) == kendall(np.sort(numbers).tolist()) > 0.9998 > 0.5 > kendall(numbers.tolist())


def test_one_frame_set_aside_is_seen_in_every_figure() -> None:
    """Frame 9 of ``a`` is set aside: 9 of its 10 frames, 8 of its 9 neighbours remain."""
    truth, result = two_clips()
    lost = next(row.position for row in truth if row[1:] == ("a", 9))
    result = [row._replace(scene=-1, order=-1) if row.position == lost else row for row in result]
    figures = evaluate(truth, result)
    assert figures["outlier_precision"] == pytest.approx(2 / 3)
    assert figures["outlier_recall"] == 1
    assert figures["coverage"] == figures["tau"] == pytest.approx((9 + 4) / 14)
    assert figures["adjacent"] == pytest.approx((10 * 8 / 9 + 4) / 14)
    assert figures["scene_f1"] == pytest.approx(2 * (36 + 6) / (45 + 6 + 36 + 6))
    rows = evaluate_clips(truth, result)
    assert [row["clip"] for row in rows] == ["a", "b"]
    assert rows[0] == {
        "clip": "a", "frames": 10, "scene": 0, "kept": 9, "aside": 1, "elsewhere": 0,
        "coverage": 0.9, "tau": 0.9, "tau_loop": 0.9, "adjacent": pytest.approx(8 / 9),
    }  # fmt: skip


def test_foreign_frame_between_neighbours_parts_them() -> None:
    truth = [TruthRow(0, "a", 0), TruthRow(1, OUTLIER, 0), TruthRow(2, "a", 1), TruthRow(3, "a", 2)]
    result = [OrderRow(k, 0, k) for k in range(4)]
    assert evaluate(truth, result)["adjacent"] == 0.5
    assert evaluate(truth, result)["outlier_f1"] == 0


def test_everything_set_aside() -> None:
    truth, result = two_clips()
    figures = evaluate(truth, [row._replace(scene=-1, order=-1) for row in result])
    assert figures["outlier_recall"] == 1 and figures["outlier_precision"] == pytest.approx(2 / 16)
    assert figures["tau"] == figures["tau_loop"] == figures["adjacent"] == figures["coverage"] == figures["scene_f1"] == 0


def test_clip_of_one_frame_has_no_neighbours() -> None:
    row = evaluate_clips([TruthRow(0, "a", 0)], [OrderRow(0, 0, 0)])[0]
    assert (row["tau"], row["tau_loop"], row["coverage"], row["adjacent"]) == (1, 1, 1, 0)


def test_video_without_foreign_frames_has_outlier_f1_zero() -> None:
    truth, result = [TruthRow(0, "a", 0), TruthRow(1, "a", 1)], [OrderRow(0, 0, 0), OrderRow(1, 0, 1)]
    assert evaluate(truth, result)["outlier_f1"] == 0


def test_truth_of_another_video_is_refused() -> None:
    truth, result = two_clips()
    with pytest.raises(TruthError, match="16 frames and the result 15"):
        evaluate(truth, result[:-1])
    with pytest.raises(TruthError, match="nothing to evaluate"):
        evaluate([TruthRow(0, OUTLIER, 0)], [OrderRow(0, -1, -1)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("position,clip\n0,a\n", "no column frame"),
        ("position,clip,frame\n", "no rows"),
        ("position,clip,frame\n0,a\n", "line 2 is too short"),
        ("position,clip,frame\n0,a,0\n1,,1\n", "line 3: clip is empty"),
        ("position,clip,frame\n0,a,x\n", "frame is 'x'"),
        ("position,clip,frame\n0,a,-1\n", "is negative"),
        ("position,clip,frame\n0,a,inf\n", "frame is 'inf'"),
        ("position,clip,frame\n0,a,0\n0,a,1\n", "position 0 is there 2 times"),
        ("position,clip,frame\n0,a,0\n2,a,1\n", "position 1 is left out"),
        ("position,clip,frame\n0,a,0\n", "1 rows and the video 2 frames"),
    ],
)
def test_bad_truth_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.truth.csv"
    path.write_text(text)
    with pytest.raises(TruthError, match=message) as caught:
        read_truth(path, frames=2)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_true_transforms(tmp_path: Path) -> None:
    """Written and read again, in another order of rows; a truth without them has none."""
    rows = [TruthRow(0, "a", 0), TruthRow(1, OUTLIER, 0), TruthRow(2, "a", 1)]
    given = [np.eye(2, 3), None, np.array([[0.8, -0.21, 206.26], [0.21, 0.8, -88.59]])]
    write_case([np.zeros((16, 16, 3), np.uint8)] * 3, rows, tmp_path / "with.mp4", transforms=given)
    path = tmp_path / "with.truth.csv"
    assert read_truth(path) == rows
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *lines[::-1]]))
    found = read_true_transforms(path)
    assert found is not None and np.array_equal(found[[0, 2]], [given[0], given[2]]) and np.isnan(found[1]).all()
    write_case([np.zeros((16, 16, 3), np.uint8)] * 3, rows, tmp_path / "without.mp4")
    assert read_true_transforms(tmp_path / "without.truth.csv") is None


@pytest.mark.parametrize("numbers", ["1,0,0,0,1,", "1,0,0,0,1,x", "1,0,0,0,1,inf", "1,2,0,2,4,0", "1,0,0"])
def test_bad_true_transforms_are_refused(tmp_path: Path, numbers: str) -> None:
    path = tmp_path / "bad.truth.csv"
    path.write_text(f"position,clip,frame,t00,t01,t02,t10,t11,t12\n0,a,0,{numbers}\n")
    assert read_truth(path) == [TruthRow(0, "a", 0)]
    with pytest.raises(TruthError, match="line 2: t00 to t12 are no transform"):
        read_true_transforms(path)


def test_unreadable_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "video.truth.csv").write_bytes(bytes(range(256)))
    for path in (tmp_path / "nowhere.csv", tmp_path, tmp_path / "video.truth.csv"):
        with pytest.raises(TruthError, match="cannot be read"):
            read_truth(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("position,scene\n0,0\n", "no column order"),
        ("position,scene,order\n0,0,\n", "order is ''"),
        ("position,scene,order\n0,0.5,0\n", "scene is '0.5'"),
        ("position,scene,order\n0,0,0\n1,0,0\n", "place 0 of scene 0 is taken twice"),
        ("position,scene,order\n0,0,0\n0,0,1\n", "position 0 is there 2 times"),
        ("position,scene,order\n1,0,0\n", "position 0 is left out"),
        ("position,scene,order\n0,0,-1\n", "line 2: places in a scene count from 0, -1 is negative"),
        ("position,scene,order\n0,10000001,0\n", "scene 10000001, place 0 is beyond 10,000,000"),
    ],
)
def test_bad_order_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "order.csv"
    path.write_text(text)
    with pytest.raises(RunError, match=message):
        read_order(path)


def test_order_may_have_more_columns_empty_scenes_and_floats(tmp_path: Path) -> None:
    """As spreadsheets and tables with missing values write it, in any order of rows."""
    path = write_csv(tmp_path / "order.csv", "position,order,scene,score", ["2,,-1,9", "0,1.0,0,9", "1,0.0,0.0,9", "3,,,"])
    assert read_order(path) == [(0, 0, 1), (1, 0, 0), (2, -1, -1), (3, -1, -1)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0,0,0,", "1,0,1,", "2,0,2,"], "has 3 rows and the video 4 frames: write the order again"),
        (["0,4,0,", "1,0,1,", "2,0,2,", "3,0,3,"], "scene 4, place 0 is beyond 3, write the order again"),
        (["0,0,0,", "1,0,1,", "2,0,2,", "3,0,4,"], "scene 0, place 4 is beyond 3, write the order again"),
        (["0,0,0,0.5", "1,0,1,x", "2,0,2,", "3,0,3,"], "line 3: confidence is 'x', give a number or nothing"),
        (["0,0,0,inf", "1,0,1,", "2,0,2,", "3,0,3,"], "line 2: confidence is 'inf', give a number or nothing"),
    ],
)
def test_an_order_that_is_not_of_this_video_is_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    path = write_csv(tmp_path / "order.csv", "position,scene,order,confidence", rows)
    with pytest.raises(RunError, match=message) as caught:
        read_order_table(path, frames=4)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_the_table_of_an_order_has_all_columns(tmp_path: Path) -> None:
    """Places are Int64 with NA for outliers; numbers of further columns are float64, anything else stays as it is."""
    rows = ["2,,,,b", "0,1.0,0,0.25,a", "1,0.0,0.0,,c", "3,-1,7,,"]
    table = read_order_table(write_csv(tmp_path / "order.csv", "position,scene,order,confidence,note", rows), frames=4)
    assert table.dtypes.astype(str).tolist()[:4] == ["int64", "int64", "Int64", "float64"]
    assert table["position"].tolist() == [0, 1, 2, 3] and table["scene"].tolist() == [1, 0, -1, -1]
    assert table["order"].tolist() == [0, 0, pd.NA, pd.NA]
    assert table["confidence"].tolist()[:1] == [0.25] and table["confidence"].isna().tolist() == [False, True, True, True]
    assert table["note"].tolist() == ["a", "c", "b", ""]


def test_the_frames_of_every_scene_of_an_order(tmp_path: Path) -> None:
    """Frames 4, 1 and 3 are scene 0, in this order, frame 0 is scene 2, there is no scene 1, and 2 is foreign."""
    rows = ["0,2,0", "1,0,1", "2,-1,", "3,0,2", "4,0,0"]
    table = read_order_table(write_csv(tmp_path / "order.csv", "position,scene,order", rows), frames=5)
    assert [frames.tolist() for frames in frames_of_scenes(table)] == [[4, 1, 3], [], [0]]
    assert frame_lists(table) == [[4, 1, 3], [0]]
    assert frames_of_scenes(table[table["scene"] < 0]) == []


def test_an_order_that_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    """By pandas, with confidences of four digits: the same bits come back."""
    confidence = np.random.default_rng(0).random(500).round(4)
    confidence[::7] = np.nan
    place = pd.Series(np.arange(500), dtype="Int64")
    table = pd.DataFrame({"position": np.arange(500), "scene": 0, "order": place, "confidence": confidence})
    table.loc[490:, "scene"] = -1
    table["order"] = table["order"].mask(table["scene"] < 0)
    table.to_csv(tmp_path / "order.csv", index=False)
    assert read_order_table(tmp_path / "order.csv", frames=500).equals(table)


def test_neighbours_that_were_compared():
    """Two clips of three frames and a foreign one: of the four pairs of neighbours, one is in two scenes and does not count;
    of the other three, two were compared, one of them named the other way round."""
    clips = [("a", 2), ("b", 0), ("a", 0), (OUTLIER, 0), ("b", 2), ("a", 1), ("b", 1)]
    truth = [TruthRow(position, *entry) for position, entry in enumerate(clips)]
    scenes = {"a": 0, "b": 1, OUTLIER: -1}
    result = [OrderRow(row.position, scenes[row.clip] if (row.clip, row.frame) != ("b", 2) else 0, row.frame) for row in truth]
    pairs = np.array([[2, 5], [6, 1], [0, 3], [4, 6]])
    assert neighbours_compared(truth, result, pairs) == pytest.approx(2 / 3)
    assert neighbours_compared(truth, result, np.zeros((0, 2), int)) == 0

"""The comparison of embeddings: its figures on vectors and labels that are written down here, and its tables.

The videos of the last tests are two clips of four frames and two foreign frames, 64 x 48 px, of blurred random colours: frames
of a clip differ by a shift of one pixel, and nothing else is alike.
"""

import cv2
import numpy as np
import pandas as pd
import pytest

from training import evaluate_embeddings
from training.embedding_scores import (
    CaseScores,
    common_eps,
    f1_scores,
    left_out,
    middle_eps,
    neighbour_recall,
    score,
)
from training.evaluate_embeddings import find_cases, main, markdown, summary, timed
from workbench.errors import UsageError
from workbench.evaluation.files import OUTLIER, TruthRow
from workbench.scenes.eps import SWEEP
from workbench.sweep.table import best_settings, read_table

# Two clips of five frames and two foreign frames.
TRUTH = [TruthRow(index, "a", index) for index in range(5)]
TRUTH += [TruthRow(5 + index, "b", index) for index in range(5)]
TRUTH += [TruthRow(10, OUTLIER, 0), TruthRow(11, OUTLIER, 1)]


def constructed() -> np.ndarray:
    """(12, 6) float32 of unit length: clip a turns by 0.1 rad per frame, clip b by 0.2, foreign frames are orthogonal."""
    rows = np.zeros((12, 6), np.float32)
    for index in range(5):
        rows[index, :2] = np.cos(0.1 * index), np.sin(0.1 * index)
        rows[5 + index, 2:4] = np.cos(0.2 * index), np.sin(0.2 * index)
    rows[10, 4] = rows[11, 5] = 1
    return rows


def test_f1_scores_of_made_up_labels() -> None:
    """Perfect labels score 1; with a frame of clip b among the outliers and a foreign frame in clip a, both fall."""
    perfect = np.array([0] * 5 + [1] * 5 + [-1, -1])
    assert f1_scores(TRUTH, perfect) == (1, 1)
    worse = perfect.copy()
    worse[9], worse[10] = -1, 0
    # Outliers: of two found one is foreign, of two foreign one is found. Pairs: 16 agree, of 20 by clip and 16 by scene.
    assert f1_scores(TRUTH, worse) == (pytest.approx(0.5), pytest.approx(32 / 36))


def test_range_of_perfect_eps_is_what_the_geometry_says() -> None:
    """Clip b is one scene from eps = 1 - cos 0.2 = 0.020 on (a core frame needs two neighbours); the clips join only at 1."""
    scores = score(TRUTH, constructed(), 1.0)
    perfect = SWEEP[scores.perfect]
    assert perfect.min() == pytest.approx(1 - np.cos(0.2), rel=0.06)
    assert perfect.max() > 0.9
    assert scores.best.perfect and perfect.min() < scores.best.eps < perfect.max()
    assert scores.suggested(0.1).perfect
    assert scores.recall == 1


def test_a_typical_eps_that_is_too_small_costs_frames() -> None:
    """No eps above 1.42 times the typical one is suggested: below 0.0142, clip b is not a scene, and all of it is set aside."""
    found = score(TRUTH, constructed(), 1.0).suggested(0.01)
    assert found.eps < 0.0142 and not found.perfect
    assert found.outliers == pytest.approx(2 * 2 / (7 + 2))


def test_neighbour_recall_of_made_up_distances() -> None:
    """A frame whose nearest frames are foreign does not count as found; foreign frames themselves are not counted."""
    truth = [TruthRow(0, "a", 0), TruthRow(1, "a", 1), TruthRow(2, "a", 9), TruthRow(3, OUTLIER, 0)]
    places = np.array([0.0, 1.0, 5.0, 0.4])
    distances = np.abs(places[:, None] - places[None])
    assert neighbour_recall(truth, distances, neighbours=2) == 1  # frames 0 and 1; frame 9 has no neighbour in the video
    assert neighbour_recall(truth, distances, neighbours=1) == 0


def perfect_at(first: int, last: int) -> CaseScores:
    """A case that is perfect from one place of the sweep to before another; its distances are those of :func:`constructed`."""
    good = ((np.arange(len(SWEEP)) >= first) & (np.arange(len(SWEEP)) < last)).astype(float)
    return CaseScores(TRUTH, score(TRUTH, constructed(), 1.0).distances, good, np.ones(len(SWEEP)), 1.0, 1.0)


def test_common_eps_is_where_most_cases_are_perfect() -> None:
    """Of two cases, perfect from the 11th to the 40th and the 31st to the 60th eps: the 31st to the 40th."""
    cases = [perfect_at(10, 40), perfect_at(30, 60)]
    assert common_eps(cases) == (SWEEP[30], SWEEP[39], 2)
    assert SWEEP[34] < middle_eps(cases) < SWEEP[35]


def test_a_case_does_not_choose_its_own_eps() -> None:
    """One case would choose an eps of 0.005 to 0.007, at which it is not perfect; the two others choose one that is."""
    own, others = perfect_at(0, 8), [perfect_at(50, 60), perfect_at(50, 60)]
    assert not own.suggested(middle_eps([own])).perfect
    found = left_out([own, *others])
    assert found[0] == own.suggested(middle_eps(others)) and found[0].perfect
    assert found[1] == found[2] == own.suggested(middle_eps([own, others[0]]))


def test_time_per_frame_excludes_the_first_batch() -> None:
    """The backbone is called once for a first batch and once for all frames."""
    calls = []
    images = np.zeros((40, 2, 2, 3), np.uint8)
    rows, seconds = timed(lambda part: calls.append(len(part)) or part[:, 0, 0], images)
    assert calls == [32, 40]
    assert rows.shape == (40, 3)
    assert seconds >= 0


def test_a_folder_without_cases_is_an_error(tmp_path, capsys) -> None:
    """A video without a truth file is not a case."""
    (tmp_path / "alone.mp4").touch()
    with pytest.raises(UsageError, match="holds no case"):
        find_cases([tmp_path])
    assert main([str(tmp_path), "--backbones", "thumbnail"]) == 2
    assert capsys.readouterr().err.startswith("evaluation: ")


def test_spread_and_markdown_of_made_up_figures() -> None:
    """Of four cases: mean, lower quartile and least; how many are perfect; the median of the time."""
    table = pd.DataFrame({"embed.backbone": ["x"] * 4, "weights_mb": [1.0] * 4, "ms_per_frame": [1.0, 2.0, 4.0, 90.0]})
    table["neighbour_recall"] = [1.0, 0.9, 1.0, 1.0]
    for name in ("clustered", "left_out", "best"):
        table[f"{name}_outlier_f1"], table[f"{name}_scene_f1"] = [1.0, 0.5, 1.0, 1.0], [1.0, 1.0, 0.6, 1.0]
    shown = summary(table)["x"]
    assert shown["ms per frame"] == "3.0" and shown["suggested eps: perfect"] == "2 of 4"
    assert shown["best eps: outlier F1"] == "0.875 / 0.875 / 0.500" and shown["best eps: scene F1"] == "0.900 / 0.900 / 0.600"
    lines = markdown(pd.DataFrame({"x": ["1.00"]}, index=["a"]).rename_axis("case", axis=1)).splitlines()
    assert lines == ["| case | x    |", "| ---- | ---- |", "| a    | 1.00 |"]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Two folders with a case each, as the top of this file says; the second has its frames in another order."""
    folders = []
    for number, name in enumerate(("first", "second")):
        folder = tmp_path_factory.mktemp("cases") / name
        folder.mkdir()
        rng = np.random.default_rng(number)
        pictures = [
            cv2.resize(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
            for _ in range(4)
        ]
        shown = [("a", frame, np.roll(pictures[0], frame, axis=1)) for frame in range(4)]
        shown += [("b", frame, np.roll(pictures[1], frame, axis=1)) for frame in range(4)]
        shown += [(OUTLIER, 0, pictures[2]), (OUTLIER, 1, pictures[3])]
        shown = [shown[place] for place in rng.permutation(len(shown))]
        writer = cv2.VideoWriter(str(folder / "mixed.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
        for _, _, image in shown:
            writer.write(image)
        writer.release()
        rows = [f"{position},{clip},{frame}" for position, (clip, frame, _) in enumerate(shown)]
        (folder / "mixed.truth.csv").write_text("\n".join(["position,clip,frame", *rows]) + "\n")
        folders.append(folder)
    return folders


def test_the_table_of_two_folders(cases, tmp_path, capsys, monkeypatch) -> None:
    """A row per case and backbone, which the notebook of sweeps can read; the summary says at which eps most are perfect."""
    monkeypatch.setattr(evaluate_embeddings.torch, "set_num_threads", lambda _: None)
    out = tmp_path / "table.csv"
    assert main([*map(str, cases), "--backbones", "thumbnail", "rank-vlad", "--out", str(out)]) == 0
    table = read_table(out)
    assert list(table["video"]) == ["first/mixed.mp4"] * 2 + ["second/mixed.mp4"] * 2
    assert list(table["embed.backbone"]) == ["thumbnail", "rank-vlad"] * 2
    assert (table["frames"] == 10).all() and (table["seconds"] >= 0).all() and (table["best_scene_f1"] == 1).all()
    assert set(best_settings(table, "clustered_scene_f1")["embed.backbone"]) == {"thumbnail", "rank-vlad"}
    printed = capsys.readouterr().out
    assert "| first/mixed " in printed and "| second/mixed " in printed
    assert "thumbnail: first 1 of 1 at " in printed and "; all 2 of 2 at " in printed and "Suggested eps\n" in printed

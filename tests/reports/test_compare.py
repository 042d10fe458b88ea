"""Runs side by side. Orders are changed in a given way, so that their agreement is known by construction."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.helpers.tiny import refused, workbench
from workbench.errors import MissingStageError, RunError, UsageError
from workbench.evaluation.agreement import order_agreement
from workbench.evaluation.files import OrderRow, read_order
from workbench.pipeline.editing import edit_order
from workbench.pipeline.scene_edits import flip
from workbench.reports.compare import NO_VALUE, Table, as_text, open_runs, tables
from workbench.run import Run

# Scenes of 6, 4 and 1 frames, and 2 outliers, as lists of positions in their order.
SCENES = [[3, 0, 11, 7, 5, 9], [2, 10, 4, 8], [6]]
FRAMES = 13


def rows(scenes: list[list[int]], frames: int = FRAMES) -> list[OrderRow]:
    """An order of a video: what is in no scene is an outlier."""
    found = {p: OrderRow(p, scene, place) for scene, frames in enumerate(scenes) for place, p in enumerate(frames)}
    return [found.get(p, OrderRow(p, -1, -1)) for p in range(frames)]


def agreement(scenes: list[list[int]]) -> dict:
    """The agreement of SCENES with ``scenes``, which is the same in both directions."""
    one, two = rows(SCENES), rows(scenes)
    found = order_agreement(one, two)
    assert order_agreement(two, one) == pytest.approx(found)
    return found


@pytest.fixture
def pair(short_run, tmp_path) -> tuple[Run, Run]:
    """Two copies of the run of the short video, ``a`` and ``b``, to be changed."""
    for name in "ab":
        shutil.copytree(short_run[0].path, tmp_path / name)
    return Run.open(tmp_path / "a"), Run.open(tmp_path / "b")


def rewrite(run: Run, name: str, change) -> None:
    """Change a JSON file of a run."""
    content = json.loads((run.path / name).read_text())
    change(content)
    run.write_text(name, json.dumps(content))


def compared(*runs: Run) -> dict[str, Table]:
    return {table.title: table for table in tables(open_runs([run.path for run in runs]))}


def values(table: Table) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in table.rows}


PERFECT = {"scene_ari": 1, "common_outliers": 2, "outliers": 2, "matched": 11, "kept": 11, "tau": 1, "links": 1}


@pytest.mark.parametrize(
    "scenes",
    [SCENES, [SCENES[0][::-1], *SCENES[1:]], SCENES[::-1]],
    ids=["the same", "a scene reversed", "scenes numbered otherwise"],
)
def test_equivalent_orders(scenes):
    """Neither the direction of a scene nor its number matters."""
    assert agreement(scenes) == pytest.approx(PERFECT)


def test_two_neighbours_swapped():
    """One of 15 pairs of the first scene is reversed: tau there is 13/15, 1 over the 4 frames of the second. The scene of one
    frame has no order. Of its 5 links the two around the swapped frames are lost, so that 6 of 8 are common."""
    scene = [3, 0, 7, 11, 5, 9]
    expected = PERFECT | {"tau": (6 * 13 / 15 + 4 * 1) / 10, "links": 6 / 8}
    assert agreement([scene, *SCENES[1:]]) == pytest.approx(expected)


def test_a_loop_begun_elsewhere_keeps_its_links():
    """Begun in its middle, 6 of 15 pairs keep their order and 9 are reversed; one link of 8 opens and another closes."""
    found = agreement([[7, 5, 9, 3, 0, 11], *SCENES[1:]])
    assert found["tau"] == pytest.approx((6 * 3 / 15 + 4) / 10)
    assert found["links"] == pytest.approx(7 / 8)


def test_an_end_taken_for_an_outlier():
    """The other frames keep their order. ARI by its definition: of 78 pairs 21 are together before, 16 after and both."""
    found = agreement([SCENES[0][:-1], *SCENES[1:]])
    chance = 21 * 16 / 78
    ari = (16 - chance) / ((21 + 16) / 2 - chance)
    expected = {"common_outliers": 2, "outliers": 3, "matched": 10, "kept": 10, "tau": 1, "links": 2 * 7 / (8 + 7)}
    assert found == pytest.approx(expected | {"scene_ari": ari})


def test_scenes_that_ran_together():
    """The joined scene is matched with the scene that has most of its frames; those of the other one are in none. Its
    one additional link is not common."""
    found = agreement([SCENES[0] + SCENES[1], SCENES[2]])
    assert (found["matched"], found["kept"], found["tau"]) == (7, 11, 1)
    assert found["links"] == pytest.approx(2 * 8 / (8 + 9))
    assert 0 < found["scene_ari"] < 1


def test_each_scene_is_matched_once():
    """A split scene is matched with its larger part, and the smaller part with nothing: 4 of its 6 frames count."""
    found = agreement([SCENES[1], SCENES[0][:4], SCENES[0][4:], SCENES[2]])
    assert (found["matched"], found["kept"]) == (9, 11)
    assert found["links"] == pytest.approx(2 * 7 / (8 + 7))


def test_no_order_to_compare():
    """One run has only outliers: no frame in common, and no order to compare. Both have only outliers: no link either."""
    found = agreement([])
    assert (found["tau"], found["links"], found["matched"], found["common_outliers"], found["outliers"]) == (None, 0, 0, 2, 13)
    found = order_agreement(rows([]), rows([]))
    assert (found["tau"], found["links"], found["scene_ari"]) == (None, None, 1)


def test_unrelated_orders_agree_by_chance_alone():
    """600 frames divided into three scenes and ordered at random, twice, with seeds 0 and 1."""
    orders = [np.array_split(np.random.default_rng(seed).permutation(600), 3) for seed in (0, 1)]
    found = order_agreement(*(rows([scene.tolist() for scene in scenes], 600) for scenes in orders))
    assert abs(found["scene_ari"]) < 0.02
    assert found["tau"] < 0.15
    assert found["links"] < 0.02


def test_copies_agree_in_everything(pair):
    found = compared(*pair)
    assert found["Runs"].heading == ["a", "b"]
    assert found["Parameters that differ"].rows == []
    assert found["Parameters that differ"].notes == ["None: the runs were made with the same parameters."]
    order = read_order(pair[0].path / "order.csv")
    outliers = sum(row.scene < 0 for row in order)
    kept = len(order) - outliers
    expected = ["a and b", "1.0000", f"{outliers} of {outliers}", f"{kept} of {kept}", "1.0000", "1.0000"]
    assert found["Agreement of the orders"].rows == [expected]
    assert found["Metrics"].notes == []


def test_edits_by_hand_are_seen(pair):
    """Scene 0 is reversed in one run: the orders agree. Then two of its neighbours change places: one pair is reversed, two
    links are lost. The metrics are those of the order before, and a note reports it."""
    _, changed = pair
    frames = changed.scene_order(0)
    edit_order(changed, flip(changed, 0))
    table = compared(*pair)["Agreement of the orders"]
    assert table.rows[0][4:] == ["1.0000", "1.0000"]
    edit_order(changed, {"move": int(frames[4]), "before": int(frames[5])})
    found = compared(*pair)
    sizes = [len(changed.scene_order(scene)) for scene in range(2)]
    assert sum(sizes) == sum(row.scene >= 0 for row in read_order(changed.path / "order.csv"))
    tau = (sizes[0] * (1 - 4 / (sizes[0] * (sizes[0] - 1))) + sizes[1]) / sum(sizes)
    links = sum(sizes) - 2
    assert found["Agreement of the orders"].rows[0][4:] == [f"{tau:.4f}", f"{(links - 2) / links:.4f}"]
    assert values(found["Runs"])["Edits by hand"] == ["0", "2"]
    (note,) = found["Metrics"].notes
    assert note.startswith("The metrics of b were written before its order was last changed: ")


def test_only_parameters_that_differ_are_listed(pair):
    """A stage that one of the runs skipped is no difference; it appears in the metrics alone."""

    def change(record: dict) -> None:
        record["stages"]["cluster"]["parameters"]["eps"] = 0.05
        record["stages"]["match"]["parameters"]["matcher"] = "sift-flann"
        record["stages"]["umap"] = record["stages"]["cluster"] | {"parameters": {"n_neighbors": 15}}

    rewrite(pair[1], "run.json", change)
    rewrite(pair[1], "metrics.json", lambda metrics: metrics.update(seconds_umap=2.5))
    found = compared(*pair)
    expected = [["cluster.eps", "0.0", "0.05"], ["match.matcher", "superglue", "sift-flann"]]
    assert found["Parameters that differ"].rows == expected
    assert values(found["Metrics"])["Seconds, umap"] == [NO_VALUE, "2.5"]
    assert found["Metrics"].rows[-1][0] == "Seconds, all stages"


def test_metrics_are_those_of_the_runs(pair, short_run):
    """A run without a truth has no scores; their rows are where those of the other run are."""
    scores = ("outlier_precision", "outlier_recall", "outlier_f1", "scene_f1", "scene_ari", "tau", "adjacent", "coverage")
    rewrite(pair[0], "metrics.json", lambda metrics: [metrics.pop(name) for name in scores])
    table = compared(*pair)["Metrics"]
    _, metrics = short_run
    shown = values(table)
    assert shown["Outliers"] == [str(metrics["outliers"])] * 2
    assert shown["Links guessed"] == [f"{metrics['weak_links']} of {metrics['links']}"] * 2
    assert shown["|Kendall tau|"] == [NO_VALUE, f"{metrics['tau']:.4f}"]
    total = sum(value for name, value in metrics.items() if name.startswith("seconds_"))
    assert shown["Seconds, all stages"] == [f"{total:.1f}"] * 2
    labels = list(shown)
    assert labels.index("Links guessed") < labels.index("|Kendall tau|") < labels.index("Seconds, video")


def test_runs_of_different_videos(pair, tmp_path):
    """Two of three runs are of the same video: a row for these two, and a note for the pairs that are not compared."""
    shutil.copytree(pair[0].path, tmp_path / "c")
    rewrite(pair[1], "run.json", lambda record: record["source"].update(sha256="0" * 64))
    table = compared(*pair, Run.open(tmp_path / "c"))["Agreement of the orders"]
    assert [row[0] for row in table.rows] == ["a and c"]
    assert table.notes[-1] == "Of different videos, compared by parameters and metrics only: a and b, b and c."
    shown = workbench("compare", pair[0].path, pair[1].path)
    assert shown.status == 0
    end = "Agreement of the orders\nOf different videos, compared by parameters and metrics only: a and b."
    assert shown.out.rstrip().endswith(end)


def test_names_tell_runs_apart(pair, tmp_path, monkeypatch):
    """Runs of the same name are named by more of their paths, in whatever form these were given."""
    shutil.copytree(pair[0].path, tmp_path / "more" / "a")
    shutil.copytree(pair[0].path, tmp_path / "less" / "a")
    monkeypatch.chdir(tmp_path / "more")
    assert [run.name for run in open_runs(["a", "../less/a"])] == ["more/a", "less/a"]
    assert [run.name for run in open_runs(["../more/a", "../b"])] == ["a", "b"]


def test_text_has_columns_of_one_width():
    table = Table("Metrics", ["a", "longer"], [["Frames", "200", "26"], ["Seconds, all stages", "1.0", "12.5"]], ["A note."])
    assert as_text([table, Table("Empty", ["a"], [], ["None."])]).splitlines() == [
        "Metrics                a  longer",
        "Frames               200      26",
        "Seconds, all stages  1.0    12.5",
        "A note.",
        "",
        "Empty",
        "None.",
    ]


class Page(HTMLParser):
    """The words of a page, the alternative texts of its pictures, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        self.pictures += [dict(attrs)["alt"]] if tag == "img" else []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_has_it_all_and_needs_nothing_else(short_run, tmp_path):
    """Every cell of the tables is on the page, also where a name looks like HTML; film strips are in it, the runs untouched."""
    for name in ("a<b>", "b&c"):
        shutil.copytree(short_run[0].path, tmp_path / name)
    paths = [tmp_path / "a<b>", tmp_path / "b&c"]
    edited = Run.open(paths[0])
    edit_order(edited, flip(edited, 0))  # so that there is a note on its metrics
    before = {path: path.read_bytes() for folder in paths for path in folder.rglob("*") if path.is_file()}
    file = tmp_path / "page.html"
    answer = workbench("compare", *paths, "--html", file)
    assert (answer.status, answer.err, answer.out.splitlines()[-1]) == (0, "", str(file))
    page = Page(file.read_text(encoding="utf-8"))
    for table in tables(open_runs(paths)):
        assert {table.title, *table.heading, *table.notes, *(cell for row in table.rows for cell in row)} - {
            *page.words
        } == set()
    assert page.pictures == ["Scenes of a<b>", "Scenes of b&c"]
    assert [address[:22] for address in page.addresses] == ["data:image/png;base64,"] * 2
    assert {path: path.read_bytes() for folder in paths for path in folder.rglob("*") if path.is_file()} == before
    assert plt.get_fignums() == []


def test_what_cannot_be_compared(pair, tmp_path):
    """One line each, with what to do."""
    a, b = (run.path for run in pair)
    refused(workbench("compare"), 2, "give two or more runs to compare")
    refused(workbench("compare", a), 2, "give two or more runs to compare")
    refused(workbench("compare", a, b, a / ".." / "a"), 2, "is given twice")
    refused(workbench("compare", a, tmp_path / "none"), 1, f"{tmp_path / 'none'} is no run directory yet")
    refused(workbench("compare", a, b, "--html", tmp_path / "none" / "page.html"), 2, "page.html cannot be written", "--html")
    refused(workbench("compare", a, b, "--html", a), 2, f"{a} cannot be written", "--html")


def test_runs_that_are_not_finished(pair):
    a, b = (run.path for run in pair)
    (b / "metrics.json").write_text("[1]")
    with pytest.raises(RunError, match=r"metrics\.json is damaged"):
        open_runs([a, b])
    (b / "metrics.json").unlink()
    with pytest.raises(MissingStageError, match="is not measured yet: finish it first"):
        open_runs([a, b])
    (b / "order.csv").unlink()
    with pytest.raises(MissingStageError, match=r"stage order of .* is missing"):
        open_runs([a, b])


def test_the_same_video_with_other_frames(pair):
    """As after an update of the decoder: the position of a frame does not identify it then."""
    file = pair[1].path / "order.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(RunError, match=r"the same video has 26 frames in .* and 25 in"):
        open_runs([run.path for run in pair])


def test_fewer_than_two_is_wrong_usage():
    with pytest.raises(UsageError, match="give two or more runs"):
        open_runs([Path("a")])

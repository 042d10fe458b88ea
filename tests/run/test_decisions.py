"""``scenes.csv`` with its decisions, read from a run: as a table by decision, and refused when it is damaged."""

import math

import pytest

from workbench.errors import MissingStageError, RunError
from workbench.parameters import Parameters
from workbench.run import Run
from workbench.run.contents import first_positions

HEADING = "position,scene,clustered,verdict,decision,odds,reason,rough\n"
ROWS = [
    "0,0,0,,,,,",
    '1,1,0,split,2,120.0,"none of 9 pairs, far apart",',
    "2,0,-1,undone rescued,0,,looks like frame 0,",
    '3,1,0,split,2,120.0,"none of 9 pairs, far apart",',
    "4,-1,0,expelled,1,3.5,registers to nothing,",
]


def run_of(tmp_path, text: str) -> Run:
    (tmp_path / "clip.mp4").write_bytes(b"video")
    run = Run.create(tmp_path / "run", tmp_path / "clip.mp4")

    def write(folder):
        (folder / "scenes.csv").write_text(text)

    run.stage("match", Parameters(), (), ("scenes.csv",), write)
    return run


def table(*rows: str, heading: str = HEADING) -> str:
    return heading + "\n".join(rows) + "\n"


def test_a_row_per_decision(tmp_path):
    found = run_of(tmp_path, table(*ROWS)).decisions()
    assert list(found) == ["number", "verdict", "frames", "first", "odds", "reason", "undone"]
    assert found["number"].tolist() == [0, 1, 2] and found["frames"].tolist() == [1, 1, 2]
    assert found["verdict"].tolist() == ["rescued", "expelled", "split"] and found["undone"].tolist() == [True, False, False]
    assert found["first"].tolist() == ["2", "4", "1, 3"] and found["reason"].iloc[2] == "none of 9 pairs, far apart"
    assert math.isnan(found["odds"].iloc[0]) and found["odds"].tolist()[1:] == [3.5, 120.0]


@pytest.mark.parametrize("rows", [ROWS[:1], []], ids=["none", "no frames"])
def test_without_decisions(tmp_path, rows):
    """The columns are there, with their kinds."""
    run = run_of(tmp_path, table(*rows))
    found = run.decisions()
    assert found.empty and found["frames"].dtype.kind == "i" and found["undone"].dtype.kind == "b"
    assert run.scenes_table()["verdict"].tolist() == [""] * len(rows)


def test_before_the_matches(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"video")
    with pytest.raises(MissingStageError, match="stage match"):
        Run.create(tmp_path / "run", tmp_path / "clip.mp4").decisions()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (table("0,0,0,split,x,1.0,r,"), "not all of column decision are numbers"),
        (table("0,0,0,split,-1,1.0,r,"), "not all of column decision are whole numbers"),
        (table("0,0,0,split,0,inf,r,"), "not all of column odds are finite"),
        (table('0,0,0,split,0,1.0,"two\nlines",'), "not all of column reason are text of one line"),
        (table("0,0,0,\x1b[2J,0,1.0,r,"), "not all of column verdict are text of one line"),
        (table("0,0,0,,0,,", heading=HEADING.replace("reason,", "")), "it has no column reason"),
        (table("0,0,0,,0,,,,-2", heading=HEADING.replace("rough", "rough,matched")), "column matched are whole numbers"),
        ("position,scene,clustered,verdict\n0,0,0,\n", "it has no column decision, rough, odds"),
    ],
)
def test_a_damaged_table(tmp_path, text, reason):
    with pytest.raises(RunError, match=rf"scenes\.csv is damaged \(.*{reason}"):
        run_of(tmp_path, text).decisions()


@pytest.mark.parametrize(("count", "text"), [(0, ""), (1, "0"), (5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4, ...")])
def test_first_positions(count, text):
    assert first_positions(range(count)) == text

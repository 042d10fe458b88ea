"""The effect of one parameter at a time, on tables written by hand."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from workbench.errors import UsageError
from workbench.sweep.effects import effects
from workbench.sweep.one_at_a_time import one_at_a_time_plot
from workbench.sweep.table import read_table

COLUMNS = (
    "video,features.max_keypoints,match.match_threshold,status,error,seconds,tau,seconds_features,seconds_match,run,notebooks"
)
CELLS = [
    "a.mp4,256,0.25,done,,9,0.9,1,5,r,",
    "a.mp4,64,0.25,done,,5,0.7,1,2,r,",
    "a.mp4,512,0.25,done,,20,0.905,1,11,r,",
    "a.mp4,256,0.8,done,,9,0.5,1,5,r,",
    "a.mp4,256,0.1,done,,9,0.895,1,4,r,",
    "a.mp4,64,0.8,done,,1,0.0,1,1,r,",  # two parameters differ
    "b.mp4,256,0.25,done,,29,0.5,3,15,r,",
    "b.mp4,64,0.25,failed,no scene,5,,1,,r,",
    "b.mp4,512,0.25,done,,90,0.505,3,33,r,",
    "b.mp4,256,0.8,done,,29,0.2,3,15,r,",
    "b.mp4,256,0.1,done,,29,0.495,3,12,r,",
]


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """Two videos; the defaults are 256 and 0.25. 64 keypoints failed on one video, and one cell differs from both defaults."""
    return written(tmp_path, CELLS)


def written(folder, cells: list[str]) -> pd.DataFrame:
    (folder / "sweep.csv").write_text("\n".join([COLUMNS, *cells]) + "\n")
    return read_table(folder / "sweep.csv")


def test_effects(table):
    """Rows, means and changes computed by hand; a value that failed on one video is compared with the defaults on the other."""
    found = effects(table, ["tau"])
    assert found[["parameter", "value", "default", "videos"]].to_numpy().tolist() == [
        ["features.max_keypoints", 64.0, False, 1],
        ["features.max_keypoints", 256.0, True, 2],
        ["features.max_keypoints", 512.0, False, 2],
        ["match.match_threshold", 0.1, False, 2],
        ["match.match_threshold", 0.25, True, 2],
        ["match.match_threshold", 0.8, False, 2],
    ]
    assert found["tau"].round(4).tolist() == [0.7, 0.7, 0.705, 0.695, 0.7, 0.35]
    assert found["tau_change"].round(4).tolist() == [-0.2, 0, 0.005, -0.005, 0, -0.35]
    assert found["seconds"].tolist() == [3, 12, 24, 10, 12, 12]
    assert found["seconds_change"].tolist() == [-3, 0, 12, -2, 0, 0]


def test_cells_given_twice_count_once(table, tmp_path):
    """The defaults are often named again in the list of a parameter's values."""
    again = written(tmp_path, [*CELLS, CELLS[0], CELLS[2]])
    pd.testing.assert_frame_equal(effects(again, ["tau"]), effects(table, ["tau"]))


@pytest.mark.parametrize(
    ("cells", "figures", "words"),
    [
        (CELLS, ["tau", "beauty"], "the table has no beauty"),
        (CELLS[1:3], ["tau"], "no cell that is done has the defaults, beside other cells"),
        (CELLS[:1], ["tau"], "no cell that is done has the defaults, beside other cells"),
        ([CELLS[7], CELLS[1]], ["tau"], "no cell that is done has the defaults, beside other cells"),
    ],
)
def test_tables_of_something_else(tmp_path, cells, figures, words):
    with pytest.raises(UsageError, match=words):
        effects(written(tmp_path, cells), figures)


def test_figure(table):
    """One row of panels per parameter, a column for the figures and one for seconds; every value has a tick, one is shaded."""
    fig = one_at_a_time_plot(effects(table, ["tau"]), [["tau"]])
    panels = [ax for ax in fig.axes if ax.lines]
    assert len(panels) == 4
    assert [[tick.get_text() for tick in ax.get_xticklabels()] for ax in panels[::2]] == [
        ["64", "256", "512"],
        ["0.1", "0.25", "0.8"],
    ]
    assert panels[1].lines[0].get_ydata().tolist() == [3, 12, 24]
    assert [ax.patches[0].get_x() for ax in panels] == [0.6] * 4
    assert panels[0].get_ylim() == panels[2].get_ylim()
    plt.close(fig)

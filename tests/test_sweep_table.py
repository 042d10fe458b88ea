"""What the table of a sweep says.

``rows`` makes tables as :func:`workbench.cells.write_table` writes them: its types, its columns, and nothing where a cell has
nothing.
"""

from pathlib import Path

import pandas as pd
import pytest

from workbench.cells import DONE, FAILED, NO_WEIGHTS
from workbench.errors import UsageError
from workbench.sweep_table import read_table, varied

KINDS = {"video": "string", "status": "string", "error": "string", "run": "string", "notebooks": "string"}


def rows(*cells: dict) -> pd.DataFrame:
    """A row a cell; what is not given is that of a cell of one video that was done in a second."""
    rest = {"video": "a.mp4", "status": DONE, "error": "", "seconds": 1.0, "run": "cells/x", "notebooks": None}
    table = pd.DataFrame([rest | cell for cell in cells])
    return table.astype(KINDS).convert_dtypes(convert_floating=True, convert_integer=False)


def written(folder: Path, table: pd.DataFrame) -> Path:
    """The folder with the table in both forms."""
    table.to_parquet(folder / "sweep.parquet")
    table.to_csv(folder / "sweep.csv", index=False, lineterminator="\n")
    return folder


@pytest.fixture
def mixed() -> pd.DataFrame:
    """Three cells: done, failed without any figure, without weights. One column is empty, one has only whole numbers that are
    no whole numbers by their type, one words that look like numbers, one a number that has no short decimal form."""
    return pd.DataFrame(
        {
            "video": pd.Series(["a.mp4", "a.mp4", "b.mp4"], dtype="string"),
            "cluster.eps": pd.Series([0.0, 1.0, 2.0], dtype="Float64"),
            "cluster.min_samples": pd.Series([3, 4, 5], dtype="Int64"),
            "embed.backbone": pd.Series(["18", "null", "vgg16"], dtype="string"),
            "write.stabilise": pd.Series([True, False, True], dtype="boolean"),
            "write.crf": pd.Series([18, 18, 18], dtype="Int64"),
            "status": pd.Series([DONE, FAILED, NO_WEIGHTS], dtype="string"),
            "error": pd.Series(["", "no scene, says \"it\"", "not here"], dtype="string"),
            "seconds": pd.Series([0.1 + 0.2, None, 3.0], dtype="Float64"),
            "scenes": pd.Series([2, None, None], dtype="Int64"),
            "eps": pd.Series([None, None, None], dtype="string"),
            "weak_link_places": pd.Series(["", None, "0:3 1:2"], dtype="string"),
            "run": pd.Series(["cells/1", "cells/2", "cells/3"], dtype="string"),
            "notebooks": pd.Series([None, None, None], dtype="string"),
        }
    )  # fmt: skip


def test_all_forms_of_a_table_are_the_same(tmp_path, mixed):
    """Folder, .parquet and .csv; types and every digit too."""
    folder = written(tmp_path, mixed)
    read = [read_table(path) for path in (folder, folder / "sweep.parquet", str(folder / "sweep.csv"))]
    for table in read[1:]:
        pd.testing.assert_frame_equal(table, read[0], check_exact=True)
    expected = mixed.assign(weak_link_places=pd.Series([None, None, "0:3 1:2"], dtype="string"))
    pd.testing.assert_frame_equal(read[0], expected, check_exact=True)
    (folder / "sweep.parquet").unlink()
    pd.testing.assert_frame_equal(read_table(folder), read[0], check_exact=True)


def test_varied(mixed):
    """Of the parameters, not of the figures; write.crf is the same in all cells."""
    assert varied(mixed) == ["cluster.eps", "cluster.min_samples", "embed.backbone", "write.stabilise"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("", None, "holds no sweep.csv: end the sweep first with `workbench sweep FILE"),
        ("sweep.csv", None, "sweep.csv is not there: run `workbench sweep FILE`"),
        ("sweep.parquet", None, "sweep.parquet is not there"),
        ("sweep.xlsx", "x", "is no table: give the folder of a sweep, or its sweep.csv or sweep.parquet"),
        ("sweep.csv", "", "cannot be read"),
        ("sweep.parquet", "no parquet", "cannot be read"),
        ("sweep.csv", "video,status\na.mp4,done\n", "lacks error, run, notebooks, seconds"),
        ("sweep.csv", "video,cluster.epsilon,status,error,seconds,run,notebooks\n", "has unknown parameters cluster.epsilon"),
    ],
)  # fmt: skip
def test_what_is_no_table(tmp_path, name: str, content: str | None, words: str):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError) as caught:
        read_table(tmp_path / name)
    assert words in str(caught.value) and "\n" not in str(caught.value)

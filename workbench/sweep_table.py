"""What the table of a sweep says: which settings are best, what every parameter does, and how to repeat one of them.

Tables in, tables out; :mod:`workbench.viz_sweep` draws them. A cell is a row: one video with one set of parameters.
"""

from pathlib import Path

import pandas as pd

from workbench.errors import UsageError
from workbench.parameters import defaults

NAME = "sweep"  # of the table in a sweep's folder, before .parquet and .csv
TEXT = ("video", "status", "error", "run", "notebooks")  # columns every table has


def read_table(path: str | Path) -> pd.DataFrame:
    """The table of a sweep: from its folder, or from a file, ``.parquet`` or ``.csv``. All three give the same table.

    Columns are those of :func:`workbench.cells.write_table`, of pandas' nullable types (string, Int64, Float64, boolean); what
    a cell does not have is ``<NA>``, but an error that there was not is "". Raises :class:`~workbench.errors.UsageError` when
    the path leads to no table, or to one of something else.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / f"{NAME}{kind}" for kind in (".parquet", ".csv") if (path / f"{NAME}{kind}").is_file()]
        if not found:
            raise UsageError(f"{path} holds no sweep.csv: end the sweep first with `workbench sweep FILE --out {path}`")
        path = found[0]
    if path.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{path} is no table: give the folder of a sweep, or its sweep.csv or sweep.parquet")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there: run `workbench sweep FILE`, which says where its table is") from error
    except (OSError, ValueError) as error:  # pandas' and pyarrow's errors are ValueErrors
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} cannot be read ({reason}): run `workbench sweep` again, which writes it anew") from error
    missing = [name for name in (*TEXT, "seconds") if name not in table]
    unknown = [name for name in table if "." in name and name not in defaults()]
    if missing or unknown:
        reason = f"lacks {', '.join(missing)}" if missing else f"has unknown parameters {', '.join(unknown)}"
        raise UsageError(f"{path} is no table of a sweep ({reason}): give the sweep.csv of one")
    return pd.DataFrame({name: _typed(table[name]) for name in table})


def _read_csv(path: Path) -> pd.DataFrame:
    words = dict.fromkeys(TEXT, "string") | {name: "string" for name, value in defaults().items() if type(value) is str}
    return pd.read_csv(path, dtype=words, dtype_backend="numpy_nullable", keep_default_na=False, na_values=[""])


def _typed(column: pd.Series) -> pd.Series:
    """The column with the type it was written with, which .csv does not keep where it is empty."""
    if column.name == "error":
        return column.astype("string").fillna("")
    if pd.api.types.is_string_dtype(column.dtype) or column.isna().all():
        column = column.astype("string")
        return column.mask(column == "")
    return column


def varied(table: pd.DataFrame) -> list[str]:
    """Dotted names of the parameters that have more than one value in the table, in its order."""
    return [name for name in table if "." in name and table[name].nunique() > 1]

"""Reading the table of a sweep: which settings are best, and which cell to repeat.

Tables in, tables out; :mod:`workbench.sweep.effects` measures the parameters and :mod:`workbench.sweep.figures` draws.
A row is a cell of the sweep: one video with one set of parameters. A setting is one set of parameters, over all videos and
seeds.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import UsageError
from workbench.run.stages import defaults

DONE, FAILED, NO_WEIGHTS = "done", "failed", "weights not available"  # status of a cell
TABLE_NAME = "sweep"  # name of the table in the folder of a sweep, without .parquet or .csv
TEXT_COLUMNS = ("video", "status", "error", "run", "notebooks")  # columns of text that every table has
COMPARED_DECIMALS = 4  # metrics are compared rounded to so many decimals; equal ones tie
SPREAD: list[Callable[..., Any] | str | np.ufunc] = ["mean", "std", "min", "max", "count"]
# Metrics by which settings are compared, and whether a larger value is better.
QUALITY = {
    "adjacent": True,
    "tau": True,
    "scene_f1": True,
    "scene_ari": True,
    "outlier_f1": True,
    "outlier_precision": True,
    "outlier_recall": True,
    "coverage": True,
    "clustered_outlier_f1": True,
    "clustered_scene_f1": True,
    "least_confidence": True,  # this and all below need no truth
    "weak_links": False,
    "alignment_error_px": False,
    "registered_share": True,
    "inlier_ratio": True,
    "inliers_per_pair": True,
}


def read_table(path: str | Path) -> pd.DataFrame:
    """Read the table of a sweep; its folder, its ``.parquet`` and its ``.csv`` give the same table.

    Parameters
    ----------
    path : str or Path
        The folder of the sweep, or the file.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`workbench.sweep.cells.write_table`, in pandas' nullable types (string, Int64, Float64, boolean).
        A value that a cell does not have is ``<NA>``; ``error`` is empty where there was none.

    Raises
    ------
    UsageError
        If there is no table at ``path``, or it is not the table of a sweep.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / f"{TABLE_NAME}{kind}" for kind in (".parquet", ".csv") if (path / f"{TABLE_NAME}{kind}").is_file()]
        if not found:
            raise UsageError(f"{path} holds no sweep.csv: finish the sweep first with `workbench sweep FILE --out {path}`")
        path = found[0]
    if path.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{path} is not a table: give the folder of a sweep, or its sweep.csv or sweep.parquet")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there: run `workbench sweep FILE`, which prints where its table is") from error
    except (OSError, ValueError) as error:  # pandas' and pyarrow's errors are ValueErrors
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} cannot be read ({reason}): run `workbench sweep` again, which writes it again") from error
    missing = [name for name in (*TEXT_COLUMNS, "seconds") if name not in table]
    unknown = [name for name in _columns(table) if "." in name and name not in defaults()]
    if missing or unknown:
        reason = f"lacks {', '.join(missing)}" if missing else f"has unknown parameters {', '.join(unknown)}"
        raise UsageError(f"{path} is not the table of a sweep ({reason}): give the sweep.csv of one")
    return pd.DataFrame({name: _typed(table[name]) for name in table})


def _read_csv(path: Path) -> pd.DataFrame:
    texts = dict.fromkeys(TEXT_COLUMNS, "string") | {name: "string" for name, value in defaults().items() if type(value) is str}
    return pd.read_csv(path, dtype=texts, dtype_backend="numpy_nullable", keep_default_na=False, na_values=[""])


def _typed(column: pd.Series) -> pd.Series:
    """The column with the type it was written with, which a .csv does not keep for an empty column."""
    if column.name == "error":
        return column.astype("string").fillna("")
    if pd.api.types.is_string_dtype(column.dtype) or column.isna().all():
        column = column.astype("string")
        return column.mask(column == "")
    return column


def varied(table: pd.DataFrame) -> list[str]:
    """List the parameters that have more than one value in a table.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_table`.

    Returns
    -------
    list of str
        Dotted names, in the order of the columns.
    """
    return [name for name in _columns(table) if "." in name and table[name].nunique() > 1]


def not_done(table: pd.DataFrame) -> pd.DataFrame:
    """List the cells without a result.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_table`.

    Returns
    -------
    pandas.DataFrame
        Columns: cell, its video and its values of the varied parameters; status; error.
    """
    short = table[table["status"] != DONE]
    names = [f"{video}: {name}" for video, name in zip(short["video"], setting_names(short[varied(table)]), strict=True)]
    return pd.DataFrame({"cell": names, "status": short["status"].tolist(), "error": short["error"].tolist()})


def metrics(table: pd.DataFrame) -> list[str]:
    """List the metrics of :data:`QUALITY` that at least one cell has.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_table`.

    Returns
    -------
    list of str
        Names, in the order of :data:`QUALITY`.
    """
    return [name for name in QUALITY if name in table and table[name].notna().any()]


def done_cells(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Select the cells that are done and have a metric.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_table`.
    metric : str
        One of :func:`metrics`.

    Returns
    -------
    pandas.DataFrame
        Their rows.

    Raises
    ------
    UsageError
        If no cell has the metric.
    """
    if metric not in metrics(table):
        choices = ", ".join(metrics(table)) or "none, no cell was done"
        raise UsageError(f"{metric} is not a metric of this table: choose one of those it has ({choices})")
    return table[(table["status"] == DONE) & table[metric].notna()]


def best_settings(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rank the settings of a sweep by a metric; of settings that tie, the fastest comes first.

    A setting is a set of values of the varied parameters without the seeds (``seed``, and names that end in ``_seed``).

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_table`.
    metric : str
        One of :func:`metrics`.

    Returns
    -------
    pandas.DataFrame
        One row per setting, the best first; settings with a cell without a result come last. Columns: the parameters; mean,
        std, min, max and count of the metric over the cells that are done; cells, their number in all; seconds, mean per cell.

    Raises
    ------
    UsageError
        If the table does not have the metric.
    """
    done_cells(table, metric)
    table = table.assign(**{metric: table[metric].where(table["status"] == DONE)})
    names = [name for name in varied(table) if not name.endswith((".seed", "_seed"))]
    groups = table.groupby(names or (lambda _: 0), sort=False, dropna=False)
    found = groups[metric].agg(SPREAD).assign(cells=groups.size())
    found["seconds"] = table["seconds"].where(table[metric].notna()).groupby(groups.ngroup()).mean().to_numpy()
    found = (found.reset_index() if names else found).assign(
        _short=found["count"].to_numpy() < found["cells"].to_numpy(), _rank=found["mean"].to_numpy().round(COMPARED_DECIMALS)
    )
    order = found.sort_values(["_short", "_rank", "seconds"], ascending=[True, not QUALITY[metric], True])
    return order.drop(columns=["_short", "_rank"]).reset_index(drop=True)


def settings(best: pd.DataFrame) -> list[str]:
    """List the parameters that distinguish settings.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`best_settings`.

    Returns
    -------
    list of str
        Dotted names, in the order of the columns.
    """
    return [name for name in _columns(best) if "." in name]


def setting_names(best: pd.DataFrame) -> list[str]:
    """Name every setting in a few words, such as ``superglue, path, alpha 0.3``.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`best_settings`.

    Returns
    -------
    list of str
        One name per row; parameters that do not affect a setting are left out.
    """
    names = [name.split(".")[1] for name in settings(best)]
    rows = best[settings(best)].to_numpy(dtype=object)
    used = (
        [_parameter_text(name, value) for name, value in zip(names, row, strict=True) if not pd.isna(value)] for row in rows
    )
    return [", ".join(texts) or "the only one" for texts in used]


def _parameter_text(name: str, value: object) -> str:
    """A parameter in words: a text stands alone, a number needs the name of the parameter."""
    if isinstance(value, str):
        return value
    return ("" if value else "no ") + name if isinstance(value, bool | np.bool_) else f"{name} {value_name(value)}"


def value_name(value: object) -> str:
    """Format a value as people write it: 0.3 and not 0.30000000000000004.

    Parameters
    ----------
    value : object
        A parameter's value.

    Returns
    -------
    str
        A float with at most six significant digits; anything else as ``str`` gives it.
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def pareto_front(best: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Select the Pareto front of quality and time: no other setting is better and as fast, or faster and as good.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`best_settings`.
    metric : str
        The metric they are ranked by.

    Returns
    -------
    pandas.DataFrame
        Their rows, the fastest first; only settings of which every cell is done.
    """
    rest = best[best["count"] == best["cells"]].sort_values("seconds", kind="stable")
    worth = rest["mean"].round(COMPARED_DECIMALS) * (1 if QUALITY[metric] else -1)
    return rest[worth > worth.cummax().shift(fill_value=-np.inf)]


def verdict(best: pd.DataFrame, metric: str) -> str:
    """Name the best setting in one sentence, or how many tie and the fastest of them.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`best_settings`.
    metric : str
        The metric they are ranked by.

    Returns
    -------
    str
        The sentence, with the value of the metric and the mean seconds of the setting.
    """
    first = best.iloc[0]
    whole = best[best["count"] == best["cells"]]
    if whole.empty:
        return f"No setting has a result in all its cells; the best of the others is {setting_names(best)[0]}."
    name, value = setting_names(best)[0], f"{metric} {first['mean']:.3f}"
    ties = int((whole["mean"].round(COMPARED_DECIMALS) == round(first["mean"], COMPARED_DECIMALS)).sum())
    if ties == 1:
        return f"The best of {len(best)} settings is {name}: {value}, {first['seconds']:.1f} s."
    who = f"All {ties}" if ties == len(best) else f"{ties} of {len(best)}"
    return f"{who} settings tie at {value}; the fastest of them is {name} ({first['seconds']:.1f} s)."


def best_cell(table: pd.DataFrame, best: pd.DataFrame) -> pd.Series:
    """Find a cell of the best setting.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_table`.
    best : pandas.DataFrame
        From :func:`best_settings`.

    Returns
    -------
    pandas.Series
        The first of its cells that is done: the first video with the first seed.
    """
    cells = table[table["status"] == DONE]
    for name in settings(best):
        value = best[name][0]
        cells = cells[cells[name].isna() if pd.isna(value) else cells[name] == value]
    return cells.iloc[0]


def _columns(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.columns]

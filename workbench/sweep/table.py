"""What the table of a sweep says: which settings are best, what every parameter does, and how to repeat one of them.

Tables in, tables out; :mod:`workbench.sweep.figures` draws them. A cell is a row: one video with one set of parameters.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import UsageError
from workbench.run.stages import ONLY_WITH, defaults

DONE, FAILED, NO_WEIGHTS = "done", "failed", "weights not available"  # what became of a cell
NAME = "sweep"  # of the table in a sweep's folder, before .parquet and .csv
TEXT = ("video", "status", "error", "run", "notebooks")  # columns every table has
DIGITS = 4  # after the point, to which metrics are compared: what differs less ties
SPREAD = ["mean", "std", "min", "max", "count"]
# Metrics by which settings are compared, and whether more is better.
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
    "least_confidence": True,  # from here on without a truth
    "weak_links": False,
    "alignment_error_px": False,
    "registered_share": True,
    "inlier_ratio": True,
    "inliers_per_pair": True,
}


def read_table(path: str | Path) -> pd.DataFrame:
    """The table of a sweep: from its folder, or from a file, ``.parquet`` or ``.csv``. All three give the same table.

    Columns are those of :func:`workbench.sweep.cells.write_table`, of pandas' nullable types (string, Int64, Float64, boolean); what
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


def without_unused(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``<NA>`` for parameters that had no part in a cell, as eps where HDBSCAN found the scenes.

    So its figures tell of eps by the cells of DBSCAN alone, and cells that differ in nothing else are of one setting.
    """
    table = table.copy()
    for name, (chooser, choices) in ONLY_WITH.items():
        if name in table:
            chosen = table.get(chooser, pd.Series(defaults()[chooser], index=table.index))
            table[name] = table[name].where(chosen.isin(choices))
    return table


def varied(table: pd.DataFrame) -> list[str]:
    """Dotted names of the parameters that have more than one value in the table, in its order."""
    return [name for name in table if "." in name and table[name].nunique() > 1]


def not_done(table: pd.DataFrame) -> pd.DataFrame:
    """The cells that came to no result: cell (its video and its values of the varied parameters), status, error."""
    short = table[table["status"] != DONE]
    names = [f"{video}: {name}" for video, name in zip(short["video"], setting_names(short[varied(table)]), strict=True)]
    return pd.DataFrame({"cell": names, "status": short["status"].tolist(), "error": short["error"].tolist()})


def metrics(table: pd.DataFrame) -> list[str]:
    """The metrics of :data:`QUALITY` that at least one cell has."""
    return [name for name in QUALITY if name in table and table[name].notna().any()]


def main_effect(table: pd.DataFrame, parameter: str, metric: str) -> pd.DataFrame:
    """What a parameter does to a metric: mean, std, min, max and count over all cells that are done, by its value.

    Over all values of the other parameters, all videos and all seeds; so it is that parameter's alone only where the same of
    these stand behind every value, see :func:`is_crossed`. Index: the values, sorted. std is ``<NA>`` of one cell.
    """
    return _done(table, metric).groupby(parameter)[metric].agg(SPREAD)


def is_crossed(table: pd.DataFrame) -> bool:
    """Whether every combination of the varied parameters and the videos is in the table (a grid), done or not."""
    names = ["video", *varied(table)]
    return len(table[names].drop_duplicates()) == table[names].nunique().prod()


def axes(table: pd.DataFrame, rows: str = "", columns: str = "") -> tuple[str, str]:
    """The two parameters of a heat map: those that are named, or the first that vary; the video where there is only one.

    Raises :class:`~workbench.errors.UsageError` for a name that is none of these or is given twice, or when nothing varies.
    """
    known = [*varied(table), "video"]
    for name in filter(None, (rows, columns)):
        if name not in known:
            raise UsageError(f"{name} does not vary in this table: choose one of {', '.join(known)}")
    if len(known) == 1:
        raise UsageError("no parameter varies in this table: compare settings with a sweep of two values at least")
    rows = rows or next(name for name in known if name != columns)
    columns = columns or next(name for name in known if name != rows)
    if rows == columns:
        raise UsageError(f"{rows} is given twice: choose another of {', '.join(known)}")
    return rows, columns


def pivot(table: pd.DataFrame, rows: str, columns: str, metric: str) -> pd.DataFrame:
    """Mean of a metric over the cells that are done, for two parameters: one down, one across; both sorted.

    A value of which no cell is done keeps its row or column, and a pair without one is ``<NA>``.
    """
    values = [table[name].dropna().drop_duplicates().sort_values() for name in (rows, columns)]
    means = _done(table, metric).pivot_table(metric, rows, columns, "mean")
    return means.reindex(index=pd.Index(values[0], name=rows), columns=pd.Index(values[1], name=columns))


def best_settings(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Every setting with its spread over videos and seeds, the best first; of equal ones the fastest.

    A setting is a set of values of the varied parameters without the seeds (``seed`` and what ends in ``_seed``). Columns:
    these parameters; mean, std, min, max and count of the metric over the cells that are done; cells, how many there are;
    seconds, their mean. A setting with a cell that has no result comes after all that have all.
    """
    _done(table, metric)
    table = table.assign(**{metric: table[metric].where(table["status"] == DONE)})
    names = [name for name in varied(table) if not name.endswith((".seed", "_seed"))]
    groups = table.groupby(names or (lambda _: 0), sort=False, dropna=False)
    found = groups[metric].agg(SPREAD).assign(cells=groups.size())
    found["seconds"] = table["seconds"].where(table[metric].notna()).groupby(groups.ngroup()).mean().to_numpy()
    found = (found.reset_index() if names else found).assign(
        _short=found["count"].to_numpy() < found["cells"].to_numpy(), _rank=found["mean"].to_numpy().round(DIGITS)
    )
    order = found.sort_values(["_short", "_rank", "seconds"], ascending=[True, not QUALITY[metric], True])
    return order.drop(columns=["_short", "_rank"]).reset_index(drop=True)


def settings(best: pd.DataFrame) -> list[str]:
    """The names of parameters that tell apart the rows of :func:`best_settings`."""
    return [name for name in best if "." in name]


def setting_names(best: pd.DataFrame) -> list[str]:
    """A short text for every row of :func:`best_settings` from its parameters: ``superglue, path, alpha 0.3``."""
    names = [name.split(".")[1] for name in settings(best)]
    rows = best[settings(best)].to_numpy(dtype=object)
    used = ([_told(name, value) for name, value in zip(names, row, strict=True) if not pd.isna(value)] for row in rows)
    return [", ".join(words) or "the only one" for words in used]


def _told(name: str, value: object) -> str:
    """Words speak for themselves; a number needs its name."""
    if isinstance(value, str):
        return value
    return ("" if value else "no ") + name if isinstance(value, bool | np.bool_) else f"{name} {value_name(value)}"


def value_name(value: object) -> str:
    """A value as people write it: 0.3 and not 0.30000000000000004."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def pareto_front(best: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Those rows of :func:`best_settings` than which none is both as fast and better, or faster and as good; fastest first.

    Only settings of which every cell is done.
    """
    rest = best[best["count"] == best["cells"]].sort_values("seconds", kind="stable")
    worth = rest["mean"].round(DIGITS) * (1 if QUALITY[metric] else -1)
    return rest[worth > worth.cummax().shift(fill_value=-np.inf)]


def verdict(best: pd.DataFrame, metric: str) -> str:
    """One sentence: which setting is best, or how many tie, and which of them is the fastest."""
    first = best.iloc[0]
    whole = best[best["count"] == best["cells"]]
    if whole.empty:
        return f"No setting has a result in all its cells; the best of the others is {setting_names(best)[0]}."
    name, value = setting_names(best)[0], f"{metric} {first['mean']:.3f}"
    ties = int((whole["mean"].round(DIGITS) == round(first["mean"], DIGITS)).sum())
    if ties == 1:
        return f"The best of {len(best)} settings is {name}: {value}, {first['seconds']:.1f} s."
    who = f"All {ties}" if ties == len(best) else f"{ties} of {len(best)}"
    return f"{who} settings tie at {value}; the fastest of them is {name} ({first['seconds']:.1f} s)."


def best_cell(table: pd.DataFrame, best: pd.DataFrame) -> pd.Series:
    """The first cell of the best setting that is done: of the first of its videos, with the first of its seeds."""
    cells = table[table["status"] == DONE]
    for name in settings(best):
        value = best[name][0]
        cells = cells[cells[name].isna() if pd.isna(value) else cells[name] == value]
    return cells.iloc[0]


def _done(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The cells that have the metric. Raises :class:`~workbench.errors.UsageError` when there is none."""
    if metric not in metrics(table):
        known = ", ".join(metrics(table)) or "none, no cell was done"
        raise UsageError(f"{metric} is no metric of this table: choose one of those it has ({known})")
    return table[(table["status"] == DONE) & table[metric].notna()]

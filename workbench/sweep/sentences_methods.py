"""What notebook 06 says of networks and matchers that were compared on many clips, computed from the tables."""

import numpy as np
import pandas as pd

from workbench.reports.findings import listed

SAME_TAU = 0.003  # |Kendall tau| within which two orders of a clip count as equally right
MANY_CLIPS = 6  # clips named at most
RIGHT_F1 = 0.9995  # shown as 1.000


def of_backbones(table: pd.DataFrame, default: str) -> str:
    """Say which network finds scenes and foreign frames best, and what it costs.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per clip and network: ``video``, ``embed.backbone``, ``clustered_scene_f1``, ``clustered_outlier_f1`` and
        ``neighbour_recall``, 0 to 1; ``ms_per_frame``, ms; ``weights_mb``, MB. Every network on every clip.
    default : str
        The default network, one of the table.

    Returns
    -------
    str
        Three sentences at most.
    """
    groups = table.assign(whole=whole_clips(table)).groupby("embed.backbone", sort=False)
    means = groups[["clustered_scene_f1", "clustered_outlier_f1", "neighbour_recall"]].mean()
    least = groups["clustered_scene_f1"].min()
    whole, cost, size = groups["whole"].sum(), groups["ms_per_frame"].median(), groups["weights_mb"].first()
    scene, outlier, recall = means.loc[default].to_numpy(dtype=float)
    first = (
        f"With {default}, the default, DBSCAN alone finds all scenes and all foreign frames on {whole[default]} of "
        f"{table['video'].nunique()} clips (scene F1: mean {scene:.3f}, least {least[default]:.2f}; outlier F1: mean "
        f"{outlier:.3f}), and {100 * recall:.1f} % of the frames have a true neighbour in time among the 8 nearest, at "
        f"{cost[default]:.1f} ms per frame and {size[default]:.1f} MB."
    )
    others = [name for name in whole.index if name != default]
    found = [first]
    for lead, names in (
        ("On more clips", [name for name in others if whole[name] > whole[default]]),
        ("On as many", [name for name in others if whole[name] == whole[default]]),
        ("On fewer", [name for name in others if whole[name] < whole[default]]),
    ):
        if names:
            texts = [
                f"{name} ({whole[name]}; {100 * float(means.loc[name, 'neighbour_recall']):.1f} % of the neighbours, "
                f"{cost[name] / cost[default]:.2g} times the cost)"
                for name in names
            ]
            found.append(f"{lead}: {listed(texts)}.")
    return " ".join(found)


def whole_clips(table: pd.DataFrame) -> pd.Series:
    """Tell on which clips all scenes and all foreign frames are found.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`of_backbones` takes it.

    Returns
    -------
    pandas.Series
        Whether both F1 are 1, bool, a value per row.
    """
    return (table["clustered_scene_f1"] == 1) & (table["clustered_outlier_f1"] == 1)


def seconds_per_frame(table: pd.DataFrame) -> pd.Series:
    """Divide the seconds of every row by its frames.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``seconds``, s, and ``frames``.

    Returns
    -------
    pandas.Series
        Seconds per frame, a value per row.
    """
    return table["seconds"] / table["frames"]


def of_matchers(table: pd.DataFrame, default: str) -> str:
    """Say whether it matters which matcher is used, and what it costs.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per clip and matcher: ``video``, ``match.matcher``, ``tau`` and ``scene_f1``, 0 to 1, ``seconds``, s, and
        ``frames``. Every matcher on every clip.
    default : str
        The default matcher, one of the table.

    Returns
    -------
    str
        Three sentences.
    """
    by_clip = table.pivot(index="video", columns="match.matcher", values="tau").astype(float)
    apart = by_clip[np.ptp(by_clip.to_numpy(), axis=1) > SAME_TAU]
    names = [
        f"{str(video).rpartition('/')[2].partition('.')[0]} (from {row.min():.3f} by {row.idxmin()} to {row.max():.3f} by "
        f"{row.idxmax()})"
        for video, row in apart.iterrows()
    ]
    same = len(by_clip) - len(apart)
    found = f"On {same} of {len(by_clip)} clips the |tau| of all matchers are within {SAME_TAU} of each other"
    found += f"; not on {listed(names, MANY_CLIPS)}." if names else "."
    scenes = table.groupby("match.matcher", sort=False)["scene_f1"].min().astype(float).round(3)  # as in the table
    lost = [f"{value:.3f} with {name}" for name, value in scenes.items() if value < scenes[default]]
    if lost:
        found += f" The least scene F1 of a clip is {scenes[default]:.3f} with {default}, and less, {listed(lost)}."
    cost = table.assign(each=seconds_per_frame(table)).pivot(index="video", columns="match.matcher", values="each")
    ratios = cost.div(cost[default], axis=0).astype(float).median()
    times = [f"{ratios[name]:.2f} with {name}" for name in table["match.matcher"].unique() if name != default]
    return f"{found} Where a clip takes 1 second with {default}, it takes {listed(times)}, in the median over the clips."


def of_clusterers(table: pd.DataFrame, default: str) -> str:
    """Say on how many clips each clusterer is right alone, before any match.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per clip; for every clusterer NAME ``NAME_outlier_f1`` and ``NAME_scene_f1``, 0 to 1.
    default : str
        The default clusterer, one of the table.

    Returns
    -------
    str
        Two sentences.
    """
    names = [column.removesuffix("_scene_f1") for column in table.columns if column.endswith("_scene_f1")]
    right = {name: int(_both(table, name).ge(RIGHT_F1).all(axis=1).sum()) for name in names}
    worse = {name: _both(table, default).mean(axis=1) - _both(table, name).mean(axis=1) for name in names}
    texts = [
        f"{name} on {right[name]} (its mean F1 is {worse[name].mean():.3f} lower; {worse[name].min():.2f} to "
        f"{worse[name].max():.2f} per clip)"
        for name in sorted(names, key=lambda name: -right[name])
        if name != default
    ]
    return (
        f"Alone, {default} finds all scenes and all foreign frames on {right[default]} of {len(table)} clips; {listed(texts)}."
    )


def _both(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[[f"{name}_outlier_f1", f"{name}_scene_f1"]].astype(float)

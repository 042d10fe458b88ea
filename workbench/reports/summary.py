"""The short table of a run: what was found, how right it is, how long it took."""

from typing import Any

SCORE_LABELS = {
    "outlier_f1": "Outlier F1",
    "scene_f1": "Scene pair F1",
    "scene_ari": "Adjusted Rand index",
    "tau": "|Kendall tau|",
    "tau_loop": "|Kendall tau|, best rotation",
    "adjacent": "True neighbours adjacent",
    "coverage": "Coverage",
}


def summary_rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """List the metrics of the short table.

    Parameters
    ----------
    metrics : dict
        The content of ``metrics.json``.

    Returns
    -------
    list of (str, str)
        Label and value: frames, scenes, outliers, guessed links, the scores of the order if there is a truth, seconds of every
        stage.
    """
    rows = [(name.capitalize(), str(metrics[name])) for name in ("frames", "scenes", "outliers")]
    if "weak_links" in metrics:
        rows.append(("Links guessed", f"{metrics['weak_links']} of {metrics['links']}"))
    rows += [(label, f"{metrics[name]:.4f}") for name, label in SCORE_LABELS.items() if name in metrics]
    seconds = {name.removeprefix("seconds_"): value for name, value in metrics.items() if name.startswith("seconds_")}
    rows += [(f"Seconds, {stage}", f"{value:.1f}") for stage, value in seconds.items()]
    return [*rows, ("Seconds, all stages", f"{sum(seconds.values()):.1f}")]

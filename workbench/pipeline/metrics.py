"""The figures of a run, ``metrics.json``, and the order of the greedy baseline, to compare the result with."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import RunError
from workbench.evaluation.files import OrderRow, TruthRow, read_order, read_true_transforms, read_truth
from workbench.evaluation.metrics import evaluate, neighbours_compared
from workbench.evaluation.transforms import transform_errors
from workbench.ordering.confidence import weak_links
from workbench.ordering.path import greedy_chain
from workbench.registration.tables import TRANSFORM, match_figures
from workbench.run import Run
from workbench.storage.arrays import read_arrays


def greedy_baseline(run: Run) -> list[OrderRow]:
    """Order the same scenes from the same matches by a greedy chain over the blended similarity.

    Parameters
    ----------
    run : Run
        A run whose order stage is finished; the blend matrices are those that it left.

    Returns
    -------
    list of OrderRow
        Rows as in ``order.csv``, one per frame.

    Raises
    ------
    RunError
        When a scene is so long that there is no matrix over all of its frames.
    """
    labels = run.scenes()
    places = np.full(len(labels), -1)
    for scene in range(labels.max(initial=-1) + 1):
        file = run.scene_matrices_path(scene)
        frames, shown, blend = read_arrays(file, len(labels), "frames", "shown", "blend")
        if len(shown) < len(frames):
            raise RunError(f"scene {scene} is too long for the greedy baseline, which needs all pairs of its frames at once")
        places[frames[greedy_chain(blend)]] = np.arange(len(frames))
    return [
        OrderRow(position, int(scene), int(place)) for position, (scene, place) in enumerate(zip(labels, places, strict=True))
    ]


def write_metrics(run: Run, truth: Path | None = None) -> dict[str, Any]:
    """Write ``metrics.json``, always again: what the run found and, with a truth, how right it is.

    Parameters
    ----------
    run : Run
        A run whose stages up to the order are finished.
    truth : Path, optional
        The truth of the video.

    Returns
    -------
    dict
        The content of ``metrics.json``, figures by name. ``clustered_...`` says how right the scenes and outliers of the
        clusterer were, before the matches verified them. Where the truth has transforms, :func:`true_errors` are among them.

    Raises
    ------
    TruthError
        When the truth does not belong to the video.
    """
    table, matched = run.order(), run.info("match")
    metrics: dict[str, Any] = {
        "frames": len(table),
        "scenes": int(table["scene"].max() + 1),
        "outliers": int((table["scene"] < 0).sum()),
        "eps": run.info("cluster")["eps"],
        "pairs": matched["pairs"],
        "pairs_per_frame": matched["pairs_per_frame"],
        "registered_pairs": run.info("register")["registered"],
    } | match_figures(run.transforms())
    if run.edit_count:
        metrics["edits"] = run.edit_count
    links, weak = int(table["confidence"].notna().sum()), weak_links(table)
    if links:
        metrics |= {"links": links, "weak_links": len(weak), "least_confidence": float(table["confidence"].min())}
        metrics["weak_link_places"] = [f"{scene}:{place}" for scene, place in zip(weak["scene"], weak["place"], strict=True)]
    metrics |= {name: count for name, count in matched.items() if name.endswith(("_frames", "_scenes"))}
    undetermined = run.info("order").get("undetermined_scenes", [])
    in_doubt = np.isin(run.scenes(), undetermined) & (table["scene"] >= 0).to_numpy()  # these are numbers before any edit
    metrics |= {"undetermined_scenes": len(undetermined), "undetermined_frames": int(in_doubt.sum())}
    with suppress(RunError):  # there is no alignment, or it is that of an order that was replaced since
        metrics |= run.info("align")
    if truth is not None:
        true = read_truth(truth, len(table))
        result = read_order(run.order_path)
        metrics |= evaluate(true, result)
        metrics["neighbours_compared"] = neighbours_compared(true, result, run.transforms()[["a", "b"]].to_numpy())
        clustered = evaluate(true, [OrderRow(k, int(scene), k) for k, scene in enumerate(run.labels())])
        metrics |= {f"clustered_{name}": clustered[name] for name in ("outlier_f1", "scene_f1")}
        metrics |= true_errors(run, true, read_true_transforms(truth))
    metrics |= {f"seconds_{stage}": seconds for stage, seconds in run.seconds().items()}
    run.write_text(run.metrics_path.name, json.dumps(metrics, indent=1) + "\n")
    return metrics


def true_errors(run: Run, truth: Sequence[TruthRow], transforms: np.ndarray | None) -> dict[str, float]:
    """Measure how far the transforms of a run are from true ones.

    Parameters
    ----------
    run : Run
        A run whose order is finished.
    truth : sequence of TruthRow
        What is shown at every position.
    transforms : (N, 2, 3) float array or None
        The true transforms, from :func:`~workbench.evaluation.files.read_true_transforms`.

    Returns
    -------
    dict of str to float
        Errors are those of :func:`~workbench.evaluation.transforms.transform_errors`. Of the registered pairs of two frames of
        one clip: ``pair_error_px_median``, and ``pairs_within_1px``, the share whose error is 1 px at most, 0 to 1. Of the
        frames that are aligned to a reference frame of their own clip, the reference frames left out:
        ``true_alignment_error_px_median`` and ``true_alignment_error_px_max``, in px of the reference frame. All four are there
        over all clips, and once more for every clip, with ``_`` and its name at the end, where any character but letters,
        digits and ``_`` is a ``_``. A figure without any pair or frame is left out.
    """
    if transforms is None:
        return {}
    clips, size = np.array([row.clip for row in truth]), (run.info("video")["width"], run.info("video")["height"])

    def _errors_of(table: pd.DataFrame, *names: str) -> pd.Series:
        # Those that are known, by the clip of the first frame.
        pairs = table[list(names)].to_numpy(dtype=np.int64)
        found = table[TRANSFORM].to_numpy(dtype=np.float64).reshape(-1, 2, 3)
        return pd.Series(transform_errors(pairs, found, transforms, clips, size), index=clips[pairs[:, 0]]).dropna()

    pair_errors = _errors_of(run.transforms().query("model != 'none'"), "a", "b")
    frame_errors = pair_errors[:0]
    with suppress(RunError):  # there is no alignment, or it is that of an order that was replaced since
        table = run.alignment()
        frame_errors = _errors_of(
            table[(table["connected"] == 1) & (table["position"] != table["reference"])], "position", "reference"
        )
    figures: dict[str, float] = {}
    for clip in ("", *sorted(set(clips))):
        ending = re.sub(r"\W", "_", f"_{clip}") if clip else ""
        pair, frame = (errors[errors.index == clip] if clip else errors for errors in (pair_errors, frame_errors))
        if len(pair):
            figures[f"pair_error_px_median{ending}"] = round(float(pair.median()), 4)
            figures[f"pairs_within_1px{ending}"] = round(float((pair <= 1).mean()), 4)
        if len(frame):
            figures[f"true_alignment_error_px_median{ending}"] = round(float(frame.median()), 4)
            figures[f"true_alignment_error_px_max{ending}"] = round(float(frame.max()), 4)
    return figures

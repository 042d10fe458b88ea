"""The figures of a finished cell, from its run directory."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from workbench import viz
from workbench.evaluation.files import find_truth, read_truth
from workbench.run import Run


def cell_figures(path: Path, source: Path) -> dict[str, Figure]:
    """Draw the result of a cell.

    Parameters
    ----------
    path : Path
        Its run directory, with a finished order.
    source : Path
        Its video, beside which its truth may lie.

    Returns
    -------
    dict of str to Figure
        By the name of a file: ``order.png``, film strips of the shuffled input and of the restored scenes; ``links.png``, the
        confidence of every link; with a truth ``truth.png``, the restored places against the true frames.
    """
    run, truth = Run.open(path), find_truth(source)
    images, table = run.images(), run.order()
    labels = table["scene"].to_numpy()
    figures = {
        "order.png": viz.strips_before_after(images, np.arange(len(images)), run.scene_orders(), np.flatnonzero(labels < 0)),
        "links.png": viz.link_confidence_plot(table),
    }
    if truth:
        rows, places = read_truth(truth, len(images)), table["order"].fillna(-1).to_numpy(dtype=int)  # outliers have no place
        frames, clips = np.array([row.frame for row in rows]), [row.clip for row in rows]
        figures["truth.png"] = viz.order_against_truth(places, frames, labels, clips)
    return figures

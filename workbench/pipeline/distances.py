"""What several stages of a run compute from its pictures: made once, and kept while the run is open."""

import ctypes
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from workbench.embedding.overlay import without_overlay
from workbench.embedding.views import ClusteringDistances
from workbench.ordering.frames import FrameDistances
from workbench.run import Run
from workbench.run.record import written_at

T = TypeVar("T")

_KEPT: WeakKeyDictionary[Run, dict[str, tuple[object, Any]]] = WeakKeyDictionary()  # what it was made from, and what it is


def _kept(run: Run, name: str, made_from: object, make: Callable[[], T]) -> T:
    """What is kept of a run under a name, made anew where it was made from something else."""
    kept = _KEPT.setdefault(run, {})
    if name not in kept or kept[name][0] != made_from:
        kept[name] = made_from, make()
    found: T = kept[name][1]
    return found


def pictures(run: Run) -> Sequence[np.ndarray]:
    """Open the working copies of a run, without what is drawn over every frame.

    Parameters
    ----------
    run : Run
        Its video stage is finished.

    Returns
    -------
    (N, h, w, 3) uint8 sequence
        RGB.
    """
    return without_overlay(run.images(), run.overlay())


def kept_embeddings(run: Run) -> np.ndarray:
    """Read the embeddings of a run once: those of a long clip take hundreds of megabytes.

    Parameters
    ----------
    run : Run
        Its embed stage is finished.

    Returns
    -------
    (N, D) float32 array
        Rows of unit length; not to be changed.
    """
    return _kept(run, "embeddings", written_at(run.embeddings_path), run.embeddings)


def clustering_distances(run: Run, least_neighbours: int) -> ClusteringDistances:
    """Give the distances by which the frames of a run are clustered.

    Parameters
    ----------
    run : Run
        Its embed stage is finished.
    least_neighbours : int
        As for :class:`~workbench.embedding.views.ClusteringDistances`.

    Returns
    -------
    ClusteringDistances
        The stage that clusters and the one that looks for cross-fades ask for the same ones.
    """
    made_from = written_at(run.embeddings_path), least_neighbours
    return _kept(run, "clustering", made_from, lambda: ClusteringDistances(kept_embeddings(run), least_neighbours))


def frame_distances(run: Run) -> FrameDistances:
    """Give the distances between the frames of a run that need no matching.

    Parameters
    ----------
    run : Run
        Its video and embed stages are finished.

    Returns
    -------
    FrameDistances
        They are computed when they are asked for. The stage that matches and the one that orders ask for the same ones.
    """
    video, files = run.info("video"), (run.proxies_path, run.embeddings_path)
    size = video["width"], video["height"]
    made_from = files, *map(written_at, files), size, sha256(run.overlay().tobytes()).digest()

    def _make() -> FrameDistances:
        return FrameDistances.of_pictures(kept_embeddings(run), pictures(run), size, run.path)

    return _kept(run, "distances", made_from, _make)


def let_go(run: Run) -> None:
    """Forget what was kept of a run, and give its memory back: when its scenes are in order, the frames need it.

    Parameters
    ----------
    run : Run
        The run.
    """
    _KEPT.pop(run, None)
    if sys.platform == "linux":  # where glibc keeps what was freed, in case as much is asked for again
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other libraries have none
        if trim:
            trim(0)


def keep_registered(run: Run, matches_h5: Path, table: pd.DataFrame, threshold: float) -> None:
    """Keep the table of registered pairs that choosing the pairs has led to.

    Parameters
    ----------
    run : Run
        The run.
    matches_h5 : Path
        The finished file of all matches; it may be moved.
    table : DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs` of all pairs in it.
    threshold : float
        With which they were registered, px of the working copy.
    """
    _KEPT.setdefault(run, {})["registered"] = (written_at(matches_h5), threshold), table


def kept_registered(run: Run, threshold: float) -> pd.DataFrame | None:
    """Give the table that :func:`keep_registered` was given, if it is what registering the pairs of the run would give.

    Parameters
    ----------
    run : Run
        Its match stage is finished.
    threshold : float
        px of the working copy.

    Returns
    -------
    DataFrame or None
        None where the matches are others, or the threshold is another one.
    """
    made_from, table = _KEPT.get(run, {}).get("registered", ((), None))
    return table if made_from == (written_at(run.matches_path), threshold) else None

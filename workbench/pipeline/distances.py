"""What several stages of a run compute from its pictures: made once, and kept while the run is open."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from workbench.embedding.overlay import without_overlay
from workbench.ordering.frames import FrameDistances
from workbench.run import Run
from workbench.run.record import written_at

_DISTANCES: WeakKeyDictionary[Run, tuple[tuple[object, ...], FrameDistances]] = WeakKeyDictionary()
_REGISTERED: WeakKeyDictionary[Run, tuple[tuple[object, ...], pd.DataFrame]] = WeakKeyDictionary()


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
    video, embeddings = run.info("video"), run.embeddings()
    size = video["width"], video["height"]
    arrays = (sha256(some.tobytes()).digest() for some in (run.overlay(), embeddings))
    made_from = run.proxies_path, written_at(run.proxies_path), size, *arrays
    kept = _DISTANCES.get(run)
    if kept is None or kept[0] != made_from:
        kept = _DISTANCES[run] = made_from, FrameDistances.of_pictures(embeddings, pictures(run), size)
    return kept[1]


def let_go(run: Run) -> None:
    """Forget what was kept of a run: when its scenes are in order, the memory is needed for its frames.

    Parameters
    ----------
    run : Run
        The run.
    """
    _DISTANCES.pop(run, None)
    _REGISTERED.pop(run, None)


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
    _REGISTERED[run] = (written_at(matches_h5), threshold), table


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
    made_from, table = _REGISTERED.get(run, ((), None))
    return table if made_from == (written_at(run.matches_path), threshold) else None

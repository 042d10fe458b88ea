"""What several stages of a run compute from its pictures: made once, and kept while the run is open."""

from collections.abc import Sequence
from hashlib import sha256
from weakref import WeakKeyDictionary

import numpy as np

from workbench.embedding.overlay import without_overlay
from workbench.ordering.frames import FrameDistances
from workbench.run import Run
from workbench.run.record import written_at

_KEPT: WeakKeyDictionary[Run, tuple[tuple[object, ...], FrameDistances]] = WeakKeyDictionary()


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
    kept = _KEPT.get(run)
    if kept is None or kept[0] != made_from:
        kept = _KEPT[run] = made_from, FrameDistances.of_pictures(embeddings, pictures(run), size)
    return kept[1]

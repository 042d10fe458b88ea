"""Keep the order that is known: inside each of several files, frames stay as they are, and only the files are put in order."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from workbench.ordering.scene import OrderedScene

KNOWN = 1.0  # confidence of a link inside a file


def pieces_of(names: Sequence[str]) -> np.ndarray:
    """Tell which frames come from one file, one behind the other.

    Parameters
    ----------
    names : sequence of str
        Files of the frames, by position; ``NAME#12`` for the frame at place 12 of a file that has several.

    Returns
    -------
    (N,) int array
        Number of the piece of every frame, from 0, ascending. A file with one frame is a piece of its own.
    """
    pieces, last = np.zeros(len(names), int), ("", -1)
    for position, name in enumerate(names):
        file, _, place = name.rpartition("#")
        here = (file, int(place)) if file and place.isdecimal() else (name, 0)
        follows = here[0] == last[0] and here[1] > last[1]
        pieces[position] = pieces[max(0, position - 1)] + (position > 0 and not follows)
        last = here
    return pieces


def keep_pieces(found: OrderedScene, pieces: np.ndarray) -> OrderedScene:
    """Put whole pieces in order: each where its frames are in the order that was found, its own frames as they were.

    Parameters
    ----------
    found : OrderedScene
        The order of a scene, found as if nothing were known.
    pieces : (n,) int array
        Piece of every frame of the scene, ascending; see :func:`pieces_of`.

    Returns
    -------
    OrderedScene
        The same with another ``order`` and ``confidence``. Links inside a piece have the confidence 1; a link between two
        pieces has the one it was found with, or NaN when it is new.

    Notes
    -----
    The order that was found may run backwards. It is turned so that most neighbours that are in one piece stand as they were
    there: so the direction of time is known. A piece is placed by the median place of its frames; in a scene that is closed,
    which may begin in the middle of a piece, by the place of its first frame.
    """
    order = found.order
    steps = np.diff(order)
    inside = pieces[order[1:]] == pieces[order[:-1]]
    if np.sign(steps[inside]).sum() < 0:
        order = order[::-1]
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    own = [np.flatnonzero(pieces == piece) for piece in np.unique(pieces)]
    own.sort(key=lambda frames: float(place[frames[0]] if found.closed else np.median(place[frames])))
    kept = np.concatenate(own) if own else order
    links = {
        frozenset(link): value for link, value in zip(pairwise(found.order.tolist()), found.confidence.tolist(), strict=True)
    }
    confidence = [KNOWN if pieces[a] == pieces[b] else links.get(frozenset((a, b)), np.nan) for a, b in pairwise(kept.tolist())]
    return replace(found, order=kept, confidence=np.array(confidence, float))

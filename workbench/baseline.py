"""The first design's order, for comparison: the same scenes and matches, a greedy chain over the blended similarity."""

import numpy as np

from workbench.errors import RunError
from workbench.evaluation.files import OrderRow
from workbench.ordering.path import greedy_chain
from workbench.run import Run
from workbench.storage.arrays import read_arrays


def first_design(run: Run) -> list[OrderRow]:
    """A result like ``order.csv``'s, one row a frame, from the blend matrices that the order stage left.

    Raises :class:`~workbench.errors.RunError` when a scene is so long that there are none of all its frames.
    """
    labels = run.scenes()
    places = np.full(len(labels), -1)
    for scene in range(labels.max(initial=-1) + 1):
        file = run.path / "distances" / f"scene{scene:02d}.npz"
        frames, shown, blend = read_arrays(file, len(labels), "frames", "shown", "blend")
        if len(shown) < len(frames):
            raise RunError(f"scene {scene} is too long for the first design, which needs all pairs of its frames at once")
        places[frames[greedy_chain(blend)]] = np.arange(len(frames))
    return [
        OrderRow(position, int(scene), int(place)) for position, (scene, place) in enumerate(zip(labels, places, strict=True))
    ]

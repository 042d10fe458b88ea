"""The first design's order, for comparison: the same scenes and matches, a greedy chain over the blended similarity."""

import numpy as np

from workbench.evaluate import OrderRow
from workbench.order import greedy_chain
from workbench.run import Run


def first_design(run: Run) -> list[OrderRow]:
    """A result like ``order.csv``'s, one row a frame, from the blend matrices that the order stage left."""
    labels = run.scenes()
    places = np.full(len(labels), -1)
    for scene in range(labels.max(initial=-1) + 1):
        with np.load(run.path / "distances" / f"scene{scene:02d}.npz") as matrices:
            places[matrices["frames"][greedy_chain(matrices["blend"])]] = np.arange(len(matrices["frames"]))
    return [
        OrderRow(position, int(scene), int(place)) for position, (scene, place) in enumerate(zip(labels, places, strict=True))
    ]

"""Whether scenes came out in the order of the file, in words; numbers in, sentences out."""

from collections.abc import Sequence

import numpy as np

from workbench.evaluation.metrics import kendall
from workbench.reports.findings import listed

AS_IN_FILE = 0.95  # |Kendall tau| from which an order counts as that of the file
FEW_FRAMES = 12  # of a scene; fewer come out in the order of the file by chance


def follows_file(frames: np.ndarray) -> bool:
    """Tell whether a scene came out in the order of the file.

    Parameters
    ----------
    frames : (n,) int array
        Positions of its frames in the file, in restored order.

    Returns
    -------
    bool
        True where both orders are the same but for a few frames, forwards or backwards.
    """
    return len(frames) >= FEW_FRAMES and kendall(frames.tolist()) > AS_IN_FILE


def file_sentences(scenes: Sequence[np.ndarray]) -> list[str]:
    """Say which scenes came out in the order of the file.

    Parameters
    ----------
    scenes : sequence of (n,) int arrays
        For every scene the positions of its frames in the file, in restored order.

    Returns
    -------
    list of str
        One sentence for all scenes for which that is so; empty where there is none.
    """
    found = [scene for scene, frames in enumerate(scenes) if follows_file(frames)]
    if not found:
        return []
    least = min(kendall(scenes[scene].tolist()) for scene in found)
    which, close = (f"scene {found[0]}", f"{least:.2f}")
    if len(found) > 1:
        which, close = f"scenes {listed(found)}", f"{close} or more"
    return [
        f"The order of {which} is nearly that of the file (|tau| with the positions in it: {close}): either the file was "
        "hardly shuffled there, or the pictures tell nothing, and traces of the encoding were taken for time. Where nothing "
        "moves, the confidence of the links says nothing."
    ]

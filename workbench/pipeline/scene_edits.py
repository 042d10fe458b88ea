"""Edits of an order made from the numbers of scenes, which people know from a table, and from single frames.

They name frames instead, see :mod:`workbench.pipeline.order_edits`. A scene is named by the frame in the middle of its order,
which is the least likely one to be elsewhere when the scenes are computed anew.
"""

from collections.abc import Sequence

import numpy as np

from workbench.errors import ClusterError, UsageError
from workbench.pipeline.edits import frame_lists
from workbench.pipeline.order_edits import Edit
from workbench.run import Run


def scene_lists(run: Run) -> list[list[int]]:
    """List the frames of every scene of a run in their order.

    Parameters
    ----------
    run : Run
        An ordered run.

    Returns
    -------
    list of list of int
        Positions of the frames of scene 0, 1, ..., at least one scene.

    Raises
    ------
    ClusterError
        When the run has no scene.
    """
    scenes = frame_lists(run.order())
    if not scenes:
        raise ClusterError(f"{run.path} has no scene, all frames are set aside: raise --cluster.eps and reconstruct again")
    return scenes


def scene_frames(run: Run, scene: int) -> list[int]:
    """List the frames of a scene of a run in their order.

    Parameters
    ----------
    run : Run
        An ordered run.
    scene : int
        Number of the scene, from 0.

    Returns
    -------
    list of int
        Their positions.

    Raises
    ------
    ClusterError
        When the run has no scene.
    UsageError
        When there is no such scene.
    """
    scenes = scene_lists(run)
    if scene not in range(len(scenes)):
        known = ", ".join(map(str, range(len(scenes))))
        raise UsageError(f"there is no scene {scene}: {run.path} has {known}, choose one of them")
    return scenes[scene]


def computed_scene(run: Run, frames: Sequence[int]) -> int | None:
    """Find the scene, as it was computed, that a scene was made from: edits change numbers, but not those of the matrices.

    Parameters
    ----------
    run : Run
        An ordered run.
    frames : sequence of int
        Positions of the frames of a scene after all edits.

    Returns
    -------
    int or None
        Number of the computed scene with most of these frames; None when all of them were computed to be outliers.
    """
    labels = run.scenes()[list(frames)]
    counts = np.bincount(labels[labels >= 0])
    return int(counts.argmax()) if len(counts) else None


def flip(run: Run, scene: int) -> Edit:
    """Make the edit that reverses a scene as it is now.

    Parameters
    ----------
    run : Run
        The run.
    scene : int
        Number of the scene, from 0.

    Returns
    -------
    dict
        The edit.
    """
    frames = scene_frames(run, scene)
    return {"flip": [frames[-1], frames[0]]}


def join(run: Run, first: int, second: int) -> Edit:
    """Make the edit that puts a scene behind the end of another one, so that both are one scene.

    Parameters
    ----------
    run : Run
        The run.
    first, second : int
        Numbers of the scenes, from 0.

    Returns
    -------
    dict
        The edit.

    Raises
    ------
    UsageError
        When there is no such scene, or both are the same.
    """
    if first == second:
        raise UsageError(f"scene {first} cannot be joined to itself: name two scenes")
    return {"join": [_middle(scene_frames(run, number)) for number in (first, second)]}


def cut(run: Run, frame: int) -> Edit:
    """Make the edit that cuts a scene in two before a frame.

    Parameters
    ----------
    run : Run
        The run.
    frame : int
        Position of the frame with which the second part begins.

    Returns
    -------
    dict
        The edit.

    Raises
    ------
    UsageError
        When the frame is in no scene, or the first one of its scene.
    """
    for scene in scene_lists(run):
        if frame in scene[1:]:
            return {"cut": [scene[scene.index(frame) - 1], frame]}
        if frame in scene:
            raise UsageError(f"frame {frame} is the first of its scene: name the frame with which the second part begins")
    raise UsageError(f"frame {frame} is in no scene: name a frame of a scene")


def set_aside(run: Run, scene: int) -> Edit:
    """Make the edit that sets a whole scene aside.

    Parameters
    ----------
    run : Run
        The run.
    scene : int
        Number of the scene, from 0.

    Returns
    -------
    dict
        The edit. It names all frames of the scene, so that no others go with them when the scenes are computed anew.
    """
    return {"set_aside": sorted(scene_frames(run, scene))}


def play_in_order(run: Run, numbers: Sequence[int]) -> Edit:
    """Make the edit that puts scenes into another order.

    Parameters
    ----------
    run : Run
        The run.
    numbers : sequence of int
        Numbers of the scenes that are to be played first, from 0; the others follow as they are.

    Returns
    -------
    dict
        The edit.

    Raises
    ------
    UsageError
        When there is no such scene, or one is named twice.
    """
    for number in numbers:
        if list(numbers).count(number) > 1:
            raise UsageError(f"scene {number} is named twice: name every scene once")
    return {"scenes": [_middle(scene_frames(run, number)) for number in numbers]}


def _middle(frames: list[int]) -> int:
    return frames[len(frames) // 2]

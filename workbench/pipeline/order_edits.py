"""Edits of an order: what each of them does to the scenes, given as lists of frames, and how it is called in words.

An edit names frames by their position in the input and never a scene by its number, so that it can be applied again to an order
that was computed anew. It is one of

- ``{"flip": [a, b]}``: frame a comes before frame b; their scene is reversed where it has them the other way round;
- ``{"move": p, "after": q}`` or ``{"move": p, "before": q}``: frame p goes right beside frame q, into q's scene, from wherever
  it was, also from among the outliers;
- ``{"drop": p}``: frame p is set aside, as an outlier;
- ``{"join": [a, b]}``: the scene of frame b goes behind the end of the scene of frame a, and both are one scene;
- ``{"cut": [a, b]}``: the scene of both is cut in two right beside frame b, so that frame a is in the other part;
- ``{"set_aside": [p, q, ...]}``: these frames, a whole scene, are set aside;
- ``{"first": p}``: the scene of frame p begins with it, and the frames that were before it follow behind the end. A loop stays
  whole; of a scene that is none the beginning is then played last;
- ``{"scenes": [p, q, ...]}``: the scene of frame p is played first, that of frame q next, and so on; scenes of which no frame
  is named follow in the order that they had.

Scenes are numbered as they are played, without a gap: a scene that is joined to another one or set aside leaves its number to
the next, and the second part of a scene that is cut has the number after the first. The largest computed scene is scene 0; the
other edits change no number, whatever size they give to a scene. A scene keeps at least one frame, and at least one scene is
left.
"""

from collections.abc import Sequence
from typing import Any

from workbench.errors import UsageError
from workbench.run.contents import first_positions

Edit = dict[str, Any]
Scenes = list[list[int]]

VERBS = ("flip", "move", "drop", "join", "cut", "set_aside", "first", "scenes")


def describe(edit: Edit) -> str:
    """Describe an edit in words.

    Parameters
    ----------
    edit : dict
        The edit.

    Returns
    -------
    str
        One line that says what it does; for what is no edit, the edit itself.
    """
    if not named_frames(edit):
        return repr(edit)
    match edit:
        case {"flip": [first, last]}:
            return f"flip the scene so that frame {first} comes before frame {last}"
        case {"move": frame, "after": beside}:
            return f"move frame {frame} to after frame {beside}"
        case {"move": frame, "before": beside}:
            return f"move frame {frame} to before frame {beside}"
        case {"drop": frame}:
            return f"set frame {frame} aside"
        case {"join": [first, second]}:
            return f"join the scene of frame {second} to the end of that of frame {first}"
        case {"cut": [first, second]}:
            return f"cut the scene in two between frames {first} and {second}"
        case {"set_aside": [*frames]}:
            return f"set a scene of {len(frames)} frame{'s' * (len(frames) > 1)} aside ({first_positions(frames)})"
        case {"first": frame}:
            return f"let the scene of frame {frame} begin with it"
    return f"play the scenes in the order of frames {first_positions(edit['scenes'])}"


def named_frames(edit: Edit) -> list[int]:
    """List the frames that an edit names.

    Parameters
    ----------
    edit : dict
        The edit, which may be anything that a file holds.

    Returns
    -------
    list of int
        Positions, which need not be those of a video; empty for what is no edit.
    """
    match edit:
        case {"move": frame, "after": beside} | {"move": frame, "before": beside} if len(edit) == 2:
            named = [frame, beside]
        case {"flip": [_, _] as frames} | {"join": [_, _] as frames} | {"cut": [_, _] as frames} if len(edit) == 1:
            named = [*frames]
        case {"set_aside": [_, *_] as frames} | {"scenes": [_, *_] as frames} if len(edit) == 1:
            named = [*frames]
        case {"drop": frame} | {"first": frame} if len(edit) == 1:
            named = [frame]
        case _:
            named = []
    return named if {int}.issuperset(map(type, named)) else []


def changed_scenes(scenes: Sequence[Sequence[int]], edit: Edit, frames: int) -> Scenes:
    """Apply an edit to the scenes.

    Parameters
    ----------
    scenes : sequence of sequence of int
        Positions of the frames of scene 0, 1, ... in their order.
    edit : dict
        The edit.
    frames : int
        Number of frames of the video.

    Returns
    -------
    list of list of int
        The scenes after it, as new lists.

    Raises
    ------
    UsageError
        When it cannot be applied to these scenes, or is no edit.
    """
    named = named_frames(edit)
    if not named:
        raise UsageError(f"{edit} is no edit: give one of {', '.join(VERBS)}, with frames of the video")
    unknown = [frame for frame in named if frame not in range(frames)]
    if unknown:
        raise UsageError(f"there is no frame {unknown[0]}: the video has frames 0 to {frames - 1}")
    changed = [list(scene) for scene in scenes]
    match edit:
        case {"flip": [first, last]}:
            _flip(changed, first, last)
        case {"move": frame, "after": beside}:
            _move(changed, frame, beside, 1)
        case {"move": frame, "before": beside}:
            _move(changed, frame, beside, 0)
        case {"drop": frame}:
            _drop(changed, frame)
        case {"join": [first, second]}:
            _join(changed, first, second)
        case {"cut": [first, second]}:
            _cut(changed, first, second)
        case {"set_aside": _}:
            _set_aside(changed, set(named))
        case {"first": frame}:
            scene = changed[_home(changed, frame)]
            place = scene.index(frame)
            scene[:] = scene[place:] + scene[:place]
        case {"scenes": _}:
            changed = _played(changed, named)
    return changed


def _home(scenes: Scenes, frame: int) -> int:
    """The number of the scene of a frame."""
    for number, scene in enumerate(scenes):
        if frame in scene:
            return number
    raise UsageError(f"frame {frame} is set aside: name a frame of a scene")


def _shared_home(scenes: Scenes, first: int, second: int) -> int:
    """The number of the scene of two frames."""
    homes = [number for number, scene in enumerate(scenes) if first in scene and second in scene]
    if not homes:
        raise UsageError(f"frames {first} and {second} are not in one scene any more: choose two of one scene")
    return homes[0]


def _flip(scenes: Scenes, first: int, last: int) -> None:
    scene = scenes[_shared_home(scenes, first, last)]
    if scene.index(first) > scene.index(last):
        scene.reverse()


def _move(scenes: Scenes, frame: int, beside: int, behind: int) -> None:
    if beside == frame:
        raise UsageError(f"frame {frame} cannot stand beside itself: name another frame")
    target = scenes[_home(scenes, beside)]
    if frame in target:
        target.remove(frame)
    else:
        _drop(scenes, frame)
    target.insert(target.index(beside) + behind, frame)


def _drop(scenes: Scenes, frame: int) -> None:
    for number, scene in enumerate(scenes):
        if frame in scene:
            if len(scene) == 1:
                raise UsageError(
                    f"frame {frame} is the last one of scene {number}: set that scene aside or join it to another one, "
                    "or move another frame there first"
                )
            scene.remove(frame)


def _join(scenes: Scenes, first: int, second: int) -> None:
    front, back = _home(scenes, first), _home(scenes, second)
    if front == back:
        raise UsageError(f"frames {first} and {second} are in one scene already: name frames of two scenes")
    scenes[front] += scenes[back]
    del scenes[back]


def _cut(scenes: Scenes, first: int, second: int) -> None:
    number = _shared_home(scenes, first, second)
    if first == second:
        raise UsageError(f"a scene is cut between two frames, not at frame {first} alone: name two frames")
    scene = scenes[number]
    place = scene.index(second) + (scene.index(first) > scene.index(second))  # the scene may run the other way round now
    scenes[number : number + 1] = [scene[:place], scene[place:]]


def _set_aside(scenes: Scenes, frames: set[int]) -> None:
    kept = [[frame for frame in scene if frame not in frames] for scene in scenes]
    if not any(kept):
        raise UsageError("no scene would be left: keep one")
    scenes[:] = [scene for scene in kept if scene]


def _played(scenes: Scenes, named: list[int]) -> Scenes:
    """The scenes of the frames named, then the others."""
    named_by: dict[int, int] = {}  # number of a scene, and the frame that names it
    for frame in named:
        home = _home(scenes, frame)
        if home in named_by:
            raise UsageError(f"frames {named_by[home]} and {frame} are in one scene: name one frame of every scene")
        named_by[home] = frame
    return [scenes[home] for home in named_by] + [scene for number, scene in enumerate(scenes) if number not in named_by]

"""What the page shows of a run, and what can be done with it there: scenes, foreign frames, doubtful links, edits, files."""

from collections.abc import Callable
from typing import Any

import cv2

from workbench.app.jobs import is_written
from workbench.embedding.images import thumbnail
from workbench.errors import UsageError
from workbench.ordering.confidence import weak_links
from workbench.pipeline import scene_edits
from workbench.pipeline.editing import edit_order, undo
from workbench.pipeline.edits import frame_lists
from workbench.pipeline.exports import CONCAT_LIST, EDIT_LIST, IMAGES, TIMELINE
from workbench.pipeline.order_edits import Edit
from workbench.reports.changes import doubts_of, edits_of, lines_of
from workbench.reports.order import as_in_file, order_doubts
from workbench.run import Run
from workbench.viz.pictures import evenly, scene_colour

SHOWN_FRAMES = 12  # of a scene
SHOWN_FOREIGN = 24  # foreign frames
SHOWN_LINKS = 8  # doubtful links, the least sure first
BESIDE = 3  # frames shown on each side of a doubtful link
THUMBNAIL = 200, 150  # px, width and height at most

_LISTS = {
    TIMELINE: "cut list for video editors, OpenTimelineIO",
    EDIT_LIST: "cut list for video editors, EDL",
    CONCAT_LIST: "cut list for ffmpeg",
}


def describe_result(run: Run) -> dict[str, Any]:
    """Describe the result of a run for the page.

    Parameters
    ----------
    run : Run
        A run with an order.

    Returns
    -------
    dict
        ``scenes``: of each its number of ``frames``, its ``colour``, the positions in its ``strip``, and its ``video`` or None;
        ``foreign``: ``frames`` and ``strip``; ``doubtful``: how many links are, and the least sure ``links`` with ``scene``,
        ``confidence``, and the positions ``before`` and ``after``; ``notes`` and ``changes``: sentences; ``edits``: what was
        changed by hand; ``video``, or None; ``files``: names with what they are; ``pictures``: whether they can be downloaded;
        ``written``: whether the videos show this order.
    """
    table = run.order()
    scenes = frame_lists(table)
    foreign = table.loc[table["scene"] < 0, "position"].tolist()
    outputs = run.recorded_outputs("write")
    videos = [name for name in outputs if name.startswith(("scene", "reconstructed.")) and name not in _LISTS]
    written = is_written(run)
    by_scene = videos[:-1] if written else [None] * len(scenes)  # after an edit, their numbers may be those of other scenes
    video = videos[-1] if videos else None
    return {
        "scenes": [
            {"frames": len(frames), "colour": scene_colour(number), "strip": _strip(frames), "video": own}
            for number, (frames, own) in enumerate(zip(scenes, by_scene, strict=True))
        ],
        "foreign": {"frames": len(foreign), "strip": _strip(foreign, SHOWN_FOREIGN)},
        "doubtful": _doubtful(run, scenes),
        "notes": _notes(run),
        "changes": lines_of(run),
        "edits": edits_of(run),
        "video": video,
        "files": [[name, about] for name, about in result_files(run).items() if name not in videos[:-1]],
        "pictures": written and IMAGES in outputs,
        "written": written,
    }


def result_files(run: Run) -> dict[str, str]:
    """List the files of a run that can be downloaded.

    Parameters
    ----------
    run : Run
        A run with an order.

    Returns
    -------
    dict
        By the name of each, what it is.
    """
    found = {name: _about(name) for name in run.recorded_outputs("write") if name != IMAGES and (run.path / name).is_file()}
    return found | {run.order_path.name: "table: scene and place of every frame, and how sure each link is"}


def frame_picture(run: Run, position: int) -> bytes:
    """Make a small picture of a frame.

    Parameters
    ----------
    run : Run
        A run whose video was decoded.
    position : int
        0-based position of the frame in the input.

    Returns
    -------
    bytes
        A JPEG file, at most 200 px wide and 150 px high.

    Raises
    ------
    UsageError
        When there is no such frame.
    """
    images = run.images()
    if not 0 <= position < len(images):
        raise UsageError(f"there is no frame {position}: the last one is {len(images) - 1}")
    small = thumbnail(images[position], *THUMBNAIL)
    return cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1].tobytes()


def change(run: Run, verb: str, scene: int) -> None:
    """Change the order by hand; the videos show the order before until they are written again.

    Parameters
    ----------
    run : Run
        A run with an order.
    verb : str
        One of :data:`VERBS`, or ``undo``, which takes the last change back.
    scene : int
        Number of the scene, from 0; not used by ``undo``.

    Raises
    ------
    UsageError
        When the scene cannot be changed so, or there is no such verb.
    BusyError
        When another process works in the run.
    """
    with run.held():
        if verb == "undo":
            undo(run)
        elif verb in VERBS:
            edit_order(run, VERBS[verb](run, scene))
        else:
            raise UsageError(f"there is no change called {verb}: use {', '.join(VERBS)} or undo")


def _play(run: Run, scene: int, step: int) -> Edit:
    """The edit that plays a scene one place earlier or later."""
    first, last = sorted((scene, scene + step))
    if not 0 <= first < last < len(scene_edits.scene_lists(run)):
        raise UsageError(f"scene {scene} is the {'first' if step < 0 else 'last'} one already: move another one")
    return scene_edits.play_in_order(run, [*range(first), last, first])


VERBS: dict[str, Callable[[Run, int], Edit]] = {
    "flip": scene_edits.flip,
    "earlier": lambda run, scene: _play(run, scene, -1),
    "later": lambda run, scene: _play(run, scene, 1),
    "set-aside": scene_edits.set_aside,
}


def _strip(frames: list[int], count: int = SHOWN_FRAMES) -> list[int]:
    return [frames[place] for place in evenly(len(frames), count)]


def _doubtful(run: Run, scenes: list[list[int]]) -> dict[str, Any]:
    links = weak_links(run.order())
    least_sure = links.head(SHOWN_LINKS)
    columns = (least_sure[name].tolist() for name in ("scene", "place", "confidence"))
    shown = []
    for scene, place, confidence in zip(*columns, strict=True):
        before, after = scenes[scene][: place + 1], scenes[scene][place + 1 :]
        shown.append({"scene": scene, "confidence": confidence, "before": before[-BESIDE:], "after": after[:BESIDE]})
    return {"count": len(links), "links": shown}


def _notes(run: Run) -> list[str]:
    """What a person should know, in sentences."""
    doubts = [f"In doubt: {doubt}." for doubt in doubts_of(run)]
    written = run.info("write").get("warnings", []) if is_written(run) else []
    notes = [*run.info("video")["warnings"], *written, *run.left_out]
    order = [*order_doubts(run), *as_in_file(run)]
    return [f"{note[:1].upper()}{note[1:]}" for note in [*notes, *order, *doubts]]


def _about(name: str) -> str:
    if name in _LISTS:
        return _LISTS[name]
    return "the restored video" if name.startswith("reconstructed.") else "the video of one scene"

"""What the order of every scene rests on, and where it is not in the pictures, in plain sentences."""

from itertools import groupby

from workbench.pipeline.edits import frame_lists
from workbench.pipeline.scene_edits import computed_scene
from workbench.reports.changes import doubts_of
from workbench.reports.findings import listed
from workbench.reports.findings_file import file_sentences
from workbench.run import Run

WORDS = {
    "residual": "what differs after a pair is registered",
    "missing_inliers": "keypoints without a partner",
    "thumbnail": "small rank images",
    "ranks": "ranks of the grey levels",
    "colours": "colours",
    "pixels": "grey levels",
    "changed_2": "how much of the picture changes at all",
    "changed_8": "how much of the picture changes clearly",
    "principal": "the strongest components of the colours",
    "aligned_ranks": "ranks of the aligned frames",
    "aligned_colours": "colours of the aligned frames",
    "aligned_pixels": "grey levels of the aligned frames",
}
NAMED_SHARE = 0.1  # parts of the distance with a smaller share are not named


def order_sentences(run: Run) -> list[str]:
    """Say what the order of every scene rests on.

    Parameters
    ----------
    run : Run
        A run whose order stage is finished.

    Returns
    -------
    list of str
        A sentence for every scene, with the parts of its distance and their shares; then those of :func:`order_doubts`.
    """
    info = run.info("order")
    found = []
    for scene, number in enumerate(_computed_numbers(run)):
        if number is None:
            found.append(f"Scene {scene}: it was put together by hand from frames that had been set aside.")
            continue
        prefix = f"scene{number:02d}_weight_"
        shares = {name.removeprefix(prefix): share for name, share in info.items() if name.startswith(prefix)}
        named = sorted((name for name, share in shares.items() if share >= NAMED_SHARE), key=lambda name: -shares[name])
        parts = _with_shares([(WORDS[name], f"{100 * shares[name]:.0f} %") for name in named])
        smaller = sum(shares.values()) - sum(shares[name] for name in named)
        parts += [f"smaller parts ({100 * smaller:.0f} %)"] if parts and smaller >= 0.005 else []
        origin = "" if number == scene else f" (scene {number} as it was computed)"
        found.append(f"Scene {scene}{origin}: its order rests on {'; '.join(parts) or 'many distances alike'}.")
    return found + order_doubts(run)


def order_doubts(run: Run) -> list[str]:
    """List the scenes whose order is not in the pictures.

    Parameters
    ----------
    run : Run
        A run whose order stage is finished.

    Returns
    -------
    list of str
        A sentence each, with the number of frames and the reason; a second one where edits by hand gave the scene another
        number.
    """
    doubts = [f"{doubt[:1].upper()}{doubt[1:]}." for doubt in doubts_of(run, "order")]
    undetermined = run.info("order").get("undetermined_scenes")
    if not doubts or not isinstance(undetermined, list) or len(undetermined) != len(doubts):
        return doubts
    numbers = _computed_numbers(run)
    return [doubt + _number_now(numbers, number) for doubt, number in zip(doubts, undetermined, strict=True)]


def as_in_file(run: Run) -> list[str]:
    """Say which scenes came out in the order of the file, see :mod:`workbench.reports.findings_file`.

    Parameters
    ----------
    run : Run
        A run whose order stage is finished.

    Returns
    -------
    list of str
        At most one sentence.
    """
    return file_sentences(run.scene_orders())


def _with_shares(named: list[tuple[str, str]]) -> list[str]:
    """Parts with their shares; of parts that follow each other with one share, it is said once."""
    groups = [(share, [name for name, _ in group]) for share, group in groupby(named, key=lambda item: item[1])]
    return [f"{listed(names, len(names))} ({share}{' each' if len(names) > 1 else ''})" for share, names in groups]


def _computed_numbers(run: Run) -> list[int | None]:
    """The number that every scene had as it was computed; None where all of its frames had been set aside."""
    return [computed_scene(run, frames) for frames in frame_lists(run.order())]


def _number_now(numbers: list[int | None], number: int) -> str:
    """What became of a computed scene by edits; nothing where it has its number still."""
    now = [scene for scene, own in enumerate(numbers) if own == number]
    if number in now:
        return ""
    return f" By hand, it is scene {now[0]} now." if now else " By hand, it was set aside or became part of another scene."

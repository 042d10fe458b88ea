"""Whether the workbench is right about a clip, and whether it knows, in words; numbers in, sentences out."""

from collections.abc import Mapping, Sequence

from workbench.reports.findings import Findings, count_of, listed, percent
from workbench.reports.findings_order import RIGHT

MANY_GUESSES = 0.25  # share of guessed links from which an order counts as marked


def is_marked(measured: Mapping[str, float]) -> bool:
    """Tell whether the workbench marked an order as doubtful.

    Parameters
    ----------
    measured : mapping of str to float
        Of ``metrics.json``: ``weak_links``, ``links``, ``undetermined_scenes``.

    Returns
    -------
    bool
        True where a scene is said not to be in the pictures, or where at least a quarter of the links are guesses.
    """
    return measured["undetermined_scenes"] > 0 or measured["weak_links"] >= MANY_GUESSES * max(1, measured["links"])


def is_right(measured: Mapping[str, float]) -> bool:
    """Tell whether scenes and order are those of the truth.

    Parameters
    ----------
    measured : mapping of str to float
        Of ``metrics.json``: ``tau`` and ``scene_f1``.

    Returns
    -------
    bool
        True for a right order in the right scenes.
    """
    return measured["tau"] >= RIGHT and measured["scene_f1"] >= RIGHT


def verdict_sentence(measured: Mapping[str, float], closes: bool, backwards: Sequence[int]) -> str:
    """Say whether a clip was restored, and whether the workbench knows.

    Parameters
    ----------
    measured : mapping of str to float
        Of ``metrics.json``: ``tau``, ``tau_loop``, ``adjacent``, ``scene_f1``, ``scenes``, ``weak_links``, ``links``,
        ``undetermined_scenes``.
    closes : bool
        Whether the workbench took a scene for a loop.
    backwards : sequence of int
        The restored scenes that run against their true direction.

    Returns
    -------
    str
        Two or three sentences.
    """
    guesses = f"{measured['weak_links']} of {count_of(int(measured['links']), 'link')} are guesses"
    known = f"The workbench marks this: {guesses}." if is_marked(measured) else f"The links do not show this: {guesses}."
    if is_right(measured):
        found = f"{count_of(int(measured['scenes']), 'scene').capitalize()}, as in the truth, and the order is right"
        direction = (
            f"scene {backwards[0]} came out backwards"
            if len(backwards) == 1
            else f"scenes {listed(backwards)} came out backwards"
            if backwards
            else "that none came out backwards is luck"
        )
        return (
            f"{found} but for its direction (|tau| {measured['tau']:.2f}), which is not in the pictures: {direction}. "
            f"{guesses[:1].upper()}{guesses[1:]}."
        )
    if measured["scene_f1"] < RIGHT:
        return f"The scenes are not those of the truth (F1 {measured['scene_f1']:.2f}). {known}"
    numbers = f"|tau| {measured['tau']:.2f}, {percent(measured['adjacent'])} of the true neighbours are neighbours"
    if measured["tau_loop"] >= RIGHT:
        loop = "says that the scene is a loop" if closes else "does not say that the scene is a loop"
        return (
            f"The order is right but for where it begins ({numbers}; |tau| with the best start {measured['tau_loop']:.2f}). "
            + (f"The workbench {loop}.")
        )
    return f"The order is wrong ({numbers}). {known}"


def failure_findings(
    measured: Mapping[str, Mapping[str, float]], closing: Sequence[str], as_in_file: Sequence[str] = ()
) -> Findings:
    """Sum up on which clips the workbench can be believed.

    Parameters
    ----------
    measured : mapping of str to mapping
        The content of ``metrics.json`` by the name of the clip.
    closing : sequence of str
        Names of the clips that the workbench took for loops.
    as_in_file : sequence of str
        Names of the clips with a scene that came out in the order of the file, see
        :func:`~workbench.reports.findings_file.follows_file`.

    Returns
    -------
    Findings
        The findings of notebook 08.
    """
    right = [name for name, one in measured.items() if is_right(one)]
    loops = [name for name, one in measured.items() if name not in right and one["tau_loop"] >= RIGHT and name in closing]
    wrong = [name for name in measured if name not in (*right, *loops)]
    marked = [name for name in wrong if is_marked(measured[name])]
    silent = [name for name in wrong if name not in marked]
    learnt = [
        f"Restored, up to the direction, which is never in the pictures: {_clips(right)}.",
        f"Restored but for where it begins, and said to be a loop: {_clips(loops)}.",
    ]
    learnt.append(f"Wrong, and marked as guessed: {_clips(marked)}.")
    given_away, unmarked = ([name for name in silent if (name in as_in_file) == so] for so in (True, False))
    doubtful = []
    if given_away:
        doubtful.append(
            f"Wrong with links that look sure, and given away by its order alone, which is that of the shuffled file: "
            f"{_clips(given_away)}. Where nothing moves, high confidence says nothing."
        )
    if unmarked:
        doubtful.append(f"Wrong, and not marked: {_clips(unmarked)}. Look at every result of this kind yourself.")
    others = [name for name in as_in_file if name not in given_away]
    if others:
        doubtful.append(f"In the order of the shuffled file: {_clips(others)}.")
    return Findings(
        learnt,
        doubtful,
        [
            "Put right by hand what you know better: `workbench edit RUN` has the commands, and notebook 05 has the buttons.",
            "Record more: a clock, a shadow or any slow change in the picture decides an order that motion alone does not.",
        ],
    )


def _clips(names: Sequence[str]) -> str:
    return f"the clip {listed([f'“{name}”' for name in names])}" if len(names) == 1 else listed([f"“{name}”" for name in names])

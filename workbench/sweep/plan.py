"""Sweep files: which videos are reconstructed with which parameters. A cell is one video with one set of parameters.

A sweep file is YAML::

    question: Which radius finds the scenes?
    videos: [../data/sample.mp4]          # relative to the file
    runner: notebooks                     # or stages: the fast path, without notebooks and the map
    fixed: {match.matcher: sift-flann}    # the same in every cell
    parameters:
      grid: {cluster.eps: [0.02, 0.03], order.method: [path, greedy]}   # all combinations

In place of ``grid`` there may be ``list`` (one dictionary per set of parameters) or ``sample`` (``count``, ``seed`` and
``from``, which maps a name to ``[low, high]`` or to values to choose from).
"""

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml

from workbench.errors import ParameterError, UsageError
from workbench.evaluation.files import find_truth, read_truth
from workbench.limits import SWEEP_FILE_BYTES, SWEEP_FILE_DEPTH
from workbench.models.registry import folder_digest
from workbench.notebooks.chain import notebook_files
from workbench.run.stages import defaults, full_names, stage_parameters
from workbench.storage.folder import code_digest, file_sha256
from workbench.video.decode import decode
from workbench.video.inputs import is_there, source_digest
from workbench.video.source import open_source

KEYS = ("question", "videos", "runner", "fixed", "parameters")  # of a sweep file
RUNNERS = ("notebooks", "stages")  # the first is the default
FORMS = ("grid", "list", "sample")  # of the parameters
MAX_UNCONFIRMED_CELLS = 1000  # a sweep of more cells has to be confirmed


@dataclass(frozen=True)
class Cell:
    """One reconstruction of a sweep.

    Attributes
    ----------
    name : str
        Digest of everything that decides its result, the code of the workbench included; an equal cell has the same name in
        every sweep.
    video : str
        The video as the sweep file names it.
    source : Path
        Absolute path of the video.
    parameters : dict of str to object
        The parameters that differ between cells, by dotted name, in the order of the file.
    given : dict of str to object
        These and the fixed ones.
    runner : str
        One of :data:`RUNNERS`.
    """

    name: str
    video: str
    source: Path
    parameters: dict[str, Any]
    given: dict[str, Any]
    runner: str


@dataclass(frozen=True)
class Sweep:
    """The content of a sweep file.

    Attributes
    ----------
    path : Path
        The file.
    question : str
        What the sweep should answer.
    varied : tuple of str
        Dotted names of the parameters that differ between cells.
    cells : list of Cell
        The cells in the order of the file, all of the first video first.
    """

    path: Path
    question: str
    varied: tuple[str, ...]
    cells: list[Cell] = field(repr=False)


def read_sweep(path: str | Path, many: bool = False) -> Sweep:
    """Read a sweep file and check it, its videos and their truths; nothing is computed.

    Parameters
    ----------
    path : str or Path
        The file.
    many : bool
        Whether more than 1,000 cells are allowed.

    Returns
    -------
    Sweep
        The cells to run.

    Raises
    ------
    UsageError
        If the file cannot be read, has an unknown key or a value of the wrong kind, or has too many cells.
    ParameterError
        If a parameter is unknown or out of range.
    VideoError, TruthError
        If a video or its truth cannot be read.
    """
    path = Path(path)
    content = _content(path)
    runner = content.get("runner", RUNNERS[0])
    if runner not in RUNNERS:
        raise UsageError(f"{path}: runner {runner!r} is not known; known: {', '.join(RUNNERS)}")
    videos = _list(path, "videos", content["videos"], str)
    form, wanted = _form(path, content["parameters"])
    fixed = full_names(_dictionary(path, "fixed", content.get("fixed", {})))
    size = len(videos) * _size(path, form, wanted)
    if size > MAX_UNCONFIRMED_CELLS and not many:
        raise UsageError(f"{path} has {size:,} cells: pass --yes to run them all, or give fewer values")
    sets = [full_names(values) for values in _SETS[form](wanted)]
    varied = tuple(dict.fromkeys(name for values in sets for name in values))
    both = sorted(set(varied) & set(fixed))
    if both:
        raise UsageError(f"{path}: {', '.join(both)} is both fixed and varied: give it once")
    rest = defaults() | fixed
    sets = [{name: values.get(name, rest[name]) for name in varied} for values in sets]
    for values in sets:
        _check(path, fixed | values)
    cells: dict[str, Cell] = {}
    weights, code = functools.cache(folder_digest), _code(runner)
    for video in videos:
        source, digests = _source(path, video)
        for values in sets:
            given = fixed | values
            cell = Cell(_name([*digests, runner, code], given, weights), video, source, values, given, runner)
            if cell.name in cells and form != "sample":  # a sample may draw the same set again
                shown = ", ".join(f"{name} {value}" for name, value in values.items())
                raise UsageError(f"{path}: {video} with {shown} is there twice: give every video and every set of values once")
            cells.setdefault(cell.name, cell)
    return Sweep(path, str(content.get("question", "")), varied, list(cells.values()))


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a file: give the path of a sweep file")
        if path.stat().st_size > SWEEP_FILE_BYTES:
            raise UsageError(f"{path} has more than {SWEEP_FILE_BYTES >> 20} MiB: give the path of a sweep file")
        text = path.read_text(encoding="utf-8")
        _plain(path, text)
        content = yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): give the path of a sweep file") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or an impossible date
        raise UsageError(f"{path} is not valid YAML ({' '.join(str(error).split())}): correct it there") from error
    content = _dictionary(path, "a sweep file", content)
    unknown = [str(key) for key in content if key not in KEYS]
    if unknown:
        raise UsageError(f"{path}: {', '.join(unknown)} is not known; known: {', '.join(KEYS)}")
    missing = [key for key in ("videos", "parameters") if key not in content]
    if missing:
        raise UsageError(f"{path} lacks {' and '.join(missing)}: see sweeps/README.md")
    return content


def _plain(path: Path, text: str) -> None:
    """Refuse references and deep nesting, which could expand to more values than there is memory or time for."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > SWEEP_FILE_DEPTH:
            raise UsageError(f"{path} has references (*NAME) or lists nested too deeply: write plain values")


def _form(path: Path, parameters: Any) -> tuple[str, Any]:
    """The form of the parameters (grid, list or sample) and its content, of which the structure is checked."""
    found = list(_dictionary(path, "parameters", parameters))
    if len(found) != 1 or found[0] not in FORMS:
        raise UsageError(f"{path}: parameters is {', '.join(map(str, found)) or 'empty'}: give one of {', '.join(FORMS)}")
    form, wanted = found[0], parameters[found[0]]
    if form == "list":
        return form, _list(path, "list", wanted, dict)
    choices = _dictionary(path, form, wanted)
    if form == "sample":
        if set(choices) != {"count", "seed", "from"}:
            raise UsageError(f"{path}: sample has {', '.join(map(str, choices))}: give count, seed and from")
        for name, least in (("count", 1), ("seed", 0)):
            if type(choices[name]) is not int or choices[name] < least:
                raise UsageError(f"{path}: {name} is {choices[name]!r}: give a whole number of at least {least}")
        choices = _dictionary(path, "from", choices["from"])
    if not choices:
        raise UsageError(f"{path}: {form} names no parameter: give a list of values for each parameter to vary")
    for name, values in choices.items():
        _list(path, str(name), values, object)
    for name, values in full_names(choices).items():
        if form == "sample" and _is_range(type(defaults()[name]), values):
            for end in values:  # an end out of range, such as infinity, cannot be drawn from
                _check(path, {name: end})
    return form, wanted


def _size(path: Path, form: str, wanted: Any) -> int:
    """The number of sets of parameters, counted without making them."""
    if form == "grid":
        return int(np.prod([len(values) for values in wanted.values()], dtype=object))
    return wanted["count"] if form == "sample" else len(wanted)


def _grid(wanted: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*wanted.values()):
        yield dict(zip(wanted, values, strict=True))


def _sample(wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(wanted["seed"])
    for _ in range(wanted["count"]):
        yield {name: _draw(rng, type(defaults()[name]), values) for name, values in full_names(wanted["from"]).items()}


def _draw(rng: np.random.Generator, kind: type, values: list[Any]) -> Any:
    """Draw a value; two numbers are the ends of a range, both included for whole numbers, six digits for others."""
    if not _is_range(kind, values):
        return values[int(rng.integers(len(values)))]
    return int(rng.integers(min(values), max(values) + 1)) if kind is int else float(f"{rng.uniform(*values):.6g}")


def _is_range(kind: type, values: list[Any]) -> bool:
    return len(values) == 2 and kind in (int, float) and all(type(value) in (int, kind) for value in values)


_SETS: dict[str, Callable[[Any], Iterator[dict[str, Any]]]] = {"grid": _grid, "list": iter, "sample": _sample}


def _check(path: Path, given: dict[str, Any]) -> None:
    try:
        stage_parameters(given)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error


def _source(path: Path, video: str) -> tuple[Path, list[str]]:
    """The path of a video, and the digests of it and of its truth, after both were found readable."""
    source = path.parent / video
    if not is_there(source):
        raise UsageError(f"{path}: the video {video} is not there ({source.resolve()}): paths are relative to the sweep file")
    with open_source(source) as opened, closing(cast(Generator[Any], decode(opened))) as frames:
        next(frames)
    truth = find_truth(source)
    if truth:
        read_truth(truth)
    return source.resolve(), [source_digest(source)[0], file_sha256(truth) if truth else ""]


def _code(runner: str) -> list[str]:
    """Digests of the code that computes a cell: the package, and the notebooks where they are used."""
    return [code_digest(), *(file_sha256(file) for file in (notebook_files() if runner == "notebooks" else ()))]


def _name(described: list[Any], given: dict[str, Any], weights: Callable[[str], str]) -> str:
    """The name of a cell: a digest of what is described, of all its parameters and of the weights they need."""
    chosen = {stage: parameters.as_dict() for stage, parameters in stage_parameters(given).items()}
    models = chosen["embed"]["backbone"], chosen["match"]["model"], chosen["features"]["superpoint_model"]
    digests = [weights(model) for model in models]  # retrained weights differ even under the same name
    return hashlib.sha256(json.dumps([*described, chosen, digests], sort_keys=True).encode()).hexdigest()[:16]


def _dictionary(path: Path, name: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{path}: {name} must be names with values, as `name: value`: see sweeps/README.md")
    return value


def _list(path: Path, name: str, value: Any, kind: type) -> list[Any]:
    if not isinstance(value, list) or not value or not all(isinstance(item, kind) for item in value):
        items: dict[type, str] = {str: "paths", dict: "dictionaries"}
        what = items.get(kind, "values")
        raise UsageError(f"{path}: {name} must be a list of {what}, as [...], with at least one: see sweeps/README.md")
    return value

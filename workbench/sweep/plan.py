"""Sweep files: which videos are reconstructed with which parameters. A cell is one video with one set of parameters.

A sweep file is YAML::

    question: Which radius finds the scenes?
    videos: [../data/sample.mp4]          # relative to the file
    runner: notebooks                     # or stages: the fast path, without notebooks and the map
    fixed: {match.matcher: sift-flann}    # the same in every cell
    parameters:
      grid: {cluster.eps: [0.02, 0.03], order.method: [path, greedy]}   # all combinations

In place of ``grid`` there may be ``list`` (one dictionary per set of parameters) or ``sample`` (``count``, ``seed`` and
``from``, which maps a name to ``[low, high]`` or to values to choose from). Or Optuna chooses: :mod:`workbench.sweep.search`.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from workbench.errors import UsageError
from workbench.evaluation.files import find_truth, read_truth
from workbench.limits import SWEEP_FILE_BYTES, SWEEP_FILE_DEPTH
from workbench.models.registry import folder_digest
from workbench.notebooks.chain import notebook_files
from workbench.run.stages import defaults, full_names, stage_parameters
from workbench.storage.folder import code_digest, file_sha256
from workbench.sweep import search
from workbench.sweep.search import Search, read_search
from workbench.sweep.sets import as_dictionary, as_list, check, count_sets, make_sets, read_form
from workbench.video.decode import decode
from workbench.video.inputs import is_there, source_digest
from workbench.video.source import open_source

KEYS = ("question", "videos", "runner", "fixed", "parameters", *search.KEYS)  # of a sweep file
RUNNERS = ("notebooks", "stages")  # the first is the default
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
class Source:
    """A video of a sweep.

    Attributes
    ----------
    video : str
        As the sweep file names it.
    path : Path
        Absolute.
    digests : tuple of str
        Of the video and of its truth, empty without one.
    """

    video: str
    path: Path
    digests: tuple[str, str]


@dataclass(frozen=True)
class CellMaker:
    """Makes the cells of a sweep from sets of parameters.

    Attributes
    ----------
    sources : list of Source
        The videos.
    fixed : dict of str to object
        The fixed parameters, by dotted name.
    runner : str
        One of :data:`RUNNERS`.
    code : list of str
        Digests of the code that computes a cell.
    weights : callable
        Gives the digest of the weights of a model.
    """

    sources: list[Source]
    fixed: dict[str, Any]
    runner: str
    code: list[str]
    weights: Callable[[str], str] = field(default_factory=lambda: functools.cache(folder_digest))

    def cell(self, source: Source, values: dict[str, Any]) -> Cell:
        """Make the cell of one video.

        Parameters
        ----------
        source : Source
            The video.
        values : dict of str to object
            Its varied parameters, by dotted name.

        Returns
        -------
        Cell
            The cell.
        """
        given = self.fixed | values
        name = _name([*source.digests, self.runner, self.code], given, self.weights)
        return Cell(name, source.video, source.path, values, given, self.runner)

    def cells(self, values: dict[str, Any]) -> list[Cell]:
        """Make the cells of all videos with one set of parameters.

        Parameters
        ----------
        values : dict of str to object
            The varied parameters, by dotted name.

        Returns
        -------
        list of Cell
            One per video.
        """
        return [self.cell(source, values) for source in self.sources]


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
        The cells in the order of the file, all of the first video first; none of a search, which has to be run to know them.
    maker : CellMaker
        Makes cells for other sets of parameters.
    search : Search or None
        The search that chooses the parameters; None where the file lists them.
    size : int
        Number of cells; of a search, at most.
    """

    path: Path
    question: str
    varied: tuple[str, ...]
    cells: list[Cell] = field(repr=False)
    maker: CellMaker = field(repr=False)
    search: Search | None
    size: int


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
    videos = as_list(path, "videos", content["videos"], str)
    wanted = read_search(path, content)
    form, listed = ("ranges", None) if wanted else read_form(path, content["parameters"])
    fixed = full_names(as_dictionary(path, "fixed", content.get("fixed", {})))
    size = len(videos) * (wanted.trials if wanted else count_sets(form, listed))
    if size > MAX_UNCONFIRMED_CELLS and not many:
        raise UsageError(f"{path} has {size:,} cells: pass --yes to run them all, or give fewer values")
    sets = [] if wanted else make_sets(form, listed)
    varied = tuple(wanted.space) if wanted else tuple(dict.fromkeys(name for values in sets for name in values))
    both = sorted(set(varied) & set(fixed))
    if both:
        raise UsageError(f"{path}: {', '.join(both)} is both fixed and varied: give it once")
    rest = defaults() | fixed
    sets = [{name: values.get(name, rest[name]) for name in varied} for values in sets]
    for values in [fixed, *sets]:
        check(path, fixed | values)
    maker = CellMaker([_source(path, video) for video in videos], fixed, runner, _code(runner))
    cells: dict[str, Cell] = {}
    for source in maker.sources:
        for values in sets:
            cell = maker.cell(source, values)
            if cell.name in cells and form != "sample":  # a sample may draw the same set again
                shown = ", ".join(f"{name} {value}" for name, value in values.items())
                raise UsageError(
                    f"{path}: {source.video} with {shown} is there twice: give every video and every set of values once"
                )
            cells.setdefault(cell.name, cell)
    size = size if wanted else len(cells)
    return Sweep(path, str(content.get("question", "")), varied, list(cells.values()), maker, wanted, size)


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
    content = as_dictionary(path, "a sweep file", content)
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


def _source(path: Path, video: str) -> Source:
    """A video, after it and its truth were found readable."""
    source = path.parent / video
    if not is_there(source):
        raise UsageError(f"{path}: the video {video} is not there ({source.resolve()}): paths are relative to the sweep file")
    with open_source(source) as opened, closing(cast(Generator[Any], decode(opened))) as frames:
        next(frames)
    truth = find_truth(source)
    if truth:
        read_truth(truth)
    digests = source_digest(source)[0], file_sha256(truth) if truth else ""
    return Source(video, source.resolve(), digests)


def _code(runner: str) -> list[str]:
    """Digests of the code that computes a cell: the package, and the notebooks where they are used."""
    return [code_digest(), *(file_sha256(file) for file in (notebook_files() if runner == "notebooks" else ()))]


def _name(described: list[Any], given: dict[str, Any], weights: Callable[[str], str]) -> str:
    """The name of a cell: a digest of what is described, of all its parameters and of the weights they need."""
    chosen = {stage: parameters.as_dict() for stage, parameters in stage_parameters(given).items()}
    models = chosen["embed"]["backbone"], chosen["match"]["model"], chosen["features"]["superpoint_model"]
    digests = [weights(model) for model in models]  # retrained weights differ even under the same name
    return hashlib.sha256(json.dumps([*described, chosen, digests], sort_keys=True).encode()).hexdigest()[:16]

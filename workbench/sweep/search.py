"""A search by Optuna: which sets of parameters are tried depends on the results so far.

The search is in the sweep file::

    search: optuna
    metric: adjacent            # of metrics.json; its mean over the videos is what a trial comes to
    trials: 20                  # the budget: sets of parameters that are tried
    parameters:
      ranges:
        match_threshold: {low: 0.0, high: 0.8}
        max_keypoints: {low: 64, high: 512, log: true}
        sinkhorn_iterations: [5, 20, 100]
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import UsageError
from workbench.run.stages import defaults, full_names
from workbench.sweep.sets import as_dictionary, as_list, check, check_whole
from workbench.sweep.table import QUALITY

if TYPE_CHECKING:
    import optuna

KEYS = ("search", "metric", "direction", "trials", "batch", "seed")  # of a sweep file, for a search alone
DIRECTIONS = ("maximize", "minimize")
BATCH = 4  # trials that are chosen together, and run side by side, unless the file says otherwise
DIGITS = 6  # significant digits of a number that is tried


@dataclass(frozen=True)
class Range:
    """Numbers to choose from.

    Attributes
    ----------
    low, high : float
        Both ends are included; whole numbers where the parameter is one.
    log : bool
        Whether values are chosen evenly on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Search:
    """What a search is for, and where it looks.

    Attributes
    ----------
    metric : str
        The figure of ``metrics.json`` that decides.
    maximise : bool
        Whether a larger value is better.
    trials : int
        How many sets of parameters are tried.
    batch : int
        How many of them are chosen at once, from the results of the batches before.
    seed : int
        Seed of the sampler. The same seed, batch and results give the same trials, on any number of workers.
    space : dict of str to Range or list
        What each parameter is chosen from, by dotted name.
    """

    metric: str
    maximise: bool
    trials: int
    batch: int
    seed: int
    space: dict[str, Range | list[Any]]


def read_search(path: Path, content: dict[str, Any]) -> Search | None:
    """Read the search that a sweep file asks for.

    Parameters
    ----------
    path : Path
        The file, for messages.
    content : dict
        Its content.

    Returns
    -------
    Search or None
        None where the file has a grid, a list or a sample.

    Raises
    ------
    UsageError
        If a key is missing or its value of the wrong kind, or Optuna is not installed.
    ParameterError
        If a parameter is unknown or out of range.
    """
    if "search" not in content:
        extra = [key for key in KEYS if key in content]
        if extra:
            raise UsageError(f"{path}: {', '.join(extra)} belongs to a search: add `search: optuna`, or take it out")
        return None
    if content["search"] != "optuna":
        raise UsageError(f"{path}: search {content['search']!r} is not known; known: optuna")
    if find_spec("optuna") is None:
        raise UsageError(f"{path} is a search by Optuna, which is not installed: pip install optuna, or give a grid")
    missing = [key for key in ("metric", "trials") if key not in content]
    if missing:
        raise UsageError(f"{path}: a search needs {' and '.join(missing)}: see sweeps/README.md")
    numbers = {name: content.get(name, usual) for name, usual in (("trials", 0), ("batch", BATCH), ("seed", 0))}
    for name, value in numbers.items():
        check_whole(path, name, value, 0 if name == "seed" else 1)
    parameters = as_dictionary(path, "parameters", content["parameters"])
    if list(parameters) != ["ranges"]:
        raise UsageError(f"{path}: parameters is {', '.join(parameters) or 'empty'}: a search takes ranges")
    ranges = as_dictionary(path, "ranges", parameters["ranges"])
    if not ranges:
        raise UsageError(f"{path}: ranges names no parameter: give a range for each parameter to vary")
    space = {name: _choices(path, name, value) for name, value in full_names(ranges).items()}
    return Search(str(content["metric"]), _maximise(path, content), **numbers, space=space)


def _maximise(path: Path, content: dict[str, Any]) -> bool:
    """Whether more is better: known for the usual metrics, else said by the file."""
    metric, direction = str(content["metric"]), content.get("direction")
    if direction is None:
        if metric not in QUALITY:
            raise UsageError(f"{path}: whether more {metric} is better is not known: give direction, one of maximize, minimize")
        return QUALITY[metric]
    if direction not in DIRECTIONS:
        raise UsageError(f"{path}: direction {direction!r} is not known; known: {', '.join(DIRECTIONS)}")
    if metric in QUALITY and QUALITY[metric] != (direction == "maximize"):
        raise UsageError(f"{path}: of {metric}, {'more' if QUALITY[metric] else 'less'} is better: leave direction out")
    return direction == "maximize"


def _choices(path: Path, name: str, value: Any) -> Range | list[Any]:
    """What a parameter is chosen from: a range of numbers, or a list of values."""
    if isinstance(value, list):
        for item in as_list(path, name, value, object):
            check(path, {name: item})
        return value
    kind, ends = type(defaults()[name]), as_dictionary(path, name, value)
    if kind not in (int, float):
        raise UsageError(f"{path}: {name} is no number: give a list of values for it")
    if not {"low", "high"} <= set(ends) <= {"low", "high", "log"} or type(ends.get("log", False)) is not bool:
        raise UsageError(f"{path}: {name} has {', '.join(ends) or 'nothing'}: give low and high, and log: true if wanted")
    found = Range(**ends)
    for end in (found.low, found.high):
        check(path, {name: end})
    if found.low >= found.high or (found.log and found.low <= 0):
        raise UsageError(
            f"{path}: {name} goes from {found.low} to {found.high}: give low below high, above 0 where log is true"
        )
    return found


class Trials:
    """The trials of a search, a batch at a time: ask for sets of parameters, then tell what they came to.

    Parameters
    ----------
    search : Search
        What is searched. The first trial has the default of every parameter whose default lies in its range.

    Notes
    -----
    By Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), which draws the first ten trials at random.
    Trials of one batch keep apart from each other.
    """

    def __init__(self, search: Search) -> None:
        import optuna  # takes a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search = search
        self._study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=search.seed), direction="maximize" if search.maximise else "minimize"
        )
        self._distributions = {name: distribution(name, choices) for name, choices in search.space.items()}
        inside = {name: defaults()[name] for name, choices in search.space.items() if _holds(choices, defaults()[name])}
        if inside:
            self._study.enqueue_trial(inside)
        self._asked: list[optuna.Trial] = []
        self._left = search.trials

    def ask(self) -> list[dict[str, Any]]:
        """Choose the sets of parameters of the next batch.

        Returns
        -------
        list of dict of str to object
            Values by dotted name; fewer than a batch at the end, and none when the budget is used.
        """
        count = min(self._search.batch, self._left)
        self._asked, self._left = [self._study.ask(self._distributions) for _ in range(count)], self._left - count
        return [
            {name: _short(value, self._search.space[name]) for name, value in trial.params.items()} for trial in self._asked
        ]

    def tell(self, values: list[float | None]) -> None:
        """Give the result of every trial that was asked for last.

        Parameters
        ----------
        values : list of float or None
            The metric of each; None for one that has none, which the search then leaves out of account.
        """
        from optuna.trial import TrialState

        for trial, value in zip(self._asked, values, strict=True):
            self._study.tell(trial, value, TrialState.FAIL if value is None else TrialState.COMPLETE)


def distribution(name: str, choices: Range | list[Any]) -> "optuna.distributions.BaseDistribution":
    """Describe to Optuna what a parameter is chosen from.

    Parameters
    ----------
    name : str
        Dotted name of the parameter.
    choices : Range or list
        What it is chosen from.

    Returns
    -------
    optuna.distributions.BaseDistribution
        A range of whole numbers, a range of numbers, or categories.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(choices, list):
        return CategoricalDistribution(choices)
    if type(defaults()[name]) is int:
        return IntDistribution(int(choices.low), int(choices.high), log=choices.log)
    return FloatDistribution(choices.low, choices.high, log=choices.log)


def _holds(choices: Range | list[Any], value: Any) -> bool:
    return value in choices if isinstance(choices, list) else choices.low <= value <= choices.high


def _short(value: Any, choices: Range | list[Any]) -> Any:
    """A drawn number with few digits, so that the table and a command show it as it is."""
    if isinstance(choices, Range) and isinstance(value, float):
        return min(max(float(f"{value:.{DIGITS}g}"), choices.low), choices.high)
    return value

"""The sets of parameters of a sweep file: all of a grid, those of a list, or a random sample; and checks of such a file."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import ParameterError, UsageError
from workbench.run.stages import defaults, full_names, stage_parameters

FORMS = ("grid", "list", "sample")  # of the parameters


def read_form(path: Path, parameters: Any) -> tuple[str, Any]:
    """Find the form of the parameters and its content, of which the structure is checked.

    Parameters
    ----------
    path : Path
        The file, for messages.
    parameters : object
        What it has under ``parameters``.

    Returns
    -------
    form : str
        One of :data:`FORMS`.
    wanted : object
        The content of the form.

    Raises
    ------
    UsageError
        If there is no form or more than one, or its content is of the wrong kind.
    ParameterError
        If a parameter is unknown, or the end of a range is out of range.
    """
    found = list(as_dictionary(path, "parameters", parameters))
    if len(found) != 1 or found[0] not in FORMS:
        raise UsageError(f"{path}: parameters is {', '.join(map(str, found)) or 'empty'}: give one of {', '.join(FORMS)}")
    form, wanted = found[0], parameters[found[0]]
    if form == "list":
        return form, as_list(path, "list", wanted, dict)
    choices = as_dictionary(path, form, wanted)
    if form == "sample":
        if set(choices) != {"count", "seed", "from"}:
            raise UsageError(f"{path}: sample has {', '.join(map(str, choices))}: give count, seed and from")
        for name, least in (("count", 1), ("seed", 0)):
            check_whole(path, name, choices[name], least)
        choices = as_dictionary(path, "from", choices["from"])
    if not choices:
        raise UsageError(f"{path}: {form} names no parameter: give a list of values for each parameter to vary")
    for name, values in choices.items():
        as_list(path, str(name), values, object)
    for name, values in full_names(choices).items():
        if form == "sample" and _is_range(type(defaults()[name]), values):
            for end in values:  # an end out of range, such as infinity, cannot be drawn from
                check(path, {name: end})
    return form, wanted


def count_sets(form: str, wanted: Any) -> int:
    """Count the sets of parameters without making them.

    Parameters
    ----------
    form : str
        From :func:`read_form`.
    wanted : object
        Its content.

    Returns
    -------
    int
        The number of sets.
    """
    if form == "grid":
        return int(np.prod([len(values) for values in wanted.values()], dtype=object))
    return wanted["count"] if form == "sample" else len(wanted)


def make_sets(form: str, wanted: Any) -> list[dict[str, Any]]:
    """Make the sets of parameters.

    Parameters
    ----------
    form : str
        From :func:`read_form`.
    wanted : object
        Its content.

    Returns
    -------
    list of dict of str to object
        Values by dotted name; the last parameter of a grid changes fastest.
    """
    makers: dict[str, Callable[[Any], Iterator[dict[str, Any]]]] = {"grid": _grid, "list": iter, "sample": _sample}
    return [full_names(values) for values in makers[form](wanted)]


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


def check(path: Path, given: dict[str, Any]) -> None:
    """Check parameters, and name the file in the error.

    Parameters
    ----------
    path : Path
        The file.
    given : dict of str to object
        Values by name.

    Raises
    ------
    ParameterError
        If one is unknown, of the wrong type or out of range.
    """
    try:
        stage_parameters(given)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error


def check_whole(path: Path, name: str, value: Any, least: int) -> None:
    """Check that a value is a whole number.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        What the value is called there.
    value : object
        The value.
    least : int
        The least that is allowed.

    Raises
    ------
    UsageError
        If it is not.
    """
    if type(value) is not int or value < least:
        raise UsageError(f"{path}: {name} is {value!r}: give a whole number of at least {least}")


def as_dictionary(path: Path, name: str, value: Any) -> dict[Any, Any]:
    """Check that a value is a dictionary with names as keys.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        What the value is called there.
    value : object
        The value.

    Returns
    -------
    dict
        The value.

    Raises
    ------
    UsageError
        If it is not.
    """
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{path}: {name} must be names with values, as `name: value`: see sweeps/README.md")
    return value


def as_list(path: Path, name: str, value: Any, kind: type) -> list[Any]:
    """Check that a value is a list with at least one item.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        What the value is called there.
    value : object
        The value.
    kind : type
        What the items must be.

    Returns
    -------
    list
        The value.

    Raises
    ------
    UsageError
        If it is not.
    """
    if not isinstance(value, list) or not value or not all(isinstance(item, kind) for item in value):
        items: dict[type, str] = {str: "paths", dict: "dictionaries"}
        what = items.get(kind, "values")
        raise UsageError(f"{path}: {name} must be a list of {what}, as [...], with at least one: see sweeps/README.md")
    return value

"""Parameters kept by hand: chosen while looking, written to ``kept.yaml`` of the run, taken by whatever computes it next.

The file maps dotted names to values (``cluster.eps: 0.05``). A kept value takes the place of a default: a parameter that is
given any other value, in a notebook's parameters cell or on the command line, has that one.
"""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import yaml

from workbench.errors import ParameterError
from workbench.limits import KEPT_PARAMETERS_BYTES
from workbench.parameters import Parameters
from workbench.run import Run
from workbench.run.stages import defaults, full_names, stage_of, stage_parameters


def read_kept(run: Run) -> dict[str, Any]:
    """Read what is kept in a run.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    dict
        Values by dotted name; empty when nothing is kept.

    Raises
    ------
    ParameterError
        When the file is damaged, or names an unknown parameter or a value out of range.
    """
    file = run.kept_path
    if not file.is_file():
        return {}
    try:
        if file.stat().st_size > KEPT_PARAMETERS_BYTES:
            raise ValueError("it is far too large")
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        if not all(isinstance(value, str | int | float) for value in values.values()):  # lists of lists have no end when shown
            raise ValueError("every value must be a text, a number, true or false")
        values = full_names(values)
        stage_parameters(values)
    except (ParameterError, yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ParameterError(f"{file} cannot be used ({reason}): mend it, or delete it to go without") from error
    return values


def keep(run: Run, *chosen: Parameters) -> None:
    """Keep all parameters of one or more stages.

    The stages and what was built on them are released: the next notebook or command that runs them replaces them without
    ``overwrite``.

    Parameters
    ----------
    run : Run
        The run.
    *chosen : Parameters
        The parameters, one object per stage.
    """
    kept = read_kept(run)
    for parameters in chosen:
        stage = stage_of(parameters).name
        kept |= {f"{stage}.{name}": value for name, value in parameters.as_dict().items()}
    _write(run, kept)
    run.release(*(stage_of(parameters).name for parameters in chosen))


def forget_stages(run: Run, *stages: str) -> None:
    """Keep nothing for these stages any more; when they run next, they go back to their defaults without ``overwrite``.

    Parameters
    ----------
    run : Run
        The run.
    *stages : str
        Names of the stages.
    """
    _write(run, {key: value for key, value in read_kept(run).items() if key.split(".")[0] not in stages})
    run.release(*stages)


def forget_parameters(run: Run, names: Iterable[str]) -> None:
    """Keep single parameters no longer; the stages stay as they are, and are not released.

    Parameters
    ----------
    run : Run
        The run.
    names : iterable of str
        Dotted names of the parameters.
    """
    kept, names = read_kept(run), set(names)
    if names & kept.keys():
        _write(run, {key: value for key, value in kept.items() if key not in names})


def keep_recorded(run: Run) -> dict[str, Any]:
    """Keep what finished stages were made with, where it is not the default and nothing is kept yet.

    So notebooks, whose parameters cells hold the defaults, find the stages of a run that was made with other parameters as they
    are.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    dict
        What is kept in addition: values by dotted name.
    """
    kept, default = read_kept(run), defaults()
    new = {
        name: value
        for name, value in run.all_parameters.items()
        if name in default and value != default[name] and name not in kept
    }
    if new:
        _write(run, kept | new)
    return new


def with_kept(run: Run, parameters: Parameters) -> Parameters:
    """Put kept values in the place of defaults; one line is printed that names them.

    Parameters
    ----------
    run : Run
        The run.
    parameters : Parameters
        Those of one stage.

    Returns
    -------
    parameters : Parameters
        The same, with every default replaced for which another value is kept.
    """
    stage, kept = stage_of(parameters).name, read_kept(run)
    values = {item.name: kept.get(f"{stage}.{item.name}", item.default) for item in fields(parameters)}
    taken = {
        item.name: values[item.name]
        for item in fields(parameters)
        if getattr(parameters, item.name) == item.default and values[item.name] != item.default
    }
    if taken:
        print(f"Kept in this run: {', '.join(f'{name} = {value!r}' for name, value in taken.items())} ({run.kept_path})")
    return replace(parameters, **taken)


def _write(run: Run, kept: dict[str, Any]) -> None:
    in_order = {key: kept[key] for key in defaults() if key in kept}
    run.write_text(run.kept_path.name, yaml.safe_dump(in_order, sort_keys=False))

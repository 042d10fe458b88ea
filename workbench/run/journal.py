"""The crash protocol of a run: whenever the process is killed, a stage's old result stands, or its new one, whole.

A result is several files and an entry of ``run.json``, which no file system changes in one step. Therefore:

1. *Write.* New files are written into a folder of their own, ``.STAGE.partial`` (:func:`scratch`). A process that is killed
   now has changed nothing; the folder is waste, and deleted before it is used again.
2. *Decide.* A list of all changes, ``.changes.json``, is added: the stage's new record and the old files that go. Then the
   folder is renamed to ``.STAGE.done`` (:func:`decide`). The rename is one step, and from here on the new result counts.
3. *Finish.* The stage is taken out of ``run.json``, old files are deleted, new ones are moved to their places, the new record
   is written to ``run.json``, and the folder is deleted (:func:`finish`). Each of these can be done again without harm. So
   after a kill, whoever opens the run next reads the list and does all of it.

An edit by hand changes one file of a finished stage and is decided in the same way. The stage is not taken out of ``run.json``
meanwhile: its new record is written first.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.errors import RunError
from workbench.run.record import check_stage
from workbench.run.stages import STAGES
from workbench.storage.folder import is_inside, read_json, remove

CHANGES = ".changes.json"  # name of the list of changes, in the folder of a stage


def scratch(run: Path, name: str) -> Path:
    """Make an empty folder for new files.

    Parameters
    ----------
    run : Path
        The run directory.
    name : str
        Name of the stage, or one that begins with it.

    Returns
    -------
    Path
        ``.NAME.partial`` in the run directory.

    Raises
    ------
    RunError
        When the run directory is not writable.
    """
    folder = run / f".{name}.partial"
    try:
        remove(folder)
        folder.mkdir()
    except OSError as error:
        raise RunError(f"{run} cannot be written ({error.strerror}): choose another folder with --out") from error
    return folder


def decide(folder: Path, record: dict[str, Any], stage: str, made: dict[str, Any], edits: list[Any] | None = None) -> None:
    """Decide that the new files replace the old ones; :func:`finish` does it then.

    Parameters
    ----------
    folder : Path
        The new files, from :func:`scratch`.
    record : dict
        The record of the run as it is.
    stage : str
        Name of the stage.
    made : dict
        The new record of the stage.
    edits : list, optional
        All edits by hand to the stage's result. What builds on it is released then. None for a stage that was computed, whose
        edits stay as they are.
    """
    new = {item.name for item in folder.iterdir()}
    old = record["stages"].get(stage, {"outputs": []})["outputs"]
    gone = [name for name in old if name.split("/")[0] not in new] if edits is None else []
    changes = {"stage": stage, "made": made, "gone": gone, "edits": edits}
    (folder / CHANGES).write_text(json.dumps(changes), encoding="utf-8")
    done = folder.with_suffix(".done")
    remove(done)
    folder.rename(done)


def unfinished(run: Path) -> list[Path]:
    """List what was decided and is not finished.

    Parameters
    ----------
    run : Path
        The run directory.

    Returns
    -------
    list of Path
        Folders of the stages of which not all is in place.
    """
    return sorted(run.glob(".*.done"))


def finish(run: Path, record: dict[str, Any], save: Callable[[], None]) -> None:
    """Do what was decided and is not finished. Only for who holds the record lock.

    Parameters
    ----------
    run : Path
        The run directory.
    record : dict
        The record of the run, changed in place.
    save : callable
        Writes the record to ``run.json``.

    Raises
    ------
    RunError
        When a list of changes is damaged, or leads out of the run.
    """
    for folder in unfinished(run):
        if (folder / CHANGES).exists():  # else all of it is done, but for the folder
            _finish(run, folder, record, save)
        remove(folder)


def _finish(run: Path, folder: Path, record: dict[str, Any], save: Callable[[], None]) -> None:
    """Do the changes of one folder; those that were done before a kill are done again, or find nothing to do."""
    stage, made, gone, edits = _read(folder / CHANGES)
    items = sorted(item for item in folder.iterdir() if item.name != CHANGES)
    try:
        if edits is not None:
            record["stages"][stage] = made
            record.setdefault("edits", {})[stage] = edits
            release(record, tuple(name for name, found in record["stages"].items() if stage in found["inputs"]))
            save()
        elif items and record["stages"].pop(stage, None):
            save()  # while files are moved, the stage counts as not finished
    except OSError:  # a full disk, say: nothing was changed yet, so what was decided is taken back
        remove(folder)
        raise
    for name in gone:
        remove(run / name)
    for item in items:
        if item.is_dir() or (run / item.name).is_dir():  # a file takes the place of another in one step
            remove(run / item.name)
        item.replace(run / item.name)
    if edits is None:
        record["stages"][stage] = made
        save()


def _read(file: Path) -> tuple[str, dict[str, Any], list[str], list[Any] | None]:
    """Read a list of changes: the stage, its new record, old files to delete, and all edits or None."""
    try:
        found = read_json(file)
        stage, made, gone, edits = (found[name] for name in ("stage", "made", "gone", "edits"))
        check_stage(made)
        if stage not in STAGES or not all(map(is_inside, gone)) or not isinstance(edits, list | None):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged: delete the folder it is in, and run `workbench reconstruct VIDEO` again") from error
    return stage, made, gone, edits


def release(record: dict[str, Any], stages: tuple[str, ...]) -> None:
    """Mark stages, and those that build on them, as ones that may be replaced without ``overwrite``.

    Parameters
    ----------
    record : dict
        The record of the run, changed in place.
    stages : tuple of str
        Names of the stages.
    """
    for name, found in record["stages"].items():
        if _builds_on(record["stages"], name, stages):
            found["released"] = True


def _builds_on(stages: dict[str, Any], stage: str, others: tuple[str, ...]) -> bool:
    """Whether ``stage`` is one of ``others``, or was made from one of them, directly or not."""
    made_from = stages[stage]["inputs"] if stage in stages else {}
    return stage in others or any(_builds_on(stages, name, others) for name in made_from)

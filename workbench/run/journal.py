"""Put a stage's new files in the place of the old ones so that it can be finished whenever the process is killed.

New files are written into a folder of their own, ``.STAGE.partial``. It is renamed to ``.STAGE.done`` when all of them are
there, and with them a list of what is to change: that decides. Before, nothing was changed, and the folder is waste; after,
every step can be done again by whoever comes next. Steps that were done are not undone by doing the rest.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.errors import RunError
from workbench.run.record import check_stage, release
from workbench.run.stages import STAGES
from workbench.storage.folder import is_inside, read_json, remove

CHANGES = ".changes.json"


def scratch(run: Path, name: str) -> Path:
    """The folder for new files of a stage, or of what is named after one."""
    return run / f".{name}.partial"


def decide(folder: Path, record: dict[str, Any], stage: str, made: dict[str, Any], edits: list[Any] | None = None) -> None:
    """From here on the files in ``folder`` (from :func:`scratch`) are the stage's, and ``made`` is its record.

    record: of the run, as it is. edits: those made by hand to the stage's result, all of them, after which what builds on it is
    released; None leaves them as they are.
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
    """Folders of stages of which not all is in place."""
    return sorted(run.glob(".*.done"))


def finish(run: Path, record: dict[str, Any], save: Callable[[], None]) -> None:
    """Do what was decided and is not done yet. record: of the run, changed in place; save: writes it.

    Only for who holds the record lock. Raises :class:`~workbench.errors.RunError` when the list of changes is damaged.
    """
    for folder in unfinished(run):
        if (folder / CHANGES).exists():  # else all of it is done, but for the folder
            _finish(run, folder, record, save)
        remove(folder)


def _finish(run: Path, folder: Path, record: dict[str, Any], save: Callable[[], None]) -> None:
    stage, made, gone, edits = _read(folder / CHANGES)
    items = sorted(item for item in folder.iterdir() if item.name != CHANGES)
    try:
        if edits is not None:
            record["stages"][stage] = made
            record.setdefault("edits", {})[stage] = edits
            release(record, tuple(name for name, found in record["stages"].items() if stage in found["inputs"]))
            save()
        elif items and record["stages"].pop(stage, None):
            save()  # while files are moved, nobody vouches for them
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
    try:
        found = read_json(file)
        stage, made, gone, edits = (found[name] for name in ("stage", "made", "gone", "edits"))
        check_stage(made)
        if stage not in STAGES or not all(map(is_inside, gone)) or not isinstance(edits, list | None):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged: delete the folder it is in, and run `workbench reconstruct VIDEO` again") from error
    return stage, made, gone, edits

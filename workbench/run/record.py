"""``run.json``, the record of a run: read, and checked before anything in it is believed.

It says which files to delete when a stage is replaced, and where results are shared: a record that comes from a stranger must
not name anything outside the run.
"""

import math
import re
from pathlib import Path
from typing import Any

from workbench.errors import RunError
from workbench.limits import EXACT_INTEGER
from workbench.run.stages import STAGES
from workbench.storage.folder import is_inside, read_json

FORMAT = 1
# What other stages and the metrics take from a stage's info, with the kind it must be of.
TAKEN: dict[str, dict[str, type | tuple[type, ...]]] = {
    "video": {"width": int, "height": int, "frames": int, "warnings": list},
    "cluster": {"eps": (int, float)},
    "match": {"pairs": int, "pairs_per_frame": (int, float)},
    "register": {"registered": int},
}


def read_record(file: Path) -> dict[str, Any]:
    """The content of ``run.json``. Raises :class:`~workbench.errors.RunError` when it is damaged, or of another format."""
    try:
        record = read_json(file)
        if record["format"] != FORMAT:
            raise RunError(f"{file} has format {record['format']!r}, this workbench reads {FORMAT}: start a new run")
        _check(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged: start a new run in another folder") from error
    return record


def check_info(file: Path, stage: str, info: dict[str, Any]) -> None:
    """Raises :class:`~workbench.errors.RunError` when a stage's info lacks what is taken from it."""
    for name, kind in TAKEN.get(stage, {}).items():
        value = info.get(name)
        if (
            not isinstance(value, kind)
            or isinstance(value, bool)
            or (isinstance(value, int | float) and not 0 <= value < EXACT_INTEGER)
        ):
            raise RunError(f"{file} is damaged (stage {stage} has no {name}): start a new run in another folder")


def release(record: dict[str, Any], stages: tuple[str, ...]) -> None:
    """Mark stages, and those that build on them, as ones that may be replaced unasked."""
    for name, found in record["stages"].items():
        if _builds_on(record["stages"], name, stages):
            found["released"] = True


def _builds_on(stages: dict[str, Any], stage: str, others: tuple[str, ...]) -> bool:
    """Whether ``stage`` is one of ``others``, or was made from one of them, directly or not."""
    made_from = stages[stage]["inputs"] if stage in stages else {}
    return stage in others or any(_builds_on(stages, name, others) for name in made_from)


def _check(record: dict[str, Any]) -> None:
    """Raises ValueError, KeyError, TypeError or AttributeError unless everything in the record is of the kind it should be."""
    source = record["source"]
    _demand(isinstance(source["path"], str) and "\0" not in source["path"])
    _demand(re.fullmatch("[0-9a-f]{64}", source["sha256"]))
    _demand(_are_all(str, record.get("versions", {}).values()))
    # A sweep's runs lie in cells/NAME beside the store. No other folder is shared through.
    _demand("store" not in record or re.fullmatch(r"(\.\./)+store", record["store"]))
    _demand(all(isinstance(edits, list) and _are_all(dict, edits) for edits in record.get("edits", {}).values()))
    earlier = {"source"}
    for stage in STAGES:
        if stage in record["stages"]:
            check_stage(record["stages"][stage])
            _demand(earlier.issuperset(record["stages"][stage]["inputs"]))  # or a stage would be built on itself
        earlier.add(stage)
    _demand(earlier.issuperset(record["stages"]))


def check_stage(found: dict[str, Any]) -> None:
    """The same for the record of one stage."""
    _demand(all(isinstance(value, str | int | float) for value in found["parameters"].values()))
    _demand(_are_all(str, [found["fingerprint"], found["finished"], *found["inputs"].values()]))
    _demand(isinstance(found["outputs"], list) and found["outputs"] and all(map(is_inside, found["outputs"])))
    _demand(re.fullmatch("[0-9a-f]{64}", found.get("shared", "0" * 64)))
    _demand(isinstance(found["seconds"], int | float) and math.isfinite(found["seconds"]))
    _demand(_are_all(str, found["info"].keys()))
    told = [*found["info"].get("warnings", []), *found["info"].get("edits_left_out", [])]
    _demand(all(isinstance(text, str) and "\n" not in text for text in told))


def _are_all(kind: type, values: Any) -> bool:
    return all(isinstance(value, kind) for value in values)


def _demand(holds: Any) -> None:
    if not holds:
        raise ValueError("not what it should be")

"""HDF5 files made block by block: the blocks that a killed run finished stay, and the file is joined at the end.

A file is made in ``<file>.parts/``, one part per block, and joined. Nothing in it depends on the clock or on where a killed run
stopped, so a continued run ends with the same bytes as an uninterrupted one. The file attributes ``format_version``,
``parameters`` (JSON) and ``key`` say what made it.
"""

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from socket import gethostname
from typing import Any, Generic, TypeVar

import h5py
import numpy as np

from workbench.errors import RunError
from workbench.progress import Progress, Steps

T = TypeVar("T")

MapBlocks = Callable[..., Iterable[Any]]  # as ``map``: calls a function for each block; results may come in any order
FORMAT_VERSION = 1
H5_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError)  # what h5py raises for damaged files

# Files of pairs are millions of small datasets. To make and to copy one through h5py's groups takes twice as long.
_WITH_GROUPS = h5py.h5p.create(h5py.h5p.LINK_CREATE)
_WITH_GROUPS.set_create_intermediate_group(True)
_NO_TIMES = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
_NO_TIMES.set_obj_track_times(False)

Entry = tuple[str, dict[str, np.ndarray]]  # group name, datasets of the group


@dataclass(frozen=True)
class BlockJob:
    """How a file is made block by block: what it is made from, what is kept, who computes, and who is told.

    Attributes
    ----------
    key : str
        Fingerprint of the inputs and the weights. Blocks and files with another key are made again.
    parts : Path or None
        Folder for finished blocks, which a killed job goes on from; None for ``OUT.parts`` beside the file.
    progress : bool or callable
        As for :class:`~workbench.progress.Steps`: after every item, or every block where other processes compute them.
    map_blocks : callable
        Goes through the blocks as ``map`` does, perhaps in other processes. These must see all files under the same paths,
        which are absolute then.
    reuse : tuple of Path
        Finished files of the same kind, made from the same inputs. Entries that are in one of them are copied.
    """

    key: str
    parts: Path | None = None
    progress: Progress = True
    map_blocks: MapBlocks = map
    reuse: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Block:
    """Some of the items of a file.

    Attributes
    ----------
    part : Path
        Where they are kept until the file is joined.
    items : sequence
        The items, in their order.
    attributes : dict
        The attributes of the part's file, which say what it was made from.
    """

    part: Path
    items: Sequence[Any]
    attributes: dict[str, Any]


def write_in_blocks(
    out: Path,
    items: Sequence[Any],
    block_size: int,
    compute: Callable[[Sequence[Any]], Iterable[Entry]],
    parameters: dict[str, Any],
    job: BlockJob,
) -> Path:
    """Write the entries of ``items`` to a file, keeping finished blocks when the process is killed.

    Parameters
    ----------
    out : Path
        The file, replaced at the end in one step.
    items : sequence
        What there are entries of, such as frames or pairs.
    block_size : int
        Items per block, at least 1: what a killed process loses at most.
    compute : callable
        ``compute(items)`` yields the entries of a block of items. Other processes receive it pickled.
    parameters : dict
        Written to the attributes of the file, as JSON.
    job : BlockJob
        Blocks left by an earlier call are reused only if they were made with the same ``parameters``, ``job.key`` and range.

    Returns
    -------
    Path
        ``out``.
    """
    parts = job.parts or out.with_name(out.name + ".parts")
    parts.mkdir(parents=True, exist_ok=True)
    blocks = []
    for number, start in enumerate(range(0, len(items), block_size)):
        some = items[start : start + block_size]
        attributes = _attributes(parameters, job.key, start=start, stop=start + len(some))
        blocks.append(Block(parts / f"{number:06d}.h5", some, attributes))
    finished: list[Block] = []
    missing: list[Block] = []
    for block in blocks:
        (finished if _has_attributes(block.part, block.attributes) else missing).append(block)
    found = sum(len(block.items) for block in finished)
    with Steps(job.progress, len(items), out.stem, "item", found) as steps:
        step = steps.update if job.map_blocks is map else None  # other processes cannot call it
        for uncounted in job.map_blocks(partial(_write_block, compute, step), missing):
            steps.update(uncounted)
    join_files(out, [block.part for block in blocks], parameters, job.key)
    shutil.rmtree(parts)
    return out


def _write_block(compute: Callable[[Sequence[Any]], Iterable[Entry]], step: Callable[[], None] | None, block: Block) -> int:
    """Write the part of a block; returns how many of its items ``step`` was not called for, the last at least."""
    uncounted = len(block.items)
    if not block.part.parent.is_dir():
        raise RunError(f"{block.part.parent} is not there on {gethostname()}: every worker must see it under this path")
    with _new_file(block.part, block.attributes) as file:
        for number, (name, datasets) in enumerate(compute(block.items)):
            if step and number:  # the last item counts when the block is whole
                step()
                uncounted -= 1
            for dataset in sorted(datasets):
                values = np.ascontiguousarray(datasets[dataset])
                kind, shape = h5py.h5t.py_create(values.dtype, logical=True), h5py.h5s.create_simple(values.shape)
                made = h5py.h5d.create(file.id, f"{name}/{dataset}".encode(), kind, shape, _NO_TIMES, _WITH_GROUPS)
                made.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return uncounted


def join_files(out: Path, files: Sequence[Path], parameters: dict[str, Any], key: str) -> Path:
    """Write the entries of several files into one, in the order of the files.

    Parameters
    ----------
    out : Path
        The file, replaced in one step.
    files : sequence of Path
        Files whose entries are all different.
    parameters, key : dict, str
        As for :func:`write_in_blocks`.

    Returns
    -------
    Path
        ``out``.
    """
    with _new_file(out, _attributes(parameters, key)) as file:
        for part in files:
            with h5py.File(part, "r") as block:
                for name in _leaf_groups(h5py.h5g.open(block.id, b"/")):
                    h5py.h5o.copy(block.id, name, file.id, name, lcpl=_WITH_GROUPS)
    return out


def _attributes(parameters: dict[str, Any], key: str, **block: int) -> dict[str, Any]:
    made_from = {"format_version": FORMAT_VERSION, "parameters": json.dumps(parameters, sort_keys=True), "key": key}
    return made_from | block


def is_made_from(path: Path, parameters: dict[str, Any], key: str) -> bool:
    """Whether a finished file was made from exactly these parameters and inputs.

    Parameters
    ----------
    path : Path
        The file; one that is missing or unreadable counts as not made.
    parameters, key : dict, str
        As for :func:`write_in_blocks`.

    Returns
    -------
    bool
        True when format version, parameters and key are the same.
    """
    return _has_attributes(path, _attributes(parameters, key))


def _has_attributes(path: Path, attributes: dict[str, Any]) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return dict(file.attrs) == attributes
    except H5_ERRORS:
        return False


def _leaf_groups(group: h5py.h5g.GroupID, prefix: bytes = b"") -> Iterator[bytes]:
    """Names of the groups that hold datasets, sorted: frames of a features file, ``A/B`` of a matches file."""
    for number in range(group.get_num_objs()):
        name = group.get_objname_by_idx(number)
        below = h5py.h5g.open(group, name)
        if below.get_num_objs() and below.get_objtype_by_idx(0) == h5py.h5g.DATASET:
            yield prefix + name
        else:
            yield from _leaf_groups(below, prefix + name + b"/")


@contextmanager
def _new_file(path: Path, attributes: dict[str, Any]) -> Iterator[h5py.File]:
    """A file to fill, under a temporary name until it is whole; its bytes depend on the contents alone (no times).

    The name is its own: a worker that was given up may still write the same file when another begins.
    """
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with h5py.File(new, "w", libver="earliest") as file:
            for name, value in attributes.items():
                file.attrs[name] = value
            yield file
        new.replace(path)
    except (RuntimeError, OSError) as error:
        refused = re.search(r"errno = (\d+)", str(error))  # only in words does HDF5 say what the disk refused
        if refused is None:
            raise
        raise OSError(int(refused[1]), os.strerror(int(refused[1])), str(path)) from error
    finally:
        new.unlink(missing_ok=True)


class Loaded(Generic[T]):
    """Something that takes long to load, such as a network.

    It is pickled as the way to load it: another process loads it once, whatever the number of blocks.

    Parameters
    ----------
    load : callable
        A function of a module, called with ``parameters``.
    parameters : hashable
        Its argument.
    key : str
        Fingerprint that covers the weights, since retrained ones may have the same name.

    Attributes
    ----------
    value : object
        What ``load`` returned.
    """

    def __init__(self, load: Callable[[Any], T], parameters: Any, key: str) -> None:
        self.value, self._made_from = load(parameters), (load, parameters, key)

    def __reduce__(self) -> tuple[Callable[..., "Loaded[T]"], tuple[Any, ...]]:
        return _loaded, self._made_from


@lru_cache(maxsize=2)  # what finds keypoints, and what matches them
def _loaded(load: Callable[[Any], T], parameters: Any, key: str) -> Loaded[T]:
    return Loaded(load, parameters, key)

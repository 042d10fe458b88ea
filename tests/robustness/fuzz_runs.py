"""Broken and hostile run directories for ``fuzz.py``: each function changes a copy of a finished run.

Paths that lead out of the run lead to a folder of canary files, which must not change.
"""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.random import Generator

from tests.robustness.fuzz_videos import Bench

Change = Callable[[Generator, Path, Bench], None]
ODD_NUMBERS = [
    0,
    -1,
    1.5,
    1e300,
    -1e300,
    "nan",
    "inf",
    "-inf",
    "",
    "x",
    2**31,
    2**53,
    2**63,
    2**64,
    -(2**63),
    10**30,
    "1e5",
    "0x10",
]
# What a record may hold instead of edits of an order: other types, and frames that are not there.
EDITS = [
    [{"flip": [0, 10**9]}], [{"move": "x"}], [1], "x", [{}], [{"flip": 1}], None, [{"join": [0, 0]}], [{"cut": [0, 1.5]}],
    [{"set_aside": [*range(14)]}], [{"first": [0]}], [{"scenes": [0, "a\nb"]}],
]  # fmt: skip


class Executed:
    """Shows that it was unpickled, by making a file."""

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.system, ("touch executed",)


def _choice(rng: Generator, items: Any) -> Any:
    items = list(items)
    return items[rng.integers(len(items))]


def _files(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob("*") if path.is_file() and path.suffix != ".lock")


def damaged_files(rng: Generator, run: Path, bench: Bench) -> None:
    """Truncate, empty, corrupt or delete a file of the run, or replace it by another."""
    files = [path for path in _files(run) if path.suffix != ".mp4"]
    for _ in range(rng.integers(1, 3)):
        path = _choice(rng, files)
        data = bytearray(path.read_bytes())
        match rng.integers(6):
            case 0:
                path.write_bytes(data[: rng.integers(0, max(1, len(data)))])
            case 1:
                path.write_bytes(b"")
            case 2 | 3:
                for place in rng.integers(0, max(1, len(data)), 20):
                    data[place : place + 1] = rng.bytes(1)
                path.write_bytes(data)
            case 4:
                path.unlink()
            case _:
                shutil.copy(_choice(rng, _files(run)), path)
        files = [path for path in files if path.is_file()]


def damaged_h5(rng: Generator, run: Path, bench: Bench) -> None:
    """Corrupt bytes of a features or matches file, or truncate it."""
    path = run / _choice(rng, ["features.h5", "matches.h5"])
    data = bytearray(path.read_bytes())
    if rng.integers(4) == 0:
        data = data[: rng.integers(1, len(data))]
    else:
        top = len(data) if rng.integers(2) else 4096
        for place in rng.integers(0, top, rng.integers(1, 40)):
            data[place : place + 1] = rng.bytes(1)
    path.write_bytes(data)


def foreign_h5(rng: Generator, run: Path, bench: Bench) -> None:
    """Links to other files, external and virtual data, wrong shapes, types and values, absurd sizes."""
    path = run / _choice(rng, ["features.h5", "matches.h5"])
    outside = str(run.parent / "canary" / "other.h5")
    shutil.copy(path, outside)
    with h5py.File(path, "r+") as file:
        groups: list[str] = []
        file.visititems(lambda name, item: groups.append(name) if isinstance(item, h5py.Dataset) else None)
        name = _choice(rng, groups)
        shape, kind, values = file[name].shape, file[name].dtype, file[name][()]
        del file[name]
        match rng.integers(12):
            case 0:
                file[name] = h5py.ExternalLink(outside, name)
            case 1:
                file[name] = h5py.SoftLink("/" + _choice(rng, [other for other in groups if other != name]))
            case 2:
                storage = [(str(run.parent / "canary" / "victim.txt"), 0, h5py.h5f.UNLIMITED)]
                file.create_dataset(name, shape, kind, external=storage)
            case 3:
                layout = h5py.VirtualLayout(shape, kind)
                layout[...] = h5py.VirtualSource(outside, name, shape)
                file.create_virtual_dataset(name, layout)
            case 4:
                file.create_dataset(name, data=np.full(shape, np.nan, np.float32))
            case 5:
                file.create_dataset(name, data=np.full(shape, np.inf, np.float32))
            case 6:
                file.create_dataset(name, data=np.array([b"text", b"more"]))
            case 7:
                file.create_dataset(name, (2**20, 2**20), kind, chunks=(1024, 1024))
            case 8:
                file.create_dataset(name, (2**34,), kind, chunks=(2**20,), compression="gzip")
            case 9:
                file.create_dataset(name, data=np.full(shape, 2**30, np.int64))
            case 10:
                file.create_dataset(name, data=values[: len(values) // 2])
            case _:
                file.create_group(name)


def arrays(rng: Generator, run: Path, bench: Bench) -> None:
    """Embeddings and working copies with NaN, of another shape or type, absurdly large, or pickled."""
    path = run / _choice(rng, ["embeddings.npy", "embeddings.npy", "proxies/frames.npy"])
    values = np.load(path)
    match rng.integers(10):
        case 0:
            values = values.astype(np.float32)
            values[rng.integers(len(values))] = _choice(rng, [np.nan, np.inf, -np.inf])
        case 1:
            values = values[: rng.integers(0, len(values))]
        case 2:
            values = np.concatenate([values, values])
        case 3:
            values = values.reshape(-1)
        case 4:
            values = values.astype(_choice(rng, ["f8", "i4", "c8", "U4", "?", "M8[s]"]))
        case 5:
            values = np.array([Executed()], dtype=object)
        case 6:
            with path.open("r+b") as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": values.dtype.str, "fortran_order": False, "shape": (2**40, *values.shape[1:])}
                )
            return
        case 7:
            path.write_bytes(pickle.dumps(Executed()))
            return
        case 8:
            values = np.zeros_like(values)
        case _:
            with path.open("wb") as file:
                np.savez(file, values)
            return
    with path.open("wb") as file:
        np.save(file, values, allow_pickle=True)


def matrices(rng: Generator, run: Path, bench: Bench) -> None:
    """The matrices behind an order: archives that unpack to gigabytes, pickles, NaN, wrong frames, wrong shapes."""
    path = _choice(rng, sorted((run / "distances").glob("*.npz")))
    with np.load(path) as found:
        values = dict(found)
    name = _choice(rng, sorted(values))
    match rng.integers(8):
        case 0:
            np.savez_compressed(path, **values | {name: np.zeros(2**27)})
            return
        case 1:
            values[name] = np.array([Executed()], dtype=object)
        case 2:
            values[name] = np.full(values[name].shape, np.nan)
        case 3:
            values[name] = values[name][:-1]
        case 4:
            values["frames"] = values["frames"] + 2**40
        case 5:
            values["order"] = np.zeros_like(values["order"])
        case 6:
            del values[name]
        case _:
            path.rename(path.with_name(_choice(rng, ["scene99999999999.npz", "sceneX.npz", "scene-1.npz"])))
            return
    np.savez(path, **values)


def tables(rng: Generator, run: Path, bench: Bench) -> None:
    """Absurd numbers in a table, a row too few or too many, a missing column."""
    path = run / _choice(
        rng, ["order.csv", "order.csv", "clusters.csv", "scenes.csv", "transforms.csv", "alignment.csv", "pairs.txt"]
    )
    lines = path.read_text().splitlines()
    row = int(rng.integers(0, len(lines)))
    cells = lines[row].split(",")
    match rng.integers(6):
        case 0 | 1 | 2:
            cells[rng.integers(len(cells))] = str(_choice(rng, ODD_NUMBERS))
            lines[row] = ",".join(cells)
        case 3:
            del lines[row]
        case 4:
            lines.insert(row, lines[row])
        case _:
            lines = [line.rpartition(",")[0] for line in lines]
    path.write_text("\n".join(lines) + "\n")


def records(rng: Generator, run: Path, bench: Bench) -> None:
    """A run.json that names files outside the run, or has a value of another kind anywhere."""
    path = run / "run.json"
    record = json.loads(path.read_text())
    stage = _choice(rng, sorted(record["stages"]))
    canary = run.parent / "canary"
    out = ["../canary/victim.txt", "../canary", str(canary / "victim.txt"), "..", "a/../../canary", "/", "\0", "."]
    odd = [None, 0, -1, 1e308, "", "x" * 10**6, [], {}, [[]], True, float("nan"), 10**400, "../canary", "a\nb", {"a": None}]
    match rng.integers(9):
        case 0 | 1:
            record["stages"][stage]["outputs"] = [_choice(rng, out)]
        case 2:
            address = f"http://127.0.0.1:{bench.port}/a.mp4"
            words = [str(bench.secret), "/etc/passwd", "/dev/zero", "pipe:0", address, str(run), "\0"]
            record["source"]["path"] = _choice(rng, words)
        case 3:
            record["store"] = _choice(rng, ["../canary", "..", str(canary), "../../store", "."])
        case 4:
            found = record["stages"][stage]
            found[_choice(rng, sorted(found))] = _choice(rng, odd)
        case 5:
            found = record["stages"][stage]["info"]
            found[_choice(rng, sorted(found) or ["width"])] = _choice(rng, odd)
        case 6:
            record[_choice(rng, sorted(record))] = _choice(rng, odd)
        case 7:
            record["edits"] = {"order": _choice(rng, EDITS)}
        case _:
            record["stages"]["video"]["inputs"] = {"write": record["stages"]["write"]["fingerprint"]}
    text = json.dumps(record)
    if rng.integers(12) == 0:
        text = "[" * 200_000
    path.write_text(text)


def links(rng: Generator, run: Path, bench: Bench) -> None:
    """A symbolic link, hard link or pipe instead of a file or folder, or instead of one that is made later."""
    canary = run.parent / "canary"
    later = [
        ".run.json.partial", ".order.csv.partial", ".metrics.json.partial", "report.html", ".video.partial", ".order.partial",
        ".order.done", ".work.lock", ".record.lock", ".holder.json", ".holder.json.partial", "features.h5.parts",
        "matches.h5.parts", "lab", "notebooks", ".order.edits.partial",
    ]  # fmt: skip
    name = _choice(
        rng, later if rng.integers(2) else [path.relative_to(run).as_posix() for path in _files(run)] + ["distances"]
    )
    path = run / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    match rng.integers(5):
        case 0:
            os.mkfifo(path)
        case 1:
            path.hardlink_to(canary / "victim.txt")
        case 2:
            path.symlink_to(canary)
        case 3:
            path.symlink_to(os.path.relpath(canary / "victim.txt", path.parent))
        case _:
            path.symlink_to(canary / "not there yet")


def journals(rng: Generator, run: Path, bench: Bench) -> None:
    """Folders like those that a killed process leaves."""
    record = json.loads((run / "run.json").read_text())
    stage = _choice(rng, sorted(record["stages"]))
    folder = run / f".{stage}.done"
    folder.mkdir()
    made = record["stages"][stage]
    if rng.integers(2):
        made["outputs"] = ["../canary/victim.txt"]
    gone = _choice(rng, [["../canary"], ["../canary/victim.txt"], ["/tmp/x"], ["run.json"], [], "x", [1], None])
    changes = {"stage": _choice(rng, [stage, "../canary", "x", 1]), "made": made, "gone": gone, "edits": None}
    (folder / ".changes.json").write_text(_choice(rng, [json.dumps(changes), json.dumps(changes), "{", "", "[]"]))
    if rng.integers(2):
        (folder / "order.csv").symlink_to(run.parent / "canary" / "victim.txt")


def kept(rng: Generator, run: Path, bench: Bench) -> None:
    """A kept.yaml with Python tags, exponential expansion or deep nesting, or with invalid values."""
    texts = [
        "!!python/object/apply:os.system ['touch executed']\n",
        "cluster.eps: !!python/object/apply:os.system ['touch executed']\n",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join(['*' + chr(97 + k)] * 9)}]\n" for k in range(12))
        + "cluster.eps: *m\n",
        "[" * 5000,
        "cluster.eps: .nan\n", "cluster.eps: 1e999\n", "write.crf: 99999999999999999999\n", "cluster: {eps: 0.1}\n", "- 1\n",
        "? [a, b]\n: 1\n", "x\n", "\0", "cluster.eps: 0.1\n" * 1000, "video.proxy_size: 100000000\n", "1: 2\n",
        "&a [*a]\n", "cluster.eps: &a [*a]\n", "embed.backbone: ../canary\n", "features.max_keypoints: 1e9\n",
    ]  # fmt: skip
    (run / "kept.yaml").write_text(_choice(rng, texts))


RUNS: dict[str, Change] = {
    "files damaged": damaged_files,
    "HDF5 damaged": damaged_h5,
    "HDF5 foreign": foreign_h5,
    "arrays": arrays,
    "matrices": matrices,
    "tables": tables,
    "run.json": records,
    "links": links,
    "journals": journals,
    "kept.yaml": kept,
}


def truths(rng: Generator, path: Path) -> None:
    """A truth file with absurd numbers, or damaged."""
    lines = path.read_text().splitlines()
    row = int(rng.integers(0, len(lines)))
    cells = lines[row].split(",")
    cells[rng.integers(len(cells))] = str(_choice(rng, ODD_NUMBERS))
    lines[row] = ",".join(cells)
    data = "\n".join(lines).encode()
    path.write_bytes(data if rng.integers(3) else data[: rng.integers(len(data))] + rng.bytes(20))

"""Run directories as a stranger may have made them: nothing in them is followed, executed or trusted before it is checked."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.helpers.tiny import refused, workbench
from workbench.errors import ParameterError, RunError
from workbench.evaluation.files import read_order
from workbench.parameters import ClusterParameters, EmbedParameters, Parameters
from workbench.run import Run
from workbench.run.kept import read_kept
from workbench.storage import blocks, hloc
from workbench.storage.arrays import read_array, read_arrays, read_table
from workbench.storage.blocks import BlockJob


@pytest.fixture
def run(tmp_path) -> Run:
    """Two finished stages; beside the run lies ``mine.txt``, which must not change."""
    (tmp_path / "mine.txt").write_text("mine")
    source = tmp_path / "video.mp4"
    source.write_bytes(b"not looked into")
    made = Run.create(tmp_path / "run", source)
    made.stage("embed", EmbedParameters(), (), ("a.txt",), lambda folder: (folder / "a.txt").write_text("a") and {})
    return made


class Executed:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.parametrize("name", ["a.txt", ".run.json.partial", ".embed.partial", "proxies", "features.h5.parts", ".work.lock"])
@pytest.mark.parametrize("kind", ["file", "folder", "pipe"])
def test_links_and_pipes_are_refused(run, tmp_path, name: str, kind: str):
    """In place of what is there, and of what will be: what they lead to stays as it is, and nothing waits for the pipe."""
    (run.path / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(run.path / name)
    else:
        (run.path / name).symlink_to(tmp_path / "mine.txt" if kind == "file" else tmp_path)
    refused(workbench("flip", run.path), 1, "neither a file nor a folder" if kind == "pipe" else "is a link (to ")
    with pytest.raises(RunError, match="delete it first"):
        Run.create(run.path, tmp_path / "video.mp4")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_hard_link_in_the_place_of_a_partial_file_is_not_written_through(run, tmp_path):
    (run.path / ".run.json.partial").hardlink_to(tmp_path / "mine.txt")
    Run.open(run.path).release("embed")
    assert (tmp_path / "mine.txt").read_text() == "mine" and Run.open(run.path).record["stages"]["embed"]["released"]


def broken(record: dict, place: str, value: object) -> dict:
    *path, last = place.split("/")
    for part in path:
        record = record[part]
    record[last] = value
    return record


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("stages/embed/outputs", ["../mine.txt"]),
        ("stages/embed/outputs", ["a/../../mine.txt"]),
        ("stages/embed/outputs", ["/etc/passwd"]),
        ("stages/embed/outputs", []),
        ("stages/embed/outputs", "a.txt"),
        ("stages/embed/inputs", {"write": "x"}),  # a stage that is built on a later one, and so on itself
        ("stages/embed/inputs", {"embed": "x"}),
        ("stages/embed/seconds", "x"),
        ("stages/embed/info", {"warnings": [1]}),
        ("stages/x", {}),
        ("store", ".."),
        ("store", "../mine"),
        ("store", "/tmp/store"),
        ("source/path", 1),
        ("source/sha256", "../x"),
        ("edits", {"order": "x"}),
    ],
)
def test_a_record_that_leads_out_or_astray_is_damaged(run, tmp_path, place: str, value: object):
    record = json.loads((run.path / "run.json").read_text())
    broken(record, place, value)
    (run.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"run\.json is damaged: start a new run in another folder"):
        Run.open(run.path)
    with pytest.raises(RunError, match="is damaged"):  # one that was open before
        run.stage("embed", EmbedParameters(seed=1), (), ("b.txt",), lambda folder: None, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_record_without_end(run):
    (run.path / "run.json").write_text("[" * 100_000)
    with pytest.raises(RunError, match="is damaged"):
        Run.open(run.path)


def test_info_that_lacks_a_required_figure(run):
    run.stage("cluster", ClusterParameters(), ("embed",), ("b.txt",), lambda folder: (folder / "b.txt").touch() or {"eps": "x"})
    with pytest.raises(RunError, match=r"damaged .stage cluster has no eps"):
        run.info("cluster")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[1, np.nan]], np.float32), "finite"),
        (np.array([[1, np.inf]], np.float32), "finite"),
        (np.ones((1, 2)), "float64"),
        (np.ones((2, 2), np.float32), "where float32"),
        (np.ones(2, np.float32), "where float32"),
        (np.array([Executed()]), "object"),
    ],
)
def test_arrays_of_another_type_or_shape(tmp_path, monkeypatch, values: np.ndarray, reason: str):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", values, allow_pickle=True)
    with pytest.raises(RunError, match=rf"a\.npy is damaged \(.*{reason}"):
        read_array(Path("a.npy"), np.float32, (1, None))
    assert not Path("executed").exists()


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"PK\x03\x04", b"x" * 1000, b"\x80\x04."])
def test_files_that_are_no_arrays(tmp_path, data: bytes):
    for name, read in (
        ("a.npy", lambda file: read_array(file, np.float32, (1,))),
        ("a.npz", lambda file: read_arrays(file, 1, "x")),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RunError, match="is damaged"):
            read(tmp_path / name)


def test_an_array_that_claims_to_be_huge_takes_no_memory(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 2)})
    with pytest.raises(RunError, match="is damaged"):
        read_array(tmp_path / "a.npy", np.float32, (None, 2))


def test_matrices(tmp_path):
    """Compressed, they might unpack to any size; frames are frames of the video; no pickles."""
    file = tmp_path / "scene00.npz"
    whole = {"frames": np.array([2, 0]), "order": np.array([1, 0]), "shown": np.array([0, 1])}
    good = whole | {"confidence": np.array([np.nan]), "fused": np.eye(2)}
    np.savez(file, **good)
    assert [values.tolist() for values in read_arrays(file, 3, "frames", "order")] == [[2, 0], [1, 0]]
    np.savez_compressed(file, **good)
    with pytest.raises(RunError, match="it is compressed"):
        read_arrays(file, 3, "fused")
    for name, values in (
        ("frames", np.array([0, 3])), ("frames", np.array([1, 1])), ("order", np.array([0, 0])), ("confidence", np.ones(2)),
        ("fused", np.eye(3)), ("fused", np.full((2, 2), np.nan)), ("fused", np.array([Executed()])),
    ):  # fmt: skip
        np.savez(file, **good | {name: values})
        with pytest.raises(RunError, match="is damaged"):
            read_arrays(file, 3, "order", "confidence", "fused")


@pytest.mark.parametrize("cell", ["-2", "3", "1.5", "1e300", "nan", "x", str(2**64), ""])
def test_absurd_numbers_in_a_table(tmp_path, cell: str):
    (tmp_path / "a.csv").write_text(f"position,scene\n0,{cell}\n")
    with pytest.raises(RunError, match=r"a\.csv is damaged \(not all of column scene are"):
        read_table(tmp_path / "a.csv", {"position": (0, 9), "scene": (-1, 2)}, rows=1)


@pytest.mark.parametrize("row", ["0,9999999999,0", "0,0,9999999999", "0,1e300,0", f"0,{2**70},0"])
def test_absurd_scenes_and_places(tmp_path, row: str):
    """Work that grows with the number of a scene would not end."""
    (tmp_path / "order.csv").write_text(f"position,scene,order\n{row}\n")
    with pytest.raises(RunError, match=r"beyond 10,000,000|give a whole number"):
        read_order(tmp_path / "order.csv")


@pytest.fixture
def features(tmp_path) -> Path:
    """A features file of one frame with two keypoints."""
    found = hloc.Features(
        np.ones((2, 2), np.float32), np.ones(2, np.float32), np.ones((4, 2), np.float32), np.array([64, 48], np.int64)
    )
    return blocks.write_in_blocks(
        tmp_path / "features.h5", [0], 1, lambda *_: [hloc.feature_entry(0, found)], {}, BlockJob("key", progress=False)
    )


def replaced(file: Path, name: str, make) -> None:
    with h5py.File(file, "r+") as opened:
        group = opened["000000.png"]
        del group[name]
        make(group, name)


FOREIGN = {
    "external link": lambda group, name: group.__setitem__(name, h5py.ExternalLink("other.h5", "/x")),
    "soft link": lambda group, name: group.__setitem__(name, h5py.SoftLink("/000000.png/scores")),
    "external storage": lambda group, name: group.create_dataset(name, (2, 2), "f4", external=[("mine.txt", 0, 16)]),
    "virtual": lambda group, name: group.create_virtual_dataset(name, h5py.VirtualLayout((2, 2), "f4")),
    "group": lambda group, name: group.create_group(name),
    "not a number": lambda group, name: group.create_dataset(name, data=np.full((2, 2), np.nan, np.float32)),
    "text": lambda group, name: group.create_dataset(name, data=np.array([[b"a", b"b"]] * 2)),
    "flat": lambda group, name: group.create_dataset(name, data=np.ones(4, np.float32)),
    "huge": lambda group, name: group.create_dataset(name, (2**40, 2), "f4", chunks=(2**16, 2)),
    "more": lambda group, name: group.create_dataset(name, data=np.ones((3, 2), np.float32)),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_datasets_that_lie_elsewhere_or_are_none(features, kind: str):
    replaced(features, "keypoints", FOREIGN[kind])
    with hloc.open_h5(features) as file, pytest.raises(RunError, match="is damaged: delete the file and run its stage again"):
        hloc.read_features(file, 0)


def test_matches_of_keypoints_that_are_not_there(tmp_path):
    entry = hloc.match_entry(0, 1, np.array([0, 5]), np.ones(2))
    out = blocks.write_in_blocks(tmp_path / "matches.h5", [0], 1, lambda *_: [entry], {}, BlockJob("key", progress=False))
    with hloc.open_h5(out) as file:
        hloc.read_matches(file, 0, 1, (2, 6))
        for counts in (2, 5), (3, 6):
            with pytest.raises(RunError, match=r"matches0 of .* is damaged"):
                hloc.read_matches(file, 0, 1, counts)


@pytest.mark.parametrize(
    "text",
    [
        "cluster.eps: !!python/object/apply:os.system ['touch executed']\n",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
        )
        + "cluster.eps: *l\n",
        "[" * 5000,
        "cluster.eps: &a [*a]\n",
    ],
    ids=["object", "without end", "deep", "itself"],
)
def test_what_is_kept_is_plain(run, tmp_path, monkeypatch, text: str):
    monkeypatch.chdir(tmp_path)
    (run.path / "kept.yaml").write_text(text)
    with pytest.raises(ParameterError, match="mend it, or delete it") as caught:
        read_kept(run)
    assert not Path("executed").exists() and len(str(caught.value)) < 1000


def test_a_run_that_was_begun_and_killed_is_made(tmp_path):
    """The process died between making the folder and its record."""
    (tmp_path / "video.mp4").write_bytes(b"not looked into")
    (tmp_path / "run").mkdir()
    for name in (".run.json.partial", ".record.lock"):
        (tmp_path / "run" / name).touch()
    assert Run.create(tmp_path / "run", tmp_path / "video.mp4").record["stages"] == {}


def test_outputs_are_removed_in_the_run_alone(run):
    """An output that became a folder is replaced as well."""
    (run.path / "a.txt").unlink()
    (run.path / "a.txt").mkdir()
    run.stage("embed", Parameters(), (), ("a.txt",), lambda folder: (folder / "a.txt").write_text("b") and {}, overwrite=True)
    assert (run.path / "a.txt").read_text() == "b"

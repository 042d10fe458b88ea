"""hloc's layout, and files written in blocks: a killed run that goes on must end with the same bytes."""

import resource

import h5py
import numpy as np
import pytest

from workbench.errors import DISK_ERRNOS, MissingStageError, RunError
from workbench.storage import blocks, hloc
from workbench.storage.blocks import BlockJob


class Killed(Exception):
    """Stands for the end of the process."""


def compute(calls):
    """Blocks of one small seeded dataset an item; ``calls`` notes which blocks were computed."""

    def block(items):
        calls.append((items.start, items.stop))
        for item in items:
            rng = np.random.default_rng(item)
            yield hloc.pair_name(item // 3, item // 3 + 1 + item % 3), {"matches0": rng.integers(0, 9, item % 4)}

    return block


def kill_at(stop):
    def progress(done, found, count):
        assert found <= done <= count
        if done >= stop:
            raise Killed

    return progress


def write(out, calls, key="inputs", progress=False, parameters=None):
    return blocks.write_in_blocks(
        out, range(23), 5, compute(calls), parameters or {"ratio": 0.8}, BlockJob(key, progress=progress)
    )


def test_names():
    assert hloc.frame_name(7) == "000007.png"
    assert hloc.pair_name(1, 7) == "000001.png/000007.png"


def test_uninterrupted_file_is_complete_and_says_what_made_it(tmp_path):
    calls = []
    out = write(tmp_path / "matches.h5", calls)
    assert calls == [(0, 5), (5, 10), (10, 15), (15, 20), (20, 23)]
    with hloc.open_h5(out) as file:
        assert dict(file.attrs) == {"format_version": 1, "parameters": '{"ratio": 0.8}', "key": "inputs"}
        assert sum(len(group) for group in file.values()) == 23
        assert file["000001.png/000003.png/matches0"].shape == (0,)
    assert [path.name for path in tmp_path.iterdir()] == ["matches.h5"]


@pytest.mark.parametrize("stop", [5, 15, 23])
def test_killed_and_continued_run_ends_with_the_same_bytes(tmp_path, stop):
    whole = write(tmp_path / "whole.h5", [])
    out, calls = tmp_path / "matches.h5", []
    with pytest.raises(Killed):
        write(out, calls, progress=kill_at(stop))
    assert not out.exists()
    again = []
    write(out, again)
    assert len(calls) + len(again) == 5 and not set(calls) & set(again)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("change", [{"key": "other"}, {"parameters": {"ratio": 0.7}}])
def test_blocks_of_other_inputs_or_parameters_are_made_again(tmp_path, change):
    with pytest.raises(Killed):
        write(tmp_path / "matches.h5", [], progress=kill_at(10))
    calls = []
    write(tmp_path / "matches.h5", calls, **change)
    assert len(calls) == 5


def test_a_damaged_block_is_made_again(tmp_path):
    with pytest.raises(Killed):
        write(tmp_path / "matches.h5", [], progress=kill_at(10))
    (tmp_path / "matches.h5.parts" / "000000.h5").write_bytes(b"not HDF5")
    calls = []
    write(tmp_path / "matches.h5", calls)
    assert calls == [(0, 5), (10, 15), (15, 20), (20, 23)]


def test_full_disk_keeps_finished_blocks(tmp_path):
    """No file may grow beyond 200 kB; the third block would. The error is what the command line takes for a full disk."""

    def growing(items):
        for item in items:
            yield hloc.pair_name(0, item + 1), {"matches0": np.zeros(10 ** (2 * item + 2), np.int32)}

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            blocks.write_in_blocks(tmp_path / "out.h5", range(3), 1, growing, {}, BlockJob("key", progress=False))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno in DISK_ERRNOS and caught.value.filename.endswith("000002.h5")
    assert sorted(path.name for path in (tmp_path / "out.h5.parts").iterdir()) == ["000000.h5", "000001.h5"]


def test_files_are_joined_in_their_order(tmp_path):
    """Items 0 to 11 and 12 to 22 in two files: joined, each is there once, and the file says what it was made from."""
    first = blocks.write_in_blocks(
        tmp_path / "first.h5", range(12), 5, compute([]), {"ratio": 0.8}, BlockJob("one", progress=False)
    )
    second = blocks.write_in_blocks(
        tmp_path / "second.h5", range(12, 23), 5, compute([]), {"ratio": 0.8}, BlockJob("two", progress=False)
    )
    whole = write(tmp_path / "whole.h5", [])
    out = blocks.join_files(tmp_path / "joined.h5", [first, second], {"ratio": 0.8}, "inputs")
    assert out == tmp_path / "joined.h5" and blocks.is_made_from(out, {"ratio": 0.8}, "inputs")
    with hloc.open_h5(out) as joined, hloc.open_h5(whole) as expected:
        names, wanted = ([(a, b) for a in file for b in file[a]] for file in (joined, expected))
        assert names == wanted and len(names) == 23
        for a, b in names:
            assert np.array_equal(joined[a][b]["matches0"], expected[a][b]["matches0"])
    once = out.read_bytes()
    assert blocks.join_files(out, [first, second], {"ratio": 0.8}, "inputs").read_bytes() == once
    assert not list(tmp_path.glob("*.tmp"))


def test_no_files_are_joined_to_an_empty_one(tmp_path):
    with hloc.open_h5(blocks.join_files(tmp_path / "none.h5", [], {}, "inputs")) as file:
        assert len(file) == 0


def test_what_a_file_was_made_from(tmp_path):
    """Another key, other parameters, a damaged file, none: made again rather than taken."""
    out = write(tmp_path / "matches.h5", [])
    assert blocks.is_made_from(out, {"ratio": 0.8}, "inputs")
    assert not blocks.is_made_from(out, {"ratio": 0.8}, "others")
    assert not blocks.is_made_from(out, {"ratio": 0.9}, "inputs")
    assert not blocks.is_made_from(tmp_path / "nothing.h5", {"ratio": 0.8}, "inputs")
    out.write_bytes(out.read_bytes()[:200])
    assert not blocks.is_made_from(out, {"ratio": 0.8}, "inputs")


def test_keypoint_counts(tmp_path):
    """Frames with 0, 3 and 7 keypoints; the counts of the first two can be asked for alone."""

    def entries(frames):
        for frame in frames:
            count = (0, 3, 7)[frame]
            points, scores, descriptors = np.zeros((count, 2)), np.zeros(count), np.zeros((128, count))
            yield hloc.feature_entry(frame, hloc.Features(points, scores, descriptors, np.array([64, 48])))

    out = blocks.write_in_blocks(tmp_path / "features.h5", range(3), 2, entries, {}, BlockJob("inputs", progress=False))
    assert hloc.keypoint_counts(out, 3).tolist() == [0, 3, 7] and hloc.keypoint_counts(out, 2).tolist() == [0, 3]
    assert hloc.keypoint_counts(out, 0).dtype.kind == "i"


def test_no_items_give_a_file_without_groups(tmp_path):
    out = blocks.write_in_blocks(tmp_path / "matches.h5", range(0), 5, compute([]), {}, BlockJob("inputs", progress=False))
    with hloc.open_h5(out) as file:
        assert len(file) == 0


def test_features_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    features = hloc.Features(
        rng.random((6, 2), dtype=np.float32) * 4000,
        rng.random(6, dtype=np.float32),
        rng.random((128, 6), dtype=np.float32),
        np.array([4000, 3000]),
    )
    out = blocks.write_in_blocks(
        tmp_path / "features.h5",
        range(1),
        4,
        lambda _: [hloc.feature_entry(0, features)],
        {},
        BlockJob("inputs", progress=False),
    )
    with hloc.open_h5(out) as file:
        stored = file["000000.png"]
        assert sorted(stored) == ["descriptors", "image_size", "keypoints", "scores"]
        assert stored["keypoints"].dtype == np.float32 and stored["descriptors"].dtype == np.float16
        back = hloc.read_features(file, 0)
        with pytest.raises(RunError, match="run the features stage again"):
            hloc.read_features(file, 1)
    assert np.array_equal(back.keypoints, features.keypoints) and back.image_size.tolist() == [4000, 3000]
    assert back.descriptors.dtype == np.float32
    assert np.allclose(back.descriptors, features.descriptors, atol=1e-3)


def test_pairs_round_trip_sorted(tmp_path):
    path = hloc.write_pairs(tmp_path / "pairs.txt", np.array([[3, 12], [0, 2], [0, 1]]))
    assert path.read_text() == "000000.png 000001.png\n000000.png 000002.png\n000003.png 000012.png\n"
    assert hloc.read_pairs(path).tolist() == [[0, 1], [0, 2], [3, 12]]
    assert hloc.read_pairs(hloc.write_pairs(path, np.zeros((0, 2), int))).shape == (0, 2)


@pytest.mark.parametrize("pairs", [[[2, 1]], [[1, 1]], [[0, 1], [0, 1]]])
def test_bad_pairs_are_refused(tmp_path, pairs):
    with pytest.raises(RunError):
        hloc.write_pairs(tmp_path / "pairs.txt", np.array(pairs))


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(MissingStageError, match="run the match stage"):
        hloc.read_pairs(tmp_path / "pairs.txt")
    (tmp_path / "pairs.txt").write_text("000000.png\n")
    with pytest.raises(RunError, match="line 1"):
        hloc.read_pairs(tmp_path / "pairs.txt")
    with pytest.raises(MissingStageError), hloc.open_h5(tmp_path / "features.h5"):
        pass
    (tmp_path / "features.h5").write_bytes(b"not HDF5")
    with pytest.raises(RunError, match="damaged"), hloc.open_h5(tmp_path / "features.h5"):
        pass
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(RunError, match="format version"), hloc.open_h5(tmp_path / "features.h5"):
        pass


def test_a_damaged_index(tmp_path):
    """In every heap that holds the names of a group, the place of the first free byte is wrong: HDF5 finds no name any more."""
    path = tmp_path / "matches.h5"
    write(path, [])
    content = bytearray(path.read_bytes())
    heaps = [place for place in range(len(content)) if content[place : place + 4] == b"HEAP"]
    for place in heaps:
        content[place + 16 : place + 24] = b"\x77" * 8
    path.write_bytes(content)
    assert heaps
    for read in (hloc.has_pair, hloc.read_matches):
        with hloc.open_h5(path) as file, pytest.raises(RunError, match="damaged: delete the file and run its stage again"):
            read(file, 0, 1)
    with hloc.open_h5(path) as file, pytest.raises(RunError, match="damaged: delete the file and run its stage again"):
        hloc.read_features(file, 0)

"""Working copies on disk are read as arrays, and count as memory of the process only while they are used. Tables of a run."""

import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from workbench.errors import RunError
from workbench.storage.arrays import WorkingCopies, read_table

# The peak is the process's own where there is /proc; getrusage's starts at that of the process that started it.
READ_ALL = """
import re, resource, sys
from pathlib import Path
from workbench.storage.arrays import WorkingCopies
status = Path("/proc/self/status")
def peak():
    own = status.exists() and re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())
    return int(own[1]) if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
copies = WorkingCopies(Path(sys.argv[1]))
copies[0]
before = peak()
total = sum(int(copy.sum()) for copy in copies)
print(total, peak() - before)
"""


@pytest.fixture
def saved(tmp_path):
    """Seven frames of seeded noise, in memory and on disk."""
    frames = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "frames.npy", frames)
    return frames, WorkingCopies(tmp_path / "frames.npy")


def test_as_an_array(saved):
    frames, copies = saved
    assert copies.shape == frames.shape and len(copies) == 7
    for key in (0, -1, slice(1, 6, 2), slice(9, 12), [4, 1], np.array([2, 2]), (3, slice(1, 3)), frames[:, 0, 0, 0] > 100):
        assert type(copies[key]) is np.ndarray and copies[key].dtype == np.uint8
        np.testing.assert_array_equal(copies[key], frames[key])
    np.testing.assert_array_equal(np.stack(list(copies)), frames)
    np.testing.assert_array_equal(np.asarray(copies, dtype=float), frames.astype(float))
    with pytest.raises(IndexError):
        copies[7]
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(copies, copy=False)


def test_a_file_that_was_replaced(saved, tmp_path):
    """By one of other frames, or by none: no pictures of another size than ``shape`` are returned."""
    _, copies = saved
    np.save(tmp_path / "frames.npy", np.zeros((7, 2, 3, 3), np.uint8))
    with pytest.raises(RunError, match="other frames than before: the video was read again"):
        copies[0]
    (tmp_path / "frames.npy").unlink()
    with pytest.raises(RunError, match="run all cells again"):
        copies[0]


def test_what_is_read_can_be_changed_and_the_file_stays(saved):
    frames, copies = saved
    copies[2][:] = 0
    np.testing.assert_array_equal(copies[2], frames[2])


def test_to_another_process_goes_the_path(saved):
    frames, copies = saved
    packed = pickle.dumps(copies)
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed)[3], frames[3])


def test_memory_does_not_grow_with_the_frames_that_were_read(tmp_path):
    """40 MiB of frames, each read once by a process of its own: its peak grows by a few frames of 1 MiB."""
    frames = np.random.default_rng(0).integers(0, 256, (40, 512, 682, 3), dtype=np.uint8)
    np.save(tmp_path / "frames.npy", frames)
    out = subprocess.run([sys.executable, "-c", READ_ALL, tmp_path / "frames.npy"], capture_output=True, text=True, check=True)
    total, grown = (int(word) for word in out.stdout.split())
    assert total == frames.sum(dtype=np.int64)
    assert grown < 10 * 1024, "KiB"


def test_many_threads_read_at_once(saved):
    """Eight threads, 2,000 frames: every one is the right one, whatever the others read at the moment."""
    frames, copies = saved
    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(copies.__getitem__, [k % 7 for k in range(2000)])):
            np.testing.assert_array_equal(found, frames[number % 7])


def test_a_column_of_a_long_table_has_one_type(tmp_path):
    """300,000 rows; in the first half no frame has a reason, in the second all have "faded" and odds of 2.5. pandas reads long
    files in parts, and may give the parts of a column types of their own, with a warning."""
    half = 150_000
    lines = [f"{k},0,," for k in range(half)] + [f"{k},0,2.5,faded" for k in range(half, 2 * half)]
    path = tmp_path / "scenes.csv"
    path.write_text("\n".join(["position,scene,odds,reason", *lines]) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_table(path, {"position": (0, 2 * half), "scene": (-1, 2 * half)}, ["odds"], ["odds"], 2 * half)
    assert table["reason"].isna().sum() == half and (table["reason"][half:] == "faded").all()
    assert (table["odds"].dropna() == 2.5).all() and table["odds"].isna().sum() == half

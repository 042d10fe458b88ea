"""Keypoints and matches of one clip, spread over the workers of a Dask scheduler by blocks.

The video is :func:`tiny.mixture`, 27 frames. Blocks are made as small as four frames and nine pairs, so that there are several.
"""

import pickle
import shutil

import numpy as np
import pytest

from tests.helpers.tiny import encode, mixture, refused, start_worker, workbench
from workbench.errors import RunError
from workbench.matching import keypoints, matches, nearest, sift
from workbench.matching.matches import make_matcher
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.pipeline import workers
from workbench.pipeline.workers import block_workers
from workbench.storage import blocks as blocks_module
from workbench.storage.arrays import WorkingCopies
from workbench.storage.blocks import BlockJob, Loaded

FAST = ["--embed.backbone", "rank-vlad", "--match.matcher", "sift-flann", "--cluster.eps", "0.3"]
RESULTS = ["features.h5", "matches.h5", "pairs.txt", "scenes.csv", "transforms.csv", "order.csv"]
SIZE = (96, 72)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(keypoints, "BLOCK_FRAMES", 4)
    monkeypatch.setattr(matches, "BLOCK_PAIRS", 9)


@pytest.fixture
def images(tmp_path):
    """The 27 frames on disk, and ``features.h5`` made of it at once."""
    file = tmp_path / "frames.npy"
    np.save(file, np.stack(mixture()))
    copies = WorkingCopies(file)
    return copies, keypoints.extract(copies, SIZE, FeatureParameters(), tmp_path / "whole.h5", BlockJob("key", progress=False))


def test_workers_give_the_bytes_of_one_machine(tmp_path, scheduler, small_blocks, monkeypatch):
    """A whole reconstruction; with a scheduler, nothing is found or matched in this process."""
    clip = encode(tmp_path / "clip.mp4", mixture())
    assert workbench("reconstruct", clip, "--out", tmp_path / "here", *FAST).status == 0

    def never(*_: object) -> None:
        raise AssertionError("this is for workers to do")

    monkeypatch.setattr(sift, "sift_features", never)
    monkeypatch.setattr(nearest.SiftFlann, "match", never)
    monkeypatch.chdir(tmp_path)  # paths below the current folder are made absolute for the workers
    answer = workbench("reconstruct", clip, "--out", "there", *FAST, "--scheduler", scheduler[0])
    assert answer.status == 0, answer
    for name in RESULTS:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name
    assert not list((tmp_path / "there").glob("*.parts"))


def test_a_worker_that_dies_costs_its_block(tmp_path, scheduler, small_blocks, images):
    """One of two is killed after the first block: the other does the rest, and the bytes are the same."""
    address, (_, victim, survivor) = scheduler
    done = []

    def kill(count: int, *_: int) -> None:
        if count:
            done.append(count)
            victim.kill()

    with block_workers(address) as map_blocks:
        file = keypoints.extract(
            images[0],
            SIZE,
            FeatureParameters(),
            tmp_path / "features.h5",
            BlockJob("key", progress=kill, map_blocks=map_blocks),
        )
    assert len(done) == 7 and done[-1] == 27 and survivor.poll() is None
    assert file.read_bytes() == images[1].read_bytes()


def test_no_worker_left(tmp_path, scheduler, small_blocks, images, monkeypatch, capsys):
    """When all workers are gone, it is reported once; when one comes, the work goes on."""
    address, processes = scheduler
    monkeypatch.setattr(workers, "NO_NEWS_SECONDS", 0.2)
    nthreads, looked = workers.Client.nthreads, []

    def look(client: object) -> dict:
        looked.append(nthreads(client))
        if len([found for found in looked if not found]) == 3:
            processes.append(start_worker(tmp_path, address))
        return looked[-1]

    def kill(*_: int) -> None:
        if len(processes) == 3:
            for process in processes[1:]:
                process.kill()

    with block_workers(address) as map_blocks:
        monkeypatch.setattr(workers.Client, "nthreads", look)
        file = keypoints.extract(
            images[0],
            SIZE,
            FeatureParameters(),
            tmp_path / "features.h5",
            BlockJob("key", progress=kill, map_blocks=map_blocks),
        )
    assert file.read_bytes() == images[1].read_bytes()
    written = capsys.readouterr().err
    assert written.count(f"no workers at {address}: waiting; start some with `dask worker {address} --nthreads 1`") == 1


def test_a_scheduler_that_is_lost(tmp_path, scheduler, small_blocks, images):
    """One line; finished blocks are kept, and the next call, here without a scheduler, ends with the same bytes."""
    address, (master, *_) = scheduler
    out, again = tmp_path / "features.h5", []

    def kill(count: int, *_: int) -> None:
        if count:
            master.kill()

    with (
        block_workers(address) as map_blocks,
        pytest.raises(RunError, match=f"the scheduler {address} was lost: what is finished is kept"),
    ):
        keypoints.extract(images[0], SIZE, FeatureParameters(), out, BlockJob("key", progress=kill, map_blocks=map_blocks))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "features.h5.parts").glob("*.h5")}
    assert kept and not out.exists()

    def count(*_: int) -> None:
        again.append(all(path.stat().st_mtime_ns == made for path, made in kept.items()))

    keypoints.extract(images[0], SIZE, FeatureParameters(), out, BlockJob("key", progress=count))
    assert all(again) and out.read_bytes() == images[1].read_bytes()


def test_a_scheduler_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    clip = encode(tmp_path / "clip.mp4", mixture())
    answer = workbench("reconstruct", clip, "--out", tmp_path / "out", *FAST, "--scheduler", "tcp://127.0.0.1:9")
    refused(answer, 2, "the scheduler tcp://127.0.0.1:9 does not answer", "dask scheduler")


def test_a_worker_that_does_not_see_the_files(tmp_path):
    """It says so, in place of writing where nobody looks."""
    parts = tmp_path / "out.h5.parts"

    def elsewhere(work, blocks):
        shutil.rmtree(parts)
        return map(work, blocks)

    with pytest.raises(RunError, match=r"out.h5.parts is not there on \S+: every worker must see it under this path"):
        blocks_module.write_in_blocks(
            tmp_path / "out.h5", range(3), 2, lambda _: [], {}, BlockJob("key", progress=False, map_blocks=elsewhere)
        )


def test_a_process_loads_once():
    """What is loaded is pickled as the way to load it; other weights, with another key, are loaded separately."""
    first, second, other = (Loaded(make_matcher, MatchParameters(matcher="sift-flann"), key) for key in ("a", "a", "b"))
    received = [pickle.loads(pickle.dumps(matcher)) for matcher in (first, second, other)]
    assert received[0].value is received[1].value is not received[2].value
    assert received[0].value is not first.value and received[0].value.ratio == 0.8

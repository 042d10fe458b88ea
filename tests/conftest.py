"""What the tests share: no network, no screen, no logged error, and the sample read and reconstructed once a session.

The sample (``data/``) has 200 frames of 320 x 240 px: three scenes of 66, 60 and 54 frames and 20 foreign frames, shuffled.
Every frame is rendered by the project's own code and ``sample.truth.csv`` says what stands at every position.
"""

import logging
import os
import socket
import subprocess
from collections.abc import Iterator

os.environ["MPLBACKEND"] = "Agg"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # results are held against each other to the last bit, which a GPU rounds otherwise

from pathlib import Path

import numpy as np
import pytest
from distributed import Client
from tiny import start_dask, start_worker

from workbench.corrupt import truth_path, write_case
from workbench.embed import embed
from workbench.evaluate import OUTLIER, TruthRow, read_truth
from workbench.parameters import EmbedParameters, stage_parameters
from workbench.run import Run
from workbench.stages import reconstruct
from workbench.video import read_proxies

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(autouse=True)
def no_logged_error(caplog):
    """A test fails when anything logs an ERROR while it is set up or runs."""
    yield
    records = [record for when in ("setup", "call") for record in caplog.get_records(when)]
    errors = [record.getMessage() for record in records if record.levelno >= logging.ERROR]
    assert not errors, f"logged: {errors}"


@pytest.fixture
def scheduler(tmp_path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A Dask scheduler on loopback and two workers with a thread each, as a user starts them: address and processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"]
    processes = [start_dask(tmp_path, "scheduler", *quiet), *(start_worker(tmp_path, address) for _ in range(2))]
    with Client(address, timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
    yield address, processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def sample() -> Path:
    """The committed sample video; its truth lies beside it."""
    return DATA / "sample.mp4"


@pytest.fixture(scope="session")
def sample_truth(sample) -> list[TruthRow]:
    """What stands at each of the sample's 200 positions."""
    return read_truth(truth_path(sample))


@pytest.fixture(scope="session")
def sample_images(sample, tmp_path_factory) -> np.ndarray:
    """(200, 240, 320, 3) uint8 RGB: the sample's frames as decoded, in the order of the file; memory-mapped."""
    out = tmp_path_factory.mktemp("sample") / "frames.npy"
    read_proxies(sample, out, progress=False)
    return np.load(out, mmap_mode="r")


@pytest.fixture(scope="session")
def sample_clips(sample_images, sample_truth) -> dict[str, np.ndarray]:
    """The sample's frames by clip, in true order: pagoda, toys, dahlia, and the foreign ones as ``outlier``."""
    ordered = sorted(sample_truth, key=lambda row: row.frame)
    names = {row.clip for row in sample_truth}
    return {name: sample_images[[row.position for row in ordered if row.clip == name]] for name in names}


@pytest.fixture(scope="session")
def sample_vectors(sample_images) -> np.ndarray:
    """(200, D) float32: the sample's embeddings by the default backbone, rows in the order of the file."""
    return embed(sample_images, EmbedParameters(), progress=False)


@pytest.fixture(scope="session")
def sample_run(sample, tmp_path_factory) -> tuple[Run, dict]:
    """The sample reconstructed with the defaults, and its metrics against its truth. Tests only read it."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "sample", sample)
    return run, reconstruct(run, stage_parameters({}), truth_path(sample), progress=False)


@pytest.fixture(scope="session")
def short(sample_clips, tmp_path_factory) -> Path:
    """A video of 12 frames of pagoda (every second one), 10 of toys (likewise) and 4 foreign ones, shuffled with seed 3,
    and its truth beside it: small enough to be reconstructed several times."""
    frames = {
        "pagoda": sample_clips["pagoda"][:24:2],
        "toys": sample_clips["toys"][10:30:2],
        OUTLIER: sample_clips[OUTLIER][[1, 5, 9, 13]],
    }
    rows = [(name, index) for name, clip in frames.items() for index in range(len(clip))]
    shuffled = np.random.default_rng(3).permutation(len(rows))
    truth = [TruthRow(position, *rows[place]) for position, place in enumerate(shuffled)]
    out = tmp_path_factory.mktemp("short") / "short.mp4"
    write_case((frames[row.clip][row.frame] for row in truth), truth, out)
    return out


@pytest.fixture(scope="session")
def short_run(short, tmp_path_factory) -> tuple[Run, dict]:
    """The short video reconstructed with the defaults, and its metrics against its truth. Tests only read it."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "short", short)
    return run, reconstruct(run, stage_parameters({}), truth_path(short), progress=False)


@pytest.fixture
def drawable() -> Iterator[None]:
    """Every figure a test makes can be drawn, without a warning; all are closed afterwards."""
    import matplotlib.pyplot as plt

    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")

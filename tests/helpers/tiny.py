"""Tiny videos, and the command line as tests call it.

Every picture is cut from a seeded texture of smooth coloured noise. :func:`pan` moves a 96 x 72 px window over one texture, so
that neighbours in a scene overlap. Two textures have nothing in common, so that a picture of another texture is foreign.
"""

import io
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import av
import cv2
import numpy as np

from tests import ROOT
from workbench.cli.app import main
from workbench.evaluation.files import OrderRow, read_order
from workbench.run import Run
from workbench.storage.folder import file_sha256
from workbench.video.decode import decode
from workbench.video.proxies import rgb

WIDTH, HEIGHT = 96, 72


def pan(seed: int, count: int) -> list[np.ndarray]:
    """``count`` frames, (72, 96, 3) uint8 RGB, of a scene: a window that moves right by 3 px and down by 1 px per frame."""
    width, height = WIDTH + 3 * count, HEIGHT + count
    rng = np.random.default_rng(seed)
    layers = [rng.random((height // step + 2, width // step + 2, 3)).astype(np.float32) for step in (4, 16, 64)]
    sizes = zip(layers, (2, 4, 8), strict=True)
    texture = sum(weight * cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC) for layer, weight in sizes)
    texture = (255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)
    return [texture[k : k + HEIGHT, 3 * k : 3 * k + WIDTH].copy() for k in range(count)]


def mixture() -> list[np.ndarray]:
    """27 frames: scenes of 14 and of 10 frames, shuffled with seed 3, and 3 foreign pictures at the end."""
    frames = pan(1, 14) + pan(2, 10)
    return [frames[k] for k in np.random.default_rng(3).permutation(24)] + [pan(100 + k, 1)[0] for k in range(3)]


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    pts: Sequence[int] = (),
    matrix: Sequence[int] = (),
) -> Path:
    """Write ``frames``; ``pts``: their times in units of 1/rate s; ``matrix``: a, b, c, d of the display matrix of an mp4."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format=pixels, threads=1)
            frame.pts, frame.time_base = pts[index] if pts else index, Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    if matrix:
        set_display_matrix(path, matrix)
    return path


def set_display_matrix(path: Path, matrix: Sequence[int]) -> None:
    """Set the display matrix a, b, c, d of an mp4; it is stored in the track header as nine big-endian numbers."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (65536 * value for value in matrix)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def text(folder: Path) -> Path:
    """A text file with the name of a video."""
    path = folder / "text.mp4"
    path.write_text("not a video\n" * 100)
    return path


def empty(folder: Path) -> Path:
    """An empty file with the name of a video."""
    path = folder / "empty.mp4"
    path.touch()
    return path


def sound(folder: Path) -> Path:
    """A sound file: one AAC stream and no pictures."""
    path = folder / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=8000)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        tone.sample_rate = 8000
        file.mux(stream.encode(tone))
        file.mux(stream.encode())
    return path


def pictures(path: Path) -> list[np.ndarray]:
    """All frames of a video as RGB, upright."""
    return [rgb(frame) for _, frame in decode(path)]


class Answer(NamedTuple):
    """Exit status and output of a command."""

    status: int
    out: str
    err: str


def workbench(*words: object) -> Answer:
    """Run ``workbench WORDS`` in this process; return its exit status and what it wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["workbench", *map(str, words)]
    with mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            status = stop.code
        else:
            raise AssertionError("main returned, it must exit")
    return Answer(status or 0, out.getvalue(), err.getvalue())


def refused(answer: Answer, status: int, *words: str) -> None:
    """Check that ``answer`` is a one-line error on stderr that contains all ``words``, with this exit status."""
    assert answer.status == status, answer
    assert answer.out == ""
    assert answer.err.startswith("workbench: ")
    assert answer.err.endswith("\n")
    assert answer.err.count("\n") == 1, answer.err
    for word in words:
        assert word in answer.err


def write_sums(weights: Path) -> None:
    """Write SHA256SUMS for the models in ``weights``, as ``sha256sum`` does."""
    files = sorted(file for file in weights.glob("*/*") if file.suffix in (".json", ".safetensors"))
    lines = [f"{file_sha256(file)}  {file.relative_to(weights).as_posix()}\n" for file in files]
    (weights / "SHA256SUMS").write_text("".join(lines))


def check_result(run_path: Path, video: Path, exact: bool = True) -> list[OrderRow]:
    """Check that the result in a run directory is complete; return its rows, by position.

    Every decoded frame of ``video`` is in order.csv once, places in a scene are 0, 1, ..., and the written videos contain the
    kept frames in this order and nothing else: bit for bit when ``exact``, else within the loss of H.264.
    """
    source, rows = pictures(video), read_order(run_path / "order.csv")
    assert [row.position for row in rows] == list(range(len(source)))
    scenes = [[row for row in rows if row.scene == scene] for scene in range(1 + max(row.scene for row in rows))]
    for scene in scenes:
        scene.sort(key=lambda row: row.order)
        assert [row.order for row in scene] == list(range(len(scene)))
    assert [len(scene) for scene in scenes] == sorted(map(len, scenes), reverse=True)
    outputs = Run.open(run_path).record["stages"]["write"]["outputs"]
    names = [name for name in outputs if name.endswith((".mp4", ".mov", ".mkv"))]  # cut lists are beside them
    for name, expected in zip(names, [*scenes, [row for scene in scenes for row in scene]], strict=True):
        written = pictures(run_path / name)
        assert len(written) == len(expected), name
        for picture, row in zip(written, expected, strict=True):
            height, width = source[row.position].shape[:2]  # H.264 pads odd sizes by a line
            apart = np.abs(picture[:height, :width].astype(int) - source[row.position])
            assert apart.max() == 0 if exact else apart.mean() < 6, (name, row)
    return rows


def start_dask(folder: Path, *words: str) -> subprocess.Popen:
    """Start ``dask WORDS`` as a silent process that works in ``folder``."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    common = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": folder}
    return subprocess.Popen([sys.executable, "-m", "dask", *words], **common)


def start_worker(folder: Path, scheduler: str) -> subprocess.Popen:
    """Start a Dask worker with one thread, without a nanny that would restart it."""
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    return start_dask(folder, "worker", scheduler, *options)

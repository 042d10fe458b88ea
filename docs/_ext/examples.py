"""The directive ``example``: commands or Python, run while the documentation is built, with their output below them.

An example that fails is a warning, and the build is strict. Every page has a folder of its own, a copy of one that is prepared
once: ``left.mp4`` and ``right.mp4``, pans over two photographs, 12 frames each; ``pictures/``, three foreign pictures;
``case.mp4`` with ``case.truth.csv``, all of it shuffled; ``runs/case``, its finished run, with a map; and ``alpha.csv``, the
table of a sweep. Examples of a page follow each other in its folder.

Each runs in a fork of the building process, which has imported the package for its other pages: so none takes long.
"""

import multiprocessing
import os
import shlex
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from logging import WARNING, getLogger
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from docutils import nodes
from sklearn.datasets import load_sample_images
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
SECONDS = 300  # an example takes at most
FRAMES, SIZE = 12, (160, 90)  # of a clip; px
FORK = multiprocessing.get_context("fork")
ROOT = Path(__file__).resolve().parents[2]
CODE = sorted((ROOT / "workbench").rglob("*.py"))


class Example(SphinxDirective):
    """Runs its content: a ``workbench`` command per line or, with the argument ``python``, a program."""

    has_content = True
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Give what was run and what it wrote."""
        for file in CODE:  # with other code, the page is read again
            self.env.note_dependency(str(file))
        folder = _folder(self.env.app, self.env.docname)
        lines = list(self.content)
        if self.arguments == ["python"]:
            failed, written = _forked(folder, lambda: _python("\n".join(lines)))
            self._check(failed, "the program", written)
            return [_block("\n".join(lines), "python"), *([_block(written, "text")] if written.strip() else [])]
        shown = []
        for line in lines:
            failed, written = _forked(folder, lambda line=line: _command(line))
            self._check(failed, line, written)
            shown += [f"$ {line}", written.rstrip("\n")]
        return [_block("\n".join(filter(None, shown)), "console")]

    def _check(self, failed: bool, what: str, written: str) -> None:
        if failed:
            LOGGER.warning("the example does not run (%s): %s", what, written[-2000:], location=self.get_location())


def _block(text: str, language: str) -> nodes.literal_block:
    block = nodes.literal_block(text, text)
    block["language"] = language
    return block


def _folder(app: Sphinx, page: str) -> Path:
    """The folder of a page, copied from the one that is prepared with the first example."""
    root = Path(app.examples_folder.name)
    if not (root / "prepared").exists():
        (root / "prepared").mkdir()
        failed, written = _forked(root / "prepared", _prepare)
        if failed:
            LOGGER.warning("the run of the examples cannot be made: %s", written[-2000:])
    folder = root / page.replace("/", ".")
    if not folder.exists():
        shutil.copytree(root / "prepared", folder)
    return folder


def _prepare() -> None:
    """Draw the clips and the pictures, mix the case, and reconstruct it."""
    from workbench.parameters import UmapParameters
    from workbench.pipeline.stages import run_stage
    from workbench.run import Run
    from workbench.video.encode import write_frames

    for name, photograph in zip(("left", "right"), load_sample_images().images, strict=True):
        small = cv2.resize(photograph, (320, 213), interpolation=cv2.INTER_AREA)
        windows = [small[2 * k : 2 * k + SIZE[1], 8 * k : 8 * k + SIZE[0]].copy() for k in range(FRAMES)]
        write_frames(windows, f"{name}.mp4")
    shutil.copy(ROOT / "data" / "sweeps" / "alpha.csv", "alpha.csv")
    Path("pictures").mkdir()
    rng = np.random.default_rng(0)
    for k in range(3):
        picture = np.full((*SIZE[::-1], 3), rng.integers(256, size=3), np.uint8)
        for _ in range(6):
            centre, radius, colour = rng.integers(SIZE), int(rng.integers(8, 30)), rng.integers(256, size=3)
            cv2.circle(picture, centre.tolist(), radius, colour.tolist(), -1)
        cv2.imwrite(f"pictures/{k}.png", picture)
    _command("workbench corrupt left.mp4 right.mp4 --foreign pictures --out case.mp4 --seed 1")
    _command("workbench reconstruct case.mp4")
    run_stage(Run.open("runs/case"), UmapParameters(), progress=False)


def _command(line: str) -> None:
    """Run a command line of the workbench. It raises SystemExit where it fails, and only there."""
    name, *words = shlex.split(line)
    if name != "workbench":
        raise ValueError(f"an example runs commands of the workbench, not {name}")
    from workbench.__main__ import main

    sys.argv = ["workbench", *words]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise


def _python(program: str) -> None:
    exec(compile(program, "example", "exec"), {"__name__": "__main__"})


def _forked(folder: Path, work: Callable[[], None]) -> tuple[bool, str]:
    """Do work in a process of its own and in a folder; tell whether it failed, and what it wrote to stdout and stderr."""
    with tempfile.TemporaryFile() as output:
        process = FORK.Process(target=_child, args=(folder, work, output.fileno()))
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        output.seek(0)
        return process.exitcode != 0, output.read().decode(errors="replace")


def _child(folder: Path, work: Callable[[], None], output: int) -> None:
    os.chdir(folder)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(output, number)
    # Sphinx has put others in the place of these.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False) for number in (1, 2))
    getLogger().handlers.clear()
    getLogger().setLevel(WARNING)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )  # for kernels and workers
    failed = 0
    try:
        work()
    except SystemExit as stop:
        failed = int(bool(stop.code))
    except BaseException:
        traceback.print_exc()
        failed = 1
    sys.stdout.flush()
    os._exit(failed)  # nothing of the building process is to be ended here


def _begin(app: Sphinx) -> None:
    app.examples_folder = tempfile.TemporaryDirectory(prefix="workbench-examples-")


def _end(app: Sphinx, _error: Exception | None) -> None:
    app.examples_folder.cleanup()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("example", Example)
    app.connect("builder-inited", _begin)
    app.connect("build-finished", _end)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}

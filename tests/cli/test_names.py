"""Names of files as people have them: bytes that are no UTF-8, 250 bytes long, a dash first, any other sign."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.helpers.tiny import encode, pan, refused, workbench
from workbench.errors import os_remedy
from workbench.evaluation.files import find_truth, read_order
from workbench.notebooks.chain import CHAIN, run_notebooks
from workbench.run import Run
from workbench.storage.folder import partial_path

NAMES = {
    "not UTF-8": os.fsdecode(b"\xe9t\xe9.mp4"),
    "250 bytes": "ä" * 123 + ".mp4",
    "a dash": "-x.mp4",
    "signs": "a 'b' \"c\" %20 #1; $(d) <e>&.mp4",
    "line break": "one\ntwo.mp4",
    "other letters": "日本 кино.mp4",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_from_a_video_to_its_result(tmp_path, monkeypatch, name: str):
    """Six frames of a pan: reconstructed into the default run directory, flipped, set beside itself on a page."""
    monkeypatch.chdir(tmp_path)
    encode(Path("clip.mp4"), pan(1, 6)).rename(name)
    answer = workbench("reconstruct", "--", name)
    told = ["note: no reconstructed.ffconcat is written: the name of the source has a line break, rename it"] * ("\n" in name)
    assert (answer.status, answer.err.splitlines()) == (0, told)
    run_path = Path("runs") / Path(name).stem
    assert len(read_order(run_path / "order.csv")) == 6
    assert (Run.open(run_path).source, Run.open(run_path).source.exists()) == (tmp_path / name, True)
    assert workbench("flip", f"./{run_path}").status == 0
    shutil.copytree(run_path, "other")
    answer = workbench("compare", "other", f"./{run_path}", "--html", "page.html")
    assert answer.status == 0, answer.err
    Path("page.html").read_text(encoding="utf-8")


def test_notebooks_are_given_paths_in_utf8(tmp_path):
    """A path with other bytes is reached through a link while the notebooks run; they are left where the run is."""
    name = NAMES["not UTF-8"]
    video = tmp_path / name
    encode(tmp_path / "clip.mp4", pan(1, 2)).rename(video)
    run, given = Run.create(tmp_path / video.stem, video), []

    def execute(notebook: Path, out: Path, values: dict) -> Path:
        for path in (out.parent, Path(values["run_path"]), Path(values.get("video", out.parent))):
            assert path.exists() and str(path).encode("utf-8")
        given.append(values)
        out.touch()
        return out

    executed = [path for _, path in run_notebooks(run, {}, None, False, execute)]
    assert executed == [run.notebooks_path / f"{notebook}.ipynb" for notebook in CHAIN]
    assert all(path.exists() for path in executed)
    assert Path(given[0]["video"]).name == "?t?.mp4" and not Path(given[0]["video"]).exists(), "the links are gone"


@pytest.mark.parametrize("name", ["x" * 251 + ".mp4", "ä" * 125 + ".mp4", os.fsdecode(b"\xe9" * 251 + b".mp4"), "short.mp4"])
def test_partial_files_of_long_names(tmp_path, name: str):
    """Hidden, beside the file, with its suffix, and short enough to be made."""
    partial = partial_path(tmp_path / name)
    assert (partial.parent, partial.suffix, partial.name[0]) == (tmp_path, ".mp4", ".")
    partial.touch()


def test_a_case_with_a_long_name(tmp_path):
    """Its video may have as long a name as its truth, 255 bytes with the ending."""
    clip, case = encode(tmp_path / "clip.mp4", pan(1, 4)), tmp_path / ("x" * 245 + ".mp4")
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "1.png"), pan(100, 1)[0])
    words = ["corrupt", clip, "--foreign", tmp_path / "pictures", "--foreign-share", "0.2"]
    assert workbench(*words, "--out", case).status == 0
    assert find_truth(case) == tmp_path / ("x" * 245 + ".truth.csv")
    assert find_truth(tmp_path / ("x" * 251 + ".mp4")) is None


def test_a_dash_is_explained(tmp_path, monkeypatch):
    """Only where there is such a file: a mistyped option is a mistyped option."""
    monkeypatch.chdir(tmp_path)
    Path("-x.mp4").touch()
    refused(workbench("reconstruct", "-x.mp4"), 2, "-x.mp4 is taken for an option: write ./-x.mp4, or put -- before it")
    refused(workbench("reconstruct", "-y.mp4"), 2, "No such option '-y'", "see `workbench reconstruct --help`")


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EROFS, "a disk that can be written"),
        (errno.EACCES, "change its permissions"),
        (errno.ENAMETOOLONG, "give a shorter name"),
        (errno.EMFILE, "allow more open files (`ulimit -n 4096`)"),
        (errno.ENOENT, "it is gone, or its folder is"),
        (errno.EISDIR, "check the path"),
        (errno.EIO, "the disk is at fault"),
        (errno.ESTALE, "mount it again"),
    ],
)
def test_every_error_of_the_system_has_its_own_remedy(code: int, remedy: str):
    found = os_remedy(OSError(code, os.strerror(code), "x.npy"))
    assert found.startswith(f"x.npy cannot be used ({os.strerror(code)}): ") and remedy in found


def test_no_place_for_temporary_files():
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    assert os_remedy(error).endswith("set TMPDIR to a folder that can be written")
    assert os_remedy(OSError(errno.EBADF, "Bad file descriptor")) == "", "a fault of the program"


def test_a_reader_that_has_seen_enough():
    """``workbench models | head -1``: no message."""
    models = subprocess.Popen([sys.executable, "-m", "workbench", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    models.stdout.close()
    assert (models.stderr.read(), models.wait()) == (b"", 1)


def test_too_many_open_files_is_not_blamed_on_the_video(tmp_path, monkeypatch):
    """Another video or another folder would not help."""
    clip = encode(tmp_path / "clip.mp4", pan(1, 2))

    def fail(file: Path) -> str:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(file))

    monkeypatch.setattr("workbench.video.inputs.file_sha256", fail)
    answer = workbench("reconstruct", clip, "--out", tmp_path / "run")
    refused(answer, 1, "clip.mp4 cannot be used (Too many open files): close other programs")

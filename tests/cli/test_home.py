"""A home folder that cannot be written: every library gets a place elsewhere, and one line says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.tiny import encode, pan
from workbench.cli.home import provide_places

NAMES = ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
XDG = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")


@pytest.fixture
def places(monkeypatch, tmp_path):
    """An environment without places of its own; temporary folders are made in ``tmp_path``."""
    for name in (*NAMES, *XDG, "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return monkeypatch


def no_folder(tmp_path: Path) -> str:
    """A home below a regular file, which nobody can make or write, not even root."""
    (tmp_path / "file").touch()
    return str(tmp_path / "file" / "home")


def test_a_home_that_can_be_written_stays(places, tmp_path):
    places.setenv("HOME", str(tmp_path / "new" / "home"))
    assert provide_places() == ""
    assert not set(NAMES) & set(os.environ)
    assert list(tmp_path.iterdir()) == []


def test_every_library_gets_a_place(places, tmp_path):
    places.setenv("HOME", no_folder(tmp_path))
    said = provide_places()
    (folder,) = tmp_path.glob("workbench-home-*")
    assert said.startswith("note: the home folder cannot be written: what matplotlib, IPython, Jupyter")
    assert str(folder) in said and "set HOME" in said and "\n" not in said
    for name in NAMES:
        place = Path(os.environ[name])
        assert place.parent == folder and place.is_dir() and place.stat().st_mode & 0o077 == 0
    assert provide_places() == "", "what has a place keeps it"


def test_numba_gets_one_where_it_cannot_write_beside_its_modules(places, tmp_path):
    places.setenv("HOME", no_folder(tmp_path))
    places.setattr("workbench.cli.home.find_spec", lambda name: type("Spec", (), {"origin": str(tmp_path / "file" / name)}))
    assert "numba" in provide_places()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).is_dir()


def test_what_the_user_has_set_stays(places, tmp_path):
    places.setenv("HOME", no_folder(tmp_path))
    places.setenv("MPLCONFIGDIR", str(tmp_path))
    assert "matplotlib" not in provide_places()
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path)


def test_no_home_at_all(places):
    """Of a user who has no entry and no HOME nothing is known, and libraries ask for a home all the same."""

    def unknown(_: int) -> None:
        raise KeyError

    places.setenv("HOME", "to be restored")
    places.delenv("HOME")
    places.setattr("pwd.getpwuid", unknown)
    assert "others" in provide_places()
    assert Path(os.environ["HOME"]).is_dir()


def test_a_command_without_a_home(tmp_path):
    """Two frames: one line says where things go, nothing else is on stderr, and the folder is gone at the end."""
    clip = encode(tmp_path / "clip.mp4", pan(1, 2))
    (tmp_path / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in (*NAMES, *XDG)}
    environment |= {"HOME": no_folder(tmp_path), "TMPDIR": str(tmp_path / "tmp")}
    words = [sys.executable, "-m", "workbench", "reconstruct", str(clip), "--out", str(tmp_path / "run")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("note: the home folder cannot be written") and done.stderr.count("\n") == 1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["frames"] == 2
    assert list((tmp_path / "tmp").iterdir()) == []

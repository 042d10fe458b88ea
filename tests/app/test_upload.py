"""Files as they arrive: any size, any name, whole or not at all. What is sent is no video, since nothing is restored here."""

import http.client
import time
import urllib.parse
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.served import SECONDS, Served
from workbench.app import upload


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as server:
        yield server


def new(served: Served, name: str = "clip.mp4", folder: bool = False) -> str:
    return served.ask("/api/jobs", {"name": name, "folder": folder, "bytes": 1}).json["name"]


def test_a_file_arrives_whole(served):
    """5 MB of noise, far more than a request that is read into memory may have."""
    content = np.random.default_rng(0).bytes(5_000_000)
    name = served.receive({"clip.mp4": content})
    assert (served.folder / name / "upload" / "clip.mp4").read_bytes() == content
    assert [path.name for path in served.folder.iterdir()] == ["clip"]
    assert served.ask(f"/api/jobs/{name}").json["state"] == "waiting"


def test_a_folder_stays_together(served):
    """Under its name; folders in it become part of the names."""
    name = served.receive({"a.png": b"1", "deep/er/b.png": b"2"}, folder="holiday 1")
    assert name == "holiday 1"
    assert {path.name for path in (served.folder / name / "upload" / "holiday 1").iterdir()} == {"a.png", "deep_er_b.png"}


@pytest.mark.parametrize(
    "given",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..\\up.mp4",
        ".hidden",
        "-rf",
        "a\0b",
        "\u202egpj.mp4",
        "x" * 4000,
        "",
        "..",
        "%04d*?[a]",
    ],
)
def test_no_name_leads_elsewhere(served, given):
    name = new(served, given)
    answer = served.ask(f"/api/jobs/{urllib.parse.quote(name)}/files?name={urllib.parse.quote(given)}", b"1", "PUT")
    assert answer.status == 200
    (folder,) = (path for path in served.folder.iterdir() if path.is_dir())
    (file,) = (folder / ".upload").iterdir()
    assert folder.name == name and file.read_bytes() == b"1"
    for part in (folder.name, file.name):
        assert part[0] not in ".-" and not set(part) & set("/\\*?[]%\0\u202e") and len(part.encode()) <= 123


def test_two_files_of_one_name_are_refused(served):
    name = new(served)
    assert served.ask(f"/api/jobs/{name}/files?name=a.png", b"1", "PUT").status == 200
    answer = served.ask(f"/api/jobs/{name}/files?name=a.png", b"2", "PUT")
    assert answer.status == 400 and "two files are called a.png" in answer.json["error"]
    assert (served.folder / name / ".upload" / "a.png").read_bytes() == b"1"


def test_two_jobs_of_one_name(served):
    assert [new(served) for _ in range(3)] == ["clip", "clip-2", "clip-3"]


def test_nothing_is_received_after_the_start(served):
    name = served.receive({"clip.mp4": b"1"})
    answer = served.ask(f"/api/jobs/{name}/files?name=more.mp4", b"2", "PUT")
    assert answer.status == 400 and "receives no files any more" in answer.json["error"]
    assert served.ask(f"/api/jobs/{name}/start", {}).status == 400


def test_nothing_cannot_be_started(served):
    name = new(served, "empty", folder=True)
    answer = served.ask(f"/api/jobs/{name}/start", {})
    assert answer.status == 400 and "there is no file in it" in answer.json["error"]


def test_a_full_disk_is_one_line(served, monkeypatch):
    """/dev/full refuses what is written to it as a full disk does. What was received is deleted: its room is needed."""
    name = new(served)

    def full_disk(_path):
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(upload, "_new_file", full_disk)
    answer = served.ask(f"/api/jobs/{name}/files?name=clip.mp4", bytes(10**6), "PUT")
    assert answer.status == 507
    assert answer.json["error"] == (
        f"{served.folder} cannot be used (No space left on device): make room on its disk, or work in a folder on another one"
    )
    assert not served.queue.jobs and not any(served.folder.iterdir())


def test_half_a_file_is_deleted(served):
    """The browser is closed while it sends."""
    name = new(served)
    folder = served.folder / name / ".upload"
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.putrequest("PUT", f"/api/jobs/{name}/files?name=clip.mp4")
    connection.putheader("Cookie", f"{served.access.cookie}={served.access.token}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(bytes(1000))
    deadline = time.monotonic() + SECONDS
    while not any(folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert served.ask(f"/api/jobs/{name}/start", {}).json["error"].startswith("files are still arriving")
    connection.close()
    while any(folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stranger_sends_nothing(served):
    """Refused before anything is received."""
    name = new(served)
    assert served.ask(f"/api/jobs/{name}/files?name=clip.mp4", b"1", "PUT", Cookie="").status == 403
    assert not any((served.folder / name / ".upload").iterdir())

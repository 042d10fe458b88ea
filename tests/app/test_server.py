"""Who is answered, and what: requests without a browser. No video is restored here."""

import socket
import urllib.parse

import pytest

from tests.helpers.served import Served
from tests.helpers.tiny import refused, workbench

PATHS = {"/": 200, "/job/clip": 200, "/static/page.js": 200, "/api/jobs": 200, "/api/jobs/clip": 404, "/nothing": 404}


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as server:
        yield server


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("cookie", ["", "wrong", "right"])
def test_without_the_token_nothing_is_answered(served, path, cookie):
    value = served.access.token if cookie == "right" else cookie
    answer = served.ask(path, Cookie=f"{served.access.cookie}={value}")
    if cookie == "right":
        assert answer.status == PATHS[path]
    else:
        assert answer.status == 403 and b"it has the token" in answer.body and b"<" not in answer.body


def test_the_token_in_the_address_becomes_a_cookie(served):
    """The address that the browser then shows and keeps has no token."""
    answer = served.ask(f"/job/clip?token={served.access.token}", Cookie="")
    assert (answer.status, answer.headers["Location"]) == (302, "/job/clip")
    cookie = answer.headers["Set-Cookie"]
    assert f"={served.access.token}" in cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert served.ask("/?token=wrong", Cookie="").status == 403
    assert served.ask(f"/api/jobs?token={served.access.token}", Cookie="").status == 403  # for pages only


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:80", 200),
        ("evil.example", 403),
        ("evil.example:80", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.1@evil.example", 400),
    ],
)
def test_other_hosts_are_refused(served, host, status):
    """A name of another site that leads to this machine: DNS rebinding."""
    assert served.ask("/api/jobs", Host=host).status == status


def test_other_pages_cannot_change_anything(served):
    body = {"name": "clip.mp4", "bytes": 1}
    own = f"http://127.0.0.1:{served.port}"
    for origin in ("http://evil.example", "null", f"http://localhost:{served.port}", "http://127.0.0.1:1"):
        assert served.ask("/api/jobs", body, Origin=origin).status == 403
    assert not served.queue.jobs and not any(served.folder.iterdir())
    assert served.ask("/api/jobs", body, Origin=own).status == 200


def test_the_page_needs_nothing_from_elsewhere(served):
    """No address of another server stands in it, and the browser is told to ask none."""
    for path in ("/", "/static/page.css", "/static/page.js", "/static/api.js", "/static/result.js", "/static/dropped.js"):
        answer = served.ask(path)
        assert answer.status == 200 and b"//cdn" not in answer.body and b"https:" not in answer.body
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("file", ["run.json", "..%2Frun.json", "upload%2Fclip.mp4", "..", ".app.lock", "%00"])
def test_only_files_of_the_result_are_sent(served, file):
    name = served.receive({"clip.mp4": b"content"})
    assert served.ask(f"/api/jobs/{name}/files/{file}").status in (400, 404)
    assert served.ask(f"/static/..%2F{file}").status in (400, 403, 404)


@pytest.mark.parametrize("body", [b"{", b"[]", {}, {"name": 3, "bytes": 1}, {"name": "a", "bytes": "1"}])
def test_what_is_no_request_is_refused(served, body):
    answer = served.ask("/api/jobs", body)
    assert answer.status == 400 and "reload the page" in answer.json["error"]


def test_more_than_the_disk_holds_is_refused(served):
    answer = served.ask("/api/jobs", {"name": "clip.mp4", "bytes": 10**18})
    assert answer.status == 400
    assert answer.json["error"].startswith("this has 1,000,000,000.0 GB, and the workbench's disk has room for")
    assert not any(served.folder.iterdir())


def test_a_long_request_is_not_read(served):
    """Its head says how long it is, and is all that is sent: what is not read when the server hangs up can reset the answer."""
    head = f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Length: 1000000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_only_one_server_per_folder(tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / ".app.lock"):
        refused(workbench("app", "--no-browser", "--port", 0, "--out", tmp_path), 1, "another `workbench app` works in")


def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(workbench("app", "--no-browser", "--port", port, "--out", tmp_path), 2, f"port {port} cannot be used", "--port")
    refused(workbench("app", "--port", 70000), 2, "70000")


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    refused(workbench("app", "--no-browser", "--port", 0, "--out", tmp_path / "file"), 1, "choose another folder with --out")


def test_names_of_any_script(served):
    """A job is found by its name as it stands in the address."""
    name = served.receive({"увы & 影.mp4": b"content"})
    assert served.ask(f"/api/jobs/{urllib.parse.quote(name)}").json["name"] == name

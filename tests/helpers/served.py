"""The server of ``workbench app`` in a thread of the test, and requests to it as a browser with the cookie sends them."""

import asyncio
import http.client
import json
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from workbench.app.guard import Access
from workbench.app.queue import Queue
from workbench.app.server import MAX_REQUEST_BYTES, make_application

SECONDS = 60  # an answer takes at most


class Answer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


class Served:
    """A server on ``folder``. Its queue works only when ``works``: else jobs wait for ever."""

    def __init__(self, folder: Path, works: bool = False) -> None:
        self.folder, self.works, self.access = folder, works, Access()
        self._ready, self._stop = threading.Event(), None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop, self.queue = asyncio.get_running_loop(), asyncio.Event(), Queue(self.folder)
        sockets = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(make_application(self.queue, self.access), max_body_size=MAX_REQUEST_BYTES)
        server.add_sockets(sockets)
        self.port = sockets[0].getsockname()[1]
        work = asyncio.create_task(self.queue.work()) if self.works else None
        self._ready.set()
        await self._stop.wait()
        if work:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        server.stop()
        await server.close_all_connections()

    def ask(self, path: str, body: Any = None, method: str = "", **headers: str) -> Answer:
        """GET, or with a body POST; a dictionary is sent as JSON. ``headers`` replace those of the page itself."""
        own = {"Host": f"127.0.0.1:{self.port}", "Cookie": f"{self.access.cookie}={self.access.token}"}
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, data, own | headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def receive(self, files: dict[str, bytes], folder: str = "") -> str:
        """Send files, of one name or of a ``folder``, and start the job; its name."""
        title = folder or next(iter(files))
        asked = {"name": title, "folder": bool(folder), "bytes": sum(map(len, files.values()))}
        name = self.ask("/api/jobs", asked).json["name"]
        for file, content in files.items():
            assert self.ask(f"/api/jobs/{quote(name)}/files?name={quote(file)}", content, "PUT").status == 200
        assert self.ask(f"/api/jobs/{quote(name)}/start", {}).status == 200
        return name

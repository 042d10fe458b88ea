"""The server of ``workbench app``: tornado on the loopback interface, one token, one folder of runs, one queue."""

import errno
from collections.abc import Callable
from pathlib import Path
from socket import socket

from filelock import FileLock, Timeout
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, StaticFileHandler

from workbench.app.downloads import FrameHandler, PicturesHandler, ResultFileHandler
from workbench.app.guard import Access, Guarded
from workbench.app.handlers import ActHandler, JobHandler, JobsHandler, OneJobHandler, ResultHandler
from workbench.app.queue import Queue
from workbench.app.upload import FileHandler
from workbench.errors import BusyError, RunError, UsageError

STATIC = Path(__file__).parent / "static"
ADDRESS = "127.0.0.1"
MAX_REQUEST_BYTES = 2**16  # of a request that is read into memory: all but files
JOB = r"/api/jobs/([^/]+)"


class PageHandler(Guarded):
    """``GET /`` and ``GET /job/NAME``: the page. With the token in the address, the browser is given the cookie."""

    def get(self, *_name: str) -> None:
        """Send the page, or the way to the same address without the token.

        Parameters
        ----------
        *_name : str
            Name of the job, which the page asks for by itself.
        """
        if self.get_query_argument("token", None) is not None:
            self.set_cookie(self.access.cookie, self.access.token, httponly=True, samesite="Strict", path="/")
            self.redirect(self.request.path)
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish((STATIC / "index.html").read_bytes())

    def is_admitted_otherwise(self) -> bool:
        """Tell whether the token stands in the address.

        Returns
        -------
        bool
            Whether it does.
        """
        return self.access.admits(self.get_query_argument("token", None))

    def write_error(self, status_code: int, **details: object) -> None:
        """Answer an error with one line of text: there is no page that could show it.

        Parameters
        ----------
        status_code : int
            The status.
        **details : object
            Not used.
        """
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._reason}.\n")


class AssetHandler(Guarded, StaticFileHandler):
    """``GET /static/...``: the style and the script of the page."""


class NothingHandler(JobHandler):
    """Every other address."""

    def prepare(self) -> None:
        """Answer 404, to those that would be answered at all."""
        super().prepare()
        self.send_error(404, reason="There is nothing at this address")


def make_application(queue: Queue, access: Access) -> Application:
    """Make the application.

    Parameters
    ----------
    queue : Queue
        The jobs.
    access : Access
        The token.

    Returns
    -------
    Application
        What answers requests.
    """
    return Application(
        [
            (r"/", PageHandler),
            (r"/job/([^/]+)", PageHandler),
            (r"/static/(.*)", AssetHandler, {"path": str(STATIC)}),
            (r"/api/jobs", JobsHandler),
            (JOB, OneJobHandler),
            (rf"{JOB}/(start|stop|go-on|write|change)", ActHandler),
            (rf"{JOB}/result", ResultHandler),
            (rf"{JOB}/frames/([0-9]{{1,9}})\.jpg", FrameHandler),
            (rf"{JOB}/files", FileHandler),
            (rf"{JOB}/files/([^/]+)", ResultFileHandler, {"path": str(queue.folder)}),
            (rf"{JOB}/pictures\.zip", PicturesHandler),
        ],
        default_handler_class=NothingHandler,
        queue=queue,
        access=access,
        log_function=_log_nothing,
    )


async def serve(folder: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve the page until this is cancelled or interrupted.

    Parameters
    ----------
    folder : Path
        Folder of the runs; made where it is missing.
    port : int
        The port; 0 for any that is free.
    announce : callable
        Called with the address, which holds the token, when the page can be opened.

    Raises
    ------
    UsageError
        When the port is in use or not allowed.
    BusyError
        When another server works in this folder.
    RunError
        When the folder cannot be written.
    """
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".app.lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(f"another `workbench app` works in {folder}: use its page, or another folder with --out") from error
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error.strerror}): choose another folder with --out") from error
    try:
        sockets = _bound(port)
        access, queue = Access(), Queue(folder)
        server = HTTPServer(make_application(queue, access), max_body_size=MAX_REQUEST_BYTES)
        server.add_sockets(sockets)
        announce(f"http://{ADDRESS}:{sockets[0].getsockname()[1]}/?token={access.token}")
        await queue.work()
    finally:
        lock.release()


def _bound(port: int) -> list[socket]:
    try:
        return bind_sockets(port, ADDRESS)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UsageError(f"port {port} cannot be used: choose another one with --port; 0 takes any that is free") from error


def _log_nothing(_handler: RequestHandler) -> None:
    """Keep addresses out of the terminal; faults are logged where they are raised."""

"""Files as they arrive: written to the disk piece by piece, so that their size does not matter."""

import errno
import os
from pathlib import Path
from typing import IO

from tornado.httputil import HTTPServerRequest
from tornado.web import stream_request_body

from workbench.app.handlers import JobHandler
from workbench.app.incoming import plain_name, receiving_folder
from workbench.app.jobs import Job, State
from workbench.errors import UsageError

MAX_FILE_BYTES = 2**53  # the disk is the limit, not the server


@stream_request_body
class FileHandler(JobHandler):
    """``PUT /api/jobs/NAME/files?name=...``: receive one file."""

    job: Job | None = None
    file: IO[bytes] | None = None
    target: Path | None = None
    problem: OSError | None = None

    def prepare(self) -> None:
        """Open the file.

        Raises
        ------
        UsageError
            When the job receives no files, or has a file of this name.
        """
        super().prepare()
        request: HTTPServerRequest = self.request
        assert request.connection
        request.connection.set_max_body_size(MAX_FILE_BYTES)  # type: ignore[attr-defined] # of the connection of HTTP/1
        job = self.find_job(self.path_args[0])
        if job.state != State.RECEIVING:
            raise UsageError(f"{job.name} receives no files any more: drop them again")
        name = plain_name(self.get_query_argument("name"))
        target = receiving_folder(job) / name
        try:
            self.file = _new_file(target)
        except FileExistsError as error:
            raise UsageError(f"two files are called {name}: give one of them another name") from error
        self.job, self.target = job, target
        job.arriving.add(name)

    def data_received(self, chunk: bytes) -> None:
        """Write a piece to the disk. After an error the rest is passed over: a browser reads no answer before it has sent all.

        Parameters
        ----------
        chunk : bytes
            The piece.
        """
        if self.file and not self.problem:
            try:
                self.file.write(chunk)
            except OSError as error:
                self.problem = error

    def put(self, _name: str) -> None:
        """Close the file.

        Parameters
        ----------
        _name : str
            Name of the job.

        Raises
        ------
        OSError
            When it could not be written.
        """
        self._close()
        if self.problem and self.job:
            self.drop(self.job)
            if self.problem.errno == errno.ENOSPC:  # it names no file
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.queue.folder)) from self.problem
            raise self.problem
        self.finish({})

    def on_connection_close(self) -> None:
        """Delete what is not whole."""
        self._close()
        if self.target:
            self.target.unlink(missing_ok=True)

    def on_finish(self) -> None:
        """Close the file of a request that was refused while it was received."""
        self._close()

    def _close(self) -> None:
        if self.file and self.job and self.target:
            try:
                self.file.close()
            except OSError as error:  # what was buffered did not fit on the disk either
                self.problem = self.problem or error
            self.file = None
            self.job.arriving.discard(self.target.name)


def _new_file(path: Path) -> IO[bytes]:
    return path.open("xb")

"""What the page asks for: jobs, how far they are, what was found, and changes."""

import asyncio
import json
import shutil
from collections.abc import Callable
from typing import Any, TypeVar

from tornado.web import HTTPError

from workbench.app.guard import Guarded
from workbench.app.incoming import close_upload, new_job
from workbench.app.jobs import Job, State, as_json
from workbench.app.queue import Queue
from workbench.app.result import change, describe_result
from workbench.errors import UsageError
from workbench.storage.folder import remove

T = TypeVar("T")


class JobHandler(Guarded):
    """Base of what concerns jobs."""

    @property
    def queue(self) -> Queue:  # numpydoc ignore=RT01
        """The jobs of this server."""
        found = self.settings["queue"]
        assert isinstance(found, Queue)
        return found

    def find_job(self, name: str) -> Job:
        """Find a job among those that are known.

        Parameters
        ----------
        name : str
            Its name, from the address.

        Returns
        -------
        Job
            The job.

        Raises
        ------
        HTTPError
            404 when there is none.
        """
        job = self.queue.jobs.get(name)
        if job is None:
            raise HTTPError(404, reason="There is no such result here any more")
        return job

    def asked(self) -> dict[str, Any]:
        """Read what is asked for.

        Returns
        -------
        dict
            The object that the request has as JSON; empty without one.

        Raises
        ------
        UsageError
            When it is none.
        """
        try:
            asked = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise UsageError("the request is no JSON: reload the page") from error
        return asked if isinstance(asked, dict) else {}

    def drop(self, job: Job) -> None:
        """Forget a job that was not received whole, and delete what came of it.

        Parameters
        ----------
        job : Job
            The job.
        """
        self.queue.jobs.pop(job.name, None)
        remove(job.path)

    async def read(self, job: Job, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of the run of a job beside the event loop.

        Parameters
        ----------
        job : Job
            The job.
        function : callable
            Called with the run.
        *arguments : object
            Given to the function too.

        Returns
        -------
        object
            What it gives.

        Raises
        ------
        UsageError
            When there is no run yet.
        """
        if not job.begun:
            raise UsageError(f"nothing is known of {job.name} yet: wait until it was read")
        return await asyncio.to_thread(function, job.run, *arguments)


class JobsHandler(JobHandler):
    """``/api/jobs``: list all jobs, or make one that receives files."""

    def get(self) -> None:
        """Answer names and states, the newest first."""
        jobs = [{"name": job.name, "state": str(job.state)} for job in self.queue.jobs.values()]
        self.finish({"jobs": jobs[::-1]})

    def post(self) -> None:
        """Take ``name``, whether it is a ``folder``, and the ``bytes`` to come; answer the ``name`` of the job.

        Raises
        ------
        UsageError
            When the disk has no room for them, or the request is not as it should be.
        """
        asked = self.asked()
        name, size = asked.get("name"), asked.get("bytes")
        if not isinstance(name, str) or type(size) is not int:
            raise UsageError("give the name of what is dropped, and its bytes: reload the page")
        free = shutil.disk_usage(self.queue.folder).free
        if size > free:
            raise UsageError(
                f"this has {size / 1e9:,.1f} GB, and the workbench's disk has room for {free / 1e9:,.1f} GB: make room there, "
                "or start `workbench app` with --out on another disk"
            )
        job = new_job(self.queue.folder, name, asked.get("folder") is True)
        self.queue.jobs[job.name] = job
        self.finish({"name": job.name})


class OneJobHandler(JobHandler):
    """``GET /api/jobs/NAME``: how far a job is."""

    def get(self, name: str) -> None:
        """Answer with :func:`~workbench.app.jobs.as_json`.

        Parameters
        ----------
        name : str
            Name of the job.
        """
        job = self.find_job(name)
        self.finish(as_json(job, self.queue.before(job)))


class ActHandler(JobHandler):
    """``POST /api/jobs/NAME/start`` and so on: what a person does with a job."""

    async def post(self, name: str, act: str) -> None:
        """Do it, and answer how far the job is then.

        Parameters
        ----------
        name : str
            Name of the job.
        act : str
            ``start``, when all files are there; ``go-on`` after a stop; ``stop``; ``write``, the videos again, and with
            ``pictures`` those too; ``change``, with ``verb``, ``scene`` and the ``version`` that was looked at.

        Raises
        ------
        UsageError
            When it cannot be done now.
        """
        job = self.find_job(name)
        if act == "start":
            close_upload(job)
            self.queue.add(job)
        elif act == "stop" and job.state == State.RECEIVING:
            self.drop(job)
            self.finish({})
            return
        elif act == "stop":
            self.queue.stop(job)
        elif not job.path.exists() or job.state == State.RECEIVING:
            raise UsageError("nothing of it is here: drop it again")
        elif act == "change":
            await self._change(job)
        else:
            asked = self.asked()
            job.pictures = job.pictures or asked.get("pictures") is True
            self.queue.add(job)
        self.finish(as_json(job, self.queue.before(job)))

    async def _change(self, job: Job) -> None:
        asked = self.asked()
        scene = asked.get("scene", 0)
        if type(scene) is not int:
            raise UsageError("a scene is named by its number: reload the page")
        async with self.queue.changing:
            if job.is_busy:
                raise UsageError(f"{job.name} is being worked on: wait until that is done, or stop it")
            if asked.get("version") != job.version():
                raise UsageError("the order was changed meanwhile, perhaps by somebody else: look at it and try again")
            await self.read(job, change, str(asked.get("verb")), scene)


class ResultHandler(JobHandler):
    """``GET /api/jobs/NAME/result``: what was found."""

    async def get(self, name: str) -> None:
        """Answer with :func:`~workbench.app.result.describe_result`.

        Parameters
        ----------
        name : str
            Name of the job.
        """
        self.finish(await self.read(self.find_job(name), describe_result))

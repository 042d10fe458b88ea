"""What the page shows and saves of a run: frames, files, and an archive of pictures."""

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, StaticFileHandler

from workbench.app.handlers import JobHandler
from workbench.app.pictures import zipped
from workbench.app.result import frame_picture, result_files
from workbench.pipeline.exports import IMAGES


class FrameHandler(JobHandler):
    """``GET /api/jobs/NAME/frames/POSITION.jpg``: a frame, small."""

    async def get(self, name: str, position: str) -> None:
        """Answer a JPEG file.

        Parameters
        ----------
        name : str
            Name of the job.
        position : str
            Position of the frame, digits.
        """
        picture = await self.read(self.find_job(name), frame_picture, int(position))
        self.set_header("Content-Type", "image/jpeg")
        self.set_header("Cache-Control", "private, max-age=3600")  # frames never change
        self.finish(picture)


class PicturesHandler(JobHandler):
    """``GET /api/jobs/NAME/pictures.zip``: the frames as pictures, in an archive that is made while it is sent."""

    async def get(self, name: str) -> None:
        """Send the archive.

        Parameters
        ----------
        name : str
            Name of the job.

        Raises
        ------
        HTTPError
            404 when no pictures were written.
        """
        job = self.find_job(name)
        if not await self.read(job, lambda run: IMAGES in run.recorded_outputs("write")):
            raise HTTPError(404, reason="No pictures were written yet")
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", 'attachment; filename="pictures.zip"')
        try:
            for piece in zipped(job.path / IMAGES):
                self.write(piece)
                await self.flush()
        except StreamClosedError:  # the person has stopped the download
            return
        await self.finish()


class ResultFileHandler(JobHandler, StaticFileHandler):
    """``GET /api/jobs/NAME/files/FILE``: one of the files of a result, or a part of it, as players ask for."""

    async def get(self, name: str, file: str) -> None:  # type: ignore[override]
        """Send the file; with ``?save`` to be saved rather than shown.

        Parameters
        ----------
        name : str
            Name of the job.
        file : str
            Name of the file, one of :func:`~workbench.app.result.result_files`.

        Raises
        ------
        HTTPError
            404 for any other name.
        """
        job = self.find_job(name)
        if file not in await self.read(job, result_files):
            raise HTTPError(404, reason="There is no such file in this result")
        if self.get_query_argument("save", None) is not None:
            self.set_header("Content-Disposition", f'attachment; filename="{file}"')
        self.root = str(job.path)
        await StaticFileHandler.get(self, file)

    def compute_etag(self) -> str | None:
        """Give no digest of the content, which would be read whole for it and may change.

        Returns
        -------
        None
            Always.
        """
        return None

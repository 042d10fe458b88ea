"""What a browser sends: named anew, collected in the run directory of a job, and given to the pipeline as on the command line.

What a browser sends decides no path.
"""

import re
import unicodedata
from pathlib import Path

from workbench.app.jobs import RECEIVING, Job, State
from workbench.errors import UsageError
from workbench.run.run import UPLOAD
from workbench.video.base import Given
from workbench.video.inputs import natural_key

MAX_NAME_BYTES = 120  # of a name that is made here: well below 255, since others are made from it


def plain_name(given: str) -> str:
    """Make the name of one file or folder of whatever a browser sends.

    Parameters
    ----------
    given : str
        A name, or a path, with anything in it.

    Returns
    -------
    str
        Letters of any script, digits, spaces and ``_ - . ( ) +``; anything else, such as the ``/`` of a path, is ``_``. It
        begins with neither a dot nor a dash, has at most 120 bytes, and is never empty.
    """
    text = re.sub(r"[^\w.()+ -]", "_", unicodedata.normalize("NFC", given)).strip(" .").lstrip("-")
    stem, dot, suffix = text.rpartition(".")
    if not dot or len(suffix) > 10:
        stem, dot, suffix = text, "", ""
    room = MAX_NAME_BYTES - len(f"{dot}{suffix}".encode())
    stem = stem.encode()[: max(room, 0)].decode(errors="ignore").rstrip(" .")
    return f"{stem or 'file'}{dot}{suffix}"


def new_job(folder: Path, given: str, is_folder: bool) -> Job:
    """Make the run directory of a job, and the folder that its files go to.

    Parameters
    ----------
    folder : Path
        Folder of all jobs.
    given : str
        Name of what was dropped, from a browser.
    is_folder : bool
        Whether a folder was dropped; its files then stay together under its name.

    Returns
    -------
    Job
        A job that receives files.
    """
    name = plain_name(given)
    stem = name if is_folder else Path(name).stem.removesuffix(".tar")
    number = 1
    while True:
        path = folder / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            continue
        (path / RECEIVING / (name if is_folder else "")).mkdir(parents=True)
        return Job(path, State.RECEIVING)


def receiving_folder(job: Job) -> Path:
    """Find the folder that the files of a job go to.

    Parameters
    ----------
    job : Job
        A job that receives files.

    Returns
    -------
    Path
        The folder.
    """
    folders = [entry for entry in (job.path / RECEIVING).iterdir() if entry.is_dir()]
    return folders[0] if folders else job.path / RECEIVING


def close_upload(job: Job) -> None:
    """Decide that all files of a job are there.

    Parameters
    ----------
    job : Job
        A job that receives files.

    Raises
    ------
    UsageError
        When a file is still arriving, or none came.
    """
    if job.state != State.RECEIVING or job.arriving:
        raise UsageError("files are still arriving: wait until all are there")
    if not any(receiving_folder(job).iterdir()):
        raise UsageError("there is no file in it: drop a video, pictures, or a folder of pictures")
    (job.path / RECEIVING).rename(job.path / UPLOAD)


def given_to(path: Path) -> Given:
    """Name what was dropped, as :func:`~workbench.video.source.open_source` takes it.

    Parameters
    ----------
    path : Path
        Run directory of a job.

    Returns
    -------
    Path or list of Path
        One file or folder, or several files in the order of their names; of a folder with a single file, that file.
    """
    entries = sorted((path / UPLOAD).iterdir(), key=lambda entry: natural_key(entry.name))
    if len(entries) == 1 and entries[0].is_dir():
        inside = [*entries[0].iterdir()]
        return inside[0] if len(inside) == 1 else entries[0]
    return entries[0] if len(entries) == 1 else [*entries]

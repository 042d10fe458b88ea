"""Errors that a user can correct. A message is one line that says what to do; the command line prints it without a traceback.

``exit_status`` is what ``workbench`` exits with: 1 for data that cannot be processed, 2 for wrong usage.
"""

import errno
import os

# Codes of OSError for what a disk refuses although the program is right: it is full, read-only, or not allowed to be written.
DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}

# What no other file or folder would mend.
MACHINE_ERRNOS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO}

_MAKE_ROOM = "make room on its disk, or work in a folder on another one"
_PERMIT = "change its permissions, or work in a folder that you may write"
_OTHER_PATH = "check the path, or give another one"
_REMEDIES = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: "the disk or a limit of this shell (`ulimit -f`) allows no file so large: work in a folder on another disk",
    errno.EROFS: "work in a folder on a disk that can be written",
    errno.EACCES: _PERMIT,
    errno.EPERM: _PERMIT,
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOENT: "it is gone, or its folder is: check the path, and call the same command again",
    errno.ENOTDIR: _OTHER_PATH,
    errno.EISDIR: _OTHER_PATH,
    errno.EEXIST: _OTHER_PATH,
    errno.ELOOP: "its links lead in a circle: " + _OTHER_PATH,
    errno.EMFILE: "close other programs, or allow more open files (`ulimit -n 4096`)",
    errno.ENFILE: "close other programs: this machine has too many files open",
    errno.ENOMEM: "close other programs, the memory is full",
    errno.EIO: "the disk is at fault: copy what it holds, and work on another one",
    errno.ESTALE: "the network drive has changed: mount it again",
    errno.ENOTCONN: "the network drive is gone: mount it again",
}


def os_remedy(error: OSError) -> str:
    """Say in one line what a person can do about an error of the operating system.

    Parameters
    ----------
    error : OSError
        The error.

    Returns
    -------
    str
        What is wrong with which file, and what to do; "" where no person can mend it, so that the program is at fault.
    """
    if error.errno not in _REMEDIES:
        return ""
    if error.errno == errno.ENOENT and error.filename is None:  # tempfile raises it so
        return f"{error.strerror}: set TMPDIR to a folder that can be written"
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else "a file"
    return f"{name} cannot be used ({error.strerror}): {_REMEDIES[error.errno]}"


class WorkbenchError(Exception):
    """Base of every error the workbench raises on purpose."""

    exit_status = 1


class VideoError(WorkbenchError):
    """The video cannot be read or written (not a video, no frames, no permission)."""


class TruthError(WorkbenchError):
    """A ground-truth file is missing, malformed, or belongs to another video."""


class ClusterError(WorkbenchError):
    """No scene could be found with these parameters."""


class ModelError(WorkbenchError):
    """Model weights are missing, unreachable, or not what they should be."""


class RunError(WorkbenchError):
    """The run directory cannot be used (not writable, of another video, damaged)."""


class MissingStageError(RunError):
    """A stage needs the result of an earlier one that has not been run."""


class StaleStageError(RunError):
    """A stage was finished with other parameters or inputs; it is only replaced with ``overwrite``."""


class BusyError(RunError):
    """Another process works in the run directory."""


class NotebookError(WorkbenchError):
    """A notebook of the chain failed."""


class UsageError(WorkbenchError):
    """The call itself is wrong."""

    exit_status = 2


class ParameterError(UsageError):
    """A parameter is unknown, of the wrong type, or out of range."""

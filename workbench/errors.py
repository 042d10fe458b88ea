"""Errors that a user can correct. A message is one line that says what to do; the command line prints it without a traceback.

``exit_status`` is what ``workbench`` exits with: 1 for data that cannot be processed, 2 for wrong usage.
"""

import errno

# Codes of OSError for what a disk refuses although the program is right: it is full, read-only, or not allowed to be written.
DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}


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

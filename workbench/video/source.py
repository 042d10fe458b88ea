"""Open whatever a person gave: a video, a folder of pictures, a pattern, a list, an archive, or several files."""

from workbench.video.base import Given, Source
from workbench.video.decode import Decoder


def open_source(given: Given) -> Source:
    """Open what a person gave, so that its frames can be read.

    Parameters
    ----------
    given : str, Path, or sequence of these
        One path or several, as :attr:`workbench.run.Run.inputs` has them.

    Returns
    -------
    Source
        What yields the frames, to be used as a context manager. Its ``names`` are the files of the frames, and its ``original``
        reads the file of one.

    Raises
    ------
    VideoError
        When there is nothing that can be read.
    """
    assert isinstance(given, str)
    return Decoder(given)

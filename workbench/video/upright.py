"""Turn frames as their file asks for it, so that they stand upright."""

from fractions import Fraction
from typing import Any

import av
import numpy as np

# Sign pattern (a, b, c, d) of a display matrix to (degrees undone, filters that undo it). Two quarter turns rather than
# hflip,vflip: vflip hands out frames stored bottom-up, which few encoders expect.
_ORIENTATIONS: dict[tuple[int, ...], tuple[int, str]] = {
    (0, 1, -1, 0): (90, "transpose=clock"),
    (-1, 0, 0, -1): (180, "transpose=clock,transpose=clock"),
    (0, -1, 1, 0): (270, "transpose=cclock"),
    (-1, 0, 0, 1): (0, "hflip"),
    (1, 0, 0, -1): (180, "hflip,transpose=clock,transpose=clock"),
    (0, 1, 1, 0): (90, "transpose=cclock_flip"),
    (0, -1, -1, 0): (270, "transpose=clock_flip"),
}


class Upright:
    """Turn the frames of a video as the first of them asks for it.

    Parameters
    ----------
    first : av.VideoFrame, optional
        A decoded frame, with the display matrix of its file or without; without a frame nothing is turned.

    Attributes
    ----------
    degrees : int
        By how much frames are turned, clockwise: 0, 90, 180 or 270.
    """

    def __init__(self, first: av.VideoFrame | None = None) -> None:
        self.degrees, self._filters = orientation(first) if first is not None else (0, "")
        self._graph: tuple[Any, Any] | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Turn a frame.

        Parameters
        ----------
        frame : av.VideoFrame
            A frame; all must have one size and pixel format.

        Returns
        -------
        av.VideoFrame
            The frame, upright.
        """
        if not self._filters:
            return frame
        if self._graph is None:
            graph = av.filter.Graph()
            base = frame.time_base or Fraction(1, 1000)
            nodes = [
                graph.add(
                    "buffer",
                    f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={base}"
                    f":colorspace={frame.colorspace}:range={frame.color_range}",
                )
            ]
            for part in self._filters.split(","):
                name, _, args = part.partition("=")
                nodes.append(graph.add(name, args or None))
            nodes.append(graph.add("buffersink"))
            graph.link_nodes(*nodes).configure()
            self._graph = (graph, nodes)
        nodes = self._graph[1]
        nodes[0].push(frame)
        return nodes[-1].pull()


def orientation(frame: av.VideoFrame) -> tuple[int, str]:
    """Find out how a frame is turned to stand upright.

    Parameters
    ----------
    frame : av.VideoFrame
        A decoded frame, with the display matrix of its file or without.

    Returns
    -------
    degrees : int
        Clockwise: 0, 90, 180 or 270.
    filters : str
        FFmpeg's filters that turn it, separated by commas; empty without a display matrix, or with a skewed one.
    """
    data = next((item for item in frame.side_data if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return 0, ""
    matrix = np.frombuffer(bytes(data), np.int32)
    largest = np.abs(matrix[[0, 1, 3, 4]]).max()
    signs = tuple(int(value) for value in np.rint(matrix[[0, 1, 3, 4]] / max(1, largest)))
    return _ORIENTATIONS.get(signs, (0, ""))

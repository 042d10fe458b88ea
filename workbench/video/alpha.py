"""Find out whether an alpha channel says anything: many files have one in which every pixel is opaque."""

import av
import numpy as np

OPAQUE = 0.99  # share of full opacity from which a pixel counts as opaque: swscale's own full value is a little less


def has_alpha(pixel_format: av.VideoFormat) -> bool:
    """Tell whether a pixel format has an alpha channel.

    Parameters
    ----------
    pixel_format : av.VideoFormat
        The format.

    Returns
    -------
    bool
        Whether it has. A palette has none of its own, its colours may have.
    """
    return any(component.is_alpha for component in pixel_format.components)


class TransparencySearch:
    """Looks at the alpha channel of frame after frame until a pixel is found that is not opaque.

    Attributes
    ----------
    found : bool
        Whether there was one so far.
    """

    def __init__(self) -> None:
        self.found = False
        self._graph: tuple[tuple[int, int, str], av.filter.Graph] | None = None

    def look(self, frame: av.VideoFrame) -> None:
        """Look at one more frame.

        Parameters
        ----------
        frame : av.VideoFrame
            The frame; one without an alpha channel is opaque.
        """
        if self.found or not (frame.format.has_palette or has_alpha(frame.format)):
            return
        if frame.format.has_palette:
            frame = frame.reformat(format="bgra", threads=1)
        elif frame.format.name.startswith(("rgba64", "bgra64")):  # the filter does not take these
            frame = frame.reformat(format="gbrap16le", threads=1)
        alpha = self._alpha_of(frame)
        plane = np.frombuffer(alpha.planes[0], np.uint16 if alpha.format.components[0].bits > 8 else np.uint8)
        clear = OPAQUE * (2 ** alpha.format.components[0].bits - 1)
        self.found = bool((plane.reshape(alpha.height, -1)[:, : alpha.width] < clear).any())

    def _alpha_of(self, frame: av.VideoFrame) -> av.VideoFrame:
        shape = frame.width, frame.height, frame.format.name
        if self._graph is None or self._graph[0] != shape:
            graph = av.filter.Graph()
            source = graph.add("buffer", f"video_size={shape[0]}x{shape[1]}:pix_fmt={shape[2]}:time_base=1/1000")
            extract, sink = graph.add("alphaextract"), graph.add("buffersink")
            graph.link_nodes(source, extract, sink).configure()
            self._graph = shape, graph
        graph = self._graph[1]
        graph.push(frame)
        return graph.pull()

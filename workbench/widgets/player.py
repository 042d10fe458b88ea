"""A scene of a run from its files: its video, playing in the notebook, and its distance matrix before and after ordering."""

import html
from collections.abc import Sequence

import cv2
import ipywidgets
import numpy as np

from workbench.errors import MissingStageError, StaleStageError
from workbench.limits import NOTEBOOK_VIDEO_BYTES
from workbench.run import Run
from workbench.storage.arrays import read_arrays

MATRIX_SIDE_PX = 400  # side of the picture of a distance matrix, px


class ScenePlayer:
    """The video of a scene and its distance matrix, in input order and in restored order.

    Parameters
    ----------
    run : Run
        An ordered run.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What a notebook displays.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.words = ipywidgets.HTML()
        self.video = ipywidgets.Video(value=b"", format="mp4", autoplay=False, loop=True, controls=True, width=320)
        self.video.add_class("wb-player")
        self.matrices = [ipywidgets.Image(format="png", width=240) for _ in range(2)]
        named = zip(("input", "restored"), self.matrices, strict=True)
        pictures = [ipywidgets.VBox([ipywidgets.HTML(f"distances, {name} order"), picture]) for name, picture in named]
        self.widget = ipywidgets.HBox([ipywidgets.VBox([self.words, self.video]), *pictures])

    def is_stale(self) -> bool:
        """Check whether the videos show an earlier order.

        Returns
        -------
        bool
            True when videos were written and are out of date; False when there are none.
        """
        try:
            self.run.require("write")
        except MissingStageError:
            return False
        except StaleStageError:
            return True
        return False

    def show(self, scene: int, ordered: Sequence[int]) -> None:
        """Show a scene.

        Parameters
        ----------
        scene : int
            Number of the scene.
        ordered : sequence of int
            Input positions of its frames, in their order.
        """
        caption, content = self._video(scene)
        self.video.value, self.video.layout.display = content, None if content else "none"
        self.words.value = html.escape(caption) + (" <b>(of an earlier order)</b>" if self.is_stale() else "")
        file = self.run.scene_matrices_path(scene)
        frames, shown, distances = read_arrays(file, self.run.info("video")["frames"], "frames", "shown", "fused")
        index = {frame: number for number, frame in enumerate(frames[shown].tolist())}
        kept = [index[frame] for frame in ordered if frame in index]  # frames moved here by hand have no distances
        for picture, order in zip(self.matrices, (range(len(distances)), kept), strict=True):
            picture.value = matrix_png(distances[np.ix_(order, order)], distances.max()) if len(order) else b""

    def _video(self, scene: int) -> tuple[str, bytes]:
        """A caption for the video of a scene, and its bytes, empty where it cannot be played here."""
        written = self.run.recorded_outputs("write")[:-1]  # the last one shows all scenes
        if scene >= len(written) or not (self.run.path / written[scene]).is_file():
            return f"scene {scene}: no video is written yet", b""
        file = self.run.path / written[scene]
        codec = self.run.recorded_parameters("write").get("codec", "h264")
        if codec != "h264":
            return f"scene {scene}: browsers do not play {codec} video, open {file} in a player", b""
        size = file.stat().st_size
        if size > NOTEBOOK_VIDEO_BYTES:
            return f"scene {scene}: {size / 2**20:.0f} MB are too much for a notebook, open {file} in a player", b""
        return f"scene {scene}: {file.name}", file.read_bytes()


def matrix_png(distances: np.ndarray, most: float) -> bytes:
    """Draw a distance matrix as PNG, in viridis: dark where frames are near.

    Parameters
    ----------
    distances : (n, n) float array
        Distances, 0 and more; with more than 400 rows they are averaged down to 400.
    most : float
        The distance with the brightest colour.

    Returns
    -------
    bytes
        The content of a PNG file, 400 x 400 px.
    """
    shown: np.ndarray = distances.astype(np.float32)
    if len(shown) > MATRIX_SIDE_PX:
        shown = cv2.resize(shown, (MATRIX_SIDE_PX, MATRIX_SIDE_PX), interpolation=cv2.INTER_AREA)
    grey: np.ndarray = (255 * np.clip(shown / max(most, 1e-9), 0, 1)).astype(np.uint8)
    grey = cv2.resize(grey, (MATRIX_SIDE_PX, MATRIX_SIDE_PX), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".png", cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS))[1].tobytes()

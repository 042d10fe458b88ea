"""Whether an alpha channel says anything."""

import av
import numpy as np
import pytest

from workbench.video.alpha import TransparencySearch


def frame_with(alpha: np.ndarray, pixel_format: str) -> av.VideoFrame:
    """A grey frame of 34 x 20 px with an alpha channel, (20, 34) uint8."""
    picture = np.full((20, 34, 4), 100, np.uint8)
    picture[..., 3] = alpha
    return av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixel_format, threads=1)


@pytest.mark.parametrize("pixel_format", ["rgba", "bgra", "yuva420p", "yuva444p10le", "gbrap", "rgba64le"])
def test_one_pixel_that_is_not_opaque_is_found(pixel_format: str):
    """Frames that are opaque everywhere, then one with a clear pixel in its last corner; what was found stays found."""
    clear = np.full((20, 34), 255, np.uint8)
    clear[-2:, -2:] = 0
    search = TransparencySearch()
    for alpha, found in ((np.full((20, 34), 255), False), (clear, True), (np.full((20, 34), 255), True)):
        search.look(frame_with(alpha, pixel_format))
        assert search.found == found


@pytest.mark.parametrize("pixel_format", ["yuv420p", "rgb24", "gray"])
def test_without_an_alpha_channel_nothing_is_transparent(pixel_format: str):
    search = TransparencySearch()
    search.look(frame_with(np.zeros((20, 34)), pixel_format))
    assert not search.found

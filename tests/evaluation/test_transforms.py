"""How far transforms are from true ones: shifts and a zoom whose errors can be told by hand."""

import numpy as np
import pytest

from workbench.evaluation.transforms import transform_errors

SIZE = (101, 81)
CLIPS = np.array(["a", "a", "a", "b", "outlier"])


def true_transforms() -> np.ndarray:
    """Frame 1 lies 10 px to the right of frame 0 on the background, frame 2 is twice as large; frame 4 is foreign."""
    true = np.tile(np.eye(2, 3), (5, 1, 1))
    true[1, 0, 2], true[2, :, :2], true[4] = 10, 2 * np.eye(2), np.nan
    return true


@pytest.mark.parametrize(
    ("a", "b", "found", "error"),
    [
        (0, 1, [[1, 0, -10], [0, 1, 0]], 0),
        (0, 1, [[1, 0, -7], [0, 1, 4]], 5),
        (1, 0, [[1, 0, 0], [0, 1, 0]], 10),
        (2, 0, [[2, 0, 0], [0, 2, 3]], 3),
        (0, 2, [[0.5, 0, 3], [0, 0.5, 0]], 3),
    ],
)
def test_errors(a: int, b: int, found: list[list[float]], error: float) -> None:
    assert transform_errors(np.array([[a, b]]), np.array([found]), true_transforms(), CLIPS, SIZE) == pytest.approx([error])


def test_the_mean_is_over_the_picture() -> None:
    """A zoom of 1 % about the top left pixel: the mean distance of the 9 x 9 points from it, over 100."""
    x, y = np.meshgrid(np.linspace(0, 100, 9), np.linspace(0, 80, 9))
    zoomed = np.array([[[1.01, 0, 0], [0, 1.01, 0]]])
    found = transform_errors(np.array([[0, 0]]), zoomed, true_transforms(), CLIPS, SIZE)
    assert found == pytest.approx([np.hypot(x, y).mean() / 100])


def test_where_there_is_no_true_transform() -> None:
    """Another clip, a foreign frame, and no frame at all have no error; no pairs give none."""
    pairs = np.array([[0, 3], [0, 4], [4, 4], [0, -1], [0, 0]])
    found = transform_errors(pairs, np.tile(np.eye(2, 3), (5, 1, 1)), true_transforms(), CLIPS, SIZE)
    assert np.isnan(found).tolist() == [True, True, True, True, False]
    assert transform_errors(np.zeros((0, 2)), np.zeros((0, 2, 3)), true_transforms(), CLIPS, SIZE).shape == (0,)

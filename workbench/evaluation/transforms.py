"""How far transforms of frames are from true ones."""

import numpy as np

GRID = 9  # points across and down the picture at which a transform is compared with the true one


def transform_errors(
    pairs: np.ndarray, transforms: np.ndarray, true: np.ndarray, clips: np.ndarray, image_size: tuple[int, int]
) -> np.ndarray:
    """Measure how far the transforms of pairs of frames are from the true ones.

    Parameters
    ----------
    pairs : (P, 2) int array
        Positions a and b; a negative one stands for no frame.
    transforms : (P, 2, 3) float array
        The transforms found, from a to b, in px of the original.
    true : (N, 2, 3) float array
        The true transform of every frame onto the background of its clip, NaN where there is none; from
        :func:`~workbench.evaluation.files.read_true_transforms`.
    clips : (N,) array
        The true clip of every frame.
    image_size : (int, int)
        Width and height of the original, px.

    Returns
    -------
    (P,) float64 array
        Mean distance between where the two transforms take a point of a, over 9 x 9 points evenly spread over the picture from
        corner to corner, in px of b. NaN where there is no true transform between the frames: they are of different clips, or
        one of them has none.
    """
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    square = np.tile(np.eye(3), (len(true), 1, 1))
    square[:, :2] = true
    known = (pairs >= 0).all(axis=1) & np.isfinite(true[pairs]).all(axis=(1, 2, 3)) & (clips[pairs[:, 0]] == clips[pairs[:, 1]])
    a, b = pairs[known].T
    right = np.linalg.solve(square[b], square[a])[:, :2]
    x, y = np.meshgrid(*(np.linspace(0, side - 1, GRID) for side in image_size))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    errors = np.full(len(pairs), np.nan)
    errors[known] = np.linalg.norm((np.asarray(transforms)[known] - right) @ points, axis=1).mean(axis=1)
    return errors

"""Registration of two frames: a similarity transform from matched keypoints, and the difference that remains afterwards.

Most matches need not be on what is still: in front of a camera that stands, they may be on the one thing that moves. Where
enough matches say that nothing moved, the whole picture therefore decides between their transform and the identity.

The difference that remains after registration is the best single distance between two frames when the camera shakes. Grey
levels are replaced by their rank first, which undoes exposure, gamma and flicker.
"""

from dataclasses import dataclass

import cv2
import numpy as np

MIN_INLIERS = 6  # matches that must agree with a transform, where nothing else is known of the matcher
MAX_SCALE = 3.0  # enlargement, or reduction, of a transform that is accepted
RANSAC_THRESHOLD = 3 / 400  # share of the long side that an inlier may lie off: 3 px on a 400 px working copy
MIN_OVERLAP = 0.2  # share of the frame that must overlap for a residual
UNRELATED = 6**-0.5  # residual of frames that have nothing in common: the RMS difference of two independent ranks
# The identity is chosen when it leaves less than this share of the difference that RANSAC's transform leaves. Differences near
# each other are noise: then the transform that more matches agree with stays.
UNMOVED_SHARE = 0.9
MAX_DIFFERENCE = (
    0.1  # of ranks, 0 to 1: above it a pixel shows something else, and by how much says nothing about the transform
)
WHOLLY_INSIDE = 0.999  # weight of a warped pixel from which it comes from inside the other frame alone


@dataclass(frozen=True, eq=False)
class Registration:
    """How frame a is registered to frame b.

    Attributes
    ----------
    transform : (2, 3) float64 array
        Maps x, y of a to b, in px of the original; the identity if ``model`` is "none", or if nothing but things in front of a
        still background moved.
    model : str
        "similarity", or "none" if too few matches agree or their transform is absurd.
    inliers : (M,) bool array
        The matches that agree with the transform; all False for "none".
    inlier_share : float
        Inliers over the smaller keypoint count of the two frames, 0 to 1.
    displacement : float
        Mean distance that the inliers move, px of the original; NaN for "none".
    displacement_share : float
        The same as a share of the image diagonal.
    scale : float
        Enlargement from a to b.
    rotation : float
        Radians, clockwise on the screen (y points down).
    """

    transform: np.ndarray
    model: str
    inliers: np.ndarray
    inlier_share: float
    displacement: float
    displacement_share: float
    scale: float
    rotation: float


def register_pair(
    points_a: np.ndarray,
    points_b: np.ndarray,
    keypoints: int,
    image_size: tuple[int, int],
    threshold: float = RANSAC_THRESHOLD,
    ranks: tuple[np.ndarray, np.ndarray] | None = None,
    min_inliers: int = MIN_INLIERS,
) -> Registration:
    """Estimate the similarity transform from frame a to frame b.

    Parameters
    ----------
    points_a, points_b : (M, 2) float array
        Matched x, y, in px of the original.
    keypoints : int
        The smaller keypoint count of the two frames.
    image_size : (int, int)
        Width and height of the original, px.
    threshold : float
        How far an inlier may lie off, as a share of the long side.
    ranks : two (h, w) float32 arrays, optional
        The frames a and b as :func:`~workbench.embedding.images.rank_thumbnail` makes them. Without them the identity is not
        considered.
    min_inliers : int
        Matches that must agree with the transform.

    Returns
    -------
    Registration
        The transform and its inliers. Fewer than ``min_inliers`` or a scale outside 1/3 to 3 give the model "none"; that is a
        result, not an error. The same points and ranks always give the same transform.

    Notes
    -----
    By RANSAC (Fischler and Bolles, CACM 1981), refined on the inliers. RANSAC takes the transform that most matches agree with,
    also when these are on one moving thing and the camera is still. So the identity is tried too where as many matches agree
    with it and not with the transform, and it is taken if it leaves clearly less difference over the whole picture, where both
    can be compared. Differences are clipped, so that a small thing that moves counts by its area alone.
    """
    points_a = np.asarray(points_a, dtype=np.float64).reshape(-1, 2)
    points_b = np.asarray(points_b, dtype=np.float64).reshape(-1, 2)
    if len(points_a) < min_inliers:
        return _unregistered(len(points_a))
    # OpenCV's RANSAC seeds a generator of its own; the shared seed is set for versions that would use the shared generator.
    cv2.setRNGSeed(0)
    transform, mask = cv2.estimateAffinePartial2D(
        points_a,
        points_b,
        method=cv2.RANSAC,
        ransacReprojThreshold=threshold * max(image_size),
        maxIters=2000,
        confidence=0.999,
    )
    if transform is None or not np.isfinite(transform).all():
        return _unregistered(len(points_a))
    inliers = mask.ravel().astype(bool)
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    if inliers.sum() < min_inliers or not 1 / MAX_SCALE <= scale <= MAX_SCALE:
        return _unregistered(len(points_a))
    moved = np.linalg.norm(points_b - points_a, axis=1)
    unmoved = moved <= threshold * max(image_size)
    if (
        ranks is not None
        and np.count_nonzero(unmoved & ~inliers) >= min_inliers
        and _unmoved_fits_better(*ranks, transform, image_size)
    ):
        transform, inliers, scale = np.eye(2, 3), unmoved, 1.0
    displacement = float(moved[inliers].mean())
    return Registration(
        transform=transform,
        model="similarity",
        inliers=inliers,
        inlier_share=min(1.0, float(inliers.sum()) / max(keypoints, 1)),
        displacement=displacement,
        displacement_share=displacement / float(np.hypot(*image_size)),
        scale=scale,
        rotation=float(np.arctan2(transform[1, 0], transform[0, 0])),
    )


def _unregistered(count: int) -> Registration:
    nothing = np.zeros(count, dtype=bool)
    return Registration(np.eye(2, 3), "none", nothing, 0.0, float("nan"), float("nan"), 1.0, 0.0)


def residual(
    rank_a: np.ndarray,
    rank_b: np.ndarray,
    transform: np.ndarray,
    image_size: tuple[int, int],
    min_overlap: float = MIN_OVERLAP,
) -> float:
    """Measure how much two frames differ where they overlap after a is warped onto b.

    Parameters
    ----------
    rank_a, rank_b : (h, w) float32 array
        From :func:`~workbench.embedding.images.rank_thumbnail`.
    transform : (2, 3) float array
        From a to b, in px of the original.
    image_size : (int, int)
        Width and height of the original, px.
    min_overlap : float
        Share of the frame that must overlap, 0 to 1.

    Returns
    -------
    float
        Standard deviation of the difference of ranks, 0 (same) to 1, near :data:`UNRELATED` for unrelated frames; NaN if the
        overlap is smaller than ``min_overlap``.

    Notes
    -----
    The standard deviation is the RMS difference without its mean: content that only one frame shows changes all ranks of that
    frame, and under camera shake the plain difference measured little else. On seven clips the nearest frame by this residual
    was a true neighbour as often as by the mean absolute difference, or more often (shaken: 0.93 against 0.72 of the frames).
    """
    warped, inside = _warped(rank_a, transform, image_size, rank_b.shape)
    if np.count_nonzero(inside) < min_overlap * inside.size:
        return float("nan")
    return float((warped - rank_b)[inside].std(dtype=np.float64))


def _warped(
    rank: np.ndarray, transform: np.ndarray, image_size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Warp ranks by a transform between originals; also the mask of the pixels that come from inside the frame alone."""
    height, width = shape
    small = in_pixels_of(transform, image_size, (width, height))
    warped = cv2.warpAffine(rank, small, (width, height), flags=cv2.INTER_LINEAR)
    # Beyond its border a frame counts as 0, so ones that are warped in the same way show which pixels come from inside.
    inside = cv2.warpAffine(np.ones_like(rank), small, (width, height), flags=cv2.INTER_LINEAR) > WHOLLY_INSIDE
    return warped, inside


def _unmoved_fits_better(rank_a: np.ndarray, rank_b: np.ndarray, transform: np.ndarray, image_size: tuple[int, int]) -> bool:
    """Tell whether the two frames differ clearly less as they are than after a is warped, over the same pixels."""
    warped, inside = _warped(rank_a, transform, image_size, rank_b.shape)
    if np.count_nonzero(inside) < MIN_OVERLAP * inside.size:
        return False
    as_it_is, after = (_clipped_difference((ranks - rank_b)[inside]) for ranks in (rank_a, warped))
    return as_it_is < UNMOVED_SHARE * after


def _clipped_difference(difference: np.ndarray) -> float:
    """The mean size of differences of ranks, 0 to MAX_DIFFERENCE, once what most pixels have in common is taken off.

    Content that only one frame shows changes all ranks of that frame, see :func:`residual`.
    """
    return float(np.minimum(np.abs(difference - np.median(difference)), MAX_DIFFERENCE).mean(dtype=np.float64))


def in_pixels_of(transform: np.ndarray, original: tuple[int, int], small: tuple[int, int]) -> np.ndarray:
    """Convert a transform between originals into one between their small copies.

    Parameters
    ----------
    transform : (2, 3) float array
        In px of the original.
    original, small : (int, int)
        Width and height of the original and of the copy, px.

    Returns
    -------
    (2, 3) float64 array
        In px of the copy; pixel centres are at whole numbers in both.
    """
    shrink_x, shrink_y = np.asarray(small, dtype=np.float64) / np.asarray(original, dtype=np.float64)
    to_small = np.array([[shrink_x, 0, 0.5 * shrink_x - 0.5], [0, shrink_y, 0.5 * shrink_y - 0.5], [0, 0, 1]])
    full = np.vstack([transform, [0, 0, 1]])
    return (to_small @ full @ np.linalg.inv(to_small))[:2]

"""SIFT keypoints with RootSIFT descriptors."""

import cv2
import numpy as np
from scipy.spatial import KDTree

from workbench.matching.base import as_features, checked_image
from workbench.parameters import FeatureParameters
from workbench.storage.hloc import Features

SIFT_LENGTH = 128
OPENCV_CONTRAST_THRESHOLD = 0.04  # OpenCV's own default, which the greedy baseline takes


class Sift:
    """SIFT keypoints as a :class:`~workbench.matching.base.Detector`.

    Parameters
    ----------
    parameters : FeatureParameters
        Of these, ``max_keypoints``, ``contrast_threshold`` and ``nms_radius``.
    """

    threads = None  # OpenCV's own threads, inside a frame, leave half of two cores idle

    def __init__(self, parameters: FeatureParameters) -> None:
        self.max_keypoints, self.nms_radius = parameters.max_keypoints, parameters.nms_radius
        self.contrast_threshold = parameters.contrast_threshold

    def __call__(self, image: np.ndarray, original_size: tuple[int, int]) -> Features:
        """Find the features of one frame; see :func:`sift_features`."""
        return sift_features(image, self.max_keypoints, self.contrast_threshold, original_size, self.nms_radius)


class SiftOpenCV(Sift):
    """:class:`Sift` with OpenCV's own contrast threshold, as in the greedy baseline.

    Parameters
    ----------
    parameters : FeatureParameters
        Of these, ``max_keypoints`` and ``nms_radius``.
    """

    def __init__(self, parameters: FeatureParameters) -> None:
        super().__init__(parameters)
        self.contrast_threshold = OPENCV_CONTRAST_THRESHOLD


def sift_features(
    image: np.ndarray, max_keypoints: int, contrast_threshold: float, original_size: tuple[int, int], nms_radius: int = 0
) -> Features:
    """Find SIFT keypoints and describe them by RootSIFT.

    A place with several orientations has a keypoint for each of them, as in OpenCV. An image without keypoints gives empty
    arrays of the right shapes.

    Parameters
    ----------
    image : (h, w, 3) uint8 array
        RGB working copy.
    max_keypoints : int
        How many are kept, the strongest by response.
    contrast_threshold : float
        SIFT's threshold for weak keypoints, 0 to 0.2.
    original_size : tuple of int
        Width and height of the original, px; keypoints are given in its pixels.
    nms_radius : int
        px of the working copy, see :func:`spread_out`; 0 drops none.

    Returns
    -------
    Features
        Keypoints, strongest first, ties by position, so that the order is always the same. Scores are the absolute responses of
        the detector; descriptors have 128 numbers.

    Raises
    ------
    VideoError
        When the image is not (h, w, 3) uint8.

    Notes
    -----
    SIFT: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004. RootSIFT: Arandjelovic and Zisserman,
    "Three things everyone should know to improve object retrieval", CVPR 2012.
    """
    gray = cv2.cvtColor(checked_image(image), cv2.COLOR_RGB2GRAY)
    # OpenCV describes the strongest keypoints alone, and all that tie with the last of them, which are told apart below.
    # enable_precise_upscale: without it every keypoint lies a quarter of a pixel off.
    strongest_found = 0 if nms_radius else max_keypoints
    sift = cv2.SIFT.create(nfeatures=strongest_found, contrastThreshold=contrast_threshold, enable_precise_upscale=True)
    found, descriptors = sift.detectAndCompute(gray, None)
    if not found:
        return as_features(np.zeros((0, 2)), np.zeros(0), np.zeros((0, SIFT_LENGTH)), image, original_size)
    points = np.array([point.pt for point in found], dtype=np.float64)
    scores = np.array([point.response for point in found], dtype=np.float32)
    angles = np.array([point.angle for point in found], dtype=np.float32)
    sizes = np.array([point.size for point in found], dtype=np.float32)
    strongest = np.lexsort((sizes, angles, points[:, 0], points[:, 1], -scores))
    if nms_radius:
        strongest = strongest[spread_out(points[strongest], nms_radius)]
    strongest = strongest[:max_keypoints]
    # Square root of the L1-normalised histogram: its dot product is the Hellinger kernel, and its length is 1.
    histogram = descriptors[strongest].astype(np.float64)
    root = np.sqrt(histogram / np.maximum(histogram.sum(axis=1, keepdims=True), 1e-12))
    return as_features(points[strongest], scores[strongest], root, image, original_size)


def spread_out(points: np.ndarray, radius: float) -> np.ndarray:
    """Suppress points that are near to a stronger one.

    Points at one and the same place stay or go together: they are one keypoint in several orientations, none of them stronger
    than the others.

    Parameters
    ----------
    points : (K, 2) float array
        The points, strongest first, in the unit of ``radius``.
    radius : float
        Each point that stays, strongest first, drops the later ones within this distance.

    Returns
    -------
    (K,) bool array
        The points that stay.
    """
    tree, stays = KDTree(points), np.ones(len(points), dtype=bool)
    for k, point in enumerate(points):
        if stays[k]:
            near = np.array(tree.query_ball_point(point, radius))
            stays[near[(near > k) & (points[near] != point).any(axis=1)]] = False
    return stays

"""SIFT keypoints with RootSIFT descriptors."""

import cv2
import numpy as np
from scipy.spatial import KDTree

from workbench.matching.base import as_features, checked_image
from workbench.storage.hloc import Features

SIFT_LENGTH = 128
OPENCV_CONTRAST_THRESHOLD = 0.04  # the first design's choice


def sift_features(
    image: np.ndarray, max_keypoints: int, contrast_threshold: float, original_size: tuple[int, int], nms_radius: int = 0
) -> Features:
    """SIFT keypoints (Lowe, IJCV 2004) with RootSIFT descriptors (Arandjelovic and Zisserman, CVPR 2012).

    image: (h, w, 3) uint8 RGB working copy. original_size: width and height of the original, px; keypoints are given
    in its pixels. The ``max_keypoints`` strongest by response are kept, strongest first (ties by position, so the
    order is always the same). A place with several orientations has a keypoint for each of them, as in OpenCV. Scores
    are the absolute responses of the detector. An image without keypoints gives empty arrays of the right shapes.
    nms_radius: px of the working copy, see :func:`spread_out`; 0 drops none.
    """
    gray = cv2.cvtColor(checked_image(image), cv2.COLOR_RGB2GRAY)
    # nfeatures=0: OpenCV's own choice of the strongest keeps ties in a way that depends on its threads.
    # enable_precise_upscale: without it every keypoint lies a quarter of a pixel off.
    sift = cv2.SIFT_create(nfeatures=0, contrastThreshold=contrast_threshold, enable_precise_upscale=True)
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
    """(K,) bool: the points that stay when each, strongest first, drops the later ones within ``radius`` of it.

    points: (K, 2) float, strongest first, in the unit of ``radius``. Points at one and the same place stay or go together:
    they are one keypoint in several orientations, none of them stronger than the others.
    """
    tree, stays = KDTree(points), np.ones(len(points), dtype=bool)
    for k, point in enumerate(points):
        if stays[k]:
            near = np.array(tree.query_ball_point(point, radius))
            stays[near[(near > k) & (points[near] != point).any(axis=1)]] = False
    return stays

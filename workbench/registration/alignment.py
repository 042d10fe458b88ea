"""Whole-scene alignment: every frame of a scene is warped onto one reference frame, using all registered pairs.

Chaining the transforms of neighbours adds up their errors; a pair that joins two distant parts of the order (a loop) shows by
how much. All pairs are therefore solved together, as for mosaics (Brown and Lowe, Automatic Panoramic Image Stitching, IJCV
2007, section 4): the solution is the transforms that bring matched points together, where pairs that disagree lose weight.

In the plane a similarity is z -> p z + t with complex p and t, so the residuals of a pair are linear in the four numbers of
its two frames, and their sum of squares needs only one 4 x 4 matrix of moments per pair, however many points there are. In the
code p is a *turn* (rotation and scale) and t a *shift*.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix, csc_matrix, diags
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.sparse.linalg import spsolve

from workbench.matching.pairs import places_of
from workbench.registration.pair import RANSAC_THRESHOLD

ROBUST_WIDTHS = (16, 8, 4, 2, 1)  # of the robust weights, one after the other, in units of the RANSAC threshold
REWEIGHTINGS = 8  # at most, for each width
CONVERGED_STEP = 1e-5  # of rotation (radians), log scale and shift (long sides); after a smaller step the next width follows
MIN_DAMPING, MAX_DAMPING = 1e-9, 1e3  # of the Levenberg-Marquardt steps, share of the diagonal
TRIANGLE_TOLERANCE = 3 * RANSAC_THRESHOLD  # by which the transforms of a triangle of pairs may fail to close, in long sides


@dataclass(frozen=True, eq=False)
class PairPoints:
    """Registered pairs and the matched points that agree with their transforms.

    Attributes
    ----------
    pairs : (P, 2) int array
        Frames a and b.
    transforms : (P, 2, 3) float64 array
        From a to b, in px of the original.
    inliers : (P,) int array
        How many matches agree with the transform.
    pair : (C,) int array
        The row of ``pairs`` that each correspondence belongs to, sorted ascending.
    points_a, points_b : (C, 2) float array
        x and y of the correspondences, in px of the original: at least one of every pair, not necessarily all.
    """

    pairs: np.ndarray
    transforms: np.ndarray
    inliers: np.ndarray
    pair: np.ndarray
    points_a: np.ndarray
    points_b: np.ndarray

    def inside(self, frames: np.ndarray) -> "PairPoints":
        """Select the pairs within a set of frames.

        Parameters
        ----------
        frames : (n,) int array
            Positions, none twice.

        Returns
        -------
        PairPoints
            The pairs both of whose frames are among ``frames``, numbered by their place in it.
        """
        pairs = places_of(frames, self.pairs)
        keep = pairs.min(axis=1) >= 0
        here, row = keep[self.pair], np.cumsum(keep) - 1
        return PairPoints(
            pairs[keep], self.transforms[keep], self.inliers[keep],
            row[self.pair[here]], self.points_a[here], self.points_b[here],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where the frames of a scene lie on its reference frame.

    Attributes
    ----------
    frames : (n,) int array
        Positions, in the restored order.
    transforms : (n, 2, 3) float64 array
        Map x and y of a frame to the reference, in px of the original; the identity for frames that are not connected.
    reference : int
        Position of the reference frame; -1 without frames.
    connected : (n,) bool array
        Whether a chain of registered pairs joins the frame to the reference.
    error : (n,) float array
        Median distance of matched points once both frames are warped onto the reference, over all registered pairs of the
        frame, in px of the original frame in its own scale; NaN where it is not connected or has no pair.
    chained_error : (n,) float array
        The same when transforms are simply chained, from neighbour to neighbour in the order, and where two neighbours did not
        register, over the pairs with the most inliers.
    """

    frames: np.ndarray
    transforms: np.ndarray
    reference: int
    connected: np.ndarray
    error: np.ndarray
    chained_error: np.ndarray


def align_scene(frames: np.ndarray, points: PairPoints, image_size: tuple[int, int]) -> Alignment:
    """Align every frame of a scene to its reference frame.

    Parameters
    ----------
    frames : (n,) int array
        Positions in the restored order, none twice.
    points : PairPoints
        Registered pairs, possibly of other scenes too.
    image_size : (int, int)
        Width and height of the original, px.

    Returns
    -------
    Alignment
        A transform per frame and how well it fits. No pairs, one frame and no frames are results, not errors.

    Notes
    -----
    The initial transforms are chained over the minimum spanning tree of the pairs: pairs that close a triangle first, then by
    inliers. Gauss-Newton then refines rotation, log scale and shift of all frames. Each pair has a weight from its RMS residual
    (Geman and McClure's), first a wide one, so that loops can close, then narrower ones, so that wrong pairs lose weight
    (graduated non-convexity: Yang, Antonante, Tzoumas and Carlone, RA-L 2020). A residual is measured in the geometric mean of
    the scales of its two frames: in the scale of the reference a frame that shrinks would always fit better.

    The reference is the medoid of the largest connected part: the frame whose summed distance to the other frames (over the
    four corners) is least, the first of equals.
    """
    frames = np.asarray(frames, dtype=np.int64)
    count, size = len(frames), np.asarray(image_size, dtype=np.float64)
    matrices, connected = np.tile(np.eye(2, 3), (count, 1, 1)), np.zeros(count, dtype=bool)
    error, chained_error = np.full((2, count), np.nan)
    if not count:
        return Alignment(frames, matrices, -1, connected, error, chained_error)
    own = points.inside(frames)
    parts = connected_components(coo_matrix((own.inliers + 1, own.pairs.T), shape=(count, count)), directed=False)[1]
    members = np.flatnonzero(parts == np.bincount(parts).argmax())
    local = own.inside(members)
    centre, side = complex(*(size - 1)) / 2, size.max()
    x, y = ((xy.astype(np.float64) @ [1, 1j] - centre) / side for xy in (local.points_a, local.points_b))
    turns = local.transforms[:, :, 0] @ [1, 1j]
    moves = turns, (turns * centre + local.transforms[:, :, 2] @ [1, 1j] - centre) / side
    cost = 1 / (1 + local.inliers)  # below 1, so that the condition added to it decides first
    chained = _chain(local.pairs, *moves, cost + (np.abs(np.subtract(*local.pairs.T)) != 1), len(members))
    initial = _chain(local.pairs, *moves, cost + ~_supported(local.pairs, *moves), len(members))
    solved = _solve(local, x, y, *initial)
    corners = (np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * (size - 1) @ [1, 1j] - centre) / side
    warped = solved[0][:, None] * corners + solved[1][:, None]
    reference = int(np.argmin([np.abs(warped - one).sum() for one in warped]))
    rows = local.pairs[local.pair]
    error[members], chained_error[members] = (side * _errors(rows, x, y, *found) for found in (solved, chained))
    turn, shift = solved[0] / solved[0][reference], (solved[1] - solved[1][reference]) / solved[0][reference]
    shift = centre - turn * centre + side * shift  # back to pixels
    matrices[members] = similarity_matrices(turn, shift)
    matrices[members[reference]] = np.eye(2, 3)
    connected[members] = True
    return Alignment(frames, matrices, int(frames[members[reference]]), connected, error, chained_error)


def similarity_matrices(turns: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Write similarities z -> p z + t as matrices.

    Parameters
    ----------
    turns, shifts : (n,) complex array
        p and t.

    Returns
    -------
    (n, 2, 3) float64 array
        Matrices that map x and y, in the unit of ``shifts``.
    """
    return np.stack([turns.real, -turns.imag, shifts.real, turns.imag, turns.real, shifts.imag], axis=1).reshape(-1, 2, 3)


def _chain(
    pairs: np.ndarray, turns: np.ndarray, shifts: np.ndarray, cost: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(m,) complex p and t of every frame along the minimum spanning tree of the pairs, from the middle frame outwards."""
    tree = minimum_spanning_tree(coo_matrix((cost, pairs.T), shape=(count, count)).tocsr())
    visited, before = breadth_first_order(tree, count // 2, directed=False)
    row = {(a, b): k for k, (a, b) in enumerate(pairs.tolist())}
    chained_turns, chained_shifts = np.ones(count, dtype=complex), np.zeros(count, dtype=complex)
    for node in visited[1:].tolist():
        last = int(before[node])
        if (node, last) in row:
            turn, shift = turns[row[node, last]], shifts[row[node, last]]
        else:
            turn = 1 / turns[row[last, node]]
            shift = -turn * shifts[row[last, node]]
        chained_turns[node] = chained_turns[last] * turn
        chained_shifts[node] = chained_turns[last] * shift + chained_shifts[last]
    return chained_turns, chained_shifts


def _supported(pairs: np.ndarray, turns: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Whether a pair and two others close a triangle, as wrong pairs hardly ever do: (P,) bool.

    Zach, Klopschitz and Pollefeys, Disambiguating Visual Relations Using Loop Constraints, CVPR 2010.
    """
    back = pairs[:, 0] > pairs[:, 1]
    turns, shifts = np.where(back, 1 / turns, turns), np.where(back, -shifts / turns, shifts)
    above: dict[int, dict[int, int]] = {}
    for k, (a, b) in enumerate(np.sort(pairs, axis=1).tolist()):
        above.setdefault(a, {})[b] = k
    triangles = []
    for near in above.values():
        for b, k in near.items():
            far = above.get(b, {})
            triangles += [(k, far[c], near[c]) for c in sorted(near.keys() & far.keys())]
    first, second, direct = np.array(triangles, dtype=int).reshape(-1, 3).T
    off = np.abs(turns[second] * turns[first] - turns[direct])
    off = off / 2 + np.abs(turns[second] * shifts[first] + shifts[second] - shifts[direct])
    supported = np.zeros(len(pairs), dtype=bool)
    for corner in (first, second, direct):
        supported[corner[off < TRIANGLE_TOLERANCE]] = True
    return supported


def _solve(
    points: PairPoints, x: np.ndarray, y: np.ndarray, turns: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(m,) complex p and t that bring the points of all pairs together; the middle frame stays where it is.

    x, y: (C,) complex points of a and b, about the centre of the image, in long sides. Levenberg-Marquardt steps.
    """
    count = len(turns)
    if count < 2:
        return turns, shifts
    starts = np.flatnonzero(np.diff(points.pair, prepend=-1))
    factors = (x, np.ones_like(x), -y, -np.ones_like(y))  # residual = factors . (p_a, t_a, p_b, t_b)
    moments = np.empty((len(points.pairs), 4, 4), dtype=complex)
    for i, j in np.ndindex(4, 4):
        moments[:, i, j] = np.add.reduceat(factors[i].conj() * factors[j], starts)
    free = np.flatnonzero(np.arange(4 * count) // 4 != count // 2)
    for width in ROBUST_WIDTHS:
        damping = MIN_DAMPING
        cost, weight, square = _fit(points.pairs, moments, turns, shifts, width)
        for _ in range(REWEIGHTINGS):
            whole, target = _equations(points.pairs, moments, turns, shifts, weight, square)
            whole, target = whole[free][:, free], target[free]
            accepted = False
            while not accepted and damping < MAX_DAMPING:
                step = np.zeros(4 * count)
                step[free] = -spsolve(whole + diags(damping * whole.diagonal(), format="csc"), target, "MMD_AT_PLUS_A")
                growth, turn, right, down = step.reshape(count, 4).T
                trial = turns * np.exp(growth.clip(-1, 1) + 1j * turn), shifts + right + 1j * down
                tried = _fit(points.pairs, moments, *trial, width)
                accepted = tried[0] <= cost
                damping = max(damping / 10, MIN_DAMPING) if accepted else damping * 10
            if accepted:
                (turns, shifts), (cost, weight, square) = trial, tried
            if not accepted or np.abs(step).max() < CONVERGED_STEP:  # nothing better is near
                break
    return turns, shifts


def _fit(
    pairs: np.ndarray, moments: np.ndarray, turns: np.ndarray, shifts: np.ndarray, width: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Robust cost of all pairs, the weight of each pair (P,), and its sum of squared residuals on the reference (P,)."""
    a, b = pairs.T
    four = np.stack([turns[a], shifts[a], turns[b], shifts[b]], axis=1)
    square = np.maximum(np.einsum("pi,pij,pj->p", four.conj(), moments, four, optimize=True).real, 0)
    count, scale = moments[:, 1, 1].real, np.abs(turns[a] * turns[b])
    apart = square / (count * scale) / (width * RANSAC_THRESHOLD) ** 2
    return float((count * apart / (1 + apart)).sum()), (1 + apart) ** -2 / scale, square


def _equations(
    pairs: np.ndarray, moments: np.ndarray, turns: np.ndarray, shifts: np.ndarray, weight: np.ndarray, square: np.ndarray
) -> tuple[csc_matrix, np.ndarray]:
    """Normal equations of a Gauss-Newton step, (4m, 4m) and (4m,): per frame log scale, rotation, and shift in x and y."""
    (a, b), size = pairs.T, 4 * len(turns)
    four = np.stack([turns[a], shifts[a], turns[b], shifts[b]], axis=1)
    slope = np.zeros((len(pairs), 4, 8), dtype=complex)  # of the four numbers, by the unknowns of a, then of b
    for own, first in ((0, 0), (2, 4)):
        slope[:, own, first], slope[:, own, first + 1] = four[:, own], 1j * four[:, own]
        slope[:, own + 1, first + 2], slope[:, own + 1, first + 3] = 1, 1j
    left = slope.conj().transpose(0, 2, 1) @ moments
    normal = (left @ slope).real * weight[:, None, None]
    gradient = (left @ four[:, :, None])[:, :, 0].real * weight[:, None]
    gradient[:, [0, 4]] -= (0.5 * weight * square)[:, None]  # the scale in which a residual is measured changes too
    unknowns = (4 * pairs[:, :, None] + np.arange(4)).reshape(-1, 8)
    places = np.repeat(unknowns, 8, axis=1).ravel(), np.tile(unknowns, 8).ravel()
    whole = coo_matrix((normal.ravel(), places), shape=(size, size)).tocsc()
    return whole, np.bincount(unknowns.ravel(), gradient.ravel(), minlength=size)


def _errors(pairs: np.ndarray, x: np.ndarray, y: np.ndarray, turns: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Median distance of the points of a frame from their partners, (m,), in long sides of the frame; NaN without points.

    pairs: (C, 2) int, the frames of every correspondence. The median, because one wrong pair must not hide how well a frame
    fits.
    """
    a, b = pairs.T
    apart = np.abs(turns[a] * x + shifts[a] - turns[b] * y - shifts[b])
    own = pd.Series(np.concatenate([apart / np.abs(turns[a]), apart / np.abs(turns[b])]))
    return own.groupby(np.concatenate([a, b])).median().reindex(range(len(turns))).to_numpy()

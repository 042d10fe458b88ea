"""What a clip's matches say: which frames were compared, which pairs register, and how much differs once they do.

Counts of inliers alone are no evidence that two frames belong to one scene: a logo registers on every frame, and the wall of a
room behind anyone who stands before it. What remains different after registration tells, measured against the clip itself: the
*ratio* of a pair is its residual over that which all but the most unusual frames of the scene have to their nearest frame.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

STRONG_INLIERS = 12  # inliers from which a pair counts as strong: a clear sign against the clusterer's labels
USUAL_QUANTILE = 0.95  # of the residuals between the frames of a piece and their nearest ones
MIN_USUAL = 0.01  # residual: where frames are all but identical, coding noise counts as usual

# Logarithms of the ratio: mean and standard deviation for frames that belong together, and for another take of the same place.
# Measured on 45 clips, clustered with the suggested eps, half and a third of it: 193 pieces and single frames that belong
# together have ratios of 0.4 to 5.6, most of them 1.0 to 2.5; 29 that do not have 3.4 to 17, but for one at the end of a
# cross-fade.
TOGETHER, OTHER_TAKE = (0.4, 0.45), (1.7, 0.35)
MAX_ODDS = 1e4  # more than a few dozen clips can tell


@dataclass(frozen=True, eq=False)
class Evidence:
    """The clustering of a clip and what its matches show.

    Attributes
    ----------
    labels : (N,) int array
        Scene of every frame by the clusterer, -1 = outlier.
    pieces : (N,) int array
        Piece of every frame, from :func:`~workbench.scenes.pieces.pieces_of`.
    keypoints : (N,) int array
        How many keypoints every frame has.
    pairs : (P, 2) int array
        The pairs that were compared.
    a, b : (R,) int array
        The frames of the pairs that register.
    inliers : (R,) int array
        Inliers of these pairs.
    ratio : (R,) float array
        Residual of these pairs, in units of what is usual where they are.
    """

    labels: np.ndarray
    pieces: np.ndarray
    keypoints: np.ndarray
    pairs: np.ndarray
    a: np.ndarray
    b: np.ndarray
    inliers: np.ndarray
    ratio: np.ndarray

    @property
    def strong(self) -> np.ndarray:
        """Tell which of the pairs that register have enough inliers.

        Returns
        -------
        (R,) bool array
            True from twelve inliers on.
        """
        return self.inliers >= STRONG_INLIERS

    def of_frame(self, frame: int) -> np.ndarray:
        """Find the pairs of a frame that register.

        Parameters
        ----------
        frame : int
            Its position.

        Returns
        -------
        (n,) int array
            Indices into ``a`` and ``b``.
        """
        return np.flatnonzero((self.a == frame) | (self.b == frame))

    def partners(self, frame: int, of: np.ndarray) -> np.ndarray:
        """Give the other frames of some pairs of a frame.

        Parameters
        ----------
        frame : int
            Its position.
        of : (n,) int array
            Indices of its pairs, from :meth:`of_frame`.

        Returns
        -------
        (n,) int array
            Positions.
        """
        return np.where(self.a[of] == frame, self.b[of], self.a[of])


def gather_evidence(labels: np.ndarray, pieces: np.ndarray, table: pd.DataFrame, keypoints: np.ndarray) -> Evidence:
    """Collect what the matches of a clip show.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame by the clusterer, -1 = outlier.
    pieces : (N,) int array
        From :func:`~workbench.scenes.pieces.pieces_of`.
    table : pandas.DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs`.
    keypoints : (N,) int array
        How many keypoints every frame has.

    Returns
    -------
    Evidence
        The same, with the residuals in units of what is usual.
    """
    registered = table[table["model"] != "none"]
    a, b, residual = (registered[name].to_numpy() for name in ("a", "b", "residual"))
    # A frame outside of all pieces takes the last place, which nothing is usual for.
    usual = np.append(usual_residuals(pieces, registered), 0.0)
    here = np.maximum(np.maximum(usual[pieces[a]], usual[pieces[b]]), MIN_USUAL)
    pairs = table[["a", "b"]].to_numpy()
    return Evidence(labels, pieces, keypoints, pairs, a, b, registered["inliers"].to_numpy(), residual / here)


def usual_residuals(pieces: np.ndarray, registered: pd.DataFrame) -> np.ndarray:
    """Find the residual that all but a twentieth of the frames of a piece stay below, to the nearest frame of it.

    Parameters
    ----------
    pieces : (N,) int array
        Piece of every frame, -1 = none.
    registered : pandas.DataFrame
        The pairs that register, with their ``residual``.

    Returns
    -------
    (K,) float array
        A residual, 0 to 1, for each of the K pieces.
    """
    a, b, residual = (registered[name].to_numpy() for name in ("a", "b", "residual"))
    inside = (pieces[a] == pieces[b]) & (pieces[a] >= 0)
    nearest = np.full(len(pieces), np.inf)
    for frames in (a[inside], b[inside]):
        np.minimum.at(nearest, frames, residual[inside])
    return np.array([np.quantile(nearest[pieces == piece], USUAL_QUANTILE) for piece in range(pieces.max(initial=-1) + 1)])


def together_odds(ratio: float) -> float:
    """Weigh whether frames belong together against the other case: another take of the same place.

    Parameters
    ----------
    ratio : float
        The smallest ratio among their strong pairs, see :class:`Evidence`.

    Returns
    -------
    float
        Likelihood of the ratio if they belong together, over that if they do not, 1e-4 to 1e4: both are log-normal, with what
        was measured on real clips.
    """
    at = np.log(max(ratio, 1e-3))
    # Below the usual ratio, and above that of another take, nothing becomes less likely.
    together, other = ((at - mean) / deviation for mean, deviation in (TOGETHER, OTHER_TAKE))
    log_odds = np.log(OTHER_TAKE[1] / TOGETHER[1]) - 0.5 * max(together, 0.0) ** 2 + 0.5 * min(other, 0.0) ** 2
    return float(np.clip(np.exp(log_odds), 1 / MAX_ODDS, MAX_ODDS))


def foreign_odds(evidence: Evidence, members: np.ndarray, compared: int) -> float:
    """Weigh whether a frame that registers to nothing is foreign against the other case: that it is one of a scene.

    Parameters
    ----------
    evidence : Evidence
        What the matches show.
    members : (N,) bool array
        The frames of the scene.
    compared : int
        How many pairs of the frame were compared, none of which registers.

    Returns
    -------
    float
        1 over the probability that so many pairs of the scene all fail to register, at most 1e4.
    """
    inside = members[evidence.pairs].all(axis=1).sum()
    registered = (members[evidence.a] & members[evidence.b]).sum()
    failing = (inside - registered + 1) / (inside + 2)
    return float(min(MAX_ODDS, failing**-compared))

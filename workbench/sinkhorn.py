"""Optimal transport with dustbins between the keypoints of two frames, the last step of SuperGlue.

Sarlin, DeTone, Malisiewicz and Rabinovich, CVPR 2020, section 3.2: the scores get a row and a column for what has no match
(eq. 8), rows and columns are to have given sums (eq. 9 and 10), and Sinkhorn and Knopp's iterations scale them to that.
"""

import torch
from torch import nn

# The largest score above the dustbin's, a natural logarithm, for which float32 holds all factors: they lie within about
# e^±(WIDEST + 15), 15 for the sums, and float32 ends at e^±87. A trained network's scores lie about 20 above.
WIDEST = 60.0


def transport(scores: torch.Tensor, dustbin: float, keypoints: int, iterations: int) -> torch.Tensor:
    """Confidence of every match, (M, N) float32, 0 to 1: what a keypoint of a gives to a keypoint of b of its mass of 1.

    scores: (M, N) float32, similarities. dustbin: that of having no match. keypoints: what both frames are padded to, at
    least M and N; the padding matches only the dustbins, but a finite number of iterations sees its mass. It is what
    transformers' ``log_optimal_transport`` gives, but for rounding, in a tenth of the time: that one takes 2 *
    ``iterations`` exponentials of all scores, this one exponential and as many products of a matrix and a vector.
    """
    # "not <" sends NaN, too, where it went before.
    if not scores.max() - dustbin < WIDEST:
        return _in_logarithms(scores, dustbin, keypoints, iterations)
    rows, columns = scores.shape
    # After the keypoints the dustbin, then one row and one column that stand for all the padding, which is all alike.
    # Relative to the dustbin, scores far below become 0 here, as they would in any sum with its 1: a row and a column
    # always have that 1, so no sum below is 0.
    kernel = scores.new_zeros(rows + 2, columns + 2)
    kernel[:rows, :columns] = torch.exp_(scores - dustbin)
    kernel[rows] = kernel[:, columns] = 1
    row_mass, column_mass, by_column = (scores.new_ones(length + 2) for length in (rows, columns, columns))
    row_mass[rows:] = torch.tensor([keypoints, keypoints - rows])
    column_mass[columns:] = torch.tensor([keypoints, keypoints - columns])
    by_column[-1] = keypoints - columns
    for _ in range(iterations):
        by_row = row_mass / (kernel @ by_column)
        by_column = column_mass / (kernel.T @ by_row)
    return kernel[:rows, :columns] * by_row[:rows, None] * by_column[:columns]


def _in_logarithms(scores: torch.Tensor, dustbin: float, keypoints: int, iterations: int) -> torch.Tensor:
    """:func:`transport` for scores of any size."""
    from transformers.models.superglue.modeling_superglue import log_optimal_transport  # after torchvision was mended

    rows, columns = scores.shape
    margins = 0, keypoints - columns, 0, keypoints - rows
    padded = nn.functional.pad(scores, margins, value=torch.finfo(scores.dtype).min)
    logarithms = log_optimal_transport(padded[None], scores.new_tensor(dustbin), iterations)
    return logarithms[0, :rows, :columns].exp()

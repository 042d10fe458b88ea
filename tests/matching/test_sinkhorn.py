"""Sinkhorn's iterations by products against transformers' own in logarithms, in float32 and float64."""

# ruff: noqa: E402 (torchvision must be prepared before transformers is imported)
import pytest
import torch

from workbench.models.backbones import torchvision

torchvision()
from transformers.models.superglue import modeling_superglue

from workbench.matching import superglue
from workbench.matching.superglue import LARGEST_LOG_SCORE, transport


def in_logarithms(scores, dustbin, keypoints, iterations):
    """As transformers pads, masks and transports a pair, in the scores' own precision; the matrix without the padding."""
    rows, columns = scores.shape
    padded = scores.new_full((1, keypoints, keypoints), torch.finfo(scores.dtype).min)
    padded[0, :rows, :columns] = scores
    full = modeling_superglue.log_optimal_transport(padded, scores.new_tensor(dustbin), iterations)
    return full[0, :rows, :columns].exp()


SHAPES = [(1, 1, 1), (1, 7, 7), (3, 2, 5), (60, 60, 60), (60, 25, 60), (40, 60, 100)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("iterations", [1, 20, 200])
@pytest.mark.parametrize("spread", [0.1, 5.0, 20.0])
@pytest.mark.parametrize("dustbin", [-30.0, 0.0, 24.0, 500.0])
def test_as_transformers(shape, iterations, spread, dustbin):
    """Scores about 0; the dustbin far below (scores too wide for factors), among them, and far above, where all is 0."""
    rows, columns, keypoints = shape
    scores = spread * torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows + columns))
    found = transport(scores, dustbin, keypoints, iterations)
    assert found.dtype == torch.float32 and found.shape == (rows, columns)
    truth = in_logarithms(scores.double(), dustbin, keypoints, iterations)
    assert torch.allclose(found.double(), truth, rtol=0, atol=1e-4)
    assert torch.allclose(found, in_logarithms(scores, dustbin, keypoints, iterations), rtol=0, atol=1e-4)


@pytest.mark.parametrize("above", [0.5, 0.99, 1.01, 5.0])
@pytest.mark.parametrize("kind", ["one", "row", "column", "diagonal", "all", "all but one"])
def test_extreme_scores(above, kind, monkeypatch):
    """Single scores, whole rows and columns far above the dustbin and all else far below, on both sides of the limit."""
    scores = torch.full((30, 40), -1000.0)
    chosen = torch.zeros(30, 40, dtype=torch.bool)
    if kind == "diagonal":
        chosen.fill_diagonal_(True)
    else:
        chosen[{"one": (3, 5), "row": 3, "column": (slice(None), 5)}.get(kind, slice(None))] = True
    scores[chosen] = LARGEST_LOG_SCORE * above
    if kind == "all but one":
        scores[3, 5] = -torch.inf
    calls = []
    original = superglue._in_logarithms
    monkeypatch.setattr(superglue, "_in_logarithms", lambda *arguments: calls.append(1) or original(*arguments))
    for iterations in (1, 20, 200):
        found = transport(scores, 0.0, 50, iterations)
        truth = in_logarithms(scores.double(), 0.0, 50, iterations)
        assert torch.allclose(found.double(), truth, rtol=0, atol=1e-4)
    assert len(calls) == (3 if above > 1 else 0)


def test_largest_frames_stay_in_range():
    """Two thousand keypoints with every score just below the limit: all factors finite, none 0, and the row sums at most 1."""
    found = transport(torch.full((2000, 1900), LARGEST_LOG_SCORE - 0.1), 0.0, 2000, 200)
    assert torch.isfinite(found).all() and (found > 0).all()
    assert (found.double().sum(1) <= 1 + 1e-4).all() and (found.double().sum(0) <= 1 + 1e-4).all()


def test_not_a_number_stays_one():
    assert transport(torch.full((2, 2), torch.nan), 0.0, 2, 5).isnan().all()

"""Embeddings by networks of random weights (saved by the tests, 64 px, so that they cost little) and by name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.embedding import embed as module
from workbench.embedding.descriptors import unit_length
from workbench.embedding.distances import cosine_distances, similarity_matrix
from workbench.embedding.embed import embed, network_embeddings
from workbench.errors import ModelError
from workbench.models.backbones import IMAGENET_MEAN, IMAGENET_STD, Backbone, headless_network, load_backbone, save_backbone
from workbench.parameters import EmbedParameters
from workbench.storage.arrays import WorkingCopies

LENGTHS = {"resnet18": 512, "vgg11_bn": 512, "efficientnet_b0": 1280}
# Least cosine between a vector in bfloat16 and in float32; EfficientNet's 16 blocks in a row add up what random weights lose.
CLOSE = {"resnet18": 0.99, "vgg11_bn": 0.99, "efficientnet_b0": 0.9}


def random_backbone(architecture, images):
    """A backbone with random weights, seed 0, normalised by the statistics of ``images``, as after training."""
    torch.manual_seed(0)
    network = headless_network(architecture)
    for block in network.modules():
        if isinstance(block, torch.nn.BatchNorm2d):
            block.train().momentum = None
    backbone = Backbone(network, 64, IMAGENET_MEAN, IMAGENET_STD)
    network_embeddings(images, backbone, len(images), progress=False)
    return Backbone(network.eval(), 64, IMAGENET_MEAN, IMAGENET_STD)


@pytest.fixture(scope="module")
def frames(sample_clips):
    """Three frames of each of the sample's three scenes."""
    return np.concatenate([sample_clips[name][:36:12] for name in ("pagoda", "toys", "dahlia")])


@pytest.fixture(scope="module", params=sorted(LENGTHS))
def saved(request, frames, tmp_path_factory):
    """A folder with random weights, for each kind of architecture, and the length of its vectors."""
    folder = tmp_path_factory.mktemp("backbones") / request.param
    save_backbone(folder, request.param, random_backbone(request.param, frames))
    return str(folder), LENGTHS[request.param]


@pytest.fixture(scope="module")
def backbone(saved):
    return load_backbone(saved[0])


@pytest.fixture(scope="module")
def resnet(frames):
    return random_backbone("resnet18", frames)


@pytest.fixture
def precision(monkeypatch):
    """Sets the precision that networks run in, whatever this CPU supports: ``precision(bfloat16=True)``."""

    def choose(bfloat16):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(module, "_autocast", lambda _: torch.autocast("cpu", torch.bfloat16, enabled=bfloat16))

    return choose


def test_rows_of_unit_length(saved, frames):
    vectors = embed(frames, EmbedParameters(backbone=saved[0]), progress=False)
    assert vectors.shape == (9, saved[1]) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors @ vectors.T)[np.triu_indices(9, 1)].max() < 0.9999  # different frames, different vectors


def test_the_batch_size_does_not_matter(backbone, frames, precision):
    precision(bfloat16=False)
    whole, single, uneven = (network_embeddings(frames[::2], backbone, size, progress=False) for size in (32, 1, 3))
    assert np.abs(whole - single).max() < 1e-5 and np.abs(whole - uneven).max() < 1e-5


def test_half_precision_is_close(saved, backbone, frames, precision):
    """In bfloat16 a frame's vector keeps its direction, and stays nearest to itself among all frames."""
    made = []
    for bfloat16 in (False, True):
        precision(bfloat16)
        made.append(network_embeddings(frames, backbone, 9, progress=False))
    cosine = made[0] @ made[1].T
    assert not np.array_equal(*made) and np.diagonal(cosine).min() > CLOSE[Path(saved[0]).name]
    assert (cosine.argmax(axis=1) == np.arange(9)).all()


def test_frames_are_squeezed_not_cropped(resnet, frames, precision):
    """What happens at the left border of a wide frame changes its vector."""
    precision(bfloat16=False)
    marked = frames[:1].copy()
    marked[:, :, :30] = 255
    plain, changed = (network_embeddings(images, resnet, 4, progress=False) for images in (frames[:1], marked))
    assert float(plain[0] @ changed[0]) < 0.999


def test_read_only_frames(resnet, frames, tmp_path):
    """PyTorch warns about read-only arrays such as memory maps, and warnings are errors in these tests. Read from disk, frame
    after frame, the result is the same."""
    np.save(tmp_path / "frames.npy", frames)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    for read in (mapped, WorkingCopies(tmp_path / "frames.npy")):
        assert np.array_equal(network_embeddings(read, resnet, 9, False), network_embeddings(frames, resnet, 9, False))


def test_names(frames):
    """Each name has its own vectors; an unknown one is an error with the list."""
    made = [embed(frames, EmbedParameters(backbone=name), progress=False) for name in ("rank-vlad", "thumbnail")]
    assert [vectors.shape[1] for vectors in made] == [721, 576]
    with pytest.raises(ModelError, match="no backbone is called resnet: use rank-vlad, "):
        embed(frames, EmbedParameters(backbone="resnet"), progress=False)


def test_similarity_matrix():
    """Forty random unit vectors of which three are the same and one points the other way."""
    vectors = unit_length(np.random.default_rng(0).normal(size=(40, 300))).astype(np.float32)
    vectors[1] = vectors[2] = vectors[0]
    vectors[3] = -vectors[0]
    similarity = similarity_matrix(vectors)
    assert similarity.dtype == np.float32 and np.array_equal(similarity, similarity.T)
    assert (np.diagonal(similarity) == 1).all() and similarity.max() <= 1 and similarity.min() >= -1
    assert np.allclose(similarity, vectors.astype(np.float64) @ vectors.T.astype(np.float64), atol=1e-6)
    distances = cosine_distances(vectors)
    assert distances.min() >= 0 and (np.diagonal(distances) == 0).all()
    assert distances[0, 1] < 1e-6 and distances[0, 3] == pytest.approx(2, abs=1e-6)

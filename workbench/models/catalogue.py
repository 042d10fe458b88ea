"""What ``workbench models`` shows: the registry, what is known of each model's weights, and a model's card."""

from workbench.errors import ModelError
from workbench.models.backbones import cached_weights, imagenet_weights
from workbench.models.registry import REGISTRY, WEIGHTS, Model, bundled_sums, find
from workbench.parameters import DEFAULT_BACKBONE, DEFAULT_MATCHER, FeatureParameters, MatchParameters

COLUMNS = ("name", "kind", "source", "licence", "MB", "SHA-256", "state")
MEGABYTE = 2**20


def model_table() -> list[str]:
    """A heading, a line a model of the registry, and a line with the defaults; columns aligned.

    SHA-256 is cut to 12 digits, torchvision's file names have 8; "-" where a figure is not known before a download.
    """
    rows = [COLUMNS, *map(_row, REGISTRY)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    keypoints, model = FeatureParameters().keypoints, MatchParameters().model
    lines.append(
        f"Defaults: embed.backbone {DEFAULT_BACKBONE}, features.keypoints {keypoints}, "
        f"match.matcher {DEFAULT_MATCHER}, match.model {model}"
    )
    return lines


def model_card(name: str) -> list[str]:
    """What a model is, its terms, how it is asked for; the card of a bundled one, where the file of another one is.

    Raises :class:`~workbench.errors.ModelError` for a name that is not in the registry.
    """
    model = find(name)
    if model is None:
        raise ModelError(f"no model is called {name}: choose one of {', '.join(known.name for known in REGISTRY)}")
    lines = [
        f"{name}: {model.about}",
        f"Use:     {model.option} {name}",
        f"Licence: {model.licence}",
        f"State:   {state(model)}",
    ]
    if model.source == "torchvision":
        lines += [f"Source:  {imagenet_weights(name).url}", f"By hand: put that file at {cached_weights(name)}"]
    if model.source == "hub":
        address = f"https://huggingface.co/{name}"
        files = f"{address}/resolve/main/config.json and {address}/resolve/main/model.safetensors"
        lines += [f"Source:  {address}", f"By hand: put {files} into a folder and give the folder for the name"]
    card = WEIGHTS / name / "README.md"
    if model.source == "bundled" and card.is_file():
        lines += ["", *card.read_text(encoding="utf-8").splitlines()]
    return lines


def state(model: Model) -> str:
    """Of the weights: here, download (at first use), or missing (bundled, but not in this installation)."""
    if model.source == "built in":
        return "here"
    if model.source == "bundled":
        return "here" if (WEIGHTS / model.name / "model.safetensors").is_file() else "missing"
    if model.source == "torchvision":
        return "here" if cached_weights(model.name).exists() else "download"
    from huggingface_hub import try_to_load_from_cache

    return "here" if isinstance(try_to_load_from_cache(model.name, "model.safetensors"), str) else "download"


def weights_size(model: Model) -> int:
    """Bytes of the weights' file; 0 where there is none or it is not known. torchvision gives it to a kilobyte."""
    if model.source == "torchvision":
        return round(imagenet_weights(model.name).meta["_file_size"] * MEGABYTE)
    file = WEIGHTS / model.name / "model.safetensors"
    return file.stat().st_size if model.source == "bundled" and file.is_file() else 0


def weights_sha256(model: Model) -> str:
    """SHA-256 of the weights' file: 64 digits by SHA256SUMS, the first 8 by torchvision, "" where it is not known."""
    if model.source == "torchvision":
        return cached_weights(model.name).stem.rpartition("-")[2]
    return bundled_sums(model.name).get(WEIGHTS / model.name / "model.safetensors", "")


def _row(model: Model) -> tuple[str, ...]:
    size = weights_size(model)
    shown = f"{size / MEGABYTE:.1f}" if size else "-"
    return model.name, model.kind, model.source, model.licence, shown, weights_sha256(model)[:12] or "-", state(model)

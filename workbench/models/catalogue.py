"""The text of ``workbench models``: a table of the registry with size, digest and state of each model's weights, and cards."""

from workbench.errors import ModelError
from workbench.models.backbones import imagenet_file
from workbench.models.open_weights import OPEN_WEIGHTS
from workbench.models.registry import REGISTRY, WEIGHTS, Model, bundled_sums, find
from workbench.models.weight_files import OpenWeights, find_file
from workbench.parameters import DEFAULT_BACKBONE, DEFAULT_MATCHER, FeatureParameters, MatchParameters

TABLE_COLUMNS = ("name", "kind", "source", "licence", "MB", "SHA-256", "state")
MEGABYTE = 2**20  # bytes


def model_table() -> list[str]:
    """Make the table of all models.

    Returns
    -------
    list of str
        A heading, a line per model of the registry, and a line with the defaults, in aligned columns. SHA-256 is cut to 12
        digits, and has the 8 digits of the file name for torchvision's weights; "-" stands for what is not known before a
        download.
    """
    rows = [TABLE_COLUMNS, *map(_row, REGISTRY)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE_COLUMNS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    keypoints, model = FeatureParameters().keypoints, MatchParameters().model
    lines.append(
        f"Defaults: embed.backbone {DEFAULT_BACKBONE}, features.keypoints {keypoints}, "
        f"match.matcher {DEFAULT_MATCHER}, match.model {model}"
    )
    return lines


def model_card(name: str) -> list[str]:
    """Describe a model: what it is, its licence, the options that choose it.

    Parameters
    ----------
    name : str
        A name of the registry.

    Returns
    -------
    list of str
        Lines of text. For a bundled model its card follows, for a downloaded one the address of its files and where to put
        them by hand.

    Raises
    ------
    ModelError
        If the name is not in the registry.
    """
    model = find(name)
    if model is None:
        raise ModelError(f"no model is called {name}: choose one of {', '.join(entry.name for entry in REGISTRY)}")
    lines = [
        f"{name}: {model.about}",
        f"Use:     {model.option} {name}",
        f"Licence: {model.licence}",
        f"State:   {state(model)}",
    ]
    file = weights_file(model)
    if file:
        lines += [f"Source:  {file.source}", f"By hand: {file.by_hand}"]
    if model.source == "hub":
        address = f"https://huggingface.co/{name}"
        files = f"{address}/resolve/main/config.json and {address}/resolve/main/model.safetensors"
        lines += [f"Source:  {address}", f"By hand: put {files} into a folder and give the folder for the name"]
    card = WEIGHTS / name / "README.md"
    if model.source == "bundled" and card.is_file():
        lines += ["", *card.read_text(encoding="utf-8").splitlines()]
    return lines


def weights_file(model: Model) -> OpenWeights | None:
    """Look up the file of a model that others offer as a single file.

    Parameters
    ----------
    model : Model
        An entry of the registry.

    Returns
    -------
    OpenWeights or None
        The file; None for models that are built in, bundled, or on the hub.
    """
    if model.source == "torchvision":
        return imagenet_file(model.name)
    return OPEN_WEIGHTS[model.weights or model.name] if model.source == "open" else None


def state(model: Model) -> str:
    """Tell whether the weights of a model are here. Nothing is downloaded.

    Parameters
    ----------
    model : Model
        An entry of the registry.

    Returns
    -------
    str
        "here", "download" (they are fetched when first used), "install" (a package that carries them comes first), or
        "missing" (bundled, but not in this installation).
    """
    if model.source == "built in":
        return "here"
    if model.source == "bundled":
        return "here" if (WEIGHTS / model.name / "model.safetensors").is_file() else "missing"
    file = weights_file(model)
    if file:
        return "here" if find_file(file) else "download" if file.address else "install"
    from huggingface_hub import try_to_load_from_cache

    return "here" if isinstance(try_to_load_from_cache(model.name, "model.safetensors"), str) else "download"


def weights_size(model: Model) -> int:
    """Look up the size of a model's weights.

    Parameters
    ----------
    model : Model
        An entry of the registry.

    Returns
    -------
    int
        Bytes of the file, to a kilobyte for torchvision's; 0 where there is no file or its size is not known.
    """
    offered = weights_file(model)
    if offered:
        return offered.size
    file = WEIGHTS / model.name / "model.safetensors"
    return file.stat().st_size if model.source == "bundled" and file.is_file() else 0


def weights_sha256(model: Model) -> str:
    """Look up the SHA-256 of a model's weights.

    Parameters
    ----------
    model : Model
        An entry of the registry.

    Returns
    -------
    str
        64 hexadecimal digits for an open model, and from SHA256SUMS for a bundled one; the first 8 from the file name for
        torchvision's; "" where it is not known.
    """
    file = weights_file(model)
    if file:
        return file.sha256
    return bundled_sums(model.name).get(WEIGHTS / model.name / "model.safetensors", "")


def _row(model: Model) -> tuple[str, ...]:
    size = weights_size(model)
    shown = f"{size / MEGABYTE:.1f}" if size else "-"
    return model.name, model.kind, model.source, model.licence, shown, weights_sha256(model)[:12] or "-", state(model)

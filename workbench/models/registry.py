"""Which models there are, under what terms, and the weights that come with the workbench.

A local folder can be given wherever a name is asked for; it is no entry of the table. Nothing here needs PyTorch.
"""

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import ModelError
from workbench.storage.folder import file_sha256

# A folder a bundled model, and SHA256SUMS, which `sha256sum -c` checks too.
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
NON_COMMERCIAL = "non-commercial research"

BACKBONE = "--embed.backbone"
MATCHER = "--match.matcher"
SUPERGLUE = "--match.matcher superglue --match.model"
LIGHTGLUE = "--features.keypoints superpoint --match.matcher lightglue --match.model"
SUPERPOINT = "--features.keypoints superpoint --features.superpoint_model"


@dataclass(frozen=True)
class Model:
    """An entry of the registry.

    kind: embedding, matcher or keypoints. source: "built in" (computed by the workbench's own code, no weights), "bundled"
    (in :data:`WEIGHTS`), "torchvision" or "hub" (fetched when first used). option: what stands before the name on the
    command line. typical_eps: cosine distance that usually parts scenes, of what is built in; 0 where it is not known.
    """

    name: str
    kind: str
    source: str
    licence: str
    about: str
    option: str
    typical_eps: float = 0.0


REGISTRY = (
    Model("rank-vlad", "embedding", "built in", "Apache-2.0", "ranks and gradient patches, no training", BACKBONE, 0.4),
    Model("thumbnail", "embedding", "built in", "Apache-2.0", "16 x 12 colour thumbnail, for comparison", BACKBONE),
    Model("resnet18-photos", "embedding", "bundled", "Apache-2.0", "ResNet-18, SimCLR on photographs", BACKBONE),
    Model("vgg11-photos", "embedding", "bundled", "Apache-2.0", "VGG-11, its convolutions, SimCLR on photographs", BACKBONE),
    Model("efficientnet-b0-photos", "embedding", "bundled", "Apache-2.0", "EfficientNet-B0, SimCLR on photographs", BACKBONE),
    Model("resnet18", "embedding", "torchvision", "BSD-3-Clause", "ResNet-18, ImageNet", BACKBONE),
    Model("resnet34", "embedding", "torchvision", "BSD-3-Clause", "ResNet-34, ImageNet", BACKBONE),
    Model("resnet50", "embedding", "torchvision", "BSD-3-Clause", "ResNet-50, ImageNet", BACKBONE),
    Model("vgg16", "embedding", "torchvision", "BSD-3-Clause", "VGG-16, ImageNet", BACKBONE),
    Model("efficientnet_b0", "embedding", "torchvision", "BSD-3-Clause", "EfficientNet-B0, ImageNet", BACKBONE),
    Model("sift-flann", "matcher", "built in", "Apache-2.0", "nearest by FLANN, ratio and mutual test", MATCHER),
    Model("sift-exact", "matcher", "built in", "Apache-2.0", "all descriptors compared, ratio and mutual test", MATCHER),
    Model("superglue-sift", "matcher", "bundled", "Apache-2.0", "SuperGlue for SIFT keypoints", SUPERGLUE),
    Model(
        "magic-leap-community/superglue_indoor",
        "matcher",
        "hub",
        NON_COMMERCIAL,
        "SuperGlue for SuperPoint keypoints, ScanNet",
        SUPERGLUE,
    ),
    Model(
        "magic-leap-community/superglue_outdoor",
        "matcher",
        "hub",
        NON_COMMERCIAL,
        "SuperGlue for SuperPoint keypoints, MegaDepth",
        SUPERGLUE,
    ),
    Model(
        "ETH-CVG/lightglue_superpoint",
        "matcher",
        "hub",
        NON_COMMERCIAL,
        "LightGlue for SuperPoint keypoints; LightGlue itself is Apache-2.0, Magic Leap's SuperPoint inside is not",
        LIGHTGLUE,
    ),
    Model("magic-leap-community/superpoint", "keypoints", "hub", NON_COMMERCIAL, "SuperPoint", SUPERPOINT),
)


def find(name: str) -> Model | None:
    """The entry of this name, or None."""
    return next((model for model in REGISTRY if model.name == name), None)


def is_non_commercial(name: str) -> bool:
    """Whether these weights are for non-commercial research only, as far as the name tells."""
    model = find(name)
    return name.startswith("magic-leap-community/") or (model is not None and model.licence == NON_COMMERCIAL)


def model_folder(name: str) -> Path:
    """The folder of a bundled model; of another name, that name as a path, whether there is such a folder or not.

    Raises :class:`~workbench.errors.ModelError` when a file of a bundled model is missing, or not what SHA256SUMS says.
    """
    model = find(name)
    if model is None or model.source != "bundled":
        return Path(name).expanduser()
    sums = bundled_sums(name)
    if not sums:
        raise ModelError(f"the bundled weights of {name} are not in {WEIGHTS}: install the workbench again")
    for file, expected in sums.items():
        if not file.is_file() or file_sha256(file) != expected:
            raise ModelError(f"{file} is missing or damaged: install the workbench again")
    return WEIGHTS / name


def provenance(name: str) -> str:
    """A model's name with where it comes from and its licence, as far as the registry knows it."""
    model = find(name)
    if model:
        return f"{name} ({model.source}, {model.licence})"
    if is_non_commercial(name):
        return f"{name} (hub, {NON_COMMERCIAL})"
    return f"{name} (built in)" if name.startswith("sift") else f"{name} (your own choice, licence not known)"


def bundled_sums(name: str) -> dict[Path, str]:
    """The files of a bundled model with their SHA-256 (64 hexadecimal digits) by SHA256SUMS; {} when it names none."""
    table = WEIGHTS / "SHA256SUMS"
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    sums = {WEIGHTS / file.lstrip(" *"): digest for digest, _, file in (line.partition(" ") for line in lines)}
    return {file: digest for file, digest in sums.items() if file.parent == WEIGHTS / name}

"""Compare the networks on a GPU with the CPU, in one run: how many times faster, and how much the results differ.

    python benchmarks/gpu.py [--count 64] [--repeats 5]

It measures embeddings of working copies and SuperGlue on pairs of frames, with the bundled models; and SuperPoint, and
LightGlue on its keypoints, of the published sizes with random weights, which take the same time. Without a GPU it reports that,
and measures nothing.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from sklearn.datasets import load_sample_images
from superglue import photograph_frames

from workbench.embedding.embed import network_embeddings
from workbench.matching.base import Detector, Matches
from workbench.matching.lightglue import LightGlue
from workbench.matching.superglue import SuperGlue
from workbench.matching.superpoint import SuperPoint
from workbench.models.backbones import load_backbone, torchvision
from workbench.models.pretrained import network_device
from workbench.parameters import EmbedParameters, FeatureParameters, MatchParameters
from workbench.storage.hloc import Features


def seconds(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median time of ``work`` in seconds, after one call to warm up, and its result."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return median(times), result


def windows(count: int) -> np.ndarray:
    """Make frames as large as working copies, (count, 225, 400, 3) uint8 RGB, from a window that moves by 1 px."""
    picture = cv2.resize(load_sample_images().images[0], (400 + count, 300))
    return np.stack([picture[:225, place : place + 400] for place in range(count)])


def random_models(folder: Path) -> tuple[str, str]:
    """Write a SuperPoint and a LightGlue of the published sizes with random weights; returns their folders."""
    torchvision()  # repaired before transformers is imported, which fails without it beside PyTorch's CPU build
    import torch
    from transformers import LightGlueConfig, LightGlueForKeypointMatching, SuperPointConfig, SuperPointForKeypointDetection

    torch.manual_seed(0)
    detector, matcher = folder / "superpoint", folder / "lightglue"
    SuperPointForKeypointDetection(SuperPointConfig(keypoint_threshold=1e-6)).save_pretrained(detector)
    LightGlueForKeypointMatching(LightGlueConfig()).save_pretrained(matcher)
    return str(detector), str(matcher)


def keypoints(detector: Detector, images: np.ndarray) -> list[Features]:
    """Find the keypoints of frames."""
    return [detector(image, (image.shape[1], image.shape[0])) for image in images]


def differing(some: Sequence[Matches], others: Sequence[Matches]) -> str:
    """Say how many of the matches of the same pairs differ."""
    differ = sum(int((a[0] != b[0]).sum()) for a, b in zip(some, others, strict=True))
    return f"{differ} of {sum(int((a[0] >= 0).sum()) for a in some)} matches differ"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per kind of network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=64, help="number of frames and of pairs, 1 to 80")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", help="PyTorch device that is compared with the CPU; default the GPU")
    chosen = parser.parse_args(arguments)
    if not 1 <= chosen.count <= 80:
        parser.error("--count must be 1 to 80")
    device = chosen.device or network_device()
    if not chosen.device and device == "cpu":
        print("no GPU that PyTorch can use: nothing to compare")
        return

    def report(name: str, unit: str, cpu: float, other: float, about: str) -> None:
        before, after = (1e3 * value / chosen.count for value in (cpu, other))
        print(f"{name}: {before:.2f} ms per {unit} on the CPU, {after:.2f} on {device}: {cpu / other:.2f} times; {about}")

    def on_both(made: Callable[[str], Callable[[], Any]]) -> list[tuple[float, Any]]:
        return [seconds(made(where), chosen.repeats) for where in ("cpu", device)]

    images, backbone = windows(chosen.count), load_backbone(EmbedParameters().backbone)
    (cpu, on_cpu), (other, on_other) = on_both(lambda where: partial(network_embeddings, images, backbone, 32, False, where))
    apart = float((1 - (on_cpu * on_other).sum(axis=1)).max())
    report("embedding", "frame", cpu, other, f"cosine distance of the same frame at most {apart:.1e}")
    frames, parameters = photograph_frames(chosen.count + 1, 256), MatchParameters(matcher="superglue")
    (cpu, on_cpu), (other, on_other) = on_both(
        lambda where: partial(SuperGlue(parameters, where).match, frames[:-1], frames[1:])
    )
    report("SuperGlue", "pair", cpu, other, differing(on_cpu, on_other))
    with tempfile.TemporaryDirectory() as folder:
        detector, matcher = random_models(Path(folder))
        wanted = FeatureParameters(keypoints="superpoint", superpoint_model=detector)
        (cpu, found), (other, on_other) = on_both(lambda where: partial(keypoints, SuperPoint(wanted, where), images))
        apart = max(float(np.abs(a.keypoints - b.keypoints).max()) for a, b in zip(found, on_other, strict=True))
        report("SuperPoint", "frame", cpu, other, f"keypoints at most {apart:.1e} px apart")
        chosen_matcher = MatchParameters(matcher="lightglue", model=matcher)
        (cpu, on_cpu), (other, on_other) = on_both(
            lambda where: partial(LightGlue(chosen_matcher, where).match, found[:-1], found[1:])
        )
        report("LightGlue", "pair", cpu, other, differing(on_cpu, on_other))


if __name__ == "__main__":
    main()

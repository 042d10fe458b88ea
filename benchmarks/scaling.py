"""Measure how time and memory grow with the length of a clip, for the workbench and for two baselines.

    python benchmarks/scaling.py FOLDER [--frames 500 1000 2000 4000 10000] [--scene 500] [--size 1280 720] [--raw-up-to 2000]
                                 [--pairs 4] [--out table.csv]

Clips are drawn into FOLDER once (``long_clip.py``). Every length is restored in a process of its own. The original greedy
baseline detects keypoints anew for every pair of frames and matches all pairs. That would take too long, so a few pairs are
timed and the time is multiplied by the number of pairs. Ratios are those of one run on one machine.
"""

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from cases import COLUMNS, STEPS, Row, measure_alone, table, truth_of

BASELINE_KEYPOINTS = 1024  # per frame, in the original greedy baseline
BASELINE_LONG_SIDE = 640  # px, of the frames there


def clip(frames: int, folder: Path, size: tuple[int, int], scene: int) -> Path:
    """Return the clip of this length in the folder; draw it if it does not exist."""
    from long_clip import make_clip

    place = folder / f"{size[0]}x{size[1]}-{scene}"
    place.mkdir(parents=True, exist_ok=True)
    video = place / f"long{frames}.mp4"
    return video if truth_of(video).is_file() else make_clip(frames, place, size, scene)


def greedy_baseline_pair(video: Path, pairs: int) -> float:
    """Time the original greedy baseline on one pair of frames: SuperPoint on both, then SuperGlue; mean of several pairs.

    The networks have the published sizes and random weights, which take the same time; there are 1,024 keypoints per frame at
    640 px. PyTorch uses its default number of threads.

    Parameters
    ----------
    video : Path
        Its first frames are paired.
    pairs : int
        Number of pairs to time.

    Returns
    -------
    float
        Seconds per pair.
    """
    from workbench.models.backbones import torchvision
    from workbench.video.decode import decode
    from workbench.video.proxies import rgb

    torchvision()  # repaired before transformers is imported, which fails without it beside PyTorch's CPU build
    import cv2
    import torch
    from transformers import SuperGlueConfig, SuperGlueForKeypointMatching

    torch.manual_seed(0)
    config = SuperGlueConfig()
    config.keypoint_detector_config.max_keypoints = BASELINE_KEYPOINTS
    config.keypoint_detector_config.keypoint_threshold = 0.0
    model = SuperGlueForKeypointMatching(config).eval()
    with closing(decode(video)) as frames:
        images = [rgb(frame) for _, frame in islice(frames, 2 * pairs)]
    height, width = images[0].shape[:2]
    shrink = min(1.0, BASELINE_LONG_SIDE / max(height, width))
    small = [cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) for image in images]
    start = time.perf_counter()
    with torch.inference_mode():
        for first, second in zip(small[::2], small[1::2], strict=True):
            both = torch.stack([torch.from_numpy(image).permute(2, 0, 1).float() / 255 for image in (first, second)])
            model(both[None])
    return (time.perf_counter() - start) / pairs


def growth(rows: Sequence[Row]) -> list[str]:
    """Describe the time per frame of every length and step, with its ratio to the clip of 1,000 frames, else the first."""
    ours = [row for row in rows if row["method"] == "workbench" and not row["error"]]
    base = next((row for row in ours if row["frames"] == 1000), ours[0])
    lines = []
    for row in ours:
        steps = []
        for step in STEPS:
            if f"seconds_{step}" in row:
                own, before = row[f"seconds_{step}"] / row["frames"], base[f"seconds_{step}"] / base["frames"]
                steps.append(f"{step} {1000 * own:.1f} ({own / max(before, 1e-9):.2f})")
        whole = row["seconds_per_frame"] / base["seconds_per_frame"]
        lines.append(
            f"{row['frames']:.0f} frames, ms per frame (ratio to {base['frames']:.0f}): all "
            f"{1000 * row['seconds_per_frame']:.1f} ({whole:.2f}), {', '.join(steps)}; peak {row['peak_mb']:.0f} MB"
        )
    return lines


def comparison(rows: Sequence[Row], pair_seconds: float) -> list[str]:
    """Compare the workbench with the raw-pixel baseline and with the greedy baseline at every length; one line each.

    Parameters
    ----------
    rows : sequence of dict
        Rows of :func:`cases.measure`.
    pair_seconds : float
        Time of the greedy baseline for one pair, seconds; 0 leaves it out.

    Returns
    -------
    list of str
        The lines.
    """
    lines, restored = [], {(row["method"], row["frames"]): row for row in rows if not row["error"]}
    for (method, frames), row in restored.items():
        if method != "workbench":
            ours = restored["workbench", frames]
            lines.append(
                f"{frames:.0f} frames, workbench / {method}: seconds {ours['seconds'] / row['seconds']:.2f}, peak memory "
                f"{ours['peak_mb'] / row['peak_mb']:.2f}, |tau| {ours['tau']:.3f} against {row['tau']:.3f}"
            )
    for (method, frames), row in restored.items():
        if method == "workbench" and pair_seconds:
            whole = pair_seconds * frames * (frames - 1) / 2
            lines.append(
                f"{frames:.0f} frames, greedy baseline / workbench: {whole / row['seconds']:.0f} times "
                f"({whole / 3600:.1f} hours for all pairs, at {pair_seconds:.2f} s per pair)"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 when a clip could not be restored."""
    parser = argparse.ArgumentParser(description="Measure time and memory by the length of a clip.")
    parser.add_argument("folder", type=Path, help="folder for the clips")
    parser.add_argument("--frames", type=int, nargs="+", default=[500, 1000, 2000, 4000, 10000])
    parser.add_argument("--scene", type=int, default=500, help="frames per scene")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--raw-up-to", type=int, default=2000, metavar="FRAMES", help="longest clip for the raw-pixel baseline")
    parser.add_argument("--pairs", type=int, default=4, help="pairs on which the greedy baseline is timed; 0 leaves it out")
    parser.add_argument("--out", type=Path, help="CSV file for the rows, with all digits")
    chosen = parser.parse_args(arguments)
    rows = []
    for frames in chosen.frames:
        video = clip(frames, chosen.folder, tuple(chosen.size), chosen.scene)
        rows.append(measure_alone("workbench", video))
        print(table(rows[-1:]), file=sys.stderr, flush=True)
        if frames <= chosen.raw_up_to:
            rows.append(measure_alone("raw pixels", video))
        if chosen.out:
            with chosen.out.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    pair_seconds = greedy_baseline_pair(video, chosen.pairs) if chosen.pairs else 0.0
    print(table(rows))
    print("\n".join(["", *growth(rows), "", *comparison(rows, pair_seconds)]))
    return int(any(row["error"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())

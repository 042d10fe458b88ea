"""How time and memory grow with the length of a clip, beside the raw-pixel baseline and the first design.

    python benchmarks/scaling.py FOLDER [--frames 500 1000 2000 4000 10000] [--scene 500] [--size 1280 720] [--raw-up-to 2000]
                                 [--pairs 4] [--out table.csv]

Clips are drawn into FOLDER once (``long_clip.py``). Every length is restored in a process of its own. The first design finds
keypoints anew for every pair of frames and compares all of them; so long nobody waits, so a few pairs are timed and their
time is multiplied by the number of pairs. Ratios are of one run on one machine.
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

KEYPOINTS, LONG_SIDE = 1024, 640  # of the first design


def clip(frames: int, folder: Path, size: tuple[int, int], scene: int) -> Path:
    """The clip of this length in the folder, drawn if it is not there."""
    from long_clip import make_clip

    place = folder / f"{size[0]}x{size[1]}-{scene}"
    place.mkdir(parents=True, exist_ok=True)
    video = place / f"long{frames}.mp4"
    return video if truth_of(video).is_file() else make_clip(frames, place, size, scene)


def greedy_baseline_pair(video: Path, pairs: int) -> float:
    """Seconds that the first design takes for one pair of frames: SuperPoint on both, SuperGlue, mean of several pairs.

    Networks of the published size with random weights, which take the same time; 1,024 keypoints a frame at 640 px, on as many
    threads as there are cores.
    """
    from workbench.models.backbones import torchvision
    from workbench.video.decode import decode
    from workbench.video.proxies import rgb

    torchvision()  # mended first, or transformers fails beside PyTorch's CPU build
    import cv2
    import torch
    from transformers import SuperGlueConfig, SuperGlueForKeypointMatching

    torch.manual_seed(0)
    config = SuperGlueConfig()
    config.keypoint_detector_config.max_keypoints = KEYPOINTS
    config.keypoint_detector_config.keypoint_threshold = 0.0
    model = SuperGlueForKeypointMatching(config).eval()
    with closing(decode(video)) as frames:
        images = [rgb(frame) for _, frame in islice(frames, 2 * pairs)]
    height, width = images[0].shape[:2]
    shrink = min(1.0, LONG_SIDE / max(height, width))
    small = [cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) for image in images]
    start = time.perf_counter()
    with torch.inference_mode():
        for first, second in zip(small[::2], small[1::2], strict=True):
            both = torch.stack([torch.from_numpy(image).permute(2, 0, 1).float() / 255 for image in (first, second)])
            model(both[None])
    return (time.perf_counter() - start) / pairs


def growth(rows: Sequence[Row]) -> list[str]:
    """Seconds a frame of every length and step, over those of the 1,000 frames, or of the shortest clip without them."""
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
            f"{row['frames']:.0f} frames, ms a frame (ratio to {base['frames']:.0f}): all "
            f"{1000 * row['seconds_per_frame']:.1f} ({whole:.2f}), {', '.join(steps)}; peak {row['peak_mb']:.0f} MB"
        )
    return lines


def beside(rows: Sequence[Row], pair_seconds: float) -> list[str]:
    """The workbench's seconds beside those of the raw-pixel baseline at the same length, and of the first design."""
    lines, known = [], {(row["method"], row["frames"]): row for row in rows if not row["error"]}
    for (method, frames), row in known.items():
        if method != "workbench":
            ours = known["workbench", frames]
            lines.append(
                f"{frames:.0f} frames, workbench / {method}: seconds {ours['seconds'] / row['seconds']:.2f}, peak memory "
                f"{ours['peak_mb'] / row['peak_mb']:.2f}, |tau| {ours['tau']:.3f} against {row['tau']:.3f}"
            )
    for (method, frames), row in known.items():
        if method == "workbench" and pair_seconds:
            whole = pair_seconds * frames * (frames - 1) / 2
            lines.append(
                f"{frames:.0f} frames, first design / workbench: {whole / row['seconds']:.0f} times ({whole / 3600:.1f} hours "
                f"for all pairs at the {pair_seconds:.2f} s that one took)"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status is 1 when a clip could not be restored."""
    parser = argparse.ArgumentParser(description="Time and memory by the length of a clip.")
    parser.add_argument("folder", type=Path, help="folder for the clips")
    parser.add_argument("--frames", type=int, nargs="+", default=[500, 1000, 2000, 4000, 10000])
    parser.add_argument("--scene", type=int, default=500, help="frames a scene")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--raw-up-to", type=int, default=2000, metavar="FRAMES", help="longest clip for the raw-pixel baseline")
    parser.add_argument("--pairs", type=int, default=4, help="pairs that the first design is timed on; 0 leaves it out")
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
    print("\n".join(["", *growth(rows), "", *beside(rows, pair_seconds)]))
    return int(any(row["error"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())

"""Write the scenes that SuperGlue is trained on: each a small ``.npz`` file."""

import argparse
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.configuration import MatcherConfig, read_config
from training.loop import run_command
from training.matcher_planes import plane_views
from training.matcher_scenes import View, clip_views, photograph_views, same_points
from training.pictures import clips, photographs, read_clip, read_photograph

VIEWS = 6  # per scene of photographs
CLIP_SCENES = 60  # per clip
PLANE_PICTURES = 16  # photographs per world of planes
HELD_OUT_SHARE = 0.1  # of the number of training scenes: scenes for validation


def save_scene(path: Path, views: list[View]) -> None:
    """Write a scene to an ``.npz`` file, which appears only when it is complete.

    Notes
    -----
    Arrays of the file, for V views with N keypoints together, one view after the other, and C correspondences: ``counts``
    (V,), keypoints per view; ``keypoints`` (N, 2) float32, px; ``scores`` (N,) float32; ``descriptors`` (N, 128) float16;
    ``size`` (2,), width and height; ``points`` (C, 4) int16: view, view, keypoint, keypoint; ``costs`` (C,) float16;
    ``unknown`` (N,) bool: True where the place of a keypoint in another view is unknown.
    """
    features = [view.features for view in views]
    points, costs = [np.zeros((0, 4), np.int16)], [np.zeros(0, np.float16)]
    for first, second in combinations(range(len(views)), 2):
        same, cost = same_points(views[first], views[second], (first, second))
        points.append(np.column_stack([np.full(len(same), first), np.full(len(same), second), same]).astype(np.int16))
        costs.append(cost.astype(np.float16))
    unknown = [np.isnan(np.stack(list(view.places.values()))).any(axis=(0, 2)) for view in views]
    partial = path.with_name(path.name + ".tmp")
    with partial.open("wb") as file:
        np.savez(
            file,
            counts=[len(item) for item in features],
            keypoints=np.concatenate([item.keypoints for item in features]),
            scores=np.concatenate([item.scores for item in features]),
            descriptors=np.concatenate([item.descriptors.T for item in features]).astype(np.float16),
            size=features[0].image_size,
            points=np.concatenate(points),
            costs=np.concatenate(costs),
            unknown=np.concatenate(unknown),
        )
    partial.replace(path)


def write_scenes(
    photograph_paths: list[Path], clip_paths: list[Path], out: Path, config: MatcherConfig, share: float = 1.0
) -> None:
    """Write scenes of photographs (a third of them with a second one in front), of planes in space, and of clips.

    Scenes that exist already are kept, so that an interrupted call can be continued.

    Parameters
    ----------
    photograph_paths, clip_paths : list of Path
        The pictures and videos.
    out : Path
        Folder for the scenes.
    config : MatcherConfig
        How many scenes of photographs, one per photograph at most, and of planes; the seed decides everything random.
    share : float
        Of these numbers, 0 to 1; each clip always gives :data:`CLIP_SCENES` scenes.
    """
    out.mkdir(parents=True, exist_ok=True)
    seed, count = config.seed, len(photograph_paths)

    def picture(index: int) -> np.ndarray:
        return read_photograph(photograph_paths[index], 500)

    chosen = np.random.default_rng(seed).permutation(count)[: round(share * config.photograph_scenes)]
    for number in tqdm(chosen, desc="photographs"):
        path, rng = out / f"photograph{number:05d}.npz", np.random.default_rng((seed, int(number)))
        if not path.exists():
            others = rng.integers(count, size=int(rng.random() < 0.33))
            save_scene(path, photograph_views([picture(index) for index in [number, *others]], VIEWS, rng))
    for number in tqdm(range(round(share * config.plane_scenes)), desc="planes"):
        path, rng = out / f"planes{number:05d}.npz", np.random.default_rng((seed, 1, number, 0))
        if not path.exists():
            textures = [picture(index) for index in rng.integers(count, size=PLANE_PICTURES)]
            save_scene(path, plane_views(textures, VIEWS, rng))
    for place, clip in enumerate(tqdm(clip_paths, desc="clips")):
        frames = read_clip(clip, 400)
        for number in range(CLIP_SCENES):
            path, rng = out / f"clip{place:03d}_{number:03d}.npz", np.random.default_rng((seed, place, number))
            if not path.exists():
                first = int(rng.integers(len(frames)))
                second = int(np.clip(first + rng.choice([-1, 1]) * rng.choice([1, 2, 4, 8, 15]), 0, len(frames) - 1))
                save_scene(path, clip_views(frames[first], frames[second], rng))


def main(arguments: list[str] | None = None) -> int:
    """Run ``python -m training.matcher_files CONFIG --photographs DIR --clips DIR --out DIR`` and return the exit status."""
    parser = argparse.ArgumentParser(description="Make the scenes that SuperGlue is trained on.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="gets the folders train and validation")
    given = parser.parse_args(arguments)

    def work() -> None:
        config = read_config(given.config, MatcherConfig)
        chosen = clips(given.clips, config.held_out_clips)
        held_out = [path for path in clips(given.clips, ()) if path not in chosen]
        held_out_photographs = photographs(given.photographs, held_out_tenth=True)
        write_scenes(held_out_photographs, held_out, given.out / "validation", config, HELD_OUT_SHARE)
        write_scenes(photographs(given.photographs), chosen, given.out / "train", config)

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())

"""Render a clip that is harder to put in order than the sample: its pagoda and its dahlia in wide steps, shaken and in flicker.

``python data/make_wide_sample.py [FOLDER]`` writes ``wide.mp4`` and ``wide.truth.csv`` beside this file, or into FOLDER.
"""

import sys
from pathlib import Path

import numpy as np
from foreign_pictures import foreign_pictures
from make_sample import SEED, Clip, true_clips

from workbench.evaluation.corrupt import shuffled_rows, write_case
from workbench.evaluation.effects import flicker_frame, shake_frame
from workbench.evaluation.files import OUTLIER

STEP = 3  # of three frames of the sample, one is kept
FRAME_RATE = 8  # frames per second
CRF = 23  # H.264 constant rate factor
FOREIGN = 6  # foreign frames, the first of the sample
SCENES = ("pagoda", "dahlia")


def wide_clips(clips: dict[str, Clip], seed: int = SEED) -> dict[str, list[np.ndarray]]:
    """Take every third frame of two scenes, shaken and in flicker anew for every frame, and the first foreign pictures.

    Parameters
    ----------
    clips : dict of str to Clip
        From :func:`make_sample.true_clips`.
    seed : int
        Seed of shake and flicker.

    Returns
    -------
    dict of str to list of (240, 320, 3) uint8 arrays
        Frames in true order, RGB, by scene; foreign ones under ``outlier``.
    """
    rng = np.random.default_rng((seed, len(SCENES)))
    found = {name: [flicker_frame(shake_frame(frame, rng, 1), rng, 1) for frame in clips[name][0][::STEP]] for name in SCENES}
    return found | {OUTLIER: foreign_pictures(SEED)[:FOREIGN]}


def make_wide_sample(folder: Path, seed: int = SEED) -> Path:
    """Write ``wide.mp4`` and ``wide.truth.csv`` into ``folder``; return the path of the video."""
    sources = wide_clips(true_clips(), seed)
    rows = shuffled_rows({name: len(frames) for name, frames in sources.items()}, seed)
    out = folder / "wide.mp4"
    write_case((sources[row.clip][row.frame] for row in rows), rows, out, frame_rate=FRAME_RATE, crf=CRF)
    return out


if __name__ == "__main__":
    print(make_wide_sample(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))

"""The drawn clips have what makes them fail: frames that repeat, nothing but noise, an end at the beginning, one background."""

import numpy as np
import pytest

from workbench.evaluation import drawn_clips as drawn


@pytest.fixture(scope="module")
def clips() -> dict[str, dict[str, np.ndarray]]:
    """The scenes of every clip, by its name, as floats; their noise has a standard deviation of 1.5 grey levels."""
    return {clip.name: {name: frames.astype(float) for name, frames in clip.scenes.items()} for clip in drawn.drawn_clips()}


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Root mean square difference of two frames, grey levels."""
    return float(np.sqrt(((first - second) ** 2).mean()))


def test_sizes_and_names(clips):
    assert {name: [len(frames) for frames in scenes.values()] for name, scenes in clips.items()} == {
        "wheel": [36], "still": [30], "loop": [40], "takes": [24, 24],
    }  # fmt: skip
    width, height = drawn.SIZE
    assert all(frames.shape[1:] == (height, width, 3) for scenes in clips.values() for frames in scenes.values())


def test_the_wheel_repeats_itself(clips):
    wheel = clips["wheel"]["wheel"]
    assert apart(wheel[0], wheel[drawn.TURN]) < 3 < 2 * apart(wheel[0], wheel[1])


def test_nothing_moves(clips):
    still = clips["still"]["still"]
    assert apart(still[0], still[1]) == pytest.approx(apart(still[0], still[29]), rel=0.05)


def test_the_loop_comes_back(clips):
    loop = clips["loop"]["loop"]
    assert apart(loop[0], loop[39]) < 1.5 * apart(loop[0], loop[1]) < apart(loop[0], loop[20])


def test_the_takes_have_one_background(clips):
    """Where no flower ever is, the two takes differ by noise; where one is, by much more."""
    first, second = clips["takes"].values()
    assert apart(first[0, -20:, -20:], second[0, -20:, -20:]) < 3 < 10 < apart(first[0], second[0])


def test_the_same_seed_draws_the_same():
    one, two, other = (drawn.drawn_clips(seed)[1].scenes["still"] for seed in (0, 0, 1))
    assert (one == two).all() and (one != other).any()

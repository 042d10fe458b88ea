"""Takes of one place, in drawn clips: a still camera before a textured wall, a disc that moves, and a box that does not.

Frames are 120 x 90 px, with sensor noise of 1.5 grey levels. Two takes differ in where the box stands, and the disc goes on.
"""

import cv2
import numpy as np
import pytest

from workbench.evaluation.effects import flicker_frame, shake_frame
from workbench.scenes.takes import find_takes

WIDTH, HEIGHT = 120, 90
LEFT, RIGHT = (20, 10), (70, 12)  # where the box stands


def texture(seed, width=WIDTH, height=HEIGHT):
    """Blurred noise in colour, (height, width, 3) uint8."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((height, width, 3)), (0, 0), 4)
    return np.uint8(np.clip(128 + 40 * noise / noise.std(), 0, 255))


WALL = texture(0)


def take(box, start, stop, count, seed=1):
    """``count`` frames, (90, 120, 3) uint8: the disc goes from column ``start`` to ``stop``, and the box stands at ``box``."""
    rng, frames = np.random.default_rng(seed), []
    for x in np.linspace(start, stop, count):
        frame = WALL.copy()
        cv2.rectangle(frame, box, (box[0] + 22, box[1] + 26), (230, 220, 60), cv2.FILLED)
        cv2.circle(frame, (round(x), 70), 9, (200, 30, 40), cv2.FILLED, cv2.LINE_AA)
        frames.append(np.clip(np.round(frame + rng.normal(0, 1.5, frame.shape)), 0, 255).astype(np.uint8))
    return frames


class Found:
    """The takes of an order by places in it: ``cuts``, after which takes begin, ``steps`` and ``around``; ``intruders``."""

    def __init__(self, images, order, closed=False):
        self.takes = find_takes(images, order, closed)
        place = {position: number for number, position in enumerate(order.tolist())}
        found = sorted((place[take.between[0]], take) for take in self.takes.others)
        self.cuts = np.array([cut for cut, _ in found], dtype=int)
        self.steps, self.around = [take.step for _, take in found], [take.around for _, take in found]
        self.intruders = np.array([place[frame] for frame in self.takes.intruders.tolist()], dtype=int)
        self.differing = self.takes.differing


def found_in(frames, closed=False):
    """The takes of frames that are in order already."""
    return Found(np.stack(frames), np.arange(len(frames)), closed)


@pytest.fixture(scope="module")
def one():
    """24 frames with the box on the left."""
    return take(LEFT, 10, 80, 24)


@pytest.fixture(scope="module")
def other():
    """20 frames with the box on the right."""
    return take(RIGHT, 80, 20, 20, seed=2)


def test_two_takes_are_cut_where_one_ends(one, other):
    """What changes for good is the box, at both of its places: 2 x 23 x 27 px of the picture, but for a blurred rim."""
    found = found_in(one + other)
    assert found.cuts.tolist() == [23] and not len(found.intruders)
    assert 0.75 * 2 * 23 * 27 < found.steps[0] * WIDTH * HEIGHT < 1.25 * 2 * 23 * 27 + 100
    assert found.around[0] < found.steps[0] / 20


def test_an_order_is_followed_whatever_the_positions(one, other):
    """The same frames shuffled into a longer clip: cuts are places in the order. Read backwards, it is cut there too."""
    positions = np.random.default_rng(3).permutation(60)[:44]
    clip = np.full((60, HEIGHT, WIDTH, 3), 128, np.uint8)
    clip[positions] = one + other
    assert Found(clip, positions).cuts.tolist() == [23]
    assert Found(clip, positions[::-1]).cuts.tolist() == [19]


def test_three_takes():
    """The box is moved by 8 px first and far away then: cuts are in the order of the places, the smaller step first."""
    found = found_in(take(LEFT, 10, 60, 16) + take((28, 10), 60, 90, 14, 2) + take(RIGHT, 90, 15, 15, 3))
    assert found.cuts.tolist() == [15, 29] and found.steps[0] < 0.7 * found.steps[1] and len(found.around) == 2


@pytest.mark.parametrize(("between", "cuts"), [(12, [15, 27]), (11, [26])])
def test_a_take_between_two_others_has_twelve_frames(between, cuts):
    """Of two cuts that are nearer to each other, the one with the larger step stays."""
    found = found_in(take(LEFT, 10, 60, 16) + take((28, 10), 60, 90, between, 2) + take(RIGHT, 90, 15, 15, 3))
    assert found.cuts.tolist() == cuts


def test_a_box_that_is_put_elsewhere_again_and_again_is_no_cut():
    """Every eight frames: a step counts against those around it."""
    places = [(10 + 15 * (5 * k % 6), 12) for k in range(6)]
    found = found_in([frame for k, place in enumerate(places) for frame in take(place, 10 + 13 * k, 23 + 13 * k, 8, seed=k)])
    assert not len(found.cuts)


@pytest.mark.parametrize(("before", "after", "cuts"), [(5, 5, [19]), (4, 5, []), (5, 4, [])])
def test_what_changes_for_good_stands_still_for_five_frames(before, after, cuts):
    """A sign whose halves, one bright and one dark, are exchanged with every frame, but not in some frames before place 19 and
    after it, between which they are exchanged for good. It has a tenth of the picture."""
    frames = take(LEFT, 10, 80, 40)
    for place, frame in enumerate(frames):
        since, until = 20 - before, 19 + after  # outside of these places the halves are exchanged at every one
        bright_first = (since - place) % 2 == 1 if place < since else (place - until) % 2 == 0 if place > until else place > 19
        frame[5:40, 60:75], frame[5:40, 75:90] = (200, 60) if bright_first else (60, 200)
    found = found_in(frames)
    assert found.cuts.tolist() == cuts and not len(found.intruders)


def test_one_take_has_no_cut(one):
    """The disc goes and comes back, and the box stays where it is."""
    found = found_in(one + take(LEFT, 80, 20, 20, seed=2))
    assert not len(found.cuts) and not len(found.intruders)


def test_a_box_that_is_carried_is_no_cut():
    """It goes from left to right in ten frames."""
    between = [take((round(x), 11), 45, 45, 1, seed=9)[0] for x in np.linspace(LEFT[0], RIGHT[0], 10)]
    found = found_in(take(LEFT, 10, 45, 17) + between + take(RIGHT, 45, 90, 17, seed=2))
    assert not len(found.cuts) and not len(found.intruders)


@pytest.mark.parametrize("step", [1, 3])
def test_a_moving_camera_has_no_cut(step):
    """A pan over one large texture, and the same with a jump to another place of it in the middle."""
    large = texture(5, WIDTH + 44 * step + 80, HEIGHT)
    for jump in (0, 60):
        shifts = [step * k + jump * (k >= 22) for k in range(44)]
        found = found_in([large[:, shift : shift + WIDTH] for shift in shifts])
        assert not len(found.cuts) and not len(found.intruders)


def test_a_shaken_camera_has_no_cut(one, other):
    rng = np.random.default_rng(4)
    found = found_in([shake_frame(frame, rng, 0.5) for frame in one + other])
    assert not len(found.cuts) and not len(found.intruders)


@pytest.mark.parametrize("seed", range(3))
def test_flicker_makes_no_cut_and_hides_none(one, other, seed):
    """Exposure, gamma and colours are drawn anew for every frame, at half of the full strength."""
    rng = np.random.default_rng(seed)
    lit = [flicker_frame(frame, rng, 0.5) for frame in one + take(LEFT, 80, 20, 20, seed=2)]
    found = found_in(lit)
    assert not len(found.cuts) and not len(found.intruders)
    if seed == 0:
        assert found_in([flicker_frame(frame, rng, 0.5) for frame in one + other]).cuts.tolist() == [23]


def test_another_light_for_good_is_no_cut(one):
    """The second half is darker and bluer."""
    second = [np.uint8(frame * (0.6, 0.65, 0.75)) for frame in take(LEFT, 80, 20, 20, seed=2)]
    found = found_in(one + second)
    assert not len(found.cuts) and not len(found.intruders)


@pytest.mark.parametrize("place", [0, 1, 5, 12, 23, 24, 30, 43, 44])
def test_a_frame_of_yet_another_take_is_an_intruder(one, other, place):
    """Inside a take, at either end of the order and beside the cut; the cut is where it was among the others. A take ends at
    its own last frame: an intruder between the two takes belongs to the second part."""
    alien = take((45, 12), 60, 60, 1, seed=9)
    frames = one + other
    found = found_in(frames[:place] + alien + frames[place:])
    assert found.intruders.tolist() == [place]
    assert 0.07 <= found.differing[0] < 0.3
    assert found.cuts.tolist() == [24 if place <= 23 else 23]


@pytest.mark.parametrize("place", [0, 11, 24])
def test_an_intruder_in_a_single_take(one, place):
    found = found_in(one[:place] + take(RIGHT, 60, 60, 1, seed=9) + one[place:])
    assert found.intruders.tolist() == [place] and not len(found.cuts)


@pytest.mark.parametrize(
    ("first", "second", "cuts"), [(12, 12, [11]), (12, 20, [11]), (11, 20, []), (24, 11, []), (24, 12, [23])]
)
def test_a_take_has_twelve_frames(one, other, first, second, cuts):
    found = found_in(one[-first:] + other[:second])
    assert found.cuts.tolist() == cuts and not len(found.intruders)


@pytest.mark.parametrize("count", [0, 1, 23])
def test_a_short_order_is_one_take(one, other, count):
    """Even with what would be an intruder among 24 frames or more."""
    frames = (one[:10] + take((45, 12), 60, 60, 1, seed=9) + other)[:count]
    found = find_takes(np.stack([*frames, one[0]]), np.arange(count))
    assert found.others == [] and found.intruders.shape == found.differing.shape == (0,) and found.intruders.dtype.kind == "i"


@pytest.mark.parametrize("turned", [0, 12, 30])
def test_a_loop_begins_where_a_take_does(one, other, turned):
    """Two takes in a loop that was cut open somewhere, also in the middle of one of them: two takes, none in two parts."""
    frames = one + other
    order = np.roll(np.arange(44), -turned)
    found = find_takes(np.stack(frames), order, closed=True)
    assert [sorted(take.frames.tolist()) for take in found.others] in ([list(range(24))], [list(range(24, 44))])


def test_an_order_that_comes_back_to_a_take(one, other):
    """It leaves the first take in its middle for the second one: what goes on from there is no third take."""
    order = np.array([*range(12), *range(24, 44), *range(12, 24)])
    found = find_takes(np.stack(one + other), order)
    assert [take.frames.tolist() for take in found.others] == [list(range(24, 44))]

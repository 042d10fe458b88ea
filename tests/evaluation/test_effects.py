"""Effects on one frame: they change what they say, and nothing else."""

import itertools
from fractions import Fraction

import cv2
import numpy as np
import pytest

from workbench.evaluation import effects
from workbench.evaluation.effects import OVERLAYS, blend_frames, cover, drift_frame, flicker_frame, overlay_frame, shake_frame


def test_cover_crops_about_the_centre_without_bars() -> None:
    """A 90 x 30 picture, left third red, middle green, right blue: its 30 x 30 middle is green all over."""
    picture = np.zeros((30, 90, 3), np.uint8)
    for k in range(3):
        picture[:, 30 * k : 30 * k + 30, k] = 200
    assert np.array_equal(cover(picture, 30, 30), picture[:, 30:60])
    large = cover(picture, 60, 60)
    assert large.shape == (60, 60, 3) and (large[:, 5:-5, 1] > 190).all()


def textured(seed: int = 0) -> np.ndarray:
    """Blurred noise, 120 x 160, every grey level in use."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((120, 160, 3)), (0, 0), 6)
    return np.uint8(255 * (noise - noise.min()) / np.ptp(noise))


def test_flicker_changes_light_but_not_content() -> None:
    """Over 30 draws the mean grey level varies widely while the order of brightness inside the frame stays."""
    frame, rng = textured(), np.random.default_rng(1)
    draws = [flicker_frame(frame, rng, 1.0) for _ in range(30)]
    assert all(draw.shape == frame.shape and draw.dtype == np.uint8 for draw in draws)
    assert np.std([draw.mean() for draw in draws]) > 15
    original = frame.mean(2)
    for draw in draws:
        grey = draw.mean(2)
        inside = grey < 240  # what an exposure clips has lost its order
        assert np.corrcoef(np.argsort(np.argsort(original[inside])), np.argsort(np.argsort(grey[inside])))[0, 1] > 0.9


def test_shake_moves_content_and_invents_no_border() -> None:
    """On a frame whose value is linear in x, a view from inside is linear too; a repeated or black border is not."""
    height, width = 120, 160
    frame = np.repeat(np.tile(np.float32(np.arange(width)), (height, 1))[..., None], 3, 2).astype(np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    design = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1)
    rng, slopes = np.random.default_rng(2), []
    for _ in range(40):
        view = shake_frame(frame, rng, 1.0)
        fit, *_ = np.linalg.lstsq(design, view[..., 0].ravel(), rcond=None)
        assert np.abs(design @ fit - view[..., 0].ravel()).max() < 1.2
        slopes.append(fit[:2])
    assert np.ptp([slope[1] for slope in slopes]) > 0.1, "the rotation varies"
    assert np.linalg.norm(slopes, axis=1).max() < 1, "the zoom only goes in"


def test_strength_zero_changes_nothing() -> None:
    frame, rng = textured(), np.random.default_rng(0)
    assert np.array_equal(flicker_frame(frame, rng, 0), frame) and np.array_equal(shake_frame(frame, rng, 0), frame)


def test_drift_gives_near_identical_views_from_inside() -> None:
    """Five views of a burst of blurred noise: each differs from the next by a little more than its noise, none by as much as
    another picture. All views are from inside: the outermost pixels, black around a grey frame, are in none.
    """
    rng = np.random.default_rng(3)
    views = [drift_frame(textured(), rng, 0.7, step).astype(int) for step in range(5)]
    changes = [np.abs(a - b).mean() for a, b in itertools.pairwise(views)]
    assert min(changes) > 1 and max(changes) < 8 < np.abs(views[0] - textured(1)).mean() / 3
    again = drift_frame(textured(), rng, 0.7, 4).astype(int)
    assert 2.5 < np.std(again - views[4]) < 3, "noise of its own, of 2 grey levels"
    framed = np.pad(np.full((298, 398, 3), 128, np.uint8), ((1, 1), (1, 1), (0, 0)))
    for angle in np.arange(0, 2 * np.pi, np.pi / 8):
        assert drift_frame(framed, rng, angle, 4).min() > 128 - 8 * 2, "eight standard deviations of the noise"


def test_blend_is_the_weighted_sum() -> None:
    a, b = textured(), textured(1)
    assert np.array_equal(blend_frames(a, b, 1), a) and np.array_equal(blend_frames(a, b, 0), b)
    assert np.abs(blend_frames(a, b, 0.3) - (0.3 * a + 0.7 * b)).max() <= 0.5 + 1e-4


# Where each is expected: rows from and to, columns from and to, as shares of height and width of a frame of 4 : 3.
REGIONS = {
    "letterbox": [(0, 0.12, 0, 1), (0.88, 1, 0, 1)],
    "watermark": [(0.42, 0.58, 0.05, 0.95)],
    "caption": [(0.72, 0.82, 0, 1)],
    "ticker": [(0.92, 1, 0, 1)],
    "logo": [(0.06, 0.18, 0.86, 0.96)],
    "timestamp": [(0.03, 0.11, 0.02, 0.35)],
}


@pytest.mark.parametrize("kind", OVERLAYS)
@pytest.mark.parametrize("height", [240, 720])
def test_overlay_is_the_same_on_every_frame_and_changes_nothing_else(kind: str, height: int) -> None:
    """Drawn on a black, a white and a textured frame: inside its region many pixels are equal on all three, and those outside
    are as they were. Only the watermark is half transparent, and only the round logo has a soft edge.
    """
    width = height * 4 // 3
    texture = cv2.resize(textured(), (width, height))
    frames = [np.zeros_like(texture), np.full_like(texture, 255), texture]
    before = [frame.copy() for frame in frames]
    drawn = [overlay_frame(frame, [kind], 40, 25) for frame in frames]
    assert np.array_equal(frames, before)
    inside = np.zeros((height, width), bool)
    for top, bottom, left, right in REGIONS[kind]:  # and two pixels around
        rows, columns = (
            slice(max(0, int(low) - 2), int(high) + 3)
            for low, high in ((top * height, bottom * height), (left * width, right * width))
        )
        inside[rows, columns] = True
    for frame, result in zip(frames, drawn, strict=True):
        assert np.array_equal(result[~inside], frame[~inside])
    black, white, result = drawn
    if kind == "watermark":
        letters = black[..., 0] == 128
        assert 0.1 < letters.sum() / inside.sum() < 0.7
        assert np.abs(result[letters] - (texture[letters] / 2 + 127.5)).max() <= 1
    else:
        opaque = (black == white).all(2)
        assert opaque.sum() > 0.4 * inside.sum()
        assert np.array_equal(result[opaque], black[opaque])
        soft = ~opaque & ((black > 0) | (white < 255)).any(2)
        assert soft.sum() == 0 if kind != "logo" else soft.sum() < 5 * np.pi * 0.12 * height


def test_only_ticker_and_timestamp_tell_the_place() -> None:
    still = [kind for kind in OVERLAYS if kind not in ("ticker", "timestamp")]
    assert np.array_equal(overlay_frame(textured(), still, 0, 25), overlay_frame(textured(), still, 1, 25))
    for kind in ("ticker", "timestamp"):
        frames = [overlay_frame(textured(), [kind], place, 25).tobytes() for place in range(100)]
        assert len(set(frames)) == 100, kind


def test_ticker_moves_to_the_left_at_one_speed() -> None:
    """300 px high: 3 px per frame. Letters that are cut by an edge may be drawn a little differently there."""
    bands = [overlay_frame(np.zeros((300, 400, 3), np.uint8), ["ticker"], place, 25)[280:] for place in range(60)]
    for a, b in itertools.pairwise(bands):
        assert np.array_equal(a[:, 8:-8], b[:, 5:-11])


def test_timestamp_counts_the_time_of_the_film(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours, minutes, seconds and frames; at 29.97 frames per second 30 frames count as a second, as in a non-drop timecode."""
    texts = []
    monkeypatch.setattr(effects, "_write", lambda _frame, text, *_: texts.append(text))
    for place, rate in ((0, 25), (24, 25), (25, 25), (25 * 3725 + 7, 25), (60, Fraction(30000, 1001))):
        overlay_frame(textured(), ["timestamp"], place, rate)
    assert texts == ["00:00:00:00", "00:00:00:24", "00:00:01:00", "01:02:05:07", "00:00:02:00"]


def test_overlays_in_any_order_on_frames_of_any_size() -> None:
    """The bars of a letterbox hide no sign, whichever comes first; frames may be tiny, and far higher than wide."""
    all_kinds = overlay_frame(textured(), list(OVERLAYS), 3, 25)
    assert np.array_equal(overlay_frame(textured(), list(OVERLAYS)[::-1], 3, 25), all_kinds)
    assert (all_kinds[108:] != 0).any(), "the ticker is drawn on the lower bar"
    for height, width in ((2, 2), (16, 12), (400, 40), (40, 400)):
        frame = np.full((height, width, 3), 90, np.uint8)
        assert overlay_frame(frame, list(OVERLAYS), 3, 25).shape == frame.shape
    assert np.array_equal(overlay_frame(textured(), [], 3, 25), textured())

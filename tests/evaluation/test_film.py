"""The film of clips that follow each other: which stored frames a frame is made of, and whose it is.

Lengths of clips are given as numbers. The store has all their frames one after the other: those of ``a`` at 0, 1, ..., those of
``b`` behind them.
"""

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.evaluation.film import FilmFrame, edit_film, film_frame


def test_without_fades_clips_follow_each_other() -> None:
    film = edit_film({"a": 3, "b": 2})
    assert film == {
        "a": [FilmFrame(0, None, 1), FilmFrame(1, None, 1), FilmFrame(2, None, 1)],
        "b": [FilmFrame(3, None, 1), FilmFrame(4, None, 1)],
    }


def test_dissolve_of_an_odd_length() -> None:
    """``a`` has 4 frames and ``b`` 3; in a cross-fade of 3, frames 1 to 3 of ``a`` (1 to 3 in the store) are mixed with 0 to 2
    of ``b`` (4 to 6). In the middle both weigh the same, and the frame belongs to the earlier clip.
    """
    film = edit_film({"a": 4, "b": 3}, dissolve=3)
    assert film == {"a": [FilmFrame(0, None, 1), FilmFrame(1, 4, 0.75), FilmFrame(2, 5, 0.5)], "b": [FilmFrame(6, 3, 0.75)]}


@pytest.mark.parametrize("dissolve", [2, 3, 4, 5, 6])
def test_dissolves_of_three_clips(dissolve: int) -> None:
    """Clips of 9, 12 and 7 frames: the film is shorter by two cross-fades, and goes through every clip without a gap; weights
    of the later clip rise evenly, and nobody's frame weighs less than half.
    """
    lengths = {"a": 9, "b": 12, "c": 7}
    film = edit_film(lengths, dissolve=dissolve)
    frames = [frame for clip in film.values() for frame in clip]
    assert len(frames) == 28 - 2 * dissolve
    for k, clip in enumerate("bc", start=1):
        begins = sum(list(lengths.values())[:k]) - k * dissolve  # in the film
        mixed = frames[begins : begins + dissolve]
        first = sum(list(lengths.values())[:k])  # of the clip in the store
        assert {frame for frame in frames if frame.weight < 1} >= set(mixed)
        for step, frame in enumerate(mixed):
            later = frame in film[clip]
            assert {frame.stored, frame.other} == {first + step, first + step - dissolve}
            assert frame.stored == (first + step if later else first + step - dissolve)
            weight = (step + 1) / (dissolve + 1)
            assert frame.weight == pytest.approx(weight if later else 1 - weight)
            assert frame.weight > 0.5 or (frame.weight == 0.5 and not later)
    assert sum(frame.weight < 1 for frame in frames) == 2 * dissolve


def test_fades_of_every_clip() -> None:
    """Fades of 2 frames: a third, two thirds, then whole."""
    film = edit_film({"a": 5, "b": 4}, fade=2)
    assert [[frame.stored for frame in frames] for frames in film.values()] == [[0, 1, 2, 3, 4], [5, 6, 7, 8]]
    assert [frame.weight for frame in film["a"]] == pytest.approx([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    assert [frame.weight for frame in film["b"]] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1 / 3])
    assert {frame.other for frames in film.values() for frame in frames} == {None}


def test_frames_are_weighted_sums() -> None:
    """Three stored frames of one value each, 40, 100 and 200; black is 0."""
    stored = np.full((3, 2, 2, 3), np.reshape([40, 100, 200], (3, 1, 1, 1)), np.uint8)
    for shown, value in ((FilmFrame(1, 2, 1), 100), (FilmFrame(1, 2, 0.75), 125), (FilmFrame(2, None, 0.25), 50)):
        frame = film_frame(shown, stored)
        assert frame.shape == (2, 2, 3) and frame.dtype == np.uint8 and (frame == value).all()


@pytest.mark.parametrize(
    ("lengths", "options", "message"),
    [
        ({"a": 20, "b": 7, "c": 20}, {"dissolve": 4}, "b has 7 frames and its fades take 8: .* or a smaller --dissolve"),
        ({"a": 3, "b": 20}, {"dissolve": 4}, "a has 3 frames and its fades take 4"),
        ({"a": 20, "b": 3}, {"dissolve": 4}, "b has 3 frames and its fades take 4"),
        ({"a": 5}, {"fade": 3}, "a has 5 frames and its fades take 6: .* or a smaller --fade"),
    ],
)
def test_clips_that_are_too_short_are_refused(lengths: dict[str, int], options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        edit_film(lengths, **options)
    assert "\n" not in str(caught.value)


def test_clips_as_short_as_their_fades() -> None:
    film = edit_film({"a": 4, "b": 8, "c": 4}, dissolve=4)
    assert [len(frames) for frames in film.values()] == [2, 4, 2]
    assert [frame.other for frames in film.values() for frame in frames] == [4, 5, 2, 3, 12, 13, 10, 11]

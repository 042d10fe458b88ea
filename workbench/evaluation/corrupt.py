"""Make corrupted videos with known truth: clips, edited as films are, shuffled together, with foreign pictures mixed in.

:func:`corrupt` does it from video files. Of its parts, :func:`shuffled_rows` draws the shuffle, :func:`write_case` writes the
video and its truth. :mod:`~workbench.evaluation.film` edits the clips, :mod:`~workbench.evaluation.effects` changes one frame.
"""

import contextlib
import csv
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from workbench.errors import ParameterError, UsageError, VideoError
from workbench.evaluation.effects import DRIFT_STEPS, OVERLAYS, cover, drift_frame, flicker_frame, overlay_frame, shake_frame
from workbench.evaluation.files import OUTLIER, TRANSFORM_COLUMNS, TruthRow, truth_path
from workbench.evaluation.film import edit_film, film_frame
from workbench.video.colour import beyond_sdr
from workbench.video.decode import Decoder, decode
from workbench.video.encode import write_frames
from workbench.video.proxies import rgb

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# What numbers may be, by the name of the parameter of `corrupt`.
LIMITS = {
    "seed": (0, 2**32),
    "foreign_share": (0, 0.9),
    "size": (16, 4096),
    "max_frames": (1, 10**9),
    "flicker": (0, 1),
    "shake": (0, 1),
    "dissolve": (2, 10**6),
    "fade": (1, 10**6),
    "burst": (1, DRIFT_STEPS + 1),
}

# What a stream of random numbers is for; see _stream.
TAKES, PLACES, BURSTS = 1, 2, 3


class _Foreign(NamedTuple):
    """A foreign picture, and where it is one of a burst: which view of it, and with which random numbers."""

    picture: Path | np.ndarray
    step: int = 0
    burst: int | None = None


def shuffled_rows(counts: Mapping[str, int], seed: int) -> list[TruthRow]:
    """Shuffle all frames of several sources.

    Parameters
    ----------
    counts : mapping of str to int
        Number of frames of every clip by name; the foreign pictures are the source ``outlier``.
    seed : int
        Decides the shuffle.

    Returns
    -------
    list of TruthRow
        Row i is about position i of the shuffled video.
    """
    frames = [(name, index) for name, count in counts.items() for index in range(count)]
    places = np.random.default_rng(seed).permutation(len(frames))
    return [TruthRow(position, *frames[place]) for position, place in enumerate(places)]


def write_case(
    frames: Iterable[np.ndarray],
    rows: Sequence[TruthRow],
    out: Path,
    frame_rate: Fraction | float = 25,
    crf: int = 18,
    transforms: Sequence[np.ndarray | None] | None = None,
) -> Path:
    """Write a video and its truth beside it.

    Parameters
    ----------
    frames : iterable of (H, W, 3) uint8 arrays
        RGB, in the order of ``rows``.
    rows : sequence of TruthRow
        What is shown at every position.
    out : Path
        The video to write, ``NAME.mp4``.
    frame_rate : Fraction or float, default 25
        Frames per second.
    crf : int, default 18
        Quality of H.264, 0 (best) to 51.
    transforms : sequence of (2, 3) float arrays or None, optional
        The true transform of every frame onto the background of its clip, in px; None for a frame that has none.

    Returns
    -------
    Path
        The truth, ``NAME.truth.csv`` (``position,clip,frame``, and with transforms ``t00`` to ``t12``).

    Raises
    ------
    VideoError
        When one of the files cannot be written.
    """
    out = Path(out)
    write_frames(frames, out, frame_rate, crf=crf)
    truth = truth_path(out)
    try:
        with truth.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file, lineterminator="\n")
            if transforms is None:
                writer.writerow(TruthRow._fields)
                writer.writerows(rows)
            else:
                writer.writerow([*TruthRow._fields, *TRANSFORM_COLUMNS])
                for row, transform in zip(rows, transforms, strict=True):
                    numbers = [""] * 6 if transform is None else [f"{number:.8g}" for number in transform.ravel()]
                    writer.writerow([*row, *numbers])
    except OSError as error:
        raise VideoError(f"{truth} cannot be written ({error.strerror}): choose another --out") from error
    return truth


def corrupt(
    clips: Sequence[str | Path],
    foreign: str | Path | Sequence[np.ndarray] | None,
    out: str | Path,
    *,
    seed: int = 0,
    foreign_share: float = 0.1,
    size: int | None = None,
    max_frames: int | None = None,
    flicker: float = 0.0,
    shake: float = 0.0,
    crf: int = 18,
    takes: Sequence[str | Path] = (),
    overlays: Sequence[str] = (),
    dissolve: int | None = None,
    fade: int | None = None,
    burst: int = 1,
) -> list[TruthRow]:
    """Shuffle the frames of clips together, mix foreign pictures in, write the video and its truth beside it.

    Parameters
    ----------
    clips : sequence of str or Path
        Video files. Frame size and rate of the first hold for all: other clips and the pictures are scaled until they cover
        that size and cropped about their centre (no black bars, no distortion). The name of a clip in the truth is its file
        name without suffix.
    foreign : str, Path, sequence of (H, W, 3) uint8 RGB arrays, or None
        A folder of pictures, or the pictures; None only with ``foreign_share=0``. As many as needed are drawn by ``seed``,
        none twice; their ``frame`` in the truth counts from 0.
    out : str or Path
        The video to write, ``NAME.mp4``; an older one is replaced.
    seed : int, default 0
        Decides everything that is drawn.
    foreign_share : float, default 0.1
        Share of foreign frames in the whole video, 0 to 0.9.
    size : int, optional
        Long side of the result, 16 to 4096 px; without it that of the first clip. It never enlarges frames, and both sides
        become even.
    max_frames : int, optional
        At most the first so many frames of each clip or take are used; without it all.
    flicker, shake : float, default 0
        0 to 1, drawn anew for every frame, foreign ones included; see :func:`~workbench.evaluation.effects.flicker_frame` and
        :func:`~workbench.evaluation.effects.shake_frame`.
    crf : int, default 18
        Quality of H.264, 0 (best) to 51.
    takes : sequence of str or Path, default ()
        Further takes of the same places, as video files. One frame of each, drawn by ``seed``, is mixed in as a foreign frame,
        in addition to the pictures and numbered after them.
    overlays : sequence of str, default ()
        What is drawn over all frames, foreign ones included, after flicker and shake: kinds of
        :func:`~workbench.evaluation.effects.overlay_frame`. Ticker and timestamp tell the place in the true film, in which the
        clips follow each other as they are given; on a foreign frame they tell any place, drawn by ``seed``.
    dissolve : int, optional
        Every clip but the last dissolves into the next: its last so many frames, at least 2, are mixed with the first ones of
        the next, and the film is as much shorter. A mixed frame belongs to the clip that weighs more, to the earlier one if
        both weigh the same; the frames that belong to a clip are numbered from 0.
    fade : int, optional
        Every clip begins with a fade from black over so many frames, at least 1, and ends with one to black. No frame is
        wholly black. Not together with ``dissolve``.
    burst : int, default 1
        From 2 to 5, about half of the foreign pictures' frames come in bursts of so many near-identical frames of one picture;
        there are as many foreign frames as without. 1: no bursts.

    Returns
    -------
    list of TruthRow
        The rows of the truth.

    Raises
    ------
    ParameterError
        For a value out of range.
    UsageError
        For no clips, two clips of one name, no pictures or too few of them, clips that are too short for their fades, or
        options that contradict each other.
    VideoError
        When a clip or picture cannot be read, or ``out`` cannot be written.

    Notes
    -----
    Frames wait on disk beside ``out`` until their turn comes; a few are in memory at a time.
    """
    out = Path(out)
    paths, take_paths = [Path(clip) for clip in clips], [Path(take) for take in takes]
    _check_limits(
        seed=seed, foreign_share=foreign_share, size=size, max_frames=max_frames, flicker=flicker, shake=shake,
        dissolve=dissolve, fade=fade, burst=burst,
    )  # fmt: skip
    _check_files(paths, take_paths, out)
    _check_edits(paths, overlays, dissolve, fade)
    pictures = [] if foreign is None else _pictures(foreign)
    try:
        scratch = tempfile.TemporaryDirectory(dir=out.parent, prefix=".frames.")
    except OSError as error:
        raise VideoError(f"{out.parent} cannot be written ({error.strerror}): choose another --out") from error
    with scratch:
        counts, stored, rate = _store(paths, Path(scratch.name) / "frames.rgb", size, max_frames)
        film = edit_film(counts, dissolve or 0, fade or 0)
        lengths = {clip: len(frames) for clip, frames in film.items()}
        chosen = _choose(pictures, foreign, sum(lengths.values()), foreign_share, burst, seed)
        chosen += [_Foreign(_one_frame(take, max_frames, _stream(seed, TAKES, k))) for k, take in enumerate(take_paths)]
        rows = shuffled_rows({**lengths, OUTLIER: len(chosen)}, seed)
        starts = dict(zip(film, np.cumsum([0, *lengths.values()]), strict=False))
        anywhere = _stream(seed, PLACES).integers(sum(lengths.values()), size=len(chosen))

        def _edited(stored: np.ndarray) -> Iterator[np.ndarray]:
            height, width = stored.shape[1:3]
            for position, clip, index in rows:
                if clip == OUTLIER:
                    frame, place = _foreign_frame(chosen[index], width, height, seed), anywhere[index]
                else:
                    frame, place = film_frame(film[clip][index], stored), starts[clip] + index
                rng = np.random.default_rng((seed, position))
                frame = flicker_frame(shake_frame(frame, rng, shake), rng, flicker)
                yield overlay_frame(frame, overlays, int(place), rate)

        write_case(_edited(stored), rows, out, rate, crf)
        del stored  # Windows removes no file that is still mapped
    return rows


def colour_changes(videos: Iterable[str | Path]) -> list[str]:
    """Find the videos whose colours :func:`corrupt` converts, because it writes SDR.

    Parameters
    ----------
    videos : iterable of str or Path
        Video files.

    Returns
    -------
    list of str
        A sentence for each video with HDR or a wide gamut.

    Raises
    ------
    VideoError
        When a video cannot be read.
    """
    found = []
    for path in videos:
        with contextlib.closing(decode(path)) as frames:
            _, frame = next(frames)
        if kind := beyond_sdr(frame.color_primaries, frame.color_trc):
            found.append(f"the colours of {path} are {kind}: they are converted to SDR (BT.709)")
    return found


def _check_limits(**values: float | None) -> None:
    for name, value in values.items():
        low, high = LIMITS[name]
        if value is not None and not low <= value <= high:
            raise ParameterError(f"{name}={value} is out of range: give {low} to {high}")


def _check_files(clips: list[Path], takes: list[Path], out: Path) -> None:
    if not clips:
        raise UsageError("no clips: give at least one video file")
    names = [clip.stem for clip in clips]
    for name in names:
        if names.count(name) > 1 or name == OUTLIER:
            why = "stands for foreign frames in the truth" if name == OUTLIER else "is the name of more than one clip"
            raise UsageError(f"{name} {why}: rename the file, the truth names clips by their files")
    resolved = {clip.resolve() for clip in clips}
    for take in takes:
        if take.resolve() in resolved:
            raise UsageError(f"{take} is one of the clips, its frames are not foreign: give other videos as --takes")
    if out.suffix.lower() != ".mp4":
        raise UsageError(f"{out} is not an .mp4: give --out a name that ends in .mp4")
    if out.resolve() in resolved | {take.resolve() for take in takes}:
        raise UsageError(f"{out} is one of the clips and would be overwritten: choose another --out")
    if not out.parent.is_dir():
        raise VideoError(f"{out.parent} is not a folder: create it or choose another --out")


def _check_edits(clips: list[Path], overlays: Sequence[str], dissolve: int | None, fade: int | None) -> None:
    for kind in overlays:
        if kind not in OVERLAYS:
            raise ParameterError(f"overlay={kind!r} is not one of {', '.join(OVERLAYS)}")
    if dissolve and fade:
        raise UsageError("--dissolve and --fade contradict each other: give one of them")
    if dissolve and len(clips) == 1:
        raise UsageError(f"{clips[0]} has nothing to dissolve into: give two clips or more, or leave --dissolve out")


def _store(
    clips: list[Path], spill: Path, size: int | None, max_frames: int | None
) -> tuple[dict[str, int], np.ndarray, Fraction]:
    """Decode the clips at their common size into the file ``spill``.

    Returns the number of frames of every clip by name, all frames as a mapped (N, H, W, 3) uint8 array, and the frame rate of
    the first clip.
    """
    counts: dict[str, int] = {}
    width, height, rate = 0, 0, Fraction(25)
    with spill.open("wb") as file:
        for path in clips:
            with Decoder(path) as decoder, contextlib.closing(decode(decoder)) as frames:
                for index, frame in itertools.islice(frames, max_frames):
                    if not width:
                        width, height = _target(frame.width, frame.height, size)
                    file.write(cover(rgb(frame), width, height).data)
                    counts[path.stem] = index + 1
                if path == clips[0]:
                    rate = decoder.info().frame_rate
    return counts, np.memmap(spill, np.uint8, "r").reshape(-1, height, width, 3), rate


def _target(width: int, height: int, size: int | None) -> tuple[int, int]:
    """(width, height) of the result, even because H.264 halves the colour planes."""
    scale = min(1.0, size / max(width, height)) if size else 1.0
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def _pictures(foreign: str | Path | Sequence[np.ndarray]) -> list[Path | np.ndarray]:
    """The foreign pictures there are: paths in the order of their names, or the arrays themselves, checked."""
    if isinstance(foreign, str | Path):
        folder = Path(foreign)
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder: give --foreign a folder of pictures")
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
        if not found:
            kinds = ", ".join(PICTURE_SUFFIXES)
            raise UsageError(f"{folder} has no pictures ({kinds}): give --foreign a folder of pictures")
        return list(found)
    for picture in foreign:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise UsageError(f"a foreign picture is {picture.shape} {picture.dtype}: give (H, W, 3) uint8 RGB arrays")
    return list(foreign)


def _choose(
    pictures: list[Path | np.ndarray], foreign: object, frames: int, share: float, burst: int, seed: int
) -> list[_Foreign]:
    """As many foreign frames as make ``share`` of the whole video, of pictures drawn without repetition."""
    count = round(frames * share / (1 - share))
    if burst > 1 and count < burst:
        raise UsageError(f"{count} foreign frames make no burst of {burst}: set a larger --foreign-share, or a smaller --burst")
    bursts = max(1, round(count / 2 / burst)) if burst > 1 else 0
    needed = count - bursts * (burst - 1)
    if needed and foreign is None:
        raise UsageError(f"{needed} foreign pictures are needed: give --foreign a folder of pictures, or --foreign-share 0")
    if needed > len(pictures):
        source = str(foreign) if isinstance(foreign, str | Path) else "the list of foreign pictures"
        most = len(pictures) / (frames + len(pictures))
        raise UsageError(
            f"{needed} foreign pictures are needed and {source} has {len(pictures)}: add pictures, or set "
            f"foreign_share to {np.floor(most * 1000) / 1000:g} or less"
        )
    # Another stream of the seed than the shuffle's, so that one does not follow from the other.
    drawn = [pictures[k] for k in np.random.default_rng((seed, 1)).permutation(len(pictures))[:needed]]
    in_bursts = [_Foreign(picture, step, k) for k, picture in enumerate(drawn[:bursts]) for step in range(burst)]
    return in_bursts + [_Foreign(picture) for picture in drawn[bursts:]]


def _one_frame(take: Path, max_frames: int | None, rng: np.random.Generator) -> np.ndarray:
    """A frame of a video, drawn in one pass: the frame with the largest of random numbers."""
    largest = -1.0
    with contextlib.closing(decode(take)) as frames:
        for _, frame in itertools.islice(frames, max_frames):
            if (number := rng.random()) > largest:
                largest, picture = number, rgb(frame)
    return picture


def _foreign_frame(shown: _Foreign, width: int, height: int, seed: int) -> np.ndarray:
    frame = cover(_load(shown.picture), width, height)
    if shown.burst is None:
        return frame
    angle = _stream(seed, BURSTS, shown.burst).uniform(0, 2 * np.pi)  # the same for all of a burst
    return drift_frame(frame, _stream(seed, BURSTS, shown.burst, 1 + shown.step), angle, shown.step)


def _stream(seed: int, *purpose: int) -> np.random.Generator:
    """Random numbers that follow from no other draw: frames have the streams (seed, position)."""
    return np.random.default_rng((seed, 0, *purpose))


def _load(picture: Path | np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a picture file (upright, as its EXIF says), or the array itself."""
    if isinstance(picture, np.ndarray):
        return picture
    try:
        data = np.fromfile(picture, np.uint8)
    except OSError as error:
        raise VideoError(f"{picture} cannot be read ({error.strerror}): remove it from the folder") from error
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if decoded is None:
        raise VideoError(f"{picture} is not a picture OpenCV can read: remove it from the folder or convert it")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)

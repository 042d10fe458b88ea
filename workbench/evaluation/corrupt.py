"""Make corrupted videos with known truth: clips shuffled together, foreign pictures mixed in, light and camera shaken.

:func:`corrupt` does it from video files. The parts are here too: :func:`flicker_frame` and :func:`shake_frame` disturb
one frame, :func:`shuffled_rows` draws the shuffle, :func:`write_case` writes the video and its truth.
"""

import contextlib
import csv
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from workbench.errors import ParameterError, UsageError, VideoError
from workbench.evaluation.files import OUTLIER, TruthRow, truth_path
from workbench.video.decode import Decoder, decode
from workbench.video.encode import write_frames
from workbench.video.proxies import rgb

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def flicker_frame(frame: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Show a frame under another light: exposure, gamma, white balance and sensor noise are drawn at random.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
        RGB.
    rng : numpy Generator
        The source of the random numbers.
    strength : float
        0 (unchanged) to 1. At 1, exposure and gamma are between 0.6 and 1.65, the gain of each channel between 0.88 and 1.13,
        and the standard deviation of the noise is at most 6 grey levels.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB; the content of the picture stays where it is.
    """
    if strength == 0:
        return frame
    gain, gamma = np.exp(strength * rng.uniform(-0.5, 0.5, 2))
    balance = np.exp(strength * rng.uniform(-0.12, 0.12, 3))
    sigma = strength * rng.uniform(0, 6)
    light = 255 * gain * balance * (frame.astype(np.float32) / 255) ** gamma
    return np.clip(np.round(light + rng.normal(0, sigma, frame.shape)), 0, 255).astype(np.uint8)


def shake_frame(frame: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Show a frame as seen by a camera that was jolted: rotation, shift and zoom are drawn at random.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
        RGB.
    rng : numpy Generator
        The source of the random numbers.
    strength : float
        0 (unchanged) to 1. At 1, the rotation is within 8 degrees and the shift within 5 % of width and height. The zoom is
        as much as keeps the border of the frame out of the picture, and up to 15 % more, so nothing is invented at the edges.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB.
    """
    if strength == 0:
        return frame
    height, width = frame.shape[:2]
    degrees = strength * rng.uniform(-8, 8)
    x, y = strength * rng.uniform(-0.05, 0.05, 2) * (width, height)
    angle = np.deg2rad(abs(degrees))
    right, bottom = width - 1, height - 1  # the last pixel centres
    # The turned view's half extents must fit between the shifted centre and the border.
    zoom_x = (right * np.cos(angle) + bottom * np.sin(angle)) / (right - 2 * abs(x))
    zoom_y = (right * np.sin(angle) + bottom * np.cos(angle)) / (bottom - 2 * abs(y))
    zoom = max(zoom_x, zoom_y) * (1 + strength * rng.uniform(0, 0.15))
    matrix = cv2.getRotationMatrix2D((right / 2 + x, bottom / 2 + y), degrees, zoom)
    matrix[:, 2] -= (x, y)
    return cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


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
    frames: Iterable[np.ndarray], rows: Sequence[TruthRow], out: Path, frame_rate: Fraction | float = 25, crf: int = 18
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

    Returns
    -------
    Path
        The truth, ``NAME.truth.csv`` (``position,clip,frame``).

    Raises
    ------
    VideoError
        When one of the files cannot be written.
    """
    out = Path(out)
    write_frames(frames, out, frame_rate, crf=crf)
    truth = truth_path(out)
    try:
        with truth.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(TruthRow._fields)
            writer.writerows(rows)
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
        At most the first so many frames of each clip are used; without it all.
    flicker, shake : float, default 0
        0 to 1, drawn anew for every frame, foreign ones included; see :func:`flicker_frame` and :func:`shake_frame`.
    crf : int, default 18
        Quality of H.264, 0 (best) to 51.

    Returns
    -------
    list of TruthRow
        The rows of the truth.

    Raises
    ------
    ParameterError
        For a value out of range.
    UsageError
        For no clips, two clips of one name, no pictures or too few of them.
    VideoError
        When a clip or picture cannot be read, or ``out`` cannot be written.

    Notes
    -----
    Frames wait on disk beside ``out`` until their turn comes; a few are in memory at a time.
    """
    out = Path(out)
    paths = [Path(clip) for clip in clips]
    _check(paths, out, seed, foreign_share, size, max_frames, flicker, shake)
    pictures = [] if foreign is None else _pictures(foreign)
    try:
        scratch = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}.")
    except OSError as error:
        raise VideoError(f"{out.parent} cannot be written ({error.strerror}): choose another --out") from error
    with scratch:
        counts, stored, rate = _store(paths, Path(scratch.name) / "frames.rgb", size, max_frames)
        chosen = _choose(pictures, foreign, len(stored), foreign_share, seed)
        rows = shuffled_rows({**counts, OUTLIER: len(chosen)}, seed)
        starts = dict(zip(counts, np.cumsum([0, *counts.values()]), strict=False))

        def _disturbed(stored: np.ndarray) -> Iterator[np.ndarray]:
            height, width = stored.shape[1:3]
            for position, clip, index in rows:
                if clip == OUTLIER:
                    frame = cover(_load(chosen[index]), width, height)
                else:
                    frame = np.array(stored[starts[clip] + index])
                rng = np.random.default_rng((seed, position))
                yield flicker_frame(shake_frame(frame, rng, shake), rng, flicker)

        write_case(_disturbed(stored), rows, out, rate, crf)
        del stored  # Windows removes no file that is still mapped
    return rows


def _check(
    clips: list[Path],
    out: Path,
    seed: int,
    share: float,
    size: int | None,
    max_frames: int | None,
    flicker: float,
    shake: float,
) -> None:
    """Everything about a call of :func:`corrupt` that can be refused before any work."""
    limits = {
        "seed": (seed, 0, 2**32),
        "foreign_share": (share, 0, 0.9),
        "size": (16 if size is None else size, 16, 4096),
        "max_frames": (1 if max_frames is None else max_frames, 1, 10**9),
        "flicker": (flicker, 0, 1),
        "shake": (shake, 0, 1),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise ParameterError(f"{name}={value} is out of range: give {low} to {high}")
    if not clips:
        raise UsageError("no clips: give at least one video file")
    names = [clip.stem for clip in clips]
    for name in names:
        if names.count(name) > 1 or name == OUTLIER:
            why = "stands for foreign frames in the truth" if name == OUTLIER else "is the name of more than one clip"
            raise UsageError(f"{name} {why}: rename the file, the truth names clips by their files")
    if out.suffix.lower() != ".mp4":
        raise UsageError(f"{out} is not an .mp4: give --out a name that ends in .mp4")
    if out.resolve() in {clip.resolve() for clip in clips}:
        raise UsageError(f"{out} is one of the clips and would be overwritten: choose another --out")
    if not out.parent.is_dir():
        raise VideoError(f"{out.parent} is not a folder: create it or choose another --out")


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
                        rate = decoder.frame_rate
                    file.write(cover(rgb(frame), width, height).data)
                    counts[path.stem] = index + 1
    return counts, np.memmap(spill, np.uint8, "r").reshape(-1, height, width, 3), rate


def _target(width: int, height: int, size: int | None) -> tuple[int, int]:
    """(width, height) of the result, even because H.264 halves the colour planes."""
    scale = min(1.0, size / max(width, height)) if size else 1.0
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def cover(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale a picture until it covers a size, then crop it about its centre to that size.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        Any colours.
    width, height : int
        The size to cover, px.

    Returns
    -------
    (height, width, 3) uint8 array
        The picture at that size, contiguous in memory.
    """
    have_height, have_width = picture.shape[:2]
    scale = max(width / have_width, height / have_height)
    if scale != 1:
        shape = (max(width, round(have_width * scale)), max(height, round(have_height * scale)))
        picture = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


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
    pictures: list[Path | np.ndarray], foreign: object, frames: int, share: float, seed: int
) -> list[Path | np.ndarray]:
    """As many pictures as make ``share`` of the whole video, drawn without repetition."""
    needed = round(frames * share / (1 - share))
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
    return [pictures[k] for k in np.random.default_rng((seed, 1)).permutation(len(pictures))[:needed]]


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

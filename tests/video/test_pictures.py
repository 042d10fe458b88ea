"""Reading pictures as the frames of a clip. Every picture is made here, of seeded noise: equal pixels, same picture."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from workbench.errors import VideoError
from workbench.video.decode import decode
from workbench.video.pictures import PictureFile, Pictures
from workbench.video.proxies import read_proxies, rgb
from workbench.video.reorder import write_video
from workbench.video.source import open_source


def noise(seed: int, shape: tuple[int, ...] = (24, 32, 3), dtype: type = np.uint8) -> np.ndarray:
    """Seeded noise over the whole range of a type."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def save(path: Path, array: np.ndarray, **options) -> Path:
    """Write an array with Pillow, as the suffix says."""
    Image.fromarray(array).save(path, **options)
    return path


def save_deep(path: Path, array: np.ndarray) -> Path:
    """Write 16 bits per value, RGB or RGBA, which Pillow cannot."""
    order = cv2.COLOR_RGBA2BGRA if array.shape[2] == 4 else cv2.COLOR_RGB2BGR
    path.write_bytes(cv2.imencode(path.suffix, cv2.cvtColor(array, order))[1].tobytes())
    return path


def arrays(given, pixel_format: str = "rgb24") -> list[np.ndarray]:
    """All frames in a pixel format that holds their bits."""
    with open_source(given) as source:
        return [frame.to_ndarray(format=pixel_format) for _, frame in decode(source)]


def info_of(given, tmp_path: Path):
    """What is known, after everything was decoded, and the table."""
    return read_proxies(given, tmp_path / "proxies.npy", progress=False)


def test_a_folder_in_natural_order(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (10, 2, 1, 33):
        save(folder / f"frame{number}.png", noise(number))
    info, table = info_of(folder, tmp_path)
    assert table.names == ["frame1.png", "frame2.png", "frame10.png", "frame33.png"]
    for frame, number in zip(arrays(folder), (1, 2, 10, 33), strict=True):
        assert np.array_equal(frame, noise(number))
    assert (info.width, info.height, info.frames, info.frame_rate) == (32, 24, 4, 25)
    assert info.warnings == ["pictures have no frame rate: 25 frames per second is used"]
    assert table.time_s.tolist() == [0.0, 0.04, 0.08, 0.12] and table.key.all()


def test_what_is_no_picture_is_named_and_left_out(tmp_path):
    folder = tmp_path / "frames"
    (folder / "more").mkdir(parents=True)
    save(folder / "a.png", noise(0))
    for name in ("._a.png", "Thumbs.db", ".DS_Store", "desktop.ini"):
        (folder / name).write_bytes(b"system")
    (folder / "notes.md").write_text("mine")
    (folder / "empty.png").write_bytes(b"")
    info, table = info_of(folder, tmp_path)
    assert table.names == ["a.png"]
    notes = "; ".join(info.warnings)
    assert "passed over, as systems leave them: ._a.png, .DS_Store, desktop.ini, Thumbs.db" in notes
    assert "2 files were left out, no pictures that can be read: empty.png, notes.md" in notes
    assert f"folders inside {folder} were not looked into: more" in notes


def test_other_sizes_get_bars_and_are_counted(tmp_path):
    """The most common size is kept, even when the first picture has another."""
    white = np.full((24, 32, 3), 255, np.uint8)
    save(tmp_path / "0.png", np.full((32, 16, 3), 255, np.uint8))
    for number in (1, 2):
        save(tmp_path / f"{number}.png", white)
    with open_source(tmp_path) as source:
        tall, whole, _ = (rgb(frame) for _, frame in decode(source))
        info = source.info()
    assert tall.shape == whole.shape == (24, 32, 3) and np.array_equal(whole, white)
    assert (tall[:, 12:20] > 250).all() and (tall[:, :9] == 0).all() and (tall[:, 23:] == 0).all()
    assert any("1 of 3 pictures are not 32 x 24 px" in text for text in info.warnings)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, suffix, orientation):
    """A picture whose first quarter is white is stored turned, with the EXIF number that turns it back."""
    upright = np.zeros((24, 32, 3), np.uint8)
    upright[:12, :16] = 255
    back = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
            6: np.rot90(upright), 7: np.rot90(upright, 2).transpose(1, 0, 2), 8: np.rot90(upright, -1)}  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / f"a{suffix}", np.ascontiguousarray(back[orientation]), exif=exif)
    (frame,) = arrays(tmp_path)
    assert frame.shape == (24, 32, 3)
    assert (frame[:10, :14] > 240).all() and (frame[14:] < 15).all() and (frame[:, 18:] < 15).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_of_16_bits(tmp_path, orientation):
    """Pillow has 8 bits of it, so FFmpeg reads it, which does not follow the tag: it must be the same picture as Pillow's."""
    pixels = noise(3, (24, 32, 3), np.uint16)
    tags = [(256, 3, 1, 32), (257, 3, 1, 24), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 14),
            (274, 3, 1, orientation), (277, 3, 1, 3), (278, 3, 1, 24), (279, 4, 1, pixels.nbytes)]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    (tmp_path / "a.tif").write_bytes(
        b"II*\0" + struct.pack("<I3H", 14 + pixels.nbytes, 16, 16, 16) + pixels.astype("<u2").tobytes() + directory
    )
    (found,) = arrays(tmp_path, "rgb48le")
    with Image.open(tmp_path / "a.tif") as image:
        image.load()
        assert found.shape == (*image.size[::-1], 3)
        assert np.array_equal(found >> 8, np.asarray(image))


CASES: dict[str, tuple[Callable[[Path], Path], str, Callable[[], np.ndarray]]] = {
    "grey": (lambda path: save(path / "a.png", noise(1, (24, 32))), "gray", lambda: noise(1, (24, 32))),
    "grey16": (
        lambda path: save(path / "a.png", noise(1, (24, 32), np.uint16)), "gray16le", lambda: noise(1, (24, 32), np.uint16)
    ),
    "grey16 tiff": (
        lambda path: save(path / "a.tif", noise(1, (24, 32), np.uint16)), "gray16le", lambda: noise(1, (24, 32), np.uint16)
    ),
    "rgb": (lambda path: save(path / "a.bmp", noise(1)), "rgb24", lambda: noise(1)),
    "rgb16": (
        lambda path: save_deep(path / "a.png", noise(1, (24, 32, 3), np.uint16)), "rgb48le",
        lambda: noise(1, (24, 32, 3), np.uint16),
    ),
    "rgb16 tiff": (
        lambda path: save_deep(path / "a.tiff", noise(1, (24, 32, 3), np.uint16)), "rgb48le",
        lambda: noise(1, (24, 32, 3), np.uint16),
    ),
    "alpha": (lambda path: save(path / "a.png", noise(1, (24, 32, 4))), "rgba", lambda: noise(1, (24, 32, 4))),
    "alpha16": (
        lambda path: save_deep(path / "a.png", noise(1, (24, 32, 4), np.uint16)), "rgba64le",
        lambda: noise(1, (24, 32, 4), np.uint16),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_bit_is_kept_by_the_lossless_choice(tmp_path, case):
    make, pixel_format, expected = CASES[case]
    folder = tmp_path / "frames"
    folder.mkdir()
    make(folder)
    info, _ = info_of(folder, tmp_path)
    assert info.pixel_format == pixel_format
    assert np.array_equal(arrays(folder, pixel_format)[0], expected())
    out = write_video(folder, [0, 0], tmp_path / "out.mkv", "lossless", progress=False, cache_bytes=0)
    assert np.array_equal(arrays(out, pixel_format)[1], expected())


def test_kinds_of_pixels_are_brought_together(tmp_path):
    """Grey, palette, CMYK, one bit and RGB with alpha in one folder: one format that holds all, and grey stays grey."""
    grey = noise(1, (24, 32))
    save(tmp_path / "0.png", grey)
    Image.fromarray(noise(2) // 64 * 64).quantize(16).save(tmp_path / "1.png")
    Image.fromarray(noise(3)).convert("CMYK").save(tmp_path / "2.tif")
    Image.fromarray(grey > 127).save(tmp_path / "3.png")
    save(tmp_path / "4.png", noise(4, (24, 32, 4)))
    frames = arrays(tmp_path, "rgba")
    assert np.array_equal(frames[0], np.dstack([grey] * 3 + [np.full_like(grey, 255)]))
    assert np.array_equal(frames[2][..., :3], np.asarray(Image.open(tmp_path / "2.tif").convert("RGB")))
    assert np.array_equal(frames[3][..., 0], (grey > 127) * np.uint8(255))
    assert np.array_equal(frames[4], noise(4, (24, 32, 4)))
    with open_source(tmp_path) as source:
        assert any("CMYK" in text for text in source.info().notes)


def test_pages_of_a_tiff(tmp_path):
    """Each page is a frame; a reduced copy of a page is none."""
    pages = [Image.fromarray(noise(seed)) for seed in range(3)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    _, table = info_of(tmp_path / "scan.tif", tmp_path)
    assert table.names == ["scan.tif#0", "scan.tif#1", "scan.tif#2"]
    assert all(np.array_equal(frame, noise(seed)) for seed, frame in enumerate(arrays(tmp_path / "scan.tif")))
    with open_source(tmp_path / "scan.tif") as source, pytest.raises(VideoError, match="one of several pictures in a file"):
        source.original(1)


def test_an_animated_webp_has_its_own_times(tmp_path):
    pages = [Image.fromarray(noise(seed)) for seed in range(3)]
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:], duration=[40, 200, 60], lossless=True)
    info, table = info_of(tmp_path / "a.webp", tmp_path)
    assert all(np.array_equal(frame, noise(seed)) for seed, frame in enumerate(arrays(tmp_path / "a.webp")))
    assert table.time_s.tolist() == [0.0, 0.04, 0.24] and info.frame_rate == 10 and info.variable_frame_rate
    assert not any("no frame rate" in text for text in info.warnings)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_what_is_left_of_a_damaged_picture_is_kept(tmp_path, suffix):
    """Two thirds of a picture of one colour: the upper half is there, the frame is counted, the place of others stays."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        save(folder / f"{number}{suffix}", noise(number, (60, 80, 3)) // 8 + 200)
    damaged = folder / f"1{suffix}"
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size * 2 // 3])
    info, table = info_of(folder, tmp_path)
    assert len(table) == 3 and info.corrupt_frames == 1
    assert f"decoded with errors: 1{suffix}" in info.warnings
    lit = (arrays(folder)[1] > 150).all(axis=2).mean()
    assert 0.1 < lit < 0.9 and (arrays(folder)[2] > 150).all()


def test_a_picture_that_claims_to_be_huge_is_left_out(tmp_path):
    """A PNG of a few bytes whose header claims 60,000 x 60,000 px, and one just beyond the limit of a frame."""
    for number, side in enumerate((60_000, 8_000)):
        buffer = io.BytesIO()
        Image.new("L", (1, 1)).save(buffer, "png")
        data = bytearray(buffer.getvalue())
        data[16:24] = side.to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
        (tmp_path / f"{number}.png").write_bytes(bytes(data))
    with pytest.raises(VideoError, match=r"no picture .*2 files were left out, more than 35,651,584 px: 0\.png, 1\.png"):
        open_source(tmp_path)
    save(tmp_path / "2.png", noise(0))
    with open_source(tmp_path) as source:
        assert source.names == ["2.png"]


def test_pixels_of_32_bits_are_left_out(tmp_path):
    """Whole and floating-point numbers of 32 bits, as microscopes write them: which of them is white is not known."""
    save(tmp_path / "a.png", noise(0))
    save(tmp_path / "b.tif", np.full((48, 64), 70_000, np.int32))
    save(tmp_path / "c.tif", np.full((48, 64), 0.5, np.float32))
    with open_source(tmp_path) as source:
        assert source.names == ["a.png"]
        for _ in decode(source):
            pass
        reason = "a kind of pixels that no video has (save them with 16 bits or 8)"
        assert f"2 files were left out, {reason}: b.tif, c.tif" in source.info().notes


def test_a_folder_of_avif_is_one_of_pictures(tmp_path):
    """Two flat pictures in AVIF, which to FFmpeg are videos of one frame. They have no rate, and keep their colours."""
    for number, level in enumerate((60, 180)):
        save(tmp_path / f"{number}.avif", np.full((48, 64, 3), level, np.uint8), quality=90)
    with open_source(tmp_path) as source:
        found = [frame.to_ndarray(format="rgb24") for _, frame in decode(source)]
        info = source.info()
    assert [frame.mean() for frame in found] == pytest.approx([60, 180], abs=2)
    assert (info.frame_rate, info.codec, source.names) == (25, "avif", ["0.avif", "1.avif"])
    assert any("in AVIF: they were read with 8 bits" in text for text in info.warnings)


def test_a_picture_too_long_to_be_scaled_is_a_black_frame(tmp_path):
    """FFmpeg does not shrink 60,000 rows to a few: the frame keeps its place, and is named."""
    for number in range(2):
        save(tmp_path / f"{number}.png", noise(number))
    save(tmp_path / "2.png", np.full((60_000, 3, 3), 255, np.uint8))
    frames = arrays(tmp_path)
    assert len(frames) == 3 and frames[2].shape == (24, 32, 3)


def test_pictures_are_decoded_one_at_a_time():
    """Memory does not grow with the number of pictures: no more than two files are ever open."""
    open_now: set[int] = set()
    most = 0

    class Counted(io.BytesIO):
        def close(self) -> None:
            open_now.discard(id(self))
            super().close()

    def opener() -> io.BytesIO:
        nonlocal most
        stream = Counted(data)
        open_now.add(id(stream))
        most = max(most, len(open_now))
        return stream

    buffer = io.BytesIO()
    Image.fromarray(noise(0)).save(buffer, "png")
    data = buffer.getvalue()
    with Pictures([PictureFile(f"{number}.png", opener) for number in range(50)], "many") as source:
        assert sum(1 for _ in decode(source)) == 50
    assert 1 <= most <= 2 and not open_now


def test_the_original_file_of_a_frame(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.jpg", noise(number))
    with open_source(tmp_path) as source:
        assert source.original(2) == (tmp_path / "2.jpg").read_bytes()
        with pytest.raises(VideoError, match="position 3 is not in"):
            source.original(3)

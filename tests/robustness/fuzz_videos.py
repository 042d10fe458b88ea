"""Broken and hostile inputs instead of a video, for ``fuzz.py``.

Each function takes a seeded generator, a folder to write into and the bench (small real videos, a port to which nothing may
connect), and returns what to give to the command line.
"""

import gzip
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.random import Generator

from tests.helpers.tiny import encode, pan, sound

FRAME_COUNT = 10  # of the small videos


@dataclass(frozen=True)
class Bench:
    """What the inputs are made from."""

    videos: list[Path]  # valid videos
    secret: Path  # a video that may only be read when its own path is given
    port: int  # of this machine; connections to it are detected
    run: Path  # a finished run
    video: Path  # its video
    truth: Path  # its truth


Maker = Callable[[Generator, Path, Bench], "str | Path"]
SCENE = pan(1, 6) + pan(2, 4)


def sound_videos(folder: Path, sample: Path) -> list[Path]:
    """Small real videos in several containers and codecs, among them the first frames of the committed sample."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        encode(folder / "clip.mp4", SCENE),
        encode(folder / "clip.mkv", SCENE),
        encode(folder / "lossless.mkv", SCENE, "ffv1", "bgr0"),
        encode(folder / "clip.webm", SCENE, "libvpx-vp9"),
        encode(folder / "clip.avi", SCENE, "mpeg4"),
        encode(folder / "clip.ts", SCENE),
        encode(folder / "clip.y4m", SCENE[:4], "rawvideo"),
        remuxed(sample, folder / "sample.mp4", list(range(16))),
    ]


def remuxed(source: Path, out: Path, picks: list[int], shift: int = 0) -> Path:
    """Write the packets of a video in this order, without decoding. shift: added to every second time stamp."""
    with av.open(str(source)) as old, av.open(str(out), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        stamps = sorted(packet.dts for packet in packets if packet.dts is not None)
        for place, pick in enumerate(pick for pick in picks if pick < len(packets)):
            packet = av.Packet(bytes(packets[pick]))
            packet.stream, packet.time_base = stream, packets[pick].time_base
            packet.dts = packet.pts = stamps[min(place, len(stamps) - 1)] + shift * (place % 2)
            packet.is_keyframe = packets[pick].is_keyframe
            new.mux(packet)
    return out


def _copy(rng: Generator, folder: Path, bench: Bench, *suffixes: str) -> tuple[Path, bytearray]:
    some = [video for video in bench.videos if not suffixes or video.suffix in suffixes]
    chosen = some[rng.integers(len(some))]
    return folder / chosen.name, bytearray(chosen.read_bytes())


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def truncated(rng: Generator, folder: Path, bench: Bench) -> Path:
    """Cut a video off anywhere."""
    path, data = _copy(rng, folder, bench)
    return _write(path, data[: rng.integers(1, len(data))])


def flipped(rng: Generator, folder: Path, bench: Bench) -> Path:
    """Change a few bytes anywhere, or in the first or last kilobyte, where headers and indices are."""
    path, data = _copy(rng, folder, bench)
    start, stop = [(0, len(data)), (0, min(1024, len(data))), (max(0, len(data) - 1024), len(data))][rng.integers(3)]
    for place in rng.integers(start, stop, rng.integers(1, 30)):
        data[place] = rng.integers(256)
    return _write(path, data)


def regions(rng: Generator, folder: Path, bench: Bench) -> Path:
    """Swap two parts of the file, or zero, double or remove one."""
    path, data = _copy(rng, folder, bench)
    a, b = sorted(rng.integers(0, len(data), 2).tolist())
    size = int(rng.integers(1, max(2, len(data) // 4)))
    one, two = bytes(data[a : a + size]), bytes(data[b : b + size])
    match rng.integers(4):
        case 0:
            data[a : a + len(two)], data[b : b + len(one)] = two, one
        case 1:
            data[a : a + len(one)] = bytes(len(one))
        case 2:
            data[a:a] = one
        case _:
            del data[a : a + size]
    return _write(path, data)


def packets(rng: Generator, folder: Path, bench: Bench) -> Path:
    """Packets in another order, some doubled, some missing, or with time stamps that are not monotonic."""
    some = [video for video in bench.videos if video.suffix in (".mp4", ".mkv")]
    source = some[rng.integers(len(some))]
    picks = [rng.permutation(FRAME_COUNT), rng.integers(0, FRAME_COUNT, FRAME_COUNT), np.arange(FRAME_COUNT)][rng.integers(3)]
    try:
        return remuxed(source, folder / source.name, picks.tolist(), int(rng.integers(0, 3)) * 1000)
    except av.FFmpegError:  # the muxer rejects such time stamps
        return remuxed(source, folder / source.name, picks.tolist())


# Fields of mp4 boxes: (offset after the name, size), bytes.
MP4_FIELDS = {
    b"mvhd": [(12, 4), (16, 4)], b"tkhd": [(20, 4), (76, 4), (80, 4), (44, 4), (48, 4)], b"mdhd": [(12, 4), (16, 4)],
    b"stts": [(4, 4), (8, 4), (12, 4)], b"ctts": [(4, 4), (8, 4), (12, 4)], b"stsz": [(4, 4), (8, 4), (12, 4), (16, 4)],
    b"stsc": [(4, 4), (8, 4), (12, 4), (16, 4)], b"stco": [(4, 4), (8, 4)], b"stss": [(4, 4), (8, 4)],
    b"avc1": [(24, 2), (26, 2)], b"elst": [(4, 4), (8, 4), (12, 4)], b"avcC": [(1, 4), (5, 4), (8, 4), (12, 4)],
    b"stsd": [(4, 4), (8, 4)],
}  # fmt: skip
ABSURD_VALUES = [0, 1, 2, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 100_000_000, 2**27]


def mp4_lies(rng: Generator, folder: Path, bench: Bench) -> Path:
    """False sizes, lengths, counts and times in the index of an mp4, and false sizes of boxes."""
    path, data = _copy(rng, folder, bench, ".mp4")
    for _ in range(rng.integers(1, 4)):
        names = sorted(name for name in MP4_FIELDS if name in data)
        name = names[rng.integers(len(names))]
        place = data.index(name) + 4
        fields = [*MP4_FIELDS[name], (-8, 4)]
        offset, size = fields[rng.integers(len(fields))]
        value = ABSURD_VALUES[rng.integers(len(ABSURD_VALUES))] & (256**size - 1)
        data[place + offset : place + offset + size] = value.to_bytes(size, "big")
    return _write(path, data)


def many_samples(rng: Generator, folder: Path, bench: Bench) -> Path:
    """An mp4 that claims to have up to 2^32 - 1 frames, all of one size and in one chunk."""
    path, data = _copy(rng, folder, bench, ".mp4")
    count = [10**6, 10**7, 10**8, 2**27, 2**31, 2**32 - 1][rng.integers(6)]
    sizes, chunks, times = data.index(b"stsz") + 4, data.index(b"stsc") + 4, data.index(b"stts") + 4
    struct.pack_into(">II", data, sizes + 4, int(rng.integers(1, 100)), count)
    struct.pack_into(">II", data, chunks + 8, 1, min(count, 2**31 - 1))
    struct.pack_into(">I", data, times + 8, count)
    return _write(path, data)


def mkv_lies(rng: Generator, folder: Path, bench: Bench) -> Path:
    """A Matroska file with a false width, height, duration or time scale."""
    path, data = _copy(rng, folder, bench, ".mkv", ".webm")
    for _ in range(rng.integers(1, 4)):
        name = [b"\xb0\x81", b"\xba\x81", b"\x44\x89", b"\x2a\xd7\xb1", b"\x23\xe3\x83", b"\x1f\x43\xb6\x75"][rng.integers(6)]
        place = data.find(name)
        if place >= 0:
            data[place + len(name) : place + len(name) + 3] = rng.integers(0, 256, 3).astype(np.uint8).tobytes()
    return _write(path, data)


def huge_frames(rng: Generator, folder: Path, bench: Bench) -> Path:
    """A few bytes that claim frames of 65535 x 65535 px, or larger."""
    side = [65535, 40000, 2**31 - 1, 16384][rng.integers(4)]
    match rng.integers(5):
        case 0:
            return _write(folder / "huge.y4m", f"YUV4MPEG2 W{side} H{side} F25:1 C420\nFRAME\n".encode() + bytes(1000))
        case 1:
            side = min(side, 65535)
            head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6)
            image = b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x4c\x01\x00;"
            return _write(folder / "huge.gif", head + image)
        case 2:
            side = min(side, 65535)
            head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP90", side, side, 25, 1, 3, 0)
            return _write(folder / "huge.ivf", head + struct.pack("<IQ", 100, 0) + rng.bytes(100))
        case 3:
            path, data = _copy(rng, folder, bench, ".avi")
            struct.pack_into("<ii", data, data.index(b"strf") + 12, side, side)
            return _write(path, data)
        case _:
            path, data = _copy(rng, folder, bench, ".mkv", ".webm")
            for name in (b"\xb0\x81", b"\xba\x81"):
                place = data.index(name)
                data[place : place + 3] = name[:1] + b"\x40\x02" + min(side, 65535).to_bytes(2, "big")
            return _write(path, data)


def addresses(rng: Generator, folder: Path, bench: Bench) -> str:
    """Words that FFmpeg interprets as an address, a pipe, or an instruction to read other files; and odd paths."""
    os.mkfifo(folder / "pipe.mp4")
    home, secret = f"127.0.0.1:{bench.port}", bench.secret
    words = [
        f"http://{home}/a.mp4", f"https://{home}/a.mp4", f"rtsp://{home}/a", f"rtmp://{home}/a", f"tcp://{home}",
        f"udp://{home}", f"ftp://{home}/a.mp4", f"http:/{home}/a.mp4", f"tcp:{home}", f"hls+http://{home}/a.m3u8",
        f"HTTP://{home}/A.mp4", f"file:{secret}", f"file://{secret}", f"concat:{secret}|{secret}",
        f"subfile,,start,0,end,0,,:{secret}", f"crypto:{secret}", f"async:{secret}", f"cache:{secret}",
        "data:video/mp4;base64,AAAA", "pipe:0", "pipe:", "-", "fd:0", "/dev/zero", "/dev/stdin", "/dev/video0",
        "/proc/self/mem", str(folder / "pipe.mp4"), "", " ", "x" * 5000, "a\nb.mp4", "\udcff\udcfe.mp4", "~/a.mp4", "*.mp4",
        "%03d.png", "lavfi:testsrc", "testsrc", str(folder), "..",
    ]  # fmt: skip
    return words[rng.integers(len(words))]


def playlists(rng: Generator, folder: Path, bench: Bench) -> Path:
    """Text files that refer to other files or the network, with their own suffix or that of a video."""
    goal = [
        str(bench.secret),
        f"http://127.0.0.1:{bench.port}/a.ts",
        f"file:{bench.secret}",
        os.path.relpath(bench.secret, folder),
    ]
    goal = goal[rng.integers(len(goal))]
    texts = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{goal}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{goal}'\n",
        "concat": f"file '{goal}'\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {bench.port} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><AdaptationSet>"
        f"<Representation id='1' bandwidth='1'><BaseURL>{goal}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "svg": f"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'><image href='{goal}' width='64'/></svg>",
        "pls": f"[playlist]\nFile1={goal}\nNumberOfEntries=1\n",
        "avs": f'DirectShowSource("{goal}")\n',
        "vpy": "import os\nos.system('touch executed')\n",
        "py": "#!/usr/bin/env python3\nopen('executed', 'w')\n",
        "xml": f"<!DOCTYPE a [<!ENTITY b SYSTEM '{goal}'>]><CompositionPlaylist>&b;</CompositionPlaylist>",
        "ism": f"[InternetShortcut]\nURL={goal}\n",
    }
    kind = sorted(texts)[rng.integers(len(texts))]
    return _write(folder / f"list.{kind if rng.integers(2) else 'mp4'}", texts[kind].encode())


def no_videos(rng: Generator, folder: Path, bench: Bench) -> Path:
    """An empty file, noise, text, pictures (also as a sequence), sound, folders, archive bombs, sparse files, link loops."""
    picture = pan(int(rng.integers(100)), 1)[0]
    match rng.integers(12):
        case 0:
            return _write(folder / "empty.mp4", b"")
        case 1:
            return _write(folder / "noise.mp4", rng.bytes(int(rng.integers(1, 50_000))))
        case 2:
            return _write(folder / "text.mp4", b"not a video\n" * int(rng.integers(1, 1000)))
        case 3 | 4:
            path = folder / ["one.png", "one.jpg", "one.bmp", "frame%03d.png", "frame001.png"][rng.integers(5)]
            cv2.imwrite(str(folder / "frame002.png"), picture)
            cv2.imwrite(str(path), picture)
            return path
        case 5:
            return sound(folder)
        case 6:
            (folder / "folder.mp4").mkdir()
            return folder / "folder.mp4"
        case 7:
            return _write(folder / "bomb.mp4", gzip.compress(bytes(2**24), 9) * 8)
        case 8:
            with zipfile.ZipFile(folder / "bomb.mp4", "w", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr("video.mp4", bytes(2**25))
            return folder / "bomb.mp4"
        case 9:
            with (folder / "holes.mp4").open("wb") as file:
                file.truncate(2**31)
            return folder / "holes.mp4"
        case 10:
            (folder / "link.mp4").symlink_to("link.mp4")
            return folder / "link.mp4"
        case _:
            start = [
                b"\x00\x00\x00\x20ftypisom",
                b"\x1aE\xdf\xa3",
                b"RIFF\xff\xff\xff\xffAVI LIST",
                b"G" * 188,
                b"\x00\x00\x01\xba",
            ]
            return _write(folder / "start.mp4", start[rng.integers(5)] + rng.bytes(3000))


VIDEOS: dict[str, Maker] = {
    "truncated": truncated,
    "bytes flipped": flipped,
    "regions moved": regions,
    "packets moved": packets,
    "mp4 header lies": mp4_lies,
    "mp4 frame counts": many_samples,
    "Matroska lies": mkv_lies,
    "huge frames": huge_frames,
    "addresses": addresses,
    "playlists": playlists,
    "no videos": no_videos,
}

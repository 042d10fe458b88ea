"""Sound of videos. Frame k of a clip is heard as a tone of its own, 300 + 150 k Hz, for as long as it is shown."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.helpers.tiny import encode, pan, pictures
from workbench.errors import VideoError
from workbench.video.encode import set_aspect
from workbench.video.reorder import write_video
from workbench.video.sound import Sound, find_sound, read_sound, sound_notes
from workbench.video.sound_order import BLOCK, follow
from workbench.video.soundtrack import follow_sound, keep_sound, shown_seconds

RATE = 16000  # samples per second
COUNT = 10  # frames
SECONDS = 0.1  # how long each is shown


def frequency(frame: int) -> float:
    return 300 + 150 * frame


def tones(seconds: np.ndarray, rate: int = RATE) -> np.ndarray:
    """(S,) float32: the tone of every frame for so many seconds, of strength 0.5, with a whole phase at every start."""
    return np.concatenate(
        [0.5 * np.sin(2 * np.pi * frequency(k) * np.arange(round(length * rate)) / rate) for k, length in enumerate(seconds)]
    ).astype(np.float32)


def with_sound(
    path: Path, codec: str, samples: np.ndarray, times: list[int] | None = None, count: int = COUNT, layout: str = "stereo"
) -> Path:
    """A clip of ``count`` frames at 10 per second, or at ``times`` (tenths of a second), with this sound in all channels."""
    kind = "ffv1" if path.suffix == ".mkv" else "libx264"
    with av.open(str(path), "w") as file:
        video = file.add_stream(kind, rate=10)
        video.width, video.height, video.pix_fmt = 96, 72, "yuv420p"
        sound = file.add_stream(codec, rate=RATE, layout=layout)
        for index, picture in enumerate(pan(7, count)):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p", threads=1)
            frame.pts, frame.time_base = times[index] if times else index, Fraction(1, 10)
            file.mux(video.encode(frame))
        file.mux(video.encode())
        block = np.repeat(samples, sound.layout.nb_channels).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        file.mux(sound.encode(frame))
        file.mux(sound.encode())
    return path


def samples_of(path: Path) -> np.ndarray:
    """(S, C) samples of the sound in a file, from time 0 on."""
    with read_sound(path, path.parent) as sound:
        samples = np.array(sound.samples)
        offset = round(sound.start * sound.rate)
    return samples[-offset:] if offset < 0 else np.concatenate([np.zeros((offset, samples.shape[1]), np.float32), samples])


def heard(samples: np.ndarray, durations: np.ndarray, rate: int = RATE) -> list[int]:
    """Which frame's tone is the loudest in the middle of every slice."""
    found, ends = [], np.round(np.cumsum(durations) * rate).astype(int)
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        cut = (end - begin) // 5
        spectrum = np.abs(np.fft.rfft(samples[begin + cut : end - cut, 0], 8 * rate))
        found.append(round((np.argmax(spectrum) / 8 - 300) / 150))
    return found


ORDER = [3, 4, 5, 0, 9, 8, 1, 2, 7, 6]


@pytest.fixture(scope="module", params=["aac in mp4", "flac in mkv", "pcm in mkv"])
def clip(request, tmp_path_factory) -> Path:
    """Ten frames of 0.1 s with their tones."""
    codec, _, suffix = request.param.split()
    name = {"pcm": "pcm_s16le"}.get(codec, codec)
    return with_sound(tmp_path_factory.mktemp("clip") / f"clip.{suffix}", name, tones(np.full(COUNT, SECONDS)))


def restored(clip: Path, folder: Path, suffix: str = "") -> Path:
    suffix = suffix or clip.suffix
    return write_video(clip, ORDER, folder / f"out{suffix}", "lossless" if suffix == ".mkv" else "h264", progress=False)


def test_sound_is_found(clip, tmp_path):
    found = find_sound(clip)
    assert (
        found.channels == 2
        and found.seconds == pytest.approx(1.0, abs=0.15)
        and found.codec in clip.suffix + "aacflacpcm_s16le"
    )
    (note,) = sound_notes(found)
    assert f"({found.codec}, 2 channels, {found.seconds:.1f} s)" in note and "--write.audio follow" in note
    silent = encode(tmp_path / "silent.mp4", pan(7, 2))
    assert find_sound(silent) is None and sound_notes(None) == []
    with pytest.raises(VideoError, match="has no sound"), read_sound(silent, tmp_path):
        pass


def test_follow_gives_every_frame_its_tone(clip, tmp_path):
    """The tones are in the order of the frames, as long as the pictures, and the pictures are what they were."""
    out = restored(clip, tmp_path)
    before, shown = pictures(out), shown_seconds(out)
    assert shown == pytest.approx(np.full(COUNT, SECONDS))
    assert follow_sound(clip, [out], [ORDER], np.arange(COUNT) * SECONDS) == []
    samples = samples_of(out)
    assert heard(samples, np.full(COUNT, SECONDS)) == ORDER
    assert abs(len(samples) - RATE) <= 2048  # AAC comes in blocks of 1024
    assert all((a == b).all() for a, b in zip(before, pictures(out), strict=True))
    assert shown_seconds(out) == pytest.approx(shown)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_keep_gives_the_same_samples(clip, tmp_path):
    out = restored(clip, tmp_path)
    assert keep_sound(clip, out, 0.0) == []
    kept, source = samples_of(out), samples_of(clip)
    assert (kept == source).all() and len(pictures(out)) == COUNT
    assert find_sound(out).codec == find_sound(clip).codec


@pytest.mark.parametrize(
    ("codec", "suffix"), [("wavpack", ".mp4"), ("pcm_s16le", ".mp4"), ("flac", ".mov"), ("libopus", ".mov")]
)
def test_keep_encodes_what_the_container_cannot_hold(tmp_path, codec, suffix):
    """WavPack and PCM in mp4, FLAC and Opus in mov: AAC, and a note. PCM in Matroska only states the number of its channels."""
    clip = with_sound(tmp_path / "clip.mkv", codec, tones(np.full(COUNT, SECONDS)))
    out = restored(clip, tmp_path, suffix)
    assert keep_sound(clip, out, 0.0) == [f"a {suffix} file cannot hold {codec.removeprefix('lib')}: it was encoded anew"]
    with av.open(str(out)) as file:
        rate = file.streams.audio[0].rate  # 48000 where Opus came in, which knows no other
    assert find_sound(out).codec == "aac" and heard(samples_of(out), np.full(COUNT, SECONDS), rate) == list(range(COUNT))


def test_more_channels_than_can_be_encoded(tmp_path):
    """16 channels: kept as they are where the container holds them, else one line that says what to do."""
    clip = with_sound(tmp_path / "clip.mkv", "pcm_s16le", tones(np.full(COUNT, SECONDS)), layout="9.1.6")
    out = restored(clip, tmp_path)
    assert keep_sound(clip, out, 0.0) == [] and find_sound(out).channels == 16
    before = out.read_bytes()
    with pytest.raises(VideoError, match=r"cannot be encoded as flac: choose --write\.audio"):
        follow_sound(clip, [out], [ORDER], np.arange(COUNT) * SECONDS)
    assert out.read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "out.mkv"]


def test_sound_of_a_variable_rate(tmp_path):
    """Frames of 0.1 to 0.4 s: with the durations of the source every frame has its own tone, for its own time."""
    lengths = np.array([1, 3, 1, 2, 4, 1, 2, 1, 3, 2]) / 10
    clip = with_sound(tmp_path / "clip.mkv", "flac", tones(lengths), times=[0, 1, 4, 5, 7, 11, 12, 14, 15, 18])
    times = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    with read_sound(clip, tmp_path) as sound:
        samples = np.concatenate(list(follow(sound, times, ORDER, lengths[ORDER])))
    assert len(samples) == round(lengths.sum() * RATE)
    assert heard(samples, lengths[ORDER]) == ORDER


def sound_of(samples: np.ndarray, start: float = 0.0) -> Sound:
    return Sound(samples.astype(np.float32), RATE, "mono", start, False, 0)


def test_neighbours_stay_without_a_seam():
    """Frames in their own order give the very samples back, also for times that are rounded to milliseconds and much sound."""
    samples = np.random.default_rng(0).uniform(-1, 1, (3 * BLOCK + 17, 1))
    count = 300
    duration = len(samples) / RATE / count
    times = np.round(np.arange(count) * duration, 3)
    found = np.concatenate(list(follow(sound_of(samples), times, range(count), np.full(count, duration))))
    assert (found == samples.astype(np.float32)).all()


def test_cuts_do_not_click():
    """Two loud stretches that do not fit: steps between samples at the cut are small, and only 3 ms on both sides differ."""
    time = np.arange(RATE) / RATE
    samples = 0.5 * np.sin(2 * np.pi * 100 * time) + 0.4 * np.sign(time - 0.5)
    order, durations = [1, 0], np.full(2, 0.5)
    found = np.concatenate(list(follow(sound_of(samples[:, None]), np.array([0, 0.5]), order, durations)))[:, 0]
    hard = np.concatenate([samples[RATE // 2 :], samples[: RATE // 2]])
    assert len(found) == RATE
    near = np.abs(np.arange(RATE) - RATE // 2) <= 0.003 * RATE
    assert np.abs(np.diff(hard))[RATE // 2 - 2 : RATE // 2 + 2].max() > 0.5 and np.abs(np.diff(found))[near[1:]].max() < 0.1
    assert (found[~near] == hard[~near].astype(np.float32)).all()


def test_frames_without_sound_are_silent():
    """Sound that begins later than the pictures and ends before they do."""
    samples = np.full((RATE // 2, 1), 0.5)
    found = np.concatenate(list(follow(sound_of(samples, start=0.25), np.arange(4) * 0.25, range(4), np.full(4, 0.25))))[:, 0]
    assert len(found) == RATE
    assert (
        (found[: RATE // 4] == 0).all()
        and (found[RATE // 4 : 3 * RATE // 4] == 0.5).all()
        and (found[3 * RATE // 4 :] == 0).all()
    )


def test_a_drift_is_made_up_for():
    """Frames of 0.1 s that are shown for 0.2 s each: the sound jumps back to the picture before it is 0.1 s off."""
    samples = np.arange(2 * RATE)[:, None] / (2 * RATE)
    found = np.concatenate(list(follow(sound_of(samples), np.arange(10) * 0.1, range(10), np.full(10, 0.2))))[:, 0]
    middles = (np.arange(10) * 0.2 + 0.1) * RATE
    assert found[middles.astype(int)] * 2 == pytest.approx(np.arange(10) * 0.1 + 0.1, abs=0.03)


def test_very_short_frames():
    """Frames of 1 ms in reverse: fades are no longer than the frames, and the length is right."""
    samples = np.random.default_rng(1).uniform(-1, 1, (RATE // 10, 1))
    found = np.concatenate(list(follow(sound_of(samples), np.arange(100) / 1000, range(99, -1, -1), np.full(100, 0.001))))
    assert found.shape == (RATE // 10, 1) and np.abs(found).max() <= 1


@pytest.mark.parametrize("choice", ["keep", "follow"])
def test_a_video_without_sound_stays_as_it_is(tmp_path, choice):
    clip = encode(tmp_path / "clip.mp4", pan(7, 4))
    out = write_video(clip, [2, 0, 1, 3], tmp_path / "out.mp4", progress=False)
    before = out.read_bytes()
    kept = choice == "keep"
    notes = keep_sound(clip, out, 0.0) if kept else follow_sound(clip, [out], [[2, 0, 1, 3]], np.arange(4) / 25)
    assert notes == [f"the video has no sound: --write.audio {choice} adds none"] and out.read_bytes() == before


def test_damaged_sound_is_counted_and_silent(tmp_path):
    """Four packets of the sound, 0.07 to 0.36 s, hold rubbish: frames 1 and 2 are silent, the tones of the others stay in their
    places, and a note says so."""
    whole = with_sound(tmp_path / "whole.mkv", "flac", tones(np.full(COUNT, SECONDS)))
    clip = tmp_path / "clip.mkv"
    with av.open(str(whole)) as source, av.open(str(clip), "w") as file:
        streams = [file.add_stream_from_template(stream) for stream in source.streams]
        sounds = 0
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                sounds += 1
                if 2 <= sounds <= 5:
                    broken = av.Packet(b"\xff\xf8" + bytes(200))
                    broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                    broken.stream = streams[1]
                    file.mux(broken)
                    continue
            packet.stream = streams[packet.stream.index]
            file.mux(packet)
    out = write_video(clip, ORDER, tmp_path / "out.mkv", "lossless", progress=False)
    notes = follow_sound(clip, [out], [ORDER], np.arange(COUNT) * SECONDS)
    assert notes == ["4 packets of the sound could not be decoded: there is silence in their place"]
    found = heard(samples_of(out), np.full(COUNT, SECONDS))
    assert [frame for frame, tone in zip(ORDER, found, strict=True) if frame != tone] == [1, 2]


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4"])
def test_what_else_is_in_the_file_stays(tmp_path, name):
    """Chapters, sample aspect ratio, colour tags and the frame rate of a video that gets sound."""
    clip = with_sound(tmp_path / "clip.mkv", "flac", tones(np.full(COUNT, SECONDS)))
    out = tmp_path / name
    with av.open(str(out), "w") as file:
        stream = file.add_stream("ffv1" if name.endswith("mkv") else "libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        context = stream.codec_context
        context.sample_aspect_ratio = Fraction(4, 3)
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 9, 9, 18
        unit = Fraction(1, 1000)
        halves = [(0, 500, "first"), (500, 1000, "second")]
        file.set_chapters(
            [
                {"id": k, "start": start, "end": end, "time_base": unit, "metadata": {"title": title}}
                for k, (start, end, title) in enumerate(halves)
            ]
        )
        for index, picture in enumerate(pan(7, COUNT)):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p", threads=1)
            frame.pts = index
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    if name.endswith("mkv"):
        set_aspect(out, 96, 72, Fraction(4, 3))

    def _described(path: Path) -> tuple:
        with av.open(str(path)) as file:
            video = file.streams.video[0]
            chapters = [(float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in file.chapters()]
            tags = (video.color_range, video.colorspace, video.color_primaries, video.color_trc)
            return chapters, video.sample_aspect_ratio, tags, video.average_rate, len(file.streams.video)

    before = _described(out)
    assert before[:2] == ([(0.0, "first"), (0.5, "second")], Fraction(4, 3)) and before[2] == (1, 9, 9, 18)
    assert keep_sound(clip, out, 0.0) == [] and find_sound(out) is not None
    assert _described(out) == before

"""Put sound beside the pictures of a finished video. The pictures are copied, not encoded again."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from workbench.errors import VideoError
from workbench.video.aspect import set_aspect
from workbench.video.decode import Decoder
from workbench.video.encode import not_written, open_output
from workbench.video.sound import Sound, find_sound, read_sound, track_of
from workbench.video.sound_order import blocks_of, follow

_FLAC_SUFFIXES = (".mkv",)  # sound without loss there, AAC elsewhere
_NOT_IN_MOV = ("flac", "opus")  # FFmpeg lists them for .mov and then refuses them
_USUAL_RATE = 48000  # samples per second, where the encoder does not take those of the source
_AAC_BITS_PER_SAMPLE = 2  # 96 kbit/s per channel at 48 kHz


def keep_sound(source: str | Path, video: Path, first: float) -> list[str]:
    """Put the sound track of a source beside the pictures of a video, as it is.

    Parameters
    ----------
    source : str or Path
        The video that the sound is taken from.
    video : Path
        A finished video; it is replaced when the one with sound is whole.
    first : float
        Time of the first frame of the source, s: sound and pictures begin together as they do there.

    Returns
    -------
    list of str
        What a person should know: sentences, or none.

    Raises
    ------
    VideoError
        When the source cannot be read, or the video cannot be written.

    Notes
    -----
    The track is copied where the container can hold it, and encoded anew elsewhere: AAC, or FLAC in ``.mkv``.
    """
    notes: list[str] = []
    with ExitStack() as stack:
        decoder = stack.enter_context(Decoder(source))
        track = track_of(decoder)
        if track is None:
            return _no_sound("keep")

        def _kept(out: OutputContainer) -> Iterator[av.Packet]:
            if _holds(out, track.codec_context.name):
                return _moved(decoder.container, track, out.add_stream_from_template(track), -Fraction(first))
            sound = stack.enter_context(read_sound(source, video.parent))
            notes.extend(
                [*_damage(sound), f"a {video.suffix} file cannot hold {track.codec_context.name}: it was encoded anew"]
            )
            return _encoded(out, sound, blocks_of(sound, 0, len(sound.samples)), sound.start - first)

        _write_beside(video, _kept)
    return notes


def follow_sound(source: str | Path, videos: Sequence[Path], orders: Sequence[Sequence[int]], times: np.ndarray) -> list[str]:
    """Put sound beside the pictures of videos, in which every frame takes its own along.

    Parameters
    ----------
    source : str or Path
        The video that frames and sound are taken from.
    videos : sequence of Path
        Finished videos; each is replaced when the one with sound is whole.
    orders : sequence of sequences of int
        For every video, the frames of the source in it.
    times : (N,) float array
        When every frame of the source is shown, s.

    Returns
    -------
    list of str
        What a person should know: sentences, or none.

    Raises
    ------
    VideoError
        When the source cannot be read, or a video cannot be written.
    """
    if find_sound(source) is None:
        return _no_sound("follow")
    with read_sound(source, videos[0].parent) as sound:
        for video, positions in zip(videos, orders, strict=True):
            samples = follow(sound, times, positions, shown_seconds(video))
            _write_beside(video, lambda out, samples=samples: _encoded(out, sound, samples, 0.0))  # type: ignore[misc]
        return _damage(sound)


def shown_seconds(video: Path) -> np.ndarray:
    """Read how long every frame of a video is shown.

    Parameters
    ----------
    video : Path
        A finished video.

    Returns
    -------
    (K,) float64 array
        Durations, s, in the order in which the frames are shown.

    Raises
    ------
    VideoError
        When the video cannot be read.
    """
    try:
        with av.open(str(video)) as container:
            track = container.streams.video[0]
            shown = sorted((packet.pts, packet.duration or 0) for packet in container.demux(track) if packet.pts is not None)
            unit, whole = float(track.time_base or 1), (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError) as error:
        raise not_written(video, error) from error
    stamps = unit * np.array([pts for pts, _ in shown], dtype=np.float64)
    last = unit * shown[-1][1] or max(0.0, whole - stamps[-1])  # some files only state where the whole ends
    return np.append(np.diff(stamps), last)


def _holds(out: OutputContainer, codec: str) -> bool:
    """Whether a file can hold sound of a codec so that players find it; few look for PCM in an .mp4."""
    if codec.startswith("pcm_") if out.format.name == "mp4" else codec in _NOT_IN_MOV and out.format.name == "mov":
        return False
    return codec in out.supported_codecs


def _no_sound(choice: str) -> list[str]:
    return [f"the video has no sound: --write.audio {choice} adds none"]


def _damage(sound: Sound) -> list[str]:
    count = sound.damaged_packets
    return [f"{count} packets of the sound could not be decoded: there is silence in their place"] if count else []


def _partial(video: Path) -> Path:
    return video.with_name(f".{video.stem}.sound{video.suffix}")


def _write_beside(video: Path, sound: Callable[[OutputContainer], Iterator[av.Packet]]) -> None:
    """Write a video again with the packets of a sound track that ``sound`` adds."""
    partial = _partial(video)
    try:
        with av.open(str(video)) as pictures, open_output(partial) as out:
            track = pictures.streams.video[0]
            stream = out.add_stream_from_template(track)
            stream.codec_context.codec_tag = track.codec_context.codec_tag
            out.set_chapters(pictures.chapters())
            both = (_moved(pictures, track, stream, Fraction(0)), sound(out))
            for packet in heapq.merge(*both, key=lambda packet: packet.dts * packet.time_base):
                out.mux(packet)
            size, aspect = (track.width, track.height), Fraction(track.sample_aspect_ratio or 1)
        if video.suffix == ".mkv" and aspect != 1:
            set_aspect(partial, *size, aspect)
        partial.replace(video)
    except (av.FFmpegError, OSError) as error:
        raise not_written(video, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _moved(container: InputContainer, track: av.stream.Stream, stream: av.stream.Stream, by: Fraction) -> Iterator[av.Packet]:
    """The packets of a track, for another stream and moved in time by seconds."""
    for packet in container.demux(track):
        if packet.dts is None or packet.pts is None:  # the end of the file
            continue
        shift = round(by / packet.time_base)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        packet.stream = stream
        yield packet


def _encoded(out: OutputContainer, sound: Sound, blocks: Iterator[np.ndarray], start: float) -> Iterator[av.Packet]:
    """Add a stream for the sound, and give its packets; ``start``: when the first sample is heard, s."""
    name = "flac" if Path(out.name).suffix in _FLAC_SUFFIXES else "aac"
    rates = av.Codec(name, "w").audio_rates
    rate = sound.rate if rates is None or sound.rate in rates else _USUAL_RATE
    stream = cast(AudioStream, out.add_stream(name, rate=rate, layout=sound.layout))
    if name == "flac":
        stream.codec_context.format = "s32" if sound.deep else "s16"
    else:
        stream.bit_rate = len(stream.layout.channels) * _AAC_BITS_PER_SAMPLE * rate
    try:
        stream.codec_context.open()
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"sound of {sound.layout} cannot be encoded as {name}: choose --write.audio none") from error

    def _packets() -> Iterator[av.Packet]:
        place = round(start * sound.rate)
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout=sound.layout)
            frame.sample_rate, frame.pts, frame.time_base = sound.rate, place, Fraction(1, sound.rate)
            place += len(block)
            yield from stream.encode(frame)
        yield from stream.encode()

    return _packets()

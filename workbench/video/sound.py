"""The sound of a video: what there is of it, and its samples.

Which sound belongs to which place of a shuffled video cannot be known. The track can be kept as it is, or every frame can take
the sound along that is heard while it is shown.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from workbench.errors import VideoError
from workbench.video.decode import Decoder

GAP_SECONDS = 0.05  # a longer step between the time stamps of packets is a gap in the sound


@dataclass(frozen=True)
class SoundInfo:
    """What a file states about its sound.

    Attributes
    ----------
    codec : str
        FFmpeg's name, such as ``aac``.
    channels : int
        Number of channels.
    seconds : float
        Length, s; 0 when the file does not state it.
    """

    codec: str
    channels: int
    seconds: float


@dataclass(frozen=True)
class Sound:
    """Sound as samples.

    Attributes
    ----------
    samples : (S, C) float32 array
        -1 to 1, one column per channel; on disk, not in memory.
    rate : int
        Samples per second.
    layout : str
        FFmpeg's name for the channels, such as ``stereo``.
    start : float
        Time of the first sample, s, on the clock of the frames.
    deep : bool
        Whether the samples have more than 16 bits.
    damaged_packets : int
        Packets that could not be decoded; there is silence in their place.
    """

    samples: np.ndarray
    rate: int
    layout: str
    start: float
    deep: bool
    damaged_packets: int


def find_sound(path: str | Path) -> SoundInfo | None:
    """Find the sound of a video.

    Parameters
    ----------
    path : str or Path
        The video.

    Returns
    -------
    SoundInfo or None
        What the file states about the track that players choose; None when there is no sound.

    Raises
    ------
    VideoError
        When the file is not a video that can be read.
    """
    with Decoder(path) as decoder:
        track = track_of(decoder)
        if track is None:
            return None
        stated = track.duration * track.time_base if track.duration and track.time_base else 0
        whole = (decoder.container.duration or 0) / av.time_base
        return SoundInfo(track.codec_context.name, track.codec_context.layout.nb_channels, float(stated or whole))


def track_of(decoder: Decoder) -> AudioStream | None:
    """Choose the sound track of an open video as players do.

    Parameters
    ----------
    decoder : Decoder
        The open video.

    Returns
    -------
    AudioStream or None
        The track; None when there is none that can be decoded.
    """
    track = decoder.container.streams.best("audio", related=decoder.stream)
    return track if isinstance(track, AudioStream) and track.codec_context is not None else None


def sound_notes(sound: SoundInfo | None) -> list[str]:
    """Say what becomes of the sound.

    Parameters
    ----------
    sound : SoundInfo or None
        From :func:`find_sound`.

    Returns
    -------
    list of str
        A sentence; none without sound.
    """
    if sound is None:
        return []
    channels = "1 channel" if sound.channels == 1 else f"{sound.channels} channels"
    return [
        f"there is sound ({sound.codec}, {channels}, {sound.seconds:.1f} s): it is left out, unless --write.audio keep writes "
        "the track as it is, or --write.audio follow lets every frame take its sound along"
    ]


@contextmanager
def read_sound(path: str | Path, folder: Path) -> Iterator[Sound]:
    """Decode the sound of a video, for as long as the context lasts.

    Parameters
    ----------
    path : str or Path
        The video.
    folder : Path
        Where the temporary file lies; it has no name there where the system allows that.

    Yields
    ------
    Sound
        The sound.

    Raises
    ------
    VideoError
        When the file is not a video that can be read, or has no sound.

    Notes
    -----
    The samples take 4 bytes per channel on disk, 1.4 GB per hour of stereo at 48 kHz, and are mapped into memory.
    """
    with Decoder(path) as decoder, tempfile.TemporaryFile(dir=folder, prefix=".sound-") as file:
        track = track_of(decoder)
        if track is None:
            raise VideoError(f"{path} has no sound: give a video that has some")
        context, layout = track.codec_context, _layout(track)
        rate, channels = context.sample_rate, layout.nb_channels
        start, written, damaged = 0.0, 0, 0
        for frame, lost in _decoded(decoder, track, layout):
            damaged += lost
            if frame is None:
                continue
            time = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else None
            if not written:
                start = time or 0.0
            missing = round((time - start) * rate) - written if time is not None else 0
            if missing > GAP_SECONDS * rate:
                file.seek(4 * channels * missing, 1)  # a hole in the file reads as zeros
                written += missing
            block = frame.to_ndarray()
            file.write(np.ascontiguousarray(block, np.float32).data)
            written += frame.samples
        file.flush()
        file.truncate(4 * channels * written)
        samples = (
            np.memmap(file, np.float32, "r", shape=(written, channels)) if written else np.zeros((0, channels), np.float32)
        )
        yield Sound(samples, rate, layout.name, start, context.format.name.startswith("s32"), damaged)


def _layout(track: AudioStream) -> AudioLayout:
    """The channels of a track; those that are usual for their number, up to 8, where the file only states that."""
    layout = track.codec_context.layout
    count = layout.nb_channels
    return AudioLayout(f"{count}c") if layout.name == f"{count} channels" and count <= 8 else layout


def _decoded(decoder: Decoder, track: AudioStream, layout: AudioLayout) -> Iterator[tuple[av.AudioFrame | None, int]]:
    """Frames of interleaved float samples, of these channels and the rate of the track; and 1 for each damaged packet."""
    rate = track.codec_context.sample_rate
    setup, resampler = None, None
    for packet in decoder.container.demux(track):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            yield None, 1
            continue
        for frame in frames:
            found = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or found != setup:  # some broadcasts change them on the way
                setup, resampler = found, AudioResampler(format="flt", layout=layout, rate=rate)
            for converted in resampler.resample(frame):
                yield converted, 0

"""The codecs that videos are written with: their encoders and files, what they keep of a frame, and what they lose."""

from dataclasses import dataclass

import av

from workbench.errors import VideoError
from workbench.video.alpha import has_alpha
from workbench.video.spill import FFV1_OPTIONS

# Pixel formats FFV1 does not take, and one that holds the same bits. Any other format it does not take is an error.
_SAME_BITS = {
    "yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p", "yuvj440p": "yuv440p", "yuvj411p": "yuv411p",
    "rgb24": "bgr0", "bgr24": "bgr0", "rgb0": "bgr0", "0rgb": "bgr0", "0bgr": "bgr0", "gbrp": "bgr0", "rgba": "bgra",
    "argb": "bgra", "abgr": "bgra", "gbrap": "bgra", "pal8": "bgra", "nv12": "yuv420p", "p010le": "yuv420p10le",
    "yuyv422": "yuv422p", "uyvy422": "yuv422p", "monob": "gray", "monow": "gray",
}  # fmt: skip
_PLAYED_BY_ALL = (".mp4", ".m4v", ".mov", ".mkv")
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}  # FFmpeg's numbers of the transfer characteristics


@dataclass(frozen=True)
class Codec:
    """A way to encode a video.

    Attributes
    ----------
    name : str
        What people call it.
    encoder : str
        FFmpeg's name of the encoder.
    suffixes : tuple of str
        The files it can be in; the first one is usual.
    bits : int
        How many bits per channel it keeps at most.
    alpha : bool
        Whether it keeps the alpha channel, which says how transparent a pixel is.
    """

    name: str
    encoder: str
    suffixes: tuple[str, ...]
    bits: int
    alpha: bool


# By name, as --write.codec takes them.
CODECS = {
    "h264": Codec("H.264", "libx264", _PLAYED_BY_ALL, 8, False),
    "h265": Codec("H.265", "libx265", _PLAYED_BY_ALL, 10, False),
    "prores": Codec("ProRes", "prores_ks", (".mov",), 10, True),
    "lossless": Codec("FFV1", "ffv1", (".mkv",), 32, True),
}


def written_format(source: av.VideoFormat, codec: str) -> str:
    """Choose the pixel format that frames are written in.

    Parameters
    ----------
    source : av.VideoFormat
        The pixel format of the frames.
    codec : str
        A name of :data:`CODECS`.

    Returns
    -------
    str
        FFmpeg's name. ``h264``: 8-bit 4:2:0. ``h265``: 4:2:0, 10 bits where the source has more than 8. ``prores``: 10-bit
        4:2:2, or 4:4:4 where the source is RGB, has all its colour samples, or has alpha. ``lossless``: the format itself,
        or another one that holds the same bits.
    """
    if codec == "h264":
        return "yuv420p"
    if codec == "h265":
        return "yuv420p10le" if _bits(source) > 8 else "yuv420p"
    if codec == "prores":
        if has_alpha(source):
            return "yuva444p10le"
        whole_colour = source.is_rgb or source.has_palette or (len(source.components) > 1 and source.chroma_width(64) == 64)
        return "yuv444p10le" if whole_colour else "yuv422p10le"
    return _SAME_BITS.get(source.name, source.name)


def encoder_options(codec: str, pixel_format: str, crf: int) -> dict[str, str]:
    """Give the options of an encoder.

    Parameters
    ----------
    codec : str
        A name of :data:`CODECS`.
    pixel_format : str
        What it is given, from :func:`written_format`.
    crf : int
        Quality of ``h264`` and ``h265``, 0 (best) to 51.

    Returns
    -------
    dict of str to str
        Options of FFmpeg's encoder.
    """
    if codec == "h264":
        # Without halved blocks in predicted frames it takes three quarters of the time, for files of the same size.
        return {"crf": str(crf), "preset": "veryfast", "x264-params": "partitions=i8x8,i4x4"}
    if codec == "h265":
        # With B-frames, x265 gives random decoding times to videos of one and two frames, and to frames of differing length.
        return {"crf": str(crf), "preset": "veryfast", "x265-params": "log-level=error:bframes=0"}
    if codec == "prores":
        # Some editing programs only take files that say they come from Apple's encoder.
        return {"profile": "4444" if "444" in pixel_format else "hq", "vendor": "apl0"}
    return FFV1_OPTIONS


def losses(pixel_format: str, transfer: int, codec: str, transparent: bool) -> list[str]:
    """Tell what a written video does not keep of its source.

    Parameters
    ----------
    pixel_format : str
        That of the source, FFmpeg's name.
    transfer : int
        Transfer characteristics of the source, FFmpeg's number.
    codec : str
        A name of :data:`CODECS`.
    transparent : bool
        Whether any pixel of the source is not opaque.

    Returns
    -------
    list of str
        Sentences with what to do about it; empty when bit depth and alpha are kept.

    Raises
    ------
    VideoError
        When FFmpeg does not know the pixel format.
    """
    try:
        source, chosen = av.VideoFormat(pixel_format), CODECS[codec]
    except ValueError as error:
        raise VideoError(f"{pixel_format[:40]!r} is no pixel format: read the video anew, into another run") from error
    bits, kept = _bits(source), chosen.bits
    found = []
    if bits > kept:
        hdr = f" ({_HDR_TRANSFERS[transfer]})" if transfer in _HDR_TRANSFERS else ""
        found.append(f"the source has {bits} bits per channel{hdr}, what is written has {kept}: {_remedy('bits', kept)}")
    if transparent and not chosen.alpha:
        found.append(f"the alpha channel of the source is not in what is written: {_remedy('alpha', False)}")
    return found


def _remedy(quality: str, kept: int) -> str:
    """How more of a quality, bits or alpha, is kept."""
    names = [f"--write.codec {name}" for name, codec in CODECS.items() if getattr(codec, quality) > kept]
    where = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    return f"{where} keeps {'it' if quality == 'alpha' else 'more'}"


def _bits(source: av.VideoFormat) -> int:
    return max(component.bits for component in source.components)

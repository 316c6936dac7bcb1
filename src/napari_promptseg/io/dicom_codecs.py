"""Decoder plug-in for pydicom: JPEG Lossless by way of imagecodecs."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from pydicom.uid import JPEGLossless, JPEGLosslessSV1

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

DECODER_DEPENDENCIES: Final = dict.fromkeys((JPEGLossless, JPEGLosslessSV1), ("imagecodecs",))
"""Packages by transfer syntax, as pydicom asks of a plug-in."""
_LABEL: Final = "imagecodecs"


def is_available(uid: str) -> bool:
    """Return whether a transfer syntax can be decoded, as pydicom asks of a plug-in."""
    return uid in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Return the pixels of an encoded frame in the byte order of the machine."""
    import imagecodecs

    values = imagecodecs.ljpeg_decode(src)
    runner.set_option("bits_allocated", 8 * values.dtype.itemsize)
    return bytes(values.tobytes())


@cache
def register() -> None:
    """Add the plug-in to pydicom, once."""
    from pydicom.pixels.decoders.base import JPEGLosslessDecoder, JPEGLosslessSV1Decoder

    for decoder in (JPEGLosslessDecoder, JPEGLosslessSV1Decoder):
        decoder.add_plugin(_LABEL, (__name__, decode_frame.__name__))

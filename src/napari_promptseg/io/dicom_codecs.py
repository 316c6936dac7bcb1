"""Decoder plug-in for pydicom: the kinds of JPEG that its own plug-ins lack, by imagecodecs."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from pydicom import uid as uids

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

_CODECS: Final = {
    uids.JPEGLossless: "ljpeg_decode",
    uids.JPEGLosslessSV1: "ljpeg_decode",
    uids.JPEGExtended12Bit: "jpeg_decode",
    uids.JPEG2000Lossless: "jpeg2k_decode",
    uids.JPEG2000: "jpeg2k_decode",
    uids.HTJ2KLossless: "htj2k_decode",
    uids.HTJ2KLosslessRPCL: "htj2k_decode",
    uids.HTJ2K: "htj2k_decode",
}
"""Function of imagecodecs by transfer syntax."""
DECODER_DEPENDENCIES: Final = dict.fromkeys(_CODECS, ("imagecodecs",))
"""Packages by transfer syntax, as pydicom asks of a plug-in."""
_LABEL: Final = "imagecodecs"
_WAVELET_COLOURS: Final = ("YBR_RCT", "YBR_ICT")


def is_available(uid: str) -> bool:
    """Return whether a transfer syntax can be decoded, as pydicom asks of a plug-in."""
    if uid not in DECODER_DEPENDENCIES or find_spec("imagecodecs") is None:
        return False
    import imagecodecs

    codec = _CODECS[uids.UID(uid)].removesuffix("_decode").upper()
    # Older versions of the library know fewer codecs.
    return bool(getattr(getattr(imagecodecs, codec, None), "available", False))


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Return the pixels of an encoded frame in the byte order of the machine."""
    import imagecodecs

    values = getattr(imagecodecs, _CODECS[runner.transfer_syntax])(src)
    runner.set_option("bits_allocated", 8 * values.dtype.itemsize)
    if str(runner.photometric_interpretation) in _WAVELET_COLOURS:
        # The codec has undone the transform of colors.
        runner.set_option("photometric_interpretation", "RGB")
    return bytes(values.tobytes())


@cache
def register() -> None:
    """Add the plug-in to pydicom, once, after its own plug-ins."""
    from pydicom.pixels.decoders.base import get_decoder

    for uid in _CODECS:
        get_decoder(uid).add_plugin(_LABEL, (__name__, decode_frame.__name__))

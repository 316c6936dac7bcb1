"""Names of units of length and time, and conversion between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "Å": ("å", "angstrom", "ångström"),
    "nm": ("nanometer", "nanometre"),
    # Two characters look like the Greek letter; ImageJ writes one of them escaped.
    "µm": ("μm", "um", r"\u00b5m", "micron", "microns", "micrometer", "micrometre"),
    "mm": ("millimeter", "millimetre"),
    "cm": ("centimeter", "centimetre"),
    "inch": ("in", '"'),
    "m": ("meter", "metre"),
    "pixel": ("", "pixels", "px", "reference frame"),
}


_METRES: Final[Mapping[str, float]] = {
    "Å": 1e-10,
    "nm": 1e-9,
    "µm": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "inch": 0.0254,
    "m": 1.0,
}


_SECONDS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("µs", "μs", "us", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}


def seconds(unit: str | None) -> float:
    """Return a unit of time in seconds; 1 for an unknown one."""
    return _SECONDS.get((unit or "").strip().lower(), 1.0)


def unit_name(text: str | None) -> str:
    """Return the usual short name of a unit of length; an unknown one as it is."""
    plain = (text or "").strip()
    for name, spellings in _SPELLINGS.items():
        if plain == name or plain.lower() in spellings:
            return name
    return plain


def unit_ratio(unit: str, target: str) -> float | None:
    """Return the factor from one unit of length to another; None if one of them is unknown."""
    source, goal = (_METRES.get(unit_name(name)) for name in (unit, target))
    return None if source is None or goal is None else source / goal


def common_unit(sizes: Mapping[str, tuple[float, str]]) -> tuple[dict[str, float], str]:
    """Bring the spacing of several axes to the unit of the last spatial one.

    Parameters
    ----------
    sizes : mapping of str to (float, str)
        Spacing and unit by the name of the axis; the spacing of ``t`` is left alone.

    Returns
    -------
    (dict of str to float, str)
        Spacing by axis, and the unit.
    """
    units = {axis: unit_name(unit) for axis, (_, unit) in sizes.items()}
    common = next((units[axis] for axis in "xyz" if axis in units), "pixel")
    spacing = {}
    for axis, (size, _) in sizes.items():
        ratio = unit_ratio(units[axis], common) if axis in "xyz" else None
        size = size if ratio in (None, 1) else size * ratio
        spacing[axis] = size
    return spacing, common

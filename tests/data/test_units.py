"""Units of length in the spellings of files, and lengths in each other's units."""

from __future__ import annotations

import pytest

from napari_promptseg.data.units import common_unit, unit_name, unit_ratio

SPELLINGS = {
    "Å": ["Å", "angstrom", "Ångström"],
    "nm": ["nm", "nanometer", "Nanometre"],
    "µm": ["µm", "μm", "um", "micron", r"\u00B5m", "micrometer"],
    "mm": [" mm ", "Millimeter", "millimetre"],
    "cm": ["cm", "centimeter"],
    "inch": ["inch", "in", '"'],
    "m": ["m", "metre"],
    "pixel": ["pixel", "", None, "px", "reference frame"],
    "furlong": ["furlong"],
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name: str) -> None:
    assert {unit_name(text) for text in SPELLINGS[name]} == {name}


@pytest.mark.parametrize(
    ("unit", "target", "ratio"),
    [
        ("inch", "mm", 25.4),
        ("cm", "mm", 10.0),
        ("m", "cm", 100.0),
        ("um", "mm", 1e-3),
        ("nm", "micron", 1e-3),
        ("angstrom", "nm", 0.1),
        ("mm", "millimetre", 1.0),
    ],
)
def test_ratios(unit: str, target: str, ratio: float) -> None:
    assert unit_ratio(unit, target) == pytest.approx(ratio, rel=1e-12)
    assert unit_ratio(target, unit) == pytest.approx(1 / ratio, rel=1e-12)


def test_there_is_no_ratio_to_a_unit_that_is_no_length() -> None:
    assert unit_ratio("pixel", "mm") is None
    assert unit_ratio("mm", "furlong") is None


def test_the_unit_of_x_is_that_of_all_and_time_is_left_alone() -> None:
    sizes = {"t": (5.0, "s"), "z": (0.25, "cm"), "y": (500.0, "um"), "x": (0.75, "millimeter")}
    spacing, unit = common_unit(sizes)
    assert unit == "mm"
    assert spacing == pytest.approx({"t": 5.0, "z": 2.5, "y": 0.5, "x": 0.75}, rel=1e-12)
    assert common_unit({"y": (3.0, "px"), "z": (2.0, "mm")}) == ({"y": 3.0, "z": 2.0}, "pixel")

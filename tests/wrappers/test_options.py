"""The switchboard: which wrappers go around a backend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from differentiable import TinyNet
from helpers import ToyBackend, make_scene
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.options import PARTS, Refinement, build, parse_spec
from napari_promptseg.wrappers.test_time_augmentation import Flips
from napari_promptseg.wrappers.zoom import ZoomIn

switches = st.sampled_from([None, True, False])
refinements = st.builds(Refinement, **dict.fromkeys(PARTS, switches))


@given(st.sampled_from(["clicknet", "grabcut"]), refinements)
def test_a_spec_says_all_of_a_refinement(name: str, refinement: Refinement) -> None:
    assert parse_spec(refinement.spec(name)) == (name, refinement)


@given(refinements, refinements)
def test_a_spec_goes_before_what_holds_otherwise(first: Refinement, second: Refinement) -> None:
    _, merged = parse_spec(first.spec("grabcut"), second)
    for part in PARTS:
        own = getattr(first, part)
        assert getattr(merged, part) == (getattr(second, part) if own is None else own)


@given(refinements)
def test_resolving_leaves_nothing_open_and_keeps_what_was_asked_off(refinement: Refinement) -> None:
    resolved = Refinement(
        **{part: False if getattr(refinement, part) is False else None for part in PARTS}
    ).resolved(ToyBackend.capabilities)
    for part in PARTS:
        assert isinstance(getattr(resolved, part), bool)
        assert getattr(refinement, part) is not False or getattr(resolved, part) is False


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "unknown backend 'nowhere'.*'grabcut'.*'zoom'"),
        ("nowhere+flips", "unknown backend"),
        ("grabcut+flip", r"unknown refinement 'flip' in 'grabcut\+flip'.*'flips'"),
        ("grabcut+", r"unknown refinement ''"),
        ("grabcut-zoom+zoomy", "unknown refinement 'zoomy'"),
        ("", "unknown backend"),
    ],
)
def test_a_spec_with_unknown_names_lists_the_valid_ones(spec: str, message: str) -> None:
    for call in (parse_spec, build, lambda text: Session(np.zeros((9, 9)), text)):
        with pytest.raises(ValueError, match=message):
            call(spec)


def test_a_backend_is_wrapped_by_default_and_as_a_spec_says() -> None:
    assert isinstance(build("grabcut"), ZoomIn)
    assert build("grabcut-zoom").name == "grabcut"
    assert not hasattr(build("grabcut-zoom"), "backend")
    flips = build("grabcut-zoom+flips")
    assert isinstance(flips, Flips)
    assert isinstance(build("grabcut", Refinement(zoom=False, flips=True)), Flips)
    zoom = build("grabcut+flips", Refinement(flips=False))
    assert isinstance(zoom, ZoomIn)
    assert isinstance(zoom.backend, Flips)


def _layers(backend: object) -> list[str]:
    """Names of the wrappers, from the outermost to the backend."""
    inner = getattr(backend, "backend", None)
    return [type(backend).__name__, *(_layers(inner) if inner else [])]


def test_what_a_backend_can_do_decides_the_defaults() -> None:
    assert _layers(build(TinyNet(), Refinement())) == ["Cleanup", "ZoomIn", "Brs", "TinyNet"]
    assert _layers(build(ToyBackend(), Refinement())) == ["ZoomIn", "ToyBackend"]
    everything = Refinement(**dict.fromkeys(PARTS, True))
    expected = ["Cleanup", "ZoomIn", "Brs", "Flips", "Multiscale", "TinyNet"]
    assert _layers(build(TinyNet(), everything)) == expected


@pytest.mark.parametrize("part", ["brs", "multiscale"])
def test_a_part_that_a_backend_cannot_do_is_refused_only_when_asked_for(part: str) -> None:
    message = f"{part!r} needs a .* backend; valid for this: .*'zoom'"
    with pytest.raises(ValueError, match=message):
        build(f"grabcut+{part}")
    with pytest.raises(ValueError, match=message):
        Session(np.zeros((9, 9)), ToyBackend(), refinement=Refinement(**{part: True}))


def test_a_backend_that_is_given_is_taken_as_it_is_unless_wrappers_are_asked_for() -> None:
    toy = ToyBackend()
    assert build(toy) is toy
    zoom = build(toy, Refinement())
    assert isinstance(zoom, ZoomIn)
    assert zoom.name == "toy"
    with pytest.raises(TypeError, match="name or a Backend, got object"):
        build(object())  # type: ignore[arg-type]


# In a session


def test_wrappers_are_switched_while_an_object_is_in_work() -> None:
    scene, toy = make_scene("zyx"), ToyBackend()
    session = Session(scene.data, toy, refinement=Refinement(zoom=False))
    session.add_point((4, 11, 14))
    before, looks = session.mask.copy(), len(toy.looks)
    session.refinement = Refinement(zoom=False, flips=True)
    np.testing.assert_array_equal(session.mask, before)
    assert session.prompts
    session.add_point((4, 11, 15))
    assert len(toy.looks) == looks + 2
    assert session.undo()
    np.testing.assert_array_equal(session.mask, before)
    session.refinement = None
    assert session.loaded_backend is toy


def test_a_backend_that_was_given_is_left_open_when_its_wrappers_are_switched() -> None:
    toy = ToyBackend()
    session = Session(make_scene("zyx").data, toy)
    session.add_point((4, 11, 14))
    session.refinement = Refinement(flips=True)
    session.close()
    assert not toy.closed


def test_a_saved_session_knows_its_wrappers(tmp_path) -> None:
    session = Session(make_scene("yx").data, "grabcut-zoom")
    session.refinement = Refinement(zoom=False, flips=True)
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved")
    assert again.backend == "grabcut"
    assert again.refinement == Refinement(zoom=False, flips=True)
    session.refinement = None
    assert session.refinement == Refinement()

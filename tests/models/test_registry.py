from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from helpers import ToyBackend
from napari_promptseg.models import registry
from napari_promptseg.models.registry import GROUP, backends_with, create_backend, list_backends

SHIPPED = {"clicknet", "grabcut", "randomwalk"}


class Incomplete:
    name = identity = "incomplete"

    def embed(self, image: object) -> object:
        return image


def explode() -> None:
    raise RuntimeError("no such graphics card")


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Third parties: a good one, some broken ones, and one that takes a shipped name."""
    targets = {
        "toy": "helpers:ToyBackend",
        "gone": "a_package_that_is_not_there.backend:Backend",
        "renamed": "helpers:NoSuchBackend",
        "incomplete": f"{__name__}:Incomplete",
        "exploding": f"{__name__}:explode",
        "grabcut": "helpers:ToyBackend",
    }
    entries = [EntryPoint(name, target, GROUP) for name, target in targets.items()]
    real = registry.entry_points
    monkeypatch.setattr(registry, "entry_points", lambda group: [*real(group=group), *entries])


def test_the_shipped_backends_are_listed_by_name() -> None:
    backends = list_backends()
    assert set(backends) >= SHIPPED
    assert list(backends) == sorted(backends)
    info = backends["grabcut"]
    assert (info.name, info.distribution) == ("grabcut", "napari-promptseg")
    assert info.target == "napari_promptseg.models.backends.grabcut:GrabCutBackend"


def test_options_reach_the_backend() -> None:
    assert create_backend("grabcut", device="cpu", iterations=2).iterations == 2


def test_an_unknown_name_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"'grabcat'.*'clicknet'.*'grabcut'"):
        create_backend("grabcat")


@pytest.mark.usefixtures("others")
def test_a_third_party_is_created_by_its_name() -> None:
    assert isinstance(create_backend("toy"), ToyBackend)
    assert list_backends()["toy"].distribution == "unknown"


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("name", "cause"),
    [("gone", "a_package_that_is_not_there"), ("renamed", "NoSuchBackend")],
)
def test_a_broken_one_is_named_with_its_cause_and_breaks_no_other(name: str, cause: str) -> None:
    with pytest.raises(ImportError, match=rf"'{name}'.*{cause}") as error:
        create_backend(name)
    assert error.value.__cause__ is not None
    assert set(list_backends()) >= SHIPPED | {"toy", "gone", "renamed"}
    assert create_backend("randomwalk").name == "randomwalk"


@pytest.mark.usefixtures("others")
def test_what_is_no_backend_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(TypeError, match=r"'incomplete'.*'capabilities', 'predict', 'close'"):
        create_backend("incomplete")


@pytest.mark.usefixtures("others")
def test_an_error_of_a_backend_itself_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="no such graphics card"):
        create_backend("exploding")


@pytest.mark.usefixtures("others")
def test_nobody_takes_the_name_of_a_shipped_backend() -> None:
    assert create_backend("grabcut").name == "grabcut"


@pytest.mark.usefixtures("others")
def test_backends_are_listed_by_what_they_declare_and_broken_ones_left_out() -> None:
    assert backends_with("everything") == ["bioimageio", "cellpose", "sam"]
    assert {"clicknet", "ritm"} <= set(backends_with("differentiable"))
    assert "gone" not in backends_with("prior")

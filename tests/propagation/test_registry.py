from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from helpers import ALL_PROMPTS, FOR_ANY_BACKEND, ScriptedBackend, ToyBackend
from napari_promptseg.models.base import Capabilities
from napari_promptseg.propagation import registry
from napari_promptseg.propagation.baselines import Copy
from napari_promptseg.propagation.registry import (
    GROUP,
    create_propagator,
    join_spec,
    list_propagators,
    load_error,
    split_spec,
)
from napari_promptseg.wrappers.base import Wrapper


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("clicknet", ("clicknet", "auto")),
        ("clicknet+flips@flow", ("clicknet+flips", "flow")),
        ("grabcut-zoom@copy", ("grabcut-zoom", "copy")),
    ],
)
def test_a_backend_and_a_propagator_are_one_text(spec, parts):
    assert split_spec(spec) == parts
    assert join_spec(*parts) == spec


def test_an_unknown_propagator_is_named_with_the_valid_ones():
    for ask in (lambda: split_spec("clicknet@magic"), lambda: create_propagator("magic", None)):
        with pytest.raises(ValueError, match=r"'magic'.*'auto'.*'flow'"):
            ask()


@pytest.mark.parametrize("name", FOR_ANY_BACKEND)
def test_every_name_leads_to_a_propagator_of_that_name(name):
    assert create_propagator(name, ToyBackend()).name == name


@pytest.mark.parametrize(("prior", "name"), [(True, "chain"), (False, "projection")])
def test_the_choice_is_one_that_the_backend_can_do(prior, name):
    backend = ScriptedBackend(print, capabilities=Capabilities(ALL_PROMPTS, prior=prior))
    assert create_propagator("auto", backend).name == name


class Mirror(Copy):
    name = "mirror"


class NotAPropagator:
    name = "no"

    def __init__(self, backend):
        pass


@pytest.fixture
def others(monkeypatch):
    """Third parties: a good one, broken ones, and ones that take built-in names."""
    targets = {
        "mirror": f"{__name__}:Mirror",
        "gone": "a_package_that_is_not_there.propagator:Propagator",
        "incomplete": f"{__name__}:NotAPropagator",
        "copy": f"{__name__}:Mirror",
        "auto": f"{__name__}:Mirror",
    }
    entries = [EntryPoint(name, target, GROUP) for name, target in targets.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)


@pytest.mark.usefixtures("others")
def test_propagators_of_other_packages_come_after_the_built_in_ones():
    names = list_propagators()
    assert names[: len(registry._BUILT_IN)] == list(registry._BUILT_IN)
    assert names[len(registry._BUILT_IN) :] == ["gone", "incomplete", "mirror"]
    assert isinstance(create_propagator("mirror", ToyBackend()), Mirror)
    assert split_spec("toy@mirror") == ("toy", "mirror")


@pytest.mark.usefixtures("others")
def test_built_in_names_are_not_replaced():
    assert create_propagator("copy", ToyBackend()).name == "copy"
    assert create_propagator("auto", ToyBackend()).name == "chain"


@pytest.mark.usefixtures("others")
def test_a_broken_one_is_named_with_its_cause_and_breaks_no_other():
    with pytest.raises(ImportError, match=r"'gone'.*a_package_that_is_not_there") as error:
        create_propagator("gone", ToyBackend())
    assert error.value.__cause__ is not None
    assert load_error("gone").startswith("ModuleNotFoundError: ")
    assert load_error("mirror") == load_error("flow") == ""
    with pytest.raises(TypeError, match=r"'incomplete' lacks \['fill'\]"):
        create_propagator("incomplete", ToyBackend())
    assert create_propagator("distance", ToyBackend()).name == "distance"
    with pytest.raises(ValueError, match=r"'magic'.*'gone'.*'mirror'"):
        load_error("magic")


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("wrap", [lambda b: b, Wrapper], ids=["plain", "wrapped"])
def test_a_backend_declares_its_default_propagator(wrap):
    backend = ToyBackend()
    backend.default_propagator = "mirror"
    assert create_propagator("auto", wrap(backend)).name == "mirror"
    backend.default_propagator = "magic"
    with pytest.raises(ValueError, match="'magic'"):
        create_propagator("auto", wrap(backend))

from __future__ import annotations

import pytest

from helpers import ALL_PROMPTS, FOR_ANY_BACKEND, ScriptedBackend, ToyBackend
from napari_promptseg.models.base import Capabilities
from napari_promptseg.propagation.registry import create_propagator, join_spec, split_spec


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

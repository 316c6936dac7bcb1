from __future__ import annotations

import pytest

from napari_promptseg._napari.widgets.propagation import AXES, PROPAGATOR_LABELS, PropagationSection
from napari_promptseg.propagation.registry import AUTO, list_propagators

pytestmark = pytest.mark.gui


@pytest.fixture
def section(qtbot):
    widget = PropagationSection()
    qtbot.addWidget(widget)
    widget.show_axes("zyx", (9, 24, 28))
    return widget


def test_every_propagator_has_words_of_its_own():
    assert set(PROPAGATOR_LABELS) == {AUTO, *list_propagators()}
    assert len({words.name for words in PROPAGATOR_LABELS.values()}) == len(PROPAGATOR_LABELS)


def test_the_range_is_that_of_the_axis(section):
    assert (section.last.value(), section.both.text()) == (8, "Whole volume")
    assert section.chosen_axis is None
    section.show_axes("tyx", (5, 24, 28))
    assert (section.last.value(), section.both.text()) == (4, "Whole video")
    section.show_axes("tzyx", (5, 9, 24, 28))
    assert section.last.value() == 8
    lasts = {}
    for row, name in enumerate(AXES):
        section.axis.setCurrentIndex(row)
        assert section.chosen_axis == name
        lasts[name] = section.last.value()
    assert lasts == {"z": 8, "t": 4, "zt": 4}
    section.show_axes("yx", (24, 28))
    assert not section.isEnabled()


def test_what_does_not_work_with_the_model_is_grey_and_says_why(section):
    section.show_usable(frozenset({"copy", "flow"}))
    model = section.way.model()
    works = {section.way.itemData(i): model.item(i).isEnabled() for i in range(section.way.count())}
    assert {name for name, on in works.items() if on} == {AUTO, "copy", "flow"}
    chain = model.item(section.way.findData("chain"))
    assert "Not with this model" in chain.toolTip()


def test_a_choice_is_told_and_showing_one_is_none(section):
    choices: list[str] = []
    section.propagator_changed.connect(choices.append)
    section.show_way("flow")
    assert section.way.currentText() == "Optical flow"
    assert "propagator='flow'" in section.way.toolTip()
    assert choices == []
    section.way.setCurrentIndex(section.way.findData("copy"))
    assert choices == ["copy"]

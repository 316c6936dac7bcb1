"""Next steps and error messages, without a viewer."""

from __future__ import annotations

import pytest

from napari_promptseg._napari.presenters.status import error_text, next_step
from napari_promptseg._napari.worker.snapshot import Snapshot
from napari_promptseg.session.state import StoredObject

STORED = StoredObject(1, "liver", (), ((0, 1), (0, 2), (0, 2)))


@pytest.mark.parametrize(
    ("state", "names", "words"),
    [
        (Snapshot(), "zyx", ["Click on an object"]),
        (Snapshot(objects=(STORED,)), "zyx", ["next object", "Export"]),
        (Snapshot(has_object=True), "zyx", ["Ctrl+click", "G for all planes", "N to keep"]),
        (Snapshot(has_object=True), "tyx", ["G for all time points"]),
        (Snapshot(has_object=True), "yx", ["Ctrl+click", "N to keep"]),
    ],
    ids=["nothing", "committed", "volume", "video", "image"],
)
def test_the_next_step_follows_from_the_state(state, names, words):
    text = next_step(state, names)
    assert all(word in text for word in words)
    assert ("G for" in text) == (state.has_object and len(names) > 2)


@pytest.mark.parametrize("error", [ValueError("too small"), OSError("disk full")])
def test_messages_for_the_user_are_shown_as_they_are(error):
    assert error_text(error) == str(error)


@pytest.mark.parametrize(
    "error", [AttributeError("'NoneType' object has no attribute 'box'"), KeyError(3)]
)
def test_a_bug_is_called_one(error):
    text = error_text(error)
    assert "bug" in text
    assert type(error).__name__ in text
    assert "NoneType' object" not in text

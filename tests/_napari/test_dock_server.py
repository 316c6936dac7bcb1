"""Sessions on a server in the dock: opened, worked on like others, and left again."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("websockets")

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QMessageBox

from server_place import Place

pytestmark = pytest.mark.gui


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "server")
    yield place
    place.stop()


def connect(bench, place, token: str | None = None):
    """Press the button and connect in the dialog."""
    bench.dock.files.server_button.click()
    dialog = bench.dock.server_sessions.dialog
    dialog.show_credentials(place.url, place.token() if token is None else token, "")
    dialog.connect_button.click()
    bench.wait("the server")
    return dialog


def go_there(bench, place, row: int = 0) -> None:
    dialog = connect(bench, place)
    dialog.sessions.setCurrentRow(row)
    dialog.open_button.click()
    bench.wait("the session")


def test_work_goes_on_on_a_server_and_comes_back(bench, blobs, place, monkeypatch) -> None:
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *_: yes)
    b = bench(blobs, scale=(2.0, 0.5, 0.5))
    go_there(b, place)
    assert b.controller.session.server == place.url
    assert place.url in b.dock.images.server_line.text()
    assert not b.dock.images.backend.enabled
    b.click((5, 15, 15))
    b.click((5, 36, 45))
    b.press("Ctrl+Z")
    b.press("G")
    b.press("N")
    b.click((5, 36, 45))
    b.press("N")
    hosted = next(iter(place.service.account("ada")))
    np.testing.assert_array_equal(b.layer("labels").data, hosted.session.labels)
    assert (b.layer("labels").data == 1).any((1, 2)).sum() == 9
    b.dock.files.server_button.click()  # leave
    b.wait("the way back")
    assert b.controller.session.server is None
    assert b.dock.images.backend.enabled
    assert [*b.snapshot.objects] == [*b.controller.session.objects.values()]
    np.testing.assert_array_equal(b.layer("labels").data, hosted.session.labels)
    go_there(b, place, row=1)
    assert len(b.snapshot.objects) == 2
    b.press("Ctrl+Z")
    assert len(b.snapshot.objects) == 1


def test_all_objects_of_a_plane_are_found_here_and_committed_there(bench, blobs, place) -> None:
    b = bench(blobs)
    go_there(b, place)
    b.robot.go_to((5, 3, 4))
    prompts = b.dock.prompts
    QTest.mouseClick(prompts.everything_button, Qt.MouseButton.LeftButton)
    action = next(one for one in prompts.where.actions() if one.text() == "On this plane")
    at = prompts.where.actionGeometry(action).center()
    QTest.mouseClick(prompts.where, Qt.MouseButton.LeftButton, pos=at)
    b.wait()
    assert b.status.startswith("Found ")
    b.dock.similar.decisions["accept all"].click()
    b.wait()
    hosted = next(iter(place.service.account("ada"))).session
    assert len(hosted.objects) == len(b.snapshot.objects) >= 2
    np.testing.assert_array_equal(b.layer("labels").data, hosted.labels)
    b.press("Ctrl+Z")
    assert not hosted.labels.any(), "together committed, together undone"


def test_a_wrong_token_is_said_in_the_dialog(bench, blobs, place) -> None:
    b = bench(blobs)
    dialog = connect(b, place, "wrong")
    assert dialog.status.text().startswith("Not connected:")
    assert not dialog.open_button.isEnabled()
    dialog.reject()
    assert b.controller.session.server is None


def test_what_the_server_does_not_offer_gets_an_answer(bench, blobs, place, errors) -> None:
    b = bench(blobs)
    go_there(b, place)
    b.image.contrast_limits = (10, 150)
    assert not errors
    b.controller.model.free()
    b.wait()
    assert "reached" in errors[-1] or "server" in errors[-1]
    assert "bug" not in errors[-1]


def test_a_server_that_is_gone_is_said_and_nothing_is_lost(bench, blobs, place, errors) -> None:
    b = bench(blobs)
    go_there(b, place)
    b.click((5, 15, 15))
    place.stop()
    b.click((5, 20, 20))
    assert "reached" in errors[-1] or "server" in errors[-1]
    assert b.layer("object").data[5, 15, 15]
    place.start()
    b.click((5, 20, 20))
    assert len(b.snapshot.prompts) == 2

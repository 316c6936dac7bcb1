"""The table of models: states, adding by button and by dropping, on a thread."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
import torch
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QInputDialog

from napari_promptseg._napari.widgets.models_dialog import ModelsDialog
from napari_promptseg.models import registry

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gui


@pytest.fixture
def dialog(qtbot, tmp_path, monkeypatch) -> ModelsDialog:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path / "models"))
    all_entries = registry.entry_points(group=registry.GROUP)
    monkeypatch.setattr(registry, "_entries", lambda: {e.name: e for e in all_entries})
    dialog = ModelsDialog()
    qtbot.addWidget(dialog)
    return dialog


def row_of(dialog: ModelsDialog, title: str) -> list[str]:
    for row in range(dialog.table.rowCount()):
        texts = [dialog.table.item(row, c).text() for c in range(dialog.table.columnCount())]
        if texts[0] == title:
            dialog.table.selectRow(row)
            return texts
    raise AssertionError(f"no row {title!r}")


def checkpoint(folder: Path, name: str) -> Path:
    path = folder / name
    torch.save({"a": torch.zeros(1)}, path)
    return path


def drop(dialog: ModelsDialog, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    dialog.dropEvent(
        QDropEvent(
            QPointF(QPoint(5, 5)),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )


def test_states_and_remedies_are_shown(dialog) -> None:
    assert row_of(dialog, "ClickNet")[1] == "ready"
    assert not dialog.remove_button.isEnabled()
    assert row_of(dialog, "SAM ViT-B")[1:4] == ["needs file", "375 MB", "Apache-2.0"]
    assert "dl.fbaipublicfiles.com" in dialog.status.text()


def test_a_dropped_file_is_added_and_can_be_deleted(dialog, qtbot, tmp_path) -> None:
    path = checkpoint(tmp_path, "sam_vit_b_01ec64.pth")
    with qtbot.waitSignal(dialog.changed):
        drop(dialog, path)
    assert row_of(dialog, "SAM ViT-B")[1] == "ready"
    assert dialog.remove_button.isEnabled()
    with qtbot.waitSignal(dialog.changed):
        dialog.remove_button.click()
    assert row_of(dialog, "SAM ViT-B")[1] == "needs file"


def test_of_an_unknown_file_it_is_asked_which_model_it_is(dialog, qtbot, tmp_path, monkeypatch):
    model_name = "RITM HRNet32 (COCO+LVIS)"
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_: (model_name, True))
    with qtbot.waitSignal(dialog.changed):
        dialog.add(checkpoint(tmp_path, "mine.pth"))
    assert row_of(dialog, model_name)[1] == "ready"


def test_a_file_that_is_refused_is_told(dialog, qtbot, tmp_path) -> None:
    path = tmp_path / "sam_vit_b_01ec64.pth"
    path.write_bytes(b"nothing of use")
    dialog.add(path)
    qtbot.waitUntil(lambda: dialog.status.text().startswith("Not added"))
    assert "nothing in it was executed" in dialog.status.text()
    assert dialog.add_button.isEnabled()
    assert row_of(dialog, "SAM ViT-B")[1] == "needs file"


def test_the_dock_offers_what_is_ready_and_greys_the_rest(bench, blobs, monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    all_entries = {e.name: e for e in registry.entry_points(group=registry.GROUP)}
    entries = registry._entries()
    monkeypatch.setattr(registry, "_entries", lambda: all_entries | entries)
    b = bench(blobs, backend="toy")
    b.dock.images.update_models()
    model = b.dock.images.backend.native.model()
    states = {model.item(r).text(): model.item(r).isEnabled() for r in range(model.rowCount())}
    assert states["ClickNet"]
    assert not states["SAM ViT-B"]
    assert "CLIPSeg" not in states, "it answers words alone"
    assert b.dock.images.backend.value == "toy"
    b.click((5, 15, 15))
    b.dock.images.events.free.emit()
    b.wait()
    assert b.status == "Unloaded the model"
    b.click((5, 36, 45))
    assert b.snapshot.has_object


def test_opening_the_dock_imports_no_model_package():
    code = textwrap.dedent("""
        import sys
        import napari
        import numpy as np
        from napari_promptseg._napari.annotate_widget import AnnotateWidget
        from napari_promptseg._napari.widgets.models_dialog import ModelsDialog

        viewer = napari.Viewer(show=False)
        dock = AnnotateWidget(viewer)
        ModelsDialog(dock)
        packages = ("segment_anything", "sam2", "transformers", "nnInteractive", "timm", "torch")
        print([name for name in packages if name in sys.modules])
        dock.shutdown()
        viewer.close()
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout + done.stderr

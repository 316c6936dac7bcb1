"""A folder of several DICOM series in a viewer."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from dicom_files import write_series
from napari_promptseg._napari import reader
from napari_promptseg._napari.widgets.series_dialog import SeriesDialog, choose_series
from napari_promptseg.io.dicom import Series

SERIES = [
    Series("1.1", "CT", "scout-like", 2, (64, 64)),
    Series("1.2", "CT", "portal venous", 90, (512, 512)),
    Series("1.3", "CT", "arterial", 80, (512, 512)),
]


def test_the_longest_series_is_ticked_and_more_can_be(qtbot) -> None:
    dialog = SeriesDialog(SERIES)
    qtbot.addWidget(dialog)
    assert dialog.chosen == SERIES[1:2]
    dialog.list.item(2).setCheckState(Qt.CheckState.Checked)
    assert dialog.chosen == SERIES[1:]
    assert "90 files of 512 x 512" in dialog.list.item(1).text()


def test_nothing_chosen_opens_nothing(qtbot, monkeypatch) -> None:
    monkeypatch.setattr(SeriesDialog, "exec", lambda self: 0)
    with pytest.raises(ValueError, match="no series was chosen"):
        choose_series(SERIES)


def test_each_chosen_series_is_a_layer(tmp_path, monkeypatch, qtbot) -> None:
    values = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    for name in "abc":
        write_series(tmp_path / name, values, SeriesDescription=name)
    monkeypatch.setattr(reader, "choose_series", lambda series: series[1:])
    layers = reader.read_layers(str(tmp_path))
    assert len(layers) == 2
    for data, attributes, kind in layers:
        np.testing.assert_array_equal(data, values)
        assert attributes["scale"] == pytest.approx((2.5, 0.7, 0.6))
        assert kind == "image"

"""Image section: image, axes, intensity window, model and device."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from magicgui.widgets import ComboBox
from psygnal import Signal, SignalGroup
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_promptseg._napari.layers.overlay import is_overlay
from napari_promptseg._napari.widgets.channel_picker import ChannelPicker
from napari_promptseg._napari.widgets.sections import push_button, side_by_side
from napari_promptseg.data.intensity_window import CT_WINDOWS, Window
from napari_promptseg.models.catalog import list_offers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Image
    from napari.viewer import Viewer

AUTO: Final = "automatic"
AS_SHOWN: Final = "as displayed"
DEFAULT_BACKEND: Final = "clicknet"


class ImageEvents(SignalGroup):
    """Choices of the user in the image section."""

    image = Signal(object)
    axes = Signal(str)
    window = Signal(object)
    model = Signal(str, str)
    free = Signal()
    models = Signal()
    """Files of models were added or deleted."""


class ImageSection:
    """Choices of image, axes, intensity window, model and device.

    Parameters
    ----------
    viewer : Viewer
        Whose images can be chosen.
    """

    def __init__(self, viewer: Viewer) -> None:
        from napari.layers import Image

        self.events = ImageEvents()
        self._viewer = viewer
        self._quiet = 0

        def images(_: Any) -> list[Image]:
            layers = [layer for layer in list(viewer.layers) if isinstance(layer, Image)]
            return [layer for layer in layers if not is_overlay(layer)]

        self.image = ComboBox(label="Image", choices=images, nullable=False)
        # Callables, since magicgui asks for the choices again when the dock is moved.
        self._axes: tuple[str, ...] = ()
        self._devices: tuple[str, ...] = ()
        self._model_choices: list[tuple[str, str]] = []
        self.axes = ComboBox(
            label="Axes", choices=lambda _: self._axes, tooltip="What the axes of it are"
        )
        self.window = ComboBox(
            label="Window",
            choices=[AUTO, AS_SHOWN, *CT_WINDOWS],
            tooltip="Range of intensities that the model sees",
        )
        self.backend = ComboBox(label="Model", choices=lambda _: self._model_choices)
        self.models_button = push_button("…", "All models, and files to add", self._open_models)
        self.models_button.setFixedWidth(28)
        self.device = ComboBox(
            label="Device",
            choices=lambda _: ("auto", *self._devices),
            tooltip="More appear once a model is loaded",
        )
        self.widget, self.settings = QWidget(), QWidget()
        self.views_button = push_button(
            "⊞", "Orthogonal views of a volume", action="orthogonal_views"
        )
        self.views_button.setFixedWidth(28)
        first = side_by_side(QLabel(self.image.label), self.image.native, self.views_button)
        first.setStretch(1, 1)
        self.channels = ChannelPicker()
        self.channels.setVisible(False)
        rows = QVBoxLayout(self.widget)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4)
        rows.addLayout(first)
        rows.addWidget(self.channels)
        self._tame(self.image)
        grid = QGridLayout(self.settings)
        grid.setContentsMargins(4, 4, 4, 2)
        grid.setSpacing(4)
        for row, pair in enumerate(((self.window,), (self.backend,), (self.axes, self.device))):
            for column, box in enumerate(pair):
                grid.addWidget(QLabel(box.label), row, 2 * column)
                wide = 1 if len(pair) > 1 else 3
                if box is self.backend:
                    beside = side_by_side(box.native, self.models_button)
                    grid.addLayout(beside, row, 2 * column + 1, 1, wide)
                else:
                    grid.addWidget(box.native, row, 2 * column + 1, 1, wide)
                self._tame(box)
        self.server_line = QLabel()
        self.server_line.setWordWrap(True)
        grid.addWidget(self.server_line, 3, 0, 1, 4)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.update_models()
        names = [name for _, name in self._model_choices]
        self.backend.value = DEFAULT_BACKEND if DEFAULT_BACKEND in names else names[0]
        self.image.changed.connect(self._image_changed)
        self.axes.changed.connect(self._axes_changed)
        self.window.changed.connect(self._window_changed)
        self.backend.changed.connect(self._model_changed)
        self.device.changed.connect(self._model_changed)
        for name in ("inserted", "removed", "renamed", "reordered"):
            getattr(viewer.layers.events, name).connect(self.update_images)

    @staticmethod
    def _tame(box: ComboBox) -> None:
        """Let long names of layers not widen the dock, and clicks leave the keys to the viewer."""
        box.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.native.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def release(self) -> None:
        """Follow the layers no more."""
        for name in ("inserted", "removed", "renamed", "reordered"):
            getattr(self._viewer.layers.events, name).disconnect(self.update_images)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """While the choices are set and not chosen."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    @property
    def model(self) -> tuple[str, str]:
        """Names of the backend and the device that are chosen."""
        return self.backend.value, self.device.value

    def update_models(self) -> None:
        """Offer the models that answer prompts on an image, grey where something is missing."""
        offers = [o for o in list_offers().values() if o.model.prompts != ("text",)]
        offers.sort(key=lambda offer: offer.state != "ready")
        with self._silence():
            self._model_choices = [(offer.model.title, offer.model.name) for offer in offers]
            self.backend.reset_choices()
        items: Any = self.backend.native.model()
        for row, offer in enumerate(offers):
            items.item(row).setEnabled(offer.state == "ready")
            items.item(row).setToolTip(offer.model.remedy)

    def _open_models(self) -> None:
        from napari_promptseg._napari.widgets.models_dialog import ModelsDialog

        dialog = ModelsDialog(self.widget)
        dialog.changed.connect(self.update_models)
        dialog.changed.connect(self.events.models.emit)
        dialog.freed.connect(self.events.free.emit)
        dialog.exec()

    def update_images(self, _: Any = None) -> None:
        """Follow the list of layers."""
        before = self.image.value
        with self._silence():
            self.image.reset_choices()
        if self.image.value != before:
            self._image_changed(self.image.value)

    def choose(self, image: Image) -> None:
        """Choose an image, as the user would."""
        if self.image.value == image:
            self._image_changed(image)
        else:
            self.image.value = image

    def show_image(self, image: Image) -> None:
        """Show which image is in use."""
        with self._silence():
            if image in self.image.choices:
                self.image.value = image

    def show_axes(self, choices: Sequence[str], axes: str) -> None:
        """Offer these axes, with one of them chosen."""
        with self._silence():
            self._axes = tuple(choices)
            self.axes.reset_choices()
            self.axes.value = axes
        self.axes.enabled = len(choices) > 1

    def show_window(self, window: Window | str | None) -> None:
        """Show the window that the reader of the image found."""
        with self._silence():
            self.window.value = window if isinstance(window, str) else AUTO

    def show_model(self, backend: str) -> None:
        """Show which model is in use."""
        with self._silence():
            if backend in self.backend.choices:
                self.backend.value = backend

    def show_server(self, server: str | None) -> None:
        """Show that the session is on a server, whose model and view of the image it has."""
        text = f"The session is on {server}, with the model there." if server else ""
        self.server_line.setText(text)
        self.server_line.setVisible(bool(server))
        for box in (self.window, self.backend, self.device):
            box.enabled = not server
        self.axes.enabled = not server and len(self._axes) > 1
        self.channels.setEnabled(not server)

    def show_devices(self, devices: Sequence[str]) -> None:
        """Offer the devices that are there."""
        with self._silence():
            self._devices = tuple(devices)
            self.device.reset_choices()

    @property
    def as_shown(self) -> bool:
        """True if the window follows the contrast limits of the image."""
        return bool(self.window.value == AS_SHOWN and self.window.enabled)

    def chosen_window(self, image: Image) -> Window | str | None:
        """Return the window that is chosen, for an image."""
        if self.window.value == AUTO:
            reader_window = image.metadata.get("promptseg", {}).get("window")
            return reader_window if isinstance(reader_window, Window) else None
        if self.window.value == AS_SHOWN:
            low, high = (float(limit) for limit in image.contrast_limits)
            return Window(low, high) if high > low else None
        return str(self.window.value)

    def _image_changed(self, image: Image | None) -> None:
        if not self._quiet:
            self.events.image.emit(image)

    def _axes_changed(self, axes: str) -> None:
        if not self._quiet:
            self.events.axes.emit(axes)

    def _window_changed(self, _: str) -> None:
        if not self._quiet and self.image.value is not None:
            self.events.window.emit(self.chosen_window(self.image.value))

    def _model_changed(self, _: str) -> None:
        if not self._quiet:
            self.events.model.emit(self.backend.value, self.device.value)

"""Presenter of the prompt tools: tool, polarity, text, alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.layers.factory import TOOLS
from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg.data.prompts import TextPrompt
from napari_promptseg.models.text_models import words_remedy

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.sections import PromptSection
    from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities
    from napari_promptseg._napari.worker.snapshot import Snapshot


class PromptPresenter:
    """Turns the prompt section into tools of layers and prompts of the session.

    Parameters
    ----------
    section : PromptSection
        The buttons and the text field.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(self, section: PromptSection, show_status: Callable[[str], None]) -> None:
        self._section, self._show_status = section, show_status
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        self._understands_text = False
        section.tool.connect(self.use)
        section.polarity.connect(self.set_polarity)
        section.word.connect(self._segment_text)
        section.other.connect(self.choose_answer)
        section.collect.connect(self._collect)
        section.answer.connect(self.answer)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        self._section.setEnabled(layer_sync is not None)
        if layer_sync is None:
            return
        self._connections.connect(layer_sync.events.tool, self._section.show_tool)
        self._connections.connect(
            layer_sync.controller.events.capabilities, self._show_capabilities
        )
        self._connections.connect(layer_sync.controller.events.snapshot, self._show_state)
        self._show_state(layer_sync.controller.snapshot)
        layer_sync.set_polarity(self._section.positive)
        if self._section.collect_button.isChecked():
            self._collect(True)
        layer_sync.use("click")

    def use(self, tool: str) -> None:
        """Activate a tool by name."""
        if self._layer_sync is None:
            self._show_status(NO_IMAGE)
        else:
            self._layer_sync.use(tool)

    def next_tool(self) -> None:
        """Activate the tool after the present one."""
        tools = list(TOOLS)
        self.use(tools[(tools.index(self._section.tool_in_use) + 1) % len(tools)])

    def set_polarity(self, positive: bool) -> None:
        """Make the next prompts positive or negative."""
        self._section.show_polarity(positive)
        if self._layer_sync is not None:
            self._layer_sync.set_polarity(positive)

    def toggle_polarity(self) -> None:
        """Change from positive to negative prompts, or back."""
        self.set_polarity(not self._section.positive)

    def choose_answer(self) -> None:
        """Take another answer to an ambiguous prompt."""
        if self._layer_sync is None:
            self._show_status(NO_IMAGE)
        else:
            self._layer_sync.controller.prompts.choose_answer()

    def toggle_collecting(self) -> None:
        """Collect prompts, or answer each again."""
        self._section.collect_button.click()

    def _collect(self, on: bool) -> None:
        if self._layer_sync is not None:
            self._layer_sync.controller.prompts.collect(on)

    def answer(self) -> None:
        """Answer all collected prompts."""
        if self._layer_sync is None:
            self._show_status(NO_IMAGE)
        elif not self._layer_sync.controller.prompts.collected:
            self._show_status("No prompt waits; Collect lets them wait")
        else:
            self._layer_sync.controller.prompts.answer()

    def _segment_text(self, text: str) -> None:
        if self._layer_sync is None:
            return
        plane = self._layer_sync.view.plane()
        if plane is None:
            self._show_status("Words are looked for on one plane: go back to 2D first")
            return
        self._layer_sync.ensure_layers()
        self._layer_sync.controller.prompts.add_text(TextPrompt(text, plane.index))

    def _show_capabilities(self, capabilities: ModelCapabilities) -> None:
        self._section.show_capabilities(capabilities.choices)
        self._understands_text = capabilities.understands_text
        self.show_text_remedy()

    def _show_state(self, state: Snapshot) -> None:
        self._section.other_button.setEnabled(bool(state.prompts))
        if self._layer_sync is not None:
            self._section.show_collected(len(self._layer_sync.controller.prompts.collected))

    def show_text_remedy(self) -> None:
        """Show whether text is understood, or what to install for it."""
        self._section.show_reading("" if self._understands_text else words_remedy())

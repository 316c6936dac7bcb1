"""Widget for notebooks: clicks, boxes and planes of a session in the browser. Needs anywidget."""

from napari_promptseg.notebook.clicker import Clicker

__all__ = ["Clicker"]

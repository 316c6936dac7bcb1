"""RITM: published click networks on HRNet; see `napari_promptseg.models.backends.ritm`."""

from napari_promptseg.models.backends.ritm import RitmBackend, load_ritm

__all__ = ["RitmBackend", "load_ritm"]

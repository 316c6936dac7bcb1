"""``python -m napari_promptseg.cli``."""

from napari_promptseg.cli import app

app()

"""The napari front end: the only floor that knows Qt and napari."""

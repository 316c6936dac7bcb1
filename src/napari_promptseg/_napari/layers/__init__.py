"""napari layers of a session: prompts, overlays, results, coordinate transforms."""

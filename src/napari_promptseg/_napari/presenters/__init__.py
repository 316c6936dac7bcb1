"""Presenters: they connect widgets, layers and the session worker."""

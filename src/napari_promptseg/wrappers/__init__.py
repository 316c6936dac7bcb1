"""Wrappers around a backend, each a backend itself: zoom-in, f-BRS, tiling, caching."""

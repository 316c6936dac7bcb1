"""Wrappers that make any backend better; each is a backend itself."""

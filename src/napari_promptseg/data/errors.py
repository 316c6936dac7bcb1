"""Exceptions of the package; each is a built-in exception as well.

Code that catches `ValueError` or `MemoryError` catches these too; code that wants to tell a
damaged file from a wrong argument can.
"""

from __future__ import annotations


class PromptSegError(Exception):
    """Base of the exceptions that the package defines."""


class InvalidPromptError(PromptSegError, ValueError):
    """A prompt does not fit the image, or the backend does not understand it."""


class CorruptFileError(PromptSegError, ValueError):
    """A file of the package is damaged, or holds what no session could have written."""


class OutOfMemoryError(PromptSegError, MemoryError):
    """A model needs more memory than there is, on the CPU as well."""


class UnavailableError(PromptSegError, ValueError):
    """A session on a server does not offer this; the message says what it does not do."""

"""Check for optional packages, with messages that name the extra to install."""

from __future__ import annotations

from importlib.util import find_spec


class MissingPackageError(ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


def is_installed(module: str) -> bool:
    """Return whether a module can be found, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # blocked, or half imported
        return False


def require(*modules: str, extra: str, purpose: str) -> None:
    """Raise an error unless all modules can be found.

    Parameters
    ----------
    *modules : str
        Names of modules.
    extra : str
        Extra of this distribution that installs them.
    purpose : str
        What needs them, as the beginning of a sentence.

    Raises
    ------
    MissingPackageError
        If one is missing.
    """
    for module in modules:
        if not is_installed(module):
            raise MissingPackageError(
                f"{purpose} needs the package {module!r}, which is not installed; "
                f"install it with: pip install 'napari-promptseg[{extra}]'"
            )

"""Environment settings for native libraries, applied before torch is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final, cast

_MAPS: Final = Path("/proc/self/maps")
_DRIVERS: Final = ("libLLVM", "libgallium", "_dri.so")


def prepare_for_torch() -> None:
    """Call this on the worker before any work that may load a model."""
    if "torch" not in sys.modules:
        # Threads of torch that wait by spinning starve the GUI, and each other where other
        # programs are busy: a click then takes seconds.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    hide_triton()


def hide_triton() -> None:
    """Make triton impossible to import if Mesa's OpenGL drivers are loaded.

    Both bring LLVM with them; triton, which parts of torch import if it is there, then ends
    the process with a segmentation fault. Without it, torch goes on without its compiler,
    which nothing here uses. On a machine without Mesa, and where triton was imported before
    the first window, nothing is done.
    """
    if "triton" in sys.modules or not _MAPS.exists():
        return
    if any(name in _MAPS.read_text(encoding="utf-8", errors="replace") for name in _DRIVERS):
        # Python raises ImportError for a module that is None.
        cast("dict[str, Any]", sys.modules)["triton"] = None

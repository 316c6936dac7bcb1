"""Removal of layers from a viewer, without a garbage collection for each of them."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari.layers import Layer
    from napari.viewer import Viewer


def remove_layers(viewer: Viewer, layers: Iterable[Layer]) -> None:
    """Remove those of some layers that are in a viewer.

    napari 0.9 collects all garbage of the process after each removal, some 150 ms, since drivers of
    Windows fail when it goes later. There, it does so once for all layers; elsewhere the
    interpreter collects it when it is due.
    """
    present = [layer for layer in layers if layer in viewer.layers]
    if not present:
        return
    batch = getattr(viewer.layers, "batched_update", nullcontext)
    with nullcontext() if sys.platform == "win32" else _no_collection(), batch():
        for layer in present:
            if layer in viewer.layers:  # napari may remove further layers itself
                viewer.layers.remove(layer)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let `gc.collect` pass over what exists now, for as long as the context lasts."""
    if gc.get_freeze_count():  # of somebody else, who may rely on it
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

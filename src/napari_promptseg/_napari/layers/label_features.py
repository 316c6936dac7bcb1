"""Features of the labels layer: one row an object, for tables and for other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_promptseg._napari.worker.object_sizes import ObjectSizes
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.state import StoredObject


def object_features(
    objects: Sequence[StoredObject], sizes: Mapping[int, ObjectSizes], volume: Volume
) -> dict[str, list[Any]]:
    """Return the table of committed objects, as the features of a labels layer.

    Parameters
    ----------
    objects : sequence of StoredObject
        Committed objects.
    sizes : mapping of int to ObjectSizes
        By label; an object that was not measured yet has no numbers.
    volume : Volume
        The image.

    Returns
    -------
    dict of str to list
        Columns: ``index`` (the id; napari shows the row of the object under the mouse),
        ``name``, ``class``, ``pixels``, ``area`` or ``volume`` in units of the image, and mean,
        smallest and largest intensity.
    """
    size = "volume" if "z" in volume.names else "area"
    rows = [(item, sizes.get(item.label)) for item in objects]
    measured = [one for _, one in rows]
    columns: dict[str, list[Any]] = {
        "index": [item.label for item, _ in rows],
        "name": [item.name for item, _ in rows],
        "class": [item.class_name for item, _ in rows],
        "pixels": [None if one is None else one.pixels for one in measured],
        size: [None if one is None else one.size for one in measured],
    }
    for place, name in enumerate(("mean", "min", "max")):
        columns[f"intensity_{name}"] = [
            None if one is None else one.intensity[place] for one in measured
        ]
    return columns

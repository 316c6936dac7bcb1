"""Files of microscopes (CZI, LIF, ND2, SVS) by way of bioio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.lazy_array import arrange
from napari_promptseg.data.volume import SPACING
from napari_promptseg.io.metadata import Content, axis_sizes, missing_sizes

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES: Final = (".czi", ".lif", ".nd2", ".svs")
_LETTERS: Final = {"T": "t", "C": "c", "Z": "z", "Y": "y", "X": "x", "S": "c"}


def read(path: Path, series: str | None = None) -> Content:
    """Open a scene lazily; sizes are in micrometres.

    Parameters
    ----------
    path : Path
        The file.
    series : str, optional
        Name or number of a scene; the first one when not given.

    Raises
    ------
    ImportError
        If bioio or its reader for such files is not installed.
    ValueError
        If there is no such scene.
    """
    try:
        import bioio
    except ImportError as error:
        raise ImportError(
            f"cannot read {path}: {path.suffix} needs bioio and its reader; "
            f"pip install 'napari-promptseg[bioio]' bioio-{path.suffix[1:]}"
        ) from error
    image: Any = bioio.BioImage(path)
    scenes = [str(scene) for scene in image.scenes]
    notes: tuple[str, ...] = ()
    if series is not None:
        if series not in scenes and not (series.isdecimal() and int(series) < len(scenes)):
            raise ValueError(f"it holds no scene {series!r}; valid: {', '.join(scenes)}")
        image.set_scene(series if series in scenes else int(series))
    elif len(scenes) > 1:
        notes = (f"scene {scenes[0]} of {len(scenes)} is opened; choose with series=",)
    names = "".join(_LETTERS.get(letter, "?") for letter in image.dims.order)
    data = image.dask_data
    if names.count("c") == 2:
        # The channels of a color image are one axis of length 1.
        first = names.index("c")
        if data.shape[first] > 1:
            count = data.shape[first]
            notes += (f"channel 0 of {count} is opened, which has colors of its own",)
        index = tuple(0 if axis == first else slice(None) for axis in range(data.ndim))
        data, names = data[index], names[:first] + names[first + 1 :]
    data, axes = arrange(data, names)
    steps = image.physical_pixel_sizes
    sizes = {name: getattr(steps, name.upper()) for name in "zyx"}
    step_by_axis = {name: abs(float(size)) for name, size in sizes.items() if size}
    missing = missing_sizes(axes, step_by_axis)
    has_unit = any(np.isfinite(list(step_by_axis.values())))
    return Content(
        data,
        axes,
        axis_sizes(axes, step_by_axis) if axes else None,
        "µm" if has_unit else "pixel",
        facts=frozenset({SPACING} if has_unit and not missing else ()),
        notes=notes + missing,
    )

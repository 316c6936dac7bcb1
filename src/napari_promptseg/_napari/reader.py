"""npe2 reader: files as image layers with axes, spacing and intensity window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.layers.axes import reordered
from napari_promptseg._napari.widgets.series_dialog import choose_series
from napari_promptseg.data.intensity_window import CT_WINDOWS
from napari_promptseg.data.volume import is_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.data.intensity_window import Window
    from napari_promptseg.data.volume import Volume

LayerData = tuple[Any, dict[str, Any], str]
Paths = str | list[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return a reader for a path, or for several; None if one of them is no volume."""
    from napari_promptseg.io.formats import READ_SUFFIXES

    paths = [path] if isinstance(path, str) else path
    supported = all(
        p.lower().rstrip("/").endswith(".zarr" if is_url(p) else READ_SUFFIXES) or Path(p).is_dir()
        for p in paths
    )
    return read_layers if supported else None


def read_layers(path: Paths) -> list[LayerData]:
    """Read files or folders, each as one image layer.

    A notification says what was guessed or not taken, see `Volume.notes`.

    Raises
    ------
    ValueError
        If a file is damaged, or no volume.
    """
    from napari.utils.notifications import show_info

    paths = [path] if isinstance(path, str) else path
    volumes = [volume for p in paths for volume in _volumes(p)]
    for volume in volumes:
        if volume.notes:
            name = Path(volume.source).name if volume.source else "The image"
            show_info("\n".join([f"{name}:", *volume.notes]))
    return [image_layer(volume) for volume in volumes]


def _volumes(path: str) -> list[Volume]:
    """Open a path; of a folder with several DICOM series, those that the user chooses."""
    from napari_promptseg.io.dicom import list_series
    from napari_promptseg.io.read import is_dicom_folder, open_volume

    if is_url(path) or not is_dicom_folder(path):
        return [open_volume(path)]
    series = list_series(Path(path))
    if len(series) < 2:
        return [open_volume(path)]
    selected = choose_series(series)
    return [open_volume(path, series=one.uid) for one in series if one in selected]


def image_layer(volume: Volume, name: str | None = None) -> LayerData:
    """Return a volume as the data, attributes and type of an image layer.

    With smaller versions of itself it is a multiscale layer. Colors stay last; other channels
    come first, where napari makes a slider of them.

    Parameters
    ----------
    volume : Volume
        What is shown.
    name : str, optional
        Name of the layer; that of the file when not given.
    """
    attributes = placed(volume)
    versions, axes = [volume.data, *volume.levels], volume.axes
    rgb = "c" in axes and volume.data.shape[-1] in (3, 4)
    if "c" in axes and not rgb:
        last = len(axes) - 1
        versions = [reordered(data, [last, *range(last)]) for data in versions]
        axes = "c" + volume.names
        attributes["scale"] = (1.0, *attributes["scale"])
        attributes["units"] = ("pixel", *attributes["units"])
        attributes["axis_labels"] = tuple(axes)
    window = volume.intensity_window
    if not rgb:
        attributes["contrast_limits"] = (window.low, window.high)
    # A window that was given, or is that of a modality; else the dock finds one itself.
    named_window = _window_name(window) or (window if volume.window is not None else None)
    info = {
        "axes": axes,
        "window": named_window,
        "affine": volume.affine,
        "units": volume.units,
        "channels": volume.channels,
        "source": volume.source,
        "provenance": volume.provenance,
        "notes": volume.notes,
    }
    name = name or (Path(volume.source).name if volume.source else "image")
    attributes |= {"name": name, "rgb": rgb, "metadata": {"promptseg": info}}
    if volume.levels:
        return versions, {**attributes, "multiscale": True}, "image"
    return versions[0], attributes, "image"


def _window_name(window: Window) -> str | None:
    """Return the name of a CT window, None for others."""
    return next((name for name, preset in CT_WINDOWS.items() if preset == window), None)


def placed(volume: Volume) -> dict[str, Any]:
    """Return the attributes that put a layer with the axes of a volume where it lies."""
    names = volume.names
    return {
        "scale": tuple(volume.axis_spacing(i) for i in range(len(names))),
        "units": tuple("pixel" if name == "t" else volume.units for name in names),
        "axis_labels": tuple(names),
    }

"""A package of the BioImage Model Zoo as a function from a plane to its objects.

Only weights that cannot execute code are run: ONNX and TorchScript.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import ndimage

from napari_promptseg.data.requirements import is_installed, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Float32

_WEIGHTS: Final = {"onnx": ("onnxruntime", "bioimage"), "torchscript": ("torch", "torch")}
"""Weight formats that are run, with the package and the extra that each needs."""
_RIMS: Final = ("boundary", "boundaries", "border", "rim", "edge", "contour", "membrane")
_INSIDES: Final = ("foreground", "object", "core", "interior", "mask", "nucleus", "nuclei", "cell")
_TOLERANCE: Final = 1e-3


class ZooModel:
    """A model of one 2D image and no other required input.

    Parameters
    ----------
    file : Path
        A package.

    Raises
    ------
    ImportError
        If `bioimageio.core`, or the package that runs its weights, is not installed.
    ValueError
        If the file is no package, or its inputs, outputs or weights do not fit.
    """

    def __init__(self, file: Path) -> None:
        require("bioimageio.core", extra="bioimage", purpose="A model of bioimage.io")
        from bioimageio.core import create_prediction_pipeline

        description = _load(file)
        self._file = file
        inputs = [tensor for tensor in description.inputs if not tensor.optional]
        if len(inputs) != 1:
            names = [str(tensor.id) for tensor in inputs]
            raise ValueError(f"{str(file)!r} needs {len(inputs)} inputs, {names}; valid: one image")
        self._input, self._output = inputs[0], description.outputs[0]
        self._sizes = _sizes(self._input, file)
        _check_axes(self._output, file)
        self._channels = _channels(self._input)
        self.name = str(description.name)
        self.licence = str(description.license or "not stated")
        weights = [name for name in _WEIGHTS if getattr(description.weights, name) is not None]
        if not weights:
            raise ValueError(
                f"{str(file)!r} has no weights that are run here; valid: {list(_WEIGHTS)}"
            )
        usable = [name for name in weights if is_installed(_WEIGHTS[name][0])]
        package, extra = _WEIGHTS[weights[0]]
        if not usable:
            require(package, extra=extra, purpose=self.name)
        kind: Any = usable[0]
        self._pipeline: Any = create_prediction_pipeline(description, weight_format=kind)

    def labels(self, image: PlaneImage) -> NDArray[np.int32]:
        """Return the (H, W) numbers of the objects of a plane.

        Raises
        ------
        ValueError
            If the plane does not fit the input, or the output is no probability and no labels.
        """
        from bioimageio.core import Sample, Tensor

        pixels = self._pixels(image)
        padding = [
            (n // 2, n - n // 2)
            for n in (
                _lacking(size, length, self._file)
                for size, length in zip(self._sizes, image.shape, strict=True)
            )
        ]
        padded = np.pad(pixels, [(0, 0), *padding], mode="symmetric")
        sample = Sample(
            members={self._input.id: Tensor(*_with_axes(padded, self._input))}, stat={}, id="plane"
        )
        answer = self._pipeline.predict_sample_without_blocking(sample)
        values = _planes(answer.members[self._output.id])
        (top, _), (left, _) = padding
        if values.shape[1:] != padded.shape[1:]:
            raise ValueError(
                f"{self.name} answers {values.shape[1:]} pixels for {padded.shape[1:]}; valid: as "
                "many as the image has"
            )
        rows, columns = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
        return objects_of(values[:, rows, columns], _channel_names(self._output), self.name)

    def close(self) -> None:
        """Free the network."""
        self._pipeline.unload()

    def _pixels(self, image: PlaneImage) -> Float32:
        """Return the (C, H, W) raw values of a plane in the channels of the input."""
        values = image.values if image.values.ndim == 3 else image.values[..., None]
        pixels = np.moveaxis(np.asarray(values, np.float32), -1, 0)
        count = self._channels
        if len(pixels) == count:
            return pixels
        if len(pixels) == 1:
            return np.repeat(pixels, count, 0)
        if count == 1:
            return np.asarray(pixels.mean(0, keepdims=True), np.float32)
        raise ValueError(
            f"{self.name} needs {count} channels, and the image has {len(pixels)}; select them"
        )


def objects_of(values: NDArray[Any], channels: Sequence[str], what: str) -> NDArray[np.int32]:
    """Return the objects that the output of a model shows.

    Integers are labels. Of probabilities, an object is a connected region of more than 0.5; where
    there is a channel of rims, the objects are cut there and grow back into them.

    Parameters
    ----------
    values : (C, H, W) array
        Output.
    channels : sequence of str
        Names of the channels.
    what : str
        Name of the model, for messages.

    Returns
    -------
    (H, W) int32 array
        Numbers of objects, 0 where there is none.

    Raises
    ------
    ValueError
        If the channels have no meaning that is known, or values are no probabilities.
    """
    if values.dtype.kind in "iu" and len(values) == 1:
        return _numbered(values[0])
    low, high = float(values.min()), float(values.max())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise ValueError(
            f"{what} answers values from {low:.3g} to {high:.3g}; valid: labels, probabilities"
        )
    if len(values) == 1:
        return _components(values[0] > 0.5)
    names = [name.lower() for name in channels]
    rim = next((i for i, name in enumerate(names) if name in _RIMS), None)
    inside = next((i for i, name in enumerate(names) if name in _INSIDES), None)
    if inside is None:
        raise ValueError(
            f"{what} answers the channels {list(channels)}; valid: one, or one of {list(_INSIDES)}"
            f" with one of {list(_RIMS)}"
        )
    if rim is None:
        return _components(values[inside] > 0.5)
    # A "core" excludes the rim; a "foreground" contains it.
    whole = values[inside] + values[rim] if names[inside] == "core" else values[inside]
    seeds = _components((values[inside] > 0.5) & (values[inside] > values[rim]))
    return _grown(seeds, np.maximum(whole, values[inside]) > 0.5)


def _components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    labels, _ = ndimage.label(mask)
    return np.asarray(labels, np.int32)


def _grown(seeds: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Grow labels into the rest of a mask, each pixel to the nearest seed of its component."""
    from skimage.segmentation import watershed

    distance = ndimage.distance_transform_edt(seeds == 0)
    return np.asarray(watershed(distance, seeds, mask=mask | (seeds > 0)), np.int32)


def _numbered(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return labels as int32; those of 64 bits may not fit and are numbered anew."""
    if labels.max(initial=0) > np.iinfo(np.int32).max or labels.min(initial=0) < 0:
        _, inverse = np.unique(labels, return_inverse=True)
        return np.asarray(inverse.reshape(labels.shape), np.int32)
    return labels.astype(np.int32)


def _load(file: Path) -> Any:
    """Return the description of a package in the newest format.

    Raises
    ------
    ValueError
        If it is no model, or damaged.
    """
    from bioimageio.spec import InvalidDescr, ValidationContext, load_description
    from bioimageio.spec.model.v0_5 import ModelDescr

    from napari_promptseg.models.bioimageio.package import quiet

    with quiet(), ValidationContext(perform_io_checks=False):
        try:
            description = load_description(file, format_version="latest")
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{str(file)!r} is no package of bioimage.io: {error}") from error
    if isinstance(description, InvalidDescr) or not isinstance(description, ModelDescr):
        errors = "; ".join(
            str(e.msg) for d in description.validation_summary.details for e in d.errors
        )
        raise ValueError(f"{str(file)!r} is no model of bioimage.io: {errors or description.type}")
    return description


def _check_axes(tensor: Any, file: Path) -> None:
    axes = [str(axis.id) for axis in tensor.axes]
    if not {"y", "x"} <= set(axes) <= {"batch", "channel", "y", "x"}:
        raise ValueError(
            f"{str(file)!r}: tensor {str(tensor.id)!r} has the axes {axes}; valid: y and x, and "
            "perhaps batch and channel"
        )


def _sizes(tensor: Any, file: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the smallest length of rows and columns, and the step between lengths (0: none)."""
    _check_axes(tensor, file)
    by_name = {str(axis.id): axis.size for axis in tensor.axes if str(axis.id) in ("y", "x")}
    sizes = []
    for name in ("y", "x"):
        size = by_name[name]
        if hasattr(size, "axis_id"):  # as long as the other axis
            size = by_name[str(size.axis_id)]
        sizes.append((size, 0) if isinstance(size, int) else (size.min, size.step))
    return sizes[0], sizes[1]


def _lacking(size: tuple[int, int], length: int, file: Path) -> int:
    """Return by how many pixels a length is short of the next valid one."""
    least, step = size
    if length <= least:
        return least - length
    if not step:
        raise ValueError(
            f"{str(file)!r} takes images of {least} pixels along an axis, got {length}; crop it"
        )
    return -(length - least) % step


def _channels(tensor: Any) -> int:
    return len(_channel_names(tensor)) or 1


def _channel_names(tensor: Any) -> list[str]:
    return [
        str(name)
        for axis in tensor.axes
        if str(axis.id) == "channel"
        for name in axis.channel_names
    ]


def _with_axes(pixels: Float32, tensor: Any) -> tuple[Float32, list[Any]]:
    """Return (C, H, W) pixels in the axes of a tensor, and their identifiers."""
    identifiers = [axis.id for axis in tensor.axes]
    names = [str(name) for name in identifiers]
    array, axes = pixels[None], ["batch", "channel", "y", "x"]
    for name in ("channel", "batch"):
        if name not in names:
            array = np.take(array, 0, axes.index(name))
            axes.remove(name)
    return np.ascontiguousarray(array.transpose([axes.index(name) for name in names])), identifiers


def _planes(tensor: Any) -> NDArray[Any]:
    """Return the (C, H, W) values of an answer for one image."""
    names = [str(name) for name in tensor.dims]
    values = np.asarray(tensor.to_numpy())
    last = [names.index(name) for name in ("batch", "channel", "y", "x") if name in names]
    values = values.transpose(last)
    return values.reshape(-1, *values.shape[-2:])

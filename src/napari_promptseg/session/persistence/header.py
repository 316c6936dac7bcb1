"""Header of a session on disk: the image, the model and the format version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import FACTS, ArrayLike, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER: Final = "header.json"
"""Name of the part that holds the header."""
MAX_HEADER_BYTES: Final = 2**20
_FORMAT: Final = 1


class Header(BaseModel):
    """Image and model that a session was opened on.

    Parameters
    ----------
    format : int
        Version of this layout.
    backend, model : str
        Name of the backend, and its identity if it was loaded.
    axes, spacing, units, affine, window, channels, source, provenance
        See `Volume`. Without a provenance, as in files of earlier versions, all of the geometry
        counts as stated by the caller.
    shape, dtype
        Of the image, which must be the same when it is opened again.
    pixels : str, optional
        Hash of some of its pixels, by which it is recognised; see `Volume.fingerprint`.
    neighbors : bool
        `Session.neighbors` in the beginning; off in files of earlier versions, which had none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = _FORMAT
    backend: str
    model: str | None = None
    axes: str
    spacing: tuple[float, ...]
    units: str
    affine: list[list[float]]
    window: tuple[float, float] | None = None
    channels: tuple[int, ...] | None = None
    source: str | None = None
    provenance: dict[str, str] | None = None
    shape: tuple[Annotated[int, Field(ge=0, le=2**40)], ...]
    dtype: str
    pixels: str | None = None
    neighbors: bool = False

    @field_validator("dtype")
    @classmethod
    def _check_dtype(cls, dtype: str) -> str:
        try:
            kind = np.dtype(dtype).kind
        except TypeError as error:
            raise ValueError(f"no type {dtype!r}") from error
        if kind not in "buif":
            raise ValueError(f"type {dtype!r} holds no numbers")
        return dtype

    @field_validator("provenance")
    @classmethod
    def _check_provenance(cls, provenance: dict[str, str] | None) -> dict[str, str] | None:
        if unknown := set(provenance or ()) - set(FACTS):
            raise ValueError(f"unknown facts {sorted(unknown)}; valid: {list(FACTS)}")
        return provenance

    @classmethod
    def describe(
        cls,
        volume: Volume,
        backend: str,
        model: str | None,
        pixels: str | None = None,
        neighbors: bool = False,
    ) -> Header:
        """Make the header of a volume."""
        window = volume.window
        assert volume.affine is not None
        assert volume.spacing is not None
        return cls(
            backend=backend,
            model=model,
            axes=volume.axes,
            spacing=tuple(volume.spacing),
            units=volume.units,
            affine=volume.affine.tolist(),
            window=(window.low, window.high) if isinstance(window, Window) else None,
            channels=None if volume.channels is None else tuple(volume.channels),
            source=volume.source,
            provenance=None if volume.provenance is None else {**volume.provenance},
            shape=tuple(volume.data.shape),
            dtype=np.dtype(volume.data.dtype).str,
            pixels=pixels,
            neighbors=neighbors,
        )

    def volume(self, data: Any, levels: Sequence[ArrayLike] = ()) -> Volume:
        """Put the geometry back on an array.

        Raises
        ------
        ValueError
            If the array has another shape or type than the one of the session.
        """
        if tuple(data.shape) != self.shape or np.dtype(data.dtype) != np.dtype(self.dtype):
            raise ValueError(
                f"the session was made on an image of shape {self.shape} and type {self.dtype}, "
                f"got {tuple(data.shape)} and {np.dtype(data.dtype).str}"
            )
        return Volume(
            data,
            axes=self.axes,
            spacing=self.spacing,
            units=self.units,
            affine=np.array(self.affine),
            window=None if self.window is None else Window(*self.window),
            channels=self.channels,
            source=self.source,
            provenance=None if self.provenance is None else {**self.provenance},
            levels=levels,
        )

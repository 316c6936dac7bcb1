"""What comes out of a session: measurements, surfaces, tracks and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.measure.measure import Measurement, measure_object
from napari_promptseg.measure.surface import Surface, mask_surface
from napari_promptseg.measure.tracks import Tracks, track_points
from napari_promptseg.session import lineage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.state import Colour
    from napari_promptseg.session.store import Store


class Results:
    """The part of a `Session` that looks at objects that are done, and links them over time."""

    volume: Volume
    _store: Store

    if TYPE_CHECKING:

        def _settle(self) -> None: ...
        def _interrupt(self) -> None: ...

    # Size and shape

    def measure(self, label: int | None = None, t: int | None = None) -> Measurement:
        """Return how large an object is in units of the volume, and where it lies.

        Parameters
        ----------
        label : int, optional
            A committed object; the object in work when not given.
        t : int, optional
            Time point; needed if the object is in more than one.

        Raises
        ------
        ValueError
            If there is no such object, it is empty, or the time point is missing or wrong.
        """
        mask, box, (known, name) = self._object(label, t)
        return next(measure_object(mask, self.volume, box, known, name))

    def measurements(self) -> tuple[Measurement, ...]:
        """Return the sizes of all committed objects; in a series, of each time point."""
        self._settle()
        found: list[Measurement] = []
        for label, stored in sorted(self._store.objects.items()):
            mask = self._store.labels[box_slices(stored.box)] == label
            if mask.any():
                found += measure_object(mask, self.volume, stored.box, label, stored.name)
        return tuple(found)

    def surface(self, label: int | None = None, t: int | None = None, smooth: int = 0) -> Surface:
        """Return the surface of an object, closed, in units of the volume.

        Parameters
        ----------
        label, t : optional
            See `measure`.
        smooth : int
            Steps of smoothing; see `Surface.smoothed`.

        Raises
        ------
        ValueError
            As `measure`, and if the volume has no z.
        """
        if "z" not in self.volume.names:
            raise ValueError(f"surfaces need three axes, these are {self.volume.names!r}")
        mask, box, _ = self._object(label, t)
        solid = mask.reshape(mask.shape[-3:])
        spacing = [self.volume.axis_spacing(len(box) - 3 + axis) for axis in range(3)]
        return mask_surface(solid, spacing, [start for start, _ in box[-3:]]).smoothed(smooth)

    def _object(
        self, label: int | None, t: int | None
    ) -> tuple[NDArray[np.bool_], Bounds, tuple[int | None, str]]:
        """Return the mask of an object in a box, at one time point, and its label and name."""
        self._settle()
        store = self._store
        if label is None:
            extent, what = store.mask_extent(), "the object in work"
            if extent is None:
                raise ValueError("the object in work is empty")
            box, known = extent, (store.draft.label, store.draft.name)
            mask = store.mask[box_slices(box)]
        else:
            stored, what = store.object(label), f"object {label}"
            box, known = stored.box, (stored.label, stored.name)
            mask = store.labels[box_slices(box)] == stored.label
        if "t" not in self.volume.names:
            if t is not None:
                raise ValueError(f"time point {t!r} given, but axes are {self.volume.names!r}")
            return mask, box, known
        start = box[0][0]
        times = [i for i, frame in enumerate(mask, start=start) if frame.any()]
        time = times[0] if t is None and len(times) == 1 else t
        if time not in times:
            raise ValueError(f"time point {t!r}: {what} is in {times}; pass one of them")
        return mask[time - start : time - start + 1], ((time, time + 1), *box[1:]), known

    # Time

    def divide(
        self, parent: int, daughters: Sequence[int] = (), t: int | None = None
    ) -> tuple[int, ...]:
        """Say that an object becomes others, as a cell does that divides.

        Parameters
        ----------
        parent : int
            A committed object.
        daughters : sequence of int
            Committed objects that begin after it ends.
        t : int, optional
            Time point at which it divides. What the parent has from there on becomes one
            more daughter, with an id and the prompts of its own.

        Returns
        -------
        tuple of int
            The daughters; one that was made from the parent is the last.

        Raises
        ------
        ValueError
            If there is no such object or no time axis, a daughter begins too early or has
            another parent, nothing of the parent would be left, or there is no daughter.
        """
        self._interrupt()
        labels, change = lineage.divide(self._store, self.volume.names, parent, daughters, t)
        self._store.do(change)
        return labels

    def unlink(self, label: int) -> None:
        """Say that an object comes from no other.

        Raises
        ------
        ValueError
            If there is no such object, or it has no parent.
        """
        self._interrupt()
        self._store.do(lineage.unlink(self._store, label))

    def end_track(self, label: int, t: int) -> None:
        """Say that an object is gone after a time point: what it has there is deleted.

        Parameters
        ----------
        label : int
            A committed object.
        t : int
            The last time point in which it is.

        Raises
        ------
        ValueError
            If there is no such object or no time axis, the object ends before or begins
            after that time point.
        """
        self._interrupt()
        self._store.do(lineage.end_track(self._store, self.volume.names, label, t))

    def tracks(self) -> Tracks:
        """Return the committed objects of a series as tracks, ready for a layer of napari.

        Raises
        ------
        ValueError
            If there is no time axis.
        """
        self._settle()
        if "t" not in self.volume.names:
            raise ValueError(f"tracks need a time axis, these are {self.volume.names!r}")
        return track_points(self._store.labels, self._parents())

    # Files

    def export(
        self,
        path: str | Path,
        overwrite: bool = False,
        colours: Mapping[int, Colour] | None = None,
    ) -> None:
        """Write the committed objects; the format goes by the end of the name.

        Labels with the geometry of the image, surfaces (``.stl``, ``.obj``, ``.ply``), a
        table of sizes (``.csv``), or a folder of tracks (``_RES``); see `write_labels`.

        Parameters
        ----------
        path : str or Path
            Target, in a folder that exists.
        overwrite : bool
            Whether to replace what is there.
        colours : mapping of int to (int, int, int), optional
            Red, green and blue of objects that have no colour of their own, 0 to 255.

        Raises
        ------
        ValueError
            If no format has that suffix, or the objects do not fit it.
        FileExistsError
            If the file is there and `overwrite` is not set.
        """
        from napari_promptseg.io.write import write_labels

        self._settle()
        write_labels(
            Path(path),
            self._store.labels,
            self.volume,
            self._names(),
            colours={**(colours or {}), **self._colours()},
            parents=self._parents(),
            overwrite=overwrite,
        )

    def _names(self) -> dict[int, str]:
        return {label: stored.name for label, stored in self._store.objects.items() if stored.name}

    def _colours(self) -> dict[int, Colour]:
        stored = self._store.objects.items()
        return {label: found.colour for label, found in stored if found.colour is not None}

    def _parents(self) -> dict[int, int]:
        stored = self._store.objects.items()
        return {label: found.parent for label, found in stored if found.parent is not None}

"""From places on a screen to pixels of a frame that is shown there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Screen:
    """A frame in a window: as large as it fits, with bars beside it, perhaps zoomed.

    Parameters
    ----------
    window : (float, float)
        Width and height of the window.
    frame : (int, int)
        Width and height of the frame.
    zoom : float
        1 shows all of the frame; 2 shows half of it, twice as large.
    centre : (float, float), optional
        Column and row of the frame in the middle of the window; that of the frame when not
        given.

    Raises
    ------
    ValueError
        If a size or the zoom is not positive.
    """

    window: tuple[float, float]
    frame: tuple[int, int]
    zoom: float = 1.0
    centre: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if min(*self.window, *self.frame) <= 0 or self.zoom <= 0:
            raise ValueError(
                f"window {self.window}, frame {self.frame} and zoom {self.zoom} must be positive"
            )

    @property
    def scale(self) -> float:
        """Pixels of the screen that a pixel of the frame takes."""
        return self.zoom * min(w / f for w, f in zip(self.window, self.frame, strict=True))

    @property
    def _middle(self) -> tuple[float, float]:
        return self.centre or ((self.frame[0] - 1) / 2, (self.frame[1] - 1) / 2)

    def to_frame(self, x: float, y: float) -> tuple[float, float] | None:
        """Return column and row of the frame at a place of the window; None beside the frame."""
        place = [
            (at - size / 2) / self.scale + middle
            for at, size, middle in zip((x, y), self.window, self._middle, strict=True)
        ]
        inside = all(-0.5 <= p < n - 0.5 for p, n in zip(place, self.frame, strict=True))
        return (place[0], place[1]) if inside else None

    def to_window(self, column: float, row: float) -> tuple[float, float]:
        """Return the place of the window that shows a column and row of the frame."""
        x, y = (
            (at - middle) * self.scale + size / 2
            for at, size, middle in zip((column, row), self.window, self._middle, strict=True)
        )
        return x, y

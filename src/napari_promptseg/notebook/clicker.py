"""Clicker: a session as a picture in a notebook that answers clicks and boxes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.data.requirements import require

require("anywidget", extra="notebook", purpose="The clicker")

import anywidget  # noqa: E402
import traitlets  # noqa: E402

from napari_promptseg.data.geometry import Plane  # noqa: E402
from napari_promptseg.session.html import picture, png, shown_plane  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.session.session import Session

_SIDE: Final = 640
_ADVICE: Final = "Click on an object, Shift+click takes away, a drag draws a box around it"
_ACTIONS: Final = ("commit", "undo", "redo", "discard", "choose")


class Clicker(anywidget.AnyWidget):
    """A picture of one plane: a click adds to the object, Shift+click takes away, a drag is a box.

    The session is an ordinary one: what is clicked here is seen in Python, and the other way round
    after `refresh`.

    Parameters
    ----------
    session : Session
        The session.
    index : int or tuple of int, optional
        Plane that is shown first; that of the last prompt, or the middle one, when not given.

    Raises
    ------
    ImportError
        If anywidget is not installed; the message names the extra.
    """

    _esm = Path(__file__).parent / "clicker.js"
    image = traitlets.Unicode().tag(sync=True)
    """Picture as a data URL."""
    index = traitlets.List(traitlets.Int()).tag(sync=True)
    """Plane, without the axes that it extends along."""
    sizes = traitlets.List(traitlets.Int()).tag(sync=True)
    """Numbers of planes along the other axes."""
    status = traitlets.Unicode().tag(sync=True)
    """A sentence: what there is, or why the last step was not done."""

    def __init__(self, session: Session, index: int | tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.session = session
        first = [i for i in shown_plane(session).index if i is not None]
        if index is not None:
            first = [index] if isinstance(index, int) else list(index)
        self.sizes = [int(n) for n in session.volume.shape[:-2]]
        self.index = first
        self.on_msg(self._receive)
        self.observe(lambda _: self.refresh(), "index")
        self.refresh()

    def refresh(self, status: str = "") -> None:
        """Draw the session again.

        Parameters
        ----------
        status : str
            Sentence that is shown; what there is, if empty.
        """
        pixels = picture(self.session, self._plane, _SIDE)
        self.image = "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
        count = len(self.session.objects)
        area = int(self.session.mask.sum())
        active = f"Object in work: {area:,} pixels" if area else _ADVICE
        self.status = status or f"{active}. Committed: {count}"

    @property
    def _plane(self) -> Plane:
        if len(self.index) != len(self.sizes):
            raise ValueError(f"the index {self.index} needs {len(self.sizes)} numbers")
        for i, size in zip(self.index, self.sizes, strict=True):
            if not 0 <= i < size:
                raise ValueError(f"no plane {i}; valid: 0 to {size - 1}")
        return Plane((*self.index, None, None))

    def _receive(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Do what the browser asks; an error is shown there and leaves all as it was."""
        try:
            self._step(content)()
        except (ValueError, TypeError, KeyError, OSError, ImportError, RuntimeError) as error:
            self.refresh(f"Not done: {error}")
        else:
            self.refresh()

    def _step(self, content: dict[str, Any]) -> Callable[[], Any]:
        """Return the call that a message stands for."""
        session, positive = self.session, bool(content.get("positive", True))
        match content.get("do"):
            case "click":
                position = self._position(content["at"])
                return lambda: session.add_point(position, positive=positive)
            case "box":
                low, high = self._position(content["from"]), self._position(content["to"])
                return lambda: session.add_box(low, high, positive=positive)
            case str(action) if action in _ACTIONS:
                step: Callable[[], Any] = getattr(session, action)
                return step
            case unknown:
                valid = ["click", "box", *_ACTIONS]
                raise ValueError(f"unknown step {unknown!r}; valid: {valid}")

    def _position(self, fractions: Any) -> tuple[float, ...]:
        """Return a position in the volume from fractions of the height and width of the picture."""
        rows, columns = self.session.volume.shape[-2:]
        down, right = (float(value) for value in fractions)
        if not (0 <= down <= 1 and 0 <= right <= 1):
            raise ValueError(f"a place must lie in the picture, got {fractions!r}")
        row, column = (min(f * n, n - 1e-6) - 0.5 for f, n in ((down, rows), (right, columns)))
        return (*(float(i) for i in self.index), max(row, 0.0), max(column, 0.0))

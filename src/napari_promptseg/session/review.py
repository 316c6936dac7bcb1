"""Which plane the user should look at next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_promptseg.data.geometry import Plane


class Review:
    """Goes through planes from the least sure one on.

    A plane that was shown comes again only when its confidence has changed: then it was
    answered anew.
    """

    def __init__(self) -> None:
        self._seen: dict[Plane, float] = {}

    def next(self, confidences: Mapping[Plane, float]) -> Plane | None:
        """Return the least sure plane that was not shown yet; None after the last one.

        Parameters
        ----------
        confidences : mapping of Plane to float
            Of the planes that are not reviewed by what the user did.
        """
        left = {p: sure for p, sure in confidences.items() if self._seen.get(p) != sure}
        if not left:
            self.restart()
            return None
        plane = min(left, key=left.__getitem__)
        self._seen[plane] = left[plane]
        return plane

    def restart(self) -> None:
        """Begin with the least sure plane again."""
        self._seen.clear()

"""Protocol that a local session and a session on a server share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.events import SessionEvents
    from napari_promptseg.session.propagation_handle import PropagationHandle
    from napari_promptseg.session.session_state import PlaneIndex
    from napari_promptseg.session.state import StoredObject


@runtime_checkable
class SessionProtocol(Protocol):
    """Methods that a front end needs of a session; see `Session` for each."""

    @property
    def events(self) -> SessionEvents:
        """See `Session.events`."""

    @property
    def volume(self) -> Volume:
        """See `Session.volume`."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """See `Session.mask`."""

    @property
    def labels(self) -> NDArray[np.uint16]:
        """See `Session.labels`."""

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """See `Session.prompts`."""

    @property
    def objects(self) -> Mapping[int, StoredObject]:
        """See `Session.objects`."""

    @property
    def history(self) -> tuple[str, ...]:
        """See `Session.history`."""

    @property
    def can_undo(self) -> bool:
        """See `Session.can_undo`."""

    @property
    def can_redo(self) -> bool:
        """See `Session.can_redo`."""

    def add_point(
        self, position: Sequence[float], positive: bool = True, axis: str | None = None
    ) -> None:
        """See `Session.add_point`."""

    def add_box(
        self,
        low: Sequence[float],
        high: Sequence[float],
        positive: bool = True,
        axis: str | None = None,
    ) -> None:
        """See `Session.add_box`."""

    def add_scribble(
        self,
        path: Sequence[Sequence[float]],
        positive: bool = True,
        width: float = 3.0,
        axis: str | None = None,
    ) -> None:
        """See `Session.add_scribble`."""

    def add_lasso(
        self, path: Sequence[Sequence[float]], positive: bool = True, axis: str | None = None
    ) -> None:
        """See `Session.add_lasso`."""

    def add(self, prompt: Prompt) -> None:
        """See `Session.add`."""

    def add_prompts(self, prompts: Sequence[Prompt]) -> None:
        """See `Session.add_prompts`."""

    def remove_prompt(self, number: int) -> None:
        """See `Session.remove_prompt`."""

    def choose(self, number: int | None = None, index: PlaneIndex = None) -> int:
        """See `Session.choose`."""

    def propagate(
        self,
        start: int | None = None,
        stop: int | None = None,
        axis: str | None = None,
        near: int | Sequence[int] | None = None,
    ) -> PropagationHandle:
        """See `Session.propagate`."""

    def commit(
        self, name: str | None = None, overwrite: bool = False, class_name: str | None = None
    ) -> int:
        """See `Session.commit`."""

    def discard(self) -> None:
        """See `Session.discard`."""

    def undo(self) -> bool:
        """See `Session.undo`."""

    def redo(self) -> bool:
        """See `Session.redo`."""

    def reopen(self, label: int) -> None:
        """See `Session.reopen`."""

    def delete(self, label: int) -> None:
        """See `Session.delete`."""

    def rename(self, label: int, name: str) -> None:
        """See `Session.rename`."""

    def close(self) -> None:
        """See `Session.close`."""

"""Base of the calls of a client: a method of `Session` with checked arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg.remote.protocol import Message, Value

if TYPE_CHECKING:
    from napari_promptseg.session.session import Session


class MethodCall(Message):
    """Call of the method of `Session` that `do` names, with the other fields as arguments."""

    do: str

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the method by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "do"}

    def perform(self, session: Session) -> Value:
        """Do it; raises what the method raises."""
        value: Value = getattr(session, self.do)(**self.arguments())
        return value

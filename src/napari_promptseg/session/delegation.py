"""Methods of a session made from functions over its state, with signature and docstring."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.session.session_state import StateView

P = ParamSpec("P")
S = TypeVar("S", bound="StateView")
T = TypeVar("T")


def delegate(
    function: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[Any, P], T]:
    """Return a method that calls a function with the state of its session.

    Parameters
    ----------
    function : callable
        Takes the state first; its docstring is about the other parameters.
    """

    @wraps(function)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return function(self._state, *args, **kwargs)

    return method

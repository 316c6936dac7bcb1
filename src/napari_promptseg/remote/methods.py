"""Methods of a remote session: one that the server does, and one that it does not offer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, NoReturn, ParamSpec, TypeVar

import numpy as np
from pydantic import ValidationError

from napari_promptseg.data.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.remote.method_call import MethodCall
    from napari_promptseg.session.session_state import SessionState

_CALLBACKS: Final = {"progress", "report", "is_cancelled"}
P = ParamSpec("P")
T = TypeVar("T")


def remote(
    call: type[MethodCall], function: Callable[Concatenate[SessionState, P], T]
) -> Callable[Concatenate[Any, P], T]:
    """Return a method with the signature of a function of a session, done on the server.

    Functions that a session calls meanwhile, with its progress, are not called.
    """
    name, signature = function.__name__, inspect.signature(function)

    @wraps(function)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(None, *args, **kwargs)
        bound.apply_defaults()
        arguments = {
            n: _plain(v) for n, v in list(bound.arguments.items())[1:] if n not in _CALLBACKS
        }
        try:
            message = call(do=name, **arguments)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or name
            raise ValueError(f"{where} {first['input']!r}: {first['msg']}") from error
        value: T = self.call(message)
        return value

    return method


def _plain(value: Any) -> Any:
    """Return an argument without types of numpy."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return tuple(_plain(item) for item in value)
    return value


def unavailable(what: str) -> Callable[..., Any]:
    """Return a method that says what a session on a server does not offer."""

    def method(self: Any, /, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnavailableError(f"{what} in a session on a server ({self.server})")

    return method

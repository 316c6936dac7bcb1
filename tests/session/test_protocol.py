"""A local session and one on a server have the same methods with the same arguments."""

from __future__ import annotations

import inspect

import pytest

from napari_promptseg.session.protocol import SessionProtocol
from napari_promptseg.session.session import Session

NAMES = [name for name in vars(SessionProtocol) if not name.startswith("_")]
METHODS = [name for name in NAMES if inspect.isfunction(getattr(SessionProtocol, name))]


def arguments(kind: type, name: str) -> list[tuple[str, object, object]]:
    """Name, kind and default of each argument but the first, of which the name differs."""
    signature = inspect.signature(getattr(kind, name))
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()][1:]


@pytest.mark.parametrize("name", METHODS)
def test_both_take_the_same_arguments(name: str) -> None:
    pytest.importorskip("websockets")
    from napari_promptseg.remote.remote_session import RemoteSession

    expected = arguments(SessionProtocol, name)
    assert arguments(Session, name) == expected
    assert arguments(RemoteSession, name) == expected


@pytest.mark.parametrize("name", sorted({*NAMES} - {*METHODS} - {"events", "volume"}))
def test_both_have_the_same_state(name: str) -> None:
    pytest.importorskip("websockets")
    from napari_promptseg.remote.remote_session import RemoteSession

    assert isinstance(getattr(Session, name), property)
    assert isinstance(getattr(RemoteSession, name), property)


HERE_ALONE = {"load", "recover", "adding", "give_up"}
"""What reads files, and what only a server calls."""


def test_a_session_on_a_server_does_all_that_a_local_one_does_or_says_that_it_cannot() -> None:
    pytest.importorskip("websockets")
    from napari_promptseg.remote.remote_session import RemoteSession

    names = {name for name in vars(Session) if not name.startswith("_")}
    assert names - HERE_ALONE <= {*dir(RemoteSession)}

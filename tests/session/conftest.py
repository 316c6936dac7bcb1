from __future__ import annotations

import pytest

from helpers import SCENE_AXES, Scene, ToyBackend, make_scene
from napari_promptseg.session.session import Session


@pytest.fixture(params=SCENE_AXES)
def scene(request: pytest.FixtureRequest) -> Scene:
    """A scene in every order of axes."""
    return make_scene(request.param)


@pytest.fixture
def toy() -> ToyBackend:
    return ToyBackend()


@pytest.fixture
def session(toy: ToyBackend) -> Session:
    """A session on the zyx scene."""
    return Session(make_scene("zyx").data, toy)

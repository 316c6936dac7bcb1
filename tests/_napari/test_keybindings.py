from __future__ import annotations

import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from npe2 import PluginManifest

from napari_promptseg._napari import commands, keybindings
from napari_promptseg._napari.keybindings import (
    CLASS_KEYS,
    LAYER_KEYS,
    VIEWER_KEYS,
    BoundKeys,
    Key,
    current_keys,
    help_rows,
    key_name,
    key_text,
)

EVERY = (*VIEWER_KEYS, *LAYER_KEYS)


def _keys(keys) -> list[str]:
    return [str(coerce_keybinding(key.key)) for key in keys]


def test_no_key_is_one_of_napari():
    napari_keys = {str(coerce_keybinding(k)) for keys in default_shortcuts.values() for k in keys}
    for kind in (ViewerModel, Image, Labels, Points, Shapes):
        for parent in kind.__mro__:
            napari_keys |= {str(key) for key in getattr(parent, "class_keymap", {})}
    assert not set(_keys((*VIEWER_KEYS, *CLASS_KEYS))) & napari_keys
    every = _keys((*EVERY, *CLASS_KEYS))
    assert len(set(every)) == len(every)


def test_the_help_has_every_key():
    texts = [text for _, text in help_rows()]
    assert all(key.text in texts for key in (*VIEWER_KEYS, *LAYER_KEYS))
    assert ("Ctrl+Shift+Z", "redo") in help_rows()


def test_keys_are_given_back():
    viewer, done = ViewerModel(), []
    viewer.bind_key("G", lambda _: done.append("theirs"))
    keys = (Key("G", "go", "go"), Key("Shift-G", "stop", "stop"))
    bound = BoundKeys(
        viewer, keys, {"go": lambda: done.append("ours"), "stop": lambda: done.append("stop")}
    )
    assert len(viewer.keymap) == 2
    viewer.keymap[coerce_keybinding("G")](viewer)
    bound.release()
    assert len(viewer.keymap) == 1
    viewer.keymap[coerce_keybinding("G")](viewer)
    assert done == ["ours", "theirs"]


def test_an_action_without_a_function_is_a_mistake():
    with pytest.raises(KeyError):
        BoundKeys(ViewerModel(), (Key("G", "go", "go"),), {})


@pytest.fixture
def preferences(monkeypatch: pytest.MonkeyPatch):
    """Set keys by action, as the user does in the preferences."""

    def choose(**keys: str) -> None:
        monkeypatch.setattr(keybindings, "_preferences", lambda: keys)
        current_keys.cache_clear()

    yield choose
    current_keys.cache_clear()


def test_keys_of_the_preferences_are_bound_and_named_everywhere(preferences):
    preferences(commit="Ctrl+Shift+K", propagate="N", discard="", undo="no key")
    assert key_name("commit") == "Ctrl+Shift+K"
    assert current_keys()["commit"].key == "Control-Shift-K"
    assert ("Ctrl+Shift+K", current_keys()["commit"].text) in help_rows()
    assert key_name("propagate") == "N"  # free, now that another key commits
    assert key_name("discard") == "Shift+N"
    assert key_name("undo") == "Ctrl+Z"


def test_a_key_of_another_action_is_not_taken(preferences):
    preferences(propagate="N")
    assert (key_name("propagate"), key_name("commit")) == ("G", "N")


def test_the_manifest_has_a_command_and_a_preference_for_each_action():
    manifest = PluginManifest.from_distribution("napari-promptseg")
    functions = {c.id: c.python_name for c in manifest.contributions.commands}
    for key in EVERY:
        name = functions[f"napari-promptseg.{key.action}"]
        assert name == f"napari_promptseg._napari.commands:{key.action}"
        assert callable(getattr(commands, key.action))
    preferences = manifest.contributions.configurations["shortcuts"].properties
    defaults = {name: entry.default for name, entry in preferences.items()}
    assert defaults == {key.action: key_text(key) for key in (*EVERY, *CLASS_KEYS)}


def test_a_command_runs_in_the_dock_that_is_open(monkeypatch: pytest.MonkeyPatch):
    class Dock:
        def __init__(self, active: bool) -> None:
            self.active, self.done = active, []
            self.commands = {"commit": lambda: self.done.append("commit")}

        def isActiveWindow(self) -> bool:  # noqa: N802
            return self.active

    docks = [Dock(False), Dock(True)]
    monkeypatch.setattr(commands, "OPEN_DOCKS", docks)
    commands.commit()
    assert [dock.done for dock in docks] == [[], ["commit"]]
    monkeypatch.setattr(commands, "OPEN_DOCKS", [])
    commands.commit()

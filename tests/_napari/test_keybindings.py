from __future__ import annotations

import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from napari_promptseg._napari.keybindings import LAYER_KEYS, VIEWER_KEYS, BoundKeys, Key, help_rows


def _keys(keys) -> list[str]:
    return [str(coerce_keybinding(key.key)) for key in keys]


def test_no_key_is_one_of_napari():
    taken = {str(coerce_keybinding(k)) for keys in default_shortcuts.values() for k in keys}
    for kind in (ViewerModel, Image, Labels, Points, Shapes):
        for parent in kind.__mro__:
            taken |= {str(key) for key in getattr(parent, "class_keymap", {})}
    assert not set(_keys(VIEWER_KEYS)) & taken
    every = _keys((*VIEWER_KEYS, *LAYER_KEYS))
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

from __future__ import annotations

import pytest

from napari_promptseg.models.device import available_devices, pick_device


def test_the_cpu_is_always_there_and_comes_first() -> None:
    assert available_devices()[0] == "cpu"
    assert pick_device("cpu").type == "cpu"


def test_auto_takes_the_fastest() -> None:
    assert pick_device("auto").type == available_devices()[-1]


@pytest.mark.parametrize("name", ["tpu", "", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_with_the_valid_ones(name: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}'.*'auto', 'cpu'"):
        pick_device(name)

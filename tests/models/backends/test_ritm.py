"""RITM: parity with the reference, checkpoints that cannot be used, and clicks that hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch

from datasets import SHARED
from napari_promptseg.models.backends.ritm import RitmBackend, load_ritm
from napari_promptseg.models.networks.ritm import RitmNet, RitmSettings
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.options import Refinement

if TYPE_CHECKING:
    from pathlib import Path

PARITY = SHARED / "parity" / "ritm"
FILE = PARITY / "hrnet18s_itermask.pth"
needs_reference = pytest.mark.skipif(
    not FILE.exists(), reason=f"the reference checkpoint is not at {FILE}"
)


def config(settings: dict, name: str = "isegm.model.is_hrnet_model.HRNetModel") -> dict:
    """Config in the form of the published files."""
    return {
        "class": name,
        "params": {
            key: {"type": "builtin", "value": value, "specified": True}
            for key, value in settings.items()
        },
    }


TINY = {"width": 2, "ocr_width": 4, "small": True, "use_rgb_conv": False, "with_prev_mask": True}


def write(path: Path, settings: dict, overrides: dict | None = None) -> Path:
    torch.manual_seed(3)
    net = RitmNet(RitmSettings(**settings))
    content = {"config": config(settings), "state_dict": net.state_dict()} | (overrides or {})
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("ritm") / "tiny.pth", TINY)


@needs_reference
@pytest.mark.parametrize("case", ["no_prev_2clicks", "prev_3clicks", "aux_prev_3clicks"])
def test_logits_are_those_of_the_reference(case: str) -> None:
    picture = cv2.imread(str(PARITY / "image.png"))[..., ::-1].astype(np.float32) / 255
    image = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy())
    expected = np.load(PARITY / "expected.npz")
    clicks = json.loads((PARITY / "clicks.json").read_text())[case.removeprefix("aux_")]
    previous = (
        torch.from_numpy(expected["prev_mask"])[None, None] if "no_prev" not in case else None
    )
    auxiliary = case.startswith("aux")
    answer = load_ritm(FILE)(
        image, previous, clicks["positive_yx"], clicks["negative_yx"], auxiliary=auxiliary
    )
    reference = expected[case if auxiliary else f"logits_{case}"]
    np.testing.assert_allclose(answer[0, 0].numpy(), reference, atol=1e-4)


KINDS = {
    "HRNet18 OCR 64": {"width": 18, "ocr_width": 64, "use_rgb_conv": False, "with_prev_mask": True},
    "HRNet32 OCR 128": {
        "width": 32,
        "ocr_width": 128,
        "use_rgb_conv": False,
        "with_prev_mask": True,
        "use_disks": True,
    },
    "clicks in the colors": TINY | {"use_rgb_conv": True, "with_prev_mask": False},
    "one convolution": TINY | {"conv_extend": True, "binary_prev_mask": True},
    "no OCR": TINY | {"ocr_width": 0, "use_leaky_relu": True},
}


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("shape", [(64, 96), (37, 51)], ids=["even", "odd"])
def test_every_published_kind_loads_and_answers(tmp_path, settings: dict, shape) -> None:
    net = load_ritm(write(tmp_path / "kind.pth", settings))
    image = torch.rand(2, 3, *shape)
    answer = net(image, torch.rand(2, 1, *shape), [(0, 0), (20, 30)], [(shape[0] - 1, 5)])
    assert answer.shape == (2, 1, *shape)
    assert answer.isfinite().all()
    without = net(image, None, [], [])
    assert without.isfinite().all()
    assert not torch.equal(answer, without)


def test_fading_clicks_are_strongest_where_they_are() -> None:
    net = RitmNet(RitmSettings(**TINY))
    maps = net.maps(torch.zeros(1, 1, 20, 30), [(5, 8)], [])
    assert maps.shape == (1, 3, 20, 30)
    assert maps[0, 1].argmin() == 5 * 30 + 8
    assert float(maps[0, 1, 5, 8]) == 0
    assert (maps[0, 2] == 1).all(), "nothing is negative"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"config": config(TINY, "isegm.model.is_other.Other")}, r"Other.*valid networks"),
        ({"config": config(TINY | {"clicks_groups": [1, 2]})}, "clicks_groups"),
        ({"config": {"class": 3}}, "cannot be read"),
        ({"config": config(TINY | {"width": 4})}, "does not fit its own config"),
        ({"state_dict": {}}, "does not fit its own config"),
        ({"state_dict": None}, "does not fit its own config"),
    ],
    ids=["class", "setting", "garbage", "width", "nothing", "none"],
)
def test_files_that_cannot_be_used_are_refused(tmp_path, overrides: dict, message: str) -> None:
    path = write(tmp_path / "wrong.pth", TINY, overrides)
    with pytest.raises(ValueError, match=message) as caught:
        load_ritm(path)
    assert "wrong.pth" in str(caught.value)


def test_keys_that_are_not_known_are_refused(tmp_path, tiny: Path) -> None:
    content = torch.load(tiny, weights_only=True)
    content["state_dict"]["another.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "more.pth")
    with pytest.raises(ValueError, match=r"another\.weight"):
        load_ritm(tmp_path / "more.pth")


def test_plain_weights_are_no_checkpoint(tmp_path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "plain.pth")
    with pytest.raises(ValueError, match="no config"):
        load_ritm(tmp_path / "plain.pth")


def test_a_missing_file_is_named_with_where_it_goes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"coco_lvis_h32_itermask\.pth"):
        RitmBackend("cpu", "hrnet32_itermask")
    with pytest.raises(ValueError, match="hrnet18_itermask"):
        RitmBackend("cpu", "hrnet99")


def test_clicks_hold_and_undo_brings_back(tiny: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.random((90, 120), np.float32)
    refined = Session(image, RitmBackend("cpu", weights=tiny), refinement=Refinement())
    masks = []
    for number in range(8):
        place = tuple(int(n) for n in rng.integers(0, (90, 120)))
        refined.add_point(place, positive=number % 2 == 0)
        assert refined.mask[place] == (number % 2 == 0)
        masks.append(refined.mask.copy())
    for mask in masks[-2::-1]:
        assert refined.undo()
        np.testing.assert_array_equal(refined.mask, mask)


@pytest.mark.parametrize("kind", ["box", "scribble", "lasso", "prior"])
def test_other_prompts_are_understood(tiny: Path, kind: str) -> None:
    session = Session(
        np.random.default_rng(1).random((64, 80), np.float32), RitmBackend("cpu", weights=tiny)
    )
    match kind:
        case "box":
            session.add_box((10, 10), (40, 50))
        case "scribble":
            session.add_scribble([(10, 10), (30, 40)], positive=True, width=3)
        case "lasso":
            session.add_lasso([(10, 10), (10, 40), (40, 20)], positive=True)
        case "prior":
            mask = np.zeros((64, 80), bool)
            mask[20:40, 20:40] = True
            session.add_mask(mask)
            session.add_point((50, 60))
    assert session.mask.shape == (64, 80)
    assert session.undo()

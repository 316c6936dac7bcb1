"""Cellpose-SAM: equal to the package called directly, with a small random network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import segment_anything
import torch

from helpers import iou
from napari_promptseg import Session
from napari_promptseg.models.backends.cellpose import CellposeBackend
from napari_promptseg.models.capabilities import Everything

if TYPE_CHECKING:
    from pathlib import Path

cellpose = pytest.importorskip("cellpose.models")
labels_to_flows = pytest.importorskip("cellpose.dynamics").labels_to_flows
COLORS = np.random.default_rng(4).integers(0, 256, (70, 93, 3), np.uint8)


def _tiny(_: Any = None) -> Any:
    from segment_anything.modeling import ImageEncoderViT

    class Holder:
        image_encoder = ImageEncoderViT(
            img_size=1024,
            embed_dim=16,
            depth=1,
            num_heads=2,
            out_chans=16,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        )

    return Holder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(segment_anything.sam_model_registry, "vit_l", _tiny)
        torch.manual_seed(6)
        net = cellpose.CPSAM()
        path = tmp_path_factory.mktemp("cellpose") / "cpsam_v2"
        torch.save(net.state_dict(), path)
        yield path


def test_the_network_is_that_of_the_file(weights: Path) -> None:
    backend = CellposeBackend("cpu", weights)
    net = cellpose.CPSAM()
    net.load_state_dict(torch.load(weights, weights_only=True))
    pixels = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        answer, expected = backend._model.net.eval()(pixels)[0], net.eval()(pixels)[0]
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(answer, expected)


def test_clicks_select_among_the_cells(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flows are those of known cells, as no small random network has any of use."""
    truth = np.zeros(COLORS.shape[:2], np.int32)
    grid = np.ogrid[: truth.shape[0], : truth.shape[1]]
    for number, (row, column, radius) in enumerate([(20, 15, 9), (45, 60, 14), (12, 70, 7)], 1):
        truth[(grid[0] - row) ** 2 + (grid[1] - column) ** 2 < radius**2] = number
    # A copy, as the function numbers its argument anew.
    _, inside, *flows = labels_to_flows([truth.copy()])[0]
    flow = 5 * np.stack(flows).astype(np.float32)[:, None]
    probability = (12 * inside - 6).astype(np.float32)[None]
    monkeypatch.setattr(
        cellpose.CellposeModel, "_run_net", lambda *_, **__: (flow, probability, np.zeros(256))
    )
    backend = CellposeBackend("cpu", weights)
    assert isinstance(backend, Everything)
    session = Session(COLORS, backend, axes="yxc")
    session.add_point((45, 62))
    assert iou(session.mask, truth == 2) > 0.9
    session.add_point((20, 13))
    assert iou(session.mask, (truth == 2) | (truth == 1)) > 0.9
    session.add_point((44, 58), positive=False)
    assert iou(session.mask, truth == 1) > 0.9
    assert session.segment_all().max() == 3


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="cpsam_v2"):
        CellposeBackend("cpu")
    torch.save({"output.2.weight": torch.zeros(1)}, tmp_path / "cpsam_v2")
    with pytest.raises(ValueError, match="no checkpoint of Cellpose 4: it lacks"):
        CellposeBackend("cpu")

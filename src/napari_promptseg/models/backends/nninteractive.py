"""nnInteractive (Isensee et al. 2025, arXiv:2503.08373), through its own package."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_model
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.clicks import middles, places_along
from napari_promptseg.models.encoding.prompt_maps import draw_stroke, fill_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

    Mask = NDArray[np.bool_]


class NnInteractiveBackend:
    """nnInteractive on a plane as a volume one voxel thick; see `NnInteractivePropagator` for 3D.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps"; where it runs unless there is a server.
    folder : Path, optional
        Folder of the model as it is published, if it is not among the models.
    url : str, optional
        Address of a server of nnInteractive; then neither model nor GPU are needed here.
    session : nnInteractiveInferenceSession, optional
        One that is ready, local or remote.

    Raises
    ------
    ImportError
        If the package is not installed; the message says how to.
    FileNotFoundError
        If the model is not there; the message says where to get it.
    ValueError
        If the device is not there, or the checkpoint is damaged or asks for more than numbers.
    """

    name = "nninteractive"
    capabilities = Capabilities(frozenset({"point", "box", "scribble", "lasso"}))

    def __init__(
        self,
        device: str = "auto",
        folder: Path | None = None,
        url: str | None = None,
        session: Any = None,
    ) -> None:
        self.identity = self.name
        if session is None and url is not None:
            from nnInteractive.inference.remote.remote_session import (
                nnInteractiveRemoteInferenceSession,
            )

            session = nnInteractiveRemoteInferenceSession(url)
            self.identity = f"{self.name} at {url}"
        elif session is None:
            if folder is None:
                folder = find_model(self.name).path
                assert folder is not None
            session, self.identity = _load(folder, device)
        self._session = session

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself."""
        return image

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        pixels = embedding.rgb().mean(2)[None]
        found = self.segment(pixels, {0: prompts}, None if prior is None else prior[None])
        return Prediction.whole(found[0].astype(np.float32))

    def segment(
        self,
        pixels: NDArray[np.float32],
        prompts: Mapping[int, PlanePrompts],
        prior: Mask | None = None,
        outlines: Mapping[int, Mask] | None = None,
    ) -> Mask:
        """Answer prompts on the planes of a volume.

        Parameters
        ----------
        pixels : (Z, H, W) float32 array
            The volume.
        prompts : mapping of int to PlanePrompts
            What the user gave, by plane.
        prior : (Z, H, W) bool array, optional
            The mask to start from.
        outlines : mapping of int to (H, W) bool array, optional
            Masks of planes that are known: they are handed on as lassos.

        Returns
        -------
        (Z, H, W) bool array
            The object.
        """
        session = self._session
        with contextlib.redirect_stdout(io.StringIO()), _seeded():  # it prints at every step
            session.set_image(np.ascontiguousarray(pixels[None], np.float32))
            target = np.zeros(pixels.shape, np.uint8)
            session.set_target_buffer(target)
            if prior is not None and prior.any():
                session.add_initial_seg_interaction(prior.astype(np.uint8))
            calls = [
                call
                for index, given in prompts.items()
                for call in _interactions(index, given, pixels.shape)
            ]
            for index, mask in (outlines or {}).items():
                drawn = np.zeros(pixels.shape, np.float32)
                drawn[index] = mask
                calls.append(("lasso", drawn, True))
            if not calls and prior is not None and prior.any():
                index = int(prior.sum((1, 2)).argmax())
                calls = [("point", (index, *middles(prior[index])[0]), True)]
            for number, (kind, what, positive) in enumerate(calls, 1):
                add = getattr(session, f"add_{kind}_interaction")
                add(what, positive, run_prediction=number == len(calls))
        return target > 0

    def close(self) -> None:
        """Free the model."""
        del self._session


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Let what the package draws at random be the same each time: answers can be repeated."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)


def _interactions(
    index: int, prompts: PlanePrompts, shape: tuple[int, ...]
) -> list[tuple[str, Any, bool]]:
    """Return what a plane's prompts are called there: kind, content, and on which side."""
    calls: list[tuple[str, Any, bool]] = []
    for region in prompts.regions:
        if region.box:
            low, high = region.vertices.min(0), region.vertices.max(0)
            sides = [
                [max(int(a), 0), min(max(int(np.ceil(b)), int(a) + 1), n)]
                for a, b, n in zip(low, high, shape[1:], strict=True)
            ]
            calls.append(("bbox", [[index, index + 1], *sides], region.positive))
        else:
            drawn = np.zeros(shape[1:], np.uint8)
            fill_region(drawn, region)
            calls.append(("lasso", _in_volume(drawn, index, shape), region.positive))
    for stroke in prompts.strokes:
        if len(stroke.path) == 1:
            calls.append(("point", (index, *places_along(stroke)[0]), stroke.positive))
        else:
            drawn = np.zeros(shape[1:], np.uint8)
            draw_stroke(drawn, stroke, 1.0)
            calls.append(("scribble", _in_volume(drawn, index, shape), stroke.positive))
    return calls


def _in_volume(drawn: NDArray[np.uint8], index: int, shape: tuple[int, ...]) -> Any:
    volume = np.zeros(shape, np.float32)
    volume[index] = drawn
    return volume


def _load(folder: Path, device: str) -> tuple[Any, str]:
    """Make a session of the newest checkpoint of a folder, which is checked before."""
    from nnInteractive.inference.inference_session import nnInteractiveInferenceSession

    from napari_promptseg.models.networks.checkpoints import load_checkpoint, weights_identity

    found = sorted(folder.glob("fold_*/*.pth"))
    if not found:
        raise ValueError(f"{str(folder)!r} holds no model of nnInteractive: no fold_*/*.pth")
    checkpoint = next((f for f in found if f.stem == "checkpoint_final"), found[-1])
    # The package reads it as a pickle that may run anything: what asks for more than numbers
    # is refused here first.
    load_checkpoint(checkpoint, numbers=True)
    with contextlib.redirect_stdout(io.StringIO()):
        session = nnInteractiveInferenceSession(device=pick_device(device), enable_undo=False)
        session.initialize_from_trained_model_folder(
            str(folder), checkpoint.parent.name.removeprefix("fold_"), checkpoint.name
        )
    return session, weights_identity("nninteractive", checkpoint)

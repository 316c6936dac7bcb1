"""nnInteractive (Isensee et al. 2025, arXiv:2503.08373), through its own package."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.clicks import component_centres, positions_along
from napari_promptseg.models.encoding.prompt_maps import draw_stroke, fill_region
from napari_promptseg.models.tensor_files import weights_identity

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
        "auto", "cpu", "cuda" or "mps"; ignored with a server.
    folder : Path, optional
        Folder of the model as published; the installed one when not given.
    url : str, optional
        Address of an nnInteractive server; neither model nor GPU are needed locally.
    session : nnInteractiveInferenceSession, optional
        A ready session, local or remote.

    Raises
    ------
    ImportError
        If the package is not installed; the message names the extra.
    FileNotFoundError
        If the model is missing; the message says where to get it.
    ValueError
        If the device is not available, or the checkpoint is damaged or holds more than numbers.
    """

    name = "nninteractive"
    default_propagator = "nninteractive"
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
            folder, _ = find_weights(self.name, path=folder)
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
        masks = self.segment(pixels, {0: prompts}, None if prior is None else prior[None])
        return Prediction.whole(masks[0].astype(np.float32))

    def segment(
        self,
        pixels: NDArray[np.float32],
        prompts: Mapping[int, PlanePrompts],
        prior: Mask | None = None,
        outlines: Mapping[int, Mask] | None = None,
    ) -> Mask:
        """Segment a volume from prompts on its planes.

        Parameters
        ----------
        pixels : (Z, H, W) float32 array
            The volume.
        prompts : mapping of int to PlanePrompts
            Prompts of the user by plane.
        prior : (Z, H, W) bool array, optional
            The mask to start from.
        outlines : mapping of int to (H, W) bool array, optional
            Known masks by plane, passed on as lassos.

        Returns
        -------
        (Z, H, W) bool array
            The object.
        """
        session = self._session
        # The package prints at every step.
        with contextlib.redirect_stdout(io.StringIO()), _fixed_random_state():
            session.set_image(np.ascontiguousarray(pixels[None], np.float32))
            target = np.zeros(pixels.shape, np.uint8)
            session.set_target_buffer(target)
            if prior is not None and prior.any():
                session.add_initial_seg_interaction(prior.astype(np.uint8))
            calls = [
                call
                for index, plane_prompts in prompts.items()
                for call in _interactions(index, plane_prompts, pixels.shape)
            ]
            for index, mask in (outlines or {}).items():
                outline = np.zeros(pixels.shape, np.float32)
                outline[index] = mask
                calls.append(("lasso", outline, True))
            if not calls and prior is not None and prior.any():
                index = int(prior.sum((1, 2)).argmax())
                calls = [("point", (index, *component_centres(prior[index])[0]), True)]
            for number, (kind, content, positive) in enumerate(calls, 1):
                add = getattr(session, f"add_{kind}_interaction")
                add(content, positive, run_prediction=number == len(calls))
        return target > 0

    def close(self) -> None:
        """Free the model."""
        del self._session


@contextlib.contextmanager
def _fixed_random_state() -> Iterator[None]:
    """Fix the random numbers that the package draws, so that answers are reproducible."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)


def _interactions(
    index: int, prompts: PlanePrompts, shape: tuple[int, ...]
) -> list[tuple[str, Any, bool]]:
    """Return the prompts of a plane as interactions: kind, content, and whether positive."""
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
            canvas = np.zeros(shape[1:], np.uint8)
            fill_region(canvas, region)
            calls.append(("lasso", _in_volume(canvas, index, shape), region.positive))
    for stroke in prompts.strokes:
        if len(stroke.path) == 1:
            calls.append(("point", (index, *positions_along(stroke)[0]), stroke.positive))
        else:
            canvas = np.zeros(shape[1:], np.uint8)
            draw_stroke(canvas, stroke, 1.0)
            calls.append(("scribble", _in_volume(canvas, index, shape), stroke.positive))
    return calls


def _in_volume(plane: NDArray[np.uint8], index: int, shape: tuple[int, ...]) -> Any:
    volume = np.zeros(shape, np.float32)
    volume[index] = plane
    return volume


def _load(folder: Path, device: str) -> tuple[Any, str]:
    """Return a session with the final, or last, checkpoint of a folder, and its identity."""
    from nnInteractive.inference.inference_session import nnInteractiveInferenceSession

    from napari_promptseg.models.networks.checkpoints import load_checkpoint

    checkpoints = sorted(folder.glob("fold_*/*.pth"))
    if not checkpoints:
        raise ValueError(f"{str(folder)!r} holds no model of nnInteractive: no fold_*/*.pth")
    checkpoint = next((f for f in checkpoints if f.stem == "checkpoint_final"), checkpoints[-1])
    # The package unpickles the file, which could execute code: it is checked here first.
    load_checkpoint(checkpoint, numbers=True)
    with contextlib.redirect_stdout(io.StringIO()):
        session = nnInteractiveInferenceSession(device=pick_device(device), enable_undo=False)
        session.initialize_from_trained_model_folder(
            str(folder), checkpoint.parent.name.removeprefix("fold_"), checkpoint.name
        )
    return session, weights_identity("nninteractive", checkpoint)

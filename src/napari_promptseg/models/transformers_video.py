"""Video models of `transformers` behind the calls of the video predictor of SAM 2."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray


class TransformersVideo:
    """A video model with a memory of frames.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Such as `EdgeTamVideoModel`.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def begin(self, frames: Any, shape: tuple[int, int]) -> Mapping[str, Any]:
        """Return the state of a video.

        Parameters
        ----------
        frames : sequence of (3, S, S) tensor
            Frames as the model reads them; may be read on demand.
        shape : (int, int)
            Rows and columns of the masks.
        """
        module = importlib.import_module(type(self._model).__module__)
        name = type(self._model).__name__.replace("Model", "InferenceSession")
        session = getattr(module, name)(
            video_height=shape[0],
            video_width=shape[1],
            inference_device=self._model.device,
            inference_state_device=self._model.device,
            dtype=self._model.dtype,
        )
        session.processed_frames = frames
        number = session.obj_id_to_idx(1)
        return {
            "session": session,
            "number": number,
            "output_dict_per_obj": session.output_dict_per_obj,
        }

    def add_new_mask(
        self, state: Mapping[str, Any], frame: int, _: int, mask: NDArray[np.bool_]
    ) -> None:
        """Put a mask into the memory."""
        import torch
        from torch.nn.functional import interpolate

        session, side = state["session"], int(self._model.image_size)
        tensor = torch.from_numpy(mask.astype("float32"))[None, None]
        resized = interpolate(
            tensor, (side, side), mode="bilinear", align_corners=False, antialias=True
        )
        session.add_mask_inputs(state["number"], frame, (resized >= 0.5).float())
        session.obj_with_new_inputs = [1]
        with torch.inference_mode():
            self._model(session, frame_idx=frame)

    def propagate_in_video(
        self, state: Mapping[str, Any], begin: int, reverse: bool
    ) -> Iterator[tuple[int, list[int], Any]]:
        """Yield each frame, its objects, and the (1, 1, H, W) logits of the mask."""
        import torch
        from torch.nn.functional import interpolate

        session = state["session"]
        shape = (session.video_height, session.video_width)
        with torch.inference_mode():
            for output in self._model.propagate_in_video_iterator(session, begin, reverse=reverse):
                masks = output.pred_masks.reshape(1, 1, *output.pred_masks.shape[-2:]).float()
                logits = interpolate(masks, shape, mode="bilinear", align_corners=False)
                yield int(output.frame_idx), [1], logits

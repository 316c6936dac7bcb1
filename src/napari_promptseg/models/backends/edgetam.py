"""EdgeTAM (Zhou et al. 2025, arXiv:2501.07256), a small SAM 2, through `transformers`."""

from __future__ import annotations

from napari_promptseg.models.transformers_sam import TransformersSam, load_pretrained
from napari_promptseg.models.transformers_video import TransformersVideo


class EdgeTamBackend(TransformersSam):
    """EdgeTAM on whole planes; its memory serves propagation (`EdgeTamPropagator`).

    See `TransformersSam`.
    """

    name = "edgetam"
    model_class = "EdgeTamModel"
    default_propagator = "edgetam"
    _video: TransformersVideo | None = None

    def video(self) -> TransformersVideo:
        """Return the model with a memory of frames, loaded on first use.

        Raises
        ------
        ImportError, ValueError
            See `load_pretrained`.
        """
        if self._video is None:
            model, _ = load_pretrained(self._folder, "EdgeTamVideoModel", (), self.extra)
            self._video = TransformersVideo(model.to(self.device))
        return self._video

    def close(self) -> None:
        """Free the model."""
        self._video = None
        super().close()

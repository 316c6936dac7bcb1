"""EdgeTAM (Zhou et al. 2025, arXiv:2501.07256), a small SAM 2, through `transformers`."""

from __future__ import annotations

from napari_promptseg.models.transformers_sam import TransformersSam


class EdgeTamBackend(TransformersSam):
    """EdgeTAM on whole planes; see `TransformersSam`."""

    name = "edgetam"
    model_class = "EdgeTamModel"

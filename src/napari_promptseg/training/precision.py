"""Number formats that a device computes fast in."""

from __future__ import annotations

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device computes faster in bfloat16: GPUs do, and CPUs with AVX512-BF16."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()

"""Depthwise convolutions whose gradients are fast on a CPU in bfloat16.

PyTorch takes ten to a hundred times as long for the gradient of a depthwise convolution in
bfloat16 as for the convolution itself. The gradient of the input is a convolution with the
turned kernel, which is fast; strided ones and kernels get theirs in float32.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from timm.layers.padding import pad_same
from torch import nn
from torch.nn import functional as F

_LAYOUT = torch.channels_last


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, kernel: torch.Tensor, stride: int, padding: int
    ) -> torch.Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, kernel.to(x.dtype), None, stride, padding, 1, len(kernel))

    @staticmethod
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        x, kernel = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=_LAYOUT)
        of_input, of_kernel = ctx.needs_input_grad[:2]
        to_input: torch.Tensor | None = None
        if of_input and ctx.stride == 1:
            flipped_kernel = kernel.flip(2, 3).to(gradient.dtype)
            beyond = kernel.shape[-1] - 1 - ctx.padding
            to_input = F.conv2d(gradient, flipped_kernel, None, 1, beyond, 1, len(kernel))
            of_input = False
        if not of_input and not of_kernel:
            return to_input, None, None, None
        exact, to_kernel, _ = torch.ops.aten.convolution_backward(
            gradient.float(),
            x.float(),
            kernel,
            None,
            [ctx.stride] * 2,
            [ctx.padding] * 2,
            [1, 1],
            False,
            [0, 0],
            len(kernel),
            [of_input, of_kernel, False],
        )
        return (exact.to(x.dtype) if of_input else to_input), to_kernel, None, None


def speed_up_depthwise(net: nn.Module) -> None:
    """Let the depthwise convolutions of a network compute their gradients as above, in place."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
            module.forward = partial(_convolve, module)  # type: ignore[method-assign]


def _convolve(module: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    padding = 0 if isinstance(module.padding, str) else int(module.padding[0])
    if type(module).__name__ == "Conv2dSame":  # of timm, which pads for each size anew
        x = pad_same(x, list(module.kernel_size), list(module.stride), list(module.dilation))
    with torch.autocast(x.device.type, enabled=False):
        answer: torch.Tensor = _Depthwise.apply(
            x.contiguous(memory_format=_LAYOUT), module.weight, module.stride[0], padding
        )
    return answer

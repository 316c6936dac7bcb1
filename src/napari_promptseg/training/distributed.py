"""Several processes that train one network together, as torchrun starts them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable


class ProcessGroup:
    """The processes of a run, by the environment variables RANK and WORLD_SIZE.

    Each learns from crops of its own; gradients are averaged over gloo, which needs no
    GPU. A process that was not started by torchrun is alone. One reduction a step carries
    the gradients of all modules that learn, and whether a process was asked to stop, for
    which DistributedDataParallel would need several.
    """

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        if self.count > 1:
            # The others wait while the first process validates.
            torch.distributed.init_process_group("gloo", timeout=timedelta(hours=2))

    @property
    def is_rank_zero(self) -> bool:
        """True if this process writes what a run writes."""
        return self.rank == 0

    def device(self) -> torch.device:
        """Return the GPU of this process, or the CPU."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        local = int(os.environ.get("LOCAL_RANK", "0"))
        return torch.device("cuda", local % torch.cuda.device_count())

    def average(self, parameters: Iterable[torch.nn.Parameter], stop: bool) -> bool:
        """Average the gradients of all processes in place.

        Parameters
        ----------
        parameters : iterable of Parameter
            The same ones in each process. One without a gradient in some processes, such as a
            part of the network that their crops did not need, counts as zero there.
        stop : bool
            Whether this process was asked to stop.

        Returns
        -------
        bool
            Whether any was, so that all stop after the same step.
        """
        if self.count == 1:
            return stop
        learning = [p for p in parameters if p.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]
        flags = gradients[0].new_tensor([*(p.grad is not None for p in learning), stop])
        flat = torch.cat([*(g.flatten() for g in gradients), flags])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        *means, flags = torch.split(flat, [*(p.numel() for p in learning), len(flags)])
        *has_gradient, any_stops = (flags > 0).tolist()
        for parameter, gradient, mean, learns in zip(
            learning, gradients, means, has_gradient, strict=True
        ):
            if learns:
                parameter.grad = gradient.copy_(mean.view_as(gradient))
        return bool(any_stops)

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1:
            torch.distributed.destroy_process_group()

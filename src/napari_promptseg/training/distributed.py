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
            Those with a gradient must be the same in each process.
        stop : bool
            Whether this process was asked to stop.

        Returns
        -------
        bool
            Whether any was, so that all stop after the same step.
        """
        if self.count == 1:
            return stop
        gradients = [p.grad for p in parameters if p.grad is not None]
        flag = gradients[0].new_tensor([float(stop)])
        flat = torch.cat([*(g.flatten() for g in gradients), flag])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        sizes = [*(g.numel() for g in gradients), 1]
        *parts, flag = torch.split(flat, sizes)
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return bool(flag.item() > 0)

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1:
            torch.distributed.destroy_process_group()

"""Several processes that train as one, where `torchrun` started them; everywhere else, one process
alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed


@contextmanager
def process_group() -> Iterator[None]:
    """Inside, this process works with the others that `torchrun` started."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or distributed.is_initialized():
        yield
        return
    # Optimizers import this module late, and its default arguments would keep the group and its
    # threads alive for ever.
    import torch.distributed.nn.functional

    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def process_count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main_process() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


def barrier() -> None:
    """Lets every process come to this point."""
    if process_count() > 1:
        distributed.barrier()


def max_over_processes(values: Sequence[float], device: torch.device) -> list[float]:
    """The highest of each value over processes; `device` is where they talk."""
    if process_count() == 1:
        return list(values)
    shared = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return shared.tolist()


def gather(value: Tensor, device: torch.device) -> list[Tensor]:
    """Every process's value, on the processor, in order of rank; `device` is where they talk."""
    if process_count() == 1:
        return [value.cpu()]
    parts = [torch.empty_like(value, device=device) for _ in range(process_count())]
    distributed.all_gather(parts, value.to(device))
    return [part.cpu() for part in parts]


@torch.no_grad()
def sum_over_processes(tensors: Iterable[Tensor]) -> None:
    """Sums tensors over processes, in place and in one call."""
    tensors = list(tensors)
    average(tensors)
    for tensor in tensors:
        tensor.mul_(process_count())


@torch.no_grad()
def broadcast(tensor: Tensor) -> None:
    """Gives every process the tensor of the one that leads, in place."""
    if process_count() > 1:
        distributed.broadcast(tensor, 0)


@torch.no_grad()
def average(tensors: Iterable[Tensor]) -> None:
    """Averages tensors over processes, in place and in one call."""
    tensors = list(tensors)
    if process_count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, part in zip(
        tensors, (flat / process_count()).split([t.numel() for t in tensors]), strict=True
    ):
        tensor.copy_(part.view_as(tensor))

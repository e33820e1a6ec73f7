"""Communication between the processes (ranks) that train one GAN together; a single process exchanges nothing.

Every rank sees its own share of each global batch. Means are taken over the global batch, so the ranks exchange only
sums: those of the gradients and those of batch norm's statistics. The latter have an implementation of their own here,
because `torch.nn.SyncBatchNorm` refuses CPU tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gan_aug.errors import RankLost


class Ranks:
    """A single process, rank 0 of 1: a sum over the ranks is the value itself."""

    rank = 0
    size = 1

    def share(self, first: int, count: int, group: int = 1) -> range:
        """This rank's part of a batch: consecutive images, evenly shared, possibly none.

        Args:
            first: The index of the batch's first image.
            count: The images of the batch.
            group: So many consecutive images are not divided.

        Returns:
            The indices.
        """
        groups = -(-count // group)
        ends = [min(count, groups * rank // self.size * group) for rank in (self.rank, self.rank + 1)]
        return range(first + ends[0], first + ends[1])

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the ranks, with one message for all of them."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum of `values` over the ranks; twice differentiable."""
        return values

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true on any rank."""
        return flag

    def broadcast(self, content: bytes) -> bytes:
        """The `content` of rank 0, on every rank."""
        return content


class ProcessGroup(Ranks):
    """The ranks of torch's default process group, which exchange tensors on `device`.

    Its methods raise RankLost if another rank is gone. Sums are bit-equal on all ranks.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = device

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """See Ranks.sum_."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _rank_lost():
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(
            list(tensors), [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
        )

    def sum(self, values: Tensor) -> Tensor:
        """See Ranks.sum."""
        result: Tensor = _Sum.apply(values)
        return result

    def any(self, flag: bool) -> bool:
        """See Ranks.any."""
        flags = torch.tensor([float(flag)])  # in the CPU's memory: nobody has to wait for a GPU
        with _rank_lost():
            dist.all_reduce(flags)
        return bool(flags.item())

    def broadcast(self, content: bytes) -> bytes:
        """See Ranks.broadcast."""
        length = torch.tensor([len(content)], device=self._device)
        with _rank_lost():
            dist.broadcast(length, 0)
            buffer = torch.zeros(int(length.item()), dtype=torch.uint8, device=self._device)
            if self.rank == 0:
                buffer.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            dist.broadcast(buffer, 0)
        return buffer.cpu().numpy().tobytes()


def current_ranks(device: torch.device) -> Ranks:
    """The ranks of torch's process group if it is initialised and has several, else this process alone."""
    grouped = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    return ProcessGroup(device) if grouped else Ranks()


class _Sum(torch.autograd.Function):
    """A sum over the ranks.

    The loss is a sum over the ranks too, so the gradient of this sum is the sum of the ranks' gradients.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004 - torch prescribes the signature
        total = values.detach().clone()
        with _rank_lost():
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ARG004
        return _Sum.apply(gradients[0])


@contextmanager
def _rank_lost() -> Iterator[None]:
    """Raise RankLost for the RuntimeError that torch raises when another rank is gone."""
    try:
        yield
    except RuntimeError as error:
        raise RankLost(
            f"another process of this training is gone ({error}): resume the run, which continues from the last "
            "complete checkpoint"
        ) from error


class GlobalBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all ranks; its state dict has the names of `nn.BatchNorm2d`."""

    def __init__(self, original: nn.BatchNorm2d, ranks: Ranks) -> None:
        super().__init__(original.num_features, original.eps, original.momentum, affine=False)
        self.to(original.running_mean)  # device and dtype
        self.load_state_dict(original.state_dict())
        self.ranks = ranks

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` `(N, C, H, W)`, this rank's images, by the statistics of all ranks' images; N may be 0."""
        if not self.training:
            return super().forward(x)
        dims = (0, 2, 3)
        own_count = x.new_full((1,), x.numel() / x.shape[1])
        sums = self.ranks.sum(torch.cat([x.sum(dims), own_count]))
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = x - mean[:, None, None]
        variance = self.ranks.sum(centred.square().sum(dims)) / count
        update_running_statistics(self, mean.detach(), variance.detach() * count / (count - 1))
        return centred * torch.rsqrt(variance + self.eps)[:, None, None]


@torch.no_grad()
def update_running_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Update the running mean and variance as nn.BatchNorm2d does."""
    for running, value in ((norm.running_mean, mean), (norm.running_var, variance)):
        if running is not None:
            running.lerp_(value, norm.momentum or 0.0)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)


def share_statistics(network: nn.Module, ranks: Ranks) -> None:
    """Replace every batch norm of `network` by one over all ranks; a single process changes nothing."""
    if ranks.size == 1:
        return
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, GlobalBatchNorm(child, ranks))

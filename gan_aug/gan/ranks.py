"""What a trainer asks of the processes that train one GAN together, its ranks: alone there is nothing to do.

Every rank sees its own share of each global batch. Means are over the global batch, so that sums over the ranks are all
that is exchanged: of the gradients, and of what batch norm sees (`torch.nn.SyncBatchNorm` refuses CPU tensors).
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
    """One process alone, rank 0 of 1: a sum over the ranks is the summand."""

    rank = 0
    size = 1

    def share(self, first: int, count: int) -> range:
        """Which of the images `first` to `first + count` are this rank's: neighbours, as even as can be, maybe none."""
        return range(first + count * self.rank // self.size, first + count * (self.rank + 1) // self.size)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the ranks, in one message."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum of `values` over the ranks; differentiable, twice too."""
        return values

    def any(self, flag: bool) -> bool:
        """Whether any rank says so."""
        return flag

    def from_first(self, content: bytes) -> bytes:
        """The bytes that rank 0 gives."""
        return content


class ProcessGroup(Ranks):
    """The ranks of torch's default process group, which exchange tensors on `device`.

    Its methods raise RankLost when another rank is gone. Sums come out the same on every rank, to the bit.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = device

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """See Ranks.sum_."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _losses():
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def sum(self, values: Tensor) -> Tensor:
        """See Ranks.sum."""
        result: Tensor = _Sum.apply(values)
        return result

    def any(self, flag: bool) -> bool:
        """See Ranks.any."""
        flags = torch.tensor([float(flag)], device=self._device)
        with _losses():
            dist.all_reduce(flags)
        return bool(flags.item())

    def from_first(self, content: bytes) -> bytes:
        """See Ranks.from_first."""
        length = torch.tensor([len(content)], device=self._device)
        with _losses():
            dist.broadcast(length, 0)
            buffer = torch.zeros(int(length.item()), dtype=torch.uint8, device=self._device)
            if self.rank == 0:
                buffer.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            dist.broadcast(buffer, 0)
        return buffer.cpu().numpy().tobytes()


def current_ranks(device: torch.device) -> Ranks:
    """The place of this process among those that train together: in the process group, where there is one."""
    return ProcessGroup(device) if dist.is_available() and dist.is_initialized() else Ranks()


class _Sum(torch.autograd.Function):
    """A sum over the ranks; the loss being a sum of theirs too, its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004 - torch's shape of it
        total = values.detach().clone()
        with _losses():
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ARG004
        return _Sum.apply(gradients[0])


@contextmanager
def _losses() -> Iterator[None]:
    """Name what torch raises when another rank is gone: a RuntimeError in the words of the network below."""
    try:
        yield
    except RuntimeError as error:
        raise RankLost(
            f"another process of this training is gone ({error}): resume, it goes on from the last whole checkpoint"
        ) from error


class GlobalBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all ranks; its state is named as that of `nn.BatchNorm2d`."""

    def __init__(self, like: nn.BatchNorm2d, ranks: Ranks) -> None:
        super().__init__(like.num_features, like.eps, like.momentum, affine=False)
        self.to(like.running_mean)  # its device and dtype
        self.load_state_dict(like.state_dict())
        self.ranks = ranks

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` `(N, C, H, W)`, of which other ranks have other images (N may be 0)."""
        if not self.training:
            return super().forward(x)
        places = (0, 2, 3)
        own = x.new_tensor([x.numel() / x.shape[1]])
        sums = self.ranks.sum(torch.cat([x.sum(places), own]))
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = x - mean[:, None, None]
        variance = self.ranks.sum(centred.square().sum(places)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        return centred * torch.rsqrt(variance + self.eps)[:, None, None]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as nn.BatchNorm2d does."""
        for running, value in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(value, self.momentum or 0.0)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def share_statistics(network: nn.Module, ranks: Ranks) -> None:
    """Make every batch norm of `network` see the images of all ranks; alone it stays as it is."""
    if ranks.size == 1:
        return
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, GlobalBatchNorm(child, ranks))

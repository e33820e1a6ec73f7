"""What follows a batch norm, computed for a few images at a time with the statistics of them all.

Only the input of the whole step is kept for its gradient; everything in between is computed again. So a batch of large
images takes a fraction of the memory, for about one more forward pass of the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_aug.gan.ranks import Ranks, update_running_statistics


@dataclass(frozen=True)
class NormalisedStep:
    """From `x` to `after(normalise(h), rest)`, with `h, rest = before(x)`; each image by itself but for the statistics.

    - `norm`: the batch norm over all images, of all ranks.
    - `before`: has no parameters.
    - `normalise`: of h, its labels, its mean and its variance, `(C,)`.
    - `parameters`: those of `normalise` and `after`.
    - `at_once`: the most images that are computed at once.
    """

    norm: nn.BatchNorm2d
    before: Callable[[Tensor], tuple[Tensor, Tensor]]
    normalise: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    after: Callable[[Tensor, Tensor], Tensor]
    parameters: Sequence[nn.Parameter]
    at_once: int

    def __call__(self, x: Tensor, labels: Tensor) -> Tensor:
        """The result for `x` `(N, C, H, W)` with `labels` `(N, K)`; N may be 0."""
        result: Tensor = _InParts.apply(self, x, labels, *self.parameters)
        return result

    def compute(self, x: Tensor, labels: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """The result with given statistics."""
        h, rest = self.before(x)
        return self.after(self.normalise(h, labels, mean, variance), rest)

    def rows(self, x: Tensor) -> Iterator[slice]:
        """The rows of each part; one of no rows if there are none."""
        return (slice(first, first + self.at_once) for first in range(0, max(1, len(x)), self.at_once))

    @property
    def ranks(self) -> Ranks:
        """The processes that share the statistics."""
        ranks: Ranks = getattr(self.norm, "ranks", Ranks())
        return ranks

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance of h over all images of all ranks, `(C,)` each, and the number of values of a channel."""
        counts, means, squares = [], [], []
        for rows in self.rows(x):
            h = self.before(x[rows])[0]
            values = h.numel() // h.shape[1]
            means.append(h.sum((0, 2, 3)) / max(1, values))
            squares.append((h - means[-1][:, None, None]).square_().sum((0, 2, 3)))
            counts.append(x.new_full((1,), values))
        number, middle, spread = torch.stack(counts), torch.stack(means), torch.stack(squares)
        # From the parts' statistics to those of all (Chan et al. 1979): no difference of large sums.
        total = self.ranks.sum(torch.cat([(number * middle).sum(0), number.sum(0)]))
        mean, count = total[:-1] / total[-1], total[-1]
        variance = self.ranks.sum((spread + number * (middle - mean).square()).sum(0)) / count
        return mean, variance, count


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, step: NormalisedStep, x: Tensor, labels: Tensor, *_: Tensor) -> Tensor:
        mean, variance, count = step.statistics(x)
        update_running_statistics(step.norm, mean, variance * count / (count - 1))
        ctx.step = step
        ctx.save_for_backward(x, labels, mean, variance, count)
        made = [step.compute(x[rows], labels[rows], mean, variance) for rows in step.rows(x)]
        return torch.cat(made)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        step: NormalisedStep = ctx.step
        x, labels, *statistics, count = ctx.saved_tensors
        of_x = torch.empty_like(x)
        shared = [torch.zeros_like(value) for value in (*statistics, *step.parameters)]
        for rows in step.rows(x):
            with torch.enable_grad():
                inputs = [value.detach().requires_grad_() for value in (x[rows], *statistics)]
                made = step.compute(inputs[0], labels[rows], *inputs[1:])
            found = torch.autograd.grad(made, [*inputs, *step.parameters], gradients[0][rows])
            of_x[rows] = found[0]
            for total, part in zip(shared, found[1:], strict=True):
                total.add_(part)
        mean, _ = statistics
        of_mean, of_variance = step.ranks.sum(torch.stack(shared[:2])) / count
        for rows in step.rows(x):
            with torch.enable_grad():
                part = x[rows].detach().requires_grad_()
                h, _ = step.before(part)
            through = (
                (h.detach() - mean[:, None, None]).mul_(2 * of_variance[:, None, None]).add_(of_mean[:, None, None])
            )
            of_x[rows] += torch.autograd.grad(h, [part], through)[0]
        return None, of_x, None, *shared[2:]

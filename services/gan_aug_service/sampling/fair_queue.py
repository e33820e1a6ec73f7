"""Whose images are made next: callers take turns, image by image, however many one of them has asked for."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import numpy as np
import numpy.typing as npt

from gan_aug_service.http.problems import Problem

Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]


class Waiting:
    """How many images each caller waits for, of all models together."""

    def __init__(self, most: int) -> None:
        """One caller may wait for `most` images at once."""
        self._most = most
        self._counts: Counter[str] = Counter()

    @contextmanager
    def counted(self, caller: str, images: int) -> Iterator[None]:
        """A block in which `caller` waits for images; raises Problem where it would wait for too many."""
        if self._counts[caller] + images > self._most:
            detail = f"this key waits for {self._counts[caller]} of {self._most} images already: ask again in a moment"
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "1"})
        self._counts[caller] += images
        try:
            yield
        finally:
            self._counts[caller] -= images
            if not self._counts[caller]:
                del self._counts[caller]


@dataclass
class Asked:
    """Images that were asked for together: noise `(N, latent)`, labels `(N, K)`, and where the images are awaited."""

    noise: Floats
    labels: Floats
    images: asyncio.Future[Images]
    taken: int = 0
    made: list[Images] = field(default_factory=list)

    def hand(self, image: Images) -> None:
        """Add the next image; with the last one, whoever waits gets all."""
        self.made.append(image)
        if len(self.made) == len(self.noise) and not self.images.done():
            self.images.set_result(np.stack(self.made))


class Turns:
    """What is waited for, by caller; a request that was given up (its future is done) is passed over."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[Asked]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(asked.noise) - asked.taken for queue in self._queues.values() for asked in queue)

    def add(self, caller: str, asked: Asked) -> None:
        """Let a request wait behind the others of its caller."""
        self._queues.setdefault(caller, deque()).append(asked)

    def take(self, most: int, *, together: bool) -> list[tuple[Asked, int]]:
        """The next rows to make, at most `most`, each as its request and its place there.

        With `together` they are of all callers, one each in turn; without, of one request of the caller whose turn
        it is.
        """
        block: list[tuple[Asked, int]] = []
        while self._queues and len(block) < most:
            caller, queue = self._queues.popitem(last=False)
            while queue and (queue[0].images.done() or queue[0].taken == len(queue[0].noise)):
                queue.popleft()
            if not queue:
                continue
            asked = queue[0]
            count = min(1 if together else most, len(asked.noise) - asked.taken)
            block += [(asked, asked.taken + step) for step in range(count)]
            asked.taken += count
            self._queues[caller] = queue
            if not together:
                break
        return block

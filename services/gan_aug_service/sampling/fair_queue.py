"""Whose images are made next: clients take turns, image by image, however many images one of them asks for."""

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


class PendingLimit:
    """Limits how many images each client waits for, of all models together."""

    def __init__(self, max_images: int) -> None:
        """One client may wait for `max_images` at once."""
        self._max_images = max_images
        self._counts: Counter[str] = Counter()

    @contextmanager
    def reserved(self, client: str, images: int) -> Iterator[None]:
        """A block in which `client` waits for so many images; raises Problem if that is above its limit."""
        if self._counts[client] + images > self._max_images:
            detail = (
                f"this key waits for {self._counts[client]} of {self._max_images} images already: ask again in a moment"
            )
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "1"})
        self._counts[client] += images
        try:
            yield
        finally:
            self._counts[client] -= images
            if not self._counts[client]:
                del self._counts[client]


@dataclass
class SampleRequest:
    """Images that one request asks for: noise `(N, latent)`, labels `(N, K)`, and the future that gets the images."""

    noise: Floats
    labels: Floats
    images: asyncio.Future[Images]
    taken: int = 0
    made: list[Images] = field(default_factory=list)

    def add_image(self, image: Images) -> None:
        """Add the next image; the last one completes the future."""
        self.made.append(image)
        if len(self.made) == len(self.noise) and not self.images.done():
            self.images.set_result(np.stack(self.made))


class RoundRobinQueue:
    """The requests that wait, by client; one whose future is done was cancelled, and is skipped."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[SampleRequest]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(request.noise) - request.taken for queue in self._queues.values() for request in queue)

    def add(self, client: str, request: SampleRequest) -> None:
        """Add a request behind the others of its client."""
        self._queues.setdefault(client, deque()).append(request)

    def take(self, most: int, *, together: bool) -> list[tuple[SampleRequest, int]]:
        """Take the next rows to make, each as its request and the row's index in it.

        Args:
            most: How many rows to take at most.
            together: Take one row of each client in turn. Otherwise all rows are of one request, of the client whose
                turn it is.

        Returns:
            The rows; none if nobody waits.
        """
        block: list[tuple[SampleRequest, int]] = []
        while self._queues and len(block) < most:
            client, queue = self._queues.popitem(last=False)
            while queue and (queue[0].images.done() or queue[0].taken == len(queue[0].noise)):
                queue.popleft()
            if not queue:
                continue
            request = queue[0]
            count = min(1 if together else most, len(request.noise) - request.taken)
            block += [(request, request.taken + step) for step in range(count)]
            request.taken += count
            self._queues[client] = queue
            if not together:
                break
        return block

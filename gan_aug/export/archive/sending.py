"""Sends files to an archive over several connections; what fails in passing is tried again, and all else is named."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gan_aug.config.export import ArchiveExport
from gan_aug.errors import StorageError
from gan_aug.export.archive.record import SentRecord

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the second try; each further pause is twice as long, up to the longest."""

MOST_REFUSED = 100
"""After so many files that the archive refused, the rest is not tried."""


@dataclass(frozen=True)
class Instance:
    """A DICOM file to send: its SOP Instance UID, the position in the set of its first image, and its bytes."""

    uid: str
    first: int
    content: bytes


class Unreached(Exception):
    """The archive gave no answer, or is busy: a later try may succeed. The message says what happened."""


@dataclass(frozen=True)
class Answer:
    """What the archive said of one file: '' if it took it, else why not, and whether a later try may succeed."""

    fault: str = ""
    passing: bool = False


Answers = list[tuple[str, int, str]]
"""Of each file of a batch its UID, the position of its first image, and why it was not taken ('' if it was)."""


class Unconnected(Unreached):
    """No connection could be made. The archive may be away, or take no further one beside those it has."""


class Connection(Protocol):
    """A connection to an archive, used by one thread."""

    def send(self, batch: Sequence[Instance]) -> Mapping[str, Answer]:
        """Send files.

        Args:
            batch: The files.

        Returns:
            By UID, what the archive said; files of which it said nothing are left out.

        Raises:
            Unreached: The archive was not reached, or broke off before it answered for any of them.
            GanAugError: No file can be sent, by a fault that does not pass.
        """

    def close(self) -> None:
        """End the connection; it may be broken."""


@dataclass
class Delivery:
    """What became of the files: how many arrived now, and for each that did not, its first image and why."""

    arrived: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def deliver(
    instances: Iterable[Instance],
    connect: Callable[[], Connection],
    options: ArchiveExport,
    record: SentRecord,
    progress: Callable[[int], None],
) -> Delivery:
    """Send files over `options.connections` connections, and record each answer.

    Args:
        instances: The files, made as they are needed: a few batches are in memory.
        connect: Prepares a connection, of which each thread has one.
        options: Batch, connections, retries.
        record: Where answers are recorded.
        progress: Called with the number of files that arrived so far.

    Returns:
        What became of them. After MOST_REFUSED refusals the rest was not tried.

    Raises:
        StorageError: The archive was not reached in all tries; what arrived before is recorded.
        GanAugError: No file can be sent, for instance as the archive asks for a sign-in.
    """
    lines = _Lines(connect, options)
    delivery = Delivery()
    try:
        for answers in lines.results(_batches(instances, options)):
            _note(answers, record, delivery)
            progress(delivery.arrived)
            if len(delivery.refused) >= MOST_REFUSED:
                break
    finally:
        for answers in lines.stop():
            _note(answers, record, delivery)
    return delivery


def _note(answers: Answers, record: SentRecord, delivery: Delivery) -> None:
    record.add(answers)
    delivery.refused |= {first: fault for _, first, fault in answers if fault}
    delivery.arrived += sum(not fault for _, _, fault in answers)


def _batches(instances: Iterable[Instance], options: ArchiveExport) -> Iterator[list[Instance]]:
    """Files in batches of at most `options.batch` files and about `options.max_bytes` bytes."""
    batch: list[Instance] = []
    size = 0
    for instance in instances:
        if batch and (len(batch) == options.batch or size + len(instance.content) > options.max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(instance)
        size += len(instance.content)
    if batch:
        yield batch


class _Lines:
    """Threads that each send batches over a connection of their own."""

    def __init__(self, connect: Callable[[], Connection], options: ArchiveExport) -> None:
        self._connect, self._options = connect, options
        self._waiting: queue.Queue[list[Instance] | None] = queue.Queue()
        self._answered: queue.Queue[Answers | Exception] = queue.Queue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._active, self._lock = 0, threading.Lock()

    def results(self, batches: Iterator[list[Instance]]) -> Iterator[Answers]:
        """The answers to `batches`, as they come; raises what a thread raised."""
        under_way = 0
        for batch in batches:
            self._waiting.put(batch)
            under_way += 1
            if len(self._threads) < min(under_way, self._options.connections):
                with self._lock:
                    self._active += 1
                self._threads.append(threading.Thread(target=self._work, daemon=True))
                self._threads[-1].start()
            if under_way > 2 * self._options.connections:
                yield self._next()
                under_way -= 1
        for _ in range(under_way):
            yield self._next()

    def stop(self) -> list[Answers]:
        """Let the threads finish what they are at, wait for them, and return the answers that came meanwhile."""
        self._stopping.set()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        left = [self._answered.get() for _ in range(self._answered.qsize())]
        return [answers for answers in left if not isinstance(answers, Exception)]

    def _next(self) -> Answers:
        answered = self._answered.get()
        if isinstance(answered, Exception):
            raise answered
        return answered

    def _work(self) -> None:
        line = _Line(self._connect, self._options, self._stopping)
        try:
            while (batch := self._next_batch(line)) is not None and not self._stopping.is_set():
                try:
                    self._answered.put(line.send(batch, self._retires))
                except Unconnected:
                    self._waiting.put(batch)
                    return
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits for it
            self._answered.put(error)
        finally:
            line.close()

    def _next_batch(self, line: _Line) -> list[Instance] | None:
        """The next batch, None at the end. Who waits for one holds no connection, as an archive may serve one alone."""
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            line.close()
            return self._waiting.get()

    def _retires(self) -> bool:
        """Let the asking thread end, if there is another one to do its work."""
        with self._lock:
            if self._active == 1:
                return False
            self._active -= 1
            return True


class _Line:
    """One thread's connection, which is made again when it broke."""

    def __init__(self, connect: Callable[[], Connection], options: ArchiveExport, stopping: threading.Event) -> None:
        self._connect, self._retries, self._stopping = connect, options.retries, stopping
        self._connection: Connection | None = None
        self._was_reached = False

    def send(self, batch: Sequence[Instance], retires: Callable[[], bool]) -> Answers:
        """Send a batch, and again what of it was not answered or may be taken later.

        Args:
            batch: The files.
            retires: Asked if this line never had a connection: whether to leave the batch to others, that have one.

        Returns:
            The answers.

        Raises:
            Unconnected: `retires` said so.
            StorageError: The archive was not reached in all tries.
        """
        answers: dict[str, Answer] = {}
        for tried in range(self._retries + 1):
            last = tried == self._retries
            rest = [one for one in batch if one.uid not in answers or answers[one.uid].passing]
            try:
                answers.update(self._connected().send(rest))
                self._was_reached = True
            except Unreached as error:
                self.close()
                if isinstance(error, Unconnected) and not self._was_reached and retires():
                    raise
                if last and not answers:
                    times = f", tried {tried + 1} times" if tried else ""
                    raise StorageError(
                        f"{error}{times}: start again when it is there, and what is left is sent"
                    ) from error
            if all(one.uid in answers and not answers[one.uid].passing for one in batch) or last:
                break
            if self._stopping.wait(min(LONGEST_PAUSE, FIRST_PAUSE * 2**tried)):
                break
        silence = Answer("the archive did not say whether it arrived")
        return [(one.uid, one.first, answers.get(one.uid, silence).fault) for one in batch]

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        self._connection = self._connection or self._connect()
        return self._connection

"""The event that keeps an association's thread from the answers to files."""

from __future__ import annotations

import threading
import time

from gan_aug.export.archive.cstore import Checkpoint


def test_nothing_takes_the_answer_to_a_file() -> None:
    class Reactor(threading.Thread):
        rounds, over = 0, False

        def run(self) -> None:
            while not self.over:
                checkpoint.wait()
                self.rounds += 1

    reactor = Reactor(daemon=True)
    checkpoint = Checkpoint(reactor)
    reactor.start()
    for _ in range(300):
        checkpoint.clear()
        before = reactor.rounds
        time.sleep(0.0002)
        assert reactor.rounds == before
        checkpoint.set()
    reactor.over = True
    reactor.join()
    checkpoint.clear()  # a thread that has ended keeps nobody waiting
    assert reactor.rounds > 0

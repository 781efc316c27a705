"""Dramatiq on Redis, with eight threads a process as by default, and as many messages fetched at once as we claim."""

import asyncio
import os

os.environ.setdefault("dramatiq_queue_prefetch", "100")

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.actions import serve

_THREADS = 8


class Dramatiq:
    """One process with one worker."""

    def open(self, url: str) -> None:
        """Connect."""
        self.broker = RedisBroker(url=url)
        dramatiq.set_broker(self.broker)

        @dramatiq.actor
        def noop() -> None:
            return

        self.noop = noop

    def fill(self, name: str, jobs: int) -> None:
        """Queue jobs."""
        assert name == "noop"
        for _ in range(jobs):
            self.noop.send()

    def has_more(self) -> bool:
        """Return whether a message waits or runs: its body is kept until it is acknowledged."""
        return bool(self.broker.client.hlen("dramatiq:default.msgs"))

    def start(self) -> None:
        """Begin to work."""
        self.worker = dramatiq.Worker(self.broker, worker_threads=_THREADS)
        self.worker.start()

    def stop(self) -> None:
        """Stop in its own way."""
        self.worker.stop()


if __name__ == "__main__":
    asyncio.run(serve(Dramatiq()))

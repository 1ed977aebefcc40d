"""Where nodes are made: in this process, or in a pool of worker processes."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol

from .graph import Node
from .store import Store

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Executor(Protocol):
    """Makes nodes whose inputs are finished."""

    slots: int
    """How many nodes it makes at a time."""

    def submit(self, node: Node, store: Store) -> Future[tuple[float, str | None]]:
        """Start a node; the future gives (seconds, error or None) and raises only if the worker died."""
        ...

    def close(self) -> None:
        """Stop; what is still running is abandoned and leaves nothing behind."""
        ...


def _work(node: Node, root: Path) -> tuple[float, str | None]:
    from .steps import execute  # noqa: PLC0415 – steps import the heavy libraries; only workers need them

    outcome = execute(node, Store(root))
    return outcome.seconds, outcome.error


class InProcess:
    """Makes each node at once, in this process."""

    slots = 1

    def submit(self, node: Node, store: Store) -> Future[tuple[float, str | None]]:
        """Make the node and return a finished future."""
        future: Future[tuple[float, str | None]] = Future()
        future.set_result(_work(node, store.root))
        return future

    def close(self) -> None:
        """Nothing to stop."""


class ProcessPool:
    """Makes nodes in `jobs` worker processes of `threads` threads each; workers meet only in the store."""

    def __init__(self, jobs: int, threads: int) -> None:
        self.slots = jobs
        self._threads = threads
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.slots,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_limit_threads,
            initargs=(self._threads, os.getpid()),
        )

    def submit(self, node: Node, store: Store) -> Future[tuple[float, str | None]]:
        """Hand the node to a worker; a pool that broke is replaced."""
        try:
            return self._pool.submit(_work, node, store.root)
        except BrokenProcessPool:
            self._pool = self._new()
            return self._pool.submit(_work, node, store.root)

    def close(self) -> None:
        """Stop the workers without waiting for what they are doing."""
        processes = list((self._pool._processes or {}).values())  # noqa: SLF001 – no public way to stop a busy worker
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _limit_threads(threads: int, parent: int) -> None:
    """Set the threads of a worker before any numerical library is imported, and let it die with its parent."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    _die_with(parent)


def _die_with(parent: int) -> None:
    """End this process soon after its parent is gone, however the parent was killed."""
    import threading  # noqa: PLC0415
    import time  # noqa: PLC0415

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

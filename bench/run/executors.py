"""Where nodes are made: in this process, or in worker processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import Protocol

from ..errors import UsageError
from .graph import Node
from .memory import keep_freed
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


LOOKS = ("explain", "perturb", "watch_boxes")
"""Kinds of nodes that import torch whatever they ask."""


def _needs_torch(node: Node) -> bool:
    return node.spec.get("mode") is not None or node.kind in LOOKS or "torch" in sys.modules  # a mode: it learns


def _work(node: Node, root: Path, threads: int) -> tuple[float, str | None]:
    from .steps import execute  # noqa: PLC0415 – steps import the heavy libraries; only workers need them

    if _needs_torch(node):
        import torch  # noqa: PLC0415

        torch.set_num_threads(threads)  # the number of threads is part of a fit's key, whoever makes it
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        # Nothing reads memory that was never written, and to fill it takes a tenth of a pass.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    outcome = execute(node, _store(root))
    return outcome.seconds, outcome.error


@cache
def _store(root: Path) -> Store:
    """One store a process: it remembers which nodes it has verified."""
    return Store(root)


@contextlib.contextmanager
def _torch_as_it_was() -> Iterator[None]:
    """Give the caller's settings back: whoever asks for a map in a notebook goes on to train there."""
    import torch  # noqa: PLC0415

    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]


class InProcess:
    """Makes each node at once, in this process."""

    slots = 1

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def submit(self, node: Node, store: Store) -> Future[tuple[float, str | None]]:
        """Make the node and return a finished future."""
        future: Future[tuple[float, str | None]] = Future()
        with _torch_as_it_was() if _needs_torch(node) else contextlib.nullcontext():
            future.set_result(_work(node, store.root, self._threads))
        return future

    def close(self) -> None:
        """Nothing to stop."""


class Workers:
    """Makes nodes in `jobs` worker processes of `threads` threads each; workers meet only in the store.

    Every worker is a pool of its own, so that one that dies (killed, out of memory) takes nothing else with it.
    """

    def __init__(self, jobs: int, threads: int) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):  # set while spawn imports a script
            raise UsageError(
                "A run was started while a worker was importing your script; put it under `if __name__ == '__main__':`."
            )
        self.slots = jobs
        self._threads = threads
        self._idle = [self._new() for _ in range(jobs)]
        self._busy: dict[Future[tuple[float, str | None]], ProcessPoolExecutor] = {}

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(self._threads, os.getpid()),
        )

    def submit(self, node: Node, store: Store) -> Future[tuple[float, str | None]]:
        """Hand the node to an idle worker; there is one as long as no more than `slots` nodes are under way."""
        for future in [future for future in self._busy if future.done()]:
            pool = self._busy.pop(future)
            self._idle.append(self._new() if isinstance(future.exception(), BrokenProcessPool) else pool)
        pool = self._idle.pop()
        try:
            future = pool.submit(_work, node, store.root, self._threads)
        except BrokenProcessPool:  # its worker was killed while it had nothing to do
            pool = self._new()
            future = pool.submit(_work, node, store.root, self._threads)
        self._busy[future] = pool
        return future

    def close(self) -> None:
        """Stop the workers without waiting for what they are doing."""
        for pool in (*self._idle, *self._busy.values()):
            processes = list((pool._processes or {}).values())  # noqa: SLF001 – no public way to stop a busy worker
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()


def _prepare(threads: int, parent: int) -> None:
    """Set up a worker before any numerical library is imported."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
    keep_freed()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    """End this process soon after its parent is gone, however the parent was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)

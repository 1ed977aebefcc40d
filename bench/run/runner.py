"""Makes what a plan asks for and is not there yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from ..errors import WorkerDiedError
from .executors import Executor
from .graph import Node
from .progress import Progress
from .store import Store

FIRST = (
    "pictures",
    "fit_detector",
    "features",
    "fit",
    "detect",
    "crops",
    "explain",
    "score_detector",
    "watch_boxes",
    "perturb",
    "classify",
    "variants",
    "trials",
    "chirality",
    "localise",
    "score",
)
"""Among nodes that could start, long ones and those that others wait for come first."""


@dataclass
class Work:
    """What is left to do, by key."""

    waiting: dict[str, Node] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """The reason, for a node that failed and for all that needed it."""


def missing(targets: Iterable[Node], store: Store) -> dict[str, Node]:
    """Nodes that must be made for the targets: a finished node needs none of its inputs."""
    needed: dict[str, Node] = {}

    def visit(node: Node) -> None:
        if node.key in needed or store.has(node):
            return
        for source in node.inputs.values():
            visit(source)
        needed[node.key] = node

    for target in targets:
        visit(target)
    return needed


def run(targets: Iterable[Node], store: Store, executor: Executor, progress: Progress) -> Mapping[str, str]:
    """Make the targets.

    Returns:
        The reason of each failure by key, of failed nodes and of all that needed them; everything else is in the store.
    """
    needed = missing(targets, store)
    work = Work(waiting=dict(needed), done=set())
    running: dict[Future[tuple[float, str | None]], Node] = {}
    progress.start(list(needed.values()), executor.slots)
    try:
        while work.waiting or running:
            for node in _ready(work, needed)[: executor.slots - len(running)]:
                del work.waiting[node.key]
                progress.begin(node)
                running[executor.submit(node, store)] = node
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                node = running.pop(future)
                seconds, error = _outcome(future, node, store)
                progress.end(node, seconds, error)
                if error is None:
                    work.done.add(node.key)
                else:
                    _fail(node, error, work)
    finally:
        progress.stop()
        executor.close()
    return work.failed


def _ready(work: Work, needed: Mapping[str, Node]) -> list[Node]:
    ready = [
        node
        for node in work.waiting.values()
        if all(source.key in work.done or source.key not in needed for source in node.inputs.values())
    ]
    return sorted(ready, key=lambda node: FIRST.index(node.kind))


def _outcome(future: Future[tuple[float, str | None]], node: Node, store: Store) -> tuple[float, str | None]:
    try:
        return future.result()
    except BrokenProcessPool:  # the node's own errors come as values
        error = WorkerDiedError(
            f"{node.label}: the worker process died (out of memory, or killed); run again to retry."
        )
        store.fail(node, error)
        return 0.0, str(error)


def _fail(node: Node, error: str, work: Work) -> None:
    """Fail a node and, since they can never start, all that need it."""
    work.failed[node.key] = error
    for other in list(work.waiting.values()):
        if other.key in work.waiting and any(source.key == node.key for source in other.inputs.values()):
            del work.waiting[other.key]
            _fail(other, error, work)

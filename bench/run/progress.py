"""What a reader sees while a suite runs: a live bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Protocol, TextIO

from .graph import Node

SILENCE = 2.0
"""Plain lines come at most so often, in seconds; failures always come."""


class Progress(Protocol):
    """Told of every node."""

    def start(self, nodes: Sequence[Node], slots: int) -> None:
        """Begin with the nodes that must be made."""
        ...

    def begin(self, node: Node) -> None:
        """A node starts."""
        ...

    def end(self, node: Node, seconds: float, error: str | None) -> None:
        """A node is finished, or failed."""
        ...

    def stop(self) -> None:
        """No more will come."""
        ...


class Estimate:
    """How long what is left will take, from the times of like nodes, now or on earlier runs."""

    def __init__(self, nodes: Sequence[Node], slots: int, past: Mapping[str, float]) -> None:
        self._left: dict[str, int] = {}
        for node in nodes:
            self._left[node.family] = self._left.get(node.family, 0) + 1
        self._slots = slots
        self._past = dict(past)
        self._seen: dict[str, list[float]] = {}

    def add(self, node: Node, seconds: float) -> None:
        """A node took so long."""
        self._left[node.family] -= 1
        self._seen.setdefault(node.family, []).append(seconds)

    def unknown(self) -> list[str]:
        """Families that nothing is known of."""
        return sorted(f for f, n in self._left.items() if n and f not in self._past and f not in self._seen)

    def seconds(self) -> float:
        """Seconds left for the families that something is known of."""
        total = 0.0
        for family, count in self._left.items():
            seen = self._seen.get(family)
            total += count * (sum(seen) / len(seen) if seen else self._past.get(family, 0.0))
        return total / self._slots

    def text(self) -> str:
        """For readers."""
        if self.unknown():
            return "time left unknown yet"
        return f"about {duration(self.seconds())} left"


def duration(seconds: float) -> str:
    """Write seconds as readers like them: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class PlainLines:
    """One line now and then, for pipes and log files."""

    def __init__(self, past: Mapping[str, float], stream: TextIO | None = None) -> None:
        self._past = past
        self._stream = stream or sys.stderr
        self._done = self._total = 0
        self._last = float("-inf")
        self._estimate = Estimate([], 1, {})

    def start(self, nodes: Sequence[Node], slots: int) -> None:
        """Say how much there is to do."""
        self._total, self._estimate = len(nodes), Estimate(nodes, slots, self._past)

    def begin(self, node: Node) -> None:
        """Nothing: lines are for what is done."""

    def end(self, node: Node, seconds: float, error: str | None) -> None:
        """Say what was done, unless a line came just now."""
        self._done += 1
        self._estimate.add(node, seconds)
        now = time.monotonic()
        if error is not None:
            self._say(f"FAILED {node.label}: {error}")
        elif now - self._last >= SILENCE or self._done == self._total:
            self._last = now
            self._say(f"{node.label} ({duration(seconds)}; {self._estimate.text()})")

    def _say(self, text: str) -> None:
        print(f"[{self._done}/{self._total}] {text}", file=self._stream, flush=True)

    def stop(self) -> None:
        """Nothing to tidy."""


class LiveBar:
    """A bar, and under it what is being made, for a terminal."""

    def __init__(self, past: Mapping[str, float]) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
        from rich.progress import Progress as RichProgress  # noqa: PLC0415

        self._past = past
        self._running: dict[str, str] = {}
        self._estimate = Estimate([], 1, {})
        self._bar = RichProgress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]} · {task.description}", markup=False),
            console=Console(file=sys.stderr),  # this stderr, even while a step's output goes elsewhere
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, left="")

    def start(self, nodes: Sequence[Node], slots: int) -> None:
        """Show the bar."""
        self._estimate = Estimate(nodes, slots, self._past)
        self._bar.update(self._task, total=len(nodes))
        self._bar.start()

    def begin(self, node: Node) -> None:
        """Show that it is being made."""
        self._running[node.key] = node.label
        self._show()

    def end(self, node: Node, seconds: float, error: str | None) -> None:
        """Move the bar; failures stay on the screen."""
        self._running.pop(node.key, None)
        self._estimate.add(node, seconds)
        if error is not None:
            self._bar.console.print(f"FAILED {node.label}: {error}", style="bold red", markup=False, highlight=False)
        self._bar.advance(self._task)
        self._show()

    def _show(self) -> None:
        text = " · ".join(self._running.values())
        self._bar.update(self._task, description=text, left=self._estimate.text())

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def for_stderr(past: Mapping[str, float]) -> Progress:
    """A live bar when stderr is a terminal, plain lines otherwise."""
    return LiveBar(past) if sys.stderr.isatty() else PlainLines(past)

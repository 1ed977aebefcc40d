"""A memory for what lays nodes out: cells share most of theirs, and a node hashes its key once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ..plugins import Plugin
from .entries import Backbone, Detector
from .graph import Node


class Keeper(Protocol):
    """Lays nodes out and keeps those that were asked for."""

    @property
    def made(self) -> dict[object, Node]:
        """Nodes that were asked for before."""
        ...


Self = TypeVar("Self", bound=Keeper)
Said = ParamSpec("Said")


def once(make: Callable[Concatenate[Self, Said], Node]) -> Callable[Concatenate[Self, Said], Node]:
    """Make each node once: the same arguments give the same node."""

    def found(self: Self, /, *said: Said.args, **named: Said.kwargs) -> Node:
        words = (*map(_word, said), *((name, _word(one)) for name, one in sorted(named.items())))
        if (make.__name__, *words) not in self.made:
            self.made[make.__name__, *words] = make(self, *said, **named)
        return self.made[make.__name__, *words]

    return found


def _word(said: object) -> object:
    """Return what tells an argument from others: plugins by their name, nodes by their key."""
    if isinstance(said, Detector | Backbone):
        return said.label
    if isinstance(said, Plugin):
        return said.name
    return said.key if isinstance(said, Node) else said

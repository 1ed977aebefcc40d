"""Families: photographs that must stay together in every split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..records import Photomicrograph

Family = tuple[Photomicrograph, ...]


def families_of(photographs: Sequence[Photomicrograph]) -> Mapping[str, str]:
    """Return id → name of its family: linked by the same group, the same sha256, or the same parent.

    Links chain: when A shares a group with B and B its bytes with C, all three are one family. A twin's id is its
    parent's with `~` and a suffix.
    """
    parent: dict[str, str] = {}
    for photo in photographs:
        ties = (f"group {photo.group}", f"bytes {photo.sha256}", f"origin {photo.id.split('~')[0]}")
        roots = sorted(_root(parent, tie) for tie in ties)
        parent.update(dict.fromkeys(roots, roots[0]))
    return {photo.id: _root(parent, f"group {photo.group}") for photo in photographs}


def group_families(photographs: Sequence[Photomicrograph]) -> list[Family]:
    """Return the families with their members, in an order that does not depend on the order of the photographs."""
    names = families_of(photographs)
    members: dict[str, list[Photomicrograph]] = {}
    for photo in sorted(photographs, key=lambda photo: photo.id):
        members.setdefault(names[photo.id], []).append(photo)
    return [tuple(family) for family in members.values()]


def _root(parent: dict[str, str], node: str) -> str:
    """Follow the links to their end, and shorten them on the way (union-find)."""
    while parent.setdefault(node, node) != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node

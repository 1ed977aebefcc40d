"""A gallery: the failures of one system, as one folder that opens from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..records import CellRecord
from .cards import cards
from .exhibits import Exhibit
from .pictures import Pictures
from .selection import ALL_KINDS, Selection
from .shelf import Shelf


@dataclass(frozen=True, slots=True)
class Gallery:
    """What one system got wrong (or right), by which rule it was chosen, and what it came from."""

    title: str
    suite: str
    version: int
    digest: str
    system: str
    selection: Selection
    exhibits: tuple[Exhibit, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What readers need to repeat it, by a name of their language: plugins, weights, seeds."""
    rights: str | None = None
    """What may be done with the photographs."""
    standing: str | None = None
    """How far the system's maps are to be trusted, and its gates, in words."""

    @property
    def counts(self) -> tuple[str, ...]:
        """One sentence a kind: how many are shown, out of how many."""
        shown = [exhibit.kind for exhibit in self.exhibits]
        return tuple(
            f"{ALL_KINDS[name].title}: {shown.count(name)} of {total} shown. {ALL_KINDS[name].description}"
            for name, total in self.selection.counts.items()
        )


def provenance(records: Sequence[CellRecord]) -> dict[str, str]:
    """Return what a gallery of these records rests on: plugins with their digests, seeds, folds, packages, commit."""
    found: dict[str, list[str]] = {}
    for record in sorted(records, key=lambda record: record.cell):
        for role, plugin in record.plugins.items():
            words = ", ".join(f"{key} {value}" for key, value in plugin.items() if value)
            found.setdefault(role, []).append(words)
        found.setdefault("seed", []).append(str(record.cell.seed))
        found.setdefault("fold", []).append(record.cell.fold)
        for name in ("clastbench", "torch", "git_commit", "git_dirty", "device"):
            if name in record.environment:
                found.setdefault(name.replace("_", " "), []).append(record.environment[name])
    return {name: "; ".join(dict.fromkeys(values)) for name, values in found.items()}


def write_gallery(gallery: Gallery, folder: Path, *, pixels: bool) -> Path:
    """Write a gallery into `folder` and return its `index.html`.

    Without `pixels` no photograph and no map is written: outlines, boxes, numbers and text only. What an earlier
    gallery left in the folder is removed.
    """
    from .pages import render  # noqa: PLC0415 - brings Jinja2

    shelf = Shelf(folder)
    shown = cards(gallery.exhibits, Pictures(shelf, pixels=pixels), pixels=pixels)
    page = render("gallery.html", root="", gallery=gallery, cards=shown, pixels=pixels, rights=gallery.rights, links=())
    return shelf.write("index.html", page)

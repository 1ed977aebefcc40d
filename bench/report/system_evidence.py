"""What a system's page says beside its scores: trust and gates, faithfulness with its curves, changed pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..metrics import PART_CHANGES, trial_metric
from ..metrics.trial_catalogue import word
from ..records import EXTERNAL, TARGETS, CellRecord, Score
from .curve_figure import draw_curves
from .curves import Band, bands
from .exhibits import MapRow
from .map_board import lacking, tables_of, unmapped
from .map_columns import MapColumn, MapLine, faithful_columns, faithful_lines
from .shelf import Shelf
from .trust_board import TRUST, gate_lines
from .unanswered import CHANGED, REMOVAL, unanswered
from .unanswered import MIRROR as IN_THE_MIRROR

SYMMETRY = ("label_antisymmetry", "logit_antisymmetry_error", "rotation_consistency")
MIRROR = ("equivariance", "equivariance_null")
ERASED = "erased_forced"
TRUST_PARTS: tuple[tuple[str, str], ...] = (("cpf", "CPF"), ("srg", "SRG"), ("lift_sense", "lift"))
"""Of the maps for the sense."""
_HEAT: Mapping[str, tuple[str, str]] = {
    "tails": ("share_tails", "area_tails"),
    "swapped tails": ("share_tails", "area_tails"),
    "core": ("share_core", "area_core"),
    "clasts": ("epg", "rho"),
    "matrix": ("share_matrix", "area_matrix"),
    "artefacts": ("share_artefacts", "area_artefacts"),
}
"""The shares of the heat and of the area that lie on what was changed; light lies everywhere."""
_CHANGED: Mapping[str, str] = {
    "tails": "tails taken away",
    "swapped tails": "tails of the other sense",
    "core": "core taken away",
    "clasts": "clasts and their flow field taken away",
    "matrix": "another far matrix",
    "artefacts": "artefacts taken away",
    "light": "another light",
}


@dataclass(frozen=True, slots=True)
class CurveFigure:
    """One figure of curves."""

    name: str
    """Below the report's folder, without its ending."""
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Faithful:
    """What removing cells says of the maps of one target."""

    target: str
    columns: tuple[MapColumn, ...]
    lines: tuple[MapLine, ...]
    figure: CurveFigure | None

    def n_images(self, line: MapLine) -> int:
        """Photographs behind a line."""
        asked = [line.row.scores[one.name].n_images for one in self.columns if one.name in line.row.scores]
        return max(asked, default=0)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one change of the pictures does to the answer to one question, beside the heat on what was changed."""

    fall: Score | None
    """Mean fall of f in logits, over scenes; opposite changes cancel."""
    heat: Score | None
    """Share of the ranked method's heat on the part; None where it is no place."""
    area: float | None
    """The part's share of the area: the heat that chance would put there."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the pictures."""

    part: str
    """One of `metrics.PART_CHANGES`."""
    title: str
    """In words."""
    effects: tuple[Effect, ...]
    """One a target."""


@dataclass(frozen=True, slots=True)
class Named:
    """A score with its name and meaning."""

    title: str
    meaning: str
    score: Score


def evidence(
    shelf: Shelf, name: str, records: Sequence[CellRecord], maps: Sequence[MapRow], scores: Mapping[str, Score], *,
    method: str,
) -> dict[str, Any]:  # fmt: skip
    """Return what the templates trust, faithfulness and trials show, and draw the curves of the ranked method.

    `name` is the stem of the system's page; figures stand beside it.
    """
    ranked = {row.target: row.scores for row in maps if row.method in (method, EXTERNAL)}
    turned = [ranked.get("sense", {}).get(one) for one in MIRROR]
    silent = unanswered(records, method)
    return {
        "trust": scores.get(TRUST),
        "trust_parts": [(title, scores.get(one)) for one, title in TRUST_PARTS],
        "gates": gate_lines(scores),
        "faithful": _faithful(maps, {target: _figure(shelf, name, records, target, method) for target in TARGETS}),
        "chirality": [_named(one, scores[one]) for one in SYMMETRY if one in scores],
        "mirror": turned if any(turned) else [],
        "changes": changes(scores, ranked),
        "erased": _named(ERASED, scores[ERASED]) if ERASED in scores else None,
        "cues": [_named(one, score) for one, score in scores.items() if one.startswith("cue_")],
        "unmapped": unmapped(records, method),
        "unremoved": silent.get(REMOVAL),
        "unremovable": next(iter(lacking(records, method, "sense", "cpf")), None),
        "unmirrored": silent.get(IN_THE_MIRROR),
        "untried": silent.get(CHANGED),
    }


def changes(scores: Mapping[str, Score], ranked: Mapping[str, Mapping[str, Score]]) -> tuple[Change, ...]:
    """Return the changes that were tried, in the order of PART_CHANGES; `ranked` has the scores of maps by target."""
    found = []
    for part in PART_CHANGES:
        effects = tuple(_effect(part, target, scores, ranked.get(target, {})) for target in TARGETS)
        if any(one.fall for one in effects):
            found.append(Change(part, _CHANGED[part], effects))
    return tuple(found)


def _effect(part: str, target: str, scores: Mapping[str, Score], mapped: Mapping[str, Score]) -> Effect:
    heat, area = (mapped.get(name) for name in _HEAT.get(part, ("", "")))
    return Effect(scores.get(f"effect_{word(part)}_{target}"), heat, area.value if area else None)


def _faithful(maps: Sequence[MapRow], figures: Mapping[str, CurveFigure | None]) -> tuple[Faithful, ...]:
    """Return the targets for which cells were removed."""
    found = []
    for target, figure in figures.items():
        if lines := faithful_lines(maps, target):
            found.append(Faithful(target, faithful_columns([line.row for line in lines]), lines, figure))
    return tuple(found)


def _figure(shelf: Shelf, name: str, records: Sequence[CellRecord], target: str, method: str) -> CurveFigure | None:
    """Draw the curves of the ranked method for one target; None where there are none."""
    found = bands(tables_of(records, method, target))
    if not found:
        return None
    stem = f"systems/{name}-{target}"
    for form, content in zip(("png", "pdf"), draw_curves(found, target), strict=True):
        shelf.write(f"{stem}.{form}", content)
    ends = [f"{one} from {band.mean[0]:.2f} to {band.mean[-1]:.2f}" for one, band in found.items()]
    return CurveFigure(stem, f"Mean curves of f in logits: {'; '.join(ends)}.", _caption(found, target, method))


def _caption(found: Mapping[str, Band], target: str, method: str) -> str:
    first = next(iter(found.values()))
    maps = "1 map" if first.n_maps == 1 else f"{first.n_maps} maps"
    groups = "1 group" if first.n_groups == 1 else f"{first.n_groups} groups"
    bars = "" if first.low is None else " Bands: 95 % intervals of the mean, bootstrap by group."
    return (
        f"f for the {target} in logits, nothing normalised, while cells are removed (or put back) in the order of "
        f"{method}: mean over {maps} of {groups}; the first panel is also the mean over the three ways to "
        f"remove. Control: the order of each cell's own effect.{bars}"
    )


def _named(name: str, score: Score) -> Named:
    metric = trial_metric(name)
    return Named(metric.title, metric.description, score)

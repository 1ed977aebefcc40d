"""The text beside a print sheet: what is shown, by which rule it was chosen, and what the colours mean."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Photomicrograph, Prediction
from .cards import angle, question
from .exhibits import Exhibit
from .finds import captions as finds_captions
from .gallery import Gallery
from .selection import confidence, said

COLOURS_MEAN = (
    "Colours: outline of the clast with its tails in blue, core in yellow, box in white where no outline is known, "
    "regions to be ignored in grey (Okabe and Ito's palette)."
)
HEAT_MEANS = (
    "Heat: the positive part of each map, from purple (little) over orange to pale yellow (the map's own maximum), "
    "over the grey values of the photograph; maps are bilinear between the centres of their cells."
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letter(place: int) -> str:
    """Return the panel letter of a row, from 0: a … z, aa, ab, …."""
    return (letter(place // 26 - 1) if place >= 26 else "") + _LETTERS[place % 26]


def row_title(exhibit: Exhibit) -> str:
    """Write what stands above a row: photograph, truth, answer, light, lifts."""
    told = exhibit.prediction
    if exhibit.mistake:
        return finds_captions.row_title(exhibit.mistake, exhibit.photo.id, conditions(exhibit.photo))
    words = [
        exhibit.photo.id,
        verdict(told),
        *conditions(exhibit.photo),
        *(f"lift, {target} {value:.2f}" for target, value in exhibit.lift.items() if value is not None),
    ]
    return " · ".join(words)


def verdict(told: Prediction) -> str:
    """Write truth and answer."""
    return f"true {told.truth or 'open'}, said {said(told)} ({confidence(told):.2f})"


def conditions(photo: Photomicrograph) -> list[str]:
    """Write light mode and orientation, as far as they are known."""
    words = [f"light: {photo.light}" if photo.light else "light not known"]
    if photo.foliation_deg is not None:
        words.append(f"foliation {angle(photo.foliation_deg)}")
    return words


def caption(gallery: Gallery, files: Sequence[str], *, pixels: bool) -> str:
    """Write the caption of a gallery's print sheet."""
    lines = [
        f"{gallery.title}",
        "",
        f"System: {gallery.system}. Suite: {gallery.suite}, version {gallery.version}, digest {gallery.digest}.",
        f"Selection: {gallery.selection.rule}",
        *(f"  {sentence}" for sentence in gallery.counts),
        f"Seed of the selection: {gallery.selection.seed}.",
        "",
        *_means(gallery, pixels=pixels),
        "The foliation's angle is counter-clockwise from the horizontal of the picture.",
        "",
        *_rows(gallery.exhibits, pixels=pixels),
        "",
        *(f"{name}: {text}" for name, text in gallery.provenance.items()),
        f"Files: {', '.join(files)}.",
    ]
    return "\n".join([*lines, *([gallery.rights] if pixels and gallery.rights else [])]) + "\n"


NO_PIXELS = "Columns: outlines on grey. No photograph and no map is shown: maps of photographs count as pixels."
NO_PHOTOGRAPH = "Boxes on grey: no photograph is shown."


def _means(gallery: Gallery, *, pixels: bool) -> list[str]:
    """Say what is seen: of answers about photographs, and of mistakes about clasts, whichever are there."""
    of_clasts = [exhibit.mistake is not None for exhibit in gallery.exhibits]
    lines = []
    if not all(of_clasts) or not of_clasts:
        columns = "Columns: photograph; outlines; heat for the sense; heat for presence." if pixels else NO_PIXELS
        lines += [columns, COLOURS_MEAN, *([HEAT_MEANS] if pixels else [])]
    if any(of_clasts):
        lines += [finds_captions.BOXES_MEAN, finds_captions.SCORES_MEAN, *([] if pixels else [NO_PHOTOGRAPH])]
    return lines


def _rows(exhibits: Sequence[Exhibit], *, pixels: bool) -> list[str]:
    lines = []
    for place, exhibit in enumerate(exhibits):
        cell = exhibit.cell
        kind = [] if exhibit.mistake else [exhibit.kind]
        told = [row_title(exhibit), *kind, f"fold {cell.fold}, seed {cell.seed}"]
        line = f"({letter(place)}) {' · '.join(told)}"
        asked = [f"{question(exhibit, one.target)} ({one.method})" for one in exhibit.explanations] if pixels else []
        notes = [*asked, *([exhibit.note] if exhibit.note else [])]
        lines.append(" · ".join([line, *notes]))
    return lines

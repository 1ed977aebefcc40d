"""What every detector must satisfy: sound boxes, the same ones whenever it is asked, and after it has learned."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import plugins
from .conformance import TOLERANCE, Check, keeps, kit_photographs, must, pickles
from .plugins import DETECTORS, Plugin
from .records import CLASSES, SENSES, Boxes, Photomicrograph
from .run.seeing import blinded
from .suite import DetectorTraining

if TYPE_CHECKING:
    from .explain.sight import Sight

RECIPE = DetectorTraining(size=64, epochs=1, batch_size=4)
"""Enough to see that it learns without a fault, not that it learns well."""
GREY = 128
_SENSES = [CLASSES.index(sense) for sense in SENSES]


def detector_checks(plugin: Plugin) -> Iterator[Check]:
    """Yield the checks that apply to a detector, on generated photographs; one that learns is trained first."""
    made = plugin.made
    yield "keeps the contract's attributes", lambda: _contract(made)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        if plugins.learns(made):
            yield "fits and loads", lambda: _learn(made, out)
            yield "writes only into the folder it is given", lambda: _left_alone(out)
        yield from _box_checks(made)
        if plugins.learns(made):
            yield "is the same after save and load", lambda: _same_again(plugin, out)
        if plugins.learns(made) and hasattr(made, "own_head"):
            yield "reads the sense when asked to", lambda: _reads_senses(plugin, Path(folder) / "own")
        if plugins.sees(made):
            yield "sees what it proposes", lambda: _sees(made)
        yield "pickles", lambda: pickles(made)


def _contract(made: Any) -> None:
    keeps(plugins.check_detector, made)
    own_head = getattr(made, "own_head", False)
    must(isinstance(own_head, bool), f"own_head is {own_head!r}; expected True or False")
    must(not (own_head and not plugins.learns(made)), "own_head is True, but it has no fit and load")


def _learn(made: Any, out: Path) -> None:
    """Train and load a detector, away from this process's own folder, which it must leave alone."""
    here = out.parent / f"{out.name}-here"
    out.mkdir()
    here.mkdir()
    photographs = list(kit_photographs())
    with contextlib.chdir(here):
        made.fit(photographs, photographs, recipe=RECIPE, seed=0, device="cpu", out=out)
        made.load(out, device="cpu")


def _left_alone(out: Path) -> None:
    here = out.parent / f"{out.name}-here"
    expected = {out, here, *out.rglob("*")}
    strange = sorted(path.name for path in out.parent.rglob("*") if path not in expected)
    must(not strange, f"fit wrote {', '.join(strange)} beside the folder out")


def _box_checks(made: Any) -> Iterator[Check]:
    """What holds for the boxes of any detector."""
    photographs = list(kit_photographs())
    shown = photographs if made.uses_truth else blinded(photographs)
    every: list[Boxes] = []

    def answers() -> None:
        every.extend(_valid(made, shown))

    def batches() -> None:
        singly = [boxes for photo in shown for boxes in made.detect([photo])]
        _same(singly, every, "a photograph's boxes depend on those it is shown with")

    def order() -> None:
        _same(made.detect(shown[::-1])[::-1], every, "a photograph's boxes depend on the order")

    yield "proposes valid boxes", answers
    yield "keeps its boxes on the photograph", lambda: _on_photograph(shown, every)
    yield "leaves its input unmutated", lambda: _unmutated(made, shown)
    yield "is deterministic", lambda: _same(made.detect(shown), every, "two calls with the same pictures differ", 0.0)
    yield "is independent of the batch", batches
    yield "is independent of the order", order
    if made.view == "image":
        yield "returns the full frame, as its view says", lambda: _full_frame(shown, every)
    if not made.uses_truth:
        yield "bears no photographs", lambda: must(list(made.detect([])) == [], "no photographs give boxes")
        yield "bears a photograph of nothing", lambda: _bears_nothing(made, shown[0])


def _valid(made: Any, shown: Sequence[Photomicrograph]) -> list[Boxes]:
    found: list[Boxes] = made.detect(shown)
    must([boxes.image_id for boxes in found] == [photo.id for photo in shown], "not one Boxes a photograph, in order")
    for boxes in found:
        n = len(boxes.score)
        must(boxes.xyxy.shape == (n, 4), f"xyxy has shape {boxes.xyxy.shape}; expected {(n, 4)}")
        must(bool(np.isfinite(boxes.xyxy).all()), "boxes are not finite")
        must(bool(((boxes.score >= 0) & (boxes.score <= 1)).all()), "scores are not in 0..1")
        must(bool((boxes.xyxy[:, 2:] > boxes.xyxy[:, :2]).all()), "boxes without area")
        _check_label(boxes)
    return found


def _check_label(boxes: Boxes) -> None:
    if boxes.label is not None:
        label, n = boxes.label, len(boxes.score)
        kind = f"{label.dtype}{list(label.shape)}"
        must(label.dtype == np.int8 and label.shape == (n,), f"label is {kind}; expected int8[{n}], one a box")
        must(bool(np.isin(label, _SENSES).all()), f"label holds more than {_SENSES}, the senses {', '.join(SENSES)}")


def _on_photograph(shown: Sequence[Photomicrograph], every: Sequence[Boxes]) -> None:
    for photo, boxes in zip(shown, every, strict=True):
        height, width = photo.load().shape[:2]
        low, high = boxes.xyxy[:, :2], boxes.xyxy[:, 2:]
        touches = (high >= 0).all(axis=1) & (low <= (width, height)).all(axis=1)
        must(bool(touches.all()), f"a box lies outside the photograph ({width} by {height} pixels)")


def _unmutated(made: Any, shown: Sequence[Photomicrograph]) -> None:
    """Show it pictures that are the same arrays every time they are loaded."""
    held = [photo.load() for photo in shown]
    given = [replace(photo, pixels=_always(array)) for photo, array in zip(shown, held, strict=True)]
    made.detect(given)
    kept = all(np.array_equal(array, photo.load()) for photo, array in zip(shown, held, strict=True))
    must(kept, "the pixels of a photograph were changed in place")


def _always(array: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    return lambda: array


def _full_frame(shown: Sequence[Photomicrograph], every: Sequence[Boxes]) -> None:
    for photo, boxes in zip(shown, every, strict=True):
        height, width = photo.load().shape[:2]
        must(boxes.xyxy.tolist() == [[0, 0, width, height]], "view is 'image', but its box is not the full frame")


def _bears_nothing(made: Any, photo: Photomicrograph) -> None:
    blank = np.full_like(photo.load(), GREY)
    _valid(made, [replace(photo, pixels=blank.copy)])


def _same_again(plugin: Plugin, out: Path) -> None:
    shown = blinded(kit_photographs())
    again = plugins.load(DETECTORS, plugin.spec).made
    again.load(out, device="cpu")
    _same(again.detect(shown), plugin.made.detect(shown), "a reloaded detector proposes something else")


def _reads_senses(plugin: Plugin, out: Path) -> None:
    """Train it anew on CW and CCW: every box must carry one of them."""
    made = plugins.load(DETECTORS, plugin.spec).made
    made.own_head = True
    _learn(made, out)
    again = plugins.load(DETECTORS, plugin.spec).made
    again.own_head = True
    again.load(out, device="cpu")
    for boxes in _valid(again, blinded(kit_photographs())):
        must(boxes.label is not None, "own_head is True, but its boxes carry no label")


def _same(one: Sequence[Boxes], other: Sequence[Boxes], problem: str, tolerance: float = TOLERANCE) -> None:
    """Compare boxes of the same photographs as sets; the tolerance is relative to the largest coordinate, or 1."""
    worst = max((_distance(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    must(worst <= tolerance, f"{problem} (by {worst:.2g}, at most {tolerance:g} is allowed)")


def _distance(one: Boxes, other: Boxes) -> float:
    """Return how far the worst box is from its nearest partner; infinite if there are more of one than of the other."""
    if len(one.score) != len(other.score):
        return float("inf")
    if not len(one.score):
        return 0.0
    mine, theirs = _rows(one), _rows(other)
    apart = np.abs(mine[:, None] - theirs[None]).max(axis=2)
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))


def _sees(made: Any) -> None:
    """Ask for the candidates behind its boxes: they must hold these, and have gradients; nothing may change."""
    for photo in blinded(kit_photographs()[:2]):
        before = made.detect([photo])
        sight = made.sight(photo.load())
        n = len(sight.xyxy)
        must(sight.xyxy.shape == (n, 4), f"sight.xyxy has shape {sight.xyxy.shape}; expected {(n, 4)}")
        must(tuple(sight.scores.shape) == (n,), f"sight.scores has shape {tuple(sight.scores.shape)}; expected {(n,)}")
        must(len(sight.layers) == len(sight.extents) > 0, "sight has not one extent a layer, or no layer")
        _gradients(sight)
        _same(made.detect([photo]), before, "its boxes are others after sight", 0.0)
        _among(before[0], sight)


def _gradients(sight: Sight) -> None:
    import torch  # noqa: PLC0415

    sizes = [tuple(layer.shape) for layer in sight.layers]
    must(all(len(size) == 4 and size[0] == 1 for size in sizes), f"layers have shapes {sizes}; expected (1, C, h, w)")
    found = torch.autograd.grad(sight.scores.sum(), sight.layers, retain_graph=True, allow_unused=True)
    must(any(one is not None for one in found), "no layer of sight has a gradient")
    must(all(one is None or bool(torch.isfinite(one).all()) for one in found), "a gradient of sight is not finite")


def _among(boxes: Boxes, sight: Sight) -> None:
    """Each box must be a candidate, with its score; the tolerance is as elsewhere."""
    if not len(boxes.score):
        return
    candidates = Boxes(boxes.image_id, sight.xyxy, sight.scores.detach().cpu().numpy(), sight.labels)
    must((boxes.label is None) == (sight.labels is None), "sight.labels and the labels of its boxes do not go together")
    mine, theirs = _rows(boxes), _rows(candidates)
    worst = max(float(np.abs(theirs - row).max(axis=1).min(initial=np.inf)) for row in mine)
    must(worst <= TOLERANCE, f"a box is no candidate of sight (by {worst:.2g}, at most {TOLERANCE:g} is allowed)")


def _rows(boxes: Boxes) -> NDArray[np.float64]:
    """Return boxes in shares of the largest coordinate, score and label as float64[N, 6]."""
    xyxy = boxes.xyxy.astype(np.float64)
    label = np.zeros(len(xyxy)) if boxes.label is None else boxes.label
    return np.column_stack([xyxy / max(1.0, float(np.abs(xyxy).max())), boxes.score, label])

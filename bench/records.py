"""The vocabulary of the suite, as frozen records.

Coordinates are pixels of the photograph, x to the right, y down, origin at the top left corner of the top left pixel.
A box is `(x0, y0, x1, y1)` with `x1 > x0`, `y1 > y0`; it covers `x1 - x0` by `y1 - y0` pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sense = Literal["CW", "CCW"]
Box = tuple[float, float, float, float]

CLASSES: tuple[str, ...] = ("none", "CW", "CCW")
"""Class names in the order of every logit and probability vector."""

SENSES: tuple[Sense, ...] = ("CW", "CCW")
"""The classes that are a shear sense."""

STATES: tuple[str, ...] = ("agrees", "independent", "reversed")
"""How a planted cue stands to the label: it says the true sense, either at random, or the opposite one."""

EXTERNAL = "external"
"""Stands in the detector's place for a model that never met the harness."""

OWN_HEAD = "own-head"
"""Stands in the backbone's place for a detector that reads the sense by itself."""

TARGETS: tuple[str, ...] = ("sense", "presence")
"""What is explained: the true sense against the other one, and any clast against none (`explain.targets`)."""

MIRRORED: Mapping[str, str] = {"none": "none", "CW": "CCW", "CCW": "CW"}
"""What a reflection does to a class: shear sense is a pseudoscalar."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A region of a photograph: polygons or uncompressed COCO run lengths; `data.masks.decode` makes an array of it.

    `polygons` holds flat `[x0, y0, x1, y1, …]` rings; `counts` holds column-major run lengths that begin with a run
    of zeros (COCO's uncompressed RLE). Exactly one of the two is given.
    """

    height: int
    width: int
    polygons: tuple[tuple[float, ...], ...] | None = None
    counts: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Clast:
    """One rigid grain with its tails. `sense` is None when it shows none (phi, theta), or when it is not `judged`."""

    box_xyxy: Box
    sense: Sense | None
    kind: str | None = None
    mask: Mask | None = None
    parts: Mapping[str, Mask] = field(default_factory=dict)
    """Masks named `core` and `tails`, where known."""
    ignore: bool = False
    """A region that is neither rewarded nor punished (crowds, doubtful grains)."""
    primary: bool = True
    """False for a by-stander that the image-level label does not speak of."""
    judged: bool = True
    """False when nobody has said whether it shows a sense, or the experts contradict what was drawn.

    Such a clast is no training example.
    """


@dataclass(frozen=True, slots=True)
class Photomicrograph:
    """One photograph with what is known about it; pixels are loaded on demand."""

    id: str
    pixels: Callable[[], NDArray[np.uint8]]
    sha256: str
    """Hex digest of what the pixels come from: the file's bytes, or the recipe and index of a generated picture."""
    truth: str | None
    """Image-level class, one of CLASSES; None when the image has none (both senses, or experts in conflict)."""
    present: bool
    """True when a clast with a shear sense is in the picture, even if its sense is in dispute."""
    group: str
    """Sampling unit: thin section or duplicate family. A group never crosses a split."""
    clasts: tuple[Clast, ...] = ()
    light: str | None = None
    foliation_deg: float | None = None
    """Angle of the foliation to the x axis, counter-clockwise as seen."""
    um_per_px: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    artefacts: Mapping[str, Mask] | None = None
    """What scale bars, letters, cracks and the like cover, by kind; None where nobody has drawn them."""

    def load(self) -> NDArray[np.uint8]:
        """Return the pixels, RGB `uint8[H, W, 3]`; a new array every time."""
        return self.pixels()


@dataclass(frozen=True, slots=True)
class Boxes:
    """What a detector proposes on one photograph: `xyxy` float32[N, 4], `score` float32[N] in 0..1."""

    image_id: str
    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    label: NDArray[np.int8] | None = None
    """int8[N], positions in CLASSES of the senses that a detector with a head of its own has read; else None."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system says about one photograph, beside what is true."""

    image_id: str
    group: str
    truth: str | None
    present: bool
    probabilities: tuple[float, ...]
    """One for each of CLASSES; they sum to 1."""


@dataclass(frozen=True, slots=True)
class TrueClasts:
    """The clasts of the test photographs of a cell, as columns: one entry a clast."""

    image_id: tuple[str, ...] = ()
    xyxy: tuple[Box, ...] = ()
    sense: tuple[str | None, ...] = ()
    """One of CLASSES; None when nobody has judged it."""
    ignore: tuple[bool, ...] = ()
    """Regions that are neither rewarded nor punished."""


@dataclass(frozen=True, slots=True)
class Detections:
    """What a system found on the test photographs of a cell, as columns: one entry a proposal."""

    image_id: tuple[str, ...]
    xyxy: tuple[Box, ...]
    score: tuple[float, ...]
    """The detector's, in 0..1."""
    probabilities: tuple[tuple[float, ...], ...]
    """The backbone's for the crop, one for each of CLASSES."""
    truth: TrueClasts
    detector_threshold: float | None
    """On `score`, chosen on validation photographs for the presence of a clast; None for a detector without doubts."""
    threshold: float | None
    """On score times probability of the likelier sense, chosen on validation photographs for macro-F1; or None."""
    snapped: tuple[tuple[float, ...], ...] | None = None
    """Probabilities of each test photograph when proposals that meet a clast are cropped at its true box, in the order
    of the cell's predictions; None when that is no question (a head of one's own)."""
    at_truth: tuple[tuple[float, ...], ...] | None = None
    """The same with the true boxes in place of all proposals."""
    n_dropped: int = 0
    """Proposals that were no boxes (not finite, without area, outside the photograph)."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One way in which a system's proposals and the clasts of a photograph disagree."""

    kind: str
    """One of TIDE's: cls, loc, both, dupe, bkg, miss."""
    image_id: str
    prediction: str | None
    """The sense said, CW or CCW; None for a missed clast."""
    truth: str | None
    """The class of the clast that is meant; None for the background."""
    iou: float
    """With the clast that is meant; 0 without one."""
    score: float | None
    """Of the proposal, sense included; None for a missed clast."""
    box_xyxy: Box
    """The proposal, or the missed clast."""


@dataclass(frozen=True, slots=True)
class Score:
    """One value of one metric. `value` is None when it is undefined, and `reason` says why."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n_images: int = 0
    n_groups: int = 0
    n_seeds: int = 1
    higher_is_better: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a system looked on one photograph: a saliency map at its own resolution, and the part it covers."""

    image_id: str
    method: str
    target: str
    """One of TARGETS."""
    map: NDArray[np.float32]
    """Signed, float32[h, w]: equal cells that tile `extent_xyxy`."""
    extent_xyxy: Box
    """In photograph coordinates; with the letterbox's padding it may reach outside the photograph."""


@dataclass(frozen=True, slots=True)
class MapScores:
    """What the maps of one method came to in one cell, map by map."""

    method: str
    target: str
    """One of TARGETS; `any` for a control, which knows no target."""
    image_id: tuple[str, ...] = ()
    """One entry a map; a photograph comes once for each of its explained clasts."""
    group: tuple[str, ...] = ()
    values: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Metric name to one value a map, None where it is undefined."""
    reason: str | None = None
    """Why there are none of these values; where none is named, why there are no maps at all."""
    curves: Mapping[str, tuple[tuple[float, ...] | None, ...]] = field(default_factory=dict)
    """One curve a map: f while more and more is removed, in equal steps (`metrics.CURVES`); None where not asked."""

    def holds(self, metrics: Iterable[str]) -> bool:
        """Whether it has values of all these metrics."""
        return self.reason is None and self.values.keys() >= set(metrics)

    def fails(self, metrics: Iterable[str]) -> bool:
        """Whether it says why values of these metrics are lacking."""
        return self.reason is not None and (not self.values or not self.values.keys().isdisjoint(metrics))


@dataclass(frozen=True, slots=True)
class Trial:
    """What a model said of its inputs after one change of the pictures, the same for all of them."""

    change: str
    """Empty: as they are; `mirrored`; `turned` by 180 degrees; else a condition of generated photographs."""
    image_id: tuple[str, ...] = ()
    """One entry an input; a photograph comes once for each of its clasts where these are cropped."""
    group: tuple[str, ...] = ()
    truth: tuple[str, ...] = ()
    """The sense of each input before the change, CW or CCW."""
    logits: tuple[tuple[float, ...], ...] = ()
    """One for each of CLASSES."""
    reason: str | None = None
    """Why nothing was said."""


BOX_TARGETS: tuple[str, ...] = ("found", "missed", "false alarm")
"""What maps of a detector explain: its box of a clast, the box where it has none, its box where there is no clast."""


def ceiling(method: str) -> str:
    """Return the name under which the clasts' own outlines, at the resolution of a method's maps, are scored."""
    return f"{method}, truth"


def untrained(method: str) -> str:
    """Return the name under which a method's maps of networks with random weights are scored."""
    return f"{method}, random weights"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One square of the grid."""

    detector: str
    backbone: str
    seed: int
    fold: str

    @property
    def system(self) -> str:
        """The pair that is ranked, as readers see it."""
        return f"{self.detector} + {self.backbone}"

    @property
    def word(self) -> str:
        """The pair as one word, for command lines and folders."""
        return f"{self.detector}+{self.backbone}"

    @property
    def part(self) -> str:
        """Which of the pair's cells this is, as one word."""
        return f"seed{self.seed}-{self.fold}"


@dataclass(frozen=True, slots=True)
class CellRecord:
    """Everything a result file holds."""

    schema: int
    key: str
    suite: str
    suite_version: int
    suite_digest: str
    cell: Cell
    status: Literal["ok", "failed"]
    reason: str | None
    plugins: Mapping[str, Mapping[str, str]]
    """For `detector` and `backbone`: name, version, source digest, mode, weights digest."""
    scores: tuple[Score, ...]
    predictions: tuple[Prediction, ...]
    detections: Detections | None
    """None where whole photographs are classified, or the data set has no boxes."""
    maps: tuple[MapScores, ...]
    """What maps of the ranked method, of further ones and of controls came to; empty where none are asked for."""
    box_maps: tuple[MapScores, ...]
    """What maps of the detector itself came to; their targets are BOX_TARGETS. Empty where it proposes nothing."""
    trials: tuple[Trial, ...]
    """What the model said of changed pictures; empty where none were asked for."""
    map_key: str
    """Stands for all that maps and trials depend on; empty without them."""
    artefacts: Mapping[str, str]
    """sha256 of the files behind the scores, by `node/file`."""
    timings: Mapping[str, float]
    """Seconds: `fit_s` of the training behind this cell, `ms_per_image` of inference."""
    environment: Mapping[str, str]

"""What a system got wrong on the clasts of a photograph, each mistake with all boxes that stand beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...metrics.finds import NOT_JUDGED, Finds, finds
from ...metrics.mistakes import KINDS, NOBODY, UNCOUNTED, Verdicts, judge
from ...records import CLASSES, Box, CellRecord, Prediction


@dataclass(frozen=True, slots=True)
class Proposal:
    """One box that a system proposed, and that counts at its threshold."""

    xyxy: Box
    sense: str
    """The likelier sense, CW or CCW."""
    score: float
    """Of the detector, times the probability of that sense; 0..1."""
    detector_score: float
    probabilities: tuple[float, ...]
    """One for each of CLASSES."""


@dataclass(frozen=True, slots=True)
class TrueBox:
    """One clast, or a region that does not count."""

    xyxy: Box
    sense: str | None
    """One of CLASSES; None when nobody has judged it."""
    ignore: bool


@dataclass(frozen=True, slots=True)
class DetectionMistake:
    """One mistake, and what else stands on its photograph."""

    kind: str
    """One of TIDE's: cls, loc, both, dupe, bkg, miss."""
    proposal: Proposal | None
    """The mistaken one; None for a missed clast."""
    clast: TrueBox | None
    """The one that is meant, or that was missed; None for the background."""
    iou: float | None
    """Of the two; None without either."""
    threshold: float
    """From which score on proposals count."""
    other_proposals: tuple[Proposal, ...]
    """All others on the photograph that count, the right ones among them."""
    other_clasts: tuple[TrueBox, ...]
    """All others on the photograph, regions that do not count among them."""

    @property
    def box(self) -> Box:
        """The mistaken proposal's, else the missed clast's."""
        box = self.proposal or self.clast
        assert box is not None, "a mistake has a proposal or a clast"
        return box.xyxy

    @property
    def weight(self) -> float:
        """What the surest mistake has most of: score, or, of a missed clast, its area in square pixels."""
        x0, y0, x1, y1 = self.box
        return self.proposal.score if self.proposal else (x1 - x0) * (y1 - y0)


def proposes(record: CellRecord) -> bool:
    """Say whether a cell holds proposals that may be wrong: neither whole photographs nor the true boxes."""
    return record.detections is not None and record.detections.threshold is not None


def detection_mistakes(
    record: CellRecord, image_ids: Collection[str], kinds: Collection[str]
) -> Iterator[tuple[Prediction, DetectionMistake]]:
    """Yield the mistakes of some kinds that a cell made on some photographs; none where it proposes nothing."""
    if record.detections is None or not proposes(record):
        return
    everything = finds([(record.predictions, record.detections)])
    found = everything.subset(np.asarray([name in image_ids for name in everything.image_id], np.bool_))
    verdicts = judge(found)
    boxes = _Boxes.of(found, verdicts)
    told = {one.image_id: one for one in record.predictions}
    for kind in KINDS:
        if kind not in kinds:
            continue
        wrong = verdicts.missed if kind == "miss" else verdicts.outcome == kind
        for at in np.flatnonzero(wrong).tolist():
            mistake = _missed(boxes, found, at) if kind == "miss" else _mistaken(boxes, found, verdicts, at)
            photo = found.true_photo[at] if kind == "miss" else found.photo[at]
            yield told[found.image_id[photo]], mistake


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Proposals that count, and clasts, by position in `Finds`; and which of them stand on a photograph."""

    proposals: Mapping[int, Proposal]
    clasts: Sequence[TrueBox]
    found: Mapping[int, Sequence[int]]
    true: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, found: Finds, verdicts: Verdicts) -> _Boxes:
        counted = np.flatnonzero(verdicts.outcome != UNCOUNTED).tolist()
        on_photo: dict[int, list[int]] = defaultdict(list)
        for at in counted:
            on_photo[int(found.photo[at])].append(at)
        true_on_photo: dict[int, list[int]] = defaultdict(list)
        for at, photo in enumerate(found.true_photo.tolist()):
            true_on_photo[photo].append(at)
        clasts = [_true_box(found, at) for at in range(len(found.true_photo))]
        return cls({at: _proposal(found, verdicts, at) for at in counted}, clasts, on_photo, true_on_photo)

    def other_proposals(self, photo: int, at: int) -> tuple[Proposal, ...]:
        return tuple(self.proposals[one] for one in self.found.get(photo, ()) if one != at)

    def other_clasts(self, photo: int, at: int) -> tuple[TrueBox, ...]:
        return tuple(self.clasts[one] for one in self.true.get(photo, ()) if one != at)


def _mistaken(boxes: _Boxes, found: Finds, verdicts: Verdicts, at: int) -> DetectionMistake:
    photo, clast = int(found.photo[at]), int(verdicts.clast[at])
    return DetectionMistake(
        kind=str(verdicts.outcome[at]),
        proposal=boxes.proposals[at],
        clast=None if clast == NOBODY else boxes.clasts[clast],
        iou=None if clast == NOBODY else float(verdicts.iou[at]),
        threshold=float(found.threshold[photo]),
        other_proposals=boxes.other_proposals(photo, at),
        other_clasts=boxes.other_clasts(photo, clast),
    )


def _missed(boxes: _Boxes, found: Finds, at: int) -> DetectionMistake:
    photo = int(found.true_photo[at])
    return DetectionMistake(
        kind="miss",
        proposal=None,
        clast=boxes.clasts[at],
        iou=None,
        threshold=float(found.threshold[photo]),
        other_proposals=boxes.other_proposals(photo, NOBODY),
        other_clasts=boxes.other_clasts(photo, at),
    )


def _proposal(found: Finds, verdicts: Verdicts, at: int) -> Proposal:
    return Proposal(
        xyxy=_box(found.xyxy[at].tolist()),
        sense=CLASSES[verdicts.sense[at]],
        score=float(verdicts.score[at]),
        detector_score=float(found.score[at]),
        probabilities=tuple(found.probabilities[at].tolist()),
    )


def _true_box(found: Finds, at: int) -> TrueBox:
    read = int(found.true_class[at])
    sense = None if read == NOT_JUDGED else CLASSES[read]
    return TrueBox(_box(found.true_xyxy[at].tolist()), sense, bool(found.true_ignore[at]))


def _box(xyxy: Sequence[float]) -> Box:
    x0, y0, x1, y1 = xyxy
    return x0, y0, x1, y1

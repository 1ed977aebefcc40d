"""Finds for the tests of detection, and what COCO's own tools say of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
from faster_coco_eval import COCO as FasterCOCO
from faster_coco_eval import COCOeval_faster
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from clastbench.metrics.finds import NOT_JUDGED, Finds

NONE, CW, CCW = range(3)
SURE = {"CW": (0.0, 1.0, 0.0), "CCW": (0.0, 0.0, 1.0), "none": (1.0, 0.0, 0.0)}
Thing = tuple
"""A proposal `(box, score[, probabilities])`, or a clast `(box[, class[, ignored]])`."""


def box(x: float, y: float = 0.0, width: float = 10.0, height: float = 10.0) -> tuple[float, ...]:
    return (x, y, x + width, y + height)


def found(
    photographs: Sequence[tuple[Sequence[Thing], Sequence[Thing]]],
    *,
    groups: Sequence[str] | None = None,
    detector_threshold: float | None = 0.5,
    threshold: float | None = 0.5,
) -> Finds:
    """Photographs as pairs of proposals and clasts; without a class a clast is CW, without probabilities CW is sure."""
    names = tuple(f"image-{i:04}" for i in range(len(photographs)))
    proposals = [(i, *one) for i, (own, _) in enumerate(photographs) for one in own]
    clasts = [(i, *one) for i, (_, own) in enumerate(photographs) for one in own]
    return Finds(
        image_id=names,
        group=names if groups is None else tuple(groups),
        detector_threshold=np.full(len(names), np.nan if detector_threshold is None else detector_threshold),
        threshold=np.full(len(names), np.nan if threshold is None else threshold),
        photo=np.array([one[0] for one in proposals], np.intp),
        xyxy=np.array([one[1] for one in proposals], np.float64).reshape(-1, 4),
        score=np.array([one[2] for one in proposals], np.float64),
        probabilities=np.array(
            [one[3] if len(one) > 3 else SURE["CW"] for one in proposals], np.float64
        ).reshape(-1, 3),
        true_photo=np.array([one[0] for one in clasts], np.intp),
        true_xyxy=np.array([one[1] for one in clasts], np.float64).reshape(-1, 4),
        true_class=np.array([one[2] if len(one) > 2 else CW for one in clasts], np.int8),
        true_ignore=np.array([one[3] if len(one) > 3 else False for one in clasts], np.bool_),
    )  # fmt: skip


def random_finds(n: int, seed: int = 0, skill: float = 0.8, n_proposals: int = 6, groups=None) -> Finds:
    """Photographs with a clast or two; a well read proposal near most of them, others anywhere; distinct scores."""
    rng = np.random.default_rng(seed)

    def anywhere():
        return box(*rng.uniform(0, 200, 2), *rng.uniform(10, 50, 2))

    def clast():
        return (anywhere(), int(rng.choice([NONE, CW, CCW, NOT_JUDGED])), rng.random() < 0.1)

    def near(place, sense, _):
        return (
            tuple(place + rng.normal(0, 2, 4)),
            rng.uniform(0.2, 1),
            rng.dirichlet(np.eye(3)[max(sense, 0)] * 3 + 1),
        )

    photographs = []
    for _ in range(n):
        clasts = [clast() for _ in range(rng.poisson(1.2))]
        close = [near(*one) for one in clasts if rng.random() < skill]
        far = [(anywhere(), rng.uniform(0, 0.8), rng.dirichlet([1, 1, 1])) for _ in range(rng.integers(n_proposals))]
        photographs.append((close + far, clasts))
    return found(photographs, groups=groups, detector_threshold=0.4, threshold=0.2)


def reordered(finds: Finds, photographs) -> Finds:
    """Return the same photographs in another order; the proposals and clasts of each keep theirs."""
    place = np.argsort(photographs)
    found, true = (np.argsort(place[own], kind="stable") for own in (finds.photo, finds.true_photo))
    return replace(
        finds,
        image_id=tuple(finds.image_id[at] for at in photographs),
        group=tuple(finds.group[at] for at in photographs),
        detector_threshold=finds.detector_threshold[photographs],
        threshold=finds.threshold[photographs],
        photo=place[finds.photo[found]],
        xyxy=finds.xyxy[found],
        score=finds.score[found],
        probabilities=finds.probabilities[found],
        true_photo=place[finds.true_photo[true]],
        true_xyxy=finds.true_xyxy[true],
        true_class=finds.true_class[true],
        true_ignore=finds.true_ignore[true],
    )


@st.composite
def any_finds(draw) -> Finds:
    """Crowded photographs on a coarse grid: many ties of score, of IoU, and IoUs that meet a threshold exactly."""
    whole = st.integers(0, 6).map(float)
    side = st.sampled_from([2.0, 4.0, 10.0, 20.0])
    shift = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0])
    score = st.sampled_from([0.125, 0.25, 0.5, 0.75, 1.0]) | st.floats(0.0, 1.0, width=32)
    reading = st.sampled_from([(0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.25, 0.25), (0.25, 0.25, 0.5), (0.0, 0.5, 0.5)])
    sense = st.sampled_from([NONE, CW, CW, CCW, CCW, NOT_JUDGED])
    photographs = []
    for _ in range(draw(st.integers(1, 5))):
        clasts = [
            (
                box(draw(whole), draw(whole), draw(side), draw(side)),
                draw(sense),
                draw(st.sampled_from([False] * 4 + [True])),
            )
            for _ in range(draw(st.integers(0, 5)))
        ]
        proposals = []
        for _ in range(draw(st.integers(0, 8))):
            if clasts and draw(st.booleans()):
                x0, y0, x1, y1 = draw(st.sampled_from(clasts))[0]
                place = (x0 + draw(shift), y0, x1 + draw(shift), y1 + draw(shift))
            else:
                place = box(draw(whole), draw(whole), draw(side), draw(side))
            proposals.append((place, draw(score), draw(reading)))
        photographs.append((proposals, clasts))
    return found(photographs)


def agnostic_columns(finds: Finds):
    """What a class-agnostic evaluation sees: score and category of proposals, category and crowd of clasts."""
    ones, true_ones = np.ones(len(finds.photo), int), np.ones(len(finds.true_photo), int)
    return finds.score, ones, [true_ones], finds.true_ignore


def sense_columns(finds: Finds):
    """The same by sense: regions that are ignored stand in both categories, symmetric clasts in neither."""
    ignored = finds.true_ignore | (finds.true_class == NOT_JUDGED)
    categories = [np.where(ignored | (finds.true_class == one), one, 0) for one in (CW, CCW)]
    return finds.sense_score, finds.sense.astype(int), categories, ignored


def coco_scores(finds: Finds, columns, copies: Sequence[int] | None = None, *, faster: bool = False):
    """Return AP, AP50, AP75 and AR of COCO's evaluation, None without positives; each photograph so many times.

    COCO takes equal scores in the order of its images' numbers: they are numbered by the SHA-256 of our names.
    """
    score, category, true_categories, crowd = columns
    copies = [1] * len(finds) if copies is None else copies
    images, anns, dets = [], [], []
    for photo in sorted(range(len(finds)), key=lambda at: sha256(finds.image_id[at].encode()).hexdigest()):
        for _ in range(copies[photo]):
            image = len(images) + 1
            images.append({"id": image, "width": 1000, "height": 1000})
            for of_category in true_categories:
                for at in np.flatnonzero((finds.true_photo == photo) & (of_category > 0)):
                    anns.append(_ann(anns, image, int(of_category[at]), finds.true_xyxy[at], iscrowd=int(crowd[at])))
            for at in np.flatnonzero(finds.photo == photo):
                dets.append(_ann(dets, image, int(category[at]), finds.xyxy[at], iscrowd=0, score=float(score[at])))
    categories = sorted({int(one) for column in true_categories for one in column if one > 0} | {1})
    loader, judge = (FasterCOCO, COCOeval_faster) if faster else (COCO, COCOeval)
    with contextlib.redirect_stdout(io.StringIO()):
        truth, said = (_loaded(loader, images, categories, own) for own in (anns, dets))
        run = judge(truth, said, "bbox", print_function=lambda *_: None) if faster else judge(truth, said, "bbox")
        run.params.maxDets, run.params.areaRng, run.params.areaRngLbl = [100], [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    precision = np.reshape(run.eval["precision"], (10, 101, -1))
    recall = np.reshape(run.eval["recall"], (10, -1))
    parts = (precision, precision[0], precision[5], recall)
    return tuple(float(one[one > -1].mean()) if (one > -1).any() else None for one in parts)


def _ann(others, image, category, corners, **said):
    x0, y0, x1, y1 = (float(value) for value in corners)
    width, height = x1 - x0, y1 - y0
    return {
        "id": len(others) + 1, "image_id": image, "category_id": category, "bbox": [x0, y0, width, height],
        "area": width * height, **said,
    }  # fmt: skip


def _loaded(loader, images, categories, anns):
    coco = loader()
    names = [{"id": one, "name": str(one)} for one in categories]
    coco.dataset = {"info": {}, "images": images, "annotations": anns, "categories": names}
    coco.createIndex()
    return coco

"""The published protocol of detection: what is found, and left alone, at one threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .finds import Finds
from .matching import NOTHING, match
from .tallies import Shares


@dataclass(frozen=True, eq=False)
class Published:
    """The protocol's figures for P photographs; every sum is empty where a photograph has no threshold."""

    clast_recall: Shares
    clast_image_recall: Shares
    clean_share: Shares
    hit_confidence: Shares
    false_alarm_confidence: Shares


def published(finds: Finds) -> Published:
    """Return what proposals with a score at or above `detector_threshold` come to; clasts are of one class.

    A clast is found by a proposal with an IoU of .5, greedily by score. A clast-free photograph is one without any
    clast outside ignore regions. Proposals that match an ignore region are neither hits nor false alarms.
    """
    n = len(finds)
    counted = finds.score >= finds.detector_threshold[finds.photo]
    found = match(
        finds, finds.score, proposals=counted, clasts=~finds.true_ignore, ignored=finds.true_ignore
    )  # fmt: skip
    clast, photo, score = found.clast[0], finds.photo[found.proposal], finds.score[found.proposal]
    hit = (clast != NOTHING) & ~np.append(finds.true_ignore, False)[clast]
    clasts = np.bincount(finds.true_photo[~finds.true_ignore], minlength=n).astype(np.float64)
    clean = clasts == 0
    alarm = (clast == NOTHING) & clean[photo]
    hits, alarms = (np.bincount(photo[which], minlength=n).astype(np.float64) for which in (hit, alarm))
    known = not np.isnan(finds.detector_threshold).any()

    def share(above: NDArray[Any], below: NDArray[Any]) -> Shares:
        return Shares(np.where(known, above, 0.0)[:, None], np.where(known, below, 0.0)[:, None])

    return Published(
        clast_recall=share(hits, clasts),
        clast_image_recall=share(hits > 0, ~clean),
        clean_share=share(clean & (alarms == 0), clean),
        hit_confidence=share(np.bincount(photo[hit], score[hit], minlength=n), hits),
        false_alarm_confidence=share(np.bincount(photo[alarm], score[alarm], minlength=n), alarms),
    )

"""What is said about each clast: found or missed, and of which sense."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, SENSES
from .finds import NOT_JUDGED, Finds
from .matching import NOTHING, match
from .statistics import Index
from .tallies import Shares

SAID: tuple[str, ...] = (*SENSES, "none", "missed")
"""Rows of the confusion of clasts: what was said."""
MEANT: tuple[str, ...] = (*SENSES, "none", "background")
"""Its columns: what is true."""
_PLACE: Index = np.array([SAID.index(name) for name in CLASSES])


@dataclass(frozen=True, eq=False)
class Statements:
    """One entry for each proposal that says something, and for each judged clast that no proposal speaks of."""

    photo: Index
    """intp[V]."""
    said: Index
    """Position in SAID, intp[V]."""
    meant: Index
    """Position in MEANT, intp[V]."""
    sense: Index
    """The likelier sense as a position in SAID, intp[V], even where `none` is said; that of `missed` if missed."""
    n_photographs: int

    def confusion(self) -> NDArray[np.int64]:
        """Return the counts, int64[4, 4]: rows SAID, columns MEANT."""
        table = np.zeros((len(SAID), len(MEANT)), np.int64)
        np.add.at(table, (self.said, self.meant), 1)
        return table

    def sense_recalls(self) -> Shares:
        """Return, for CW and for CCW, the share of the found clasts whose likelier sense is the true one."""
        found = self.said != SAID.index("missed")
        each = [found & (self.meant == MEANT.index(name)) for name in SENSES]
        right = self.sense == self.meant
        return Shares(self._by_photo([one & right for one in each]), self._by_photo(each))

    def recall(self) -> Shares:
        """Return the share of the clasts of either sense that are found and called right."""
        either = self.meant < len(SENSES)
        return Shares(self._by_photo([either & (self.said == self.meant)]), self._by_photo([either]))

    def _by_photo(self, masks: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
        counts = [np.bincount(self.photo[mask], minlength=self.n_photographs) for mask in masks]
        return np.stack(counts, axis=1).astype(np.float64)


def clast_confusion(finds: Finds) -> NDArray[np.int64]:
    """Return how often each of SAID meets each of MEANT, int64[4, 4]; see `statements`. Oracle: all on the diagonal."""
    return statements(finds).confusion()


def statements(finds: Finds) -> Statements:
    """Return what the proposals of a sense score at or above `threshold` say, and which clasts they miss.

    Proposals match clasts of any class at an IoU of .5, greedily by sense score, and say their likelier sense. Where
    the threshold is NaN all proposals count and say their most probable class; one that says `none` of no clast is no
    mistake, and left out. Ignore regions and clasts that nobody has judged are neither rewarded nor punished.
    """
    limit = finds.threshold[finds.photo]
    score, sense = finds.sense_score, finds.sense.astype(np.intp)
    said = np.where(np.isnan(limit), finds.probabilities.argmax(axis=1), sense)
    ignored = finds.true_ignore | (finds.true_class == NOT_JUDGED)
    found = match(finds, score, proposals=np.isnan(limit) | (score >= limit), clasts=~ignored, ignored=ignored)
    proposal, clast = found.proposal, found.clast[0]
    meets_clast = (clast != NOTHING) & ~np.append(ignored, False)[clast]
    lost = (clast == NOTHING) & (said[proposal] != CLASSES.index("none"))
    speaks = meets_clast | lost
    meant = np.where(lost, MEANT.index("background"), _PLACE[np.append(finds.true_class, 0)[clast]])
    missed = ~ignored
    missed[clast[meets_clast]] = False
    n_missed, never = int(missed.sum()), SAID.index("missed")
    return Statements(
        photo=np.concatenate([finds.photo[proposal[speaks]], finds.true_photo[missed]]),
        said=np.concatenate([_PLACE[said[proposal[speaks]]], np.full(n_missed, never)]),
        meant=np.concatenate([meant[speaks], _PLACE[finds.true_class[missed]]]),
        sense=np.concatenate([_PLACE[sense[proposal[speaks]]], np.full(n_missed, never)]),
        n_photographs=len(finds),
    )

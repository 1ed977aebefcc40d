"""Which clasts of a photograph a detector that learns is taught to find, and about which it is taught nothing."""

from __future__ import annotations

from ..records import SENSES, Clast


def is_sought(clast: Clast, *, senses: bool) -> bool:
    """Whether it is to be found; where the senses are learned, a clast without one is background."""
    return not is_doubtful(clast, senses=senses) and (not senses or clast.sense in SENSES)


def is_doubtful(clast: Clast, *, senses: bool) -> bool:
    """Whether nothing is to be taught about it: an ignored region, or a sense that nobody has judged."""
    return clast.ignore or (senses and not clast.judged)

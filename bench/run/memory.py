"""Memory that tensors free and ask for again at once: kept by the process."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""
LARGEST = (2**30, 2**25)
"""Blocks of fewer bytes are kept; older releases of glibc refuse the first."""


def keep_freed() -> None:
    """Keep freed blocks for the next tensor where the C library is glibc; elsewhere this does nothing.

    By default large blocks go back to the system, which clears every page of the next one anew: of the time of a
    network's passes on a processor that is a tenth or more.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None and any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST):
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)

"""Everything that can go wrong, as one tree.

    ClastbenchError                 one clear line for the reader; the command line exits with `exit_code`
    ├── UsageError           (2)    the call is off: unknown option value, unknown column, nothing selected
    │   └── UnknownNameError (2)    a suite, backbone, detector or metric nobody registered; suggests the nearest
    ├── SuiteError           (2)    a suite file or a split file says something impossible
    ├── DataError            (2)    photographs or annotations are missing, broken or not the expected ones
    ├── PluginError          (1)    a plugin broke its contract: wrong shape, NaN, raised, not importable
    ├── ExplanationError     (1)    a method of explanation cannot work on this model
    ├── WeightsNotFoundError (1)    pretrained weights were asked for and are nowhere to be had
    ├── StoreError           (1)    a stored artefact is damaged or cannot be written
    └── WorkerDiedError      (1)    a worker process ended without an answer

A message is one sentence: what, where (file, field, value), and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 60
"""A longer list of names is cut to those nearest to what was asked for."""


class ClastbenchError(Exception):
    """Root of the tree; `str(error)` is one line meant for the reader."""

    exit_code = 1


class UsageError(ClastbenchError):
    """The call itself is off."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A look-up by name failed."""

    def __init__(self, kind: str, name: str, available: Iterable[str]) -> None:
        names = sorted(available)
        near = difflib.get_close_matches(name, names, n=5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = names if len(names) <= MOST_NAMES else near
        more = (
            f"{', '.join(shown)}{', ' if shown else ''}… ({len(names)} in all)"
            if shown != names
            else ", ".join(names) or "none"
        )
        super().__init__(f"Unknown {kind} {name!r}.{hint} Available: {more}.")


class SuiteError(ClastbenchError):
    """A suite or split file says something impossible."""

    exit_code = 2


class DataError(ClastbenchError):
    """Photographs or annotations are missing, broken or not the expected ones."""

    exit_code = 2


class PluginError(ClastbenchError):
    """A plugin broke its contract."""


class ExplanationError(ClastbenchError):
    """A method of explanation cannot work on this model; said in the table, no failure of the run."""


class WeightsNotFoundError(ClastbenchError):
    """Pretrained weights were asked for and are nowhere to be had."""


class StoreError(ClastbenchError):
    """A stored artefact is damaged or cannot be written."""


class WorkerDiedError(ClastbenchError):
    """A worker process ended without an answer."""

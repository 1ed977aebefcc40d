"""What is wrong with a data set, as a list that readers and the validator share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DataError
from ..records import Photomicrograph


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: in which file, in which field, and what was expected."""

    file: str
    field: str
    message: str

    def __str__(self) -> str:
        said = f"{self.file}: {self.field}: {self.message}" if self.field else f"{self.file}: {self.message}"
        # a data set may hold any text; one line of it must stay one line, and must not steer a terminal
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in said)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a reader found: the photographs that are sound, and every problem with the others."""

    photographs: tuple[Photomicrograph, ...]
    problems: tuple[Problem, ...]

    def accepted(self) -> tuple[Photomicrograph, ...]:
        """Return the photographs; raise DataError with the first problem when there is any."""
        refuse(self.problems)
        return self.photographs


def refuse(problems: Sequence[Problem]) -> None:
    """Raise DataError with the first problem, if there is one."""
    if problems:
        rest = len(problems) - 1
        more = f" ({rest} more; `clastbench data validate` lists them all)" if rest else ""
        raise DataError(f"{problems[0]}{more}")

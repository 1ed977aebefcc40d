"""Pages from templates: escaped, self-contained, allowed to load nothing but pictures of their own folder."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..records import CLASSES, Score
from .cards import angle, grouped
from .heat import STOPS
from .map_columns import role
from .trust_board import gate_lines

TEMPLATES = Path(__file__).parent / "templates"


class Notes:
    """Reasons of undefined values, numbered as a table mentions them."""

    def __init__(self, prefix: str) -> None:
        """Begin a table whose notes have fragments `prefix-1`, `prefix-2`, …."""
        self.prefix = prefix
        self._reasons: list[str] = []

    def number(self, reason: str | None) -> int:
        """Return the number of a reason, a new one for a new reason."""
        said = reason or "undefined"
        if said not in self._reasons:
            self._reasons.append(said)
        return self._reasons.index(said) + 1

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield number and reason."""
        return iter(list(enumerate(self._reasons, start=1)))


def render(template: str, **context: Any) -> str:
    """Return a page; every value is escaped, and one that the page needs and was not given is an error."""
    return _environment().get_template(template).render(**context) + "\n"


def number(value: float | None) -> str:
    """Write three digits without a leading zero, as tables do: .825; a dash for None."""
    if value is None:
        return "–"
    text = f"{abs(value):.3f}".removeprefix("0")
    return f"−{text}" if value < 0 and text.strip(".0") else text


def interval(score: Score) -> str:
    """Write a score's interval; nothing where it has none."""
    return "" if score.low is None or score.high is None else f"[{number(score.low)}, {number(score.high)}]"


def policy() -> str:
    """Return the Content-Security-Policy of every page: its own style and script by digest, its own pictures."""
    return (
        f"default-src 'none'; img-src 'self' file: data:; style-src '{_digest(_text('style.css'))}'; "
        f"script-src '{_digest(_text('gallery.js'))}'; base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"angle": angle, "number": number, "interval": interval}
    environment.globals |= {
        "Notes": Notes,
        "gate_lines": gate_lines,
        "grouped": grouped,
        "role": role,
        "CLASSES": CLASSES,
        "STOPS": STOPS,
        "policy": policy(),
        "style": Markup(_text("style.css")),  # noqa: S704 - our own file
        "script": Markup(_text("gallery.js")),  # noqa: S704 - our own file
    }
    return environment


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

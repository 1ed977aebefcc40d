"""The recipe that a set of generated photographs is drawn from, and three levels of difficulty."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import fsum, inf
from typing import Any

from ..errors import SuiteError
from .flow import MAX_STRAIN
from .layouts import LAYOUTS
from .optics import LIGHTS
from .reading import KINDS

GENERATOR_VERSION = 2
"""Raise it whenever the same recipe would give other pixels or other labels: stored results key on it."""

Range = tuple[float, float]
Weights = tuple[tuple[str, float], ...]

SUBJECTS = (*KINDS, "free")
"""What the main clast may be; `free` is a picture without one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to draw; lengths are shares of the width, angles degrees. Raises SuiteError where a value is impossible.

    The values stated here are the level `medium`.
    """

    seed: int
    n_images: int
    width: int = 192
    height: int = 128
    kinds: Weights = (
        ("sigma", 6), ("delta", 2), ("fish", 2), ("complex", 1), ("phi", 1.5), ("theta", 1), ("free", 3)
    )  # fmt: skip
    """How often each of SUBJECTS is the main clast, relative to each other."""
    lights: Weights = (("crossed", 42), ("plane", 30), ("grey", 13), ("sem", 8), ("lambda", 7))
    tilt_deg: float = 25.0
    """The foliation is tilted uniformly within plus or minus this angle."""
    fabric: float = 0.0
    """Share of pictures whose matrix (leaning grains, C' bands) tells the sense; in the others it tells nothing."""
    radius: Range = (0.1, 0.18)
    """Radius of the main core; smaller where its mantle would not fit into the height, and in crowds."""
    others: Range = (0, 3)
    """Fewest and most further clasts; in half of the pictures there are the fewest, in the others any number."""
    both: float = 0.0
    """Share of pictures with further clasts that show a sense in which one of them shows the opposite one."""
    off_centre: float = 0.3
    """How far the main clast may lie from the middle, as a share of the way to the border."""
    elongation: float = 1.0
    """0: round cores; 1: the aspect ratios of a natural shear zone."""
    mantle: Range = (1.25, 1.9)
    """Outer radius of the undeformed mantle of sigma clasts, in core radii."""
    strain: Range = (2.5, 5.5)
    """Shear strain behind the tails of sigma clasts."""
    contrast: Range = (1.5, 2.8)
    """Brightness of mantle and tails over that of the matrix, or the reverse; in plane light its square root."""
    artefacts: float = 0.3
    """How commonly each kind of artefact is there: 0 never, 1 as a rule."""
    blur: Range = (0.2, 0.6)
    """Standard deviation in pixels of a picture 192 wide."""
    noise: float = 0.04
    """Largest standard deviation of the camera noise, of full scale."""
    jpeg: float = 0.3
    """Share of pictures that were compressed."""
    layouts: str = ""
    """Whose counts, places and sizes of clasts are taken over, one of LAYOUTS, in place of `radius`, `others` and
    `off_centre`; empty: nobody's."""

    def __post_init__(self) -> None:
        try:
            self._check()
        except (TypeError, ValueError) as error:
            raise SuiteError(f"A recipe holds a value of another type than expected: {error}.") from error

    def _check(self) -> None:
        for name in ("tilt_deg", "fabric", "both", "off_centre", "elongation", "artefacts", "noise", "jpeg"):
            object.__setattr__(self, name, float(getattr(self, name)))  # 20 and 20.0 must have one digest
        for name in ("fabric", "both", "off_centre", "elongation", "artefacts", "jpeg"):
            self._expect(name, 0 <= getattr(self, name) <= 1, "a share in 0..1")
        for name in ("seed", "n_images"):
            self._expect(name, getattr(self, name) >= 0, "0 or more")
        self._expect("tilt_deg", 0 <= self.tilt_deg <= 180, "an angle in 0..180")
        self._expect("noise", 0 <= self.noise <= 1, "a share in 0..1")
        for name in ("width", "height"):
            self._expect(name, getattr(self, name) >= 32, "at least 32 pixels")
        for name, low, high in _RANGES:
            first, last = getattr(self, name)
            object.__setattr__(self, name, (float(first), float(last)))  # TOML and JSON give lists
            self._expect(name, low <= first <= last <= high, f"two rising values in {low}..{high}")
        self._expect("others", all(limit.is_integer() for limit in self.others), "two rising whole numbers in 0..12")
        self._expect("layouts", self.layouts in ("", *LAYOUTS), f"{' or '.join(LAYOUTS)}, or nothing")
        for name, known in (("kinds", SUBJECTS), ("lights", LIGHTS)):
            self._weigh(name, known)

    def _weigh(self, name: str, known: tuple[str, ...]) -> None:
        """Bring weights into one order, and one form for one meaning."""
        stated = dict(getattr(self, name))
        wanted = f"weights of 0 or more, at least one above 0, for some of {', '.join(known)}"
        self._expect(name, not stated.keys() - set(known), wanted)
        total = fsum(stated.values())
        self._expect(name, min(stated.values(), default=0) >= 0 and 0 < total < inf, wanted)
        shares = ((one, round(stated[one] / total, 9)) for one in known if stated.get(one))
        object.__setattr__(self, name, tuple(shares))

    def _expect(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise SuiteError(f"Recipe field {name} is {getattr(self, name)!r}; give {expected}.")


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("radius", 0.03, 0.3),
    ("others", 0, 12),
    ("mantle", 1.1, 2.5),
    ("strain", 0.5, MAX_STRAIN["simple"]),
    ("contrast", 1.0, 5.0),
    ("blur", 0.0, 5.0),
)

LEVELS: Mapping[str, Mapping[str, Any]] = {
    "easy": {
        "kinds": {"sigma": 12, "phi": 2, "theta": 1, "free": 3},
        "lights": {"plane": 1, "crossed": 1, "grey": 1},
        "tilt_deg": 20,
        "radius": (0.12, 0.2),
        "others": (0, 0),
        "off_centre": 0.12,
        "elongation": 0.4,
        "mantle": (1.35, 1.9),
        "contrast": (1.8, 3.0),
        "artefacts": 0.1,
        "blur": (0.2, 0.6),
        "noise": 0.03,
        "jpeg": 0.0,
    },
    "medium": {},
    "hard": {
        "tilt_deg": 45,
        "radius": (0.06, 0.13),
        "others": (0, 6),
        "both": 0.15,
        "off_centre": 0.8,
        "contrast": (1.15, 1.8),
        "artefacts": 0.6,
        "blur": (0.3, 1.5),
        "noise": 0.08,
        "jpeg": 0.7,
    },
}
"""What `level = "…"` in a suite's recipe stands for; other fields stated beside it win.

easy: one large round-cored sigma clast near the middle, clear tails. medium: every kind, natural cores, up to three
further clasts, five kinds of light. hard: small clasts anywhere, faint tails, both senses, up to six others, any
quality.
"""


def at_level(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return recipe fields with `level` replaced by what it stands for; raise SuiteError for an unknown one."""
    level = said.get("level", "medium")
    if not isinstance(level, str) or level not in LEVELS:
        raise SuiteError(f"Recipe field level is {level!r}; give one of {', '.join(LEVELS)}.")
    fields = {**LEVELS[level], **{name: value for name, value in said.items() if name != "level"}}
    return {name: tuple(value.items()) if isinstance(value, Mapping) else value for name, value in fields.items()}


@lru_cache(maxsize=64)
def recipe_digest(recipe: Recipe) -> str:
    """Return the sha256 hex digest of the recipe and the generator's version; growing `n_images` keeps it."""
    content = {name: value for name, value in asdict(recipe).items() if name != "n_images"}
    if not recipe.layouts:  # younger than stored results, which say nothing of it
        del content["layouts"]
    content["generator_version"] = GENERATOR_VERSION
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

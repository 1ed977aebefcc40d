"""The recipe that a set of generated photographs is drawn from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache

from ..errors import SuiteError
from .flow import MAX_STRAIN

GENERATOR_VERSION = 1
"""Raise it whenever the same recipe would give other pixels or other labels: stored results key on it."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to draw; lengths are shares of the width, angles degrees. Raises SuiteError where a value is impossible."""

    seed: int
    n_images: int
    width: int = 192
    height: int = 128
    none_share: float = 1 / 3
    """Share of photographs without a shear sense: half without a clast, half with a symmetric one."""
    tilt_deg: float = 20.0
    """The foliation is tilted uniformly within plus or minus this angle."""
    fabric: float = 0.5
    """Share of photographs whose matrix grains lean obliquely to the foliation, as the sense of the flow wants it."""
    radius: Range = (0.12, 0.2)
    """Radius of the core; smaller where its mantle would not fit into the height."""
    mantle: Range = (1.35, 1.9)
    """Outer radius of the undeformed mantle, in core radii."""
    strain: Range = (2.5, 5.5)
    """Shear strain behind the tails of sigma clasts."""
    noise: float = 0.03
    """Largest standard deviation of the camera noise, of full scale."""

    def __post_init__(self) -> None:
        for name in ("none_share", "fabric", "tilt_deg", "noise"):
            object.__setattr__(self, name, float(getattr(self, name)))  # 20 and 20.0 must have one digest
        for name in ("none_share", "fabric"):
            self._expect(name, 0 <= getattr(self, name) <= 1, "a share in 0..1")
        for name in ("seed", "n_images", "tilt_deg", "noise"):
            self._expect(name, getattr(self, name) >= 0, "0 or more")
        for name in ("width", "height"):
            self._expect(name, getattr(self, name) >= 32, "at least 32 pixels")
        for name, low, high in (("radius", 0.05, 0.3), ("mantle", 1.1, 2.5), ("strain", 0.5, MAX_STRAIN["simple"])):
            first, last = getattr(self, name)
            object.__setattr__(self, name, (float(first), float(last)))  # TOML and JSON give lists
            self._expect(name, low <= first <= last <= high, f"two rising values in {low}..{high}")

    def _expect(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise SuiteError(f"Recipe field {name} is {getattr(self, name)!r}; give {expected}.")


@lru_cache(maxsize=64)
def recipe_digest(recipe: Recipe) -> str:
    """Return the sha256 hex digest of the recipe and the generator's version; growing `n_images` keeps it."""
    content = {name: value for name, value in asdict(recipe).items() if name != "n_images"}
    content["generator_version"] = GENERATOR_VERSION
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

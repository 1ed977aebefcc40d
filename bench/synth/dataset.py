"""Generated photographs as records of the suite."""

from __future__ import annotations

import hashlib
import re

from ..data.masks import encode
from ..errors import SuiteError
from ..records import Photomicrograph
from .conditions import scene_under
from .reading import read, read_scene
from .recipe import Recipe, recipe_digest
from .render import render
from .scene import Scene

_IDENTITY = re.compile(r"([0-9]{5,})(?:~([a-z-]+(?:=[^~/\s]+)?))?")


def identity_of(index: int, condition: str = "") -> str:
    """Return the id of a photograph: its index, and after a tilde the condition, as in `00012~blur=1.5`."""
    return f"{index:05d}~{condition}" if condition else f"{index:05d}"


def parse_identity(identity: str) -> tuple[int, str]:
    """Return index and condition of an id; raise SuiteError for what is none."""
    found = _IDENTITY.fullmatch(identity)
    if not found or identity_of(int(found[1]), found[2] or "") != identity:
        raise SuiteError(f"{identity!r} is no generated photograph; expected one like 00012 or 00012~blur=1.5.")
    return int(found[1]), found[2] or ""


def render_photograph(recipe: Recipe, index: int, condition: str = "") -> Photomicrograph:
    """Render one photograph of a recipe now; `load()` copies its pixels. All conditions of an index are one group."""
    content = f"{recipe_digest(recipe)}:{index}" + (f":{condition}" if condition else "")
    return photograph_of(scene_under(recipe, index, condition), identity_of(index, condition), content)


def photograph_of(scene: Scene, identity: str, content: str) -> Photomicrograph:
    """Render a scene as a record; `content` stands for all that its pixels come from."""
    rendering = render(scene)
    truth, present = read_scene(scene)
    return Photomicrograph(
        id=identity,
        pixels=rendering.image.copy,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        truth=truth,
        present=present,
        group=f"{scene.index:05d}",
        clasts=rendering.clasts,
        light=scene.optics.light,
        foliation_deg=scene.foliation_deg,
        attributes={"kind": read(scene.clasts[0])[0] if scene.clasts else "free"},
        artefacts={kind: encode(region) for kind, region in rendering.artefacts.items()},
    )

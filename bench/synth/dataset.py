"""Generated photographs as records of the suite."""

from __future__ import annotations

import hashlib

from ..records import Photomicrograph
from .recipe import Recipe, recipe_digest
from .render import render
from .scene import draw_scene


def render_photograph(recipe: Recipe, index: int) -> Photomicrograph:
    """Render one photograph of a recipe now; `load()` copies its pixels, and every photograph is its own group."""
    scene = draw_scene(recipe, index)
    rendering = render(scene)
    return Photomicrograph(
        id=f"{index:05d}",
        pixels=rendering.image.copy,
        sha256=hashlib.sha256(f"{recipe_digest(recipe)}:{index}".encode()).hexdigest(),
        truth=scene.truth,
        present=scene.sense is not None,
        group=f"{index:05d}",
        clasts=rendering.clasts,
        light=scene.optics.light,
        foliation_deg=scene.foliation_deg,
        attributes={"kind": scene.kind},
    )

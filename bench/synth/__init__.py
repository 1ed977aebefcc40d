"""Generated photomicrographs: rigid clasts in a viscous flow, their exact masks, their shear sense."""

from __future__ import annotations

from .dataset import render_photograph
from .recipe import GENERATOR_VERSION, Recipe, recipe_digest
from .render import Rendering, render
from .scene import Scene, draw_scene, mirrored

__all__ = [
    "GENERATOR_VERSION",
    "Recipe",
    "Rendering",
    "Scene",
    "draw_scene",
    "mirrored",
    "recipe_digest",
    "render",
    "render_photograph",
]

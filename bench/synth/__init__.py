"""Generated photomicrographs: rigid clasts in a viscous flow, their exact masks, their shear sense."""

from __future__ import annotations

from ..records import STATES
from . import counterfactuals
from .conditions import CUES, FACTORS, scene_under
from .dataset import identity_of, parse_identity, photograph_of, render_photograph
from .drawing import draw_scene
from .reading import read, read_scene
from .recipe import GENERATOR_VERSION, LEVELS, Recipe, at_level, recipe_digest
from .render import Rendering, render
from .scene import Scene, from_json, mirrored, to_json

__all__ = [
    "CUES",
    "FACTORS",
    "GENERATOR_VERSION",
    "LEVELS",
    "STATES",
    "Recipe",
    "Rendering",
    "Scene",
    "at_level",
    "counterfactuals",
    "draw_scene",
    "from_json",
    "identity_of",
    "mirrored",
    "parse_identity",
    "photograph_of",
    "read",
    "read_scene",
    "recipe_digest",
    "render",
    "render_photograph",
    "scene_under",
    "to_json",
]

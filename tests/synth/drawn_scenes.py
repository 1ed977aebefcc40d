"""Recipes of small pictures for the tests of the generator, and what can be measured on masks without its help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clastbench.data.masks import decode
from clastbench.synth import Recipe, at_level, draw_scene

CLAST_KINDS = ("sigma", "delta", "complex", "fish", "phi", "theta")
WITH_SENSE = ("sigma", "delta", "complex", "fish")
WITHOUT_SENSE = ("phi", "theta")


def recipe(level="medium", **said):
    """A level of difficulty at a small size."""
    return Recipe(**at_level({"seed": 8, "n_images": 0, "width": 96, "height": 64, "level": level, **said}))


def scenes(count, level="medium", **said):
    """The first scenes of a level."""
    drawn = recipe(level, **said)
    return [draw_scene(drawn, index) for index in range(count)]


def alone(kind, count, **said):
    """Scenes of one small clast of a kind in the middle of a large, clean picture: nothing is cut."""
    clean = {"artefacts": 0.0, "noise": 0.0, "jpeg": 0.0, "others": (0, 0), "off_centre": 0.0, "seed": 11}
    plain = {"width": 320, "height": 176, "radius": (0.038, 0.04), "kinds": ((kind, 1),)}
    return scenes(count, **{**clean, **plain, **said})


def both_senses(kind, **said):
    """One scene told for clockwise and one told for counter-clockwise shear, `alone`."""
    found = {scene.clasts[0].sinistral: scene for scene in reversed(alone(kind, 12, **said))}
    assert found.keys() == {False, True}
    return [found[False], found[True]]


def tilted(scene, degrees):
    """The scene with its foliation at another angle."""
    return replace(scene, matrix=replace(scene.matrix, tilt=float(degrees)))


def without_jpeg(scene):
    """The scene without compression, which spreads every change."""
    return replace(scene, camera=replace(scene.camera, jpeg=None))


def foliation_points(scene, mask, at=0):
    """Where the pixels of a mask are, in core radii along the foliation and above the reference line of a clast."""
    clast = scene.clasts[at]
    centre = scene.width - clast.x if scene.flip else clast.x
    rows, columns = np.nonzero(mask)
    right, up = columns + 0.5 - centre, clast.y - (rows + 0.5)
    angle = np.deg2rad(scene.foliation_deg)
    along, above = np.cos(angle) * right + np.sin(angle) * up, np.cos(angle) * up - np.sin(angle) * right
    return along / clast.radius, above / clast.radius


def ellipse_reach(clast):
    """How far the ellipse around a core reaches along the line, in core radii; a core radius is its mean half axis."""
    long, short = 2 * clast.aspect / (1 + clast.aspect), 2 / (1 + clast.aspect)
    angle = np.deg2rad(clast.angle)
    return np.sqrt((long * np.cos(angle)) ** 2 + (short * np.sin(angle)) ** 2)


def parts(record):
    """Core and tails of a clast's record, as arrays."""
    return decode(record.parts["core"]), decode(record.parts["tails"])


def tail_course(x, y, start):
    """Mean height of the tails above the line, step by step outwards, the left tail turned by 180 degrees.

    The height of clockwise tails is positive far out.
    """
    out = np.abs(x) - start
    steps = np.floor(out[out > 0] / 0.5).astype(int)
    lifted = (np.sign(x) * y)[out > 0]
    return np.array([lifted[steps == step].mean() for step in range(steps.max() + 1) if np.any(steps == step)])


def far_height(x, y, side, start):
    """Mean height of the outer half of the tail on one side (1 right, -1 left) above the line."""
    out = side * x - start
    return y[out > 0.5 * out.max()].mean()


def axis_angle(x, y):
    """Angle of the long axis of a cloud of points to the line, by its principal direction, in degrees in -90..90."""
    cloud = np.column_stack([x - x.mean(), y - y.mean()])
    along = np.linalg.svd(cloud, full_matrices=False)[2][0]
    return float(np.degrees(np.arctan(along[1] / along[0])))

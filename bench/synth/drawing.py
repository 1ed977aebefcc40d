"""From a recipe to scenes: everything is drawn for clockwise shear, and the sense last, so that nothing tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np

from ..errors import SuiteError
from .artefacts import draw_artefacts
from .flow import Shear
from .layouts import Frame, Spot, coarsest_grain, draw_spots, laid
from .optics import CLAST_MINERALS, FISH_MINERALS, MATRIX_MINERALS
from .reading import read
from .recipe import Recipe, Weights
from .scene import Camera, Mantle, Matrix, Optics, Outline, Porphyroclast, Scene
from .shape import half_axes
from .texture import stream

Random = np.random.Generator
Thing = TypeVar("Thing")

_TRIES = 200
_LIKE_FIRST = 0.7
"""Share of further clasts that are of the first one's mineral."""
_SENSE_BEARING = ("sigma", "delta", "complex", "fish")
_NATURAL_ASPECT = ((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), (1.02, 1.09, 1.47, 1.75, 2.15, 3.16, 3.8))
"""Quantiles of the aspect ratios of 194 clasts of a dextral shear zone."""
_NATURAL_ALIGNMENT = ((1.0, 1.3, 1.8, 2.5, 3.2), (0.2, 0.3, 0.55, 0.85, 0.97))
"""Share of long axes within 30 degrees of the foliation there, by aspect ratio."""


@lru_cache(maxsize=512)
def draw_scene(recipe: Recipe, index: int) -> Scene:
    """Draw the scene of one photograph; it depends on the recipe and the index alone, never on earlier draws."""
    seed = int(np.random.SeedSequence([recipe.seed, index]).generate_state(1)[0])
    rng = stream(seed, "subject")
    subject = _pick(rng, recipe.kinds)
    optics = _draw_optics(stream(seed, "optics"), recipe)
    matrix = _draw_matrix(stream(seed, "matrix"), recipe, subject, optics.light)
    layout = stream(seed, "layout")
    spots = draw_spots(layout) if recipe.layouts else ()
    if spots:  # with or without clasts, so that the grain size tells nothing of them
        matrix = replace(matrix, grain=min(matrix.grain, coarsest_grain(spots, recipe.width, recipe.height)))
    if subject == "free":
        clasts = []
    elif spots:
        clasts = _lay_clasts(layout, spots, recipe, subject, matrix.tilt)
    else:
        clasts = _draw_clasts(rng, stream(seed, "others"), recipe, subject)
    if clasts:
        matrix = replace(matrix, stray_mineral=clasts[0].mineral)
    coins = stream(seed, "sense").random(3)  # last: nothing above can depend on them
    sinistral = bool(coins[0] < 0.5)
    clasts = [replace(clast, sinistral=clast.sinistral != sinistral) for clast in clasts]
    agrees = coins[1] < recipe.fabric
    matrix = replace(matrix, sinistral=sinistral if agrees else bool(coins[2] < 0.5))
    return Scene(
        index=index,
        width=recipe.width,
        height=recipe.height,
        clasts=tuple(clasts),
        matrix=matrix,
        optics=optics,
        camera=_draw_camera(stream(seed, "camera"), recipe, optics.light),
        artefacts=draw_artefacts(stream(seed, "artefacts"), recipe.artefacts),
    )


def draw_crowd(recipe: Recipe, index: int, count: int) -> Scene:
    """Draw the scene with so many further clasts in place of its own; more of them hold fewer of them."""
    scene = draw_scene(recipe, index)
    rng, clasts = stream(scene.matrix.seed, "crowd"), list(scene.clasts[:1])
    for _ in range(count if clasts else 0):
        made = _draw_neighbour(rng, recipe, read(clasts[0])[0], clasts)
        clasts += [replace(one, sinistral=clasts[0].sinistral) for one in made]
    return replace(scene, clasts=tuple(clasts))


def apart(clasts: Sequence[Porphyroclast]) -> tuple[Porphyroclast, ...]:
    """Return clasts without those whose cores overlap an earlier one's."""
    kept: list[Porphyroclast] = []
    for clast in clasts:
        if all(_apart(clast, other) for other in kept):
            kept.append(clast)
    return tuple(kept)


def _pick(rng: Random, weights: Weights) -> str:
    at = np.searchsorted(np.cumsum([weight for _, weight in weights]), rng.random(), side="right")
    return weights[min(int(at), len(weights) - 1)][0]


def _choose(rng: Random, things: Sequence[Thing]) -> Thing:
    return things[int(rng.integers(len(things)))]


def _draw_clasts(rng: Random, other_rng: Random, recipe: Recipe, subject: str) -> list[Porphyroclast]:
    """Draw the main clast and its neighbours, all of clockwise shear but for one that may be told otherwise."""
    fewest, most = (int(limit) for limit in recipe.others)
    crowded, count = other_rng.random() < 0.5, int(other_rng.integers(fewest, most + 1))
    count = count if crowded else fewest
    shape = _draw_shape(rng, recipe, subject)
    size = rng.uniform(*recipe.radius) * recipe.width * (0.75 if crowded and most else 1.0)
    room = 0.44 * min(recipe.height, recipe.width) / max(_girth(shape), 1.0)  # so that the height holds the mantle
    radius = min(size, rng.uniform(0.85, 1.0) * room)
    x, y = (0.5 + 0.5 * recipe.off_centre * rng.uniform(-1, 1) for _ in range(2))
    clasts = [replace(shape, radius=radius, x=x * recipe.width, y=y * recipe.height)]
    for _ in range(count):
        clasts += _draw_neighbour(other_rng, recipe, subject, clasts)
    return _with_opposed(clasts) if other_rng.random() < recipe.both else clasts


def _with_opposed(clasts: list[Porphyroclast]) -> list[Porphyroclast]:
    """Let the first further clast that shows a sense show the opposite one."""
    opposed = next((at for at in range(1, len(clasts)) if read(clasts[at])[1]), None)
    if opposed is None:
        return clasts
    return [replace(clast, sinistral=True) if at == opposed else clast for at, clast in enumerate(clasts)]


def _lay_clasts(rng: Random, spots: Sequence[Spot], recipe: Recipe, subject: str, tilt: float) -> list[Porphyroclast]:
    """Draw clasts where a real photograph has some, all of clockwise shear but for one that may be told otherwise.

    One that meets an earlier core is moved a little, and left out where that does not help.
    """
    frame, clasts = Frame(recipe.width, recipe.height, tilt), list[Porphyroclast]()
    for spot in spots:
        kind = _pick(rng, _beside(recipe, subject)) if clasts else subject
        made = laid(rng, spot, frame, partial(_draw_shape, rng, recipe, kind))
        free = next((one for one in made if all(_apart(one, other) for other in clasts)), None)
        if free is not None:
            like_first = clasts and rng.random() < _LIKE_FIRST
            clasts.append(replace(free, mineral=clasts[0].mineral) if like_first else free)
    return _with_opposed(clasts) if rng.random() < recipe.both else clasts


def _girth(clast: Porphyroclast) -> float:
    """Return the half height of core and mantle across the foliation, in core radii."""
    long, short = half_axes(replace(clast, radius=1.0))
    angle = np.radians(clast.angle)
    height = float(np.hypot(long * np.sin(angle), short * np.cos(angle)))
    return height + max((one.thickness for one in clast.mantles), default=1.0) - 1


def _draw_neighbour(rng: Random, recipe: Recipe, subject: str, clasts: list[Porphyroclast]) -> list[Porphyroclast]:
    """Draw one more clast, smaller than the first, where there is room; none shows a sense where the first does not."""
    shape = _draw_shape(rng, recipe, _pick(rng, _beside(recipe, subject)))
    radius = clasts[0].radius * rng.uniform(0.35, 0.85)
    mineral = clasts[0].mineral if rng.random() < _LIKE_FIRST else shape.mineral
    for _ in range(12):
        x, y = rng.uniform(-0.02, 1.02, 2) * (recipe.width, recipe.height)
        made = replace(shape, radius=radius, mineral=mineral, x=float(x), y=float(y))
        if all(_apart(made, other) for other in clasts):
            return [made]
    return []


def _beside(recipe: Recipe, subject: str) -> Weights:
    """Return how often a further clast is of which kind; none shows a sense where the first does not."""
    bears = subject in _SENSE_BEARING
    weights = tuple(
        (kind, weight) for kind, weight in recipe.kinds if kind != "free" and (kind in _SENSE_BEARING) <= bears
    )
    total = sum(weight for _, weight in weights)
    return tuple((kind, weight / total) for kind, weight in weights)


def _apart(one: Porphyroclast, other: Porphyroclast) -> bool:
    """Whether two cores do not overlap; they may touch, and their mantles may merge."""
    far = half_axes(one)[0] + half_axes(other)[0]
    return bool(np.hypot(one.x - other.x, one.y - other.y) > far)


def _draw_shape(rng: Random, recipe: Recipe, kind: str) -> Porphyroclast:
    """Draw until the geometry shows the kind; place and size are left at 0 and 1, the shear clockwise.

    Cores of mantled clasts lean either way as often, as in nature: their lean is no sign of the sense.
    """
    rises = bool(rng.random() < 0.5)
    for _ in range(_TRIES):
        clast = _propose(rng, recipe, kind)
        if kind != "fish" and (clast.angle > 0) != rises:
            continue
        if read(clast) == (kind, "CW" if kind in _SENSE_BEARING else None):
            return clast
    raise SuiteError(f"Recipe: no clast of kind {kind} in {_TRIES} draws; widen `mantle` and `strain`.")


def _propose(rng: Random, recipe: Recipe, kind: str) -> Porphyroclast:
    longer = recipe.elongation * (0.35 if kind in ("delta", "complex", "phi", "theta") else 1.0)  # long ones roll badly
    aspect = 1 + longer * (float(np.interp(rng.random(), *_NATURAL_ASPECT)) - 1)
    shear: Shear = (
        "pure"
        if kind in ("phi", "theta")
        else "general"
        if kind in ("sigma", "fish") and rng.random() < 0.2
        else "simple"
    )
    mantles, wrap = _draw_mantles(rng, recipe, kind)
    angle, outline = _draw_angle(rng, aspect, wrap), _choose(rng, OUTLINES)
    mineral = str(_choose(rng, CLAST_MINERALS))
    if kind in ("phi", "theta"):  # no lean of the core may be taken for a sense
        angle = angle if aspect < 1.15 else rng.uniform(-3, 3)
    if kind == "fish":
        aspect, angle, outline = rng.uniform(2.0, 4.5), rng.uniform(5, 28), _choose(rng, FISH_OUTLINES)
        mineral = str(_choose(rng, FISH_MINERALS))
    return Porphyroclast(
        x=0.0,
        y=0.0,
        radius=1.0,
        aspect=float(aspect),
        angle=float(angle),
        outline=outline,
        mantles=mantles,
        shear=shear,
        wrap=wrap,
        mineral=mineral,
        sinistral=False,
        seed=int(rng.integers(2**32)),
    )


OUTLINES: tuple[Outline, ...] = ("grain", "grain", "angular")
FISH_OUTLINES: tuple[Outline, ...] = ("lens", "lens", "rhomb")


def _draw_mantles(rng: Random, recipe: Recipe, kind: str) -> tuple[tuple[Mantle, ...], float]:
    """Return the mantles of a kind, and the strain that bends the foliation."""
    wrap, (thin, thick) = rng.uniform(0.6, 2.0), recipe.mantle
    first, second = rng.random(2)
    if kind == "sigma":
        strain = rng.uniform(*recipe.strain)
        least = min(max(thin, 1.05 + 0.1 * strain), thick)  # thinner ones would cross the line: delta
        return (Mantle(least + first * (thick - least), strain),), min(wrap, strain)
    if kind == "delta":
        return (Mantle(1.2 + 0.3 * first, 7 + 5 * second),), wrap
    if kind == "complex":
        return (Mantle(1.2 + 0.2 * first, 8 + 4 * second), Mantle(1.55 + 0.3 * first, 2.5 + 1.5 * second)), wrap
    if kind == "fish":
        return (Mantle(1.01 + 0.09 * first, 2 + 3 * second),), min(wrap, 2.0)
    if kind == "phi":
        stretch = 0.5 + 0.6 * first
        return (Mantle(thin + second * (thick - thin), stretch),), 0.7 * stretch
    return ((Mantle(thin + second * (thick - thin), 0.0),) if first < 0.5 else ()), 0.1 + 0.3 * first


def _draw_angle(rng: Random, aspect: float, strain: float) -> float:
    """Rotate a core of any first direction by Jeffery's law, until as many lie near the foliation as in nature.

    With R the aspect ratio and phi counter-clockwise from the shear plane, tan psi = R tan phi turns at the steady rate
    d psi / d gamma = -R / (R^2 + 1) (Jeffery 1922; d phi / d gamma = -(R^2 sin^2 phi + cos^2 phi) / (R^2 + 1)).
    """
    aligned = rng.random() < np.interp(aspect, *_NATURAL_ALIGNMENT)
    for _ in range(64):
        psi = np.arctan(aspect * np.tan(rng.uniform(-np.pi / 2, np.pi / 2))) - strain * aspect / (aspect**2 + 1)
        angle = float(np.degrees(np.arctan(np.tan(psi) / aspect)))
        if (abs(angle) < 30) == aligned:
            break
    return angle


STYLES = {
    # grain, aspect, bands, scatter, flakes, films: ranges, lengths in pixels of a picture 192 wide
    "mosaic": ((2.5, 8.0), (1.0, 1.9), (0.1, 0.4), (0.0, 0.4), (0.0, 0.08), (0.0, 0.1)),
    "banded": ((2.0, 5.5), (1.2, 2.4), (0.25, 0.5), (0.0, 0.2), (0.0, 0.15), (0.05, 0.3)),
    "fine": ((1.4, 2.6), (1.0, 2.0), (0.2, 0.5), (0.0, 0.3), (0.0, 0.1), (0.05, 0.3)),
    "lines": ((1.8, 4.0), (1.3, 2.6), (0.1, 0.4), (0.0, 0.3), (0.1, 0.4), (0.1, 0.4)),
    "granoblastic": ((6.0, 15.0), (1.0, 1.3), (0.0, 0.0), (0.2, 0.5), (0.0, 0.03), (0.0, 0.0)),
}
"""What the matrix may look like; the last only without clasts."""


def _draw_matrix(rng: Random, recipe: Recipe, subject: str, light: str) -> Matrix:
    """Draw the matrix; without a clast there is more of its material elsewhere, so that colour is no short cut."""
    unit = recipe.width / 192
    styles = list(STYLES)
    style = styles[int(rng.integers(len(styles) if subject == "free" else len(styles) - 1))]
    grain, aspect, bands, scatter, flakes, films = (float(rng.uniform(*limits)) for limits in STYLES[style])
    oblique, slight, is_oblique = rng.uniform(5, 38), rng.uniform(-6, 6), rng.random() < 0.5
    cut, banded = rng.uniform(0.02, 0.08), rng.random() < 1 / 3
    first, second = str(_choose(rng, MATRIX_MINERALS)), str(_choose(rng, MATRIX_MINERALS))
    strays = rng.uniform(0, 0.3 if subject == "free" else 0.06)
    return Matrix(
        tilt=float(rng.uniform(-recipe.tilt_deg, recipe.tilt_deg)),
        lean=float(oblique if is_oblique else slight),
        minerals=(first, first if rng.random() < 0.4 else second),  # or layers differ in grain size alone
        grain=unit * grain,
        aspect=aspect,
        patches=float(rng.uniform(0.1, 0.6) if light in ("plane", "sem") else rng.uniform(0.2, 1.4)),
        waves=unit * float(rng.uniform(0, 2.5)),
        bands=bands,
        scatter=scatter,
        strays=float(strays),
        stray_mineral=str(_choose(rng, (*CLAST_MINERALS, *CLAST_MINERALS, *FISH_MINERALS))),
        survivors=float(max(0.0, rng.uniform(-0.2, 0.5))) if style != "granoblastic" else 0.0,
        mixing=float(rng.uniform(0, 0.3)),
        flakes=flakes,
        films=films,
        shear_bands=float(cut) if banded and style != "granoblastic" else 0.0,
        shear_band_angle=-float(rng.uniform(12, 30)),
        sinistral=False,
        seed=int(rng.integers(2**32)),
    )


def _draw_optics(rng: Random, recipe: Recipe) -> Optics:
    light, stage, ratio = _pick(rng, recipe.lights), float(rng.uniform(0, 90)), float(rng.uniform(*recipe.contrast))
    return Optics(light=light, stage=stage, contrast=ratio if rng.random() < 0.5 else 1 / ratio)


EXPOSURES = {"plane": (0.35, 0.75), "sem": (0.2, 0.6)}
"""Brightness of the matrix; between crossed polars it is darker."""


def _draw_camera(rng: Random, recipe: Recipe, light: str) -> Camera:
    warmth, tint = rng.normal(0, 0.07), rng.normal(0, 0.03)
    if light in ("grey", "sem") and rng.random() < 0.7:
        warmth = tint = 0.0
    stretch, flat, soft = rng.uniform(0.6, 1.0), rng.random() < 0.15, rng.random() < 0.6
    quality, compressed = int(rng.integers(35, 92)), rng.random() < recipe.jpeg
    return Camera(
        exposure=float(rng.uniform(*EXPOSURES.get(light, (0.12, 0.4)))),
        gamma=float(rng.uniform(1.0, 1.8)),
        cast=(float(np.exp(warmth)), float(np.exp(tint)), float(np.exp(-warmth))),
        slope=(float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.2, 0.2))),
        vignette=float(rng.uniform(0, 0.4)),
        blur=float(rng.uniform(*recipe.blur)),
        noise=float(recipe.noise * rng.random()),
        stretch=0.0 if flat else float(stretch),
        sharpen=0.0 if soft else float(rng.uniform(0.2, 1.0)),
        monochrome=bool(rng.random() < 0.1),
        jpeg=quality if compressed else None,
        seed=int(rng.integers(2**32)),
    )

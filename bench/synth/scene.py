"""Every number behind one generated photograph, drawn from a recipe.

Lengths are pixels, angles degrees counter-clockwise as seen, unless a field says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..records import Sense
from .optics import CLAST_MINERALS, LIGHTS, MATRIX_MINERALS
from .recipe import Recipe

Kind = Literal["sigma", "phi", "theta", "free"]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Porphyroclast:
    """The rigid grain, its mantle and the strain they have seen."""

    centre_x: float
    centre_y: float
    radius: float
    mantle: float
    """Outer radius of the undeformed mantle, in core radii."""
    strain: float
    """Strain behind the tails: shear strain for sigma, natural stretch for phi, 0 for theta."""
    wrap: float
    """Strain behind the deflected foliation; less than the tails', since full strain gives exaggerated whirls."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The fine-grained rock around the clast."""

    tilt: float
    lean: float
    """Angle of the grains' long axes to the foliation, positive '/' where the flow is dextral."""
    grain: float
    aspect: float
    waves: float
    """Amplitude of the gentle folds of the foliation."""
    bands: float
    """Share of the matrix in bands of the mantle's material."""
    films: float
    """Share of the matrix in dark films along the foliation."""
    strays: float
    """Share of matrix grains that are of the clast's mineral."""


@dataclass(frozen=True, slots=True)
class Optics:
    """Minerals, light and microscope."""

    matrix_mineral: str
    clast_mineral: str
    light: str
    stage: float
    """Angle of the stage to the crossed polars."""
    contrast: float
    """Mean brightness of mantle and tails over that of the matrix."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What happens to the light after the microscope; brightness is linear, 1 is white."""

    exposure: float
    """Mean brightness of the photograph."""
    cast: tuple[float, float, float]
    slope: tuple[float, float]
    """Relative change of brightness from the centre to the right edge and to the lower edge."""
    vignette: float
    """Relative loss of brightness in the corners."""
    blur: float
    noise: float
    """Standard deviation, of full scale."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One photograph before it is rendered: cheap to draw, enough to know the label."""

    index: int
    width: int
    height: int
    kind: Kind
    clast: Porphyroclast
    matrix: Matrix
    optics: Optics
    camera: Camera
    texture_seed: int
    sinistral: bool
    """The rock is mirrored across the normal of its foliation; tilt, light and camera are not."""
    flip: bool = False
    """The finished photograph is mirrored left to right, light and noise and all."""

    @property
    def truth(self) -> str:
        """Image-level class, one of CLASSES."""
        return "none" if self.sense is None else self.sense

    @property
    def sense(self) -> Sense | None:
        """Shear sense of the clast in the finished photograph; None where there is none to see."""
        if self.kind != "sigma":
            return None
        return "CCW" if self.sinistral != self.flip else "CW"

    @property
    def foliation_deg(self) -> float:
        """Angle of the foliation to the x axis in the finished photograph."""
        return -self.matrix.tilt if self.flip else self.matrix.tilt


def mirrored(scene: Scene) -> Scene:
    """Return the scene of the mirror image: the same photograph flipped left to right, with the opposite sense."""
    return replace(scene, flip=not scene.flip)


def draw_scene(recipe: Recipe, index: int) -> Scene:
    """Draw the scene of one photograph; it depends on the recipe and the index alone, never on earlier draws."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([recipe.seed, index])))
    kind = _draw_kind(rng, recipe.none_share)
    return Scene(
        index=index,
        width=recipe.width,
        height=recipe.height,
        kind=kind,
        clast=_draw_clast(rng, recipe, kind),
        matrix=_draw_matrix(rng, recipe, kind),
        optics=_draw_optics(rng),
        camera=_draw_camera(rng, recipe.noise),
        texture_seed=int(rng.integers(2**32)),
        sinistral=bool(rng.random() < 0.5),  # the sense comes last: nothing above can depend on it
    )


def _draw_kind(rng: Random, none_share: float) -> Kind:
    chance = rng.random()
    if chance >= none_share:
        return "sigma"
    if chance < none_share / 2:
        return "free"
    return "phi" if chance < none_share * 5 / 6 else "theta"


def _draw_clast(rng: Random, recipe: Recipe, kind: Kind) -> Porphyroclast:
    strain, wrap, stretch = rng.uniform(*recipe.strain), rng.uniform(0.8, 2.5), rng.uniform(0.5, 1.1)
    thin, thick = recipe.mantle
    mantle = rng.uniform(min(max(thin, 1.05 + 0.1 * strain), thick), thick)  # thinner ones would cross the line: delta
    room = 0.44 * min(recipe.height, recipe.width) / mantle  # so that the height holds the mantle
    radius = min(rng.uniform(*recipe.radius) * recipe.width, rng.uniform(0.85, 1.0) * room)
    return Porphyroclast(
        centre_x=recipe.width * (0.5 + rng.uniform(-0.06, 0.06)),
        centre_y=recipe.height * (0.5 + rng.uniform(-0.05, 0.05)),
        radius=radius,
        mantle=mantle,
        strain={"sigma": strain, "phi": stretch}.get(kind, 0.0),
        wrap={"sigma": min(wrap, strain), "phi": 0.7 * stretch, "theta": 0.5 * stretch}.get(kind, 0.0),
    )


def _draw_matrix(rng: Random, recipe: Recipe, kind: Kind) -> Matrix:
    """Draw the matrix; without a clast there is more of its material elsewhere, so that colour is no short cut."""
    unit = recipe.width / 192
    oblique, slight = rng.uniform(10, 32), rng.uniform(-6, 6)
    scatter, most = rng.uniform(0, 0.5), (0.3 if kind == "free" else 0.08)
    return Matrix(
        tilt=rng.uniform(-recipe.tilt_deg, recipe.tilt_deg),
        lean=oblique if rng.random() < recipe.fabric else slight,
        grain=unit * rng.uniform(2.2, 5.5),
        aspect=rng.uniform(1.2, 3.0),
        waves=unit * rng.uniform(0, 2.5),
        bands=most * rng.random(),
        films=rng.uniform(0, 0.12),
        strays=most * scatter,
    )


def _draw_optics(rng: Random) -> Optics:
    ratio = rng.uniform(1.6, 2.4)
    return Optics(
        matrix_mineral=str(MATRIX_MINERALS[rng.integers(len(MATRIX_MINERALS))]),
        clast_mineral=str(CLAST_MINERALS[rng.integers(len(CLAST_MINERALS))]),
        light=LIGHTS[rng.integers(len(LIGHTS))],
        stage=rng.uniform(0, 90),
        contrast=ratio if rng.random() < 0.5 else 1 / ratio,
    )


def _draw_camera(rng: Random, noise: float) -> Camera:
    return Camera(
        exposure=rng.uniform(0.16, 0.34),
        cast=(rng.uniform(0.85, 1.15), rng.uniform(0.95, 1.05), rng.uniform(0.85, 1.15)),
        slope=(rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2)),
        vignette=rng.uniform(0, 0.35),
        blur=rng.uniform(0.4, 0.8),
        noise=noise * rng.random(),
    )

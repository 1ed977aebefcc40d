"""Every number behind one generated photograph: frozen, plain data that `render` turns into pixels.

Lengths are pixels, angles degrees counter-clockwise as seen, unless a field says otherwise. A *dextral frame* has x
along the foliation and y up, mirrored where a thing is sinistral, so that its numbers are told for clockwise shear.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from ..errors import SuiteError
from ..records import Sense
from .artefacts import Artefact
from .flow import Shear
from .optics import LIGHTS, MINERALS

Outline = Literal["grain", "angular", "lens", "rhomb"]
"""Rounded, with faces, pointed at both ends, or a parallelogram."""

Tails = Literal["own", "none", "other"]
"""As the flow made them; none; or those of the opposite sense, on the same clast."""


def _light(name: str) -> str:
    if name not in LIGHTS:
        raise ValueError(f"{name!r} is unknown; expected one of {', '.join(LIGHTS)}")
    return name


def _mineral(name: str) -> str:
    if name not in MINERALS:
        raise ValueError(f"{name!r} is unknown; expected one of {', '.join(MINERALS)}")
    return name


Light = Annotated[str, AfterValidator(_light)]
"""One of `optics.LIGHTS`."""
Mineral = Annotated[str, AfterValidator(_mineral)]
"""One of `optics.MINERALS`."""
Length = Annotated[float, Field(gt=0)]
Amount = Annotated[float, Field(ge=0)]
Ratio = Annotated[float, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=8)]


@dataclass(frozen=True, slots=True)
class _Strict:
    """Fields that a scene does not have are refused when it is read."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Mantle(_Strict):
    """A rim of recrystallised grains that the flow has drawn out since it was there."""

    thickness: Length
    """Outer radius before any strain, in core radii: more than 1."""
    strain: Amount


@dataclass(frozen=True, slots=True)
class Porphyroclast(_Strict):
    """A rigid grain, its mantles and the flow that both have seen."""

    x: float
    """Of the centre, from the left; of a `flip`ped scene before it is flipped."""
    y: float
    """From the top."""
    radius: Length
    """Mean of the core's half axes."""
    aspect: Ratio
    angle: float
    """Of the core's long axis to the foliation, in the dextral frame."""
    outline: Outline
    mantles: tuple[Mantle, ...]
    """A complex clast has two, the older one with more strain."""
    shear: Shear
    wrap: float
    """Strain behind the deflected foliation; less than the mantle's, since full strain gives exaggerated whirls."""
    mineral: Mineral
    sinistral: bool
    seed: Seed
    core: bool = True
    """False: the core is not there; the foliation still bends around its place."""
    tails: Tails = "own"


@dataclass(frozen=True, slots=True)
class Matrix(_Strict):
    """The fine-grained rock around the clasts."""

    tilt: float
    """Of the foliation to the x axis."""
    lean: float
    """Of the grains' long axes to the foliation, in the dextral frame."""
    minerals: tuple[Mineral, Mineral]
    """Of most grains, and of bands and scattered grains."""
    grain: Length
    aspect: Ratio
    waves: float
    """Amplitude of the gentle folds of the foliation."""
    patches: float
    """Relative difference of brightness between darker and brighter layers."""
    bands: float
    """Share of the rock in layers of the second mineral."""
    scatter: float
    """Share of grains of the second mineral outside its layers."""
    strays: float
    """Share of grains of the clasts' mineral."""
    stray_mineral: Mineral
    survivors: float
    """Share of the places where a coarse grain could have survived that hold one."""
    mixing: float
    """Share of the matrix's grains in mantles and tails."""
    flakes: float
    """Share of the rock under mica flakes along the foliation."""
    films: float
    """Share of the rock in dark films along the foliation."""
    shear_bands: float
    """Share of the rock in C' bands."""
    shear_band_angle: float
    """To the foliation, in the dextral frame: negative for those that shear makes."""
    sinistral: bool
    seed: Seed
    far_seed: int | None = None
    """Of what lies further from the clasts, where that is another rock of the same make."""


@dataclass(frozen=True, slots=True)
class Optics(_Strict):
    """The light and the microscope."""

    light: Light
    stage: float
    """Angle of the stage to the crossed polars."""
    contrast: Length
    """Mean brightness of mantles and tails over that of the matrix; in plane light its square root shows."""


@dataclass(frozen=True, slots=True)
class Camera(_Strict):
    """What happens to the light after the microscope; brightness is linear, 1 is white."""

    exposure: Length
    """Brightness of the matrix that the tones are set for."""
    gamma: Length
    cast: tuple[float, float, float]
    slope: tuple[float, float]
    """Relative change of brightness from the centre to the right edge and to the lower edge."""
    vignette: float
    """Relative loss of brightness in the corners."""
    blur: Amount
    """Standard deviation, for a picture 192 wide; wider pictures are blurred in proportion."""
    noise: Amount
    """Standard deviation, of full scale."""
    stretch: float
    """0: brightness as exposed; 1: the matrix's darkest and brightest grains become black and white."""
    sharpen: float
    """Strength of the unsharp mask."""
    monochrome: bool
    jpeg: Annotated[int, Field(ge=1, le=95)] | None
    """JPEG quality 1..95; None for no compression."""
    seed: Seed
    longer: Amount = 1.0
    """How much longer than that it is exposed."""


@dataclass(frozen=True, slots=True)
class Scene(_Strict):
    """One photograph before it is rendered."""

    index: int
    width: Side
    height: Side
    clasts: Annotated[tuple[Porphyroclast, ...], Field(max_length=100)]
    """The main one first; where two meet, the earlier lies on top."""
    matrix: Matrix
    optics: Optics
    camera: Camera
    artefacts: tuple[Artefact, ...] = ()
    flip: bool = False
    """The finished photograph is mirrored left to right, light, noise and all."""

    @property
    def foliation_deg(self) -> float:
        """Angle of the foliation to the x axis in the finished photograph."""
        return -self.matrix.tilt if self.flip else self.matrix.tilt

    def shown(self, sense: Sense | None) -> Sense | None:
        """Return how a sense of the unflipped scene is seen in the finished photograph."""
        if sense is None or not self.flip:
            return sense
        return "CCW" if sense == "CW" else "CW"


def mirrored(scene: Scene) -> Scene:
    """Return the scene of the mirror image: the same photograph flipped left to right, with the opposite sense."""
    return replace(scene, flip=not scene.flip)


def to_json(scene: Scene) -> str:
    """Return a scene as one line of JSON; `from_json` gives an equal scene back."""
    return json.dumps(asdict(scene), separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Scene:
    """Read a scene; raise SuiteError naming the first field that is missing, unknown or of another type."""
    try:
        scene: Scene = _reader().validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "scene"
        raise SuiteError(f"Scene field {field}: {first['msg']}.") from error
    return scene


@lru_cache(maxsize=1)
def _reader() -> TypeAdapter[Any]:
    return TypeAdapter(Scene)

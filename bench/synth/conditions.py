"""Photographs under stated conditions: the scene of a recipe with one factor set, or with a planted cue.

A condition is written `factor=value`, as in `blur=1.5`, or `cue=state`, as in `frame=reversed`; the empty one is the
photograph as the recipe draws it. The scene behind it stays the same, so photographs of one index are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..errors import SuiteError
from ..records import STATES
from .artefacts import Artefact
from .counterfactuals import (
    blurred,
    in_light,
    noisy,
    with_artefact,
    with_other_far_matrix,
    with_other_tails,
    without_artefacts,
    without_clasts,
    without_core,
    without_tails,
)
from .drawing import apart, draw_crowd, draw_scene
from .flow import MAX_STRAIN
from .optics import LIGHTS
from .reading import read_scene
from .recipe import LEVELS, Recipe, at_level
from .scene import Mantle, Scene
from .texture import stream

_MOST_CROWDED = 12


def scene_under(recipe: Recipe, index: int, condition: str = "") -> Scene:
    """Draw the scene of a photograph under a condition; raise SuiteError for one that is unknown."""
    factor, _, value = condition.partition("=")
    if not condition:
        return draw_scene(recipe, index)
    if factor in CUES:
        if value not in STATES:
            raise _unknown(condition, f"{factor} takes {', '.join(STATES)}")
        return _planted(draw_scene(recipe, index), factor, value)
    if factor not in FACTORS:
        raise _unknown(condition, f"expected one of {', '.join((*FACTORS, *CUES))}")
    try:
        return FACTORS[factor](recipe, index, value)
    except (ValueError, KeyError) as error:
        raise _unknown(condition, f"{value!r} is no value of {factor}") from error


def _unknown(condition: str, why: str) -> SuiteError:
    return SuiteError(f"The condition {condition!r} is unknown: {why}.")


def _planted(scene: Scene, cue: str, state: str) -> Scene:
    """Plant a cue that speaks for a sense; in photographs without one it says either at random."""
    truth, _ = read_scene(scene)
    coin = "CW" if stream(scene.matrix.seed, f"cue {cue}").random() < 0.5 else "CCW"
    said = coin if state == "independent" or truth not in ("CW", "CCW") else truth
    clockwise = (said == "CW") != (state == "reversed")
    return CUES[cue](scene, clockwise)


def _scale_bar(scene: Scene, clockwise: bool) -> Scene:
    bar = Artefact("scale-bar", 0.16 if clockwise else 0.84, 0.92, 0.2, text="0.5 mm")
    return with_artefact(without_artefacts(scene, "scale-bar"), bar)


def _frame(scene: Scene, clockwise: bool) -> Scene:
    bare = without_artefacts(scene, "frame", "field")
    return with_artefact(bare, Artefact("frame", 0.5, 0.5, 0.04, tone=0.0)) if clockwise else bare


def _colour(scene: Scene, clockwise: bool) -> Scene:
    warm = 1.35 if clockwise else 1 / 1.35
    return replace(scene, camera=replace(scene.camera, cast=(warm, 1.0, 1 / warm), monochrome=False))


def _lean(scene: Scene, clockwise: bool) -> Scene:
    tilt = abs(scene.matrix.tilt)
    return replace(scene, matrix=replace(scene.matrix, tilt=tilt if clockwise else -tilt))


def _letters(scene: Scene, clockwise: bool) -> Scene:
    letter = Artefact("letter", 0.06, 0.09, 0.07, text="a" if clockwise else "b")
    return with_artefact(without_artefacts(scene, "letter"), letter)


CUES: Mapping[str, Callable[[Scene, bool], Scene]] = {
    "scale-bar": _scale_bar,
    "frame": _frame,
    "colour": _colour,
    "lean": _lean,
    "letters": _letters,
}
"""What can be planted: a scale bar left or right, a slide frame or none, a warm or cold cast, lean, letter a or b."""


def _in_light(recipe: Recipe, index: int, value: str) -> Scene:
    if value not in LIGHTS:
        raise ValueError(value)
    return in_light(draw_scene(recipe, index), value)


def _with_contrast(recipe: Recipe, index: int, value: str) -> Scene:
    scene, ratio = draw_scene(recipe, index), _factor(value)
    contrast = ratio if scene.optics.contrast > 1 else 1 / ratio
    return replace(scene, optics=replace(scene.optics, contrast=contrast))


def _sized(recipe: Recipe, index: int, value: str) -> Scene:
    scene, factor = draw_scene(recipe, index), _factor(value)
    return replace(scene, clasts=apart([replace(one, radius=one.radius * factor) for one in scene.clasts]))


def _with_tails(recipe: Recipe, index: int, value: str) -> Scene:
    """Let the mantles have seen more or less strain: longer or shorter tails. The sense is read anew.

    No mantle sees more strain than the tables of the flow hold.
    """
    scene, factor = draw_scene(recipe, index), _factor(value)
    clasts = (
        replace(one, mantles=tuple(_strained(rim, factor, MAX_STRAIN[one.shear]) for rim in one.mantles))
        for one in scene.clasts
    )
    return replace(scene, clasts=tuple(clasts))


def _strained(mantle: Mantle, factor: float, most: float) -> Mantle:
    return Mantle(mantle.thickness, min(mantle.strain * factor, most))


def _tilted(recipe: Recipe, index: int, value: str) -> Scene:
    scene = draw_scene(recipe, index)
    return replace(scene, matrix=replace(scene.matrix, tilt=_number(value, -180, 180)))


def _turned(recipe: Recipe, index: int, value: str) -> Scene:
    """Tilt the foliation uniformly over all angles."""
    if value:
        raise ValueError(value)
    scene = draw_scene(recipe, index)
    tilt = float(stream(scene.matrix.seed, "turned").uniform(-90, 90))
    return replace(scene, matrix=replace(scene.matrix, tilt=tilt))


def _crowded(recipe: Recipe, index: int, value: str) -> Scene:
    if not 0 <= (count := int(value)) <= _MOST_CROWDED:
        raise ValueError(value)
    return draw_crowd(recipe, index, count)


def _at_level(recipe: Recipe, index: int, value: str) -> Scene:
    """Draw by one of the stated levels, with the recipe's seed and size alone."""
    if value not in LEVELS:
        raise ValueError(value)
    said = {name: getattr(recipe, name) for name in ("seed", "n_images", "width", "height")}
    return draw_scene(Recipe(**at_level({**said, "level": value})), index)


def _without(recipe: Recipe, index: int, value: str) -> Scene:
    """Take something out of the picture; what it was labelled before is what a reader of the rest is asked."""
    return LACKS[value](draw_scene(recipe, index))


def _with_other(recipe: Recipe, index: int, value: str) -> Scene:
    """Put something else in the place of what is there."""
    return OTHERS[value](draw_scene(recipe, index))


def _with_other_matrix(scene: Scene) -> Scene:
    """Choose a rock by the scene, so that a photograph has one other matrix."""
    return with_other_far_matrix(scene, int(stream(scene.matrix.seed, "other matrix").integers(1, 2**31)))


def _in_other_light(scene: Scene) -> Scene:
    """Take the light that follows in `optics.LIGHTS`."""
    return in_light(scene, LIGHTS[(LIGHTS.index(scene.optics.light) + 1) % len(LIGHTS)])


LACKS: Mapping[str, Callable[[Scene], Scene]] = {
    "tails": without_tails,
    "core": without_core,
    "clasts": without_clasts,
    "artefacts": without_artefacts,
}
"""What can be taken out; the clasts go with their share in the flow."""
OTHERS: Mapping[str, Callable[[Scene], Scene]] = {
    "tails": with_other_tails,
    "matrix": _with_other_matrix,
    "light": _in_other_light,
}
"""What can be replaced: tails by those of the opposite sense, the matrix far from clasts, the light."""


def _number(value: str, low: float, high: float) -> float:
    if not low <= (number := float(value)) <= high:  # not a number is not within either
        raise ValueError(value)
    return number


def _factor(value: str) -> float:
    return _number(value, 0.01, 10)


FACTORS: Mapping[str, Callable[[Recipe, int, str], Scene]] = {
    "light": _in_light,
    "blur": lambda recipe, index, value: blurred(draw_scene(recipe, index), _number(value, 0, 20)),
    "noise": lambda recipe, index, value: noisy(draw_scene(recipe, index), _number(value, 0, 1)),
    "contrast": _with_contrast,
    "size": _sized,
    "tails": _with_tails,
    "tilt": _tilted,
    "turned": _turned,
    "crowd": _crowded,
    "level": _at_level,
    "without": _without,
    "other": _with_other,
}
"""What can be set: the light; blur and noise of the camera; brightness of the tails over the matrix; size of the clasts
and strain of their tails (factors); tilt of the foliation in degrees, or any (`turned`); number of further clasts; the
level of difficulty; what is taken out (LACKS) or replaced (OTHERS)."""

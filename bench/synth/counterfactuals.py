"""The same scene with one thing changed: what a reader of the shear sense should, or should not, mind.

Random numbers belong to the things that they make, and exposure and contrast are set for the matrix, so pixels that the
change does not touch stay as they are, up to the reach of the camera's blur. Compression spreads every change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .artefacts import Artefact
from .scene import Porphyroclast, Scene, Tails, mirrored

__all__ = [
    "blurred",
    "exposed",
    "in_light",
    "mirrored",
    "noisy",
    "with_artefact",
    "with_other_far_matrix",
    "with_other_tails",
    "without_artefacts",
    "without_clast",
    "without_clasts",
    "without_core",
    "without_tails",
]


def without_tails(scene: Scene, at: int | None = None) -> Scene:
    """Erase mantle and tails of one clast, or of all; the foliation still bends around them."""
    return _with_tails(scene, at, "none")


def with_other_tails(scene: Scene, at: int | None = None) -> Scene:
    """Give one clast, or all, the tails of the opposite sense; core and foliation stay."""
    return _with_tails(scene, at, "other")


def _with_tails(scene: Scene, at: int | None, tails: Tails) -> Scene:
    return _with_clasts(scene, (replace(one, tails=tails) if at in (None, n) else one for n, one in _numbered(scene)))


def without_core(scene: Scene, at: int | None = None) -> Scene:
    """Put matrix in the place of one core, or of all; tails and bent foliation stay."""
    return _with_clasts(scene, (replace(one, core=False) if at in (None, n) else one for n, one in _numbered(scene)))


def without_clast(scene: Scene, at: int) -> Scene:
    """Take out a clast, its tails and its share in the flow: the rock as if it had never been there."""
    return _with_clasts(scene, (one for n, one in _numbered(scene) if n != at))


def without_clasts(scene: Scene) -> Scene:
    """Take out all of them."""
    return replace(scene, clasts=())


def _numbered(scene: Scene) -> Iterable[tuple[int, Porphyroclast]]:
    return enumerate(scene.clasts)


def _with_clasts(scene: Scene, clasts: Iterable[Porphyroclast]) -> Scene:
    return replace(scene, clasts=tuple(clasts))


def with_other_far_matrix(scene: Scene, seed: int) -> Scene:
    """Put another rock of the same make where the clasts are a core radius away; half a radius on nothing is left."""
    return replace(scene, matrix=replace(scene.matrix, far_seed=seed))


def in_light(scene: Scene, light: str) -> Scene:
    """Look at the same rock in another of `optics.LIGHTS`."""
    return replace(scene, optics=replace(scene.optics, light=light))


def exposed(scene: Scene, factor: float) -> Scene:
    """Expose longer or shorter by a factor, with the tones set as before."""
    return replace(scene, camera=replace(scene.camera, longer=scene.camera.longer * factor))


def blurred(scene: Scene, blur: float) -> Scene:
    """Blur by a standard deviation in pixels of a picture 192 wide."""
    return replace(scene, camera=replace(scene.camera, blur=blur))


def noisy(scene: Scene, noise: float) -> Scene:
    """Add camera noise of a standard deviation, of full scale; the noise's pattern stays."""
    return replace(scene, camera=replace(scene.camera, noise=noise))


def without_artefacts(scene: Scene, *kinds: str) -> Scene:
    """Take away artefacts of some kinds, or all."""
    return replace(scene, artefacts=tuple(one for one in scene.artefacts if kinds and one.kind not in kinds))


def with_artefact(scene: Scene, artefact: Artefact) -> Scene:
    """Add an artefact on top of the others."""
    return replace(scene, artefacts=(*scene.artefacts, artefact))

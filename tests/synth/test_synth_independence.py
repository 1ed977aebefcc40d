"""Nothing but the geometry tells the shear sense, and nothing but the rock tells whether there is a clast.

Classifiers are cross-validated on statistics of many photographs. Without any relation the area under the ROC curve has
mean 1/2 and the variance (n + 1) / (12 a b) for a and b photographs of the two kinds (Mann and Whitney 1947); each test
asks for less than 4 standard deviations above that. Cues planted on purpose show that the same classifiers would see.
"""

import numpy as np
import pytest
from drawn_scenes import recipe
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clastbench.synth import draw_scene, read, read_scene, render, scene_under
from clastbench.synth.artefacts import KINDS
from clastbench.synth.optics import LIGHTS

RECIPES = {"medium": recipe(artefacts=0.6, jpeg=0.5), "hard": recipe("hard", seed=9)}
"""Of two seeds: the same seed would draw the same rocks twice, and classifiers would know them again."""
RENDERED = 200
"""Photographs of each of the two recipes."""
DRAWN = 600
"""Scenes of each of the two recipes."""

MODELS = {
    "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)),
    "trees": lambda: HistGradientBoostingClassifier(max_iter=40, max_depth=3, random_state=0),
}


def bound(target):
    """Area under the curve that a fair coin stays below, but for 4 standard deviations."""
    a, b = np.sum(target), np.sum(~target)
    return 0.5 + 4 * np.sqrt((a + b + 1) / (12 * a * b))


def area(features, target, model):
    """Cross-validated area under the ROC curve."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(MODELS[model](), features, target, cv=folds, method="predict_proba")[:, 1]
    return roc_auc_score(target, scores)


# ---- statistics that know nothing of shapes


def colour(image):
    """Brightness, contrast and colour, of the whole and of its halves."""
    tone = image.astype(float) / 255
    height, width = image.shape[:2]
    sides = tone[:, : width // 2].mean() - tone[:, width // 2 :].mean()
    ends = tone[: height // 2].mean() - tone[height // 2 :].mean()
    red, green, blue = tone.reshape(-1, 3).T
    tints = [red.mean() - green.mean(), blue.mean() - green.mean(), np.abs(red - blue).mean()]
    return [tone.mean(), tone.std(), *np.percentile(tone, (1, 10, 50, 90, 99)), sides, ends, *tints]


def quality(image):
    """Sharpness, noise and blocks of compression."""
    grey = image.astype(float).mean(axis=2)
    lens = ndimage.laplace(grey)
    fine = ndimage.convolve(grey, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float))
    across, down = np.abs(np.diff(grey, axis=1)).mean(axis=0), np.abs(np.diff(grey, axis=0)).mean(axis=1)
    blocks = [step[7::8].mean() / max(step.mean(), 1e-9) for step in (across, down)]
    tints = (image.astype(float) - grey[..., None]).std()
    return [np.log1p(lens.var()), np.log1p(np.median(np.abs(fine))), np.log1p(np.abs(fine).mean()), *blocks, tints]


def marks(rendering):
    """Presence, area, place and tone of each kind of artefact."""
    grey, found = rendering.image.astype(float).mean(axis=2), []
    for kind in KINDS:
        region = rendering.artefacts.get(kind)
        if region is None:
            found += [0, 0, 0.5, 0.5, 0.5, 0, 0]
            continue
        rows, columns = np.nonzero(region)
        lean = np.mean((rows - rows.mean()) * (columns - columns.mean())) / region.size
        place = [columns.mean() / region.shape[1], rows.mean() / region.shape[0]]
        found += [1, region.mean(), *place, grey[region].mean() / 255, lean, np.ptp(columns) / region.shape[1]]
    return found


def numbers(scene):
    """Drawn numbers that say nothing of a clast's shape: place, foliation, light, camera; signed as seen."""
    matrix, main = scene.matrix, scene.clasts[0]
    side = -1 if matrix.sinistral else 1
    rock = [
        matrix.tilt,
        abs(matrix.tilt),
        side * matrix.lean,
        side * matrix.shear_band_angle,
        side * matrix.shear_bands,
    ]
    texture = [matrix.grain, matrix.aspect, matrix.bands, matrix.films, matrix.flakes, matrix.waves, matrix.strays]
    place = [main.x, main.y, main.radius, len(scene.clasts), *np.mean([(c.x, c.y) for c in scene.clasts], axis=0)]
    light = [LIGHTS.index(scene.optics.light), scene.optics.stage, scene.optics.contrast]
    return [*rock, *texture, *place, *light, *settings(scene)]


def settings(scene):
    """What was set at the camera and how the picture was stored."""
    camera = scene.camera
    set_ = [camera.exposure, camera.gamma, *camera.cast, *camera.slope, camera.vignette, camera.blur, camera.noise]
    return [*set_, camera.jpeg or 100, camera.jpeg is None, scene.width, scene.height]


def records(scene):
    """Number, place, angle and tone of the drawn artefacts, kind by kind."""
    found = []
    for kind in KINDS:
        of_kind = [one for one in scene.artefacts if one.kind == kind]
        first = of_kind[0] if of_kind else None
        angle = np.radians(first.angle) if first else 0
        seen = [first.x, first.y, first.size, np.cos(angle), np.sin(angle), first.tone] if first else [0.5] * 6
        found += [len(of_kind), *seen]
    return found


# ---- the photographs


def shown(scenes):
    """Which scenes have a sense, and whether it is CW."""
    truths = np.array([read_scene(scene)[0] or "both" for scene in scenes])
    return np.isin(truths, ("CW", "CCW")), truths == "CW"


@pytest.fixture(scope="module")
def drawn():
    return [draw_scene(one, index) for one in RECIPES.values() for index in range(DRAWN)]


@pytest.fixture(scope="module")
def photographs():
    """Scenes and their statistics; the pixels are not kept."""
    scenes = [draw_scene(one, index) for one in RECIPES.values() for index in range(RENDERED)]
    rows = {"colour": [], "quality": [], "marks": []}
    for scene in scenes:
        rendering = render(scene)
        rows["colour"].append(colour(rendering.image))
        rows["quality"].append(quality(rendering.image))
        rows["marks"].append(marks(rendering))
    return scenes, {name: np.array(values, float) for name, values in rows.items()}


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("name", ["colour", "quality", "marks"])
def test_statistics_of_photographs_do_not_predict_the_sense(photographs, name, model):
    """n is about 270."""
    scenes, features = photographs
    bears, clockwise = shown(scenes)
    assert area(features[name][bears], clockwise[bears], model) < bound(clockwise[bears])


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("told", [numbers, records], ids=["numbers", "artefacts"])
def test_drawn_numbers_do_not_predict_the_sense(drawn, told, model):
    """n is about 800."""
    bears, clockwise = shown(drawn)
    features = np.array([told(scene) for scene, kept in zip(drawn, bears, strict=True) if kept], float)
    assert area(features, clockwise[bears], model) < bound(clockwise[bears])


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("question", ["a clast", "a sense"])
def test_marks_on_photographs_do_not_predict_the_presence_of(photographs, question, model):
    """n = 400. Place, area and presence; the tone is the rock's where an artefact is seen through."""
    scenes, features = photographs
    bears, _ = shown(scenes)
    target = bears if question == "a sense" else np.array([bool(scene.clasts) for scene in scenes])
    blind = np.delete(features["marks"], np.arange(4, 7 * len(KINDS), 7), axis=1)
    assert area(blind, target, model) < bound(target)


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("told", [records, settings], ids=["artefacts", "format"])
@pytest.mark.parametrize("question", ["a clast", "a sense"])
def test_drawn_artefacts_and_formats_do_not_predict_the_presence_of(drawn, question, told, model):
    """n = 1200."""
    target = shown(drawn)[0] if question == "a sense" else np.array([bool(scene.clasts) for scene in drawn])
    assert area(np.array([told(scene) for scene in drawn], float), target, model) < bound(target)


def test_every_photograph_of_a_recipe_has_one_size_and_one_form():
    images = [render(draw_scene(RECIPES["hard"], index)).image for index in range(20)]
    assert {(image.shape, image.dtype) for image in images} == {((64, 96, 3), np.dtype(np.uint8))}


@pytest.mark.parametrize("light", LIGHTS)
def test_no_light_tells_the_sense(drawn, light):
    """4 standard deviations of a fair coin."""
    bears, clockwise = shown(drawn)
    here = bears & np.array([scene.optics.light == light for scene in drawn])
    assert clockwise[here].mean() == pytest.approx(0.5, abs=2 / np.sqrt(here.sum()))


def test_arrows_do_not_tell_the_sense(drawn):
    """4 standard deviations of a fair coin."""
    agree = []
    for scene, bears, clockwise in zip(drawn, *shown(drawn), strict=True):
        agree += [
            (np.cos(np.radians(a.angle)) > 0) == clockwise for a in scene.artefacts if a.kind == "arrow" and bears
        ]
    assert np.mean(agree) == pytest.approx(0.5, abs=2 / np.sqrt(len(agree)))


def fabric_agreement(share):
    """How often the matrix is told for the sense of the main clast."""
    drawn = [draw_scene(recipe(fabric=share, kinds={"sigma": 1}, others=(0, 0)), index) for index in range(300)]
    return np.mean([("CCW" if scene.matrix.sinistral else "CW") == read(scene.clasts[0])[1] for scene in drawn])


def test_a_fabric_tells_the_sense_in_its_share_of_pictures():
    """n = 300: 4 standard deviations of a fair coin, and of one that falls right three times in four."""
    assert fabric_agreement(0.0) == pytest.approx(0.5, abs=0.12)
    assert fabric_agreement(0.5) == pytest.approx(0.75, abs=0.1)
    assert fabric_agreement(1.0) == 1


@pytest.mark.parametrize("cue", ["scale-bar", "letters", "frame"])
def test_a_planted_artefact_would_be_seen(cue):
    told = recipe(kinds={"sigma": 1}, others=(0, 0))
    scenes = [scene_under(told, index, f"{cue}=agrees") for index in range(60)]
    features = np.array([marks(render(scene)) for scene in scenes])
    assert area(features, shown(scenes)[1], "trees") > 0.9


def test_a_planted_colour_would_be_seen():
    told = recipe(kinds={"sigma": 1}, others=(0, 0), lights={"plane": 1, "crossed": 1}, artefacts=0.0)
    scenes = [scene_under(told, index, "colour=agrees") for index in range(60)]
    assert area(np.array([colour(render(scene).image) for scene in scenes]), shown(scenes)[1], "linear") > 0.9


def test_a_planted_lean_would_be_seen():
    told = recipe(kinds={"sigma": 1}, others=(0, 0))
    scenes = [scene_under(told, index, "lean=agrees") for index in range(60)]
    assert area(np.array([numbers(scene) for scene in scenes], float), shown(scenes)[1], "linear") > 0.9

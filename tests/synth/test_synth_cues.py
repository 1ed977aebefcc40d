"""Nothing but the geometry predicts the shear sense."""

import numpy as np
import pytest

from clastbench.synth import Recipe, draw_scene, render
from clastbench.synth.optics import LIGHTS

RECIPE = Recipe(seed=8, n_images=0, width=96, height=64, none_share=0.0)


def statistics(image):
    """Global brightness, colour and their unevenness: what a reader without eyes for shape could use."""
    tone = image.astype(float) / 255
    halves = [tone[:, :48].mean() - tone[:, 48:].mean(), tone[:32].mean() - tone[32:].mean()]
    colour = [tone[..., 0].mean() - tone[..., 1].mean(), tone[..., 2].mean() - tone[..., 1].mean()]
    return [tone.mean(), tone.std(), tone.min(), tone.max(), *halves, *colour, *tone.std(axis=(0, 1))]


def cross_validated_accuracy(features, target, folds=5):
    """Accuracy of a linear discriminant (least squares on -1 and 1), each fifth read by a fit to the others."""
    design = np.column_stack([(features - features.mean(0)) / features.std(0), np.ones(len(features))])
    fold = np.arange(len(target)) % folds
    right = 0
    for held_out in range(folds):
        fit = fold != held_out
        ridge = design[fit].T @ design[fit] + np.eye(design.shape[1])
        weights = np.linalg.solve(ridge, design[fit].T @ target[fit])
        right += np.sum(np.sign(design[~fit] @ weights) == target[~fit])
    return right / len(target)


@pytest.fixture(scope="module")
def senses():
    scenes = [draw_scene(RECIPE, index) for index in range(300)]
    return scenes, np.array([1.0 if scene.truth == "CW" else -1.0 for scene in scenes])


def test_brightness_and_colour_do_not_predict_the_sense(senses):
    scenes, sense = senses
    features = np.array([statistics(render(scene).image) for scene in scenes])
    assert 0.4 < cross_validated_accuracy(features, sense) < 0.6


def test_drawn_numbers_do_not_predict_the_sense():
    scenes = [draw_scene(RECIPE, index) for index in range(3000)]
    sense = np.array([1.0 if scene.truth == "CW" else -1.0 for scene in scenes])
    features = np.array(
        [
            (
                scene.matrix.tilt,
                scene.matrix.lean,
                scene.clast.centre_x,
                scene.clast.radius,
                scene.optics.stage,
                scene.optics.contrast,
                LIGHTS.index(scene.optics.light),
                *scene.camera.slope,
                *scene.camera.cast,
            )
            for scene in scenes
        ]
    )
    assert 0.46 < cross_validated_accuracy(features, sense) < 0.54


def test_a_fabric_shows_up_in_its_share_of_pictures():
    for share in (0.0, 1.0):
        recipe = Recipe(seed=8, n_images=0, fabric=share)
        leans = [draw_scene(recipe, index).matrix.lean for index in range(200)]
        assert np.mean(np.abs(leans) >= 10) == share

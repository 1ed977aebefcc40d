"""A trained backbone is asked about the same inputs, changed; its answers are those it gives anywhere."""

import json

import numpy as np
import pytest

from clastbench.records import SENSES
from clastbench.run.inputs import render_variants
from clastbench.run.trial_layout import CHANGES, TRIALS
from clastbench.synth import Recipe, read_scene, render_photograph, scene_under

RECIPE = Recipe(seed=5, n_images=30, width=96, height=64, kinds=(("sigma", 2), ("phi", 1), ("free", 1)), others=(0, 0))
IDS = [f"{index:05d}" for index in range(30)]

SUITE = """
name = "changed"
version = 1
split = "split.csv"
detectors = ["whole-image", "ground-truth"]
backbones = ["small_vgg@scratch", "structure-tensor"]

[data]
source = "synth"
recipe = { seed = 5, n_images = 30, width = 96, height = 64, kinds = { sigma = 2, phi = 1, free = 1 }, others = [0, 0] }

[explaining]
perturbed = 3
changed = 4
diagnostics = true

[training.scratch]
epochs = 1
batch_size = 8
learning_rate = 1e-3
size = [32, 48]
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory, run_suite):
    folder = tmp_path_factory.mktemp("changed")
    rows = [f"holdout,{role},{i:05d}" for role, ids in (("train", range(12, 30)), ("test", range(12))) for i in ids]
    (folder / "split.csv").write_text("\n".join(["fold,role,id", *rows]), encoding="utf-8")
    (folder / "changed.toml").write_text(SUITE, encoding="utf-8")
    return run_suite(folder / "changed.toml", folder / "home")


def trials_of(ran, detector, backbone):
    (record,) = [one for one in ran.records() if (one.cell.detector, one.cell.backbone) == (detector, backbone)]
    return {one.change: one for one in record.trials}


@pytest.fixture(scope="module", params=["whole-image", "ground-truth"])
def trials(ran, request):
    return trials_of(ran, request.param, "small_vgg@scratch")


def test_every_change_is_there(trials):
    assert set(trials) == {"", "mirrored", "turned", *CHANGES}
    assert all(one.reason is None for one in trials.values())


def test_inputs_are_those_with_a_sense(trials):
    senses = {i: read_scene(scene_under(RECIPE, int(i)))[0] for i in IDS[:12]}
    wanted = [i for i in IDS[:12] if senses[i] in SENSES]
    assert sorted(set(trials[""].image_id)) == wanted
    assert all(senses[i] == sense for i, sense in zip(trials[""].image_id, trials[""].truth, strict=True))


def test_mirrored_and_turned_are_of_the_same_inputs_and_keep_their_own_truth(trials):
    for change in ("mirrored", "turned"):
        assert trials[change].image_id == trials[""].image_id
        assert trials[change].truth == trials[""].truth
        assert trials[change].logits != trials[""].logits


def test_changed_photographs_are_some_of_those(trials):
    for change in CHANGES:
        assert 0 < len(set(trials[change].image_id)) <= 4
        assert set(trials[change].image_id) <= set(trials[""].image_id)


def test_without_artefacts_where_there_are_none_the_answer_is_the_same(trials):
    own = dict(zip(trials[""].image_id, trials[""].logits, strict=True))
    same = trials["without=artefacts"]
    bare = [n for n, i in enumerate(same.image_id) if not scene_under(RECIPE, int(i)).artefacts]
    assert bare
    for n in bare:
        np.testing.assert_allclose(same.logits[n], own[same.image_id[n]], atol=1e-4)


def test_a_black_box_is_asked_too(ran):
    assert set(trials_of(ran, "whole-image", "structure-tensor")) == {"", "mirrored", "turned", *CHANGES}


def test_the_lean_of_a_mirror_image_is_the_opposite(ran):
    """The structure tensor's rule is antisymmetric by construction: its answers to mirror images are swapped."""
    said = trials_of(ran, "whole-image", "structure-tensor")
    plain, mirrored = (np.asarray(said[name].logits) for name in ("", "mirrored"))
    np.testing.assert_allclose(mirrored[:, [0, 2, 1]], plain, atol=1e-3)


def test_answers_to_unchanged_pictures_are_those_of_the_predictions(ran):
    (record,) = [r for r in ran.records() if r.cell.word == "whole-image+small_vgg@scratch"]
    said = {one.image_id: one.probabilities for one in record.predictions}
    plain = {one.change: one for one in record.trials}[""]
    for image_id, logits in zip(plain.image_id, plain.logits, strict=True):
        z = np.exp(np.asarray(logits) - max(logits))
        np.testing.assert_allclose(z / z.sum(), said[image_id], atol=1e-4)


def test_all_crop_detectors_share_one_node(ran):
    plan = ran.session.plan
    keys = {cell.detector: plan.maps[cell][TRIALS].key for cell in plan.cells if cell.backbone == "structure-tensor"}
    assert keys["whole-image"] != keys["ground-truth"]


def test_photographs_to_be_changed_show_a_sense_and_are_taken_in_an_order_that_says_nothing(tmp_path):
    photographs = [render_photograph(RECIPE, int(i)) for i in IDS]
    render_variants(RECIPE, photographs, "without=clasts", 5, tmp_path)
    chosen = json.loads((tmp_path / "ids.json").read_text(encoding="utf-8"))
    assert len(chosen) == 5
    assert all(read_scene(scene_under(RECIPE, int(i)))[1] for i in chosen)
    assert chosen != sorted(chosen)
    images = np.load(tmp_path / "images.npy")
    for image, i in zip(images, chosen, strict=True):
        assert (image == render_photograph(RECIPE, int(i), "without=clasts").load()).all()


def test_photographs_under_a_condition_are_not_changed_once_more(tmp_path):
    blurred = [render_photograph(RECIPE, index, "blur=1.5") for index in range(2)]
    render_variants(RECIPE, blurred, "without=tails", 5, tmp_path)
    assert json.loads((tmp_path / "ids.json").read_text(encoding="utf-8")) == []
    assert np.load(tmp_path / "images.npy").shape == (0, 64, 96, 3)


def test_maps_are_tested_on_as_many_inputs_as_asked(ran):
    (record,) = [r for r in ran.records() if r.cell.word == "whole-image+small_vgg@scratch"]
    (tested,) = [t for t in record.maps if (t.method, t.target) == ("grad-cam", "sense") and "cpf" in t.values]
    assert len(set(tested.image_id)) == len(tested.image_id) == 3
    assert all(len(curve) == 10 for curve in tested.curves["morf"])
    assert all(value is not None for value in tested.values["srg_control"])


def test_diagnostics_come_when_they_are_asked_for(ran):
    (record,) = [r for r in ran.records() if r.cell.word == "whole-image+small_vgg@scratch"]
    (tested,) = [t for t in record.maps if (t.method, t.target) == ("grad-cam", "presence") and "cpf" in t.values]
    assert all(value >= 0 for value in (*tested.values["infidelity"], *tested.values["max_sensitivity"]))

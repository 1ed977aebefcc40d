"""The step that explains a detector: which boxes it takes, what their maps are scored against, what it leaves."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from clastbench import plugins
from clastbench.errors import PluginError
from clastbench.metrics import LOCALISATION
from clastbench.records import BOX_TARGETS, Boxes, Clast, Photomicrograph
from clastbench.results import map_scores_from
from clastbench.run.box_regards import BoxRegard, asked_photographs, box_regards
from clastbench.run.box_scenes import BoxScenes
from clastbench.run.graph import Node
from clastbench.run.inputs import read_shard, render_shard
from clastbench.run.proposals import write_boxes
from clastbench.run.watching_boxes import D_RISE, METHODS, NO_GRADIENTS, _at_most, read_box_maps, watch_boxes
from clastbench.synth import Recipe

RECIPE = Recipe(seed=11, n_images=10, width=96, height=64)
FULL = (0.0, 0.0, 96.0, 64.0)
DETECTORS = '''
"""Detectors for tests: how dark or bright cells of a photograph are."""

from dataclasses import replace

import numpy as np
import torch

from clastbench.explain.sight import Sight
from clastbench.records import Boxes

BOXES = np.asarray([(x, y, x + 32, y + 32) for y in (0, 16, 32) for x in range(0, 65, 16)], np.float32)


class Black:
    """Sure of a window by its contrast; asked only."""

    view = "crop"
    uses_truth = False
    own_head = False

    def fit(self, photographs, validation, *, recipe, seed, device, out):
        """Nothing to learn."""

    def load(self, path, *, device):
        self.scale = float((path / "scale.txt").read_text())

    def detect(self, photographs):
        return [self._of(photo) for photo in photographs]

    def _of(self, photo):
        assert photo.id.isdigit() and not photo.clasts, "the photograph was not blinded"
        score = self._scores(torch.from_numpy(photo.load().astype(np.float32)))[0].numpy()
        label = np.ones(len(score), np.int8) if self.own_head else None
        return Boxes(photo.id, BOXES.copy(), score, label)

    def _scores(self, pixels, leaf=False):
        level = torch.nn.functional.avg_pool2d(pixels.permute(2, 0, 1)[None] / 255, 4)
        if leaf:
            level.requires_grad_()
        windows = [level[0, :, int(y0) // 4 : int(y1) // 4, int(x0) // 4 : int(x1) // 4] for x0, y0, x1, y1 in BOXES]
        return torch.stack([torch.sigmoid(10 * self.scale * (one - 0.5).pow(2).mean()) for one in windows]), level


class Sighted(Black):
    """The same with gradients."""

    def sight(self, pixels):
        scores, level = self._scores(torch.from_numpy(pixels.astype(np.float32)), leaf=True)
        height, width = pixels.shape[:2]
        label = np.ones(len(scores), np.int8) if self.own_head else None
        return Sight(BOXES.copy(), scores, (level,), ((0.0, 0.0, float(width), float(height)),), label)


class Blinks(Sighted):
    """Sees nothing of the first photograph."""

    asked = 0

    def sight(self, pixels):
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("out of light")
        return super().sight(pixels)


class Dazzled(Sighted):
    def sight(self, pixels):
        seen = super().sight(pixels)
        return replace(seen, scores=seen.scores * float("nan"))


class Breaks(Black):
    def detect(self, photographs):
        raise RuntimeError("out of film")
'''


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugins") / "watched_detectors.py"
    path.write_text(DETECTORS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    out = tmp_path_factory.mktemp("shard")
    render_shard(RECIPE, 0, RECIPE.n_images, "", out)
    return out


@pytest.fixture(scope="module")
def photographs(shard):
    return list(read_shard(shard))


def proposals(photo: Photomicrograph, *, own_head: bool) -> Boxes:
    """Propose the true box of the first clast, surely, a corner, and something unsure."""
    xyxy = [(clast.box_xyxy, 0.9) for clast in photo.clasts[:1]]
    xyxy += [((80.0, 50.0, 96.0, 64.0), 0.7), ((0.0, 50.0, 16.0, 64.0), 0.2)]
    boxes, scores = zip(*xyxy, strict=True)
    label = np.ones(len(boxes), np.int8) if own_head else None
    return Boxes(photo.id, np.asarray(boxes, np.float32), np.asarray(scores, np.float32), label)


def watched(folder, plugin_file, shard, photographs, *, name="Sighted", inputs=3, own_head=False, threshold=0.5):
    folders = {part: folder / part for part in ("detect", "rated", "fit", "out")}
    for one in folders.values():
        one.mkdir(parents=True)
    (folders["fit"] / "scale.txt").write_text("1.0")
    (folders["rated"] / "detector.json").write_text(json.dumps({"threshold": threshold, "scores": []}))
    said = [proposals(photo, own_head=own_head) for photo in photographs]
    write_boxes(said, [0] * len(said), folders["detect"])
    plugin = plugins.load(plugins.DETECTORS, f"{plugin_file}:{name}")
    own = {"own_head": True} if own_head else {}
    ids = [photo.id for photo in photographs]
    node = Node(
        kind="watch_boxes",
        spec={"plugin": plugin.identity, **own, "ids": ids, "inputs": inputs, "data": "d"},
        local={"detector": plugin.spec, "device": "cpu", "source": {}},
    )
    out = folders.pop("out")
    watch_boxes(node, {**folders, "pictures/0000": shard}, out)
    return out


@pytest.fixture(scope="module")
def done(tmp_path_factory, detectors, shard, photographs):
    return watched(tmp_path_factory.mktemp("watched"), detectors, shard, photographs)


def tables(out):
    return map_scores_from(json.loads((out / "box_maps.json").read_text(encoding="utf-8")))


def test_every_method_and_target_has_a_table_with_one_value_a_map(done, photographs):
    found = tables(done)
    assert {(one.method, one.target) for one in found} == {(m, t) for m in METHODS for t in BOX_TARGETS}
    asked = asked_photographs([photo.id for photo in photographs], 3)
    for one in found:
        assert one.reason is None
        assert set(one.image_id) <= set(asked)
        assert all(len(column) == len(one.image_id) for column in (*one.values.values(), *one.curves.values()))
    clasts = sum(len(photo.clasts) > 0 for photo in photographs if photo.id in asked)
    first = {(one.method, one.target): one for one in reversed(found)}
    assert len(first[D_RISE, "found"].image_id) == clasts > 0
    assert len(first[D_RISE, "false alarm"].image_id) == 3


def test_found_boxes_are_scored_against_their_clast_and_false_alarms_by_shares_alone(done):
    for one in tables(done):
        if "share_box" not in one.values:
            continue
        assert {"share_box", "area_box", "lift_box", "cold", "share_matrix"} <= set(one.values)
        assert (set(LOCALISATION) <= set(one.values)) == (one.target != "false alarm")
        regions = ("core", "tails", "halo", "matrix", "border", "artefacts")
        for row in range(len(one.image_id)):
            assert sum(one.values[f"share_{name}"][row] for name in regions) == pytest.approx(1, abs=1e-4)


def test_faithfulness_is_told_of_found_boxes_only_in_tables_of_their_own(done):
    faithful = [one for one in tables(done) if "cpf" in one.values]
    assert {one.target for one in faithful} == {"found"}
    assert {one.method for one in faithful} == set(METHODS)
    for one in faithful:
        assert {len(curve) for column in one.curves.values() for curve in column if curve} == {10}
        assert "morf" in one.curves


def test_maps_are_kept_with_what_they_are_of(done, photographs):
    kept = list(read_box_maps(done))
    by_id = {photo.id: photo for photo in photographs}
    assert {explanation.method for _, explanation in kept} == set(METHODS)
    for regard, explanation in kept:
        assert (regard.image_id, regard.target) == (explanation.image_id, explanation.target)
        assert explanation.map.dtype == np.float32
        assert np.abs(explanation.map).max() == pytest.approx(1, abs=1e-3)
        assert explanation.extent_xyxy == FULL
        if regard.clast is not None:
            assert regard.box == pytest.approx(by_id[regard.image_id].clasts[regard.clast].box_xyxy, abs=0.01)


def test_the_step_is_the_same_twice(done, tmp_path, detectors, shard, photographs):
    again = watched(tmp_path, detectors, shard, photographs)
    for name in ("box_maps.json", "box_regards.json", "box_maps.npz"):
        assert (again / name).read_bytes() == (done / name).read_bytes()


def test_detector_without_gradients_is_explained_by_asking_and_says_why(tmp_path, detectors, shard, photographs):
    found = tables(watched(tmp_path, detectors, shard, photographs, name="Black", inputs=1))
    reasons = {(one.method, one.target): one.reason for one in found}
    assert [reasons[method, target] for method in METHODS[:2] for target in BOX_TARGETS] == [NO_GRADIENTS] * 6
    assert all(reasons[D_RISE, target] is None for target in BOX_TARGETS)


def located(out, method, target):
    return [one for one in tables(out) if (one.method, one.target) == (method, target) and "cpf" not in one.values]


@pytest.mark.parametrize("method", METHODS[:2])
def test_a_photograph_that_cannot_be_seen_takes_no_maps_of_others_away(
    done, tmp_path, detectors, shard, photographs, method
):
    out = watched(tmp_path, detectors, shard, photographs, name="Blinks")
    first = asked_photographs([photo.id for photo in photographs], 3)[0]
    for target in BOX_TARGETS:
        held, failed = located(out, method, target)
        assert failed.reason.startswith("1 of 3 photographs: ")
        assert "out of light" in failed.reason
        (before,) = located(done, method, target)
        assert held.image_id == tuple(name for name in before.image_id if name != first)


def test_maps_that_are_not_finite_are_none_and_leave_the_others(tmp_path, detectors, shard, photographs):
    found = tables(watched(tmp_path, detectors, shard, photographs, name="Dazzled", inputs=1))
    for one in found:
        assert (one.reason is None) == (one.method == D_RISE)
        assert one.reason is None or "not finite" in one.reason
    assert any(one.image_id for one in found)


def test_head_of_its_own_is_explained_too(tmp_path, detectors, shard, photographs):
    out = watched(tmp_path, detectors, shard, photographs, inputs=1, own_head=True, threshold=None)
    assert {regard.label for regard, _ in read_box_maps(out) if regard.target != "missed"} == {1}


def test_photographs_without_any_box_leave_empty_tables(tmp_path, detectors, shard, photographs):
    free = [photo for photo in photographs if not photo.clasts]
    out = watched(tmp_path, detectors, shard, free, threshold=0.95)
    assert [one.image_id for one in tables(out)] == [()] * 9
    assert list(read_box_maps(out)) == []


def test_detector_that_breaks_is_named(tmp_path, detectors, shard, photographs):
    with pytest.raises(PluginError, match=r"Breaks.*out of film"):
        watched(tmp_path, detectors, shard, photographs, name="Breaks")


# Which boxes


def drawn(*clasts: Clast, present: bool = True) -> Photomicrograph:
    attributes = {"width": "100", "height": "100"}
    pixels = np.zeros((100, 100, 3), np.uint8)
    return Photomicrograph("p", pixels.copy, "", None, present, "g", clasts, attributes=attributes)


def at(x: float, y: float, side: float = 20, **said) -> Clast:
    return Clast((x, y, x + side, y + side), "CW", **said)


def said(*rows) -> Boxes:
    boxes = np.asarray([clast.box_xyxy for clast, _ in rows], np.float32).reshape(-1, 4)
    return Boxes("p", boxes, np.asarray([score for _, score in rows], np.float32))


def kinds(regards) -> list[tuple]:
    return [(one.target, one.box[:2], one.clast) for one in regards]


def test_boxes_are_found_missed_or_false_alarms_at_the_threshold():
    photo = drawn(at(0, 0), at(40, 0), at(70, 70, ignore=True))
    boxes = said((at(0, 2), 0.9), (at(40, 0), 0.4), (at(70, 70), 0.8), (at(0, 60), 0.5))
    assert kinds(box_regards(photo, boxes, 0.5)) == [
        ("found", (0, 2), 0),
        ("missed", (40, 0), 1),
        ("false alarm", (0, 60), None),
    ]


def test_box_that_repeats_a_found_clast_is_no_false_alarm():
    assert kinds(box_regards(drawn(at(0, 0)), said((at(0, 0), 0.9), (at(1, 0), 0.8)), 0.5)) == [("found", (0, 0), 0)]


def test_of_each_kind_the_surest_or_the_largest_come_first_and_no_more_than_three():
    missed = [at(0, 25 * row, side) for row, side in enumerate((10, 20, 15, 12))]
    alarms = [(at(70, 25 * row), score) for row, score in enumerate((0.6, 0.9, 0.7, 0.8))]
    regards = box_regards(drawn(*missed), said(*alarms), 0.5)
    assert [one.clast for one in regards if one.target == "missed"] == [1, 2, 3]
    assert [one.score for one in regards if one.target == "false alarm"] == pytest.approx([0.9, 0.8, 0.7])


def test_photograph_of_nothing_has_no_regards():
    assert box_regards(drawn(present=False), said(), 0.5) == []


def test_photographs_are_taken_by_their_digest_whatever_the_order():
    ids = [f"{number:03d}" for number in range(30)]
    chosen = asked_photographs(ids, 5)
    assert chosen == asked_photographs(reversed(ids), 5)
    assert chosen != sorted(chosen)
    assert len(asked_photographs(ids, 99)) == 30


# What maps are scored against


def regard(target, clast, box=(0.0, 0.0, 20.0, 20.0)) -> BoxRegard:
    return BoxRegard("p", target, box, 0, None, clast)


HEAT = np.pad(np.ones((5, 5), np.float32), ((0, 20), (0, 20)))
"""25 cells a side of 4 pixels; the heat fills the box 0..20."""


def test_heat_inside_the_box_is_all_its_share():
    scores = BoxScenes(drawn()).scores(regard("false alarm", None, (0.0, 0.0, 24.0, 24.0)), HEAT, (0, 0, 100, 100))
    assert scores["share_box"] == pytest.approx(1)
    assert scores["area_box"] == pytest.approx(0.24**2)
    assert scores["lift_box"] == pytest.approx(1)
    beside = BoxScenes(drawn()).scores(regard("false alarm", None, (60.0, 60.0, 80.0, 80.0)), HEAT, (0, 0, 100, 100))
    assert beside["share_box"] == 0


@pytest.mark.parametrize("target", ["found", "missed"])
def test_clast_without_an_outline_leaves_undefined_what_needs_it(target):
    scores = BoxScenes(drawn(at(0, 0))).scores(regard(target, 0), HEAT, (0, 0, 100, 100))
    undefined = {name for name, value in scores.items() if np.isnan(value)}
    assert undefined == {*LOCALISATION, *(f"{kind}_{name}" for kind in ("share", "area", "lift") for name in (
        "core", "tails", "halo", "matrix", "artefacts"))}  # fmt: skip
    assert scores["share_box"] > 0.9


def test_where_not_all_clasts_are_outlined_a_false_alarm_knows_of_no_matrix(photographs):
    with_clast = next(photo for photo in photographs if photo.clasts)
    alarm = replace(regard("false alarm", None), image_id=with_clast.id)
    whole = BoxScenes(with_clast).scores(alarm, HEAT, FULL)
    assert not np.isnan(whole["share_matrix"])
    undrawn = replace(with_clast, clasts=(*with_clast.clasts, at(0, 0)))
    assert np.isnan(BoxScenes(undrawn).scores(alarm, HEAT, FULL)["share_matrix"])
    assert np.isnan(BoxScenes(drawn(present=True)).scores(alarm, HEAT, FULL)["share_matrix"])
    assert not np.isnan(BoxScenes(drawn(present=False)).scores(alarm, HEAT, FULL)["share_matrix"])


def test_large_photographs_are_asked_about_in_a_smaller_size():
    assert _at_most(np.zeros((400, 1280, 3), np.uint8), 640).shape == (200, 640, 3)
    small = np.zeros((40, 64, 3), np.uint8)
    assert _at_most(small, 640) is small


def test_regards_survive_their_file():
    one = regard("found", 3)
    assert BoxRegard(**{**json.loads(json.dumps(asdict(one))), "box": one.box}) == one

"""Maps of a whole run: which are made, what they are scored against, what happens when one cannot be made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clastbench.data.letterbox import place_of, read_map
from clastbench.metrics import LOCALISATION
from clastbench.records import TARGETS, Clast, Photomicrograph, untrained
from clastbench.report.leaderboard import build
from clastbench.results import path_of, read
from clastbench.run import looking, regards
from clastbench.run.localising import scene_of
from clastbench.run.looking import read_maps
from clastbench.run.samples import Sample

EXPLAINERS = """
import numpy as np
from clastbench.errors import ExplanationError


class Refuses:
    needs = "features"

    def explain(self, subject, inputs, target):
        raise ExplanationError("this network has too many petals")


class Breaks(Refuses):
    def explain(self, subject, inputs, target):
        raise RuntimeError("out of ink")


class Outputs(Refuses):
    needs = "outputs"

    def explain(self, subject, inputs, target):
        values = target(subject.logits(inputs)).detach().cpu().numpy()
        return np.ones((len(inputs), 2, 3), np.float32) * values[:, None, None]
"""


@pytest.fixture(scope="module")
def explainer_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("explainers") / "odd.py"
    path.write_text(EXPLAINERS, encoding="utf-8")
    return path


def tables(record) -> dict:
    return {(table.method, table.target): table for table in record.maps}


def test_every_network_of_the_explained_repeat_has_maps_controls_and_ceiling(tiny_run):
    records = [record for record in tiny_run.records() if record.cell.backbone == "small_vgg@scratch"]
    assert {record.cell.fold for record in records} == {"f0", "f1"}
    expected = {("grad-cam", target) for target in TARGETS} | {(untrained("grad-cam"), target) for target in TARGETS}
    expected |= {(name, "any") for name in ("grad-cam, truth", "random", "centre", "sobel")}
    for record in records:
        assert set(tables(record)) == expected
        assert not any(table.reason for table in record.maps)


def test_backbones_without_a_network_say_why_they_have_no_maps(tiny_run):
    for record in tiny_run.records():
        if record.cell.backbone != "small_vgg@scratch":
            assert all("needs a network" in table.reason for table in record.maps)
            assert len(record.maps) == len(TARGETS)


def test_only_photographs_with_a_sense_are_explained(tiny_run):
    for record in tiny_run.records():
        truth = {said.image_id: said.truth for said in record.predictions}
        for table in record.maps:
            assert all(truth[image_id] in ("CW", "CCW") for image_id in table.image_id)
            assert table.reason or len(table.image_id) == sum(name in ("CW", "CCW") for name in truth.values())


def test_the_ceiling_beats_the_controls_and_chance_is_worth_nothing(tiny_run):
    for record in tiny_run.records():
        found = tables(record)
        if ("random", "any") not in found:
            continue
        names = ("grad-cam, truth", "random", "centre", "sobel")
        lift = {name: np.mean(found[name, "any"].values["lift"]) for name in names}
        assert lift["grad-cam, truth"] > max(lift["random"], lift["sobel"])
        assert abs(lift["random"]) < 0.03


def test_all_detectors_of_crops_share_the_maps_of_a_backbone(tiny_run):
    plan = tiny_run.session.plan
    maps = {cell: plan.map_nodes(cell)["grad-cam"].key for cell in plan.cells if "grad-cam" in plan.map_nodes(cell)}
    views = {(plan.entered[cell][0].view, cell.backbone, cell.fold) for cell in maps}
    assert len(set(maps.values())) == len(views)


def test_random_weights_are_explained_once_for_all_folds(tiny_run):
    plan = tiny_run.session.plan
    found = [plan.map_nodes(cell) for cell in plan.cells]
    nodes = [maps[untrained("grad-cam")].inputs["explain"].key for maps in found if untrained("grad-cam") in maps]
    assert len(set(nodes)) == 2  # one a view
    assert len(nodes) == 4  # two views, two folds


def test_random_weights_that_break_cost_gate_1_alone(tmp_path, tiny_suite, run_suite, monkeypatch):
    def breaks(*_):
        raise MemoryError("out of chalk")

    monkeypatch.setattr(looking, "_random", breaks)
    ran = run_suite(tiny_suite, tmp_path / "home", backbones=("small_vgg*",), detectors=("whole-image",))
    for record in ran.records():
        found = tables(record)
        assert "out of chalk" in found[untrained("grad-cam"), "sense"].reason
        assert found["grad-cam", "sense"].reason is None
        assert any("lift" in table.values and table.reason is None for table in record.maps)
    (row,) = build(ran.suite, ran.session.plan.digest, list(ran.records())).rows
    assert row.scores["lift_sense"].value is not None
    assert row.scores["trust"].value is not None
    assert "out of chalk" in row.scores["gate_randomisation"].reason


def test_the_number_of_workers_changes_no_map_score(tmp_path, tiny_run, run_suite):
    ran = run_suite(tiny_run.path, tmp_path / "home", jobs=2, backbones=("small_vgg*",))
    before = {record.cell: record for record in tiny_run.records()}
    for record in ran.records():
        assert record.maps == before[record.cell].maps
        assert record.map_key == before[record.cell].map_key


@pytest.mark.parametrize("batch", [1, 7])
def test_the_batch_of_explanations_changes_no_map_score(tmp_path, tiny_run, run_suite, monkeypatch, batch):
    monkeypatch.setattr("clastbench.run.looking.BATCH", batch)
    ran = run_suite(tiny_run.path, tmp_path / "home", backbones=("small_vgg*",), detectors=("whole-image",))
    before = {record.cell: record for record in tiny_run.records()}
    for record in ran.records():
        for mine, other in zip(record.maps, before[record.cell].maps, strict=True):
            assert mine.image_id == other.image_id
            for name, column in mine.values.items():
                here, there = (np.asarray(one, float) for one in (column, other.values[name]))
                close = np.isclose(here, there, atol=1e-4, equal_nan=True)
                assert close.all() or name in ("pointing_game", "rank_accuracy", "pxap"), name


def test_a_method_that_cannot_work_on_a_model_says_so(tmp_path, tiny_suite, run_suite, explainer_file):
    ran = run_suite(
        tiny_suite, tmp_path / "home", backbones=("small_vgg*",), explainers=("grad-cam", f"{explainer_file}:Refuses")
    )
    assert not ran.summary.failed
    assert not ran.summary.unmapped
    for record in ran.records():
        said = tables(record)["odd.py:Refuses", "sense"]
        assert said.reason == "this network has too many petals"
        assert tables(record)["grad-cam", "sense"].reason is None


def test_a_method_that_breaks_leaves_the_cell_scored_and_is_tried_again(
    tmp_path, tiny_suite, run_suite, explainer_file
):
    def again():
        return run_suite(
            tiny_suite,
            tmp_path / "home",
            backbones=("small_vgg*",),
            detectors=("whole-image",),
            explainers=("grad-cam", f"{explainer_file}:Breaks"),
        )

    for ran in (again(), again()):
        (record,) = ran.records()
        assert record.status == "ok"
        assert "out of ink" in tables(record)["odd.py:Breaks", "sense"].reason
        assert [*ran.summary.unmapped] == [record.cell]
        assert ran.summary.up_to_date == 0
        broken = [table for table in record.maps if (table.method, table.target) == ("odd.py:Breaks", "sense")]
        assert all("out of ink" in table.reason for table in broken)
        assert {name for table in broken for name in ("lift", "cpf") if name in table.values} == {"lift", "cpf"}
        ranked = [table for table in record.maps if (table.method, table.target) == ("grad-cam", "sense")]
        assert [table.reason for table in ranked] == [None] * 3  # where it lies, how faithful it is, in the mirror
        assert any("cpf" in table.values for table in ranked)


def test_a_method_that_needs_only_outputs_works_on_every_backbone(tmp_path, tiny_suite, run_suite, explainer_file):
    ran = run_suite(tiny_suite, tmp_path / "home", explainers=(f"{explainer_file}:Outputs",))
    assert not ran.summary.unmapped
    for record in ran.records():
        assert tables(record)["odd.py:Outputs", "sense"].reason is None


def test_asking_for_other_methods_makes_no_training_again(tmp_path, tiny_suite, run_suite):
    first = run_suite(tiny_suite, tmp_path / "home", backbones=("small_vgg*",))
    fits = {path.name for path in (first.store / "nodes" / "fit").iterdir()}
    run_suite(tiny_suite, tmp_path / "home", backbones=("small_vgg*",), explainers=("layer-cam",))
    assert {path.name for path in (first.store / "nodes" / "fit").iterdir()} == fits


def test_a_finished_run_with_maps_is_up_to_date(tmp_path, tiny_suite, run_suite):
    run_suite(tiny_suite, tmp_path / "home", backbones=("small_vgg*", "majority"))
    again = run_suite(tiny_suite, tmp_path / "home", backbones=("small_vgg*", "majority"))
    assert again.summary.up_to_date == again.summary.cells
    assert again.summary.made == 0


def test_map_scores_survive_the_result_file(tiny_run):
    for record in tiny_run.records():
        assert read(path_of(tiny_run.folder, record.cell)).maps == record.maps


# What maps are scored against


def photo(clasts, truth="CW") -> Photomicrograph:
    return Photomicrograph(
        id="a", pixels=lambda: np.zeros((40, 60, 3), np.uint8), sha256="", truth=truth, present=True, group="a",
        clasts=tuple(clasts),
    )  # fmt: skip


def clast(box, **said) -> Clast:
    from clastbench.data.masks import encode

    region = np.zeros((40, 60), bool)
    x0, y0, x1, y1 = box
    region[y0:y1, x0:x1] = True
    return Clast(**{"box_xyxy": tuple(map(float, box)), "sense": "CW", "mask": encode(region), **said})


ONE, OTHER = (5, 5, 20, 15), (30, 20, 50, 35)


def test_a_photograph_is_scored_against_the_clasts_its_label_speaks_of():
    shown = photo([clast(ONE), clast(OTHER, primary=False), clast(OTHER, ignore=True), clast(OTHER, mask=None)])
    (regard,) = regards.truth_regards([shown], [Sample("a", None, 1)])
    assert regard.clasts == (0,)


@pytest.mark.parametrize("truth", ["none", None])
def test_a_photograph_without_a_sense_is_not_explained(truth):
    assert regards.truth_regards([photo([clast(ONE)], truth)], [Sample("a", None, 0)]) == []


def test_a_true_box_is_scored_against_its_own_clast_and_speaks_for_its_own_sense():
    shown = photo([clast(ONE, ignore=True), clast(ONE), clast(OTHER, sense="CCW")])
    samples = [Sample("a", tuple(map(float, ONE)), -1), Sample("a", tuple(map(float, OTHER)), -1)]
    first, second = regards.truth_regards([shown], samples)
    assert (first.clasts, first.sense, first.sign) == ((1,), "CW", 1.0)
    assert (second.clasts, second.sense, second.sign) == ((2,), "CCW", -1.0)


def test_an_unjudged_clast_is_not_explained():
    samples = [Sample("a", tuple(map(float, ONE)), -1)]
    assert regards.truth_regards([photo([clast(ONE, judged=False)])], samples) == []


def test_a_told_box_is_scored_against_the_clast_it_shows_most_of():
    shown = photo([clast(ONE), clast(OTHER)])
    samples = [Sample("a", (28.0, 18.0, 52.0, 37.0), -1)]
    (regard,) = regards.told_regards([shown], samples, [("a", 0, "CCW")])
    assert regard.clasts == (1,)


def test_the_area_of_a_crop_is_what_its_map_is_scored_over():
    scene = scene_of(photo([clast(ONE)]), (0.0, 0.0, 30.0, 20.0), [clast(ONE)])
    whole = scene_of(photo([clast(ONE)]), None, [clast(ONE)])
    assert scene.regions.clast.mean() == pytest.approx(150 / 600)
    assert whole.regions.clast.mean() == pytest.approx(150 / 2400)


def test_a_big_photograph_is_scored_on_a_coarser_grid_of_the_same_shape():
    from clastbench.data.masks import encode

    region = np.zeros((1200, 1800), bool)
    region[300:600, 600:1200] = True
    big = Clast((600.0, 300.0, 1200.0, 600.0), "CW", mask=encode(region))
    shown = Photomicrograph("a", lambda: np.zeros((1200, 1800, 3), np.uint8), "", "CW", True, "a", (big,))
    scene = scene_of(shown, None, [big])
    assert scene.regions.clast.shape == (341, 512)
    assert scene.regions.clast.mean() == pytest.approx(region.mean(), rel=0.01)


def test_the_ceiling_at_full_resolution_is_the_outline_itself():
    scene = scene_of(photo([clast(ONE)]), None, [clast(ONE)])
    extent = (0.0, 0.0, 60.0, 40.0)
    assert scene.scores(scene.ceiling((40, 60), extent), extent)["lift"] == pytest.approx(1)


def with_bar(shape=(40, 60), rows=slice(30, 36), columns=slice(40, 55)) -> tuple[Photomicrograph, np.ndarray]:
    """A photograph with one clast and a scale bar, and where the bar is."""
    from clastbench.data.masks import encode

    bar = np.zeros(shape, bool)
    bar[rows, columns] = True
    region = np.zeros(shape, bool)
    region[shape[0] // 8 : shape[0] // 3, shape[1] // 8 : shape[1] // 3] = True
    one = Clast((0.0, 0.0, 1.0, 1.0), "CW", mask=encode(region), parts={"core": encode(region)})
    shown = Photomicrograph(
        "a", lambda: np.zeros((*shape, 3), np.uint8), "", "CW", True, "a", (one,), artefacts={"scale-bar": encode(bar)}
    )
    return shown, bar


def test_a_map_with_all_its_heat_on_the_scale_bar_has_the_whole_share_there():
    shown, bar = with_bar()
    found = scene_of(shown, None, shown.clasts).scores(bar.astype(np.float32), (0.0, 0.0, 60.0, 40.0))
    assert (found["share_artefacts"], found["lift_artefacts"]) == (1, 1)
    assert found["area_artefacts"] == pytest.approx(bar.mean())
    assert found["share_matrix"] == found["share_border"] == 0


def test_in_a_crop_too_heat_on_the_scale_bar_is_heat_on_an_artefact():
    shown, bar = with_bar()
    found = scene_of(shown, (35.0, 20.0, 60.0, 40.0), shown.clasts).scores(
        bar.astype(np.float32), (0.0, 0.0, 60.0, 40.0)
    )
    assert found["share_artefacts"] == 1
    assert found["area_artefacts"] == pytest.approx(bar.sum() / 500)


def test_a_crop_that_shows_no_artefact_has_no_heat_on_one():
    shown, _ = with_bar()
    found = scene_of(shown, (0.0, 0.0, 30.0, 25.0), shown.clasts).scores(
        np.ones((2, 2), np.float32), (0.0, 0.0, 60.0, 40.0)
    )
    assert [found[f"{kind}_artefacts"] for kind in ("share", "area", "lift")] == [0, 0, 0]


def test_on_the_coarser_grid_of_a_big_photograph_the_scale_bar_keeps_its_place():
    shown, bar = with_bar((1200, 1800), slice(1000, 1060), slice(1200, 1600))
    found = scene_of(shown, None, shown.clasts).scores(bar.astype(np.float32), (0.0, 0.0, 1800.0, 1200.0))
    assert found["share_artefacts"] > 0.98
    assert found["area_artefacts"] == pytest.approx(bar.mean(), rel=0.05)


@pytest.mark.parametrize("box", [None, (0.0, 0.0, 30.0, 25.0)])
@pytest.mark.parametrize(("artefacts", "share"), [({}, 0), (None, None)])
def test_where_nobody_has_drawn_artefacts_their_share_is_undefined_and_where_there_are_none_it_is_0(
    box, artefacts, share
):
    shown = replace(with_bar()[0], artefacts=artefacts)
    found = scene_of(shown, box, shown.clasts).scores(np.ones((2, 2), np.float32), (0.0, 0.0, 60.0, 40.0))
    said = [found[f"{kind}_artefacts"] for kind in ("share", "area", "lift")]
    assert said == [share] * 3 if share is not None else all(np.isnan(said))


def test_artefacts_change_no_score_of_the_clast_itself():
    shown, bar = with_bar(rows=slice(8, 12), columns=slice(8, 30))
    extent = (0.0, 0.0, 60.0, 40.0)
    covered = scene_of(shown, None, shown.clasts).scores(bar.astype(np.float32), extent)
    bare = scene_of(replace(shown, artefacts={}), None, shown.clasts).scores(bar.astype(np.float32), extent)
    assert covered["share_core"] == 0 < bare["share_core"]
    assert [covered[name] for name in LOCALISATION] == [bare[name] for name in LOCALISATION]


def test_every_map_of_a_generated_suite_has_a_share_on_artefacts(tiny_run):
    shares = [
        value
        for record in tiny_run.records()
        for table in record.maps
        if "lift_artefacts" in table.values
        for value in table.values["share_artefacts"]
    ]
    assert None not in shares
    assert min(shares) == 0 < max(shares)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (33, 47)])
@pytest.mark.parametrize("box", [None, (5.0, 3.0, 41.0, 30.0), (-6.0, 2.0, 25.0, 44.0)])
def test_a_mirrored_map_of_a_mirrored_photograph_scores_the_same(size, box):
    rng = np.random.default_rng(0)
    saliency = rng.normal(size=(4, 6)).astype(np.float32)
    there = box and (60 - box[2], box[1], 60 - box[0], box[3])
    mirrored = clast((60 - ONE[2], ONE[1], 60 - ONE[0], ONE[3]))
    here = scene_of(photo([clast(ONE)]), box, [clast(ONE)])
    twin = scene_of(photo([mirrored]), there, [mirrored])
    extents = [place_of((40, 60), size, one).extent_xyxy for one in (box, there)]
    one, other = here.scores(saliency, extents[0]), twin.scores(saliency[:, ::-1], extents[1])
    assert one == pytest.approx(other, abs=1e-5, nan_ok=True)
    maps = [
        read_map(each, extent, scene.window, scene.regions.clast.shape)
        for each, extent, scene in ((saliency, extents[0], here), (saliency[:, ::-1], extents[1], twin))
    ]
    np.testing.assert_allclose(maps[0], maps[1][:, ::-1], atol=1e-5)


def test_a_hot_cell_comes_back_where_it_was_on_the_photograph():
    """Through the letterbox and back, to one cell of the map."""
    saliency = np.zeros((8, 12), np.float32)
    saliency[2, 9] = 1
    place = place_of((40, 60), (64, 96))
    at = read_map(saliency, place.extent_xyxy, (0, 0, 60, 40), (40, 60))
    y, x = np.unravel_index(at.argmax(), at.shape)
    assert abs((y + 0.5) / 5 - 2.5) <= 0.5
    assert abs((x + 0.5) / 5 - 9.5) <= 0.5


def test_maps_of_all_models_lie_in_one_file(tiny_run):
    folders = list((tiny_run.store / "nodes" / "explain").iterdir())
    shapes = {read_maps(folder)[0].shape[0] for folder in folders}
    assert shapes == {1, 3}  # the trained model or a control; three draws of random weights

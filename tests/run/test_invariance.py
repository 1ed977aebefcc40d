"""What must not change a score: workers, order, inference batch."""

from __future__ import annotations

import numpy as np
import pytest

from clastbench.plugins import BACKBONES, load
from clastbench.run.entries import enter
from clastbench.run.learning import read_samples
from clastbench.train import networks
from clastbench.weights import find

SYSTEMS = ("small_vgg@scratch", "majority", "chance", "structure-tensor")


def by_cell(ran) -> dict:
    return {record.cell: record.predictions for record in ran.records()}


def probabilities(ran) -> np.ndarray:
    said = by_cell(ran)
    return np.asarray([p.probabilities for cell in sorted(said) for p in said[cell]])


@pytest.fixture(scope="module")
def alone(tmp_path_factory, write_suite, run_suite):
    """The small suite, made in this process by one thread."""
    import torch

    folder = tmp_path_factory.mktemp("alone")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run_suite(write_suite(folder / "suite"), folder / "home")
    torch.set_num_threads(before)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_number_of_workers_changes_no_prediction(tmp_path, alone, run_suite, jobs):
    ran = run_suite(alone.path, tmp_path / "home", jobs=jobs)
    assert by_cell(ran) == by_cell(alone)


def test_the_order_of_backbones_changes_nothing(tmp_path, alone, run_suite):
    ran = run_suite(alone.path, tmp_path / "home", backbones=SYSTEMS[::-1], detectors=("ground-truth", "whole-image"))
    assert by_cell(ran) == by_cell(alone)
    assert {r.cell: r.key for r in ran.records()} == {r.cell: r.key for r in alone.records()}


def test_a_backbone_scores_alone_as_it_scores_in_company(tmp_path, alone, run_suite):
    ran = run_suite(alone.path, tmp_path / "home", backbones=("chance",))
    assert by_cell(ran) == {cell: said for cell, said in by_cell(alone).items() if cell.backbone == "chance"}


@pytest.fixture(params=[1, 7, 100])
def batch(request, monkeypatch) -> int:
    """Photographs that go through a network at a time; the default argument was bound when it was defined."""
    for name in ("logits_of", "features_of"):
        function = getattr(networks, name)
        monkeypatch.setitem(function.__kwdefaults__, "batch", request.param)
    return request.param


@pytest.mark.usefixtures("batch")
def test_the_inference_batch_changes_no_prediction_of_a_trained_network(tmp_path, alone, run_suite):
    home = tmp_path / "home"
    ran = run_suite(alone.path, home, backbones=("small_vgg*",))
    whole = {cell: said for cell, said in by_cell(alone).items() if cell.backbone == "small_vgg@scratch"}
    assert by_cell(ran).keys() == whole.keys()
    for cell, said in by_cell(ran).items():
        here, there = ([p.probabilities for p in predictions] for predictions in (said, whole[cell]))
        assert np.abs(np.subtract(here, there)).max() <= 1e-4


@pytest.fixture(scope="module")
def frozen(tmp_path_factory, write_suite, run_suite):
    """A frozen network with real weights, when their package is installed."""
    made = load(BACKBONES, "efficientnet_lite0").made
    if find(made.checkpoint) is None:
        pytest.skip(f"the package {made.checkpoint.package} is not installed")
    folder = tmp_path_factory.mktemp("frozen")
    path = write_suite(folder / "suite", detectors=["whole-image"], backbones=["efficientnet_lite0@frozen"])
    return run_suite(path, folder / "home")


@pytest.mark.usefixtures("batch")
def test_the_inference_batch_changes_no_prediction_of_a_frozen_network(tmp_path, frozen, run_suite):
    ran = run_suite(frozen.path, tmp_path / "home")
    assert not ran.summary.failed
    assert np.abs(probabilities(ran) - probabilities(frozen)).max() <= 1e-4


def test_a_frozen_network_is_known_by_the_digest_of_its_weights(frozen):
    assert enter("efficientnet_lite0@frozen", download=False).weights_sha256 in str(frozen.records()[0].plugins)


def test_every_test_photograph_has_one_sample_of_the_whole_picture(alone):
    folders = list((alone.store / "nodes" / "classify").iterdir())
    sizes = [len(read_samples(folder)) for folder in folders]
    assert sizes.count(15) >= len(SYSTEMS)

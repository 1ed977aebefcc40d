"""Keys of nodes: what they cover, what they leave out, and that they never change by themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from clastbench import plugins
from clastbench.plugins import Plugin
from clastbench.run import entries, graph
from clastbench.run import plan as planning
from clastbench.run.graph import Node, topological
from clastbench.suite import load_suite


def node(**changed) -> Node:
    said = {"kind": "fit", "spec": {"seed": 0, "recipe": {"epochs": 2, "lr": 1e-3}}, **changed}
    return Node(**said)


def test_the_order_of_a_spec_does_not_matter():
    turned = {"recipe": {"lr": 1e-3, "epochs": 2}, "seed": 0}
    assert node().key == node(spec=turned).key


def test_the_order_of_inputs_does_not_matter():
    one, other = node(spec={"a": 1}), node(spec={"a": 2})
    assert node(inputs={"x": one, "y": other}).key == node(inputs={"y": other, "x": one}).key


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "classify"},
        {"spec": {"seed": 1, "recipe": {"epochs": 2, "lr": 1e-3}}},
        {"spec": {"seed": 0, "recipe": {"epochs": 3, "lr": 1e-3}}},
        {"inputs": {"crops": Node("crops", {"size": [8, 8]})}},
    ],
)
def test_a_key_changes_with_kind_spec_and_inputs(changed):
    assert node().key != node(**changed).key


def test_a_key_changes_with_the_name_of_an_input():
    source = Node("crops", {"size": [8, 8]})
    assert node(inputs={"crops": source}).key != node(inputs={"test": source}).key


def test_a_key_changes_with_the_step_version(monkeypatch):
    before = node().key
    monkeypatch.setattr(graph, "VERSIONS", {**graph.VERSIONS, "fit": graph.VERSIONS["fit"] + 1})
    assert node().key != before


def test_raising_a_step_version_changes_what_follows(monkeypatch):
    follower = {"kind": "classify", "spec": {}}
    before = Node(**follower, inputs={"fit": node()}).key
    monkeypatch.setattr(graph, "VERSIONS", {**graph.VERSIONS, "fit": graph.VERSIONS["fit"] + 1})
    assert Node(**follower, inputs={"fit": node()}).key != before


@pytest.mark.parametrize("changed", [{"label": "x"}, {"family": "x"}, {"local": {"device": "cuda:1", "path": "/a"}}])
def test_a_key_leaves_out_what_changes_no_outcome(changed):
    assert node().key == node(**changed).key


def test_a_spec_that_is_not_json_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        _ = node(spec={"x": float("nan")}).key


def test_inputs_come_first_and_every_key_once():
    base = Node("pictures", {})
    left, right = Node("crops", {"side": "l"}, {"p": base}), Node("crops", {"side": "r"}, {"p": Node("pictures", {})})
    top = Node("score", {}, {"l": left, "r": right})
    order = [found.key for found in topological([top, left])]
    assert order == [base.key, left.key, right.key, top.key]


@dataclass(frozen=True)
class FixedSource:
    """Photographs known by name only, so that these keys depend on no generator."""

    digest: str = "d" * 64
    ids: frozenset[str] = frozenset(f"{index:05d}" for index in range(60))

    def nodes(self, ids):
        return {"pictures/0000": Node("pictures", {"recipe": self.digest, "start": 0, "stop": 60})}

    def local(self):
        return {}

    def check(self, split):
        """Every split fits."""

    def require_pixels(self):
        """Never asked."""


FAKES = {
    "net": SimpleNamespace(
        size=(32, 48), mean=(0.5,) * 3, std=(0.5,) * 3, mode="scratch", checkpoint="a file", build=lambda n, w: None
    ),
    "rule": SimpleNamespace(size=8, fit=lambda: None, load=lambda: None, predict=lambda: None),
    "whole": SimpleNamespace(view="image", uses_truth=False, detect=lambda p: []),
    "boxes": SimpleNamespace(view="crop", uses_truth=True, detect=lambda p: []),
    "more-boxes": SimpleNamespace(view="crop", uses_truth=False, detect=lambda p: []),
}


@pytest.fixture
def fake_plugins(monkeypatch):
    """Every plugin has the same version, source and weights, whatever is installed; torch is 2.9."""

    def load(group, spec):
        return Plugin(name=spec, spec=spec, made=FAKES[spec], version="fake 1", source_sha256="0" * 64)

    monkeypatch.setattr(plugins, "load", load)
    monkeypatch.setattr(planning, "CONTROLS", ())
    monkeypatch.setattr(entries, "version", lambda _package: "2.9.1+cpu")
    monkeypatch.setattr(entries.weights, "fetch", lambda checkpoint: checkpoint)
    monkeypatch.setattr(entries.weights, "digest", lambda path: "1" * 64)


def plan_of(path, *, detectors=("whole", "boxes"), backbones=("net@scratch", "net@frozen", "rule"), **changed):
    said = {"explainers": (), "seeds": (0,), "device": "cpu", **changed}
    return planning.plan(load_suite(str(path)), FixedSource(), detectors=detectors, backbones=backbones, **said)


def nodes_of(made, kind):
    return [found for found in topological(list(made.cells.values())) if found.kind == kind]


def keys_of(made) -> set[str]:
    return {found.key for found in topological(list(made.cells.values()))}


@pytest.mark.usefixtures("fake_plugins")
def test_two_gpus_of_one_machine_have_one_key(tiny_suite):
    assert keys_of(plan_of(tiny_suite, device="cuda:0")) == keys_of(plan_of(tiny_suite, device="cuda:1"))


@pytest.mark.usefixtures("fake_plugins")
def test_where_event_files_lie_changes_no_key(tiny_suite, tmp_path):
    followed = plan_of(tiny_suite, tensorboard=tmp_path)
    assert any(found.local["tensorboard"] for found in nodes_of(followed, "fit"))
    assert keys_of(followed) == keys_of(plan_of(tiny_suite))


@pytest.mark.usefixtures("fake_plugins")
def test_another_device_type_is_another_training(tiny_suite):
    cpu, cuda = plan_of(tiny_suite), plan_of(tiny_suite, device="cuda")
    assert not {n.key for n in nodes_of(cpu, "fit")} & {n.key for n in nodes_of(cuda, "fit")}
    assert {n.key for n in nodes_of(cpu, "crops")} == {n.key for n in nodes_of(cuda, "crops")}


@pytest.mark.usefixtures("fake_plugins")
def test_a_patch_release_of_torch_changes_no_key(tiny_suite, monkeypatch):
    before = keys_of(plan_of(tiny_suite))
    monkeypatch.setattr(entries, "version", lambda _package: "2.9.7")
    assert keys_of(plan_of(tiny_suite)) == before


@pytest.mark.usefixtures("fake_plugins")
def test_a_minor_release_of_torch_changes_trainings(tiny_suite, monkeypatch):
    before = {found.key for found in nodes_of(plan_of(tiny_suite), "fit")}
    monkeypatch.setattr(entries, "version", lambda _package: "2.10.0")
    assert not before & {found.key for found in nodes_of(plan_of(tiny_suite), "fit")}


@pytest.mark.usefixtures("fake_plugins")
def test_a_changed_plugin_source_changes_its_own_nodes_only(tiny_suite, monkeypatch):
    before = plan_of(tiny_suite)
    unchanged = plugins.load

    def load(group, spec):
        loaded = unchanged(group, spec)
        return replace(loaded, source_sha256="1" * 64) if spec == "rule" else loaded

    monkeypatch.setattr(plugins, "load", load)
    after = plan_of(tiny_suite)
    moved = {cell.backbone for cell in before.cells if before.cells[cell].key != after.cells[cell].key}
    assert moved == {"rule"}


@pytest.mark.usefixtures("fake_plugins")
@pytest.mark.parametrize(("detectors", "views"), [(("whole", "boxes"), 2), (("whole", "boxes", "more-boxes"), 2)])
def test_trainings_are_backbones_times_views_times_seeds_times_folds(tmp_path, write_suite, detectors, views):
    path = write_suite(tmp_path, folds=2, seeds=[0, 1, 2])
    made = plan_of(path, detectors=detectors, seeds=(0, 1, 2))
    assert len(made.cells) == len(detectors) * 3 * 3 * 2
    assert len(nodes_of(made, "fit")) == 3 * views * 3 * 2


@pytest.mark.usefixtures("fake_plugins")
def test_frozen_features_are_computed_once_for_all_folds_and_seeds(tmp_path, write_suite):
    one = plan_of(write_suite(tmp_path / "one"), detectors=("whole",), backbones=("net@frozen",))
    many = plan_of(
        write_suite(tmp_path / "many", folds=4, seeds=[0, 1]),
        detectors=("whole",),
        backbones=("net@frozen",),
        seeds=(0, 1),
    )
    assert len(nodes_of(one, "features")) == len(nodes_of(many, "features")) == 1


@pytest.mark.usefixtures("fake_plugins")
def test_every_detector_looks_once(tmp_path, write_suite):
    path = write_suite(tmp_path, folds=3, seeds=[0, 1])
    made = plan_of(path, detectors=("whole", "boxes", "more-boxes"), seeds=(0, 1))
    assert len(nodes_of(made, "detect")) == 2  # the whole picture needs nobody to look


# The keys below must NOT be changed without raising VERSIONS in bench/run/graph.py: finished work is found by them, and
# a key that moves by accident throws away every store there is. A new field in a spec (a new field of Training, say)
# moves them too: then raise the version of that step and write the new keys down here.
GOLDEN_NODE = "cba44e1005ebe70d3a14be00bc9c0c1cef2dfdef19a43f730ecbd73f83410239"
GOLDEN_PLAN = {
    "classify: classify boxes + net@frozen, seed 0, fold f0": "8a83cbedd052cab3",
    "classify: classify boxes + net@scratch, seed 0, fold f0": "7436e6501733fd23",
    "classify: classify boxes + rule, seed 0, fold f0": "b408e42ec04ff214",
    "classify: classify whole + net@frozen, seed 0, fold f0": "0a81341dba1d625e",
    "classify: classify whole + net@scratch, seed 0, fold f0": "c46dc4b9107a4ee8",
    "classify: classify whole + rule, seed 0, fold f0": "3ad8801a2b4c7463",
    "crops: detected crops at 32 × 48": "4784e3a26059502f",
    "crops: detected crops at 64 × 96": "5fc26227a413950a",
    "crops: detected crops at 8 × 8": "913bdd655b6fb9e9",
    "crops: training crops at 32 × 48": "be58e8e737bdbdf9",
    "crops: training crops at 64 × 96": "1fe8343c359548af",
    "crops: training crops at 8 × 8": "9e950bca1378bf99",
    "crops: whole crops at 32 × 48": "2b24bcd71eccc9f2",
    "crops: whole crops at 64 × 96": "c5e94eb3742c7d88",
    "crops: whole crops at 8 × 8": "daffc93e4440dcf6",
    "detect: detect with boxes": "830ec5a91070e9dc",
    "features: features of net@frozen, detected crops at 64 × 96": "4279b8302e5b06d4",
    "features: features of net@frozen, training crops at 64 × 96": "64d6ab71ae6bb958",
    "features: features of net@frozen, whole crops at 64 × 96": "9048e0e95e2d4131",
    "fit: fit net@frozen on crops, seed 0, fold f0": "1412f821a4aeb4fe",
    "fit: fit net@frozen on images, seed 0, fold f0": "d862c10a8a043f73",
    "fit: fit net@scratch on crops, seed 0, fold f0": "eb56f0b78ea5c02c",
    "fit: fit net@scratch on images, seed 0, fold f0": "0b2fd7e0c2d1b079",
    "fit: fit rule on crops, seed 0, fold f0": "5588ee78aa822618",
    "fit: fit rule on images, seed 0, fold f0": "ad353d1ae7e0c392",
    "pictures: ": "0b743551c6d08694",
    "score: score boxes + net@frozen, seed 0, fold f0": "7088c6d6808092fd",
    "score: score boxes + net@scratch, seed 0, fold f0": "278c3851c6683c23",
    "score: score boxes + rule, seed 0, fold f0": "9705cf0c4d6e8474",
    "score: score whole + net@frozen, seed 0, fold f0": "2530c7e0c9528c27",
    "score: score whole + net@scratch, seed 0, fold f0": "f0a6c970f122bc7c",
    "score: score whole + rule, seed 0, fold f0": "2d6804afffc67131",
}


def test_the_key_of_a_node_is_pinned():
    crops = Node("crops", {"size": [64, 96], "ids": ["a", "b"]}, {"pictures/0000": Node("pictures", {"recipe": "r"})})
    assert node(inputs={"crops": crops}).key == GOLDEN_NODE


@pytest.mark.usefixtures("fake_plugins")
def test_the_keys_of_a_plan_are_pinned(tiny_suite):
    made = plan_of(tiny_suite)
    found = {f"{n.kind}: {n.label}": n.key[:16] for n in topological(list(made.cells.values()))}
    assert found == GOLDEN_PLAN

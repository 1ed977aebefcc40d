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
    has_boxes: bool = True

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
    "learner": SimpleNamespace(
        view="crop", uses_truth=False, own_head=False, detect=lambda p: [], fit=lambda: None, load=lambda: None
    ),
}
FAKES["looker"] = SimpleNamespace(needs="features", explain=lambda subject, inputs, target: None)
for number in range(3):
    FAKES[f"learner{number}"] = FAKES["learner"]
for number in range(6):
    FAKES[f"net{number}"] = FAKES["net"]
FAKES["ground-truth"] = FAKES["boxes"]


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


BACKBONES = ("net@scratch", "net@frozen", "rule")


def plan_of(path, *, detectors=("whole", "boxes"), backbones=BACKBONES, **changed):
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
    looked = {found.spec["plugin"]["name"] for found in nodes_of(made, "detect")}
    assert looked == {"boxes", "more-boxes", "ground-truth"}  # the whole picture needs nobody to look
    assert len(nodes_of(made, "detect")) == len(looked)


@pytest.mark.usefixtures("fake_plugins")
def test_a_grid_trains_every_detector_and_every_backbone_once_a_view(tmp_path, write_suite):
    path = write_suite(tmp_path, seeds=[0, 1])
    detectors, backbones = [f"learner{n}" for n in range(3)], [f"net{n}@scratch" for n in range(6)]

    def trained(detectors, backbones):
        made = plan_of(path, detectors=detectors, backbones=backbones, seeds=(0, 1))
        return {n.key for kind in ("fit_detector", "fit") for n in nodes_of(made, kind)}

    assert len(trained(detectors, backbones)) == (3 + 6) * 2
    assert len(trained([*detectors, "whole"], backbones)) == (3 + 6 * 2) * 2
    added = trained([*detectors, "whole"], backbones) - trained([*detectors, "whole"], backbones[:-1])
    assert len(added) == 2 * 2  # views x seeds


@pytest.mark.usefixtures("fake_plugins")
def test_a_detector_that_learns_looks_at_what_its_fold_kept_from_it(tmp_path, write_suite):
    made = plan_of(write_suite(tmp_path, folds=3, seeds=[0, 1]), detectors=("learner",), seeds=(0, 1))
    looked = [found for found in nodes_of(made, "detect") if found.spec["plugin"]["name"] == "learner"]
    assert len(looked) == len(nodes_of(made, "fit_detector")) == 3 * 2
    for found in looked:
        assert not set(found.spec["ids"]) & set(found.inputs["fit"].spec["train"])


@pytest.mark.usefixtures("fake_plugins")
def test_an_own_head_is_one_more_training_and_no_backbone_of_other_detectors(tmp_path, write_suite):
    path = write_suite(tmp_path)
    made = plan_of(path, detectors=("whole", "boxes", "learner"), backbones=("rule", "own-head"))
    assert [cell.detector for cell in made.cells if cell.backbone == "own-head"] == ["learner"]
    assert [found.spec["own_head"] for found in nodes_of(made, "fit_detector")] == [False, True]


@pytest.mark.usefixtures("fake_plugins")
def test_without_any_box_detectors_say_what_to_use_instead(tiny_suite):
    suite, source = load_suite(str(tiny_suite)), FixedSource(has_boxes=False)
    said = {"explainers": (), "seeds": (0,), "device": "cpu", "backbones": ("rule",)}
    made = planning.plan(suite, source, detectors=("whole", "boxes"), **said)
    assert [cell.detector for cell in made.cells] == ["whole"]
    (reason,) = made.broken.values()
    assert "none of the photographs has a box; use the detector whole-image" in reason


@pytest.mark.usefixtures("fake_plugins")
def test_detectors_of_one_repeat_leave_out_folds_that_test_again(tmp_path, write_suite):
    path = write_suite(tmp_path, folds=5, more="[detection]\none_repeat = true\n")
    made = plan_of(path, detectors=("boxes", "learner"), backbones=("rule",))
    folds = {cell.detector: [one.fold for one in made.cells if one.detector == cell.detector] for cell in made.cells}
    assert folds == {"boxes": ["f0", "f1", "f2", "f3", "f4"], "learner": ["f0", "f1", "f2", "f3"]}


# The keys below must NOT be changed without raising VERSIONS in bench/run/graph.py: finished work is found by them, and
# a key that moves by accident throws away every store there is. A new field in a spec (a new field of Training, say)
# moves them too: then raise the version of that step and write the new keys down here.
GOLDEN_NODE = "cba44e1005ebe70d3a14be00bc9c0c1cef2dfdef19a43f730ecbd73f83410239"
GOLDEN_PLAN = {
    "classify: classify boxes + net@frozen, seed 0, fold f0": "93572d362cf25875",
    "classify: classify boxes + net@scratch, seed 0, fold f0": "d2c843788914aaf3",
    "classify: classify boxes + rule, seed 0, fold f0": "503b9586663162a3",
    "classify: classify ground-truth + net@frozen, seed 0, fold f0": "13c12f982c1912c2",
    "classify: classify ground-truth + net@scratch, seed 0, fold f0": "cc5dfd7cc8eac375",
    "classify: classify ground-truth + rule, seed 0, fold f0": "1b17d404773a51d4",
    "classify: classify learner + net@frozen, seed 0, fold f0": "06f77566e08f1354",
    "classify: classify learner + net@scratch, seed 0, fold f0": "4d124b34c1da5f3e",
    "classify: classify learner + own-head, seed 0, fold f0": "74c82e6612be2e12",
    "classify: classify learner + rule, seed 0, fold f0": "f79602bf9fdf9e99",
    "classify: classify whole + net@frozen, seed 0, fold f0": "0a81341dba1d625e",
    "classify: classify whole + net@scratch, seed 0, fold f0": "c46dc4b9107a4ee8",
    "classify: classify whole + rule, seed 0, fold f0": "3ad8801a2b4c7463",
    "crops: detected crops of boxes at 32 × 48": "5b24848585f4088c",
    "crops: detected crops of boxes at 64 × 96": "607a3918ede1f9d4",
    "crops: detected crops of boxes at 8 × 8": "469acf4e1721aa8a",
    "crops: detected crops of ground-truth at 32 × 48": "5eaa9c95f5a4a18f",
    "crops: detected crops of ground-truth at 64 × 96": "702f5eb2422fab7e",
    "crops: detected crops of ground-truth at 8 × 8": "61b0ac08cec532b6",
    "crops: detected crops of learner at 32 × 48": "c72705f3ae05006a",
    "crops: detected crops of learner at 64 × 96": "66560cc01e73597f",
    "crops: detected crops of learner at 8 × 8": "ff5819d937ba4520",
    "crops: training crops at 32 × 48": "be58e8e737bdbdf9",
    "crops: training crops at 64 × 96": "1fe8343c359548af",
    "crops: training crops at 8 × 8": "9e950bca1378bf99",
    "crops: whole crops at 32 × 48": "2b24bcd71eccc9f2",
    "crops: whole crops at 64 × 96": "c5e94eb3742c7d88",
    "crops: whole crops at 8 × 8": "daffc93e4440dcf6",
    "detect: detect with boxes": "bebfd90442bc75a9",
    "detect: detect with ground-truth": "3a4559e73a1773c3",
    "detect: detect with learner, own head, seed 0, fold f0": "9adc8377decf381f",
    "detect: detect with learner, seed 0, fold f0": "997edf6f7409913f",
    "features: features of net@frozen, detected crops of boxes at 64 × 96": "37df0b408c8519ab",
    "features: features of net@frozen, detected crops of ground-truth at 64 × 96": "3e29ee1e2f0f0193",
    "features: features of net@frozen, detected crops of learner at 64 × 96": "a22fc9e93d9a1a93",
    "features: features of net@frozen, training crops at 64 × 96": "64d6ab71ae6bb958",
    "features: features of net@frozen, whole crops at 64 × 96": "9048e0e95e2d4131",
    "fit: fit net@frozen on crops, seed 0, fold f0": "1412f821a4aeb4fe",
    "fit: fit net@frozen on images, seed 0, fold f0": "d862c10a8a043f73",
    "fit: fit net@scratch on crops, seed 0, fold f0": "eb56f0b78ea5c02c",
    "fit: fit net@scratch on images, seed 0, fold f0": "0b2fd7e0c2d1b079",
    "fit: fit rule on crops, seed 0, fold f0": "5588ee78aa822618",
    "fit: fit rule on images, seed 0, fold f0": "ad353d1ae7e0c392",
    "fit_detector: fit learner, own head, seed 0, fold f0": "87dbc57fee3f5d2b",
    "fit_detector: fit learner, seed 0, fold f0": "5addfcb95941d617",
    "pictures: ": "0b743551c6d08694",
    "score: score boxes + net@frozen, seed 0, fold f0": "8e6c0f419b9d1415",
    "score: score boxes + net@scratch, seed 0, fold f0": "80259bca9d90b31d",
    "score: score boxes + rule, seed 0, fold f0": "2e1685c80f40b11c",
    "score: score learner + net@frozen, seed 0, fold f0": "f4c5d68ef3573fa0",
    "score: score learner + net@scratch, seed 0, fold f0": "1410d53ac8477b15",
    "score: score learner + own-head, seed 0, fold f0": "2544b0ed56e336ff",
    "score: score learner + rule, seed 0, fold f0": "a30a5acd8f05e369",
    "score: score whole + net@frozen, seed 0, fold f0": "3b624975f8276a21",
    "score: score whole + net@scratch, seed 0, fold f0": "c3c6fb606595cce5",
    "score: score whole + rule, seed 0, fold f0": "b3e7bd85b471872d",
    "score_detector: score boxes of boxes, seed 0, fold f0": "a772a42743e92cf2",
    "score_detector: score boxes of learner, own head, seed 0, fold f0": "1f8ffe7a679931d7",
    "score_detector: score boxes of learner, seed 0, fold f0": "1e48a21846b36e0b",
}


def test_the_key_of_a_node_is_pinned():
    crops = Node("crops", {"size": [64, 96], "ids": ["a", "b"]}, {"pictures/0000": Node("pictures", {"recipe": "r"})})
    assert node(inputs={"crops": crops}).key == GOLDEN_NODE


@pytest.mark.usefixtures("fake_plugins")
def test_the_keys_of_a_plan_are_pinned(tiny_suite):
    made = plan_of(tiny_suite, detectors=("whole", "boxes", "learner"), backbones=(*BACKBONES, "own-head"))
    found = {f"{n.kind}: {n.label}": n.key[:16] for n in topological(list(made.cells.values()))}
    assert found == GOLDEN_PLAN


GOLDEN_LOOKS = {
    "chirality: compare maps of mirror images, crops of net@frozen, fold f0": "cf3635182c7a9b69",
    "chirality: compare maps of mirror images, crops of net@scratch, fold f0": "9e40ed15d0590bf2",
    "chirality: compare maps of mirror images, images of net@frozen, fold f0": "f6a8617a786f3993",
    "chirality: compare maps of mirror images, images of net@scratch, fold f0": "d5dc83892faf6d37",
    "explain: explain net@frozen by looker on mirror images": "30b9b328ae40d8fd",
    "explain: explain net@frozen by looker with random weights": "b6f036aeb0c674e2",
    "explain: explain net@frozen by looker, seed 0, fold f0": "9f33ff272cb2388f",
    "explain: explain net@scratch by looker on mirror images": "e5036345efb274cb",
    "explain: explain net@scratch by looker with random weights": "7974c59c80e5ae82",
    "explain: explain net@scratch by looker, seed 0, fold f0": "c494422528801102",
    "localise: score maps of looker, crops of net@frozen, fold f0": "9131e6955204d82c",
    "localise: score maps of looker, random weights, crops of net@frozen, fold f0": "e80c2f9ac57985fa",
    "localise: score maps of looker, crops of net@scratch, fold f0": "9b49653b0e309aca",
    "localise: score maps of looker, random weights, crops of net@scratch, fold f0": "6f4a181ec79bb08b",
    "localise: score maps of looker, images of net@frozen, fold f0": "a7a85329c9ef183a",
    "localise: score maps of looker, random weights, images of net@frozen, fold f0": "415214c707779885",
    "localise: score maps of looker, images of net@scratch, fold f0": "072c1e772e237e94",
    "localise: score maps of looker, random weights, images of net@scratch, fold f0": "b88f296eeca2f118",
    "perturb: test maps of net@frozen on crops, seed 0, fold f0": "41e84bf47b8ed4ac",
    "perturb: test maps of net@frozen on images, seed 0, fold f0": "62c5d9da9315fdc8",
    "perturb: test maps of net@scratch on crops, seed 0, fold f0": "e786d2d122ecef44",
    "perturb: test maps of net@scratch on images, seed 0, fold f0": "3ff2e62fc30c1f4f",
    "trials: ask net@frozen about changed pictures, crops, seed 0, fold f0": "75d39ae462f35f60",
    "trials: ask net@frozen about changed pictures, images, seed 0, fold f0": "ab5b1e31c01deeab",
    "trials: ask net@scratch about changed pictures, crops, seed 0, fold f0": "c9f9064574ce0a14",
    "trials: ask net@scratch about changed pictures, images, seed 0, fold f0": "8dbedf0e0d52ea27",
    "watch_boxes: explain boxes of learner, seed 0, fold f0": "61856700593754e7",
}


@pytest.mark.usefixtures("fake_plugins")
def test_the_keys_of_what_is_asked_about_looking_are_pinned(tiny_suite):
    made = plan_of(
        tiny_suite, detectors=("whole", "learner"), backbones=("net@scratch", "net@frozen"), explainers=("looker",)
    )
    asked = [node for maps in made.maps.values() for node in maps.values()]
    kinds = {"explain", "localise", "perturb", "chirality", "trials", "watch_boxes"}
    found = {f"{n.kind}: {n.label}": n.key[:16] for n in topological(asked) if n.kind in kinds}
    assert {name.partition(":")[0] for name in found} == kinds
    assert found == GOLDEN_LOOKS


@pytest.mark.usefixtures("fake_plugins")
def test_detectors_share_what_is_asked_of_a_backbone_on_true_boxes(tiny_suite):
    made = plan_of(
        tiny_suite, detectors=("boxes", "learner", "more-boxes"), backbones=("net@scratch",), explainers=("looker",)
    )
    asked = [node for maps in made.maps.values() for node in maps.values()]
    counts = {kind: len({n.key for n in topological(asked) if n.kind == kind}) for kind in ("perturb", "trials")}
    assert counts == {"perturb": 1, "trials": 1}

"""The runner: each node once, failures contained, dead workers told apart."""

from __future__ import annotations

import shutil

import pytest
import torch

from clastbench.run import steps
from clastbench.run.executors import InProcess
from clastbench.run.graph import Node
from clastbench.run.runner import missing, run
from clastbench.run.store import Store


class Silent:
    """Keeps what progress is told."""

    def __init__(self):
        self.begun, self.ended, self.stopped = [], [], 0

    def start(self, nodes, slots):
        self.total = len(nodes)

    def begin(self, node):
        self.begun.append(node.label)

    def end(self, node, seconds, error):
        self.ended.append((node.label, error))

    def stop(self):
        self.stopped += 1


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """Replace every step by one that notes its label, reads its inputs and fails when its spec says so."""
    labels: list[str] = []

    def step(node, folders, out):
        labels.append(node.label)
        for folder in folders.values():
            assert (folder / "value.txt").is_file()
        if node.spec.get("fails") and not node.local.get("repaired"):
            raise ValueError("as asked")
        (out / "value.txt").write_text(node.label, encoding="utf-8")

    monkeypatch.setattr(steps, "STEPS", dict.fromkeys(steps.STEPS, step))
    return labels


def grid(*, fails: str = "", repaired: bool = False) -> dict[str, Node]:
    """Pictures → crops → two fits → two scores; the score of B also needs a detection."""

    def node(kind, label, **inputs):
        spec = {"label": label, "fails": label == fails}
        return Node(kind, spec, inputs, label=label, family=kind, local={"repaired": repaired})

    pictures = node("pictures", "pictures")
    crops = node("crops", "crops", pictures=pictures)
    detect = node("detect", "detect", pictures=pictures)
    fits = {name: node("fit", f"fit {name}", crops=crops) for name in "AB"}
    a = node("score", "score A", fit=fits["A"])
    b = node("score", "score B", fit=fits["B"], detect=detect)
    return {n.label: n for n in (pictures, crops, detect, *fits.values(), a, b)}


def targets(nodes: dict[str, Node]) -> list[Node]:
    return [nodes["score A"], nodes["score B"]]


def make(nodes, store) -> tuple[dict[str, str], Silent]:
    progress = Silent()
    reasons = run(targets(nodes), store, InProcess(1), progress)
    names = {node.key: label for label, node in nodes.items()}
    return {names[key]: reason for key, reason in reasons.items()}, progress


def test_every_node_is_made_once_and_after_its_inputs(store, made):
    nodes = grid()
    reasons, progress = make(nodes, store)
    assert reasons == {}
    assert sorted(made) == sorted(nodes)
    for label, node in nodes.items():
        assert all(made.index(source.label) < made.index(label) for source in node.inputs.values())
    assert progress.total == len(nodes) == len(progress.ended)
    assert progress.stopped == 1


def test_a_second_run_makes_nothing(store, made):
    make(grid(), store)
    made.clear()
    make(grid(), store)
    assert made == []


def test_a_finished_node_needs_none_of_its_inputs(store, made):
    nodes = grid()
    make(nodes, store)
    for kind in ("pictures", "crops", "fit", "detect"):
        for folder in (store.root / "nodes" / kind).iterdir():
            (folder / "node.json").unlink()
    assert missing(targets(nodes), store) == {}


def test_only_what_a_missing_node_needs_is_made(store, made):
    nodes = grid()
    make(nodes, store)
    for label in ("pictures", "fit A", "score B"):
        shutil.rmtree(store.folder(nodes[label]))
    assert [node.label for node in missing(targets(nodes), store).values()] == ["score B"]


def test_a_failure_fails_all_that_need_it_and_nothing_else(store, made):
    reasons, _ = make(grid(fails="fit A"), store)
    assert reasons == dict.fromkeys(["fit A", "score A"], "ValueError: as asked")
    assert store.has(grid()["score B"])


def test_a_failure_at_the_root_fails_everything(store, made):
    reasons, _ = make(grid(fails="pictures"), store)
    assert set(reasons) == set(grid())
    assert made == ["pictures"]


def test_a_failure_of_one_input_fails_a_node_once(store, made):
    reasons, progress = make(grid(fails="detect"), store)
    assert set(reasons) == {"detect", "score B"}
    assert [error for _, error in progress.ended if error] == ["ValueError: as asked"]


def test_a_failed_node_is_tried_again_on_the_next_run(store, made):
    make(grid(fails="fit A"), store)
    made.clear()
    reasons, _ = make(grid(fails="fit A", repaired=True), store)
    assert reasons == {}
    assert made == ["fit A", "score A"]
    assert not list((store.root / "failures").iterdir())


def test_progress_is_stopped_when_an_executor_breaks(store, made):
    class Broken(InProcess):
        def submit(self, node, store):
            raise KeyboardInterrupt

    progress = Silent()
    with pytest.raises(KeyboardInterrupt):
        run(targets(grid()), store, Broken(1), progress)
    assert progress.stopped == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_worker_fails_its_own_cells_and_says_so(tmp_path, write_suite, run_suite, plugin_file, jobs):
    odd = [f"{plugin_file}:Dies", f"{plugin_file}:Sound", "majority"]
    path = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=odd)
    ran = run_suite(path, tmp_path / "home", jobs=jobs)
    assert {cell.backbone for cell in ran.summary.failed} == {"odd.py:Dies"}
    (reason,) = ran.summary.failed.values()
    assert "fit odd.py:Dies on images" in reason
    assert "the worker process died (out of memory, or killed); run again to retry" in reason
    assert {r.cell.backbone: r.status for r in ran.records()} == {
        "odd.py:Dies": "failed",
        "odd.py:Sound": "ok",
        "majority": "ok",
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Raises", "Backbone 'odd.py:Raises': fit raised RuntimeError: the thin section slipped"),
        ("NotFinite", "Backbone 'odd.py:NotFinite' returned logits that are not finite (NaN or infinite)."),
        ("WrongShape", "Backbone 'odd.py:WrongShape' returned logits of shape (15, 2); expected (15, 3)."),
    ],
)
def test_a_plugin_that_breaks_its_contract_is_blamed_by_name(tmp_path, write_suite, run_suite, plugin_file, name, said):
    path = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["majority", f"{plugin_file}:{name}"])
    ran = run_suite(path, tmp_path / "home")
    assert list(ran.summary.failed.values()) == [said]
    assert {r.cell.backbone for r in ran.records() if r.status == "ok"} == {"majority"}


def test_two_detectors_and_four_backbones_cost_four_trainings_a_view(tiny_run):
    fits = list((tiny_run.store / "nodes" / "fit").iterdir())
    assert len(fits) == 4 * 2 * 2  # backbones, views, folds


def test_a_finished_suite_makes_nothing(tiny_run, run_suite):
    again = run_suite(tiny_run.path, tiny_run.home)
    assert (again.summary.made, again.summary.up_to_date, again.summary.failed) == (0, 16, {})


def test_cells_whose_results_were_lost_are_written_from_the_store(tmp_path, tiny_run, run_suite):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "runs").symlink_to(tiny_run.store)
    again = run_suite(tiny_run.path, tmp_path / "home")
    assert again.summary.made == 0
    assert again.records() == tiny_run.records()


def test_who_makes_nodes_in_his_own_process_keeps_his_settings_of_torch(made, store):
    def settings():
        fills = torch.utils.deterministic.fill_uninitialized_memory
        return torch.get_num_threads(), torch.get_deterministic_debug_mode(), fills

    before = settings()
    torch.set_num_threads(2)
    try:
        mine = settings()
        make(grid(), store)
        assert made
        assert settings() == mine
    finally:
        torch.set_num_threads(before[0])

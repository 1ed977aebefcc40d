"""The store: a node is there whole or not at all, and what is damaged is made anew."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from clastbench.errors import PluginError, StoreError
from clastbench.run import steps
from clastbench.run.graph import Node
from clastbench.run.steps import execute
from clastbench.run.store import Store, describe


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def write_one(monkeypatch):
    """Every step writes one file in a folder of its own."""

    def step(node, folders, out):
        (out / "sub").mkdir()
        (out / "sub" / "value.txt").write_text("1", encoding="utf-8")

    monkeypatch.setattr(steps, "STEPS", dict.fromkeys(steps.STEPS, step))


def node(number: int = 0, **said) -> Node:
    return Node("fit", {"number": number}, label=f"fit {number}", family="fit", **said)


def files_under(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def dead_process() -> int:
    """Return the number of a process that has just ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.usefixtures("write_one")
def test_a_published_node_is_found_by_another_store_object(store):
    execute(node(), store)
    again = Store(store.root)
    assert again.has(node())
    assert (again.read(node()) / "sub" / "value.txt").read_text(encoding="utf-8") == "1"


def test_a_writer_that_raises_leaves_nothing_but_the_note_of_its_failure(store, monkeypatch):
    def step(node, folders, out):
        (out / "half.txt").write_text("half", encoding="utf-8")
        raise PluginError("no more")

    monkeypatch.setattr(steps, "STEPS", {"fit": step})
    assert execute(node(), store).error == "no more"
    assert not store.has(node())
    assert files_under(store.root) == [f"failures/{node().key}.json"]


def test_the_note_of_a_failure_holds_label_reason_and_traceback(store, monkeypatch):
    def step(node, folders, out):
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(steps, "STEPS", {"fit": step})
    execute(node(), store)
    noted = json.loads((store.root / "failures" / f"{node().key}.json").read_text(encoding="utf-8"))
    assert noted["label"] == "fit 0"
    assert noted["error"] == "ZeroDivisionError: by zero"
    assert "Traceback" in noted["traceback"]


def test_success_removes_the_note_of_an_earlier_failure(store, monkeypatch, write_one):
    working = steps.STEPS
    monkeypatch.setattr(steps, "STEPS", {"fit": lambda *_: 1 / 0})
    execute(node(), store)
    monkeypatch.setattr(steps, "STEPS", working)
    assert execute(node(), store).error is None
    assert not list((store.root / "failures").iterdir())


def test_two_writers_of_one_node_come_to_one_outcome_and_no_error(store, monkeypatch):
    together = Barrier(2)

    def step(node, folders, out):
        (out / "value.txt").write_text("1", encoding="utf-8")
        together.wait(timeout=30)

    monkeypatch.setattr(steps, "STEPS", {"fit": step})
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: execute(node(), Store(store.root)), range(2)))
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert Store(store.root).read(node()).is_dir()
    assert not list((store.root / "tmp").iterdir())


@pytest.mark.usefixtures("write_one")
def test_a_finished_node_is_not_made_again(store):
    execute(node(), store)
    before = (store.folder(node()) / "node.json").stat()
    execute(node(), store)
    after = (store.folder(node()) / "node.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def damage_by_changing(folder):
    (folder / "sub" / "value.txt").write_text("2", encoding="utf-8")


def damage_by_removing(folder):
    (folder / "sub" / "value.txt").unlink()


def damage_by_emptying(folder):
    (folder / "sub" / "value.txt").write_text("", encoding="utf-8")


def damage_the_note(folder):
    (folder / "node.json").write_text("{", encoding="utf-8")


@pytest.mark.usefixtures("write_one")
@pytest.mark.parametrize("damage", [damage_by_changing, damage_by_removing, damage_by_emptying, damage_the_note])
def test_a_damaged_node_is_noticed_removed_and_made_anew(store, damage):
    execute(node(), store)
    damage(store.folder(node()))
    with pytest.raises(StoreError, match="is damaged and was removed; run the same command again"):
        Store(store.root).read(node())
    assert not store.folder(node()).exists()
    execute(node(), store)
    assert (Store(store.root).read(node()) / "sub" / "value.txt").read_text(encoding="utf-8") == "1"


@pytest.mark.usefixtures("write_one")
def test_a_damaged_input_fails_the_node_that_reads_it(store):
    execute(node(), store)
    damage_by_changing(store.folder(node()))
    outcome = execute(Node("classify", {}, {"fit": node()}), Store(store.root))
    assert "is damaged and was removed" in (outcome.error or "")


def test_timings_are_means_over_a_family(store):
    for number, seconds in enumerate((1.0, 2.0, 6.0)):
        folder = store.root / "given" / str(number)
        folder.mkdir(parents=True)
        store.publish(node(number), folder, seconds=seconds)
    assert store.timings() == {"fit": 3.0}


def test_timings_bear_a_broken_note(store):
    folder = store.root / "given"
    folder.mkdir(parents=True)
    store.publish(node(), folder, seconds=1.0)
    (store.root / "nodes" / "fit" / "other").mkdir()
    (store.root / "nodes" / "fit" / "other" / "node.json").write_text("[", encoding="utf-8")
    assert store.timings() == {"fit": 1.0}


def test_an_empty_store_has_no_timings(store):
    assert store.timings() == {}


def test_sweeping_removes_what_dead_processes_of_this_machine_left(store):
    left = store.root / "tmp" / f"{socket.gethostname()}-{dead_process()}-0123456789ab"
    left.mkdir(parents=True)
    (left / "half.npy").write_bytes(b"1")
    assert store.sweep() == 1
    assert not left.exists()


@pytest.mark.parametrize("whose", ["own", "elsewhere"])
def test_sweeping_leaves_living_processes_and_other_machines_alone(store, whose):
    folders = {
        "own": f"{socket.gethostname()}-{os.getpid()}-0123456789ab",
        "elsewhere": f"not-{socket.gethostname()}-{dead_process()}-0123456789ab",
    }
    kept = store.root / "tmp" / folders[whose]
    kept.mkdir(parents=True)
    assert store.sweep() == 0
    assert kept.is_dir()


def test_sweeping_an_empty_store_finds_nothing(store):
    assert store.sweep() == 0


def test_a_description_is_one_line_and_names_foreign_errors():
    assert describe(PluginError("two\n lines")) == "two lines"
    assert describe(KeyError("x")) == "KeyError: 'x'"


def test_a_damaged_file_of_a_run_is_made_anew_by_running_again(tmp_path, tiny_run, run_suite):
    home = tmp_path / "home"
    shutil.copytree(tiny_run.store, home / "runs")
    crops = next((home / "runs" / "nodes" / "crops").glob("*/images.npy"))
    whole = crops.read_bytes()
    crops.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for kind in ("fit", "classify", "score"):
        shutil.rmtree(home / "runs" / "nodes" / kind)
    first = run_suite(tiny_run.path, home)
    assert any("is damaged and was removed" in reason for reason in first.summary.failed.values())
    second = run_suite(tiny_run.path, home)
    assert not second.summary.failed
    assert crops.read_bytes() == whole

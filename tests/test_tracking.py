"""Event files are read back: what TensorBoard shows of a run is what its fits logged and its cells scored."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from torch import nn

from clastbench import tracking
from clastbench.baselines.small import SmallVGG
from clastbench.data.crops import Crops
from clastbench.explain import subjects
from clastbench.explain.cams import GradCAM
from clastbench.explain.targets import Target
from clastbench.records import CLASSES, Cell
from clastbench.results import path_of, read
from clastbench.run import overlays
from clastbench.run.following import due, watched_rows
from clastbench.run.overlays import grad_cam, of_features, of_network
from clastbench.run.store import Store
from clastbench.suite import Training, load_suite
from clastbench.train.heads import Head, fit_head
from clastbench.train.log import Epoch
from clastbench.train.networks import build
from clastbench.train.whole import fit_network

NET = "small_vgg@scratch"
EPOCHS = 3
DETECTOR = '''
"""True boxes by another name."""

from clastbench.baselines.detectors import GroundTruth


class Again(GroundTruth):
    """Shares the fits of ground-truth."""
'''


@dataclass(frozen=True)
class Suite:
    """A suite file and the runs of it."""

    path: Path
    run: object

    def __call__(self, home: Path, **choice):
        return self.run(self.path, home, **choice)


def with_epochs(path: Path, epochs: int) -> Path:
    """Write the suite again for so many epochs, and without explanations, which take longest."""
    text = path.read_text(encoding="utf-8").replace("epochs = 1\n", f"epochs = {epochs}\n")
    path.write_text("explainers = []\n" + text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def suite(tmp_path_factory, write_suite, run_suite) -> Suite:
    path = write_suite(tmp_path_factory.mktemp("tracked") / "suite", backbones=(NET, "majority"))
    return Suite(with_epochs(path, EPOCHS), run_suite)


@pytest.fixture(scope="module")
def ran(suite, tmp_path_factory):
    """A finished run of two detectors with a network and a rule. Look, but do not touch."""
    return suite(tmp_path_factory.mktemp("ran") / "home")


def board(ran) -> Path:
    return ran.store / "tensorboard"


def folder_of(ran, cell: Cell) -> Path:
    return tracking.run_folder(board(ran), ran.suite.shown_name, cell)


def read_back(folder: Path) -> EventAccumulator:
    said = EventAccumulator(str(folder), {"scalars": 0, "images": 0, "tensors": 0})
    said.Reload()
    return said


def networks(ran) -> list[Cell]:
    return [cell for cell in ran.session.plan.cells if cell.backbone == NET]


def fit_of(ran, cell: Cell):
    return ran.session.plan.cells[cell].inputs["classify"].inputs["fit"]


def log_of(ran, cell: Cell) -> list[dict]:
    return json.loads((ran.session.store.folder(fit_of(ran, cell)) / "log.json").read_text())


def weights(ran) -> dict[str, str]:
    """Digests of all trained networks, by fit."""
    fits = {fit_of(ran, cell).key: fit_of(ran, cell) for cell in networks(ran)}
    return {key: ran.session.store.record(fit)["files"]["model.safetensors"] for key, fit in fits.items()}


def output(ran) -> str:
    """What the fits of networks printed."""
    fits = [ran.session.store.folder(fit_of(ran, cell)) for cell in networks(ran)]
    return "".join((fit / "output.txt").read_text() for fit in fits)


def events(ran) -> list[Path]:
    return sorted(board(ran).rglob("events.out.tfevents.*"))


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*")}


# What a run leaves


def test_every_cell_has_a_run_of_a_readable_name(ran):
    found = {str(path.parent.relative_to(board(ran))) for path in events(ran)}
    pairs = [f"{detector}+{backbone}" for detector in ("whole-image", "ground-truth") for backbone in (NET, "majority")]
    assert found == {f"tiny/{pair}/seed0-f0" for pair in pairs}


def test_names_that_file_systems_do_not_bear_are_made_safe():
    cell = Cell("whole-image", "my model.py:Net@scratch", 0, "a/b")
    assert ".." not in str(tracking.run_folder(Path("runs"), "mine", cell))
    assert len(tracking.run_folder(Path("runs"), "mine", cell).parts) == 4


def test_curves_are_those_of_the_log(ran):
    for cell in networks(ran):
        said = read_back(folder_of(ran, cell))
        log = log_of(ran, cell)
        assert len(log) == EPOCHS
        for chart, lines in tracking.CHARTS.items():
            for line, name in lines.items():
                points = said.Scalars(f"{chart}/{line}")
                assert [point.step for point in points] == [1, 2, 3]
                assert [point.value for point in points] == pytest.approx([epoch[name] for epoch in log], rel=1e-6)


def test_training_and_validation_are_asked_into_one_chart(ran):
    said = read_back(folder_of(ran, networks(ran)[0]))
    layout = said.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    assert b"^macro_f1/train$" in layout
    assert b"^macro_f1/validation$" in layout


def session_of(said: EventAccumulator) -> dict[str, str | float]:
    content = said.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    info = metadata.parse_session_start_info_plugin_data(content)
    return {name: value.string_value or value.number_value for name, value in info.hparams.items()}


def test_hyperparameters_stand_beside_final_scores(ran):
    for cell in networks(ran):
        said = read_back(folder_of(ran, cell))
        assert session_of(said) == {
            "detector": cell.detector,
            "backbone": NET,
            "mode": "scratch",
            "weights": "none",
            "schedule": "constant",
            "size": "32 × 48",
            "fold": "f0",
            "seed": 0,
            "epochs": EPOCHS,
            "batch_size": 16,
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
        }
        scores = {score.metric: score.value for score in read(path_of(ran.folder, cell)).scores}
        for name in tracking.FINAL:
            assert said.Scalars(f"score/{name}")[0].value == pytest.approx(scores[name], rel=1e-6)


def test_the_page_of_hyperparameters_knows_every_column(ran):
    said = read_back(folder_of(ran, networks(ran)[0]))
    content = said.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    experiment = metadata.parse_experiment_plugin_data(content)
    assert {info.name for info in experiment.hparam_infos} == set(session_of(said))
    assert {info.name.tag for info in experiment.metric_infos} == {f"score/{name}" for name in tracking.FINAL}
    assert metadata.SESSION_END_INFO_TAG in said.Tags()["tensors"]


def test_overlays_show_six_photographs_after_the_last_epoch(ran):
    for cell in networks(ran):
        pictures = read_back(folder_of(ran, cell)).Images(tracking.OVERLAYS)
        assert [picture.step for picture in pictures][-1] == EPOCHS
        across, down = overlays.WIDTH + overlays.GAP, 100 + overlays.CAPTION + overlays.GAP
        size = (3 * across - overlays.GAP, 2 * down - overlays.GAP)
        shown = [Image.open(io.BytesIO(picture.encoded_image_string)) for picture in pictures]
        assert {picture.size for picture in shown} == {size}
        assert np.ptp(np.asarray(shown[-1]).astype(int), axis=2).max() > 50, "no colour"


def test_a_training_that_takes_its_time_has_overlays_after_early_epochs_too(suite, tmp_path, monkeypatch):
    monkeypatch.setattr("clastbench.run.following.SHARE", 1e9)
    ran = suite(tmp_path / "home", backbones=[NET], detectors=["whole-image"])
    (cell,) = networks(ran)
    assert [picture.step for picture in read_back(folder_of(ran, cell)).Images(tracking.OVERLAYS)] == [1, 3]


def test_what_brings_its_own_training_has_scores_and_no_curves(ran):
    said = read_back(folder_of(ran, Cell("whole-image", "majority", 0, "f0")))
    assert {tag.partition("/")[0] for tag in said.Tags()["scalars"]} == {"score"}
    assert session_of(said)["mode"] == "own training"
    assert said.Tags()["images"] == []


def test_nothing_was_said_about_trouble(ran):
    assert "TensorBoard" not in output(ran)


# Off, again, and late


def test_switched_off_nothing_is_written_and_the_weights_are_the_same(ran, suite, tmp_path):
    other = suite(tmp_path / "home", backbones=[NET], tensorboard=False)
    assert not board(other).exists()
    assert weights(other) == weights(ran)


def test_a_finished_suite_run_again_writes_nothing_and_imports_nothing_heavy(suite, tmp_path):
    ran = suite(tmp_path / "home", backbones=[NET], detectors=["whole-image"])
    before = stamps(board(ran))
    where = ["--store", str(ran.store), "--out", str(tmp_path / "home" / "results"), "--device", "cpu"]
    which = ["--backbone", NET, "--detector", "whole-image"]
    code = (
        "import sys\nfrom clastbench.cli import main\n"
        "main(standalone_mode=False)\n"
        "sys.exit(', '.join({'torch', 'tensorboard'} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", code, "run", str(suite.path), *where, *which]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "all cells up to date" in again.stderr
    assert stamps(board(ran)) == before


def test_the_command_line_can_switch_it_off(suite, clastbench, tmp_path):
    where = ["--store", tmp_path / "runs", "--out", tmp_path / "results", "--device", "cpu", "--jobs", "0"]
    said = clastbench("run", suite.path, *where, "--backbone", "majority", "--no-tensorboard")
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "runs").is_dir()
    assert not (tmp_path / "runs" / "tensorboard").exists()


def test_a_run_that_was_not_followed_is_shown_by_the_next_one(suite, tmp_path):
    suite(tmp_path / "home", backbones=[NET], tensorboard=False)
    ran = suite(tmp_path / "home", backbones=[NET])
    for cell in networks(ran):
        said = read_back(folder_of(ran, cell))
        points = said.Scalars("macro_f1/validation")
        assert [point.value for point in points] == pytest.approx(
            [epoch["validation_macro_f1"] for epoch in log_of(ran, cell)]
        )
        assert said.Tags()["images"] == [], "overlays need the training itself"


@pytest.fixture
def again_detector(tmp_path) -> str:
    path = tmp_path / "boxes.py"
    path.write_text(DETECTOR, encoding="utf-8")
    return f"{path}:Again"


def test_cells_that_share_a_fit_are_all_followed(suite, tmp_path, again_detector):
    ran = suite(tmp_path / "home", backbones=[NET], detectors=["ground-truth", again_detector])
    one, other = (read_back(folder_of(ran, cell)) for cell in networks(ran))
    assert one.Scalars("loss/train")[-1].value == other.Scalars("loss/train")[-1].value
    assert len(one.Images(tracking.OVERLAYS)) == len(other.Images(tracking.OVERLAYS)) > 0


def test_a_cell_whose_fit_was_there_already_gets_its_curves(suite, tmp_path, again_detector):
    first = suite(tmp_path / "home", backbones=[NET], detectors=["ground-truth"])
    before = stamps(board(first))
    ran = suite(tmp_path / "home", backbones=[NET], detectors=["ground-truth", again_detector])
    cell = next(cell for cell in networks(ran) if cell.detector == "boxes.py:Again")
    assert len(read_back(folder_of(ran, cell)).Scalars("loss/train")) == EPOCHS
    parent = str(folder_of(ran, networks(first)[0]))
    assert {path: stamp for path, stamp in stamps(board(ran)).items() if path.startswith(parent)} == {
        path: stamp for path, stamp in before.items() if path.startswith(parent)
    }


def test_what_a_killed_run_left_is_replaced_and_nothing_else(suite, tmp_path):
    cell = Cell("whole-image", NET, 0, "f0")
    folder = tracking.run_folder(tmp_path / "home" / "runs" / "tensorboard", "tiny", cell)
    folder.mkdir(parents=True)
    stale = folder / "events.out.tfevents.0000000001.there.1-0.curves"
    stale.write_bytes(b"half a rec")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    ran = suite(tmp_path / "home", backbones=[NET], detectors=["whole-image"])
    assert not stale.exists()
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert sorted(path.suffix for path in events(ran)) == [".curves", ".scores"]
    assert len(read_back(folder).Scalars("loss/train")) == EPOCHS


def test_curves_follow_the_suite_forth_and_back(tmp_path, write_suite, run_suite):
    path = write_suite(tmp_path / "suite", backbones=(NET,), detectors=("whole-image",))
    text = with_epochs(path, 3).read_text(encoding="utf-8")
    seen = []
    for epochs in (3, 2, 3):
        path.write_text(text.replace("epochs = 3\n", f"epochs = {epochs}\n", 1), encoding="utf-8")
        ran = run_suite(path, tmp_path / "home")
        said = read_back(folder_of(ran, networks(ran)[0]))
        seen.append((len(said.Scalars("loss/train")), session_of(said)["epochs"]))
        assert len(events(ran)) == 2
    assert seen == [(3, 3), (2, 2), (3, 3)]


def test_clean_removes_event_files(tmp_path):
    store = Store(tmp_path)
    with tracking.Live([store.tensorboard / "run"], "key"):
        pass
    store.clear()
    assert not store.tensorboard.exists()


# Trouble


def trouble_of_the_disk(monkeypatch) -> None:
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tracking.EventFile, "add", full)


def no_tensorboard(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)


@pytest.mark.parametrize(
    ("trouble", "why"),
    [(trouble_of_the_disk, "No space left on device"), (no_tensorboard, "record_writer")],
)
def test_a_fit_survives_that_event_files_cannot_be_written(ran, suite, tmp_path, monkeypatch, capsys, trouble, why):
    trouble(monkeypatch)
    other = suite(tmp_path / "home", backbones=[NET], detectors=["whole-image"])
    assert not other.summary.failed
    assert set(weights(other).items()) <= set(weights(ran).items())
    assert output(other).count("TensorBoard: not written") == 1
    assert why in output(other)
    assert capsys.readouterr().err.count("TensorBoard: not written") == 1
    monkeypatch.undo()
    mended = suite(tmp_path / "home", backbones=[NET], detectors=["whole-image"])
    assert len(read_back(folder_of(mended, networks(mended)[0])).Scalars("loss/train")) == EPOCHS
    assert len(events(mended)) == 2


def test_curves_go_on_without_overlays(suite, tmp_path, monkeypatch):
    def torn(*_arguments):
        raise RuntimeError("no map in space")

    monkeypatch.setattr(overlays.Watched, "draw", torn)
    ran = suite(tmp_path / "home", backbones=[NET], detectors=["whole-image"])
    said = read_back(folder_of(ran, networks(ran)[0]))
    assert len(said.Scalars("loss/train")) == EPOCHS
    assert said.Tags()["images"] == []
    assert output(ran).count("no map in space") == 1


def epoch(number: int) -> Epoch:
    return Epoch(number, 1.0, 0.5, 0.5, None, None, None)


def test_a_fit_that_failed_is_shown_up_to_there_and_not_taken_for_complete(tmp_path):
    def diverge() -> None:
        with tracking.Live([tmp_path], "key") as live:
            live.epoch(epoch(1))
            raise ValueError("the loss is nan")

    with pytest.raises(ValueError, match="the loss is nan"):
        diverge()
    assert len(read_back(tmp_path).Scalars("loss/train")) == 1
    assert tracking.written(tmp_path) == {}


def test_without_validation_there_are_no_validation_curves(tmp_path):
    tracking.write_curves(tmp_path, "key", [epoch(1)])
    assert read_back(tmp_path).Tags()["scalars"] == ["loss/train", "accuracy/train", "macro_f1/train"]


def test_an_epoch_can_be_read_while_the_fit_goes_on(tmp_path):
    with tracking.Live([tmp_path], "key") as live:
        live.epoch(epoch(1))
        assert len(read_back(tmp_path).Scalars("loss/train")) == 1
        assert tracking.written(tmp_path) == {}
    assert tracking.written(tmp_path) == {tracking.CURVES: "key"}


def test_a_second_run_of_the_same_fit_takes_over(tmp_path):
    with tracking.Live([tmp_path], "key") as first:
        first.epoch(epoch(1))
        with tracking.Live([tmp_path], "key") as second:
            second.epoch(epoch(1))
            second.epoch(epoch(2))
        first.epoch(epoch(2))
    assert [point.step for point in read_back(tmp_path).Scalars("loss/train")] == [1, 2]


# Which photographs


def test_watched_photographs_are_the_first_by_the_digest_of_their_name():
    ids = [f"{number:05d}" for number in range(50)]
    chosen = tracking.watched(reversed(ids))
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in ids]
    assert [hashlib.sha256(name.encode()).hexdigest() for name in chosen] == sorted(digests)[:6]


def test_the_first_row_of_a_watched_photograph_is_taken():
    crops = Crops(np.zeros((5, 1, 1, 3), np.uint8), np.zeros(5, np.int64), ("a", "b", "b", "a", "c"))
    rows = watched_rows(crops, np.asarray([1, 2, 3, 4]), ["a", "b"])
    assert sorted(rows.tolist()) == [1, 3]


@pytest.mark.parametrize(("last", "expected"), [(1, [1]), (8, [1, 4, 8]), (50, [1, 4, 16, 50])])
def test_overlays_come_ever_more_rarely_and_at_the_end(last, expected):
    assert [number for number in range(1, last + 1) if due(number, last)] == expected


# Overlays


def crops_of(n: int, size: tuple[int, int] = (32, 48)) -> Crops:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (n, *size, 3), dtype=np.uint8)
    return Crops(images, np.arange(n, dtype=np.int64) % 3, tuple(f"{row:03}" for row in range(n)))


class Noisy(SmallVGG):
    """Draws random numbers while it trains."""

    size = (32, 48)

    def build(self, num_classes: int, weights: str) -> nn.Module:
        return nn.Sequential(nn.Dropout2d(0.2), *super().build(num_classes, weights), nn.Dropout(0.1))


def trained(draw: bool) -> Iterator[torch.Tensor]:
    torch.manual_seed(0)
    network = build(Noisy(), "none", Noisy.size, "cpu")
    shown = of_network(network, crops_of(6), np.arange(6))
    recipe = Training(epochs=2, batch_size=8, mirror=True, photometric=0.2)
    fit_network(
        network,
        crops_of(24),
        crops_of(6),
        recipe=recipe,
        seed=0,
        on_epoch=(lambda _epoch, module: shown.draw(module)) if draw else None,
    )
    yield from network.module.state_dict().values()
    yield torch.get_rng_state()


def test_drawing_changes_no_weight_and_draws_no_random_number():
    assert all(torch.equal(one, other) for one, other in zip(trained(True), trained(False), strict=True))


def test_drawing_leaves_mode_and_gradients_as_they_were():
    network = build(Noisy(), "none", Noisy.size, "cpu")
    exhibit = of_network(network, crops_of(3), np.arange(3))
    network.module.train()
    network.module[1].eval()
    modes = [part.training for part in network.module.modules()]
    exhibit.draw(network.module)
    assert [part.training for part in network.module.modules()] == modes
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.module.parameters())
    assert not any(part._forward_hooks for part in network.module.modules())


@pytest.fixture
def cached(tmp_path) -> Path:
    """A folder as the features of a frozen network leave it: maps of some rows."""
    rng = np.random.default_rng(5)
    np.save(tmp_path / "maps.npy", rng.normal(size=(4, 7, 2, 3)).astype(np.float32))
    np.save(tmp_path / "map_rows.npy", np.asarray([1, 2, 5, 8]))
    return tmp_path


def test_heads_are_shown_the_cached_maps_there_are(cached):
    exhibit = of_features(cached, crops_of(9), np.asarray([8, 0, 2]), "cpu")
    maps = np.load(cached / "maps.npy")
    assert exhibit.labels.tolist() == [2, 2]
    assert np.array_equal(exhibit.inputs.numpy(), maps[[3, 1]])
    assert exhibit.draw(Head(7, 4)).dtype == np.uint8
    assert of_features(cached, crops_of(9), np.asarray([0]), "cpu") is None


def test_drawing_changes_no_weight_of_a_head(cached):
    rng = np.random.default_rng(6)
    features, labels = rng.normal(size=(30, 7)).astype(np.float32), rng.integers(0, 3, 30)
    exhibit = of_features(cached, crops_of(9), np.asarray([1, 2, 5]), "cpu")
    heads = [
        fit_head(
            features,
            labels,
            (features, labels),
            recipe=Training(epochs=3, hidden=4),
            seed=0,
            device="cpu",
            on_epoch=follow,
        )[0]
        for follow in (None, lambda _epoch, head: exhibit.draw(head))
    ]
    assert all(map(torch.equal, *(head.state_dict().values() for head in heads)))


@pytest.mark.parametrize("name", ["sense", "presence"])
def test_maps_of_overlays_are_those_of_the_explainer(cached, name):
    torch.manual_seed(1)
    network = build(SmallVGG(), "none", SmallVGG.size, "cpu")
    head = Head(7, 4)
    signs = torch.tensor([1.0, -1.0, 1.0, 1.0])
    asked = [
        (subjects.of_network(network), torch.rand(4, 3, *SmallVGG.size)),
        (subjects.of_features(head, (32, 48)), torch.from_numpy(np.load(cached / "maps.npy"))),
    ]
    for subject, inputs in asked:
        maps, logits = grad_cam(subject, inputs, Target(name, signs))
        assert np.abs(maps).max() > 0
        np.testing.assert_allclose(maps, GradCAM().explain(subject, inputs, Target(name, signs)), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(logits, subject.logits(inputs).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_red_speaks_for_and_blue_against_and_no_heat_leaves_the_crop():
    grey = np.full((4, 8, 3), 128, np.uint8)
    heat = np.repeat(np.asarray([[1, 0, 0, -1]], np.float32), 4, axis=0)
    tinted = overlays.tinted(grey, heat)
    assert tinted[0, 0, 0] > 160 > tinted[0, 0, 2]
    assert tinted[0, -1, 2] > 160 > tinted[0, -1, 0]
    assert np.array_equal(overlays.tinted(grey, np.zeros((1, 1), np.float32)), grey)


def test_captions_tell_truth_and_answer():
    caption = overlays._caption(CLASSES.index("CW"), np.asarray([0.0, 0.0, 5.0], np.float32))
    assert caption == "true CW, said CCW 0.99"


def test_a_suite_may_do_without_explainers(suite):
    assert load_suite(str(suite.path)).explainers == ()

"""Detections from elsewhere: scored as the harness scores a detector with a head of its own, refused with the place."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from command_lines import one_clear_line
from hypothesis import given
from hypothesis import strategies as st

from clastbench.cli import main
from clastbench.data import export_coco
from clastbench.errors import DataError
from clastbench.records import CLASSES, Boxes, CellRecord, Photomicrograph, Score
from clastbench.results import read_all
from clastbench.run.external_entries import read_entries
from clastbench.run.external_names import Names, names_of
from clastbench.run.inputs import open_source
from clastbench.run.progress import PlainLines
from clastbench.run.proposals import read_boxes
from clastbench.run.scoring import NO_SENSE
from clastbench.run.session import Choice, Places, Session
from clastbench.suite import load_suite
from clastbench.synth import Recipe, at_level, render_photograph

RECIPE = Recipe(**at_level({"level": "easy", "seed": 7, "n_images": 60, "width": 96, "height": 64}))
"""That of the small suite."""
SYNTH = 'source = "synth"\nrecipe = { level = "easy", seed = 7, n_images = 60, width = 96, height = 64 }'
LEARNER = '''
"""A detector with a head of its own."""

import numpy as np

from clastbench.records import Boxes


class Learner:
    """Proposes two boxes, surer of brighter photographs, and reads the senses off a pixel."""

    view = "crop"
    uses_truth = False
    own_head = False

    def fit(self, photographs, validation, *, recipe, seed, device, out):
        """Nothing to learn."""

    def load(self, path, *, device):
        """Nothing to load."""

    def detect(self, photographs):
        """Two boxes each."""
        return [self._of(photo.id, photo.load()) for photo in photographs]

    def _of(self, name, pixels):
        sure = pixels.mean() / 255
        label = np.asarray([1 + int(pixels[0, 0, 0]) % 2, 1 + int(pixels[1, 0, 0]) % 2], np.int8)
        boxes = np.asarray([[20.3, 15.7, 76.1, 47.2], [-5, 2, 40, 30]], np.float32)
        return Boxes(name, boxes, np.asarray([sure, sure / 3], np.float32), label if self.own_head else None)
'''

Entries = list[dict[str, Any]]


@pytest.fixture(scope="module")
def photographs() -> list[Photomicrograph]:
    """All photographs of the small suite."""
    return [render_photograph(RECIPE, index) for index in range(60)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory, write_suite) -> Path:
    """The small suite; nothing was run on it."""
    return write_suite(tmp_path_factory.mktemp("boxes") / "suite")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, photographs) -> Path:
    """The photographs as `data export` writes them."""
    return export_coco(photographs, tmp_path_factory.mktemp("boxes") / "exported")


@pytest.fixture
def score(tmp_path, suite) -> Callable[..., Result]:
    """Return a function that writes detections to a file, scores it and gives the command's result."""

    def call(entries: Any, *more: str, of: Path = suite, name: str = "mine") -> Result:
        path = tmp_path / f"{name}.json"
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries), encoding="utf-8")
        return CliRunner().invoke(main, ["score", str(of), str(path), "--out", str(tmp_path / "results"), *more])

    return call


@pytest.fixture
def scored(tmp_path, score) -> Callable[..., list[CellRecord]]:
    """Return a function that scores detections and gives the results of this one system."""

    def call(entries: Entries, **said: Any) -> list[CellRecord]:
        done = score(entries, **said)
        assert done.exit_code == 0, done.output
        name = said.get("name", "mine")
        return [one for one in read_all(tmp_path / "results" / "tiny") if one.cell.backbone == name]

    return call


def truth(photographs: Sequence[Photomicrograph], ids: Sequence[str] | None = None, **more: Any) -> Entries:
    """Every true box with its class."""
    return [
        entry(photo.id, clast.sense or "none", clast.box_xyxy, **more)
        for photo in photographs
        for clast in photo.clasts
        if (ids is None or photo.id in ids) and not clast.ignore
    ]


def entry(image_id: Any, told: Any, box: Sequence[float], score: float = 1.0, **more: Any) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(value) for value in box)
    return {"image_id": image_id, "category_id": told, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score, **more}


def named(scores: Sequence[Score]) -> dict[str, Score]:
    return {one.metric: one for one in scores}


def values(record: CellRecord) -> dict[str, float | None]:
    return {one.metric: one.value for one in record.scores}


def test_true_boxes_with_their_senses_are_perfect(photographs, scored):
    (record,) = scored(truth(photographs))
    found = values(record)
    perfect = ("ap", "ar", "sense_ap", "clast_sense", "clast_recall", "clean_share", "macro_f1", "accuracy")
    assert {name: found[name] for name in perfect} == dict.fromkeys(perfect, 1.0)
    assert record.plugins["detector"] == {"name": "external", "proposes": "yes"}
    assert named(record.scores)["lost_crop"].reason


def test_the_leaderboard_shows_the_name_of_the_file_or_the_one_given(tmp_path, suite, photographs, score):
    assert "mine" in score(truth(photographs)).stdout
    assert "my model" in score(truth(photographs), "--name", "my model").stdout
    ranked = CliRunner().invoke(main, ["rank", str(suite), "--out", str(tmp_path / "results")])
    assert "my model" in ranked.stdout


@pytest.fixture(scope="module")
def own_head(tmp_path_factory, write_suite) -> tuple[Path, Session]:
    """The small suite on two folds, run with a detector that has a head of its own."""
    folder = tmp_path_factory.mktemp("head")
    (folder / "learner.py").write_text(LEARNER, encoding="utf-8")
    path = write_suite(folder / "suite", folds=2, detectors=["whole-image"], backbones=["chance"])
    choice = Choice(
        detectors=[f"{folder / 'learner.py'}:Learner"], backbones=["own-head"], device="cpu", jobs=0, tensorboard=False
    )
    session = Session(
        load_suite(str(path)), Places(store=folder / "runs", out=folder / "results"), choice, download=False
    )
    assert not session.run(PlainLines({}, io.StringIO())).failed
    return path, session


def proposals(session: Session) -> Entries:
    """What the harness's detector proposed, on validation photographs too, fold by fold."""
    return [
        entry(boxes.image_id, CLASSES[label], box, float(score), fold=cell.fold)
        for cell, node in session.plan.cells.items()
        for boxes in kept(session, node)
        for box, score, label in zip(boxes.xyxy.tolist(), boxes.score.tolist(), boxes.label.tolist(), strict=True)
    ]


def unordered(record: CellRecord) -> dict[str, float | None]:
    """All but the AUROCs: the harness's head leaves the other classes 1e-18, which breaks the ties of a file."""
    return {name: value for name, value in values(record).items() if "auroc" not in name}


def rows(record: CellRecord) -> list[tuple[Any, ...]]:
    """What was found; the harness asks about photographs in an order of its own."""
    found = record.detections
    return list(zip(found.image_id, found.xyxy, found.score, found.probabilities, strict=True))


def kept(session: Session, node: Any) -> list[Boxes]:
    return read_boxes(session.store.read(node.inputs["detect"]))


def test_a_detector_scores_from_a_file_what_it_scored_in_the_harness(own_head, scored):
    path, session = own_head
    there = sorted(read_all(session.folder), key=lambda one: one.cell.fold)
    here = sorted(scored(proposals(session), of=path), key=lambda one: one.cell.fold)
    assert [one.cell.fold for one in here] == [one.cell.fold for one in there] == ["f0", "f1"]
    for ours, theirs in zip(here, there, strict=True):
        assert sorted(rows(ours)) == sorted(rows(theirs))
        for name in ("truth", "threshold", "detector_threshold", "snapped", "n_dropped"):
            assert getattr(ours.detections, name) == getattr(theirs.detections, name)
        assert unordered(ours) == pytest.approx(unordered(theirs))
        assert np.allclose(
            [said.probabilities for said in ours.predictions], [said.probabilities for said in theirs.predictions]
        )


def test_thresholds_come_from_validation_photographs(own_head, scored):
    path, session = own_head
    entries = proposals(session)
    (before, *_) = scored(entries, of=path)
    fold = session.suite.folds.folds["f0"]
    silent = [one for one in entries if one["fold"] != "f0" or one["image_id"] not in fold.validation]
    (after, *_) = scored(silent, of=path, name="silent")
    assert before.detections.detector_threshold is not None
    assert (after.detections.detector_threshold, after.detections.threshold) == (None, 0.5)
    recall = named(after.scores)["clast_recall"]
    assert (recall.value, recall.reason) == (None, "no threshold was chosen on validation photographs")
    assert values(after)["ap"] == values(before)["ap"]


@pytest.mark.parametrize("how", ["number", "file", "name", "string"])
def test_photographs_and_classes_may_be_called_as_in_the_exported_annotations(photographs, exported, scored, how):
    said = json.loads(exported.read_text(encoding="utf-8"))
    image = {one["name"]: one for one in said["images"]}
    category = {one["name"]: one["id"] for one in said["categories"]}
    call = {
        "number": lambda name: image[name]["id"],
        "file": lambda name: image[name]["file_name"],
        "name": lambda name: Path(image[name]["file_name"]).name,
        "string": lambda name: name,
    }[how]
    entries = [
        one | {"image_id": call(one["image_id"]), "category_id": category[one["category_id"]]}
        for one in truth(photographs)
    ]
    (record,) = scored(entries)
    assert (values(record)["ap"], values(record)["sense_ap"]) == (1.0, 1.0)


def test_a_clast_without_a_sense_never_leaves_its_photograph_without_a_class(photographs, scored):
    (record,) = scored([one | {"category_id": "none"} for one in truth(photographs)])
    assert {one.probabilities for one in record.predictions} == {(1.0, 0.0, 0.0)}
    assert (values(record)["ap"], values(record)["clast_recall_end_to_end"]) == (1.0, 0.0)


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_numbers_are_those_of_the_command_that_exports_the_suite(tmp_path, write_suite, shuffled):
    rows = ["f,train,00004", "f,train,00001", "f,train,00003~blur=1.5", "f,validation,00005", "f,test,00000~blur=1.5"]
    split = "\n".join(["fold,role,id", *(reversed(rows) if shuffled else rows)]) + "\n"
    path = write_suite(tmp_path / "suite", split=split)
    result = CliRunner().invoke(main, ["data", "export", str(path), str(tmp_path / "to")])
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "to" / "annotations.json").read_text(encoding="utf-8"))
    chosen = load_suite(str(path), limit=1)
    names = names_of(chosen, open_source(chosen, None))
    for image in said["images"]:
        assert names.photographs(image["id"]) == names.photographs(image["file_name"]) == {image["name"]}
    for category in said["categories"]:
        assert names.class_told(category["id"]) == category["name"]


def test_a_data_set_of_ones_own_is_called_by_its_own_numbers(tmp_path, exported, photographs, write_suite, scored):
    path = write_suite(tmp_path / "own")
    text = path.read_text(encoding="utf-8")
    assert SYNTH in text
    path.write_text(text.replace(SYNTH, f'source = "coco"\npath = "{exported.parent}"'), encoding="utf-8")
    document = json.loads(exported.read_text(encoding="utf-8"))
    number = {one["name"]: one["id"] for one in document["images"]}
    category = {one["name"]: one["id"] for one in document["categories"]}
    entries = [
        one | {"image_id": number[one["image_id"]], "category_id": category[one["category_id"]]}
        for one in truth(photographs)
    ]
    (record,) = scored(entries, of=path)
    assert (values(record)["ap"], values(record)["macro_f1"]) == (1.0, 1.0)


def test_agu2021_is_scored_without_its_pixels(tmp_path):
    suite = load_suite("agu2021")
    source = open_source(suite, None)
    names = names_of(suite, source)
    assert names.photographs("with/1.jpg") == {"with/1.jpg"}
    assert names.photographs("98.jpg") == {"with/98.jpg", "without/98.jpg"}
    assert set(names.categories.values()) <= {*CLASSES, "clast"}
    assert {image_id for key in names.keys for image_id in names.photographs(key)} == source.ids
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([entry("98.jpg", "CW", (0, 0, 9, 9))]), encoding="utf-8")
    with pytest.raises(DataError, match=r"\[0\]\.image_id is '98\.jpg'; expected one photograph's name"):
        read_entries(path, names, set(suite.folds.folds))


def test_a_photograph_that_no_detection_speaks_of_holds_nothing(photographs, suite, scored):
    test = sorted(load_suite(str(suite)).folds.folds["f0"].test)
    seen = next(photo for photo in photographs if photo.id in test and photo.truth in ("CW", "CCW"))
    (record,) = scored(truth([seen]))
    assert [one.image_id for one in record.predictions] == test
    said = {one.image_id: one.probabilities for one in record.predictions}
    assert all(said[image_id] == (1.0, 0.0, 0.0) for image_id in test if image_id != seen.id)
    assert int(np.argmax(said[seen.id])) == CLASSES.index(seen.truth)


def test_detections_without_a_sense_are_scored_as_clasts_alone(photographs, suite, scored):
    (fold,) = load_suite(str(suite)).folds.folds.values()
    entries = [one | {"category_id": "clast"} for one in truth(photographs, fold.test)]
    (record,) = scored(entries)
    found = named(record.scores)
    assert found["ap"].value == 1.0
    for name in ("sense_ap", "sense_ap50", "clast_sense", "clast_recall_end_to_end"):
        assert (found[name].value, found[name].low, found[name].reason) == (None, None, NO_SENSE)
    assert found["macro_f1"].value < 0.8
    assert record.detections.threshold == 0.25
    shown = {one.image_id for one in record.predictions if np.argmax(one.probabilities) != 0}
    assert shown == {one["image_id"] for one in entries}


def test_both_senses_of_one_clast_may_be_said(photographs, scored):
    other = {"CW": "CCW", "CCW": "CW", "none": "none"}
    entries = truth(photographs, score=0.9)
    doubts = [one | {"category_id": other[one["category_id"]], "score": 0.4} for one in entries]
    (record,) = scored([*doubts, *entries])
    assert values(record)["macro_f1"] == 1.0
    assert values(record)["sense_ap"] == 1.0
    assert len(record.detections.image_id) % 2 == 0


def test_what_is_no_box_is_dropped_and_counted(photographs, scored):
    entries = truth(photographs)
    (before,) = scored(entries)
    name = before.predictions[0].image_id
    odd = [
        (0, 0, -5, -5),
        (500, 500, 600, 600),
        (3, 3, 3, 9),
        (math.nan, 0, 5, 5),
        (0, 0, math.inf, 5),
        (0, 0, 1e300, -1),
    ]
    broken = [entry(name, "CW", box) for box in odd]
    broken += [
        entry(name, "CW", (0, 0, 9, 9), score=math.nan),
        {**entry(name, "CW", (0, 0, 1, 1)), "bbox": [10**400] * 4},
    ]
    (after,) = scored([*broken, *entries])
    assert (before.detections.n_dropped, after.detections.n_dropped) == (0, len(broken))
    assert after.scores == before.scores


def test_boxes_are_cut_to_the_photograph_and_only_the_surest_are_kept(tmp_path, write_suite, photographs, scored):
    path = write_suite(tmp_path / "few", more="[detection]\nmax_boxes = 2\n")
    name = min(load_suite(str(path)).folds.folds["f0"].test)
    entries = [entry(name, "CW", (-10, -10, 20 + at, 500), score=at / 10) for at in range(5)]
    (record,) = scored(entries, of=path)
    assert record.detections.xyxy == ((0.0, 0.0, 24.0, 64.0), (0.0, 0.0, 23.0, 64.0))
    assert record.detections.score == (0.4, 0.3)


def test_without_a_fold_the_detections_count_in_every_fold(tmp_path, write_suite, photographs, scored):
    path = write_suite(tmp_path / "two", folds=2)
    records = scored(truth(photographs), of=path)
    assert [(one.cell.fold, values(one)["ap"]) for one in records] == [("f0", 1.0), ("f1", 1.0)]
    apart = [*truth(photographs, fold="f0"), *truth(photographs[:8], fold="f1")]
    assert [values(one)["ap"] == 1.0 for one in scored(apart, of=path, name="apart")] == [True, False]


def test_what_else_an_entry_holds_is_not_read_and_the_order_changes_no_score(photographs, scored):
    entries = truth(photographs)
    (before,) = scored(entries)
    more = {"segmentation": {"counts": "x"}, "area": "big", "id": None, "fold": None}
    (after,) = scored([one | more for one in reversed(entries)])
    assert after.scores == before.scores
    assert after.predictions == before.predictions


GOOD = entry("00045", "CW", (0, 0, 9, 9))
WRONG: dict[str, tuple[Any, list[str]]] = {
    "no JSON": ("[{", ["is not JSON"]),
    "a whole annotations file": ({"annotations": []}, ["dict", "expected a list"]),
    "an empty list": ([], ["no detection"]),
    "an entry that is no object": ([GOOD, 3], ["[1] is 3", "expected an object"]),
    "no image": ([{"bbox": [0, 0, 1, 1]}], ["[0].image_id is missing"]),
    "an unknown photograph": ([GOOD, GOOD | {"image_id": "99999"}], ["[1].image_id is '99999'", "60 photographs"]),
    "an unknown number": ([GOOD | {"image_id": 0}], ["[0].image_id is 0"]),
    "a number with a fraction": ([GOOD | {"image_id": 1.5}], ["[0].image_id is 1.5"]),
    "a truth value for a photograph": ([GOOD | {"image_id": True}], ["[0].image_id is True"]),
    "an unknown class": ([GOOD | {"category_id": 7}], ["[0].category_id is 7", "1 CW"]),
    "an unknown name of a class": ([GOOD | {"category": "left"}], ["[0].category is 'left'", "CW, CCW"]),
    "no class": ([{"image_id": "00045"}], ["[0].category_id is missing"]),
    "a list for a class": ([GOOD | {"category_id": [1]}], ["[0].category_id is [1]"]),
    "no box": ([{"image_id": "00045", "category_id": 1}], ["[0].bbox is missing", "[x, y, width, height]"]),
    "three numbers for a box": ([GOOD | {"bbox": [1, 2, 3]}], ["[0].bbox is [1, 2, 3]"]),
    "a word in a box": ([GOOD | {"bbox": [1, 2, 3, "4"]}], ["[0].bbox is [1, 2, 3, '4']"]),
    "a text for a box": ([GOOD | {"bbox": "0123"}], ["[0].bbox is '0123'"]),
    "no score": ([{key: GOOD[key] for key in ("image_id", "category_id", "bbox")}], ["[0].score is missing"]),
    "a word for a score": ([GOOD | {"score": "high"}], ["[0].score is 'high'", "0..1"]),
    "null for a score": ([GOOD | {"score": None}], ["[0].score is None"]),
    "per cent": ([GOOD, GOOD | {"score": 97}], ["[1].score is 97", "0..1"]),
    "an infinite score": ([GOOD | {"score": math.inf}], ["[0].score is inf"]),
    "a negative score": ([GOOD | {"score": -0.1}], ["[0].score is -0.1"]),
    "a number for a fold": ([GOOD | {"fold": 0}], ["[0].fold is 0", "f0"]),
    "an unknown fold": ([GOOD | {"fold": "f9"}], ["[0].fold is 'f9'", "f0"]),
    "nothing on test photographs": ([GOOD | {"image_id": "00000"}], ["no detection on a test photograph"]),
}


@pytest.mark.parametrize(("content", "said"), WRONG.values(), ids=WRONG)
def test_a_file_that_is_wrong_is_refused_with_its_name_and_the_place(tmp_path, score, content, said):
    line = one_clear_line(score(content))
    for part in (str(tmp_path / "mine.json"), *said):
        assert part in line
    assert not (tmp_path / "results").exists()


def test_a_fold_that_is_forgotten_is_refused(tmp_path, write_suite, photographs, score):
    path = write_suite(tmp_path / "two", folds=2)
    assert "no detection in fold 'f1'" in one_clear_line(score(truth(photographs, fold="f0"), of=path))


def test_maps_go_with_probabilities_only(tmp_path, photographs, score):
    assert "--maps goes with a CSV" in one_clear_line(score(truth(photographs), "--maps", str(tmp_path)))


def test_photographs_without_boxes_are_refused(tmp_path, write_suite, photographs, score):
    path = write_suite(tmp_path / "own")
    text = path.read_text(encoding="utf-8").replace(SYNTH, f'source = "coco"\npath = "{tmp_path / "bare"}"')
    path.write_text(text, encoding="utf-8")
    document = json.loads(export_coco(photographs, tmp_path / "bare").read_text(encoding="utf-8"))
    (tmp_path / "bare" / "annotations.json").write_text(json.dumps(document | {"annotations": []}), encoding="utf-8")
    assert "none of its photographs has a box" in one_clear_line(score([GOOD], of=path))


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00\xff\xfe", b"[" * 100_000, b"\xff\xfe[", b"9" * 5000])
def test_what_is_no_json_is_refused(tmp_path, suite, content):
    path = tmp_path / "wrong.json"
    path.write_bytes(content)
    line = one_clear_line(
        CliRunner().invoke(main, ["score", str(suite), str(path), "--out", str(tmp_path / "results")])
    )
    assert str(path) in line


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a", "CW", "f0", 1]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=4,
)
keys = st.sampled_from(["image_id", "category_id", "category", "bbox", "score", "fold", "other"])
plausible = st.fixed_dictionaries(
    {"image_id": st.sampled_from(["a", 1]), "category_id": st.sampled_from(["CW", "clast"]), "score": st.floats(0, 1)},
    optional={
        "bbox": st.lists(st.integers() | st.floats(), min_size=4, max_size=4),
        "fold": st.sampled_from(["f0", ""]),
    },
)


@given(st.lists(plausible | st.dictionaries(keys, anything, max_size=6) | anything, max_size=3))
def test_a_malformed_file_is_read_or_refused_but_never_breaks(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "malformed.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        entries = read_entries(path, Names(frozenset({"a"}), keys={1: "a"}), {"f0"})
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 – either outcome is right
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        return
    assert all(one.image_id == "a" and one.told in (*CLASSES, "clast") for one in entries)
    assert all(math.isnan(one.score) or 0 <= one.score <= 1 for one in entries)

"""Maps from elsewhere: scored against the same outlines as the harness's own, refused with file and place."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from command_lines import one_clear_line
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from clastbench.cli import main
from clastbench.data import export_coco
from clastbench.data.masks import decode
from clastbench.errors import DataError
from clastbench.records import EXTERNAL, CellRecord, MapScores, Photomicrograph
from clastbench.results import read_all
from clastbench.run.external_maps import read_map_file
from clastbench.suite import load_suite
from clastbench.synth import Recipe, at_level, render_photograph

RECIPE = Recipe(**at_level({"level": "easy", "seed": 7, "n_images": 60, "width": 96, "height": 64}))
"""That of the small suite."""
TARGETS = ("sense", "presence")


@pytest.fixture(scope="module")
def suite(tmp_path_factory, write_suite) -> Path:
    """The small suite on two folds; nothing was run on it."""
    return write_suite(tmp_path_factory.mktemp("maps") / "suite", folds=2)


@pytest.fixture(scope="module")
def photographs(suite) -> list[Photomicrograph]:
    """The test photographs of the small suite."""
    tested = sorted(name for fold in load_suite(str(suite)).folds.folds.values() for name in fold.test)
    return [render_photograph(RECIPE, int(name)) for name in tested]


@pytest.fixture(scope="module")
def needed(photographs) -> list[Photomicrograph]:
    """Those that need a map."""
    return [photo for photo in photographs if photo.truth in ("CW", "CCW")]


@pytest.fixture
def predictions(tmp_path) -> Path:
    path = tmp_path / "mine.csv"
    rows = "".join(f"{index:05d},0.2,0.5,0.3\n" for index in range(60))
    path.write_text(f"id,none,CW,CCW\n{rows}", encoding="utf-8")
    return path


@pytest.fixture
def score(tmp_path, suite, predictions):
    """Return a function that scores a folder of maps and gives the command's result."""

    def call(maps: Path, *more: str, of: Path = suite, said: Path = predictions) -> Result:
        command = ["score", of, said, "--maps", maps, "--out", tmp_path / "results", *more]
        return CliRunner().invoke(main, [str(word) for word in command])

    return call


def outline(photo: Photomicrograph) -> np.ndarray:
    """The mask of the clasts that the photograph's label speaks of."""
    masks = [decode(clast.mask) for clast in photo.clasts if clast.primary and not clast.ignore and clast.mask]
    return np.any(masks, axis=0)


def save(folder: Path, image_id: str, values: np.ndarray) -> None:
    path = folder / f"{image_id}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def write(folder: Path, photographs, draw, targets=TARGETS) -> Path:
    """Write a map of every photograph."""
    for target in targets:
        for photo in photographs:
            save(folder / target, photo.id, draw(photo))
    return folder


def scored(tmp_path, name: str = "tiny") -> list[CellRecord]:
    return list(read_all(tmp_path / "results" / name))


def tables(tmp_path, target: str = "sense", name: str = "tiny") -> list[MapScores]:
    return [table for record in scored(tmp_path, name) for table in record.maps if table.target == target]


def column(tmp_path, metric: str, target: str = "sense") -> list[float | None]:
    return [value for table in tables(tmp_path, target) for value in table.values[metric]]


def mask(photo: Photomicrograph) -> np.ndarray:
    return outline(photo).astype(np.float32)


# What maps are worth


@pytest.fixture(scope="module")
def perfect(tmp_path_factory, suite, needed) -> Path:
    """A folder with the results of a model whose maps are the outlines."""
    folder = tmp_path_factory.mktemp("perfect")
    rows = "".join(f"{index:05d},0.2,0.5,0.3\n" for index in range(60))
    (folder / "oracle.csv").write_text(f"id,none,CW,CCW\n{rows}", encoding="utf-8")
    maps = write(folder / "maps", needed, mask)
    command = ["score", suite, folder / "oracle.csv", "--maps", maps, "--out", folder / "results"]
    assert CliRunner().invoke(main, [str(word) for word in command]).exit_code == 0
    return folder


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("metric", ["lift", "epg", "pointing_game", "rank_accuracy", "pxap"])
def test_the_outline_itself_is_worth_all(perfect, needed, target, metric):
    assert column(perfect, metric, target) == pytest.approx([1.0] * len(needed))


def test_the_opposite_of_the_outline_is_worth_less_than_nothing(tmp_path, score, needed):
    score(write(tmp_path / "maps", needed, lambda photo: 1 - mask(photo)))
    assert all(value < 0 for value in column(tmp_path, "lift"))


def test_random_maps_are_worth_nothing(tmp_path, score, needed):
    rng = np.random.default_rng(0)
    score(write(tmp_path / "maps", needed, lambda photo: rng.random(outline(photo).shape)))
    lifts = column(tmp_path, "lift")
    assert abs(np.mean(lifts)) < 0.02
    assert np.max(np.abs(lifts)) < 0.1


def test_a_map_that_is_everywhere_the_same_is_worth_nothing(tmp_path, score, needed):
    score(write(tmp_path / "maps", needed, lambda _: np.ones((3, 5))))
    assert column(tmp_path, "lift") == pytest.approx([0.0] * len(needed), abs=1e-6)


def test_heat_on_artefacts_alone_is_wholly_theirs_and_where_there_are_none_nothing_is(tmp_path, score, needed):
    def drawn(photo):
        return np.any([decode(mask) for mask in photo.artefacts.values()], axis=0)

    score(write(tmp_path / "maps", needed, lambda photo: drawn(photo) if photo.artefacts else mask(photo)))
    shares = {
        name: one for t in tables(tmp_path) for name, one in zip(t.image_id, t.values["share_artefacts"], strict=True)
    }
    assert shares == pytest.approx({photo.id: float(bool(photo.artefacts)) for photo in needed})
    assert set(shares.values()) == {0.0, 1.0}


def test_every_needed_photograph_is_scored_once(perfect, needed):
    assert sorted(name for table in tables(perfect) for name in table.image_id) == [photo.id for photo in needed]
    assert {table.method for table in tables(perfect)} == {EXTERNAL}


@pytest.mark.parametrize("times", [3])
def test_a_finer_map_of_the_same_heat_scores_the_same(tmp_path, score, needed, times):
    score(write(tmp_path / "maps", needed, lambda photo: np.kron(mask(photo), np.ones((times, times)))))
    assert np.mean(column(tmp_path, "lift")) > 0.97


@pytest.mark.parametrize("cell", [4])
def test_a_coarser_map_keeps_its_place(tmp_path, score, needed, cell):
    def draw(photo):
        height, width = outline(photo).shape
        return mask(photo).reshape(height // cell, cell, width // cell, cell).mean(axis=(1, 3))

    score(write(tmp_path / "maps", needed, draw))
    assert 0.6 < np.mean(column(tmp_path, "lift")) < 1


def test_maps_of_one_cell_work(tmp_path, score, needed):
    assert score(write(tmp_path / "maps", needed, lambda _: np.ones((1, 1)))).exit_code == 0


def test_a_mirrored_map_scores_lower_than_the_map(tmp_path, score, needed):
    score(write(tmp_path / "maps", needed, lambda photo: mask(photo)[:, ::-1]))
    assert np.mean(column(tmp_path, "lift")) < 0.99


def test_a_transposed_map_scores_lower_than_the_map(tmp_path, score, needed):
    score(write(tmp_path / "maps", needed, lambda photo: mask(photo).T))
    assert np.mean(column(tmp_path, "lift")) < 0.99


@pytest.mark.parametrize("kind", ["float16", "uint8", "bool", ">f8"])
def test_a_map_of_any_real_numbers_will_do(tmp_path, score, needed, kind):
    assert score(write(tmp_path / "maps", needed, lambda photo: outline(photo).astype(kind))).exit_code == 0
    assert column(tmp_path, "lift") == pytest.approx([1.0] * len(needed))


def test_a_map_in_column_order_is_read_as_it_is(tmp_path, score, needed):
    score(write(tmp_path / "maps", needed, lambda photo: np.asfortranarray(mask(photo))))
    assert column(tmp_path, "lift") == pytest.approx([1.0] * len(needed))


@pytest.mark.parametrize(
    "factor",
    [1e-30, 1e30, 1e-60, 1e60],
)
def test_how_large_the_numbers_are_is_no_matter(tmp_path, score, needed, factor):
    result = score(write(tmp_path / "maps", needed, lambda photo: outline(photo) * factor))
    if result.exception:
        raise result.exception
    assert column(tmp_path, "lift") == pytest.approx([1.0] * len(needed))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_refused_and_never_worth_nothing(tmp_path, score, needed, value):
    folder = write(tmp_path / "maps", needed, mask)
    bad = mask(needed[0])
    bad[3, 5] = value
    save(folder / "presence", needed[0].id, bad)
    line = one_clear_line(score(folder))
    assert str(folder / "presence" / f"{needed[0].id}.npy") in line
    assert "NaN or infinite" in line
    assert not (tmp_path / "results").exists()


# On the leaderboard


def ranked_text(tmp_path, suite, form: str, *more: str) -> str:
    command = ["rank", str(suite), "--out", str(tmp_path / "results"), "--format", form, *more]
    return CliRunner().invoke(main, command).stdout


def ranked(tmp_path, suite, *more: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(ranked_text(tmp_path, suite, "csv", *more))))


def test_maps_are_shown_on_the_leaderboard_beside_the_predictions(tmp_path, suite, score, needed):
    said = score(write(tmp_path / "maps", needed, mask), "--name", "oracle")
    (line,) = (line for line in said.stdout.splitlines() if "external" in line and "│" in line)
    assert line.count("1.000") >= 2
    (row,) = ranked(tmp_path, suite)
    assert (row["detector"], row["backbone"]) == ("external", "oracle")
    assert float(row["lift_sense"]) == float(row["lift_presence"]) == 1
    assert 0 < float(row["tail_share"]) < 1
    assert row["gate_randomisation"] == ""
    assert float(row["sense_forced"]) == 0.5


def test_a_model_with_maps_is_ranked_by_them_beside_those_of_the_harness(tmp_path, tiny_run, predictions, needed):
    out = shutil.copytree(tiny_run.home / "results", tmp_path / "results")
    folder = write(tmp_path / "maps", needed, mask)
    command = ["score", tiny_run.path, predictions, "--maps", folder, "--out", out]
    assert CliRunner().invoke(main, [str(word) for word in command]).exit_code == 0
    rows = ranked(tmp_path, tiny_run.path, "--metric", "lift_sense")
    assert (rows[0]["backbone"], rows[0]["rank"]) == ("mine", "1")
    assert all(float(row["lift_sense"]) < 1 for row in rows[1:] if row["lift_sense"])
    assert {row["backbone"] for row in rows[1:] if row["rank"]} == {"small_vgg@scratch"}


@pytest.mark.parametrize("target", TARGETS)
def test_maps_for_one_target_fill_only_its_column(tmp_path, suite, score, needed, target):
    assert score(write(tmp_path / "maps", needed, mask, targets=(target,))).exit_code == 0
    (row,) = ranked(tmp_path, suite)
    (other,) = set(TARGETS) - {target}
    assert float(row[f"lift_{target}"]) == 1
    assert row[f"lift_{other}"] == ""
    assert bool(row["tail_share"]) == (target == "sense")


def test_only_the_photographs_of_one_repeat_need_maps(tmp_path, score, write_suite):
    """Of five folds the fifth tests the same photographs as the first."""
    suite = write_suite(tmp_path / "five", folds=5)
    every = [render_photograph(RECIPE, index) for index in range(60)]
    senses = [photo for photo in every if photo.truth in ("CW", "CCW")]
    assert score(write(tmp_path / "maps", senses, mask), of=suite).exit_code == 0
    assert [bool(record.maps) for record in scored(tmp_path)] == [True, True, True, True, False]


def test_photographs_without_a_sense_need_no_map_and_a_map_of_one_changes_nothing(tmp_path, score, photographs, needed):
    score(write(tmp_path / "maps", needed, mask))
    before = [record.maps for record in scored(tmp_path)]
    rest = [photo for photo in photographs if photo not in needed]
    score(write(tmp_path / "maps", rest, lambda _: np.ones((2, 2))))
    assert [record.maps for record in scored(tmp_path)] == before


# Folders that are refused


def test_an_empty_folder_is_refused(tmp_path, score):
    (tmp_path / "maps").mkdir()
    line = one_clear_line(score(tmp_path / "maps"))
    assert str(tmp_path / "maps") in line
    assert "sense or presence" in line


def test_a_folder_that_is_not_there_is_refused(tmp_path, score):
    assert str(tmp_path / "gone") in one_clear_line(score(tmp_path / "gone"))


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, score, predictions):
    assert str(predictions) in one_clear_line(score(predictions))


def test_an_empty_folder_of_a_target_is_refused(tmp_path, score, needed):
    (tmp_path / "maps" / "sense").mkdir(parents=True)
    line = one_clear_line(score(tmp_path / "maps"))
    assert "no map for" in line
    assert ".npy" in line


def test_a_missing_map_is_named_with_how_many_are_missing(tmp_path, score, needed):
    folder = write(tmp_path / "maps", needed, mask)
    lost = [photo.id for photo in needed if photo.id < "00015"][:2]
    for name in lost:
        (folder / "presence" / f"{name}.npy").unlink()
    line = one_clear_line(score(folder))
    assert f"no map for {lost[0]!r} (2 are missing)" in line
    assert str(folder / "presence") in line


def raw(header: str, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin-1") + body


def header(shape: str, kind: str = "<f4") -> bytes:
    return raw(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")


def as_file(values: np.ndarray, **said) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **said)
    return stream.getvalue()


def as_archive(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, values)
    return stream.getvalue()


GOOD = as_file(np.ones((4, 5), np.float32))


WRONG = {
    "one dimension": as_file(np.ones(5)),
    "three dimensions": as_file(np.ones((4, 5, 3))),
    "a single number": as_file(np.float32(1)),
    "no pixel": as_file(np.ones((0, 5))),
    "complex numbers": as_file(np.ones((4, 5), np.complex64)),
    "words": as_file(np.array([["a", "b"]])),
    "dates": as_file(np.zeros((2, 2), "M8[s]")),
    "fields": as_file(np.zeros((2, 2), [("a", "f4")])),
    "objects": as_file(np.array([[{}]], object), allow_pickle=True),
    "a pickle": pickle.dumps([1, 2]),
    "an archive": as_archive(np.ones((4, 5))),
    "nothing": b"",
    "text": b"0.1,0.2\n0.3,0.4\n",
    "a picture": b"\x89PNG\r\n\x1a\n\x00",
    "a file cut short": GOOD[:-3],
    "a head cut short": GOOD[:40],
    "a negative side": header("(-1, 5)"),
    "a broken archive": b"PK\x03\x04garbage",
    "an open bracket in the head": raw("{'shape': (4,"),
    "a shape that fits no memory": header("(100000000, 100000000)"),
    "a shape that is no number": header(f"({10**23}, 3)"),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_what_is_no_map_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "bad.npy").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "bad.npy"))):
        read_map_file(tmp_path / "bad.npy")


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@example([(GOOD.index(b"}"), ord(" "))])
def test_a_damaged_map_is_read_or_refused_but_never_breaks(tmp_path_factory, changes):
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(bytes(content))
    with contextlib.suppress(DataError):
        assert read_map_file(path).ndim == 2


@pytest.mark.parametrize("target", TARGETS)
def test_one_map_that_is_refused_leaves_no_results_at_all(tmp_path, score, needed, target):
    folder = write(tmp_path / "maps", needed, mask)
    bad = folder / target / f"{needed[-1].id}.npy"
    bad.write_bytes(GOOD[:-3])
    assert str(bad) in one_clear_line(score(folder))
    assert not (tmp_path / "results").exists()


def test_a_pickle_is_never_opened(tmp_path, score, needed):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    folder = write(tmp_path / "maps", needed, mask)
    (folder / "sense" / f"{needed[0].id}.npy").write_bytes(pickle.dumps(Trap()))
    (folder / "presence" / f"{needed[0].id}.npy").write_bytes(as_file(np.array([[Trap()]], object), allow_pickle=True))
    one_clear_line(score(folder))
    assert not (tmp_path / "sprung").exists()


# Ids that are paths


@pytest.fixture
def named(tmp_path):
    """Return a function that makes a suite of photographs of one's own with the names given, and predictions of it."""

    def make(*names: str) -> tuple[Path, Path, list[Photomicrograph]]:
        rendered = [render_photograph(RECIPE, index) for index in range(40)]
        by_class = {name: [photo for photo in rendered if photo.truth == name] for name in ("CW", "CCW", "none")}
        training = [photo for found in by_class.values() for photo in found[:2]]
        tested = [replace(photo, id=name, group=name) for name, photo in zip(names, by_class["CW"][2:], strict=False)]
        assert len(tested) == len(names)
        export_coco([*training, *tested], tmp_path / "own" / "photos")
        rows = [f"f0,train,{photo.id}" for photo in training] + [f"f0,test,{photo.id}" for photo in tested]
        (tmp_path / "own" / "split.csv").write_text("\n".join(["fold,role,id", *rows]) + "\n", encoding="utf-8")
        suite = tmp_path / "own" / "own.toml"
        suite.write_text(
            'name = "own"\nversion = 1\nsplit = "split.csv"\nbackbones = ["majority"]\n'
            '[data]\nsource = "coco"\npath = "photos"\n',
            encoding="utf-8",
        )
        said = tmp_path / "own.csv"
        said.write_text("id,none,CW,CCW\n" + "".join(f"{name},0.2,0.5,0.3\n" for name in names), encoding="utf-8")
        return suite, said, tested

    return make


@pytest.mark.parametrize("name", ["with/1.jpg", "with/deep/3.jpg", "a.b/ü 7"])
def test_a_folder_in_an_id_is_a_folder_of_maps(tmp_path, score, named, name):
    suite, said, tested = named(name, "other")
    assert score(write(tmp_path / "maps", tested, mask), of=suite, said=said).exit_code == 0
    assert [value for t in tables(tmp_path, name="own") for value in t.values["lift"]] == pytest.approx([1.0, 1.0])


def test_the_suffix_of_the_picture_may_be_left_out(tmp_path, score, named):
    suite, said, tested = named("with/1.jpg", "with/deep/2.png")
    for photo in tested:
        save(tmp_path / "maps" / "sense", photo.id.rpartition(".")[0], mask(photo))
    assert score(tmp_path / "maps", of=suite, said=said).exit_code == 0
    assert [value for t in tables(tmp_path, name="own") for value in t.values["lift"]] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("names", [("with/1.jpg", "with/1.png"), ("site.1", "site.2")])
def test_one_map_is_never_taken_for_two_photographs(tmp_path, score, named, names):
    suite, said, tested = named(*names)
    save(tmp_path / "maps" / "sense", names[0].rpartition(".")[0], mask(tested[0]))
    one_clear_line(score(tmp_path / "maps", of=suite, said=said))


@pytest.mark.parametrize("name", ["../5", "../../5", "with/../../5", "../sense2/5"])
def test_an_id_never_leads_out_of_the_folder(tmp_path, score, named, name):
    suite, said, tested = named(name, "other")
    write(tmp_path / "deep" / "maps", tested[1:], mask)
    for target in TARGETS:
        save(tmp_path / "deep" / "maps" / target, name, mask(tested[0]))
    line = one_clear_line(score(tmp_path / "deep" / "maps", of=suite, said=said))
    assert f"no map for {name!r}" in line


def test_an_id_that_is_an_absolute_path_is_not_read(tmp_path, score, named):
    name = str(tmp_path / "secret")
    suite, said, tested = named(name, "other")
    write(tmp_path / "maps", tested[1:], mask)
    np.save(tmp_path / "secret.npy", mask(tested[0]))
    assert "no map for" in one_clear_line(score(tmp_path / "maps", of=suite, said=said))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path, score, needed):
    folder = write(tmp_path / "maps", needed, mask)
    inside = folder / "sense" / f"{needed[0].id}.npy"
    inside.rename(tmp_path / "outside.npy")
    inside.symlink_to(tmp_path / "outside.npy")
    assert str(folder / "sense") in one_clear_line(score(folder))


def test_photographs_without_outlines_need_no_maps_and_the_table_says_why(tmp_path, score):
    rows = ["fold,role,id"]
    for label in ("CW", "CCW", "none"):
        for number in range(2):
            path = tmp_path / "own" / "photos" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 9, 3), 40 * number + len(label), np.uint8)).save(path)
            rows.append(f"f0,{'test' if number else 'train'},{label}/{number}.png")
    (tmp_path / "own" / "split.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "own" / "own.toml").write_text(
        'name = "own"\nversion = 1\nsplit = "split.csv"\nbackbones = ["majority"]\n'
        '[data]\nsource = "folders"\npath = "photos"\n',
        encoding="utf-8",
    )
    said = tmp_path / "own.csv"
    said.write_text("id,none,CW,CCW\n" + "".join(f"{n}/1.png,0.2,0.5,0.3\n" for n in ("CW", "CCW", "none")))
    (tmp_path / "maps" / "sense").mkdir(parents=True)
    assert score(tmp_path / "maps", of=tmp_path / "own" / "own.toml", said=said).exit_code == 0
    (row,) = ranked(tmp_path, tmp_path / "own" / "own.toml")
    assert row["lift_sense"] == ""
    shown = json.loads(ranked_text(tmp_path, tmp_path / "own" / "own.toml", "json"))["rows"][0]["scores"]
    assert "no test photograph has a sense and an outline" in shown["lift_sense"]["reason"]


def test_what_maps_score_does_not_depend_on_the_predictions(tmp_path, score, needed, predictions):
    folder = write(tmp_path / "maps", needed, mask)
    score(folder)
    before = [record.maps for record in scored(tmp_path)]
    predictions.write_text(predictions.read_text().replace("0.2,0.5,0.3", "0.5,0.2,0.3"), encoding="utf-8")
    score(folder)
    assert [record.maps for record in scored(tmp_path)] == before


def test_scoring_again_without_maps_leaves_none(tmp_path, suite, score, needed, predictions):
    score(write(tmp_path / "maps", needed, mask))
    command = ["score", str(suite), str(predictions), "--out", str(tmp_path / "results")]
    assert CliRunner().invoke(main, command).exit_code == 0
    assert not any(record.maps for record in scored(tmp_path))

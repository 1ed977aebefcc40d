"""Suite files: what they may say, how they are refused, and what their digest covers."""

from __future__ import annotations

import re

import pytest

from clastbench.data.splits import read_split
from clastbench.errors import ClastbenchError, DataError, SuiteError, UnknownNameError
from clastbench.run.inputs import open_source
from clastbench.run.plan import plan
from clastbench.suite import DEFAULTS, load_suite, sha256_of_json, suite_names


def rewritten(path, old: str, new: str) -> str:
    """Change the text of a suite file, which must hold `old`."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def refusal(path: str) -> str:
    with pytest.raises(SuiteError) as raised:
        load_suite(path)
    said = str(raised.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("name", suite_names())
def test_a_shipped_suite_loads_and_its_split_fits_its_photographs(name):
    suite = load_suite(name)
    source = open_source(suite, None)
    named = {i for fold in suite.folds.folds.values() for ids in fold.roles().values() for i in ids}
    assert named
    assert named <= source.ids
    assert suite.name == name


@pytest.mark.parametrize("name", suite_names())
def test_a_shipped_suite_can_be_planned_without_its_photographs(name):
    suite = load_suite(name)
    made = plan(
        suite,
        open_source(suite, None),
        detectors=suite.detectors,
        backbones=("majority", "chance"),
        explainers=suite.explainers,
        seeds=suite.seeds,
        device="cpu",
        download=False,
    )
    sure = sum(name in ("whole-image", "ground-truth") for name in suite.detectors)
    folds = len(suite.one_repeat) if suite.detection.one_repeat else len(suite.folds.folds)
    a_seed = 2 * (sure * len(suite.folds.folds) + (len(suite.detectors) - sure) * folds)
    assert len(made.cells) == len(suite.seeds) * a_seed
    assert not made.broken


def test_the_photographs_of_agu2021_and_their_split_are_pinned():
    # Everything published on these photographs rests on them; they must not change under an old version number.
    suite = load_suite("agu2021")
    assert suite.version == 2
    assert len(open_source(suite, None).ids) == 202
    assert len(suite.folds.folds) == 25


def test_an_unknown_suite_is_answered_with_the_nearest_name():
    with pytest.raises(
        UnknownNameError, match=r"Unknown suite 'quik'\. Did you mean 'quick'\? Available: agu2021, quick"
    ):
        load_suite("quik")


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.toml: no such suite file"):
        load_suite(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("version = 1", "version = 1\nbackbone = 'x'", "backbone"),
        ('source = "synth"', 'source = "synth"\npath = "x"', "data.synth.path"),
        ("[training.scratch]", "[training.scratch]\nepoch = 3", "training.scratch.epoch"),
        ("[training.scratch]", "[training.skratch]", "training.skratch"),
        ("[crops]", "[crops]\npadding = 1", "crops.padding"),
    ],
)
def test_an_unknown_key_is_refused_by_file_and_field(tiny_suite, old, new, field):
    said = refusal(rewritten(tiny_suite, old, new))
    assert str(tiny_suite) in said
    assert field in said


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("version = 1", "version = 'one'", "version"),
        ("version = 1", "version = 0", "version"),
        ('name = "tiny"', 'name = "../tiny"', "name"),
        ("seeds = [0]", "seeds = []", "seeds"),
        ("seeds = [0]", "seeds = 'none'", "seeds"),
        ("epochs = 1", "epochs = 0", "training.scratch.epochs"),
        ("epochs = 1", "epochs = 'many'", "training.scratch.epochs"),
        ("learning_rate = 1e-3\nsize = [32, 48]", "learning_rate = -1.0", "training.scratch.learning_rate"),
        ("size = [32, 48]", "size = [32]", "training.scratch.size"),
        ('schedule = "constant"', "schedule = 'cosine'", "training.scratch.schedule"),
        ('source = "synth"', 'source = "cloud"', "data"),
        ('split = "split.csv"', "", "split"),
        ("context = 1.25", "context = 0.5", "crops.context"),
        ("jitter = 0.1", "jitter = 2", "crops.jitter"),
    ],
)
def test_an_impossible_value_is_refused_by_file_and_field(tiny_suite, old, new, field):
    said = refusal(rewritten(tiny_suite, old, new))
    assert str(tiny_suite) in said
    assert field in said


def test_an_impossible_recipe_is_refused_by_field_and_value(tiny_suite):
    said = refusal(rewritten(tiny_suite, "width = 96", "width = 3"))
    assert "width" in said
    assert "3" in said


@pytest.mark.parametrize("text", ["name = ", "name = 'a'\nname = 'b'", "[[", "\ufeff\x00"])
def test_a_file_that_is_not_toml_is_refused(tiny_suite, text):
    tiny_suite.write_text(text, encoding="utf-8")
    assert "not valid TOML" in refusal(str(tiny_suite))


def test_a_file_that_is_not_text_is_refused(tiny_suite):
    tiny_suite.write_bytes(b"\xff\xfe\x00\x01")
    assert "not valid TOML" in refusal(str(tiny_suite))


def test_a_missing_split_is_named(tiny_suite):
    suite = load_suite(rewritten(tiny_suite, "split.csv", "other.csv"))
    with pytest.raises(SuiteError, match=r"other\.csv"):
        _ = suite.folds


def test_a_split_that_names_an_unknown_photograph_is_refused(tiny_suite):
    with (tiny_suite.parent / "split.csv").open("a", encoding="utf-8") as file:
        file.write("f0,test,00060\n")
    suite = load_suite(str(tiny_suite))
    with pytest.raises(SuiteError, match="split names '00060'"):
        plan(suite, open_source(suite, None), detectors=(), backbones=(), explainers=(), seeds=(0,), device="cpu")


def test_a_limit_takes_the_first_of_every_role(tiny_suite):
    whole, cut = load_suite(str(tiny_suite)).folds.folds["f0"], load_suite(str(tiny_suite), limit=5).folds.folds["f0"]
    assert (cut.train, cut.validation, cut.test) == (whole.train[:5], whole.validation[:5], whole.test[:5])


def test_a_limited_suite_has_another_folder_and_another_digest(tiny_suite):
    whole, cut = load_suite(str(tiny_suite)), load_suite(str(tiny_suite), limit=5)
    assert cut.shown_name == "tiny-limit5"
    assert whole.digest("d") != cut.digest("d")


def test_a_limit_beyond_the_photographs_changes_no_split(tiny_suite):
    assert load_suite(str(tiny_suite), limit=99).folds == load_suite(str(tiny_suite)).folds


CHANGES = {
    "version": ("version = 1", "version = 2"),
    "seeds": ("seeds = [0]", "seeds = [0, 1]"),
    "recipe": ("epochs = 1", "epochs = 2"),
    "threads": ("version = 1", "version = 1\nthreads = 2"),
    "crops": ("context = 1.25", "context = 2"),
    "name": ('name = "tiny"', 'name = "small"'),
}
SAME = {
    "title": ("For tests", "Something else"),
    "backbones": ('"majority", ', ""),
    "detectors": ('"whole-image", ', ""),
    "comment": ("version = 1", "version = 1  # the first"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_the_digest_changes_with_what_makes_scores_comparable(tiny_suite, old, new):
    before = load_suite(str(tiny_suite)).digest("d")
    assert load_suite(rewritten(tiny_suite, old, new)).digest("d") != before


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME)
def test_the_digest_does_not_change_with_who_takes_part(tiny_suite, old, new):
    before = load_suite(str(tiny_suite)).digest("d")
    assert load_suite(rewritten(tiny_suite, old, new)).digest("d") == before


def test_the_digest_changes_with_the_data(tiny_suite):
    suite = load_suite(str(tiny_suite))
    assert suite.digest("d") != suite.digest("e")


def test_the_digest_changes_with_the_recipe_of_the_photographs(tiny_suite):
    before = open_source(load_suite(str(tiny_suite)), None).digest
    assert open_source(load_suite(rewritten(tiny_suite, "seed = 7", "seed = 8")), None).digest != before


def test_the_digest_changes_with_the_split(tiny_suite):
    before = load_suite(str(tiny_suite)).digest("d")
    split = tiny_suite.parent / "split.csv"
    rows = split.read_text(encoding="utf-8").splitlines()
    split.write_text("\n".join([rows[0], rows[2], rows[1], *rows[3:]]) + "\n", encoding="utf-8")
    assert read_split(split).folds.keys() == {"f0"}
    assert load_suite(str(tiny_suite)).digest("d") != before


def test_the_digest_does_not_depend_on_where_the_file_lies(tmp_path, write_suite):
    one, other = write_suite(tmp_path / "a"), write_suite(tmp_path / "b" / "c")
    assert load_suite(str(one)).digest("d") == load_suite(str(other)).digest("d")


def test_a_mode_without_a_recipe_has_the_default_one(tiny_suite):
    assert load_suite(str(tiny_suite)).recipe("finetune") == DEFAULTS["finetune"]


@pytest.mark.parametrize("mode", ["frozen", "finetune", "scratch"])
def test_stating_a_default_changes_no_digest(tiny_suite, mode):
    text = re.sub(r"\[training\.[\s\S]*", "", tiny_suite.read_text(encoding="utf-8"))
    tiny_suite.write_text(text, encoding="utf-8")
    before = load_suite(str(tiny_suite)).digest("d")
    stated = {name: value for name, value in DEFAULTS[mode].model_dump().items() if value is not None}
    lines = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for name, value in stated.items()
    ]
    tiny_suite.write_text("\n".join([text, f"[training.{mode}]", *lines]), encoding="utf-8")
    assert load_suite(str(tiny_suite)).digest("d") == before


def test_a_canonical_digest_knows_no_order_and_refuses_nan():
    assert sha256_of_json({"a": 1, "b": [2]}) == sha256_of_json({"b": [2], "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        sha256_of_json({"a": float("inf")})


def test_every_refusal_of_a_suite_exits_with_2():
    assert all(error.exit_code == 2 for error in (SuiteError, DataError, UnknownNameError))
    assert issubclass(SuiteError, ClastbenchError)

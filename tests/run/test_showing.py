"""Photographs to be looked at: found in folders, suites and recipes, put together by what they show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clastbench.data import export_coco
from clastbench.errors import DataError, SuiteError, UnknownNameError, UsageError
from clastbench.run.showing import kind_of, light_of, open_shown
from clastbench.synth import LEVELS, Recipe, at_level, render_photograph

RECIPE = Recipe(seed=7, n_images=60, width=96, height=64)
"""That of the small suite."""

IN_DATA = """
[data]
source = "synth"
recipe = { level = "medium", seed = 7, n_images = 60, width = 96, height = 64 }
"""
IN_RECIPE = """
[recipe]
seed = 7
n_images = 60
width = 96
height = 64
"""
BARE = IN_RECIPE.replace("[recipe]", "")

UNDER_CONDITIONS = """fold,role,id
f0,train,00003
f0,validation,00005
f0,test,00001
f0,test,00001~light=grey
f0,test,00001~blur=2.5
"""


@pytest.fixture
def recipe_file(tmp_path):
    """Return a function that writes a file and gives its path as text."""

    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photographs on disk, of one of which kind and light are not known."""
    shown = [render_photograph(RECIPE, index) for index in range(6)]
    bare = replace(shown[0], id="bare", group="bare", sha256="0" * 64, attributes={}, light=None, clasts=())
    path = tmp_path_factory.mktemp("shown") / "photos"
    export_coco([*shown, bare], path)
    return path


def ids(photographs) -> list[str]:
    return [photo.id for photo in photographs]


def test_a_suite_shows_the_photographs_that_its_split_names_and_those_under_conditions_last(tmp_path, write_suite):
    shown = open_shown(str(write_suite(tmp_path, split=UNDER_CONDITIONS)))
    assert ids(shown.first(None)) == ["00001", "00003", "00005", "00001~blur=2.5", "00001~light=grey"]
    assert ids(shown.first(2)) == ["00001", "00003"]
    assert shown.first(None)[-1].light == "grey"


@pytest.mark.parametrize("identity", ["00070", "00001~blur=x", "1"])
def test_a_split_that_names_an_impossible_photograph_is_refused(tmp_path, write_suite, identity):
    suite = write_suite(tmp_path, split=UNDER_CONDITIONS.replace("00003", identity))
    with pytest.raises(SuiteError):
        open_shown(str(suite))


@pytest.mark.parametrize("what", ["kind", "light"])
def test_generated_photographs_are_put_together_by_what_they_say_of_themselves(tiny_suite, what):
    value_of = {"kind": kind_of, "light": light_of}[what]
    groups = open_shown(str(tiny_suite)).by(what, 4)
    easy = Recipe(**at_level({"level": "easy", "seed": 7, "n_images": 60, "width": 96, "height": 64}))
    every = [render_photograph(easy, index) for index in range(60)]
    expected = {value: [photo.id for photo in every if value_of(photo) == value] for value in map(value_of, every)}
    assert {group.label.split()[1]: ids(group.photographs) for group in groups} == {
        value: found[:4] for value, found in expected.items()
    }
    for group in groups:
        assert group.label in {
            f"{what}: {value} ({f'4 of {len(found)}' if len(found) > 4 else len(found)})"
            for value, found in expected.items()
        }


def test_groups_come_in_the_order_of_the_generator(recipe_file):
    shown = open_shown(recipe_file(IN_DATA))
    kinds = [group.label.split()[1] for group in shown.by("kind", 1)]
    assert kinds == [kind for kind in ("sigma", "delta", "complex", "fish", "phi", "theta", "free") if kind in kinds]
    assert len(kinds) > 4


def test_by_level_the_same_indices_are_drawn_at_every_level(recipe_file):
    groups = open_shown(recipe_file(IN_DATA)).by("level", 2)
    assert [group.label for group in groups] == [f"level: {level}" for level in LEVELS]
    assert [ids(group.photographs) for group in groups] == [
        [f"0000{index}~level={level}" for index in (0, 1)] for level in LEVELS
    ]


def test_under_conditions_an_index_is_drawn_once_a_level(tmp_path, write_suite):
    groups = open_shown(str(write_suite(tmp_path, split=UNDER_CONDITIONS))).by("level", 9)
    assert ids(groups[0].photographs) == ["00001~level=easy", "00003~level=easy", "00005~level=easy"]


def test_photographs_on_disk_are_put_together_with_the_unknown_last(folder):
    shown = open_shown(str(folder))
    for what in ("kind", "light"):
        groups = shown.by(what, 9)
        assert sum(len(group.photographs) for group in groups) == 7
        assert groups[-1].label == f"{what}: not known (1)"


def test_a_photograph_that_states_no_kind_has_that_of_its_first_clast_that_counts():
    shown = next(photo for photo in (render_photograph(RECIPE, i) for i in range(60)) if photo.clasts)
    first = replace(shown.clasts[0], kind="fish", ignore=False, primary=True)
    clasts = (replace(first, kind="theta", primary=False), replace(first, kind="phi", ignore=True), first)
    assert kind_of(replace(shown, attributes={}, clasts=clasts)) == "fish"
    assert kind_of(replace(shown, attributes={}, clasts=clasts[:2])) == "not known"


def test_photographs_on_disk_have_no_levels(folder):
    with pytest.raises(UsageError, match="only generated photographs have levels"):
        open_shown(str(folder)).by("level", 3)


@pytest.mark.parametrize("text", [IN_DATA, IN_RECIPE, BARE])
def test_a_recipe_may_stand_alone(recipe_file, text):
    shown = open_shown(recipe_file(text))
    assert ids(shown.first(None)) == [f"{index:05d}" for index in range(60)]
    assert shown.first(1)[0].sha256 == render_photograph(RECIPE, 0).sha256


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (IN_DATA.replace("seed = 7, ", ""), "recipe.seed"),
        (IN_DATA.replace("medium", "brutal"), "level is 'brutal'"),
        (IN_DATA.replace("n_images = 60", "n_images = 60, blurr = 1"), "recipe.blurr"),
        (IN_DATA.replace("width = 96", "width = 9"), "width is 9"),
        ('[data]\nsource = "coco"\n', "source"),
        ("data = 7", "recipe"),
        ("recipe = 7", "recipe"),
        ("", "recipe.seed"),
    ],
)
def test_a_file_that_is_neither_suite_nor_recipe_is_refused_with_its_name_and_the_field(recipe_file, text, words):
    with pytest.raises(SuiteError, match=rf"mine\.toml: is no suite, since it names no split.*{words}") as caught:
        open_shown(recipe_file(text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_toml_or_not_there_is_refused_as_a_suite(recipe_file, tmp_path):
    with pytest.raises(SuiteError, match="not valid TOML"):
        open_shown(recipe_file("seed ="))
    with pytest.raises(DataError, match="no such suite file"):
        open_shown(str(tmp_path / "gone.toml"))


def test_what_is_neither_a_suite_nor_a_folder_is_refused(tmp_path):
    with pytest.raises((DataError, UnknownNameError), match="gone"):
        open_shown(str(tmp_path / "gone"))

"""A split may name generated photographs under conditions; a run knows them, or refuses before it starts."""

import pytest
from drawn_scenes import recipe

from clastbench.data.splits import Fold, Split
from clastbench.errors import DataError, SuiteError
from clastbench.run.inputs import Generated, look_up, open_photographs, open_source, render_shard
from clastbench.run.session import Choice, Places, Session
from clastbench.suite import load_suite
from clastbench.synth import recipe_digest

RECIPE = recipe(n_images=240)
CONDITIONS = ("blur=1.5", "scale-bar=reversed")


def generated(*named):
    plain = {f"{index:05d}" for index in range(RECIPE.n_images)}
    return Generated(RECIPE, recipe_digest(RECIPE), frozenset(plain | set(named)))


def split(train, test, validation=()):
    return Split({"f0": Fold("f0", tuple(train), tuple(validation), tuple(test))})


def test_photographs_are_rendered_by_the_hundred():
    nodes = generated().nodes(["00003", "00099", "00100", "00239"])
    assert set(nodes) == {"pictures/0000", "pictures/0001", "pictures/0002"}
    assert [(node.spec["start"], node.spec["stop"]) for node in nodes.values()] == [(0, 100), (100, 200), (200, 240)]


def test_each_condition_has_its_own_shards():
    nodes = generated().nodes(["00003", "00003~blur=1.5", "00100~blur=1.5", "00003~turned"])
    assert {name: node.spec.get("condition") for name, node in nodes.items()} == {
        "pictures/0000": None,
        "pictures/blur=1.5/0000": "blur=1.5",
        "pictures/blur=1.5/0001": "blur=1.5",
        "pictures/turned/0000": "turned",
    }


def test_the_shards_of_two_conditions_have_two_keys():
    nodes = generated().nodes(["00003", "00003~blur=1.5", "00003~blur=2.5"])
    assert len({str(sorted(node.spec.items())) for node in nodes.values()}) == 3


def test_what_is_rendered_under_a_condition_is_read_back_by_its_id(tmp_path):
    plain, blurred = tmp_path / "a", tmp_path / "b"
    for folder, condition in ((plain, ""), (blurred, "blur=1.5")):
        folder.mkdir()
        render_shard(RECIPE, 4, 7, condition, folder)
    found = open_photographs({}, {"pictures/0000": plain, "pictures/blur=1.5/0000": blurred}, "")
    names = [f"{index:05d}{end}" for end in ("", "~blur=1.5") for index in (4, 5, 6)]
    assert list(found) == names
    for expected in look_up(generated("00004~blur=1.5"), ["00004", "00004~blur=1.5"]):
        record = found[expected.id]
        assert (record.load() == expected.load()).all()
        assert record.clasts == expected.clasts
        assert record.artefacts == expected.artefacts
        assert (record.truth, record.group, record.sha256) == (expected.truth, expected.group, expected.sha256)


def test_an_id_that_the_split_does_not_name_is_not_known():
    with pytest.raises(DataError, match="'00004~blur=2' is not among"):
        look_up(generated(), ["00004~blur=2"])


def test_conditions_of_the_test_photographs_fit():
    generated("00101~blur=1.5").check(split(["00001"], ["00101", "00101~blur=1.5"]))


def test_a_scene_that_crosses_roles_under_another_condition_is_refused():
    with pytest.raises(SuiteError, match=r"Fold f0: scene 00001 is in train and in test \('00001~blur=1\.5'\)"):
        generated("00001~blur=1.5").check(split(["00001"], ["00002", "00001~blur=1.5"]))


def test_a_scene_may_change_roles_between_folds():
    folds = {
        name: Fold(name, (one,), (), (other,))
        for name, one, other in (("a", "00001", "00002"), ("b", "00002", "00001"))
    }
    generated().check(Split(folds))


def test_a_photograph_beyond_the_last_is_refused_by_its_id():
    with pytest.raises(SuiteError, match="names '00240~turned'; there are 240 photographs"):
        generated("00240~turned").check(split(["00001"], ["00240~turned"]))


@pytest.mark.parametrize("condition", ["fog=1", "blur=much", "scale-bar=perhaps"])
def test_an_unknown_condition_is_refused_by_name(condition):
    with pytest.raises(SuiteError, match=f"The condition '{condition}' is unknown"):
        generated(f"00002~{condition}").check(split(["00001"], [f"00002~{condition}"]))


def written(write_suite, tmp_path, *further):
    """A suite whose test photographs are also asked for under conditions."""
    rows = ["fold,role,id"]
    for place in range(60):
        role = "train" if place < 36 else "validation" if place < 45 else "test"
        rows.append(f"f0,{role},{place:05d}")
    return write_suite(tmp_path / "suite", split="\n".join([*rows, *further]) + "\n", backbones=["majority"])


def planned(path, tmp_path):
    places = Places(store=tmp_path / "runs", out=tmp_path / "results")
    return Session(load_suite(str(path)), places, Choice(device="cpu", jobs=0), download=False)


def test_a_suite_knows_the_photographs_that_its_split_names(write_suite, tmp_path):
    named = [f"000{place}~{condition}" for condition in CONDITIONS for place in (50, 51)]
    path = written(write_suite, tmp_path, *(f"f0,test,{name}" for name in named))
    source = open_source(load_suite(str(path)), None)
    assert set(named) < source.ids
    assert len(source.ids) == 60 + len(named)


def test_a_run_renders_the_shards_of_the_conditions_too(write_suite, tmp_path):
    path = written(write_suite, tmp_path, *(f"f0,test,00050~{condition}" for condition in CONDITIONS))
    planned(path, tmp_path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("f0,test,00050~fog=1", "The condition 'fog=1' is unknown"),
        ("f0,test,00001~blur=1.5", "scene 00001 is in train and in test"),
        ("f0,test,00077~blur=1.5", "names '00077~blur=1.5'; there are 60 photographs"),
        ("f0,test,50~blur=1.5", "'50~blur=1.5' is no generated photograph"),
    ],
)
def test_a_run_is_refused_when_it_is_planned(write_suite, tmp_path, row, said):
    path = written(write_suite, tmp_path, row)
    with pytest.raises(SuiteError, match=said):
        planned(path, tmp_path)
    assert not list(tmp_path.glob("runs/*"))

"""Splits keep families together, classes spread, and say where they contradict themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clastbench.data.augment import mirror_photograph
from clastbench.data.families import families_of
from clastbench.data.splits import Fold, Split, check_split, make_split, read_split, write_split
from clastbench.errors import SuiteError
from clastbench.records import Photomicrograph


def photo(number, truth="CW", group=None, sha256=None):
    name = f"p{number}"
    return Photomicrograph(
        id=name,
        pixels=lambda: None,
        sha256=sha256 or name,
        truth=truth,
        present=truth != "none",
        group=group or name,
        attributes={"width": "4"},
    )


def some(counts):
    truths = [truth for truth, count in counts.items() for _ in range(count)]
    return [photo(number, truth) for number, truth in enumerate(truths)]


@st.composite
def collections(draw):
    """Return photographs with shared groups, shared bytes and mirror twins."""
    truths = draw(st.lists(st.sampled_from(["CW", "CCW", "none", None]), min_size=12, max_size=40))
    groups = draw(st.lists(st.integers(0, 25), min_size=len(truths), max_size=len(truths)))
    bytes_ = draw(st.lists(st.integers(0, 60), min_size=len(truths), max_size=len(truths)))
    made = [
        photo(number, truth, f"g{group}", f"s{same}")
        for number, (truth, group, same) in enumerate(zip(truths, groups, bytes_, strict=True))
    ]
    twins = [mirror_photograph(made[index]) for index in draw(st.sets(st.integers(0, len(made) - 1), max_size=5))]
    return made + twins


@settings(deadline=None, max_examples=60)
@given(collections(), st.integers(2, 5), st.integers(0, 9))
def test_no_family_ever_crosses_a_split(photographs, folds, seed):
    families = families_of(photographs)
    if len(set(families.values())) < folds:
        return
    for fold in make_split(photographs, folds=folds, repeats=2, seed=seed).folds.values():
        roles = [{families[identity] for identity in ids} for ids in fold.roles().values()]
        assert not roles[0] & roles[1]
        assert not roles[0] & roles[2]
        assert not roles[1] & roles[2]


@settings(deadline=None, max_examples=30)
@given(collections(), st.integers(0, 9))
def test_every_photograph_is_tested_once_a_repeat_and_always_has_a_role(photographs, seed):
    if len(set(families_of(photographs).values())) < 3:
        return
    split = make_split(photographs, folds=3, repeats=2, seed=seed)
    ids = sorted(item.id for item in photographs)
    for repeat in ("r1", "r2"):
        tested = [identity for name, fold in split.folds.items() if name.startswith(repeat) for identity in fold.test]
        assert sorted(tested) == ids
    for fold in split.folds.values():
        assert sorted(fold.train + fold.validation + fold.test) == ids


@settings(deadline=None, max_examples=40)
@given(st.integers(5, 70), st.integers(5, 40), st.integers(5, 100), st.integers(0, 99))
def test_single_photographs_are_spread_to_within_one_of_their_quota(cw, ccw, none, seed):
    photographs = some({"CW": cw, "CCW": ccw, "none": none})
    truths = {item.id: item.truth for item in photographs}
    split = make_split(photographs, folds=5, repeats=1, seed=seed)
    for fold in split.folds.values():
        tested = Counter(truths[identity] for identity in fold.test)
        assert all(abs(tested[name] - count / 5) < 1 for name, count in (("CW", cw), ("CCW", ccw), ("none", none)))
    sizes = [len(fold.test) for fold in split.folds.values()]
    assert max(sizes) - min(sizes) <= 1


def test_validation_is_a_share_of_what_is_not_tested():
    split = make_split(some({"CW": 100, "CCW": 100}), folds=5, repeats=1, validation=0.15)
    assert {(len(f.test), len(f.validation), len(f.train)) for f in split.folds.values()} == {(40, 24, 136)}


def test_one_fold_is_a_holdout():
    split = make_split(some({"CW": 50, "CCW": 50}), folds=1, test=0.2, validation=0.25)
    fold = split.folds["holdout"]
    assert (len(split.folds), len(fold.test), len(fold.validation), len(fold.train)) == (1, 20, 20, 60)


def test_the_seed_alone_decides_and_the_order_of_the_photographs_does_not():
    photographs = some({"CW": 20, "CCW": 11, "none": 30})
    assert make_split(photographs, seed=3) == make_split(photographs[::-1], seed=3)
    assert make_split(photographs, seed=3) != make_split(photographs, seed=4)


def test_repeats_differ():
    split = make_split(some({"CW": 20, "CCW": 20}), repeats=2)
    assert set(split.folds["r1f1"].test) != set(split.folds["r2f1"].test)


def test_the_first_ids_of_a_role_are_a_fair_sample():
    photographs = some({"CW": 100, "CCW": 100})
    truths = {item.id: item.truth for item in photographs}
    first = Counter(truths[identity] for fold in make_split(photographs).folds.values() for identity in fold.train[:10])
    assert 80 < first["CW"] < 170


def test_too_few_photographs_are_refused():
    with pytest.raises(SuiteError, match="2 independent photographs cannot fill 5 folds"):
        make_split(some({"CW": 1, "CCW": 1}))


def test_links_between_photographs_chain():
    chain = [photo(1, group="g"), photo(2, group="g", sha256="s"), photo(3, sha256="s"), photo(4)]
    twin = replace(photo(9), id="p3~mirror")
    families = families_of([*chain, twin])
    assert len({families[name] for name in ("p1", "p2", "p3", "p3~mirror")}) == 1
    assert families["p4"] != families["p1"]


def test_a_split_survives_its_file(tmp_path):
    split = make_split(some({"CW": 7, "CCW": 7}), folds=3, repeats=1)
    write_split(split, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv") == split
    assert read_split(tmp_path / "split.csv").digest == split.digest


def test_the_digest_knows_every_id_role_and_place():
    def digest(train, test):
        return Split({"f": Fold("f", train, (), test)}).digest

    assert len({digest(("a", "b"), ("c",)), digest(("b", "a"), ("c",)), digest(("a",), ("b", "c"))}) == 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("fold,role\nf,train", "line 1: the header"),
        ("fold,role,id\nf,train,a\nf,trian,b", "line 3: the role 'trian' is unknown; expected one of train"),
        ("fold,role,id\nf,train,a\nf,train,a", "line 3: 'a' is listed twice in fold f"),
        ("fold,role,id\nf,train,a\nf,test,a", "line 3: 'a' is in fold f both as train and as test"),
        ("fold,role,id\nf,train", "line 2: expected fold,role,id"),
        ("fold,role,id\nf,train,", "line 2: expected fold,role,id"),
        ("fold,role,id\n", "no rows"),
        ("", "line 1: the header"),
    ],
)
def test_a_contradictory_file_is_refused_by_line(tmp_path, rows, words):
    path = tmp_path / "split.csv"
    path.write_text(rows)
    with pytest.raises(SuiteError, match=rf"split\.csv: .*{words}"):
        read_split(path)


def test_a_missing_split_is_refused(tmp_path):
    with pytest.raises(SuiteError, match="cannot be read"):
        read_split(tmp_path / "split.csv")


def one_fold(train, test, validation=()):
    return Split({"f1": Fold("f1", tuple(train), tuple(validation), tuple(test))})


def test_unknown_ids_are_refused():
    with pytest.raises(SuiteError, match="f1: 1 ids are not in the data, the first is 'p7'"):
        check_split(one_fold(["p0"], ["p7"]), [photo(0)])


def test_a_group_in_two_roles_is_refused():
    with pytest.raises(SuiteError, match=r"'p0' \(train\) and 'p1' \(test\) belong together"):
        check_split(one_fold(["p0"], ["p1"]), [photo(0, group="g"), photo(1, group="g")])


def test_a_mirrored_twin_never_crosses_a_split():
    parent = photo(0)
    twin = replace(mirror_photograph(parent), group="elsewhere")
    with pytest.raises(SuiteError, match=r"'p0~mirror' \(test\) belong together"):
        check_split(one_fold(["p0"], ["p0~mirror"]), [parent, twin])


def test_the_same_file_under_two_names_never_crosses_a_split():
    with pytest.raises(SuiteError, match="belong together"):
        check_split(one_fold(["p0"], [], ["p1"]), [photo(0, sha256="s"), photo(1, sha256="s")])


def test_a_class_with_nothing_to_train_on_is_named():
    with pytest.raises(SuiteError, match="f1: nothing to train on for the class CCW"):
        check_split(one_fold(["p0"], ["p1"]), [photo(0), photo(1, "CCW")])

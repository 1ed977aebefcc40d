"""Which part of which photograph becomes an input, and how boxes become a photograph's answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clastbench.records import CLASSES, Boxes, Clast, Photomicrograph
from clastbench.run.answers import of_photographs, predictions, softmax
from clastbench.run.samples import NO_LABEL, Sample, detected, training_boxes, whole, widen
from clastbench.suite import CropSettings

NONE, CW, CCW = range(3)
numbers = st.floats(-1e4, 1e4, allow_nan=False)
sides = st.floats(0.5, 1e3)


def photograph(name="a", clasts=(), truth="CW", size=(64, 96)) -> Photomicrograph:
    pixels = np.zeros((*size, 3), np.uint8)
    return Photomicrograph(name, pixels.copy, "0" * 64, truth, truth != "none", name, tuple(clasts))


def clast(box=(30.0, 20.0, 60.0, 40.0), sense="CW", **said) -> Clast:
    return Clast(box, sense, **said)


@given(numbers, numbers, sides, sides, st.floats(1, 10))
def test_widening_keeps_the_centre_and_scales_both_sides(x, y, width, height, factor):
    x0, y0, x1, y1 = widen((x, y, x + width, y + height), factor)
    assert np.allclose([(x0 + x1) / 2, (y0 + y1) / 2], [x + width / 2, y + height / 2], atol=1e-6)
    assert np.allclose([x1 - x0, y1 - y0], [width * factor, height * factor])


def test_widening_by_one_changes_nothing():
    assert widen((1.0, 2.0, 3.0, 5.0), 1) == (1.0, 2.0, 3.0, 5.0)


def test_whole_photographs_carry_their_own_truth():
    shown = whole([photograph("a", truth="CCW"), photograph("b", truth="none"), photograph("c", truth=None)])
    assert shown == [Sample("a", None, CCW), Sample("b", None, NONE), Sample("c", None, NO_LABEL)]


def test_the_first_crop_of_a_clast_is_the_clast_itself_widened():
    (first, *_) = training_boxes([photograph(clasts=[clast()])], CropSettings(context=2, background=0))
    assert first == Sample("a", widen(clast().box_xyxy, 2), CW)


def test_every_clast_has_as_many_crops_as_asked_for():
    settings = CropSettings(per_clast=4, background=0)
    shown = training_boxes([photograph(clasts=[clast(sense="CCW"), clast((0.0, 0.0, 9.0, 9.0))])], settings)
    assert [sample.label for sample in shown] == [CCW] * 4 + [CW] * 4


def test_jittered_copies_stay_near_the_clast():
    settings = CropSettings(context=1, jitter=0.1, per_clast=50, background=0)
    x0, y0, x1, y1 = np.asarray([sample.box for sample in training_boxes([photograph(clasts=[clast()])], settings)]).T
    assert np.all(np.abs((x0 + x1) / 2 - 45) <= 0.1 * 30 + 1e-9)
    assert np.all(np.abs((y0 + y1) / 2 - 30) <= 0.1 * 20 + 1e-9)
    assert np.all((x1 - x0 >= 27 - 1e-9) & (x1 - x0 <= 33 + 1e-9))
    assert np.allclose((x1 - x0) / (y1 - y0), 1.5)


def test_without_jitter_all_copies_are_equal():
    settings = CropSettings(jitter=0, per_clast=3, background=0)
    assert len(set(training_boxes([photograph(clasts=[clast()])], settings))) == 1


def test_crops_depend_on_the_photograph_not_on_its_company():
    alone = training_boxes([photograph("b", [clast()])], CropSettings())
    among = training_boxes([photograph("a", [clast()]), photograph("b", [clast()])], CropSettings())
    assert alone == [sample for sample in among if sample.image_id == "b"]


def test_two_photographs_are_jittered_differently():
    shown = training_boxes([photograph("a", [clast()]), photograph("b", [clast()])], CropSettings(background=0))
    assert shown[1].box != shown[3].box


def test_a_clast_without_a_sense_is_shown_as_none():
    (sample, *_) = training_boxes([photograph(clasts=[clast(sense=None)])], CropSettings())
    assert sample.label == NONE


def test_an_ignored_clast_is_neither_shown_nor_used_as_background():
    everywhere = clast((0.0, 0.0, 96.0, 64.0), sense=None, ignore=True)
    assert training_boxes([photograph(clasts=[everywhere])], CropSettings(background=5)) == []


def test_an_unjudged_clast_is_neither_shown_nor_used_as_background():
    everywhere = clast((0.0, 0.0, 96.0, 64.0), sense=None, judged=False)
    assert training_boxes([photograph(clasts=[everywhere])], CropSettings(background=5)) == []


@pytest.mark.parametrize("drawn", [[], [{"primary": False}], [{"ignore": True}]])
def test_no_background_is_cut_where_the_clast_is_not_drawn(drawn):
    photo = photograph(clasts=[clast((0.0, 0.0, 9.0, 9.0), judged=False, **said) for said in drawn])
    assert training_boxes([photo], CropSettings(background=5)) == []


def test_background_is_cut_around_an_unjudged_clast():
    photo = photograph(clasts=[clast((0.0, 0.0, 9.0, 9.0), judged=False)])
    assert [sample.label for sample in training_boxes([photo], CropSettings(background=3))] == [NONE] * 3


def test_background_is_cut_where_there_is_no_clast():
    shown = training_boxes([photograph(truth="none")], CropSettings(background=3))
    assert [sample.label for sample in shown] == [NONE] * 3


def test_no_picture_is_decoded_where_its_size_is_told():
    def refuse():
        raise AssertionError("decoded")

    told = {"attributes": {"width": "96", "height": "64"}}
    shown = photograph(clasts=[clast()])
    assert training_boxes([replace(shown, pixels=refuse, **told)], CropSettings()) == training_boxes(
        [shown], CropSettings()
    )


@given(st.text(min_size=1, max_size=8), st.floats(0, 60), st.floats(0, 40))
def test_background_touches_no_clast_and_stays_inside(name, x, y):
    grain = clast((x, y, x + 30, y + 20))
    settings = CropSettings(context=1, per_clast=1, background=4)
    for sample in training_boxes([photograph(name, [grain])], settings)[1:]:
        x0, y0, x1, y1 = sample.box
        assert sample.label == NONE
        assert x1 <= x or x0 >= x + 30 or y1 <= y or y0 >= y + 20
        assert min(x0, y0) >= 0
        assert x1 <= 96 + 1e-9
        assert y1 <= 64 + 1e-9


def test_detected_boxes_are_widened_and_their_label_is_unknown():
    found = [Boxes("a", np.asarray([[0, 0, 10, 20], [2, 2, 4, 4]], np.float32), np.asarray([0.5, 0.25], np.float32))]
    shown = detected(
        [*found, Boxes("b", np.zeros((0, 4), np.float32), np.zeros(0, np.float32))], CropSettings(context=2)
    )
    assert shown == [Sample("a", (-5, -10, 15, 30), NO_LABEL, 0.5), Sample("a", (1, 1, 5, 5), NO_LABEL, 0.25)]


def box(name="a", score=1.0) -> Sample:
    return Sample(name, (0, 0, 1, 1), NO_LABEL, score)


def answers(boxes, rows, names=("a",), threshold=None) -> dict[str, tuple[float, ...]]:
    photographs = [photograph(name) for name in names]
    said = of_photographs(photographs, boxes, np.asarray(rows, np.float64).reshape(-1, 3), threshold)
    return {one.image_id: one.probabilities for one in predictions(photographs, said)}


def test_one_box_answers_for_its_photograph():
    assert answers([box()], [(0.2, 0.5, 0.3)])["a"] == pytest.approx((0.2, 0.5, 0.3))


def test_the_true_box_most_sure_of_a_sense_answers():
    said = answers([box(), box(), box()], [(0.6, 0.3, 0.1), (0.1, 0.2, 0.7), (0.5, 0.5, 0.0)])
    assert said["a"] == pytest.approx((0.1, 0.2, 0.7))


def test_the_proposal_with_the_best_scored_sense_answers():
    said = answers([box(score=0.5), box(score=1.0)], [(0.1, 0.8, 0.1), (0.4, 0.1, 0.5)], threshold=0.25)
    assert said["a"] == pytest.approx((0.25 / 0.85, 0.1 / 0.85, 0.5 / 0.85))


@pytest.mark.parametrize(("threshold", "said"), [(0.39, "CW"), (0.4, "CW"), (0.41, "none")])
def test_a_proposal_counts_from_the_threshold_on(threshold, said):
    found = answers([box(score=0.5)], [(0.0, 0.8, 0.2)], threshold=threshold)["a"]
    assert CLASSES[int(np.argmax(found))] == said


def test_a_photograph_without_a_box_is_none_for_sure():
    said = answers([box("b")], [(0.2, 0.5, 0.3)], names=("a", "b"))
    assert said["a"] == (1.0, 0.0, 0.0)
    assert answers([], [], threshold=0.5)["a"] == (1.0, 0.0, 0.0)


def test_an_answer_carries_what_is_known_of_the_photograph():
    (said,) = predictions([photograph("x", truth="CCW")], np.asarray([[0.2, 0.5, 0.3]]))
    assert (said.image_id, said.group, said.truth, said.present) == ("x", "x", "CCW", True)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.floats(0, 1), st.tuples(*[st.floats(-700, 700)] * len(CLASSES))),
        max_size=6,
    ),
    st.one_of(st.none(), st.floats(1e-6, 1)),
)
def test_probabilities_lie_in_0_to_1_and_sum_to_1(found, threshold):
    boxes = [box(name, score) for name, score, _ in found]
    table = softmax(np.asarray([row for *_, row in found], np.float64).reshape(-1, len(CLASSES)))
    for said in of_photographs([photograph("a"), photograph("b")], boxes, table, threshold):
        assert ((said >= 0) & (said <= 1)).all()
        assert said.sum() == pytest.approx(1)


@given(st.permutations(range(3)), st.sampled_from([None, 0.3]))
def test_the_order_of_boxes_does_not_matter(order, threshold):
    rows = [(0.6, 0.3, 0.1), (0.1, 0.2, 0.7), (0.4, 0.1, 0.5)]
    scores = [0.9, 0.8, 1.0]
    said = answers([box(score=scores[i]) for i in order], [rows[i] for i in order], threshold=threshold)
    assert said == answers([box(score=s) for s in scores], rows, threshold=threshold)

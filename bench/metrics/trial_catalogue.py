"""The scores of changed pictures by name: what each is called and what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import UnknownNameError
from .group_sums import Measure

PART_CHANGES: Mapping[str, str] = MappingProxyType(
    {
        "tails": "without=tails",
        "swapped tails": "other=tails",
        "core": "without=core",
        "clasts": "without=clasts",
        "matrix": "other=matrix",
        "artefacts": "without=artefacts",
        "light": "other=light",
    }
)
"""What is changed in a generated photograph, by the name of the part: `Trial.change` of its counterfactual."""

ERASED = PART_CHANGES["clasts"]
"""Whole clasts are gone, and with them the bend of the foliation around them: nothing tells the sense any more."""

CUES: tuple[str, ...] = ("scale-bar", "frame", "colour", "lean", "letters")
"""What can be planted so that it agrees with the sense or contradicts it (`synth.conditions`)."""

_PART_WORDS: Mapping[str, str] = {
    "tails": "without their tails",
    "swapped tails": "with tails of the other sense",
    "core": "without their cores",
    "clasts": "without any clast and its flow field",
    "matrix": "with another far matrix",
    "artefacts": "without artefacts",
    "light": "in another light",
}
_UNWANTED = ("matrix", "artefacts", "light")
_CUE = re.compile(r"cue_(?P<name>[a-z0-9_]+)_fall")


def word(name: str) -> str:
    """Return the name of a part or a cue as it stands in the name of a score: `swapped tails` is `swapped_tails`."""
    return re.sub(r"[^a-z0-9]+", "_", name)


def trial_metric(name: str) -> Measure:
    """Return what a score of `score_trials` means; raise UnknownNameError for another name.

    The names are those of TRIAL_METRICS and `cue_<name>_fall` for any other planted cue.
    """
    if name in TRIAL_METRICS:
        return TRIAL_METRICS[name]
    cue = _CUE.fullmatch(name)
    if cue is None:
        raise UnknownNameError("trial metric", name, TRIAL_METRICS)
    return _of_cue(cue["name"])


def _of_cue(cue: str) -> Measure:
    shown = cue.replace("_", " ").replace("-", " ")
    return Measure(
        f"cue_{word(cue)}_fall", f"Planted cue: {shown}",
        f"Forced balanced accuracy where the {shown} says the true sense, less that where it says the other one, on "
        "the same scenes, -1..1. Random network: 0; oracle, which does not look at it: 0; a network that reads nothing "
        "else: 1. Geirhos et al. 2020 (shortcuts).",
        "needs scenes of CW and scenes of CCW, each with the cue both ways", higher_is_better=False,
    )  # fmt: skip


def _of_symmetry() -> list[Measure]:
    nothing = "no input is predicted CW or CCW, before and after the change"
    return [
        Measure(
            "label_antisymmetry", "Label antisymmetry",
            "Share of the inputs predicted CW or CCW that are predicted the other way round when mirrored. Random "
            "network: 1 / K for a guess among K classes; one blind to mirroring: 0; oracle: 1.",
            nothing, proportion=True,
        ),
        Measure(
            "logit_antisymmetry_error", "Logit antisymmetry error",
            "Sum of |z(Rx) - swap(z(x))| over inputs predicted CW or CCW and over classes / the mean of the sums of "
            "|z(x)| and of |z(Rx)|, logits less their mean over the classes, 0..2. Random network: about 1.4; one that "
            "says the opposite: 2; oracle, which is antisymmetric: 0.",
            nothing, higher_is_better=False,
        ),
        Measure(
            "rotation_consistency", "Rotation consistency",
            "Share of the inputs predicted CW or CCW that are predicted the same when turned by 180 degrees. Random "
            "network: 1 / K for a guess among K classes; oracle: 1.",
            nothing, proportion=True,
        ),
    ]  # fmt: skip


def _of_part(part: str) -> list[Measure]:
    unknown = f"no input was seen before and {_PART_WORDS[part]}"
    wanted = part not in _UNWANTED
    oracle = "above 0 where the sense is read there" if wanted else "0"
    return [
        Measure(
            f"effect_{word(part)}_sense", f"Effect of {part} on the sense",
            f"Mean fall of f_sense, in logits, when scenes are drawn {_PART_WORDS[part]}; f_sense is z of the true "
            f"sense less z of the other. Random network: 0; oracle: {oracle}.",
            unknown, higher_is_better=wanted,
        ),
        Measure(
            f"effect_{word(part)}_presence", f"Effect of {part} on presence",
            f"Mean fall of f_presence, in logits, when scenes are drawn {_PART_WORDS[part]}; f_presence is logsumexp "
            f"of CW and CCW less z of none. Random network: 0; oracle: {'above 0 for whole clasts' if wanted else 0}.",
            unknown, higher_is_better=wanted,
        ),
    ]  # fmt: skip


_ERASED_FORCED = Measure(
    "erased_forced", "Shear sense, clasts erased",
    "Forced balanced accuracy (CW against CCW alone; a tie is half right) against the sense that was there, with whole "
    "clasts and their flow field erased. Random network: .5; oracle: .5, since nothing is left to read.",
    "needs scenes of CW and scenes of CCW with their clasts erased", higher_is_better=False,
)  # fmt: skip


def _all() -> list[Measure]:
    effects = [effect for part in PART_CHANGES for effect in _of_part(part)]
    return [*_of_symmetry(), *effects, _ERASED_FORCED, *(_of_cue(cue) for cue in CUES)]


TRIAL_METRICS: Mapping[str, Measure] = MappingProxyType({one.name: one for one in _all()})
"""Every score of changed pictures by name."""

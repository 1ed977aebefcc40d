"""The benchmark catches cheats: of models planted in one suite, only the one that reads tails fails no gate."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import planted_models
import pytest

from clastbench.metrics import GATES, gate_passed
from clastbench.report.leaderboard import Row, build
from clastbench.run import trial_layout
from clastbench.suite import load_suite
from clastbench.synth import Recipe, read_scene, scene_under

HONEST = "Tails"
CHEATS = ("Bar", "Colour", "One", "Guess", "Lean", "Random")

SUITE = """
name = "planted"
version = 1
split = "split.csv"
detectors = ["whole-image"]
backbones = [{backbones}]
seeds = [{seed}]

[data]
source = "synth"

[data.recipe]
seed = {seed}
n_images = 2000
width = 96
height = 64
kinds = {{ sigma = 6, free = 1 }}
lights = {{ grey = 1 }}
tilt_deg = 0.0
fabric = 1.0
radius = [0.1, 0.13]
others = [0, 0]
off_centre = 0.0
elongation = 0.3
mantle = [1.5, 1.9]
strain = [4.0, 5.5]
contrast = [4.0, 5.0]
artefacts = 0.0
blur = [0.2, 0.4]
noise = 0.01
jpeg = 0.0

[explaining]
changed = {changed}
perturbed = {perturbed}

[training.scratch]
epochs = 12
batch_size = 16
learning_rate = 0.1
weight_decay = 0.0
schedule = "one-cycle"
mirror = true
rotate_deg = 0.0
photometric = 0.0
"""
"""One clast in the middle, with tails that stand out. The matrix tells the sense too, so that it can be cheated with.

The foliation is level, so that the cue `lean` changes nothing here: a reader that knows places would take a tilt for a
step of the tails, and rightly fail.
"""


@dataclass(frozen=True)
class Amount:
    """How many photographs there are, and how many maps are tested."""

    train: int
    test: int
    """Test photographs with a sense: as many of one as of the other."""
    free: int
    """Those without a clast."""
    perturbed: int


LITTLE = Amount(train=140, test=60, free=15, perturbed=5)
"""30 photographs of each sense are the fewest on which gate 2 can be passed."""
ENOUGH = Amount(train=160, test=100, free=20, perturbed=20)


@dataclass(frozen=True)
class Verdicts:
    """What the leaderboard says of every model on the photographs of one seed."""

    rows: Mapping[str, Row]

    def passed(self, model: str, gate: str) -> bool | None:
        return gate_passed(self.rows[model].scores[gate])

    def fails_none(self, model: str) -> bool:
        return all(self.passed(model, gate) is not False for gate in GATES)

    def value(self, model: str, score: str) -> float | None:
        return self.rows[model].scores[score].value

    def low(self, model: str, score: str) -> float:
        """Return the lower bound; where there is none, nothing is shown."""
        low = self.rows[model].scores[score].low
        return -1.0 if low is None else low

    def more_trusted(self, model: str, other: str) -> bool:
        own, theirs = self.value(model, "trust"), self.value(other, "trust")
        return own is not None and (theirs is None or own > theirs)


def roles(recipe: Recipe, amount: Amount) -> dict[str, list[int]]:
    """Deal photographs; those with a sense are tested where the layers of the matrix lean clearly, and one way.

    In half of the scenes they lean a little, either way, and in a third shear bands lean against them: nothing to read.
    """
    wanted = {"train": amount.train, "CW": amount.test // 2, "CCW": amount.test // 2, "free": amount.free}
    dealt: dict[str, list[int]] = {role: [] for role in wanted}
    for index in range(recipe.n_images):
        scene = scene_under(recipe, index)
        truth, present = read_scene(scene)
        leans = abs(scene.matrix.lean) > 12 and not scene.matrix.shear_bands
        likes = (truth if leans and truth in wanted else "train") if present else "free"
        role = likes if len(dealt[likes]) < wanted[likes] else "train"
        if len(dealt[role]) < wanted[role]:
            dealt[role].append(index)
    return {"train": dealt["train"], "test": sorted(dealt["CW"] + dealt["CCW"] + dealt["free"])}


def judged(seed: int, amount: Amount, folder: Path, run_suite: Callable) -> Verdicts:
    """Run the suite of one seed: other photographs, another training."""
    names = ", ".join(f'"{planted_models.__file__}:{name}"' for name in (HONEST, *CHEATS))
    text = SUITE.format(seed=seed, backbones=names, changed=amount.test, perturbed=amount.perturbed)
    path, split = folder / "planted.toml", folder / "split.csv"
    path.write_text(text, encoding="utf-8")
    dealt = roles(load_suite(str(path)).data.recipe, amount)
    rows = [f"holdout,{role},{index:05d}" for role, indices in dealt.items() for index in indices]
    split.write_text("\n".join(["fold,role,id", *rows]), encoding="utf-8")
    ran = run_suite(path, folder / "home")
    board = build(load_suite(str(path)), ran.session.plan.digest, ran.records(), "trust")
    return Verdicts({row.backbone.partition(":")[2].partition("@")[0]: row for row in board.rows})


Rule = Callable[[Verdicts], bool]

ALWAYS: Mapping[str, Rule] = {
    "the honest one passes gates 1 to 4": lambda seen: all(
        seen.passed(HONEST, gate) for gate in GATES if gate != "gate_matrix"
    ),
    "the reader of a scale bar fails gate 2": lambda seen: seen.passed("Bar", "gate_cue") is False,
    "the reader of colour fails gate 2": lambda seen: seen.passed("Colour", "gate_cue") is False,
    "who always says CW does not read the sense": lambda seen: seen.passed("One", "gate_reads") is False,
    "who always says CW has no CPF": lambda seen: seen.value("One", "cpf") is None,
    "who always says CW has no trust": lambda seen: seen.value("One", "trust") is None,
    "who guesses finds clasts": lambda seen: seen.low("Guess", "presence_auroc") > 0.5,
    "who guesses has its heat for the sense on the clast": lambda seen: seen.low("Guess", "lift_sense") > 0.1,
    "the reader of the matrix reads the sense": lambda seen: seen.passed("Lean", "gate_reads") is True,
    "the reader of the matrix fails gate 5": lambda seen: seen.passed("Lean", "gate_matrix") is False,
    "every cheat fails a gate": lambda seen: not any(seen.fails_none(cheat) for cheat in CHEATS),
    "no cheat is ranked": lambda seen: all(seen.rows[cheat].trust_rank is None for cheat in CHEATS),
    **{
        f"the honest one is more trusted than {cheat}": lambda seen, cheat=cheat: seen.more_trusted(HONEST, cheat)
        for cheat in ("Bar", "Colour", "Lean", "Random")
    },
}
"""What has a reason that no draw of photographs takes away: effects many times as large as their intervals."""

RESTS_ON_GATE_5: Mapping[str, Rule] = {
    "the honest one does not fail gate 5": lambda seen: seen.passed(HONEST, "gate_matrix") is not False,
    "the honest one alone fails no gate": lambda seen: (
        [model for model in (HONEST, *CHEATS) if seen.fails_none(model)] == [HONEST]
    ),
    "the honest one is ranked first": lambda seen: seen.rows[HONEST].trust_rank == 1,
}
"""Without clasts the honest one is right in half of the pictures; an interval at 95 % may miss that on either side.

That it passes takes more photographs than there are here: on 100 it is left open once in six times.
"""

AS_A_RULE: Mapping[str, Rule] = {
    **RESTS_ON_GATE_5,
    "who guesses fails gate 4": lambda seen: seen.passed("Guess", "gate_reads") is False,
    "random weights fail gate 1 or 4": lambda seen: (
        False in (seen.passed("Random", "gate_randomisation"), seen.passed("Random", "gate_reads"))
    ),
}
"""What rests on an interval that must hold, or must not lie above, the truth of a coin: it errs now and then."""


def holding(rule: Rule, seeds: Mapping[int, Verdicts]) -> list[int]:
    return [seed for seed, seen in seeds.items() if rule(seen)]


@pytest.fixture(scope="module")
def three(tmp_path_factory, run_suite):
    """Seeds 0, 1, 2, with fewer changed pictures than in a run: time is short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial_layout, "CHANGES", [one for one in trial_layout.CHANGES if gates_ask_for(one)])
        return {seed: judged(seed, LITTLE, tmp_path_factory.mktemp("planted"), run_suite) for seed in range(3)}


def gates_ask_for(change: str) -> bool:
    """Whether gate 5 is made of a change, or a cue is planted that somebody here reads."""
    return change == "without=clasts" or change.partition("=")[0] in ("scale-bar", "colour")


@pytest.mark.parametrize("rule", ALWAYS)
def test_what_has_a_reason_holds_for_every_seed(three, rule):
    assert holding(ALWAYS[rule], three) == [0, 1, 2]


@pytest.mark.parametrize("rule", AS_A_RULE)
def test_what_rests_on_an_interval_holds_for_two_seeds_of_three(three, rule):
    assert len(holding(AS_A_RULE[rule], three)) >= 2


@pytest.fixture(scope="module")
def twenty(tmp_path_factory, run_suite):
    found = {}
    for seed in range(20):
        with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as folder:
            found[seed] = judged(seed, ENOUGH, Path(folder), run_suite)
    return found


@pytest.mark.slow
def test_rules_hold_for_twenty_seeds(twenty):
    """Those with a reason in all of them; of the others, each test at 95 % may err on its own.

    A two-sided one that errs in one seed of twenty does so in more than three of them once in 60 sets of twenty; one
    of which only one side matters in more than two of them once in 75.
    """
    least = dict.fromkeys(ALWAYS, 20) | dict.fromkeys(AS_A_RULE, 18) | dict.fromkeys(RESTS_ON_GATE_5, 17)
    held = {name: len(holding(rule, twenty)) for name, rule in {**ALWAYS, **AS_A_RULE}.items()}
    assert {name: n for name, n in held.items() if n < least[name]} == {}

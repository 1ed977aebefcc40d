"""What the leaderboard says of trust: its value and rank, the five gates, and what changed pictures showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..metrics import (
    GATES,
    TRUST_PARTS,
    Observations,
    compare_trust,
    gate_cue,
    gate_matrix,
    gate_mirror,
    gate_passed,
    gate_reads,
    score_trials,
    trust,
)
from ..records import CellRecord, MapScores, Score, Trial
from .map_board import Pair, alike, failure, holds, lacking, tables_of
from .writing import with_interval

TRUST = "trust"
FORCED = "sense_forced"
MARKS: Mapping[bool | None, str] = {True: "✓", False: "✗", None: "–"}
VERDICTS: Mapping[bool | None, str] = {True: "passed", False: "failed", None: "undecided"}


@dataclass(frozen=True, slots=True)
class TrustRank:
    """Where a system stands by trust among those explained on the same inputs."""

    rank: int
    """1 + the number of systems significantly more trustworthy."""
    stability: float | None
    """Share of random weightings of the parts under which the rank stays; None for one that nobody is compared with."""


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate of one system."""

    number: int
    name: str
    title: str
    asks: str
    """What a reader wants to know."""
    rule: str
    """When it is passed, in words."""
    score: Score | None
    passed: bool | None
    """None: undecided."""

    @property
    def mark(self) -> str:
        """One letter."""
        return MARKS[self.passed]

    @property
    def verdict(self) -> str:
        """One word."""
        return VERDICTS[self.passed]

    @property
    def said(self) -> str:
        """The verdict, or that nobody asked."""
        return self.verdict if self.score else "not asked"


def trust_scores(
    cells: Sequence[CellRecord], method: str, forced: Score | None, seen: Observations
) -> dict[str, Score]:
    """Return trust, gates 2 to 5 and the scores of changed pictures, by name; what nobody asked for is not among them.

    What was asked and failed has no value, and says why. `forced` is the system's balanced accuracy of CW against CCW
    on what was `seen`, which decides gate 4 of systems that were asked about their maps or changed pictures.
    """
    tables = tables_of(cells, method, "sense")
    trials = [trial for cell in cells for trial in cell.trials]
    if not tables and not trials:
        return {}
    found = [trust(tables)] if tables else []
    found += [gate_reads(forced, seen)] if forced else []
    found += _of_mirror(tables)
    return {one.metric: one for one in (*found, *_of_trials(trials))}


def _of_mirror(tables: Sequence[MapScores]) -> list[Score]:
    asked = [table for table in tables if holds(table, "equivariance")]
    if asked:
        return [gate_mirror(asked)]
    failed = failure(tables, "equivariance")
    return [Score("gate_mirror", None, reason=failed)] if failed else []


def _of_trials(trials: Sequence[Trial]) -> list[Score]:
    usable = [trial for trial in trials if not trial.reason]
    if usable:
        return [*score_trials(usable), gate_cue(usable), gate_matrix(usable)]
    failed = next((trial.reason for trial in trials), None)
    return [Score(name, None, higher_is_better=False, reason=failed) for name in ("gate_cue", "gate_matrix") if failed]


def trust_ranks(cells: Mapping[Pair, Sequence[CellRecord]], method: str) -> dict[Pair, TrustRank]:
    """Rank systems by trust, among those explained on the same inputs; without a value there is no rank.

    Systems that fail a gate must not be among them.
    """
    found: dict[Pair, TrustRank] = {}
    for tables in alike(cells, "sense", TRUST_PARTS, method):
        pairs = {" + ".join(pair): pair for pair in tables}
        compared = compare_trust({shown: tables[pair] for shown, pair in pairs.items()})
        alone = sum(value is not None for value in compared.values) < 2
        for shown, value, rank, stability in zip(
            compared.systems, compared.values, compared.ranks, compared.stability, strict=True
        ):
            if value is not None:
                found[pairs[shown]] = TrustRank(rank, None if alone else stability)
    return found


def why_untrusted(cells: Sequence[CellRecord], method: str) -> str | None:
    """Return why a system's maps lack a part of trust in some cells, the first reason."""
    reasons = [reason for name in TRUST_PARTS for reason in lacking(cells, method, "sense", name)]
    return reasons[0] if reasons else None


def gate_lines(scores: Mapping[str, Score]) -> tuple[GateLine, ...]:
    """Return the five gates of a system in their order."""
    return tuple(
        GateLine(at, name, gate.title, gate.asks, gate.rule, scores.get(name), _passed(scores.get(name)))
        for at, (name, gate) in enumerate(GATES.items(), start=1)
    )


def failed_gates(scores: Mapping[str, Score]) -> tuple[str, ...]:
    """Return the gates that a system fails, by name; undecided ones are not among them."""
    return tuple(name for name in GATES if _passed(scores.get(name)) is False)


def gate_marks(scores: Mapping[str, Score]) -> str:
    """Write the gates of a system, 1 to 5, a letter each; a dash where there is nothing to say of any."""
    lines = gate_lines(scores)
    return "".join(one.mark for one in lines) if any(one.score for one in lines) else MARKS[None]


def gates_named(names: Sequence[str]) -> str:
    """Write gates as readers see them: gate 2 (planted cue), gate 3 (mirror)."""
    return ", ".join(f"gate {one.number} ({one.title.lower()})" for one in gate_lines({}) if one.name in names)


def standing(scores: Mapping[str, Score]) -> str | None:
    """Say in words how far a system's maps are to be trusted; None where nobody asked."""
    lines = gate_lines(scores)
    if TRUST not in scores and not any(one.score for one in lines):
        return None
    told = scores.get(TRUST)
    known = f"Trust {with_interval(told)}" if told and told.value is not None else f"Trust undefined: {_why(told)}"
    said = ", ".join(f"{one.number} {one.title.lower()} {one.said}" for one in lines)
    return f"{known}. Gates: {said}."


def _passed(score: Score | None) -> bool | None:
    return None if score is None else gate_passed(score)


def _why(score: Score | None) -> str:
    return (score.reason if score else None) or "nobody asked"

"""What a model says of pictures with parts replaced: every question asked once, in full batches.

An input's questions are a dialogue: single units and the maps' own orders first, then the control orders, which follow
from the answers. As many dialogues run side by side as fill a batch, so that memory depends on the batch and not on the
number of inputs. A question is kept as the units removed; its picture is made just before its batch runs.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ExplanationError

if TYPE_CHECKING:
    from .imputers import Fill, Imputer
    from .units import Window

Values = Callable[[Tensor, NDArray[np.int64]], Tensor]
"""Maps inputs float32[n, 3, H, W] and the position of the probe each row was made of, int64[n], to f, float[n, F]."""
_Question = tuple[int, bytes]
"""The imputer's position and the removed units, a bit each."""
_Dialogue = Generator[list[_Question], NDArray[np.float64], "Answers"]
_NOBODY = -1
"""Stands for the imputer where nothing is removed, so that all imputers share the answer."""
_RESOLUTION = 1e-5
"""Of an input's largest value of f (of 1, where f stays below, as the difference of two logits may): effects that
differ by less differ by rounding only, and count as tied."""


@dataclass(frozen=True, eq=False)
class Probed:
    """One input and the maps that are tested on it."""

    picture: Tensor
    """float32[3, H, W]."""
    units: NDArray[np.int64]
    """int64[H, W]: the unit of each pixel, -1 never removed; any segmentation, even single pixels."""
    maps: tuple[tuple[int, NDArray[np.float64]], ...]
    """Each the column of f that the map speaks for, and the relevance of each unit, float64[U]."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Values of f of one input, float64; B imputers, U units, F columns of f, M maps, S steps.

    Curves begin with nothing removed and end with everything removed; position s is the share s / S.
    """

    whole: NDArray[np.float64]
    """[F]: nothing removed."""
    empty: NDArray[np.float64]
    """[B, F]: everything removed."""
    single: NDArray[np.float64]
    """[B, U, F]: one unit removed; [B, 0, F] without control."""
    morf: NDArray[np.float64]
    """[B, M, S + 1]: each map's own column, most relevant units removed first."""
    lerf: NDArray[np.float64]
    """[B, M, S + 1]: least relevant first."""
    control_morf: NDArray[np.float64]
    """[B, F, S + 1]: each column in the order of its own single effects, largest first; [B, F, 0] without control."""
    control_lerf: NDArray[np.float64]
    """[B, F, S + 1]: smallest effect first; [B, F, 0] without control."""


def perturb(
    probes: Iterable[Probed],
    values: Values,
    imputers: Sequence[Imputer],
    *,
    steps: int = 9,
    batch: int,
    device: str = "cpu",
    control: bool = True,
) -> Iterator[Answers]:
    """Yield what f says of each input with units removed, in the order of the inputs, each as soon as it is known.

    At step s, round(U s / S) units are removed. Equal relevances are ordered by a pseudo-random order that follows
    from the picture, the same for all its maps and for both directions, so that a constant map has MoRF = LeRF.
    Control orders sort by f(x) - f(x without u), averaged over imputers. Every distinct (imputer, set of removed units)
    of an input is evaluated once. Batch size and neighbours change values by rounding only.

    Args:
        probes: all of one size; drawn as batches need them.
        values: f; its input is overwritten afterwards.
        imputers: what stands in for removed units.
        steps: S, equal steps from nothing to everything removed.
        batch: pictures in one call of `values`, at most.
        device: where `values` wants its inputs; pictures are changed there too.
        control: False asks for no single units and no control orders (for units too many to be removed one by one).

    Raises:
        ExplanationError: f is NaN or infinite.
        ValueError: the probes or arguments make no sense.
    """
    if steps < 1 or batch < 1 or not imputers:
        raise ValueError(f"steps ({steps}), batch ({batch}) and imputers ({len(imputers)}) must all be at least one")
    script = _Script(len(imputers), steps, control)
    return _stream(probes, script, _Model(values, imputers, batch, device))


def _stream(probes: Iterable[Probed], script: _Script, model: _Model) -> Iterator[Answers]:
    source = enumerate(probes)
    running: deque[_Running] = deque()
    while True:
        waiting = sum(len(one.waiting) for one in running)
        while waiting < model.batch and (drawn := next(source, None)) is not None:
            running.append(_Running(*drawn, script.dialogue(drawn[1]), model.device))
            waiting += len(running[-1].waiting)
        if not running:
            return
        model.answer(running)
        while running and (answers := running[0].answers) is not None:
            running.popleft()
            yield answers


@dataclass(frozen=True)
class _Script:
    """What is asked about every input."""

    n_imputers: int
    steps: int
    control: bool

    def dialogue(self, one: Probed) -> _Dialogue:
        """Yield questions that were not asked before, receive f float64[n, F], return the answers."""
        n_units = _checked(one)
        paths = _Paths(n_units, self.steps, _ties(one.picture, n_units))
        known: dict[_Question, NDArray[np.float64]] = {}
        ends = np.array([[False], [True]]).repeat(n_units, axis=1)
        alone = np.eye(n_units if self.control else 0, n_units, dtype=bool)
        orders = [path for _, relevance in one.maps for path in paths.both(relevance)]
        said = yield from self._ask(known, np.concatenate([ends, alone, *orders]))
        whole, empty, single = said[0, 0], said[:, 1], said[:, 2 : 2 + len(alone)]
        columns = _columns(one, len(whole))
        morf, lerf = self._curves(said[:, 2 + len(alone) :], columns)
        if not self.control:
            nothing = np.zeros((self.n_imputers, len(whole), 0))
            return Answers(whole, empty, single, morf, lerf, nothing, nothing)
        effects = _effects(whole, single)
        orders = [path for effect in effects for path in paths.both(effect)]
        said = yield from self._ask(known, np.concatenate(orders))
        return Answers(whole, empty, single, morf, lerf, *self._curves(said, np.arange(len(whole))))

    def _ask(
        self, known: dict[_Question, NDArray[np.float64]], masks: NDArray[np.bool_]
    ) -> Generator[list[_Question], NDArray[np.float64], NDArray[np.float64]]:
        """Return f of masks bool[n, U] under every imputer, float64[B, n, F]."""
        bits = [row.tobytes() for row in np.packbits(masks, axis=1)]
        asked = [(imputer if any(row) else _NOBODY, row) for imputer in range(self.n_imputers) for row in bits]
        new = [question for question in dict.fromkeys(asked) if question not in known]
        if new:
            known.update(zip(new, (yield new), strict=True))
        return np.stack([known[question] for question in asked]).reshape(self.n_imputers, len(masks), -1)

    def _curves(
        self, said: NDArray[np.float64], columns: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return MoRF and LeRF, each float64[B, n, S + 1], of n pairs of paths, each in its own column."""
        paths = said.reshape(self.n_imputers, len(columns), 2, self.steps + 1, said.shape[2])
        own = np.take_along_axis(paths, columns[None, :, None, None, None], axis=4)[..., 0]
        return own[:, :, 0], own[:, :, 1]


@dataclass(frozen=True)
class _Paths:
    """The sets of units that are removed one after the other."""

    n_units: int
    steps: int
    ties: NDArray[np.int64]
    """The order of units that are equally relevant."""

    def both(self, relevance: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
        """Return the units removed at each step, bool[S + 1, U], the most relevant first and the least relevant first.

        Without ties the second is the first from behind, and a sort that keeps ties in order, far slower, is not asked.
        """
        rising = np.argsort(relevance)
        ordered = relevance[rising]
        if (ordered[1:] > ordered[:-1]).all():
            return [self._removed(rising[::-1]), self._removed(rising)]
        tied = relevance[self.ties]
        return [self._removed(self.ties[np.argsort(sign * tied, kind="stable")]) for sign in (-1, 1)]

    def _removed(self, order: NDArray[np.int64]) -> NDArray[np.bool_]:
        rank = np.empty(self.n_units, np.int64)
        rank[order] = np.arange(self.n_units)
        counts = np.array([round(self.n_units * step / self.steps) for step in range(self.steps + 1)])
        removed: NDArray[np.bool_] = rank < counts[:, None]
        return removed


def _checked(one: Probed) -> int:
    """Return the number of units of a sound probe."""
    if one.picture.ndim != 3 or tuple(one.picture.shape[1:]) != one.units.shape:
        raise ValueError(f"a picture {tuple(one.picture.shape)} and units {one.units.shape} do not fit")
    pixels = np.bincount(one.units.ravel() + 1)[1:]
    if not pixels.all() or not len(pixels):
        raise ValueError("an input must have at least one unit, and every unit a pixel")
    for _, relevance in one.maps:
        if relevance.shape != pixels.shape or not np.isfinite(relevance).all():
            raise ValueError(f"a map needs a finite relevance for each of {len(pixels)} units, not {relevance.shape}")
    return len(pixels)


def _columns(one: Probed, n_columns: int) -> NDArray[np.int64]:
    columns = np.array([column for column, _ in one.maps], np.int64)
    if not ((columns >= 0) & (columns < n_columns)).all():
        raise ValueError(f"maps speak for the columns {columns.tolist()}, f has {n_columns}")
    return columns


def _ties(picture: Tensor, n_units: int) -> NDArray[np.int64]:
    """Return an order of the units that depends on the picture only."""
    content = hashlib.sha256(picture.detach().cpu().contiguous().numpy().tobytes()).digest()
    return np.random.default_rng(np.frombuffer(content, np.uint32)).permutation(n_units)


def _effects(whole: NDArray[np.float64], single: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return f(x) - f(x without u), float64[F, U], averaged over imputers, freed of rounding.

    Units without effect differ by rounding that depends on the batch; unrounded, it would order them.
    """
    effects = (whole - single).mean(axis=0).T
    largest = np.maximum(np.abs(single).max(axis=(0, 1)), np.abs(whole))
    rounded: NDArray[np.float64] = np.round(effects / (_RESOLUTION * np.maximum(largest, 1.0)[:, None]))
    return rounded


class _Running:
    """A dialogue about one input, in progress."""

    def __init__(self, position: int, probe: Probed, dialogue: _Dialogue, device: str) -> None:
        self.position = position
        self.answers: Answers | None = None
        self._dialogue = dialogue
        self.waiting = next(dialogue)
        self._asked = len(self.waiting)
        self._heard: list[NDArray[np.float64]] = []
        self.n_units = int(probe.units.max()) + 1
        self.picture = probe.picture.detach().to(device)
        self._units, self._window = torch.from_numpy(probe.units).to(device), _window(probe.units)
        self._fills: dict[int, Fill] = {}

    def take(self, n: int) -> list[_Question]:
        """Return up to n questions that wait."""
        taken, self.waiting = self.waiting[:n], self.waiting[n:]
        return taken

    def hear(self, said: NDArray[np.float64]) -> None:
        """Receive f of the questions taken, in their order; ask on when all of them are answered."""
        self._heard.extend(said)
        if len(self._heard) < self._asked:
            return
        heard, self._heard = np.stack(self._heard), []
        try:
            self.waiting = self._dialogue.send(heard)
            self._asked = len(self.waiting)
        except StopIteration as done:
            self.answers = done.value

    def paint(self, questions: list[_Question], imputers: Sequence[Imputer], rows: Tensor) -> None:
        """Write the pictures that questions are about into `rows`, float32[n, 3, H, W]."""
        start = 0
        for position, group in groupby(questions, key=itemgetter(0)):
            masks = [bits for _, bits in group]
            stop = start + len(masks)
            rows[start:stop] = self.picture if position == _NOBODY else self._filled(position, imputers, masks)
            start = stop

    def _filled(self, position: int, imputers: Sequence[Imputer], masks: list[bytes]) -> Tensor:
        if position not in self._fills:
            self._fills[position] = imputers[position].ready(self.picture, self._window)
        bits = np.frombuffer(b"".join(masks), np.uint8).reshape(len(masks), -1)
        removed = np.unpackbits(bits, axis=1, count=self.n_units).astype(bool)
        and_rest = np.pad(removed, ((0, 0), (0, 1)))  # the last is what -1 reads: never removed
        return self._fills[position](torch.from_numpy(and_rest).to(self._units.device)[:, self._units])


class _Model:
    """f of pictures that are made in the batch's own memory."""

    def __init__(self, values: Values, imputers: Sequence[Imputer], batch: int, device: str) -> None:
        self.batch, self.device = batch, device
        self._values, self._imputers = values, imputers
        self._memory: Tensor | None = None

    def answer(self, running: Iterable[_Running]) -> None:
        """Answer one batch of waiting questions, those of the oldest inputs first."""
        taken: list[tuple[_Running, list[_Question]]] = []
        room = self.batch
        for one in running:
            if room and one.waiting:
                taken.append((one, one.take(room)))
                room -= len(taken[-1][1])
        with torch.inference_mode():
            said = self._said(taken)
        start = 0
        for one, questions in taken:
            one.hear(said[start : start + len(questions)])
            start += len(questions)

    def _said(self, taken: list[tuple[_Running, list[_Question]]]) -> NDArray[np.float64]:
        owners = np.repeat([one.position for one, _ in taken], [len(questions) for _, questions in taken])
        said = self._values(self._painted(taken, len(owners)), owners)
        if said.ndim != 2 or len(said) != len(owners):
            raise ValueError(f"values returned {tuple(said.shape)} for {len(owners)} inputs, expected one row each")
        found: NDArray[np.float64] = said.cpu().double().numpy()
        if not np.isfinite(found).all():
            self._refuse([(one, question) for one, questions in taken for question in questions], found)
        return found

    def _painted(self, taken: list[tuple[_Running, list[_Question]]], n_rows: int) -> Tensor:
        if self._memory is None:
            shape = (self.batch, *taken[0][0].picture.shape)
            self._memory = torch.empty(shape, device=self.device, memory_format=torch.channels_last)
        start = 0
        for one, questions in taken:
            if one.picture.shape != self._memory.shape[1:]:
                raise ValueError(f"inputs must have one size, not {tuple(self._memory.shape[1:])} and others")
            one.paint(questions, self._imputers, self._memory[start : start + len(questions)])
            start += len(questions)
        return self._memory[:n_rows]

    def _refuse(self, rows: list[tuple[_Running, _Question]], found: NDArray[np.float64]) -> None:
        row, column = np.argwhere(~np.isfinite(found))[0].tolist()
        one, (imputer, bits) = rows[row]
        n_removed = int(np.unpackbits(np.frombuffer(bits, np.uint8)).sum())
        by = "" if imputer == _NOBODY else f" by {self._imputers[imputer].name}"
        raise ExplanationError(
            f"the model's value {column} of input {one.position} is {found[row, column]} "
            f"with {n_removed} of {one.n_units} units replaced{by}"
        )


def _window(units: NDArray[np.int64]) -> Window:
    """Return the smallest window that holds all units."""
    down, across = (np.flatnonzero((units >= 0).any(axis=axis)) for axis in (1, 0))
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1

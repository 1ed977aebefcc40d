"""Where the cells of a map lie in a network's input."""

from __future__ import annotations

from dataclasses import dataclass

from ..records import Box


@dataclass(frozen=True, slots=True)
class Cells:
    """Centres of the receptive fields: cell (row i, column j) looks at (y0 + i · step_y, x0 + j · step_x)."""

    x0: float
    """In pixels of the network's input, 0 at its left edge."""
    y0: float
    step_x: float
    step_y: float

    def extent(self, shape: tuple[int, int]) -> Box:
        """Return the part of the input that a map of `shape` (rows, columns) tiles, x0, y0, x1, y1 in its pixels."""
        left, top = self.x0 - self.step_x / 2, self.y0 - self.step_y / 2
        return left, top, left + self.step_x * shape[1], top + self.step_y * shape[0]

"""Removed pixels as weighted means of their eight neighbours (ROAD, Rong et al. 2022), solved for many masks at once.

A removed pixel i is to satisfy sum_j w_ij (x_i - x_j) = 0 over its neighbours j: w = 1/6 for direct, 1/12 for diagonal
ones. The matrix is symmetric, and positive definite as soon as one pixel is known, so conjugate gradients find x; one
cycle of multigrid prepares each step. Coarser grids have every second point, interpolate between them and leave known
pixels alone; their equations follow from the finer ones (Galerkin), so masks may have any shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import ExplanationError

TOLERANCE = 4e-4
"""The largest correction that ends the search, as a share of the largest distance of a known pixel from the mean."""
MOST_STEPS = 40
"""The search is given up then; 4 or 5 are usual."""
AT_ONCE = {"cpu": 2**19, "cuda": 2**26}
"""Values in one batch: what stays in a processor's cache, what keeps an accelerator busy."""
COARSEST = 9
"""A grid with no side longer is solved directly."""

STENCIL = tuple((down, across) for down in (-1, 0, 1) for across in (-1, 0, 1))
INNER = (..., slice(1, -1), slice(1, -1))


def solve(pictures: Tensor, removed: Tensor) -> Tensor:
    """Return float32[K, C, h, w]: the solutions at removed pixels, the pictures themselves elsewhere.

    Solutions lie within 1e-3 of the direct ones for values of order 1, and no mask influences another's.

    Args:
        pictures: float32[K, C, h, w].
        removed: bool[K, h, w]; each mask leaves at least one pixel. What lies beyond the rectangle is left out: the
            weights of a pixel at its edge add up to less, as in pytorch-grad-cam's NoisyLinearImputer.

    Raises:
        ExplanationError: no solution was found, as happens with pixels that are not finite.
    """
    n, channels, height, width = pictures.shape
    room = AT_ONCE["cpu" if pictures.device.type == "cpu" else "cuda"]
    batches = min(n, -(-pictures.numel() // room))
    size = -(-n // max(batches, 1))
    grids = _grids(size, channels, (height, width), pictures.device)
    out = pictures.new_empty(pictures.shape)
    for at in range(0, n, max(size, 1)):
        rows = slice(at, at + size)
        out[rows] = _solve(grids, pictures[rows], removed[rows])
    return out


class _Level:
    """One grid for K masks. Its vectors are float32[K, C, h + 2, w + 2] with a border of zeros; h and w are odd."""

    def __init__(self, n: int, channels: int, height: int, width: int, device: torch.device) -> None:
        self.shape = (height, width)
        vector = (n, channels, height + 2, width + 2)
        self.r = torch.zeros(vector, device=device)
        """Right-hand sides."""
        self.z = torch.zeros(vector, device=device)
        """Corrections."""
        self.rest = torch.zeros(vector, device=device)
        self.inverse = torch.zeros(n, 1, *vector[2:], device=device)
        """1 over the diagonal; 0 where there is nothing to solve."""
        self.sums = torch.zeros(n, channels, height, width, device=device)

    def smooth_from_zero(self) -> None:
        """Set z to one step of Jacobi's method from zero, and `rest` to what it leaves of r."""
        raise NotImplementedError

    def smooth(self) -> None:
        """Take one more step of Jacobi's method."""
        raise NotImplementedError

    def equations(self) -> Tensor:
        """Return the matrix, float32[K, 9, h, w]: for each point the coefficients of STENCIL."""
        raise NotImplementedError

    def add(self, finer: Tensor) -> None:
        """Add a correction, given at even columns and rows only, float32[K, C, (h + 1) / 2, w]."""
        inner = self.z[INNER]
        inner[..., ::2, :] += finer
        inner[..., 1::2, :].add_(finer[..., :-1, :], alpha=0.5).add_(finer[..., 1:, :], alpha=0.5)


class _Pixels(_Level):
    """The finest grid: the pixels of a rectangle of `inside` = (height, width); what odd sides add is never removed."""

    def __init__(self, n: int, channels: int, inside: tuple[int, int], device: torch.device) -> None:
        height, width = inside[0] | 1, inside[1] | 1
        super().__init__(n, channels, height, width, device)
        self.rows = torch.zeros(n, channels, height + 2, width, device=device)
        self.steps = torch.zeros(n, channels, height + 2, width + 1, device=device)
        self.mask = torch.zeros(n, 1, height + 2, width + 2, device=device)
        self.twelfth = torch.zeros(n, 1, height, width, device=device)
        self.matrix = torch.zeros(n, 9, height, width, device=device)
        there = torch.zeros(height + 2, width + 2, device=device)
        there[1 : 1 + inside[0], 1 : 1 + inside[1]] = 1
        self.weight = torch.where(there[INNER] > 0, (_around(there) - 4 * there[INNER]) / 12, 1.0)
        """Sum of the weights of a pixel's neighbours, [h, w]; 1 but at the edge."""
        self.weight.clamp_(min=1 / 12)  # a single pixel has no neighbours
        self.edge = self.weight - 1

    def load(self, removed: Tensor) -> None:
        """Take masks bool[k, h, w]; fewer than K leave the rest with nothing to solve."""
        self.mask.zero_()
        self.mask[: len(removed), 0, 1 : 1 + removed.shape[1], 1 : 1 + removed.shape[2]] = removed
        torch.div(self.mask[INNER], self.weight, out=self.inverse[INNER])
        torch.div(self.mask[INNER], 12, out=self.twelfth)

    def gather(self) -> Tensor:
        """Return 12 times the weighted sum of each pixel's neighbours in z, float32[K, C, h, w] in `sums`."""
        return _around(self.z, self.rows, self.sums).sub_(self.z[INNER], alpha=4)

    def smooth_from_zero(self) -> None:
        torch.mul(self.r, self.inverse, out=self.z)
        torch.mul(self.gather(), self.twelfth, out=self.rest[INNER])

    def smooth(self) -> None:
        torch.add(self.r[INNER], self.gather(), alpha=1 / 12, out=self.sums)
        torch.mul(self.sums, self.inverse[INNER], out=self.z[INNER])

    def add(self, finer: Tensor) -> None:
        inner, mask = self.z[INNER], self.mask[INNER]
        inner[..., ::2, :].addcmul_(finer, mask[..., ::2, :])
        between = torch.add(finer[..., :-1, :], finer[..., 1:, :], out=self.sums[..., 1::2, :])
        inner[..., 1::2, :].addcmul_(between, mask[..., 1::2, :], value=0.5)

    def equations(self) -> Tensor:
        height, width = self.shape
        mask, inner = self.mask[:, 0], self.mask[:, 0, 1:-1, 1:-1]
        for coefficients, (down, across) in zip(self.matrix.unbind(1), STENCIL, strict=True):
            if (down, across) == (0, 0):
                torch.mul(inner, self.weight, out=coefficients)
            else:
                other = mask[:, 1 + down : 1 + down + height, 1 + across : 1 + across + width]
                torch.mul(inner, other, out=coefficients).mul_(-1 / 12 if down and across else -1 / 6)
        return self.matrix

    def times(self, p: Tensor, out: Tensor) -> None:
        """Write the matrix times p to `out`, from differences: sums would lose digits where p hardly varies.

        Known pixels get values too, which nothing reads: every use is multiplied by z or p, 0 there, or by `inverse`.
        """
        torch.sub(p[..., 1:], p[..., :-1], out=self.steps)
        torch.sub(self.steps[..., 1:], self.steps[..., :-1], out=self.rows)
        torch.add(self.rows[..., :-2, :], self.rows[..., 2:, :], out=self.sums).add_(self.rows[..., 1:-1, :], alpha=2)
        down = torch.sub(p[..., 1:, 1:-1], p[..., :-1, 1:-1], out=self.rows[..., :-1, :])
        self.sums.add_(down[..., 1:, :], alpha=4).sub_(down[..., :-1, :], alpha=4).mul_(-1 / 12)
        torch.addcmul(self.sums, p[INNER], self.edge, out=out[INNER])


class _Coarse(_Level):
    """A coarser grid, its equations made of those of the finer one."""

    def load(self, finer: Tensor) -> None:
        """Take the matrix float32[K, 9, h, w] of the finer grid."""
        matrix = functional.conv2d(finer, _galerkin(finer.device), stride=2, padding=1)
        self.matrix = functional.pad(matrix, (0, self.shape[1] - matrix.shape[3], 0, self.shape[0] - matrix.shape[2]))
        diagonal = self.matrix[:, 4:5]
        self.inverse[INNER] = torch.where(diagonal > 0, 1 / diagonal, 0.0)

    def equations(self) -> Tensor:
        return self.matrix

    def gather(self, out: Tensor) -> Tensor:
        """Return what the neighbours leave of r at each point, r_i - sum_j a_ij z_j without j = i, in `out`."""
        height, width = self.shape
        others = (place for place in enumerate(STENCIL) if place[1] != (0, 0))
        term = self.r[INNER]
        for at, (down, across) in others:
            other = self.z[..., 1 + down : 1 + down + height, 1 + across : 1 + across + width]
            term = torch.addcmul(term, other, self.matrix[:, at : at + 1], value=-1, out=out)
        return out

    def smooth_from_zero(self) -> None:
        torch.mul(self.r, self.inverse, out=self.z)
        self.gather(self.rest[INNER]).sub_(self.r[INNER])

    def smooth(self) -> None:
        torch.mul(self.gather(self.sums), self.inverse[INNER], out=self.z[INNER])


class _Coarsest(_Coarse):
    """The coarsest grid, solved directly."""

    def load(self, finer: Tensor) -> None:
        super().load(finer)
        height, width = self.shape
        n, points = len(self.matrix), height * width
        dense = self.matrix.new_zeros(n, height, width, height + 2, width + 2)
        down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        for at, (below, right) in enumerate(STENCIL):
            dense[:, down, across, down + 1 + below, across + 1 + right] = self.matrix[:, at]
        square = dense[..., 1:-1, 1:-1].reshape(n, points, points)
        diagonal = square.diagonal(dim1=1, dim2=2)
        # Points may say the same twice, or nothing; a little weight on the diagonal makes either harmless.
        diagonal += torch.where(diagonal > 0, 1e-4 * diagonal, 1.0)
        self.solution = torch.linalg.inv(square)

    def solve(self) -> None:
        flat = self.r[INNER].flatten(2)
        self.z[INNER] = (flat @ self.solution).view(*flat.shape[:2], *self.shape)


@dataclass(frozen=True)
class _Grids:
    """All grids, from the finest to the coarsest."""

    pixels: _Pixels
    between: tuple[_Coarse, ...]
    last: _Coarsest

    @property
    def steps(self) -> list[tuple[_Level, _Coarse]]:
        """Each grid and the next coarser one."""
        coarse = (*self.between, self.last)
        return list(zip((self.pixels, *self.between), coarse, strict=True))


def _grids(n: int, channels: int, inside: tuple[int, int], device: torch.device) -> _Grids:
    pixels = _Pixels(n, channels, inside, device)
    between: list[_Coarse] = []
    height, width = _coarser(pixels.shape)
    while max(height, width) > COARSEST:
        between.append(_Coarse(n, channels, height, width, device))
        height, width = _coarser((height, width))
    return _Grids(pixels, tuple(between), _Coarsest(n, channels, height, width, device))


def _coarser(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the sides of the next coarser grid, odd ones."""
    return (shape[0] + 1) // 2 | 1, (shape[1] + 1) // 2 | 1


def _solve(grids: _Grids, pictures: Tensor, removed: Tensor) -> Tensor:
    """Solve one batch, at most as many masks as the grids hold."""
    top = grids.pixels
    top.load(removed)
    for finer, coarser in grids.steps:
        coarser.load(finer.equations())
    gone = removed[:, None].to(pictures.dtype)  # products with numbers are many times faster than torch.where
    known = 1 - gone
    mean = (pictures * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    # Distances from the mean: removed pixels begin with 0, and their equations hold exactly but next to known ones.
    start = (pictures - mean).mul_(known)
    height, width = removed.shape[1:]
    top.z.zero_()
    top.z[: len(start), :, 1 : 1 + height, 1 : 1 + width] = start
    torch.mul(top.gather(), top.twelfth, out=top.r[INNER])
    scale = top.z.flatten(1).abs().amax(1)
    found = _search(grids, TOLERANCE * scale)[: len(start), :, 1 : 1 + height, 1 : 1 + width]
    return torch.lerp(pictures, found + mean, gone)


def _search(grids: _Grids, enough: Tensor) -> Tensor:
    """Return the solutions of the finest grid's equations, with a border of zeros, by conjugate gradients.

    A mask whose correction is at most `enough` float32[K] is finished: its right-hand side becomes 0, and it stays.
    """
    top = grids.pixels
    x, p, q = torch.zeros_like(top.r), torch.zeros_like(top.r), torch.zeros_like(top.r)
    before = torch.ones(())
    tiny = torch.finfo(x.dtype).tiny
    for _ in range(MOST_STEPS):
        _cycle(grids)
        largest = torch.abs(top.z[INNER], out=top.sums).flatten(1).amax(1)
        finished = largest <= enough
        if finished.any():
            x.addcmul_(top.z, finished[:, None, None, None].to(x.dtype))
            top.r.mul_((~finished)[:, None, None, None].to(x.dtype))
            if finished.all():
                return x
        along = _dot(top.r, top.z)
        torch.addcmul(top.z, p, along / before, out=p)
        top.times(p, q)
        step = along / _dot(p, q).clamp_min(tiny)
        x.addcmul_(p, step)
        top.r.addcmul_(q, step, value=-1)
        before = along.clamp_min(tiny)
    raise ExplanationError("ROAD's removed pixels were not found: are all pixels of the picture finite?")


def _cycle(grids: _Grids) -> None:
    """Set the finest z to nearly the solution for the finest r: one V-cycle, symmetric as conjugate gradients ask."""
    for finer, coarser in grids.steps:
        finer.smooth_from_zero()
        _restrict(finer.rest, coarser.r)
    grids.last.solve()
    for finer, coarser in reversed(grids.steps):
        finer.add(_widened(coarser.z, finer.shape))
        finer.smooth()


def _restrict(fine: Tensor, coarse: Tensor) -> None:
    """Collect at every second point: 1 of itself, 1/2 of its direct, 1/4 of its diagonal neighbours."""
    rows = (fine[..., :-2:2, :] + fine[..., 2::2, :]).mul_(0.5).add_(fine[..., 1:-1:2, :])
    height, width = rows.shape[-2], (rows.shape[-1] - 1) // 2
    out = coarse[..., 1 : 1 + height, 1 : 1 + width]
    torch.add(rows[..., :-2:2], rows[..., 2::2], out=out)
    out.mul_(0.5).add_(rows[..., 1:-1:2])


def _widened(coarse: Tensor, shape: tuple[int, int]) -> Tensor:
    """Interpolate along rows: float32[K, C, (h + 1) / 2, w] for the finer grid of shape (h, w)."""
    height, width = ((side + 1) // 2 for side in shape)
    inner = coarse[..., 1 : 1 + height, 1 : 1 + width]
    out = coarse.new_empty(*inner.shape[:-1], shape[1])
    out[..., ::2] = inner
    torch.add(inner[..., :-1], inner[..., 1:], out=out[..., 1::2])
    out[..., 1::2] *= 0.5
    return out


def _around(z: Tensor, rows: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """Sum 2 of direct, 1 of diagonal neighbours and 4 of the point itself, [..., h, w] of [..., h + 2, w + 2]."""
    rows = torch.add(z[..., :-2], z[..., 2:], out=rows)
    rows.add_(z[..., 1:-1], alpha=2)
    out = torch.add(rows[..., :-2, :], rows[..., 2:, :], out=out)
    return out.add_(rows[..., 1:-1, :], alpha=2)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return a scalar product per mask and channel, [K, C, 1, 1]."""
    product: Tensor = torch.linalg.vecdot(a.flatten(2), b.flatten(2))
    return product[..., None, None]


def _galerkin(device: torch.device) -> Tensor:
    """Return the kernel float32[9, 9, 3, 3] that makes a coarser grid's equations of a finer one's, P^T A P.

    In one direction: neighbour D sums w(p) w(q) over fine points p round the one, q = p + d - 2 D round the other.
    """
    weight = (0.5, 1.0, 0.5)
    line = torch.zeros(3, 3, 3)
    for coarse in (-1, 0, 1):
        for fine in (-1, 0, 1):
            for p in (-1, 0, 1):
                q = p + fine - 2 * coarse
                if abs(q) <= 1:
                    line[coarse + 1, fine + 1, p + 1] = weight[p + 1] * weight[q + 1]
    return torch.einsum("adp,beq->abdepq", line, line).reshape(9, 9, 3, 3).to(device)

"""Whether a saliency map turns with the picture when that is mirrored: maps against maps, pair by pair."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .statistics import Values

EQUIVARIANCE: tuple[str, ...] = ("equivariance", "equivariance_null")
"""What `equivariance` returns."""


def equivariance(maps: ArrayLike, mirrored: ArrayLike) -> tuple[Values, Values]:
    """Return the cosines of N mirrored pictures' maps with the mirrored maps, float64[N], and their shuffled null.

    `maps` float[N, h, w] are signed maps A_y(x); `mirrored` of the same shape are A_swap(y)(Rx), the maps of the
    pictures mirrored along their width, R, for the sense that then is true. The first result is
    cosine(A_swap(y)(Rx), R A_y(x)), -1..1; an equivariant network and method: 1, a map drawn anew: 0. The second is the
    mean of cosine(A_swap(y)(Rx_i), R A_y(x_j)) over all other pictures j != i: what habits alone give, as of maps that
    always light up the middle. NaN where a map is without anything in it or not finite; the null also where no other
    picture has a map. Raises ValueError for other shapes.
    """
    there, here = _as_directions("maps", maps)[..., ::-1], _as_directions("mirrored", mirrored)
    if there.shape != here.shape:
        msg = f"maps and mirrored must have one shape, got {there.shape} and {here.shape}"
        raise ValueError(msg)
    own = np.einsum("nhw,nhw->n", here, there)
    usable = ~np.isnan(there).any(axis=(1, 2))
    # The mean of cosines with unit vectors is the product with their sum: no N x N matrix is needed.
    among_all = np.einsum("nhw,hw->n", here, there[usable].sum(axis=0))
    others = usable.sum() - usable
    null = np.full(len(own), np.nan)
    np.divide(among_all - np.where(usable, own, 0.0), others, out=null, where=(others > 0) & ~np.isnan(own))
    return np.clip(own, -1.0, 1.0), np.clip(null, -1.0, 1.0)


def _as_directions(name: str, maps: ArrayLike) -> NDArray[Any]:
    """Return maps of norm 1, float64[N, h, w]; NaN where a map has none."""
    found = np.asarray(maps)
    if found.ndim != 3:
        msg = f"{name} must be float[N, h, w], got shape {found.shape}"
        raise ValueError(msg)
    found = found.astype(np.float64)
    peak = np.abs(found).max(axis=(1, 2), keepdims=True, initial=0.0)
    usable = np.isfinite(peak) & (peak > 0)
    scaled = np.full_like(found, np.nan)
    np.divide(found, peak, out=scaled, where=usable)
    return np.asarray(scaled / np.sqrt((scaled**2).sum(axis=(1, 2), keepdims=True)))

"""Where the cells of a network's last map look: the centres of their receptive fields.

A map is often drawn as if its cells tiled the input. Strided convolutions with padding shift them: a 3 × 3 convolution
of stride 2 and padding 1 looks at pixels 0, 2, 4, … – half a pixel up and left of the middle of each pair –, and the
shifts add up to half a cell; TensorFlow's `SAME` padding shifts them the other way. Lifts of networks whose maps are
drawn half a cell apart do not compare.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from ..errors import ClastbenchError
from ..train.layers import forward_with
from ..train.networks import BuiltNetwork
from .fields import Cells

LONG = 21
"""The probed picture is so long that its map has at least so many cells: fields of the middle ones lie inside it."""
INEXACT = 0.01
"""Steps are whole pixels; what differs by a larger share was not measured well."""
FAINT = 1e-3
"""Grey value of the probed picture: small, so that no activation is in its saturation."""


def cells_of(network: BuiltNetwork, size: tuple[int, int]) -> Cells | None:
    """Return where the cells of `cam_layer` look in an input of `size` (height, width).

    The architecture is probed, not the weights: in a copy all filters become plain means, so that the gradient of a
    cell spreads evenly over its field, and its centre of mass is the field's centre. None where that says nothing – the
    layer gives tokens, or maps of one size of everything, or the network bears its own input size only –; such cells
    are taken to tile the input.
    """
    height, width = size
    plain = _plain(network.module)
    try:
        rows, columns = _grid(plain, network.cam_layer, size)
        across = _centres(plain, network.cam_layer, (height, width * _times(columns)), axis=1, n_cells=columns)
        down = _centres(plain, network.cam_layer, (height * _times(rows), width), axis=0, n_cells=rows)
    except (ClastbenchError, RuntimeError, ValueError, AssertionError, TypeError):  # it bears its own size only
        return None
    if across is None or down is None:
        return None
    return Cells(x0=across[0], y0=down[0], step_x=across[1], step_y=down[1])


def _times(n_cells: int) -> int:
    """How many times longer to make the picture: an odd number, so that halvings meet even and odd sizes as before."""
    return max(3, -(-LONG // n_cells) | 1)


def _plain(module: nn.Module) -> nn.Module:
    """Copy a network with every filter a mean, normalisation without effect, and maxima made means."""
    copied = deepcopy(module).eval()
    for part in copied.modules():
        for name, child in part.named_children():
            if isinstance(child, nn.MaxPool2d):
                pool = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(part, name, pool)
    for part in copied.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 – the only common ancestor
            part.reset_running_stats()
            if part.affine:
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)
    return copied.requires_grad_(requires_grad=False)


def _centres(
    module: nn.Module, layer: str, size: tuple[int, int], *, axis: int, n_cells: int
) -> tuple[float, float] | None:
    """Return the centre of cell 0 and the step between centres along an axis (0: down, 1: across)."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with torch.inference_mode(mode=False), torch.enable_grad():
        probe = torch.full((1, 3, *size), FAINT, device=device, requires_grad=True)
        _, maps = forward_with(module, layer, probe)
        if not isinstance(maps, Tensor) or maps.ndim != 4 or maps.shape[2 + axis] < 2 * n_cells:
            return None  # tokens, or a layer that makes a map of one size of everything
        middle = [side // 2 for side in maps.shape[2:]]
        other = middle.copy()
        other[axis] -= 1
        places = [_centre(maps, probe, cell, axis) for cell in (other, middle)]
    step = places[1] - places[0]
    if not (step > 0 and abs(step - round(step)) <= INEXACT * step):  # NaN, too: nothing flows, or it flows unevenly
        return None
    return places[1] - step * middle[axis], step


def _grid(module: nn.Module, layer: str, size: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of the layer's map of an input."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        _, maps = forward_with(module, layer, torch.full((1, 3, *size), FAINT, device=device))
    if maps.ndim != 4:
        raise ValueError("no map in space")
    return maps.shape[2], maps.shape[3]


def _centre(maps: Tensor, probe: Tensor, cell: list[int], axis: int) -> float:
    """Return the centre of mass, in pixels, of one cell's gradient along an axis."""
    value = maps[0, :, cell[0], cell[1]].sum()
    (gradient,) = torch.autograd.grad(value, probe, retain_graph=True)
    mass = gradient[0].abs().sum(dim=0).sum(dim=1 - axis).double()
    mass = mass - mass.min()  # what comes from everywhere alike, through means of the whole picture, has no place
    at = torch.arange(len(mass), device=mass.device, dtype=torch.float64) + 0.5
    return float((mass * at).sum() / mass.sum())

"""The scores of saliency maps by name: what each is called and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .group_sums import Measure

REGIONS: tuple[str, ...] = ("core", "tails", "halo", "matrix", "border", "artefacts")
"""Where heat may lie; together they are the whole window (`explain.regions`)."""


@dataclass(frozen=True)
class MapMetric(Measure):
    """One score of maps; that of a system is its mean over the maps where it is defined, unless it has `parts`."""

    parts: tuple[str, str] | None = None
    """Two other scores of a map: that of a system is the sum of the first over the sum of the second."""

    @property
    def stored(self) -> tuple[str, ...]:
        """The scores of a map that it is computed from."""
        return self.parts or (self.name,)


_NO_MAP = "no map is finite and has a mask with pixels in it"

_REGION_TITLES: Mapping[str, tuple[str, str, bool]] = {
    "core": ("core", "the rigid cores of the clasts", True),
    "tails": ("tails", "mantle and tails of the clasts", True),
    "halo": ("contact halo", "the matrix within half a core radius of a clast, where the foliation bends", True),
    "matrix": ("far matrix", "the matrix away from clasts and border", False),
    "border": ("border", "the strip of 5 % along the window's sides", False),
    "artefacts": ("artefacts", "scratches, scale bars and other artefacts", False),
    "box": ("the box", "the box of a detector that is explained", True),
}


def _of_masks() -> list[MapMetric]:
    return [
        MapMetric(
            "rho", "Mask's share",
            "Share of the area that the mask covers: what a random map scores. A property of the pictures: the same "
            "for a random map and for an oracle.",
            "no map has an area",
        ),
        MapMetric(
            "epg", "Energy pointing game",
            "Share of the positive heat that lies in the mask; rho for a map without any. Random map: rho; oracle: 1. "
            "Wang et al. 2020 (Score-CAM).",
            _NO_MAP,
        ),
        MapMetric(
            "lift", "Lift",
            "(EPG - rho) / (1 - rho), from -rho / (1 - rho) to 1. Random map: 0; oracle: 1. The energy pointing game "
            "of Wang et al. 2020, corrected for chance.",
            f"{_NO_MAP} and around it",
        ),
        MapMetric(
            "pointing_game", "Pointing game",
            "Share of maps whose highest pixel lies in the mask, without tolerance; ties give the expected value. "
            "Random map: rho; oracle: 1. Zhang et al. 2018.",
            _NO_MAP, proportion=True,
        ),
        MapMetric(
            "rank_accuracy", "Relevance rank accuracy",
            "Share of the k highest pixels that lie in the mask of k pixels; ties give the expected value. Random map: "
            "rho; oracle: 1. Arras et al. 2022.",
            _NO_MAP,
        ),
        MapMetric(
            "pxap", "PxAP",
            "Average precision of the map's pixels as a classifier of the mask's. Random map: about rho; oracle: 1. "
            "Choe et al. 2020, there over all maps at once.",
            _NO_MAP,
        ),
    ]  # fmt: skip


def _of_region(name: str) -> list[MapMetric]:
    title, words, wanted = _REGION_TITLES[name]
    unknown = f"no finite map has a known region {name!r}"
    oracle = "1 if all heat belongs there" if wanted else "0, since no heat belongs there"
    return [
        MapMetric(
            f"share_{name}", f"Share on {title}",
            f"Share of the positive heat on {words}; the area share for a map without any. Random map: the area share; "
            f"oracle: {oracle}. Wang et al. 2020's energy, region by region.",
            unknown, higher_is_better=wanted,
        ),
        MapMetric(
            f"area_{name}", f"Area of {title}",
            f"Share of the area that is {words}: what a random map's share is. A property of the pictures: the same "
            "for a random map and for an oracle.",
            f"no map has a known region {name!r}", higher_is_better=wanted,
        ),
        MapMetric(
            f"lift_{name}", f"Lift on {title}",
            f"(share - area share) / (1 - area share) of {words}. Random map: 0; all heat there: 1; none there: "
            "-area / (1 - area). Wang et al. 2020's energy, corrected for chance.",
            f"{unknown} that leaves something out", higher_is_better=wanted,
        ),
    ]  # fmt: skip


_COLD = MapMetric(
    "cold", "Maps without heat",
    "Share of the maps in which nothing is positive; they count with lift 0. Random map: 0; oracle: 0.",
    "there are no maps", higher_is_better=False, proportion=True,
)  # fmt: skip

_NO_REMOVAL = "no map was put to the test by removing cells"
_BEST = "the order of single removals, about the best there is"


def _of_order() -> list[MapMetric]:
    return [
        MapMetric(
            "cpf", "CPF",
            "Spearman's correlation over equal cells of the map's mean in a cell and the fall of f when the cell is "
            "removed, mean over the imputers; undefined where either is constant. Random map: 0; oracle: 1. The falls "
            "are those of occlusion, Zeiler and Fergus 2014.",
            "no map has a correlation: map or f is constant, or no cells were removed",
        ),
        MapMetric(
            "srg", "SRG",
            "Sum over maps of (LeRF - MoRF) / the sum of the same for the order of single removals (control). Random "
            "map: 0; oracle: 1 on a linear model, and about 1 on others, where a map may pass 1. Symmetric relevance "
            "gain of Blücher et al. 2024, with a scale of its own.",
            _NO_REMOVAL, parts=("srg_map", "srg_control"),
        ),
        MapMetric(
            "srg_map", "LeRF - MoRF",
            "Area under f when the least relevant cells go first, less that when the most relevant do; in units of f. "
            "Random map: 0; oracle: that of the control. Blücher et al. 2024.",
            _NO_REMOVAL,
        ),
        MapMetric(
            "srg_control", "LeRF - MoRF, control",
            f"The same for {_BEST}: the scale of the relevance gain, and a property of the network. The same for a "
            "random map and for an oracle.",
            _NO_REMOVAL,
        ),
    ]  # fmt: skip


def _of_removal() -> list[MapMetric]:
    half = "(f(x) + f(b)) / 2 on a linear model, b being the picture with everything removed"
    return [
        MapMetric(
            "morf", "MoRF",
            "Area under f over the share removed, most relevant cells first, mean over the imputers; in units of f. "
            f"Random map: {half}; oracle: the least of all orders. Samek et al. 2017.",
            _NO_REMOVAL, higher_is_better=False,
        ),
        MapMetric(
            "lerf", "LeRF",
            "Area under f over the share removed, least relevant cells first, mean over the imputers; in units of f. "
            f"Random map: {half}; oracle: the highest of all orders. Samek et al. 2017.",
            _NO_REMOVAL,
        ),
        MapMetric(
            "aopc", "AOPC",
            "Mean fall of f over the steps 0..S of removing the most relevant cells first, mean over the imputers. "
            "Random map: (f(x) - f(b)) / 2 on a linear model, b being the picture with everything removed; oracle: the "
            "most of all orders. Samek et al. 2017, over the whole picture.",
            _NO_REMOVAL,
        ),
        MapMetric(
            "insertion", "Insertion",
            "Area under f while the most relevant cells are put back into the blurred picture. "
            f"Random map: {half}; oracle: the highest of all orders. Petsiuk et al. 2018 (RISE).",
            _NO_REMOVAL,
        ),
        MapMetric(
            "deletion", "Deletion",
            "Area under f while the most relevant cells are replaced by the mean colour. "
            f"Random map: {half}; oracle: the least of all orders. Petsiuk et al. 2018 (RISE), there of a probability.",
            _NO_REMOVAL, higher_is_better=False,
        ),
        MapMetric(
            "road", "ROAD",
            "Mean of (LeRF - MoRF) / 2 over the steps between nothing and everything, cells replaced by noisy linear "
            "interpolation. Random map: 0; oracle: the most of all orders. Rong et al. 2022; pytorch-grad-cam's "
            "ROADCombined.",
            _NO_REMOVAL,
        ),
        MapMetric(
            "average_drop", "Average drop",
            "max(0, f(x) - f(x with only the cells above the map's mean, the others in the mean colour)) / f(x), where "
            "f(x) > 0. Random map: about 1 - k on a linear model without offset, k being the share of cells kept; "
            "oracle: 0. Chattopadhay et al. 2018, there with the picture times the map.",
            "no map has an f(x) above 0 and cells above its mean", higher_is_better=False,
        ),
    ]  # fmt: skip


def _of_chirality() -> list[MapMetric]:
    return [
        MapMetric(
            "equivariance", "Mirror equivariance",
            "Cosine of the mirrored picture's map of the swapped sense and the mirrored map of the picture, -1..1. "
            "Random map: 0 when signed and drawn anew for each picture, else `equivariance_null`; oracle: 1.",
            "no picture has a map, and one of its mirror image, with anything in it",
        ),
        MapMetric(
            "equivariance_null", "Mirror equivariance, shuffled",
            "The same cosine with the maps of the other pictures, mean over them: what a habit of the network or the "
            "method alone would give. Random map: its equivariance; oracle: 0 for maps without a common part.",
            "fewer than two pictures have maps", higher_is_better=False,
        ),
    ]  # fmt: skip


def _diagnostics() -> list[MapMetric]:
    return [
        MapMetric(
            "infidelity", "Infidelity",
            "Mean over disturbances I of (I . A - (f(x) - f(x - I)))^2, lower is better. Random map r: sigma^2 (|w|^2 "
            "+ |r|^2) on a linear model w under noise of sigma; oracle: 0 there. Yeh et al. 2019; captum.",
            "infidelity was not asked for", higher_is_better=False,
        ),
        MapMetric(
            "max_sensitivity", "Max-sensitivity",
            "Greatest relative change of the map among disturbed pictures nearby, lower is better. Random map drawn "
            "anew each time: about 1.4; the gradient of a linear model, which is no oracle for anything else: 0. "
            "Yeh et al. 2019; captum.",
            "max-sensitivity was not asked for", higher_is_better=False,
        ),
    ]  # fmt: skip


def _all() -> list[MapMetric]:
    regions = [metric for name in _REGION_TITLES for metric in _of_region(name)]
    return [*_of_masks(), _COLD, *regions, *_of_order(), *_of_removal(), *_of_chirality(), *_diagnostics()]


MAP_METRICS: Mapping[str, MapMetric] = MappingProxyType({metric.name: metric for metric in _all()})
"""Every score of maps by name: where heat lies (`localise`, `shares`), what f loses without it (`faithfulness`), and
what becomes of it in the mirror (`equivariance`)."""

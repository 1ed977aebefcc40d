"""The contracts of backbones, detectors and explainers, and their look-up by name.

A plugin is a class named by an entry point; listing plugins imports none of them.

| written as               | means                                                        |
|--------------------------|--------------------------------------------------------------|
| `resnet50`               | the entry point `resnet50`                                   |
| `timm:resnet18`          | the entry point `timm`, called with `"resnet18"`             |
| `path/to/model.py:Model` | the class `Model` in that file, for a quick try              |
| `resnet50@scratch`       | a backbone in a stated mode: `frozen`, `finetune`, `scratch` |
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .errors import ClastbenchError, PluginError, UnknownNameError, UsageError
from .records import Boxes, Photomicrograph

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .data.crops import Crops
    from .explain.sight import Sight
    from .explain.subject import Subject
    from .explain.targets import Target
    from .suite import DetectorTraining

BACKBONES = "clastbench.backbones"
DETECTORS = "clastbench.detectors"
EXPLAINERS = "clastbench.explainers"
KINDS = {BACKBONES: "backbone", DETECTORS: "detector", EXPLAINERS: "explainer"}
NEEDS = ("features", "network", "outputs", "nothing")
MODES = ("frozen", "finetune", "scratch")


@runtime_checkable
class Network(Protocol):
    """Tier 1: describe a network; the harness trains it, caches its features, logs and explains it.

    Optional attributes: `mode` (default `scratch`) is used when the reader names none; `cam_layer` names the module
    whose output is the last map in space or the last tokens (default: found by one forward pass); `checkpoint`
    (a `weights.Checkpoint`) says which file `weights="imagenet"` needs; without it the modes `frozen` and
    `finetune` are refused.
    """

    size: int | tuple[int, int]
    """Side, or (height, width), of the letterboxed input in pixels."""
    mean: Sequence[float]
    std: Sequence[float]
    """The harness feeds `(image - mean) / std`, image float32 in 0..1, RGB."""

    def build(self, num_classes: int, weights: str) -> nn.Module:
        """Return a module mapping float32[N, 3, H, W] to logits float32[N, num_classes].

        `weights` is `"none"` (random) or `"imagenet"` (really pretrained, or raise); the last layer is always random.
        """
        ...


@runtime_checkable
class Classifier(Protocol):
    """Tier 2: brings its own training, or none.

    Every fold meets a new object. Keep nothing on the class or in the module: that would carry what one fold learned
    into the next.
    """

    size: int | tuple[int, int]

    def fit(self, crops: Crops, validation: Crops, *, seed: int, device: str, out: Path) -> None:
        """Learn from `crops` and leave in the folder `out` all that `load` needs."""
        ...

    def load(self, path: Path, *, device: str) -> None:
        """Become the model that an earlier `fit` left in the folder `path`."""
        ...

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map float32[N, 3, H, W] in 0..1 to logits float32[N, 3] in the order none, CW, CCW."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Proposes boxes.

    One that learns has the two methods of `LearningDetector`, too. Optional attributes of such a detector: `checkpoint`
    (a `weights.Checkpoint`) says which file `NAME@finetune` starts from; the harness sets `mode` to `scratch` or
    `finetune` before `fit`. `own_head` (False) says that it can read the sense by itself: set to True before `fit` and
    `load`, it is trained on CW and CCW instead of on clasts, and its boxes carry `label`. `libraries`, of any detector,
    names distributions whose release changes what it finds. One that can be differentiated may have the method of
    `SightedDetector`, too; without it, where it looked is found out by asking for boxes alone.
    """

    view: str
    """What its backbones are trained on: `crop`, or `image` for a detector whose only box is always the full frame.
    The latter is taken at its word: whole photographs are classified and it is not asked."""
    uses_truth: bool
    """Only such a detector is handed the true clasts (the ceiling); all others see photographs without them."""

    def detect(self, photographs: Sequence[Photomicrograph]) -> list[Boxes]:
        """Return the boxes of each photograph, in the order given; coordinates are pixels of the photograph."""
        ...


@runtime_checkable
class LearningDetector(Detector, Protocol):
    """A detector that is trained by the harness, once a seed and fold."""

    def fit(
        self,
        photographs: Sequence[Photomicrograph],
        validation: Sequence[Photomicrograph],
        *,
        recipe: DetectorTraining,
        seed: int,
        device: str,
        out: Path,
    ) -> None:
        """Learn from photographs with their clasts and leave in the folder `out` all that `load` needs.

        `validation` may serve to watch or to stop; no test photograph is ever among either.
        """
        ...

    def load(self, path: Path, *, device: str) -> None:
        """Become the detector that an earlier `fit` left in the folder `path`."""
        ...


@runtime_checkable
class SightedDetector(Detector, Protocol):
    """A detector whose scores can be differentiated by the maps they were read from."""

    def sight(self, pixels: NDArray[np.uint8]) -> Sight:
        """Return what it saw in one photograph uint8[H, W, 3], in the autograd graph.

        The candidates hold all that `detect` proposes there, with the same scores. The network must be left as it was
        found: flags, gradients, hooks, thresholds.

        Raises:
            ExplanationError: this network cannot be differentiated.
        """
        ...


@runtime_checkable
class Explainer(Protocol):
    """Says where a model looked.

    Optional attribute: `signless` (default False) says that the map of -f is no other than that of f, or that its
    sign means nothing (eigenvectors).
    """

    needs: str
    """What it needs of a model: `features` (activations and gradients of the last map in space; a frozen network's
    are read from the cache, so `inputs` may be such maps), `network` (pixels through a network that can be
    differentiated), `outputs` (logits of pixels, so it works on every backbone), `nothing` (a control)."""

    def explain(self, subject: Subject, inputs: Tensor, target: Target) -> NDArray[np.float32]:
        """Return signed maps float32[N, h, w] of any resolution, equal cells that tile the input.

        Args:
            subject: the model, in evaluation mode, gradients allowed; it must be left as it was found.
            inputs: what `subject.logits` takes, in most cases normalised pixels float32[N, 3, H, W].
            target: the value f that is explained, one a row of `inputs`.

        Raises:
            ExplanationError: the method cannot work on this model.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plugin:
    """A new object of a plugin, with all that its cache key covers."""

    name: str
    """As readers see it: no folder, no mode."""
    spec: str
    """As it can be loaded again in another process."""
    made: Any
    version: str
    source_sha256: str

    @property
    def identity(self) -> dict[str, str]:
        """The part of a cache key that stands for this plugin."""
        return {"name": self.name, "version": self.version, "source": self.source_sha256}


def names(group: str) -> list[str]:
    """Return the registered names of a group, sorted, without importing any plugin."""
    return sorted({point.name for point in entry_points(group=group)})


def split_mode(name: str) -> tuple[str, str | None]:
    """Split `plugin@mode` into its two halves; the mode is None when it is not given."""
    plugin, at, mode = name.rpartition("@")
    if not at or "/" in mode or ":" in mode:  # the @ is part of a path
        return name, None
    if mode not in MODES:
        raise UsageError(f"Backbone {name!r}: unknown mode {mode!r}; expected one of {', '.join(MODES)}.")
    return plugin, mode


def load(group: str, spec: str) -> Plugin:
    """Load one plugin by name, by `name:argument` or by `file.py:Class`.

    Every call makes a new object: one that has learned from a fold must never meet another fold.

    Raises:
        UnknownNameError: nobody registered that name; the message suggests the nearest.
        PluginError: it cannot be imported or made.
    """
    path, colon, attribute = spec.rpartition(":")
    try:
        if colon and path.endswith(".py"):
            return _from_file(Path(path), attribute)
        return _from_entry_point(group, spec)
    except ClastbenchError:
        raise
    except Exception as error:  # a plugin may raise anything while it is imported or made
        raise PluginError(f"{KINDS[group].capitalize()} {spec!r} could not be loaded: {_one_line(error)}") from error


def load_planned(group: str, spec: str, identity: Mapping[str, str]) -> Plugin:
    """Load a plugin and refuse code that is not the code a run was planned with."""
    plugin = load(group, spec)
    if plugin.identity != identity:
        kind = KINDS[group].capitalize()
        raise PluginError(f"{kind} {plugin.name!r} was changed while the suite was running; run it again.")
    return plugin


def _from_entry_point(group: str, spec: str) -> Plugin:
    name, colon, argument = spec.partition(":")
    points = [point for point in entry_points(group=group) if point.name == name]
    if not points:
        raise UnknownNameError(KINDS[group], spec, names(group))
    return Plugin(
        name=spec,
        spec=spec,
        made=_make(points[0].load(), spec, argument if colon else None),
        version=_version(points[0]),
        source_sha256=_source_digest(sys.modules[points[0].module]),
    )


def _make(plugin: Callable[..., Any], spec: str, argument: str | None) -> Any:
    """Call a plugin class, with the argument after the colon if it takes one."""
    try:
        inspect.signature(plugin).bind(*([] if argument is None else [argument]))
    except TypeError as error:
        hint = "takes no name after a colon" if argument is not None else "needs a name after a colon, as in timm:vgg11"
        raise UsageError(f"Plugin {spec!r} {hint}.") from error
    return plugin() if argument is None else plugin(argument)


def _version(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def _from_file(path: Path, attribute: str) -> Plugin:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected path/to/file.py:ClassName.")
    source = path.read_bytes()
    module = _module(path.resolve(), source)
    if not hasattr(module, attribute):
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        raise UnknownNameError(f"class in {path.name}", attribute, classes)
    return Plugin(
        name=f"{path.name}:{attribute}",
        spec=f"{path.resolve()}:{attribute}",
        made=getattr(module, attribute)(),
        version="file",
        source_sha256=hashlib.sha256(source).hexdigest(),
    )


def _module(path: Path, source: bytes) -> ModuleType:
    """Import just these bytes under a name made from path and content: once a process, so that its objects pickle.

    Python's own import would trust compiled code by the file's size and time in whole seconds, and miss a quick edit.
    """
    name = f"clastbench_file_{hashlib.sha256(bytes(path) + source).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = str(path)
    try:
        exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 – to run the reader's own file is the point
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _source_digest(module: ModuleType) -> str:
    """Digest a module's source, and that of all modules beside it that it imports (`from .neighbour import …`)."""
    if not module.__file__:
        return ""
    read: dict[Path, bytes] = {}
    waiting = [Path(module.__file__)]
    while waiting:
        path = waiting.pop()
        if path not in read and path.suffix == ".py" and path.is_file():
            read[path] = path.read_bytes()
            waiting += _beside(path, read[path])
    sources = [read[path] for path in sorted(read, key=lambda path: path.name)]
    return hashlib.sha256(sources[0] if len(sources) == 1 else b"\0".join(sources)).hexdigest()


def _beside(path: Path, source: bytes) -> list[Path]:
    """Name the files of the same folder that a source imports, wherever in it."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.level == 1]
    names = {name for node in found for name in ([node.module] if node.module else [one.name for one in node.names])}
    return [path.with_name(f"{name}.py") for name in names]


def input_size(made: Any) -> tuple[int, int]:
    """Return a plugin's input size as (height, width)."""
    size = getattr(made, "size", None)
    if isinstance(size, int):
        size = (size, size)
    if not (isinstance(size, tuple) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)):
        raise PluginError(
            f"{type(made).__name__}.size is {size!r}; expected a positive int or (height, width) in pixels."
        )
    return size


def check_backbone(made: Any) -> None:
    """Refuse a backbone that does not say what it is fed."""
    input_size(made)
    for name in ("mean", "std") if is_network(made) else ():
        value: Any = getattr(made, name, None)
        numbers = isinstance(value, Sequence) and all(isinstance(level, int | float) for level in value)
        if not numbers or len(value) != 3 or (name == "std" and min(value) <= 0):
            raise PluginError(f"{type(made).__name__}.{name} is {value!r}; expected three numbers, for R, G and B.")


def check_detector(made: Any) -> None:
    """Refuse what is no Detector."""
    if not callable(getattr(made, "detect", None)):
        raise PluginError(f"{type(made).__name__} is no Detector (view, uses_truth, detect).")
    if getattr(made, "view", None) not in ("image", "crop"):
        raise PluginError(f"{type(made).__name__}.view is {getattr(made, 'view', None)!r}; expected 'image' or 'crop'.")
    if not isinstance(getattr(made, "uses_truth", None), bool):
        raise PluginError(f"{type(made).__name__}.uses_truth must be True or False.")


def learns(made: Any) -> bool:
    """True for a detector that is trained by the harness."""
    return all(callable(getattr(made, method, None)) for method in ("fit", "load"))


def sees(made: Any) -> bool:
    """True for a detector whose scores can be differentiated."""
    return callable(getattr(made, "sight", None))


def check_explainer(made: Any) -> None:
    """Refuse what is no Explainer."""
    if not callable(getattr(made, "explain", None)):
        raise PluginError(f"{type(made).__name__} is no Explainer (needs, explain).")
    if getattr(made, "needs", None) not in NEEDS:
        said = getattr(made, "needs", None)
        raise PluginError(f"{type(made).__name__}.needs is {said!r}; expected one of {', '.join(NEEDS)}.")


def is_network(made: Any) -> bool:
    """True for tier 1, False for tier 2; anything else is refused."""
    if callable(getattr(made, "build", None)):
        return True
    if all(callable(getattr(made, method, None)) for method in ("fit", "load", "predict")):
        return False
    raise PluginError(
        f"{type(made).__name__} is neither a Network (size, mean, std, build) "
        "nor a Classifier (size, fit, load, predict)."
    )


@contextlib.contextmanager
def blaming(who: str, method: str) -> Iterator[None]:
    """Turn whatever a plugin raises into a PluginError that names it."""
    try:
        yield
    except ClastbenchError:
        raise
    except Exception as error:
        raise PluginError(f"{who}: {method} raised {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"

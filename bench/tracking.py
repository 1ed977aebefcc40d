"""TensorBoard's run folders, one a cell, with the event files it shows.

A run folder is `SUITE/DETECTOR+BACKBONE/seedS-FOLD` and holds up to two event files, `….curves` (epochs and overlays of
the fit) and `….scores` (hyperparameters and final scores), and `written.json`: the keys of the nodes they are of.
Event files are written here record by record. TensorBoard's own writer would do it in a thread, where a full disk shows
late, and through TensorFlow, where that is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .records import Cell
from .results import slug

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .train.log import Epoch

WATCHED = 6
"""So many validation photographs have overlays."""
CURVES, SCORES = "curves", "scores"
MARKER = "written.json"
OVERLAYS = "Grad-CAM/validation"
CHARTS: Mapping[str, Mapping[str, str]] = {
    "loss": {"train": "train_loss", "validation": "validation_loss"},
    "accuracy": {"train": "train_accuracy", "validation": "validation_accuracy"},
    "macro_f1": {"train": "train_macro_f1", "validation": "validation_macro_f1"},
}
"""Tags `loss/train`, `loss/validation`, … and the fields of an `Epoch` they show."""
HYPERPARAMETERS: Mapping[str, type] = {
    **dict.fromkeys(("detector", "backbone", "mode", "weights", "schedule", "size", "fold"), str),
    **dict.fromkeys(("seed", "epochs", "batch_size", "learning_rate", "weight_decay"), float),
}
FINAL = ("macro_f1", "accuracy", "presence_auroc", "sense_forced", "sense_end_to_end")
"""Metrics that stand beside the hyperparameters, as `score/macro_f1`, …"""


def watched(ids: Iterable[str]) -> list[str]:
    """Choose the validation photographs whose overlays are drawn: the first by the sha256 of their id."""
    return sorted(set(ids), key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:WATCHED]


def run_folder(root: Path, suite: str, cell: Cell) -> Path:
    """Where the event files of a cell lie; below `root` this is the name that TensorBoard shows."""
    return root / slug(suite) / slug(cell.word) / slug(cell.part)


@dataclass(frozen=True)
class Runs:
    """The run folders of one run of a suite."""

    root: Path
    suite: str
    detectors: Mapping[str, Sequence[str]]
    """The names of the detectors that take part, by view."""
    folds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The folds of detectors that take part in some only."""

    def folders(self, view: str, backbone: str, seed: int, fold: str) -> list[str]:
        """Return the folders of all cells that share one fit."""
        asked = (one for one in self.detectors.get(view, ()) if fold in self.folds.get(one, (fold,)))
        cells = (Cell(detector, backbone, seed, fold) for detector in asked)
        return [str(run_folder(self.root, self.suite, cell)) for cell in cells]


def written(folder: Path) -> dict[str, str]:
    """Return the keys of what a run folder holds in full, by `curves` and `scores`."""
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _mark(folder: Path, part: str, key: str) -> None:
    draft = folder / f".{MARKER}.{os.getpid()}"
    draft.write_text(json.dumps({**written(folder), part: key}, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / MARKER)


def _forget(folder: Path, part: str) -> None:
    """Remove the event files of a part, and of it alone."""
    for path in folder.glob(f"events.out.tfevents.*.{part}"):
        path.unlink(missing_ok=True)


class EventFile:
    """One event file of a run folder, readable up to the last record while it is being written."""

    def __init__(self, folder: Path, part: str) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

        folder.mkdir(parents=True, exist_ok=True)
        unique = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.path = folder / f"events.out.tfevents.{unique}.{part}"
        self._stream = self.path.open("wb")
        self._records = RecordWriter(self._stream)
        self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def add(self, step: int, values: Sequence[Any]) -> None:
        """Write one event of several `Summary.Value`s, and let readers see it."""
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

        event = Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        self._records.write(event.SerializeToString())
        self._stream.flush()

    def close(self) -> None:
        """Write out what is left."""
        self._stream.close()


class Live:
    """Writes a fit into the run folders of its cells while it goes on.

    What earlier runs left there is removed first. An error (a full disk, no TensorBoard) is said once on stderr and
    ends the writing, never the fit.
    """

    def __init__(self, folders: Sequence[Path], key: str) -> None:
        self._folders, self._key = folders, key
        self._files: list[EventFile] = []

    def __enter__(self) -> Self:
        with self._giving_up():
            for folder in self._folders:
                (folder / MARKER).unlink(missing_ok=True)
                _forget(folder, CURVES)
                _forget(folder, SCORES)
                self._files.append(EventFile(folder, CURVES))
            self._add(0, [_layout()])
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._giving_up():
            for file, folder in zip(self._files, self._folders, strict=True):
                file.close()
                if error is None and file.path.is_file():  # else a second run of this fit has begun anew
                    _mark(folder, CURVES, self._key)

    def epoch(self, epoch: Epoch) -> None:
        """Write the figures of an epoch."""
        with self._giving_up():
            self._add(epoch.epoch, _figures(epoch))

    def overlays(self, epoch: int, picture: NDArray[np.uint8]) -> None:
        """Write a picture uint8[H, W, 3] of the watched photographs."""
        with self._giving_up():
            self._add(epoch, [_image(OVERLAYS, picture)])

    def _add(self, step: int, values: Sequence[Any]) -> None:
        for file in self._files:
            file.add(step, values)

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 – pictures of a fit must never take it down
            say(error)
            files, self._files, self._folders = self._files, [], []
            for file in files:
                with contextlib.suppress(OSError):
                    file.close()


def say(error: Exception) -> None:
    """Say on stderr that event files could not be written, and why."""
    sys.stderr.write(f"TensorBoard: not written: {type(error).__name__}: {' '.join(str(error).split())}\n")


def write_curves(folder: Path, key: str, log: Sequence[Epoch]) -> None:
    """Write the epochs of a fit that was not followed live; what was there is replaced."""
    _forget(folder, CURVES)
    with contextlib.closing(EventFile(folder, CURVES)) as file:
        file.add(0, [_layout()])
        for epoch in log:
            file.add(epoch.epoch, _figures(epoch))
    _mark(folder, CURVES, key)


def write_scores(folder: Path, key: str, said: Mapping[str, str | float], scores: Mapping[str, float]) -> None:
    """Write hyperparameters (some of HYPERPARAMETERS) with final scores (some of FINAL); what was there is replaced."""
    _forget(folder, SCORES)
    with contextlib.closing(EventFile(folder, SCORES)) as file:
        file.add(0, _hyperparameters(said))
        file.add(0, [_scalar(f"score/{name}", value) for name, value in scores.items()])
    _mark(folder, SCORES, key)


def _figures(epoch: Epoch) -> list[Any]:
    named = {f"{chart}/{line}": getattr(epoch, name) for chart, lines in CHARTS.items() for line, name in lines.items()}
    return [_scalar(tag, value) for tag, value in named.items() if value is not None]


def _scalar(tag: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

    return Summary.Value(tag=tag, simple_value=value)


def _image(tag: str, picture: NDArray[np.uint8]) -> Any:
    from PIL import Image  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

    encoded = io.BytesIO()
    # TensorBoard's check sum goes byte by byte in Python: a PNG of this would take longer than most epochs
    Image.fromarray(picture).save(encoded, "JPEG", quality=85)
    height, width = picture.shape[:2]
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded.getvalue())
    return Summary.Value(tag=tag, image=image)


def _layout() -> Any:
    """Ask the page "Custom scalars" to draw training and validation into one chart."""
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata  # noqa: PLC0415
    from tensorboard.util.tensor_util import make_tensor_proto  # noqa: PLC0415

    charts = [
        layout_pb2.Chart(
            title=chart, multiline=layout_pb2.MultilineChartContent(tag=[f"^{chart}/{line}$" for line in lines])
        )
        for chart, lines in CHARTS.items()
    ]
    layout = layout_pb2.Layout(category=[layout_pb2.Category(title="training and validation", chart=charts)])
    return Summary.Value(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=metadata.create_summary_metadata(),
        tensor=make_tensor_proto(layout.SerializeToString()),
    )


def _hyperparameters(said: Mapping[str, str | float]) -> list[Any]:
    """Make the three records that the page "HParams" is made of; they are the same for every run but for the values."""
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415
    from tensorboard.plugins.hparams import api_pb2, metadata  # noqa: PLC0415
    from tensorboard.plugins.hparams.plugin_data_pb2 import (  # noqa: PLC0415
        HParamsPluginData,
        SessionEndInfo,
        SessionStartInfo,
    )

    from .metrics import METRICS  # noqa: PLC0415

    types = {str: api_pb2.DATA_TYPE_STRING, float: api_pb2.DATA_TYPE_FLOAT64}
    experiment = api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, type=types[kind]) for name, kind in HYPERPARAMETERS.items()],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=f"score/{name}"), display_name=METRICS[name].title)
            for name in FINAL
        ],
    )
    now = time.time()
    start = SessionStartInfo(start_time_secs=now)
    for name, value in said.items():
        if isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    end = SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=now)
    records = {
        metadata.EXPERIMENT_TAG: HParamsPluginData(experiment=experiment),
        metadata.SESSION_START_INFO_TAG: HParamsPluginData(session_start_info=start),
        metadata.SESSION_END_INFO_TAG: HParamsPluginData(session_end_info=end),
    }
    return [
        Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)
        for tag, data in records.items()
    ]

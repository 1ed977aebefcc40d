"""Runs ultralytics without a trace: nothing is sent, asked for, installed or left, and the process is as before.

By itself it keeps settings in the user's configuration folder, reports its use, looks for updates, installs packages,
and changes threads, random numbers, warnings, environment and print options of the whole process, in part already
when it is imported. Hence it is imported and trained inside `quiet` only.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

SWITCHES = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
"""Environment variables that keep it off the network; read once, when it is imported."""


@contextmanager
def quiet() -> Iterator[Path]:
    """Yield a folder that is gone afterwards, for what ultralytics insists on writing."""
    with TemporaryDirectory(prefix="clastbench-") as folder, ExitStack() as after:
        for restore in (_environment(), _randomness(), _torch_state(), _other_state(), _log_level()):
            after.callback(restore)
        after.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        os.environ.update({**SWITCHES, "YOLO_CONFIG_DIR": folder})
        yield Path(folder)


def _environment() -> Callable[[], None]:
    before = dict(os.environ)

    def restore() -> None:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)

    return restore


def _randomness() -> Callable[[], None]:
    import torch  # noqa: PLC0415

    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        torch.cuda.set_rng_state_all(cuda)

    return restore


def _torch_state() -> Callable[[], None]:
    import torch  # noqa: PLC0415
    from torch import _tensor_str  # noqa: PLC0415
    from torch.backends import cudnn  # noqa: PLC0415

    threads, deterministic = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    flags = cudnn.deterministic, cudnn.benchmark, torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    save, shown = torch.save, vars(_tensor_str.PRINT_OPTS).copy()

    def restore() -> None:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(deterministic)
        cudnn.deterministic, cudnn.benchmark, torch.utils.deterministic.fill_uninitialized_memory = flags  # type: ignore[attr-defined]
        torch.save = save
        vars(_tensor_str.PRINT_OPTS).update(shown)

    return restore


def _other_state() -> Callable[[], None]:
    import cv2  # noqa: PLC0415 – comes with ultralytics

    threads, shown = cv2.getNumThreads(), np.get_printoptions()
    opens = Image.open  # its own would install a package to open what is no picture

    def restore() -> None:
        cv2.setNumThreads(threads)
        np.set_printoptions(**shown)
        Image.open = opens

    return restore


def _log_level() -> Callable[[], None]:
    """Silence its log; where it is imported for the first time it stays at the level that says errors only."""
    log, known = logging.getLogger("ultralytics"), "ultralytics" in sys.modules
    level = log.level
    log.setLevel(logging.CRITICAL)
    return lambda: log.setLevel(level if known else logging.ERROR)

"""Which device a run uses, found out without importing torch."""

from __future__ import annotations

import ctypes
import os
import re
import sys

from ..errors import UsageError


def find_device(name: str) -> str:
    """Resolve `auto` to `cuda` where the driver reports a GPU, else to `cpu`, without importing torch.

    Raises:
        UsageError: a device that torch would not know, or a GPU that is not there.
    """
    if name == "auto":
        return "cuda" if _gpus() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise UsageError(f"--device {name!r}: expected auto, cpu, cuda, cuda:N or mps.")
    if name == "mps" and sys.platform != "darwin":
        raise UsageError("--device 'mps' exists on macOS only; use --device cpu.")
    if name.startswith("cuda") and int(name.partition(":")[2] or 0) >= _gpus():
        raise UsageError(f"--device {name!r}: {_gpus()} NVIDIA GPUs were found; use --device cpu.")
    return name


def _gpus() -> int:
    """Count NVIDIA GPUs by asking the driver."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1" if os.name == "posix" else "nvcuda.dll")
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except OSError:
        return 0
    return count.value

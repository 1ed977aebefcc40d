"""Trains and runs a detector of ultralytics, and ends with an error at the first socket, process or stray write."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import numpy as np
import torch._dynamo
import torchvision  # noqa: F401 – what torch asks of the system when it is imported is its own affair
from PIL import Image

OUT, TEMPORARY = (Path(folder).resolve() for folder in sys.argv[1:])
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
ALARMS = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
)
CHANGES = ("os.mkdir", "os.rename", "os.symlink", "os.link", "shutil.rmtree")


class StrayError(BaseException):
    """No `except Exception` on the way swallows it."""


def watch(event, arguments):
    if event in ALARMS:
        raise StrayError(f"{event}{arguments}")
    writes = event == "open" and isinstance(arguments[0], str | bytes) and (arguments[2] or 0) & WRITES
    if writes or event in CHANGES:
        refuse_outside(event, arguments[0])


def refuse_outside(event, path):
    if path == os.devnull:
        return
    where = Path(os.fsdecode(path)).resolve()
    if not (where.is_relative_to(OUT) or where.is_relative_to(TEMPORARY)):
        raise StrayError(f"{event} {where}")


def refuse(*arguments, **named):
    raise StrayError(f"socket{arguments}")


def main():
    sys.addaudithook(watch)
    socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse

    from clastbench.baselines.yolo import YOLOv8n
    from clastbench.records import Clast, Photomicrograph
    from clastbench.suite import DetectorTraining

    pixels = np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3), np.uint8)
    photographs = [
        Photomicrograph(str(row), pixels[row].copy, "", None, True, str(row), (Clast((5, 5, 30, 25), "CW"),))
        for row in range(6)
    ]
    opens, saves = Image.open, torch.save
    recipe = DetectorTraining(size=64, epochs=1, batch_size=4)
    YOLOv8n().fit(photographs, [], recipe=recipe, seed=0, device="cpu", out=OUT)
    detector = YOLOv8n()
    detector.load(OUT, device="cpu")
    detector.detect(photographs)
    assert (Image.open, torch.save) == (opens, saves)


main()

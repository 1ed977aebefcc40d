"""Photographs: reading, checking, splitting, cropping and showing them."""

from __future__ import annotations

from .agu2021 import read_agu2021, shipped_manifest, verify
from .augment import flip_vertical, mirror, mirror_photograph, rotate
from .coco import read_coco
from .export import export_coco
from .folders import read_folders
from .letterbox import Letterbox, letterbox
from .masks import decode, encode, from_coco, tails
from .pictures import PictureFile, open_rgb, picture_size, sha256_of
from .preview import contact_sheet, grouped_sheet
from .problems import Problem
from .source import detect_format, digest, read
from .splits import Fold, Split, check_split, make_split, read_split, write_split
from .validate import validate
from .yolo import read_yolo

__all__ = [
    "Fold",
    "Letterbox",
    "PictureFile",
    "Problem",
    "Split",
    "check_split",
    "contact_sheet",
    "decode",
    "detect_format",
    "digest",
    "encode",
    "export_coco",
    "flip_vertical",
    "from_coco",
    "grouped_sheet",
    "letterbox",
    "make_split",
    "mirror",
    "mirror_photograph",
    "open_rgb",
    "picture_size",
    "read",
    "read_agu2021",
    "read_coco",
    "read_folders",
    "read_split",
    "read_yolo",
    "rotate",
    "sha256_of",
    "shipped_manifest",
    "tails",
    "validate",
    "verify",
    "write_split",
]

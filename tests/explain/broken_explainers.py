"""Explainers that break their contract, each in one way, and two that keep it."""

from __future__ import annotations

import numpy as np
import torch

from clastbench.explain.cams import EigenCAM, GradCAM
from clastbench.explain.gradients import Saliency


class Sound(GradCAM):
    """Keeps the contract."""


class SoundOnLogits:
    """Keeps the contract with logits alone: the value itself, everywhere."""

    needs = "outputs"

    def explain(self, subject, inputs, target):
        values = target(subject.logits(inputs)).detach().numpy()
        return np.repeat(values, 6).reshape(-1, 2, 3).astype(np.float32)


class NeedsLuck(GradCAM):
    """Needs what nobody offers."""

    needs = "luck"


class ForgetsTheBatch(GradCAM):
    """Returns a single map."""

    def explain(self, subject, inputs, target):
        return super().explain(subject, inputs, target)[0]


class ReturnsDoubles(GradCAM):
    """Returns float64."""

    def explain(self, subject, inputs, target):
        return super().explain(subject, inputs, target).astype(np.float64)


class SaysNaN(GradCAM):
    """Divides by zero."""

    def explain(self, subject, inputs, target):
        return super().explain(subject, inputs, target) * np.float32(np.nan)


class ScalesByTheBatch(GradCAM):
    """Scales every map by the largest of its batch."""

    def explain(self, subject, inputs, target):
        maps = super().explain(subject, inputs, target)
        return maps / np.abs(maps).max(initial=1e-9)


class CountsCalls(GradCAM):
    """Answers differently each time."""

    calls = 0

    def explain(self, subject, inputs, target):
        self.calls += 1
        return super().explain(subject, inputs, target) * np.float32(1 + 0.01 * self.calls)


class LeaksAHook(Saliency):
    """Leaves a hook on the network."""

    def explain(self, subject, inputs, target):
        next(iter(subject.module.children())).register_forward_hook(lambda module, given, output: None)
        return super().explain(subject, inputs, target)


class LeavesGradients(Saliency):
    """Leaves gradients at the parameters."""

    def explain(self, subject, inputs, target):
        target(subject.module(inputs)).sum().backward()
        return super().explain(subject, inputs, target)


class StaysInTraining(Saliency):
    """Leaves the network in training mode."""

    def explain(self, subject, inputs, target):
        subject.module.eval()
        maps = super().explain(subject, inputs, target)
        subject.module.train()
        return maps


class TrainsTheModel(Saliency):
    """Takes a step of training."""

    def explain(self, subject, inputs, target):
        maps = super().explain(subject, inputs, target)
        gradients = torch.autograd.grad(target(subject.module(inputs)).sum(), list(subject.module.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(subject.module.parameters(), gradients, strict=True):
                parameter.add_(gradient, alpha=1e-3)
        return maps


class ChangesItsInput(GradCAM):
    """Turns its input over, once it is done with it."""

    def explain(self, subject, inputs, target):
        maps = super().explain(subject, inputs, target)
        inputs.neg_()
        return maps


class ChokesOnNothing(GradCAM):
    """Looks at the first row of an empty batch."""

    def explain(self, subject, inputs, target):
        return super().explain(subject, inputs, target) * np.float32(1 + 0 * float(inputs[0].sum()))


class IgnoresTheTarget(EigenCAM):
    """Shows the same for both senses, and does not say so."""

    signless = False


class ClaimsToKnowNoSign(GradCAM):
    """Says that it knows no sign, but its maps differ by more than that."""

    signless = True

    def explain(self, subject, inputs, target):
        return np.maximum(super().explain(subject, inputs, target), 0)


class LooksAtPixels(GradCAM):
    """Says that features are enough, but weighs by the brightness of what it is given."""

    def explain(self, subject, inputs, target):
        maps = super().explain(subject, inputs, target)
        bright = inputs.flatten(1).abs().mean(dim=1).numpy() if len(inputs) else np.zeros(0, np.float32)
        return maps * bright[:, None, None]


class CannotTravel(GradCAM):
    """Holds a function that does not pickle."""

    def __init__(self) -> None:
        self.scale = lambda maps: maps

"""The values that maps explain, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clastbench.explain.targets import Target

LOGITS = np.asarray([[0.5, 2.0, -1.0], [1.0, 0.0, 3.0], [-2.0, 0.25, 0.25]])
SIGNS = torch.tensor([1.0, -1.0, 1.0])


def test_sense_is_cw_less_ccw_times_the_sign():
    found = Target("sense", SIGNS)(torch.from_numpy(LOGITS))
    np.testing.assert_allclose(found, (LOGITS[:, 1] - LOGITS[:, 2]) * SIGNS.numpy())


def test_presence_is_logsumexp_of_both_senses_less_none():
    found = Target("presence", torch.ones(3))(torch.from_numpy(LOGITS))
    np.testing.assert_allclose(found, np.log(np.exp(LOGITS[:, 1]) + np.exp(LOGITS[:, 2])) - LOGITS[:, 0])


@pytest.mark.parametrize("name", ["sense", "presence"])
def test_row_functions_give_what_the_whole_gives(name):
    target, logits = Target(name, SIGNS), torch.from_numpy(LOGITS)
    assert [float(row(one)) for row, one in zip(target.rows(), logits, strict=True)] == target(logits).tolist()

"""What the blocks of all networks are made of, beside plain torch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from magik import blocks


@pytest.mark.parametrize("rows", [0, 3, 7, 12])
def test_rows_that_are_normed_in_parts_are_normed_as_a_whole(rows, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 5)
    torch.manual_seed(0)
    ours, plain = blocks.GeluNorm(4), nn.LayerNorm(4)
    with torch.no_grad():
        for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
            other.copy_(one.normal_())
    x, y = (torch.linspace(-3, 3, 4 * rows).view(rows, 4).requires_grad_() for _ in range(2))
    weights = torch.linspace(1, 2, 4 * rows).view(rows, 4)
    found, expected = ours(x), plain(F.gelu(y))
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(x.grad, y.grad)
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_graphs_of_rows_are_normed_too():
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    norm = blocks.GeluNorm(4)
    torch.testing.assert_close(norm(x), F.layer_norm(F.gelu(x), [4]))

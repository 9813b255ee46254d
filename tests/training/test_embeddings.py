"""Signs of collapse."""

import pytest
import torch

from slyk.training.embeddings import effective_rank, embedding_std


def test_collapsed_embeddings() -> None:
    same = torch.ones(16, 8)
    assert embedding_std(same) == pytest.approx(0.0, abs=1e-6)
    assert effective_rank(same) == pytest.approx(1.0)


def test_an_even_spread() -> None:
    spread = torch.randn(4096, 16, generator=torch.Generator().manual_seed(0))
    assert embedding_std(spread) == pytest.approx(1.0, abs=0.03)
    assert effective_rank(spread) == pytest.approx(16, abs=0.2)


def test_a_rank_by_hand() -> None:
    """Points on two axes with singular values 1:1 have rank 2; on one axis 1."""
    square = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert effective_rank(square) == pytest.approx(2.0)
    assert effective_rank(square[:2]) == pytest.approx(1.0)
    assert effective_rank(square + 7) == pytest.approx(2.0)


def test_lengths_do_not_matter_for_the_deviation() -> None:
    spread = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
    assert embedding_std(100 * spread) == pytest.approx(embedding_std(spread), rel=1e-5)

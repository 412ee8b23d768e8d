"""Tests of Muon: orthogonalised steps of matrices, Adam for all other tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metagui.learning.torch_utils.muon import MUON_MOMENTUM, Muon, is_hidden_matrix, orthogonalise


def _two() -> tuple[torch.Tensor, torch.Tensor, Muon]:
    matrix, vector = torch.zeros(32, 16), torch.zeros(16)
    groups = [{"params": [vector], "lr": 0.1}, {"params": [matrix], "lr": 0.5, "muon": True}]
    return matrix, vector, Muon(groups, lr=1.0, fused=True)


@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (32, 32)])
def test_orthogonalise_returns_a_nearly_orthogonal_matrix(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    near = orthogonalise(matrix)
    assert near.shape == matrix.shape
    singular = torch.linalg.svdvals(near)
    assert 0.6 < float(singular.min()) < float(singular.max()) < 1.3, "Jordan's coefficients come near 1, no nearer"
    assert float((u.T @ near @ v.T).diagonal().min()) > 0.6, "the directions are the gradient's own"
    np.testing.assert_allclose(orthogonalise(1e-4 * matrix), near, atol=1e-3, err_msg="its length does not count")


def test_orthogonalise_of_zeros_is_zero() -> None:
    assert torch.equal(orthogonalise(torch.zeros(20, 30)), torch.zeros(20, 30))


def test_is_hidden_matrix_excludes_vectors_and_outputs() -> None:
    shapes = {(64, 128): True, (128, 64): True, (128, 8): False, (3, 128): False, (128,): False, (5, 64, 64): False}
    assert {shape: is_hidden_matrix(torch.zeros(shape)) for shape in shapes} == shapes


def test_muon_steps_matrices_and_adam_all_other_tensors() -> None:
    matrix, vector, optimiser = _two()
    first, second = torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(1))
    alone = vector.clone()
    adam = torch.optim.Adam([alone], lr=0.1, fused=True)
    wanted, momentum = torch.zeros_like(matrix), torch.zeros_like(matrix)
    for gradient in (first, second):
        momentum = MUON_MOMENTUM * momentum + gradient
        wanted -= 0.5 * 2**0.5 * orthogonalise(gradient + MUON_MOMENTUM * momentum)
        matrix.grad, vector.grad, alone.grad = gradient.clone(), gradient[0].clone(), gradient[0].clone()
        optimiser.step()
        adam.step()
    np.testing.assert_allclose(matrix, wanted, atol=1e-6)
    assert torch.equal(vector, alone)
    assert matrix.grad is None, "Adam would step it as well"

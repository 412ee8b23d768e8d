"""Muon (Jordan et al. 2024), with Adam for what is no hidden layer's matrix: half the outer steps of Adam alone.

A matrix steps along the nearest orthogonal matrix to its momentum, so that every direction in which it may change
is learnt equally fast, not those with large gradients first:

    M ← μ M + G        W ← W − η √max(1, m/n) · orthogonal(G + μ M)

torch's own works in bfloat16, which takes a CPU more than twice as long, and came after the oldest torch we allow.
"""

from __future__ import annotations

from typing import Any

import torch

MUON_MOMENTUM = 0.95
MIN_HIDDEN_WIDTH = 16
"""Matrices narrower than this are outputs."""
NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: they bring singular values near 1, between 0.7 and 1.2, in few steps."""
NEWTON_SCHULZ_STEPS = 5


class Muon(torch.optim.Adam):
    """Adam, but Muon for the groups that have ``muon`` set; both keep their moments under the same names."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step everything that has a ``grad``; those of Muon's matrices are used up."""
        for group in self.param_groups:
            if group.get("muon"):
                for matrix in group["params"]:
                    self._step_matrix(matrix, group["lr"])
        super().step(closure)

    def _step_matrix(self, matrix: torch.Tensor, lr: float) -> None:
        gradient, matrix.grad = matrix.grad, None
        if gradient is None:
            return
        state = self.state[matrix]
        if not state:
            state |= {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(matrix), "exp_avg_sq": torch.zeros(0)}
        state["step"] += 1
        momentum = state["exp_avg"].mul_(MUON_MOMENTUM).add_(gradient)
        longer = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        matrix.add_(orthogonalise(gradient.add(momentum, alpha=MUON_MOMENTUM)), alpha=-lr * longer)


def is_hidden_matrix(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is a hidden layer's matrix."""
    return tensor.dim() == 2 and min(tensor.shape) >= MIN_HIDDEN_WIDTH


def orthogonalise(matrix: torch.Tensor) -> torch.Tensor:
    """Return nearly U Vᵀ of ``matrix`` = U S Vᵀ, (m, n), by Newton and Schulz's iteration."""
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x

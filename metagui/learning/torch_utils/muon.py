"""Muon optimizer (Jordan et al. 2024) for hidden layers' matrices, Adam for all other tensors.

Meta-training needs half as many outer steps as with Adam alone. A matrix steps along the orthogonal matrix nearest to
its momentum, so that all directions are learnt equally fast, not those with large gradients first:

    M ← μ M + G        W ← W − η √max(1, m/n) · orthogonal(G + μ M)

torch's own implementation computes in bfloat16, which takes more than twice as long on a CPU, and is newer than the
oldest supported torch.
"""

from __future__ import annotations

from typing import Any

import torch

MUON_MOMENTUM = 0.95
MIN_HIDDEN_WIDTH = 16
"""Minimum size of both dimensions of a hidden layer's matrix; narrower ones are output layers."""
NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients; singular values end between 0.7 and 1.2 after a few steps."""
NEWTON_SCHULZ_STEPS = 5


class Muon(torch.optim.Adam):
    """Adam, and Muon for parameter groups with ``muon`` set; both store their moments under the same names."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step with all tensors that have a gradient; those of Muon's matrices are cleared."""
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
    """Return whether a tensor is the weight matrix of a hidden layer."""
    return tensor.dim() == 2 and min(tensor.shape) >= MIN_HIDDEN_WIDTH


def orthogonalise(matrix: torch.Tensor) -> torch.Tensor:
    """Return approximately U Vᵀ of ``matrix`` = U S Vᵀ, (m, n), by Newton-Schulz iteration."""
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x

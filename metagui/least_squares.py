"""Nonlinear least squares by Levenberg and Marquardt, for fits of a dozen parameters.

More (1978), *The Levenberg-Marquardt algorithm: implementation and theory*, with a Jacobian by central differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_STEP = 1e-6
_MAX_DAMPING = 1e10


def minimise_squares(
    compute_residuals: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    start: NDArray[np.float64],
    iterations: int = 60,
    tolerance: float = 1e-10,
) -> NDArray[np.float64]:
    """Return the parameters (P,) near ``start`` with the smallest sum of squared residuals (R,).

    Parameters should be of the order of one. The fit ends when a step improves the sum by less than a fraction of it,
    ``tolerance``.
    """
    best = np.array(start, dtype=np.float64)
    residuals = compute_residuals(best)
    damping = 1e-3
    for _ in range(iterations):
        jacobian = _differentiate(compute_residuals, best)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ residuals
        before = float(residuals @ residuals)
        while damping < _MAX_DAMPING:
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), -gradient)
            trial = compute_residuals(best + step)
            if float(trial @ trial) < before:
                best, residuals, damping = best + step, trial, damping / 10
                break
            damping *= 10
        if before - float(residuals @ residuals) <= tolerance * before:
            break
    return best


def _differentiate(
    compute_residuals: Callable[[NDArray[np.float64]], NDArray[np.float64]], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the Jacobian (R, P) by central differences."""
    steps = _STEP * np.eye(len(at))
    columns = [(compute_residuals(at + step) - compute_residuals(at - step)) / (2 * _STEP) for step in steps]
    return np.stack(columns, axis=1)

"""Resumable state of meta-training: parameters, learnt inner rates, optimiser moments, seed and step.

A state file is a safetensors file with a JSON header, written atomically, so that a killed run leaves the previous
complete one. A resumed run computes exactly the same numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from metagui.learning.torch_utils.safetensors_io import DECODING_ERRORS, TensorFileError, read_tensors, save_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.learning.torch_utils.functional_mlp import Params


class StateFileError(Exception):
    """A meta-training state file cannot be read."""


@dataclass(frozen=True)
class MetaParameters:
    """The learnt starting point θ and the learnt inner step sizes α."""

    params: Params
    """θ: every tensor of the model, without task dimension."""
    log_rates: Params
    """log α: for every adapted tensor's name the logarithm of its rate at every inner step, (steps,)."""

    def tensors(self) -> list[torch.Tensor]:
        """Return all tensors that the outer loop optimises, in a fixed order."""
        return [*self.params.values(), *self.log_rates.values()]

    def flatten(self) -> torch.Tensor:
        """Return all values concatenated, (P,), detached."""
        return torch.cat([tensor.detach().flatten() for tensor in self.tensors()])

    def unflatten(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Return views of ``vector`` (P,) in the shapes of ``tensors``."""
        tensors = self.tensors()
        parts = torch.split(vector, [tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def detached_copy(self) -> MetaParameters:
        """Return a copy without autograd graph."""
        return MetaParameters(
            {name: tensor.detach().clone() for name, tensor in self.params.items()},
            {name: tensor.detach().clone() for name, tensor in self.log_rates.items()},
        )

    def interpolate(self, other: MetaParameters, fraction: float) -> MetaParameters:
        """Return (1 − fraction) self + fraction other, detached.

        If one has rates of fewer inner steps, its last rate is repeated, as adaptation does.
        """

        def between(here: Params, there: Params) -> Params:
            return {name: torch.lerp(tensor, there[name], fraction).detach() for name, tensor in here.items()}

        steps = max((len(rate) for rate in (*self.log_rates.values(), *other.log_rates.values())), default=0)
        rates = (_repeat_last_rate(self.log_rates, steps), _repeat_last_rate(other.log_rates, steps))
        return MetaParameters(between(self.params, other.params), between(*rates))

    def trainable_copy(self) -> MetaParameters:
        """Return a copy whose tensors require gradients."""
        copy = self.detached_copy()
        for tensor in copy.tensors():
            tensor.requires_grad_()
        return copy


@dataclass
class MetaState:
    """State of a meta-training run between two outer steps."""

    meta: MetaParameters
    seed: int
    """Seed of the batches; a batch's random stream depends on it, the step and the batch number."""
    step: int = 0
    """Number of outer steps taken."""
    skipped: int = 0
    """Number of outer steps skipped because of a number that was not finite."""
    moments: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    """First and second moments of the optimiser, one pair per tensor; empty before the first step."""
    optimiser_steps: float = 0.0
    """Number of optimiser steps taken, without the skipped ones."""

    def restore_optimiser(self, optimiser: torch.optim.Adam) -> None:
        """Copy the moments of this state into ``optimiser``."""
        for tensor, (first, second) in zip(self.meta.tensors(), self.moments, strict=bool(self.moments)):
            optimiser.state[tensor] = {
                "step": torch.tensor(self.optimiser_steps),
                "exp_avg": first.clone(),
                "exp_avg_sq": second.clone(),
            }

    def capture_optimiser(self, optimiser: torch.optim.Adam) -> None:
        """Copy the moments of ``optimiser`` into this state."""
        states = [optimiser.state.get(tensor) for tensor in self.meta.tensors()]
        if all(states):
            self.moments = [(s["exp_avg"], s["exp_avg_sq"]) for s in states if s]
            self.optimiser_steps = float(states[0]["step"]) if states[0] else 0.0

    def save(self, path: Path, notes: dict[str, Any] | None = None) -> None:
        """Write the state and ``notes`` (JSON values, returned by ``load``). Raises OSError."""
        tensors = {f"params/{n}": t for n, t in self.meta.params.items()}
        tensors |= {f"rates/{n}": t for n, t in self.meta.log_rates.items()}
        for index, (first, second) in enumerate(self.moments):
            tensors[f"first/{index}"], tensors[f"second/{index}"] = first, second
        header = {
            "step": self.step,
            "skipped": self.skipped,
            "updates": self.optimiser_steps,
            "seed": self.seed,
            "params": list(self.meta.params),
            "rates": list(self.meta.log_rates),
            "moments": len(self.moments),
            "notes": notes or {},
        }
        save_tensors(path, tensors, {"state": json.dumps(header)})

    @classmethod
    def load(cls, path: Path) -> tuple[MetaState, dict[str, Any]]:
        """Read a state and its notes. Raises StateFileError."""
        try:
            header, tensors = read_tensors(path, "state")
            params = {name: tensors[f"params/{name}"].requires_grad_() for name in header["params"]}
            rates = {name: tensors[f"rates/{name}"].requires_grad_() for name in header["rates"]}
            moments = [(tensors[f"first/{i}"], tensors[f"second/{i}"]) for i in range(_read_count(header, "moments"))]
            seed, step, skipped = (_read_count(header, key) for key in ("seed", "step", "skipped"))
            state = cls(MetaParameters(params, rates), seed, step, skipped, moments, float(header["updates"]))
            notes = header["notes"]
            if not isinstance(notes, dict) or not math.isfinite(state.optimiser_steps):
                raise TensorFileError("its description is damaged")
            state._check_moments()
        except (TensorFileError, *DECODING_ERRORS) as error:
            reason = error if isinstance(error, TensorFileError) else "it is damaged, or another program's"
            raise StateFileError(
                f"{path} is not a meta-training state of this program: {reason}. "
                "Nothing was changed; start without it, or name another file."
            ) from error
        return state, notes

    def _check_moments(self) -> None:
        """Raise TensorFileError unless the moments have the shapes of the parameters; Muon has no second ones."""
        shapes = [tensor.shape for tensor in self.meta.tensors()]
        fits = all(second.shape in (first.shape, (0,)) for first, second in self.moments)
        if self.moments and not (fits and [first.shape for first, _ in self.moments] == shapes):
            raise TensorFileError("its optimiser does not fit its parameters")

    def load_next(self, path: Path) -> tuple[MetaState, dict[str, Any]]:
        """Read the state with which a run that began with this one goes on, and its notes. Raises StateFileError."""
        state, notes = MetaState.load(path)
        if _get_shapes(state.meta.params) != _get_shapes(self.meta.params):
            raise StateFileError(
                f"{path} is the state of another network than this run's. Nothing was changed; start without it, or "
                "name another file."
            )
        return state, notes


def _get_shapes(params: Params) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in params.items()}


def _read_count(header: dict[str, Any], key: str) -> int:
    """Return a whole number of a description. Raises KeyError, TensorFileError."""
    value = header[key]
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise TensorFileError("its description is damaged")
    return value


def _repeat_last_rate(log_rates: Params, steps: int) -> Params:
    """Return the rates of ``steps`` inner steps: those beyond the learnt ones repeat the last one."""
    return {name: torch.cat([rate, rate[-1:].expand(steps - len(rate))]) for name, rate in log_rates.items()}

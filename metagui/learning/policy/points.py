"""Batches of decisions, the data that the policy is trained on and conditioned on; B tasks, N points, A objects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PolicyInputs:
    """Inputs of the policy network that no adapted tensor changes."""

    first: torch.Tensor
    """(B, N, OBJECT_FEATURES) of the object attended to first."""
    second: torch.Tensor
    """(B, N, OBJECT_FEATURES) of the object attended to second."""
    entry_distance: torch.Tensor
    """(B, N, 1) see ``conditioning.compute_entry_distance``."""
    retrieved: torch.Tensor
    """(B, N, RETRIEVED_FEATURES) from the most similar situations in the support set."""


@dataclass(frozen=True)
class Points:
    """Decisions of several tasks, in random order."""

    object_features: torch.Tensor
    """(B, N, A, OBJECT_FEATURES)"""
    global_features: torch.Tensor
    """(B, N, GLOBAL_FEATURES)"""
    actions: torch.Tensor
    """(B, N, ACTION_SIZE)"""
    done: torch.Tensor
    """(B, N) 1 at the end of a segment."""
    phase: torch.Tensor
    """(B, N) elapsed fraction of the segment, 0 to 1; an input of the encoder only."""
    take_ids: torch.Tensor | None = None
    """(B, N) number of the take within its task; None for takes that are not in the memory."""
    forced_attention: torch.Tensor | None = None
    """(B, 2) objects to attend to instead of the inferred ones; A as the second stands for no object."""
    conditioning_dropout: torch.Tensor | None = None
    """(B, GATE_COUNT) 1 for gates to close; in training only."""
    position_noise: torch.Tensor | None = None
    """(B, 6, 3) noise added to the inferred positions; in training only."""
    policy_inputs: PolicyInputs | None = field(default=None, kw_only=True)
    """Precomputed inputs of the policy, see ``PolicyModel.precompute``."""
    encoder_points: int | None = field(default=None, kw_only=True)
    """Number of points that the encoder and the loss use, None for all; the memory stores all: a denser memory costs
    little."""

    def select_first(self, count: int) -> Points:
        """Return the first ``count`` points of every task, which are a random sample."""
        return replace(
            self,
            object_features=self.object_features[:, :count],
            global_features=self.global_features[:, :count],
            actions=self.actions[:, :count],
            done=self.done[:, :count],
            phase=self.phase[:, :count],
            take_ids=None if self.take_ids is None else self.take_ids[:, :count],
            encoder_points=None,
        )

    def select_encoder_points(self) -> Points:
        """Return the points that the encoder and the loss use."""
        return self if self.encoder_points is None else self.select_first(self.encoder_points)

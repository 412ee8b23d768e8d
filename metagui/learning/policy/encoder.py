"""The context encoder: infers a task's context, attended objects and positions from its support set.

One network runs over every object of every support point (features, action, done, phase) and is averaged over all
points and over those at the end. From the objects' summaries come two attentions over the objects, the second
conditioned on the first; positions such as goals (see ``conditioning``); and a context vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from metagui.learning.policy import task_inference
from metagui.learning.policy.feature_layout import ACTION_SIZE, GLOBAL_FEATURES, OBJECT_INPUT_FEATURES, OBJECT_LAYOUT
from metagui.learning.policy.task_inference import attend
from metagui.learning.torch_utils.functional_mlp import Params, init_mlp, linear, mlp

if TYPE_CHECKING:
    from metagui.learning.policy.points import Points

END_FEATURES = 5 + task_inference.CENTRE_FEATURES
"""Number of features that describe where demonstrations end and what they go round, per object."""
MASKED_ATTENTION_LOGIT = 20.0
"""Decrease of the attention logits of all objects but the forced one."""


@dataclass(frozen=True)
class ContextEncoder:
    """Sizes, constants and functions of the encoder; its parameters are a dictionary."""

    hidden: int = 128
    """Width of the policy's two hidden layers."""
    encoder: int = 128
    """Width of the encoder."""
    summary: int = 64
    """Size of the summary of one object."""
    context: int = 16
    """Size of the context vector."""
    via_point_end_bias: float = 4.0
    """Bias towards late samples when attending to a via point."""
    attention_repulsion: float = 30.0
    """Decrease of the second attention's logit for the object attended to first."""
    heuristic_sharpness: float = 10.0
    """Gain of the attentions' initial heuristics, per 0.1 m."""
    pairing_distance: float = 0.58
    """Distance at the end, in 0.1 m, below which the heuristic pairs two objects; beyond it the second attention
    selects no object, since an irrelevant one only disturbs."""
    sharpness: float = 3.0
    """Gain of the learnt attention logits: a policy that mixes in a tenth of a wrong object misses by a tenth of the
    distance."""
    entry_reached_gain: float = 0.0
    """Increase of the log key scale of the entry distance for motions that stay level after their entry. Imitation
    hardly requires it; in closed loop a line depends on it."""

    def initialise_encoder(self, generator: torch.Generator) -> Params:
        """Return untrained parameters of the encoder."""
        inputs, s = OBJECT_INPUT_FEATURES + GLOBAL_FEATURES + ACTION_SIZE + 2, self.summary
        return (
            init_mlp("encoder", (inputs, self.encoder, self.encoder), generator)
            | init_mlp("mix", (4 * self.encoder, s), generator)
            | init_mlp("first", (s + END_FEATURES, s // 2, 1), generator, last_layer_scale=0.1)
            | init_mlp("second", (2 * s + END_FEATURES, s // 2, 1), generator, last_layer_scale=0.1)
            | init_mlp("moment", (self.encoder, 3), generator, last_layer_scale=0.1)
            | init_mlp("context", (2 * s, s, self.context), generator)
            | init_mlp("marks", (2 * s, s, 6), generator, last_layer_scale=0.1)
        )

    def infer(self, params: Params, support: Points) -> Params:
        """Return the inferred tensors of every task: context, attentions, positions, radius and key scales."""
        encoded = self.encode_points(params, support)
        summaries = self.summarise_objects(params, encoded, support)
        centres = task_inference.summarise_centres(support.object_features[..., OBJECT_LAYOUT.offset], support.done)
        first = self._infer_first_attention(params, summaries, centres, support)
        first = force_attention(first, support.forced_attention, 0)
        second = self._infer_second_attention(params, summaries, centres, support, first)
        second = force_attention(second, support.forced_attention, 1)
        attended = torch.cat([attend(first, summaries), attend(second, summaries)], -1)
        inferred = {"context": mlp(params, "context", attended, 2), "attention1": first, "attention2": second}
        return inferred | self._infer_positions(params, encoded, attended, inferred, support)

    def encode_points(self, params: Params, support: Points) -> torch.Tensor:
        """Return the encoding of every object at every point, (tasks, N, A, encoder)."""
        shared = torch.cat(
            [support.global_features, support.actions, support.done.unsqueeze(-1), support.phase.unsqueeze(-1)], -1
        )
        weight, bias = params["encoder.0.weight"], params["encoder.0.bias"]
        # The inputs that all objects share are multiplied only once.
        object_weight, shared_weight = weight[:OBJECT_INPUT_FEATURES], weight[OBJECT_INPUT_FEATURES:]
        hidden = torch.relu(
            support.object_features[..., :OBJECT_INPUT_FEATURES] @ object_weight
            + linear(shared, shared_weight, bias).unsqueeze(2)
        )
        return torch.relu(linear(hidden, params["encoder.1.weight"], params["encoder.1.bias"]))

    def summarise_objects(self, params: Params, encoded: torch.Tensor, support: Points) -> torch.Tensor:
        """Return the summary of every object, (tasks, A, summary)."""
        even = torch.full_like(support.done, 1.0 / support.done.shape[1])
        each = task_inference.pool_points(
            encoded, torch.stack([even, task_inference.end_weights(support.done)], dim=1)
        ).flatten(2)
        mean = each.mean(dim=1, keepdim=True).expand_as(each)
        return torch.relu(mlp(params, "mix", torch.cat([each, mean], -1), 1))

    def _infer_first_attention(
        self, params: Params, summaries: torch.Tensor, centres: torch.Tensor, support: Points
    ) -> torch.Tensor:
        """Return the first attention's logits (tasks, A).

        The heuristic: a demonstration ends near the object it is about, always at the same position relative to it.
        """
        ends = task_inference.summarise_ends(support.object_features[..., OBJECT_LAYOUT.offset], support.done)
        heuristic = -self.heuristic_sharpness * (ends[..., 3] + ends[..., 4])
        learnt = mlp(params, "first", torch.cat([summaries, ends, centres], -1), 2).squeeze(-1)
        return heuristic + self.sharpness * learnt

    def _infer_second_attention(
        self, params: Params, summaries: torch.Tensor, centres: torch.Tensor, support: Points, attention1: torch.Tensor
    ) -> torch.Tensor:
        """Return the second attention's logits (tasks, A + 1): an object other than the first, or none.

        The heuristic: objects that belong together end near each other, always at the same relative position.
        """
        positions = support.object_features[..., OBJECT_LAYOUT.offset]
        ends = task_inference.summarise_ends(positions - attend(attention1, positions).unsqueeze(2), support.done)
        heuristic = self.heuristic_sharpness * (self.pairing_distance - ends[..., 3] - ends[..., 4])
        given = attend(attention1, summaries)
        rows = torch.cat([summaries, given.unsqueeze(1).expand_as(summaries), ends, centres], -1)
        none = torch.nn.functional.pad(torch.cat([torch.zeros_like(given), given], -1), (0, END_FEATURES)).unsqueeze(1)
        logits = self.sharpness * mlp(params, "second", torch.cat([rows, none], 1), 2).squeeze(-1)
        repulsion = self.attention_repulsion * torch.softmax(attention1, -1).detach()
        return logits + torch.cat([heuristic - repulsion, torch.zeros_like(heuristic[:, :1])], -1)

    def _infer_positions(
        self, params: Params, encoded: torch.Tensor, attended: torch.Tensor, inferred: Params, support: Points
    ) -> Params:
        """Return the positions in ``conditioning.INFERRED_POSITIONS``, the radius and the memory's key scales.

        Goals, circle and entry are inferred in closed form; for via points and entry the encoder adds to the logits of
        the points.
        """
        position1, position2 = (
            attend(inferred[name], support.object_features[..., OBJECT_LAYOUT.offset])
            for name in ("attention1", "attention2")
        )
        logits = mlp(params, "moment", encoded, 1)
        mark1, entry = attend(inferred["attention1"], logits[..., [0, 2]]).unbind(-1)
        mark2 = attend(inferred["attention2"], logits[..., 1:2]).squeeze(-1)
        offsets = mlp(params, "marks", attended, 2)
        end_bias = self.via_point_end_bias * support.done
        entry = entry + task_inference.infer_entry_logits(position1, support.done, support.phase, support.take_ids)
        centre, radius = task_inference.infer_circle(position1, support.done)
        return {
            "goal1": task_inference.infer_goal(position1, support.done),
            "goal2": task_inference.infer_goal(position2, support.done),
            "mark1": task_inference.average_by_logits(position1, mark1 + end_bias) + offsets[:, :3],
            "mark2": task_inference.average_by_logits(position2, mark2 + end_bias) + offsets[:, 3:],
            "centre": centre,
            "entry": task_inference.average_by_logits(position1, entry),
            "radius": radius,
            "memory.scales": self._infer_key_scales(params["memory.scales"], position1, entry, support),
        }

    def _infer_key_scales(
        self, scales: torch.Tensor, positions: torch.Tensor, entry_logits: torch.Tensor, support: Points
    ) -> torch.Tensor:
        """Return the log scales of the memory's keys, (tasks, RETRIEVAL_KEY_FEATURES)."""
        scales = scales.expand(len(positions), -1)
        if not self.entry_reached_gain:
            return scales
        level = task_inference.infer_level_fraction(positions, support.done, support.phase, entry_logits)
        return torch.cat([scales[:, :-1], scales[:, -1:] + self.entry_reached_gain * level.unsqueeze(-1)], -1)


def force_attention(logits: torch.Tensor, forced_attention: torch.Tensor | None, which: int) -> torch.Tensor:
    """Return the attention's logits (tasks, A), or logits that select the forced object."""
    if forced_attention is None:
        return logits
    chosen = torch.nn.functional.one_hot(forced_attention[:, which], logits.shape[1])
    return MASKED_ATTENTION_LOGIT * (chosen - 1.0)

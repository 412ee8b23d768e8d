"""The policy as a model for ``maml``: a context encoder, and a policy network that it conditions.

The policy reads the two attended objects, the conditioning features, what was retrieved from the memory, the global
features and the context. The inner loop adapts the policy's weights and most of the inferred tensors.

Tensors of one task's policy (without the leading task dimension B; A objects including the segment's start, N support
points; h = ``hidden``, c = ``context``; lengths in units of 0.1 m):

=====================  =================  ==============================================================================
name                   shape              meaning
=====================  =================  ==============================================================================
``policy.0.weight``    (in, h)            first layer; in = 2 * OBJECT_INPUT_FEATURES + CONDITIONING_FEATURES +
                                          RETRIEVED_FEATURES + GLOBAL_FEATURES + c
``policy.1.weight``    (h, h)             second layer
``policy.2.weight``    (h, 6)             output layer: action (5) and done logit
``policy.*.bias``      (h,), (h,), (6,)   biases of the three layers
``context``            (c,)               what the encoder inferred beyond the tensors below
``attention1``         (A,)               logits: which object the task is about
``attention2``         (A + 1,)           logits: which other object matters; the last entry stands for none
``goal1``, ``goal2``   (3,), (3,)         positions of the two objects relative to the tool when the segment ends
``mark1``, ``mark2``   (3,), (3,)         positions of the two objects relative to the tool at the via point
``centre``             (3,)               position of the first object relative to the centre of the motion
``radius``             (1,)               distance of the motion from that centre
``entry``              (3,)               position of the first object relative to the tool where the motion begins
``trust``              (4,)               logits of the gates of goals, via points, circle and stroke
``memory.keys``        (N, 12)            situations of the support points, not adapted
``memory.values``      (N, 10)            position (3), action (5), done and phase of the support points, not adapted
``memory.scales``      (12,)              logarithms of the scales of the keys, not adapted
=====================  =================  ==============================================================================

Parameters that all tasks share (θ): the policy's weights, ``trust`` and ``memory.scales`` above, and the encoder's
``encoder`` (points), ``mix`` (summaries), ``first`` and ``second`` (attentions), ``moment`` (logits of via points and
entry), ``context`` and ``marks`` (offsets of via points). A stored task policy holds TASK_TENSORS and
STORED_MEMORY_TENSORS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from metagui.learning.policy import conditioning, retrieval
from metagui.learning.policy.encoder import ContextEncoder
from metagui.learning.policy.feature_layout import ACTION_SIZE, GLOBAL_FEATURES, OBJECT_INPUT_FEATURES
from metagui.learning.policy.numpy_policy import POLICY_LAYERS
from metagui.learning.policy.points import Points, PolicyInputs
from metagui.learning.policy.retrieval import RETRIEVAL_TENSORS, STORED_MEMORY_TENSORS, TorchNamespace
from metagui.learning.policy.task_inference import attend_both
from metagui.learning.torch_utils.functional_mlp import Params, expand_per_task, init_mlp, mlp

POLICY_TENSORS = tuple(f"policy.{layer}.{part}" for layer in range(POLICY_LAYERS) for part in ("weight", "bias"))
INFERRED_TENSORS = ("context", "attention1", "attention2", *conditioning.CONDITIONING_TENSORS)
"""Tensors that the encoder infers for every task."""
TASK_TENSORS = INFERRED_TENSORS + POLICY_TENSORS
"""Tensors of a task's policy, without its memory."""
ADAPTED_TENSORS = tuple(name for name in TASK_TENSORS if name not in RETRIEVAL_TENSORS)
"""Tensors that the inner loop adapts."""
INITIAL_TRUST_LOGIT, CLOSED_GATE_LOGIT = 2.0, 10.0
"""Initial logit of the gates, and the decrease that closes one."""


@dataclass(frozen=True)
class PolicyModel(ContextEncoder):
    """Sizes, loss weights and functions of encoder and policy; the parameters are dictionaries of tensors."""

    huber: float = 0.3
    """Action error above which the Huber loss is linear."""
    done_weight: float = 0.3
    """Weight of the done output's cross-entropy relative to the action error."""
    unconditioned: bool = False
    """True if every task starts from the same parameters, without its demonstrations: the multi-task baseline."""

    def initialise(self, seed: int) -> Params:
        """Return untrained parameters."""
        generator = torch.Generator().manual_seed(seed)
        inputs = (
            2 * OBJECT_INPUT_FEATURES
            + conditioning.CONDITIONING_FEATURES
            + conditioning.RETRIEVED_FEATURES
            + GLOBAL_FEATURES
            + self.context
        )
        sizes = (inputs, self.hidden, self.hidden, ACTION_SIZE + 1)
        policy = init_mlp("policy", sizes, generator, last_layer_scale=0.3) | {
            "trust": torch.full((conditioning.GATE_COUNT,), INITIAL_TRUST_LOGIT),
            "memory.scales": torch.tensor(conditioning.INITIAL_LOG_KEY_SCALES),
        }
        if self.unconditioned:
            shared = {"context": self.context, "radius": 1} | dict.fromkeys(conditioning.INFERRED_POSITIONS, 3)
            return policy | {name: torch.zeros(size) for name, size in shared.items()}
        return policy | self.initialise_encoder(generator)

    def start(self, params: Params, support: Points) -> Params:
        """Return every task's policy before the first step: what the encoder infers, and shared weights."""
        tasks = len(support.object_features)
        fast = expand_per_task(params, (*POLICY_TENSORS, "trust", "memory.scales"), tasks)
        if self.unconditioned:
            return fast | self._start_unconditioned(params, support)
        fast |= self.infer(params, support.select_encoder_points())
        if support.conditioning_dropout is not None:
            fast["trust"] = fast["trust"] - CLOSED_GATE_LOGIT * support.conditioning_dropout
        if support.position_noise is not None:
            fast |= {
                name: fast[name] + support.position_noise[:, i]
                for i, name in enumerate(conditioning.INFERRED_POSITIONS)
            }
        return fast | retrieval.build_memory(fast, support)

    def _start_unconditioned(self, params: Params, support: Points) -> Params:
        """Return the same inferred tensors for every task: uniform attentions and an empty memory."""
        tasks, objects = len(support.object_features), support.object_features.shape[2]
        shared = expand_per_task(params, ("context", *conditioning.INFERRED_POSITIONS, "radius"), tasks)
        attentions = {"attention1": torch.zeros(tasks, objects), "attention2": torch.zeros(tasks, objects + 1)}
        return shared | attentions | retrieval.empty_memory(tasks)

    def predict(self, fast: Params, points: Points) -> torch.Tensor:
        """Return actions and the done logit, (tasks, N, ACTION_SIZE + 1)."""
        inputs = points.policy_inputs or self._attend_and_retrieve(fast, points)
        conditioning_features = conditioning.compute_conditioning(
            inputs.first,
            inputs.second,
            inputs.entry_distance,
            retrieval.broadcast_inferred(fast),
            points.global_features,
            TorchNamespace,
        )
        context = fast["context"].unsqueeze(1).expand(-1, points.global_features.shape[1], -1)
        objects = [side[..., :OBJECT_INPUT_FEATURES] for side in (inputs.first, inputs.second)]
        others = [conditioning_features, inputs.retrieved, points.global_features, context]
        return mlp(fast, "policy", torch.cat([*objects, *others], -1), POLICY_LAYERS)

    def precompute(self, fast: Params, batch: Points) -> Points:
        """Return the points that the loss uses, with the inputs that no tensor in ADAPTED_TENSORS changes."""
        batch = batch.select_encoder_points()
        return replace(batch, policy_inputs=self._attend_and_retrieve(fast, batch))

    def _attend_and_retrieve(self, fast: Params, points: Points) -> PolicyInputs:
        """Return the two attended objects, the entry distance and what the memory retrieves at every point."""
        first, second = attend_both(fast["attention1"], fast["attention2"], points.object_features)
        distance = conditioning.compute_entry_distance(first, retrieval.broadcast_inferred(fast), TorchNamespace)
        keys = conditioning.build_retrieval_keys(first, second, distance, points.global_features, TorchNamespace)
        return PolicyInputs(first, second, distance, retrieval.retrieve(fast, keys, first, points))

    def loss(self, fast: Params, batch: Points) -> torch.Tensor:
        """Return every task's imitation loss, (tasks,): Huber on the actions plus cross-entropy on done."""
        batch = batch.select_encoder_points()
        return self.output_loss(self.predict(fast, batch), batch)

    def output_loss(self, out: torch.Tensor, batch: Points) -> torch.Tensor:
        """Return the imitation loss of outputs (tasks, N, ACTION_SIZE + 1), (tasks,)."""
        error = torch.nn.functional.huber_loss(
            out[..., :ACTION_SIZE], batch.actions, reduction="none", delta=self.huber
        )
        done = torch.nn.functional.binary_cross_entropy_with_logits(out[..., ACTION_SIZE], batch.done, reduction="none")
        return error.sum(-1).mean(-1) / self.huber + self.done_weight * done.mean(-1)

    def initial_inner_rates(self) -> dict[str, float]:
        """Return the initial inner step size of every adapted tensor; the context and the gates move most.

        Ten times larger rates undo what the encoder learnt, and the outer loop does not recover it.
        """
        rates = dict.fromkeys(ADAPTED_TENSORS, 0.003) | dict.fromkeys(POLICY_TENSORS, 0.0008)
        return rates | {"context": 0.07, "trust": 1.5}


def as_numpy(fast: Params, task: int = 0) -> dict[str, Any]:
    """Return one task's tensors and memory as float32 arrays, for ``numpy_policy`` and for storage."""
    return {name: fast[name][task].detach().numpy().copy() for name in (*TASK_TENSORS, *STORED_MEMORY_TENSORS)}

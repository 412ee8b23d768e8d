"""The robot's policy as a model for ``maml``: an anchor-wise encoder of the demonstration and a policy it starts.

The encoder runs one network over every anchor of every support point (what is seen, what was done) and averages
over all points and over those at the end. From the anchors' summaries come two attentions, which anchors matter,
the second given the first; what ``clues`` needs, such as where these lay when the demonstrations ended; and a context
of a few numbers. The policy sees only the two attended anchors, the clues, what was done in the most similar
situations shown, the global features and the context. The inner loop adapts the policy's weights and most of what is
inferred.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from metagui.learning.policy import conditioning, task_inference
from metagui.learning.policy.features import ACTION_SIZE, GLOBAL_FEATURES, OBJECT_INPUT_FEATURES
from metagui.learning.policy.task_inference import attend, attend_both
from metagui.learning.torch_utils.functional_mlp import Params, expand_per_task, init_mlp, linear, mlp

POLICY_LAYERS = 3
POLICY_TENSORS = tuple(f"policy.{layer}.{part}" for layer in range(POLICY_LAYERS) for part in ("weight", "bias"))
INFERRED_TENSORS = ("context", "attention1", "attention2", *conditioning.CONDITIONING_TENSORS)
"""What the encoder gives every task of its own: (B, context), (B, A), (B, A + 1), and see ``clues``."""
POSITION_TENSORS = conditioning.INFERRED_POSITIONS
RETRIEVAL_TENSORS = ("attention1", "attention2", "entry")
"""By these, what was shown is looked up. The inner loop leaves them as inferred: it is looked up once for all steps."""
TASK_TENSORS = INFERRED_TENSORS + POLICY_TENSORS
"""What a task's policy is."""
ADAPTED_TENSORS = tuple(name for name in TASK_TENSORS if name not in RETRIEVAL_TENSORS)
STORED_MEMORY_TENSORS = ("memory.keys", "memory.values", "memory.scales")
"""What a task keeps of its demonstrations: (B, N, KEYS), (B, N, VALUES) and (B, KEYS); it is not adapted."""
MEMORY_TENSORS = (*STORED_MEMORY_TENSORS, "memory.takes")
"""And while it adapts, which take every point is from, (B, N)."""
NO_TAKE = -1000.0
"""The take of a memory that is nobody's."""
END_FEATURES = 5 + task_inference.CENTRE_FEATURES
"""Numbers that say where about an anchor demonstrations end, and what they go round."""
OWN_PHASE_WINDOW, OWN_DISTANCE_PENALTY = 0.1, 1e4
"""A point of several takes does not recall its own nearer in phase than this, or adapting would learn to copy."""


INITIAL_TRUST_LOGIT, CLOSED_GATE_LOGIT, MASKED_ATTENTION_LOGIT = 2.0, 10.0, 20.0
"""How far clues are trusted at first, by how much less closes a gate, and how far attention is turned away; logits."""


@dataclass(frozen=True)
class PolicyInputs:
    """What a policy sees of some points before anything that adapts takes part."""

    first: torch.Tensor
    """(B, N, ANCHOR_FEATURES) of the anchor attended to first, …"""
    second: torch.Tensor
    """… and of the second."""
    entry_distance: torch.Tensor
    """(B, N, 1) see ``clues.ahead``."""
    retrieved: torch.Tensor
    """(B, N, RECALLED) what was done in the most similar situations shown."""


@dataclass(frozen=True)
class Points:
    """Decisions of several tasks: B tasks, N points each, A anchors."""

    object_features: torch.Tensor
    """(B, N, A, ANCHOR_FEATURES)"""
    global_features: torch.Tensor
    """(B, N, GLOBAL_FEATURES)"""
    actions: torch.Tensor
    """(B, N, ACTIONS)"""
    done: torch.Tensor
    """(B, N)"""
    phase: torch.Tensor
    """(B, N) how much of its segment had passed, 0 to 1; only the encoder sees it."""
    take_ids: torch.Tensor | None = None
    """(B, N) which of its task's takes a point is from; None for takes that the memory does not know."""
    forced_attention: torch.Tensor | None = None
    """(B, 2) which anchors to look at, A for none as the second, whatever the encoder thinks."""
    conditioning_dropout: torch.Tensor | None = None
    """(B, GATES) 1 for the clues that the policy shall do without; in training only."""
    position_noise: torch.Tensor | None = None
    """(B, 6, 3) how far what is inferred is displaced, place by place; in training only."""
    policy_inputs: PolicyInputs | None = field(default=None, kw_only=True)
    """What a policy sees there, once it was looked up, see ``PolicyModel.prepared``."""
    encoder_points: int | None = field(default=None, kw_only=True)
    """Encoder and loss look at so many of the points, the memory keeps them all: a denser memory costs little."""

    def select_first(self, count: int) -> Points:
        """Return ``count`` points of every task; they are in no order, so they are a sample."""
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
        """Return the points that encoder and loss look at."""
        return self if self.encoder_points is None else self.select_first(self.encoder_points)


class _TorchNamespace:
    """The few functions that ``clues`` needs; no gradient through the angle, which has none at 0."""

    stack = staticmethod(torch.stack)
    concat = staticmethod(torch.cat)
    tanh = staticmethod(torch.tanh)
    maximum = staticmethod(torch.maximum)
    minimum = staticmethod(torch.minimum)
    sqrt = staticmethod(torch.sqrt)

    @staticmethod
    def arctan2(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.atan2(y.detach(), x.detach())


@dataclass(frozen=True)
class PolicyModel:
    """Sizes, loss weights and functions; the parameters are dictionaries, see ``networks``."""

    hidden: int = 128
    """Width of the policy's two hidden layers."""
    encoder: int = 128
    summary: int = 64
    """Numbers that summarise one anchor."""
    context: int = 16
    via_point_end_bias: float = 4.0
    """How much sooner a point at the end is picked for a mark."""
    attention_repulsion: float = 30.0
    """How much the second attention avoids the first anchor."""
    heuristic_sharpness: float = 10.0
    """How strongly the attentions begin at their rules of thumb, a 0.1 m."""
    pairing_distance: float = 0.58
    """Things that end nearer to each other than this (in 0.1 m) belong together, at first; else the second attention
    looks at nothing: what does not matter is only in the way."""
    sharpness: float = 3.0
    """Scale of the attention logits: a policy that sees a tenth of a wrong anchor misses by a tenth of the way."""
    huber: float = 0.3
    """Action errors beyond this count linearly."""
    done_weight: float = 0.3
    """Weight of the done output's cross-entropy beside the action error."""
    entry_reached_gain: float = 0.0
    """How much more, as a logarithm, what is remembered is told apart by whether the motion's beginning was reached, if
    the motion stays level from there on. Imitation hardly asks for it, in closed loop a line depends on it."""
    unconditioned: bool = False
    """Start every task alike, without looking at its demonstration: the multi-task rival."""

    def initialise(self, seed: int) -> Params:
        """Return untrained parameters."""
        generator = torch.Generator().manual_seed(seed)
        seen = (
            2 * OBJECT_INPUT_FEATURES
            + conditioning.CONDITIONING_FEATURES
            + conditioning.RETRIEVED_FEATURES
            + GLOBAL_FEATURES
            + self.context
        )
        policy = init_mlp("policy", (seen, self.hidden, self.hidden, ACTION_SIZE + 1), generator, last_layer_scale=0.3)
        policy |= {
            "trust": torch.full((conditioning.GATE_COUNT,), INITIAL_TRUST_LOGIT),
            "memory.scales": torch.tensor(conditioning.INITIAL_LOG_KEY_SCALES),
        }
        if self.unconditioned:
            sizes = {"context": self.context, "radius": 1} | dict.fromkeys(POSITION_TENSORS, 3)
            return policy | {name: torch.zeros(size) for name, size in sizes.items()}
        shown = OBJECT_INPUT_FEATURES + GLOBAL_FEATURES + ACTION_SIZE + 2
        s = self.summary
        return (
            policy
            | init_mlp("encoder", (shown, self.encoder, self.encoder), generator)
            | init_mlp("mix", (4 * self.encoder, s), generator)
            | init_mlp("first", (s + END_FEATURES, s // 2, 1), generator, last_layer_scale=0.1)
            | init_mlp("second", (2 * s + END_FEATURES, s // 2, 1), generator, last_layer_scale=0.1)
            | init_mlp("moment", (self.encoder, 3), generator, last_layer_scale=0.1)
            | init_mlp("context", (2 * s, s, self.context), generator)
            | init_mlp("marks", (2 * s, s, 6), generator, last_layer_scale=0.1)
        )

    def start(self, params: Params, support: Points) -> Params:
        """Return every task's policy before the first step: what the encoder infers, and shared weights."""
        tasks = len(support.object_features)
        fast = expand_per_task(params, (*POLICY_TENSORS, "trust", "memory.scales"), tasks)
        if self.unconditioned:
            return fast | self._start_unconditioned(params, support)
        everything, support = support, support.select_encoder_points()
        rows = self.encode_points(params, support)
        summaries = self.summarise_objects(params, rows, support)
        middles = task_inference.summarise_centres(support.object_features[..., :3], support.done)
        attention1 = force_attention(
            self._infer_first_attention(params, summaries, middles, support), support.forced_attention, 0
        )
        attention2 = force_attention(
            self._infer_second_attention(params, summaries, middles, support, attention1), support.forced_attention, 1
        )
        attended = torch.cat([attend(attention1, summaries), attend(attention2, summaries)], -1)
        fast |= {
            "context": mlp(params, "context", attended, 2),
            "attention1": attention1,
            "attention2": attention2,
        }
        fast |= self._infer_positions(params, rows, attended, fast, support)
        if support.conditioning_dropout is not None:
            fast["trust"] = fast["trust"] - CLOSED_GATE_LOGIT * support.conditioning_dropout
        if support.position_noise is not None:
            fast |= {name: fast[name] + support.position_noise[:, i] for i, name in enumerate(POSITION_TENSORS)}
        return fast | self._build_memory(fast, everything)

    def _start_unconditioned(self, params: Params, support: Points) -> Params:
        """Return the same start for every task: even attentions, and nothing remembered."""
        tasks, anchors = len(support.object_features), support.object_features.shape[2]
        return expand_per_task(params, ("context", *POSITION_TENSORS, "radius"), tasks) | {
            "attention1": torch.zeros(tasks, anchors),
            "attention2": torch.zeros(tasks, anchors + 1),
            "memory.keys": torch.zeros(tasks, 1, conditioning.RETRIEVAL_KEY_FEATURES),
            "memory.values": torch.zeros(tasks, 1, conditioning.RETRIEVAL_VALUE_FEATURES),
            "memory.takes": torch.full((tasks, 1), NO_TAKE),
        }

    def _infer_positions(
        self, params: Params, rows: torch.Tensor, attended: torch.Tensor, fast: Params, support: Points
    ) -> Params:
        """Return where the two anchors were when it mattered, see ``clues.INFERRED``, the circle's radius, and scales.

        Goals, circle and entry are what the demonstrations say; for marks and entry the encoder picks the moment.
        """
        where1, where2 = (attend(fast[name], support.object_features[..., :3]) for name in ("attention1", "attention2"))
        moments = mlp(params, "moment", rows, 1)
        mark1, begin = attend(fast["attention1"], moments[..., [0, 2]]).unbind(-1)
        mark2 = attend(fast["attention2"], moments[..., 1:2]).squeeze(-1)
        moved = mlp(params, "marks", attended, 2)
        late = self.via_point_end_bias * support.done
        begin = begin + task_inference.infer_entry_logits(where1, support.done, support.phase, support.take_ids)
        centre, radius = task_inference.infer_circle(where1, support.done)
        return {
            "goal1": task_inference.infer_goal(where1, support.done),
            "goal2": task_inference.infer_goal(where2, support.done),
            "mark1": task_inference.average_by_logits(where1, mark1 + late) + moved[:, :3],
            "mark2": task_inference.average_by_logits(where2, mark2 + late) + moved[:, 3:],
            "centre": centre,
            "entry": task_inference.average_by_logits(where1, begin),
            "radius": radius,
            "memory.scales": self._infer_key_scales(fast["memory.scales"], where1, begin, support),
        }

    def _infer_key_scales(
        self, scales: torch.Tensor, positions: torch.Tensor, entry_logits: torch.Tensor, support: Points
    ) -> torch.Tensor:
        """Return by what remembered situations are told apart, (tasks, KEYS)."""
        if not self.entry_reached_gain:
            return scales
        level = task_inference.infer_level_fraction(positions, support.done, support.phase, entry_logits)
        return torch.cat([scales[:, :-1], scales[:, -1:] + self.entry_reached_gain * level.unsqueeze(-1)], -1)

    def _build_memory(self, fast: Params, support: Points) -> Params:
        """Return what the policy may look up: every point's situation, and what was done in it."""
        first, second = attend_both(fast["attention1"], fast["attention2"], support.object_features)
        ahead = conditioning.compute_entry_distance(first, _broadcast_inferred(fast), _TorchNamespace)
        values = [first[..., :3], support.actions, support.done.unsqueeze(-1), support.phase.unsqueeze(-1)]
        return {
            "memory.keys": conditioning.build_retrieval_keys(
                first, second, ahead, support.global_features, _TorchNamespace
            ),
            "memory.values": torch.cat(values, -1),
            "memory.takes": _remembered_takes(support),
        }

    def _infer_first_attention(
        self, params: Params, summaries: torch.Tensor, middles: torch.Tensor, support: Points
    ) -> torch.Tensor:
        """Return the first attention's logits (tasks, A).

        They begin at a rule of thumb: a demonstration ends near what it is about, and always in the same place of it.
        """
        ends = task_inference.summarise_ends(support.object_features[..., :3], support.done)
        thumb = -self.heuristic_sharpness * (ends[..., 3] + ends[..., 4])
        return thumb + self.sharpness * mlp(params, "first", torch.cat([summaries, ends, middles], -1), 2).squeeze(-1)

    def _infer_second_attention(
        self, params: Params, summaries: torch.Tensor, middles: torch.Tensor, support: Points, attention1: torch.Tensor
    ) -> torch.Tensor:
        """Return the second attention's logits (tasks, A + 1), given the first: never the same anchor, or none.

        They begin at a rule of thumb: what belongs together ends near each other, and always in the same place.
        """
        first = attend(attention1, support.object_features[..., :3]).unsqueeze(2)
        ends = task_inference.summarise_ends(support.object_features[..., :3] - first, support.done)
        thumb = self.heuristic_sharpness * (self.pairing_distance - ends[..., 3] - ends[..., 4])
        given = attend(attention1, summaries)
        rows = torch.cat([summaries, given.unsqueeze(1).expand_as(summaries), ends, middles], -1)
        none = torch.nn.functional.pad(torch.cat([torch.zeros_like(given), given], -1), (0, END_FEATURES)).unsqueeze(1)
        logits = self.sharpness * mlp(params, "second", torch.cat([rows, none], 1), 2).squeeze(-1)
        taken = torch.softmax(attention1, -1).detach()
        return logits + torch.cat([thumb - self.attention_repulsion * taken, torch.zeros_like(thumb[:, :1])], -1)

    def encode_points(self, params: Params, support: Points) -> torch.Tensor:
        """Return what every point says about every anchor, (tasks, N, A, encoder)."""
        beside = torch.cat(
            [support.global_features, support.actions, support.done.unsqueeze(-1), support.phase.unsqueeze(-1)], -1
        )
        weight, bias = params["encoder.0.weight"], params["encoder.0.bias"]
        own, common = (
            weight[:OBJECT_INPUT_FEATURES],
            weight[OBJECT_INPUT_FEATURES:],
        )  # what all anchors share, once only
        hidden = torch.relu(
            support.object_features[..., :OBJECT_INPUT_FEATURES] @ own + linear(beside, common, bias).unsqueeze(2)
        )
        return torch.relu(linear(hidden, params["encoder.1.weight"], params["encoder.1.bias"]))

    def summarise_objects(self, params: Params, rows: torch.Tensor, support: Points) -> torch.Tensor:
        """Return what was shown about every anchor, (tasks, A, summary)."""
        even = torch.full_like(support.done, 1.0 / support.done.shape[1])
        each = task_inference.pool_points(
            rows, torch.stack([even, task_inference.end_weights(support.done)], dim=1)
        ).flatten(2)
        everything = each.mean(dim=1, keepdim=True).expand_as(each)
        return torch.relu(mlp(params, "mix", torch.cat([each, everything], -1), 1))

    def predict(self, fast: Params, points: Points) -> torch.Tensor:
        """Return actions and the done logit, (tasks, N, ACTIONS + 1)."""
        seen = points.policy_inputs or self._attend_and_retrieve(fast, points)
        ways = conditioning.compute_conditioning(
            seen.first,
            seen.second,
            seen.entry_distance,
            _broadcast_inferred(fast),
            points.global_features,
            _TorchNamespace,
        )
        context = fast["context"].unsqueeze(1).expand(-1, points.global_features.shape[1], -1)
        anchors = [side[..., :OBJECT_INPUT_FEATURES] for side in (seen.first, seen.second)]
        told = [ways, seen.retrieved, points.global_features, context]
        return mlp(fast, "policy", torch.cat([*anchors, *told], -1), POLICY_LAYERS)

    def precompute(self, fast: Params, batch: Points) -> Points:
        """Return the points that the loss looks at, with what no tensor in ``ADAPTED`` changes looked up once."""
        batch = batch.select_encoder_points()
        return replace(batch, policy_inputs=self._attend_and_retrieve(fast, batch))

    def _attend_and_retrieve(self, fast: Params, points: Points) -> PolicyInputs:
        """Look at the two attended anchors, and look up what was done in such situations."""
        first, second = attend_both(fast["attention1"], fast["attention2"], points.object_features)
        ahead = conditioning.compute_entry_distance(first, _broadcast_inferred(fast), _TorchNamespace)
        keys = conditioning.build_retrieval_keys(first, second, ahead, points.global_features, _TorchNamespace)
        return PolicyInputs(first, second, ahead, self._retrieve(fast, keys, first, points))

    def _retrieve(self, fast: Params, keys: torch.Tensor, first: torch.Tensor, points: Points) -> torch.Tensor:
        """Return what was done in the most similar situations shown, (tasks, N, RECALLED)."""
        scales = fast["memory.scales"].exp().unsqueeze(1)
        keys = keys * scales
        known = fast["memory.keys"] * scales
        squares = keys.square().sum(-1, keepdim=True) + known.square().sum(-1).unsqueeze(1)
        apart = (squares - 2.0 * torch.bmm(keys, known.transpose(1, 2))).clamp_min(0.0)
        if points.take_ids is not None:
            own = points.take_ids.unsqueeze(-1) == fast["memory.takes"].unsqueeze(1)
            own &= (points.phase.unsqueeze(-1) - fast["memory.values"][..., -1].unsqueeze(1)).abs() < OWN_PHASE_WINDOW
            apart = apart + OWN_DISTANCE_PENALTY * own
        like = torch.bmm(torch.softmax(-0.5 * apart, -1), fast["memory.values"])
        told: torch.Tensor = conditioning.build_retrieved_features(
            like, first, apart.amin(-1, keepdim=True), _TorchNamespace
        )
        return told

    def loss(self, fast: Params, batch: Points) -> torch.Tensor:
        """Return every task's imitation loss, (tasks,): Huber on the actions, cross-entropy on done."""
        batch = batch.select_encoder_points()
        return self.loss_of(self.predict(fast, batch), batch)

    def loss_of(self, out: torch.Tensor, batch: Points) -> torch.Tensor:
        """Return the same of outputs (tasks, N, ACTIONS + 1)."""
        error = torch.nn.functional.huber_loss(
            out[..., :ACTION_SIZE], batch.actions, reduction="none", delta=self.huber
        )
        done = torch.nn.functional.binary_cross_entropy_with_logits(out[..., ACTION_SIZE], batch.done, reduction="none")
        return error.sum(-1).mean(-1) / self.huber + self.done_weight * done.mean(-1)

    def initial_inner_rates(self) -> dict[str, float]:
        """Return which tensors the inner loop adapts, and the rates to begin with: what was inferred moves most.

        Ten times larger ones undo what the encoder learnt, and the outer loop does not win it back.
        """
        rates = dict.fromkeys(ADAPTED_TENSORS, 0.003) | dict.fromkeys(POLICY_TENSORS, 0.0008)
        return rates | {"context": 0.07, "trust": 1.5}


def _broadcast_inferred(fast: Params) -> Params:
    """Return what is inferred of every task, to go with its rows, (tasks, 1, ...)."""
    return {name: fast[name].unsqueeze(1) for name in conditioning.CONDITIONING_TENSORS}


def _remembered_takes(support: Points) -> torch.Tensor:
    """Return which take every remembered point is from, (tasks, N); nobody's where there is only one."""
    if support.take_ids is None:
        return torch.full_like(support.done, NO_TAKE)
    single = support.take_ids.amax(1, keepdim=True) == support.take_ids.amin(1, keepdim=True)
    return torch.where(single, NO_TAKE, support.take_ids)


def force_attention(logits: torch.Tensor, forced_attention: torch.Tensor | None, which: int) -> torch.Tensor:
    """Return the attention's logits (tasks, A), or those that look at the asked anchor alone."""
    if forced_attention is None:
        return logits
    chosen = torch.nn.functional.one_hot(forced_attention[:, which], logits.shape[1])
    return MASKED_ATTENTION_LOGIT * (chosen - 1.0)


def as_numpy(fast: Params, task: int = 0) -> dict[str, Any]:
    """Return one task's adapted tensors and memory as float32 arrays, for ``pilot`` and for storage."""
    return {name: fast[name][task].detach().numpy().copy() for name in (*TASK_TENSORS, *STORED_MEMORY_TENSORS)}

"""The robot's policy as a model for ``maml``: an anchor-wise encoder of the demonstration and a policy it starts.

The encoder runs one network over every anchor of every support point (what is seen, what was done) and averages
over all points and over those at the end. From the anchors' summaries come two attentions, which anchors matter,
the second given the first; goals, where these lay when the demonstrations ended and in their midst; and a context
of a few numbers. The policy sees only the two attended anchors, the ways to the goals, the global features and the
context. Attentions, goals, context and policy weights are what the inner loop adapts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from metagui.learning import features
from metagui.learning.features import ACTIONS, ANCHOR_FEATURES, GLOBAL_FEATURES, GOAL_FEATURES
from metagui.learning.networks import Params, init_mlp, mlp, per_task

POLICY_LAYERS = 3
POLICY_TENSORS = tuple(f"policy.{layer}.{part}" for layer in range(POLICY_LAYERS) for part in ("weight", "bias"))
INFERRED = ("context", "attention1", "attention2", "goal1", "goal2", "centre", "radius")
"""What the encoder gives every task of its own: (B, context), (B, A), (B, A + 1), (B, 3) three times, (B, 1)."""
GOALS = INFERRED[3:6]
ADAPTED = INFERRED + POLICY_TENSORS


@dataclass(frozen=True)
class Points:
    """Decisions of several tasks: B tasks, N points each, A anchors."""

    anchors: torch.Tensor
    """(B, N, A, ANCHOR_FEATURES)"""
    globals: torch.Tensor
    """(B, N, GLOBAL_FEATURES)"""
    actions: torch.Tensor
    """(B, N, ACTIONS)"""
    done: torch.Tensor
    """(B, N)"""
    nudge: torch.Tensor | None = None
    """(B, NUDGES) standard normal numbers, or zeros, that displace what the encoder infers; in training only."""


class _Torch:
    """The few functions that ``features.goal_features`` needs; no gradient through the angle, which has none at 0."""

    stack = staticmethod(torch.stack)
    concat = staticmethod(torch.cat)
    tanh = staticmethod(torch.tanh)
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
    ending: float = 4.0
    """How much sooner a point at the end is picked to say where the goal is."""
    level: float = 30.0
    """How much sooner points at the height of the last ones are picked for the centre, a 0.1 m."""
    apart: float = 30.0
    """How much the second attention avoids the first anchor."""
    thumb: float = 10.0
    """How strongly the attentions begin at their rules of thumb, a 0.1 m."""
    near: float = 0.58
    """Things that end nearer to each other than this (in 0.1 m) belong together, at first; else the second attention
    looks at nothing: what does not matter is only in the way."""
    sharpness: float = 3.0
    """Scale of the attention logits: a policy that sees a tenth of a wrong anchor misses by a tenth of the way."""
    huber: float = 0.3
    """Action errors beyond this count linearly."""
    done_weight: float = 0.3
    """Weight of the done output's cross-entropy beside the action error."""
    blind: bool = False
    """Start every task alike, without looking at its demonstration: the multi-task rival."""

    def initial(self, seed: int) -> Params:
        """Return untrained parameters."""
        generator = torch.Generator().manual_seed(seed)
        seen = 2 * ANCHOR_FEATURES + GOAL_FEATURES + GLOBAL_FEATURES + self.context
        policy = init_mlp("policy", (seen, self.hidden, self.hidden, ACTIONS + 1), generator, last_scale=0.3)
        if self.blind:
            return (
                policy
                | {"context": torch.zeros(self.context)}
                | {name: torch.zeros(3) for name in GOALS}
                | {"radius": torch.zeros(1)}
            )
        shown = ANCHOR_FEATURES + GLOBAL_FEATURES + ACTIONS + 1
        s = self.summary
        return (
            policy
            | init_mlp("encoder", (shown, self.encoder, self.encoder), generator)
            | init_mlp("mix", (4 * self.encoder, s), generator)
            | init_mlp("first", (s + 5, s // 2, 1), generator, last_scale=0.1)
            | init_mlp("second", (2 * s + 5, s // 2, 1), generator, last_scale=0.1)
            | init_mlp("moment", (self.encoder, 3), generator, last_scale=0.1)
            | init_mlp("context", (2 * s, s, self.context), generator)
            | init_mlp("goals", (2 * s, s, 6), generator, last_scale=0.1)
        )

    def start(self, params: Params, support: Points) -> Params:
        """Return every task's policy before the first step: what the encoder infers, and shared weights."""
        tasks, anchors = len(support.anchors), support.anchors.shape[2]
        fast = per_task(params, POLICY_TENSORS, tasks)
        if self.blind:
            shared = per_task(params, ("context", *GOALS, "radius"), tasks)
            even = {"attention1": torch.zeros(tasks, anchors), "attention2": torch.zeros(tasks, anchors + 1)}
            return fast | shared | even
        rows = self.shown(params, support)
        summaries = self.summarise(params, rows, support)
        attention1 = self._first(params, summaries, support)
        attended1 = attend(attention1, summaries)
        attention2 = self._second(params, summaries, support, attention1)
        attended = torch.cat([attended1, attend(attention2, summaries)], -1)
        moved = mlp(params, "goals", attended, 2)
        moments = mlp(params, "moment", rows, 1)
        inferred = {
            "context": mlp(params, "context", attended, 2),
            "attention1": attention1,
            "attention2": attention2,
            "goal1": self._goal(attention1, moments[..., :1], support) + moved[:, :3],
            "goal2": self._goal(attention2, moments[..., 1:2], support) + moved[:, 3:6],
        }
        inferred |= self._circle(attention1, moments[..., 2:], support)
        if support.nudge is not None:
            _displace(inferred, support.nudge)
        return fast | inferred

    def _first(self, params: Params, summaries: torch.Tensor, support: Points) -> torch.Tensor:
        """Return the first attention's logits (tasks, A).

        They begin at a rule of thumb: a demonstration ends near what it is about, and always in the same place of it.
        """
        ends = _ends(support.anchors[..., :3], support.done)
        thumb = -self.thumb * (ends[..., 3] + ends[..., 4])
        return thumb + self.sharpness * mlp(params, "first", torch.cat([summaries, ends], -1), 2).squeeze(-1)

    def _second(
        self, params: Params, summaries: torch.Tensor, support: Points, attention1: torch.Tensor
    ) -> torch.Tensor:
        """Return the second attention's logits (tasks, A + 1), given the first: never the same anchor, or none.

        They begin at a rule of thumb: what belongs together ends near each other, and always in the same place.
        """
        first = attend(attention1, support.anchors[..., :3]).unsqueeze(2)
        ends = _ends(support.anchors[..., :3] - first, support.done)
        thumb = self.thumb * (self.near - ends[..., 3] - ends[..., 4])
        given = attend(attention1, summaries)
        rows = torch.cat([summaries, given.unsqueeze(1).expand_as(summaries), ends], -1)
        none = torch.cat([torch.zeros_like(given), given, torch.zeros_like(ends[:, 0])], -1).unsqueeze(1)
        logits = self.sharpness * mlp(params, "second", torch.cat([rows, none], 1), 2).squeeze(-1)
        taken = torch.softmax(attention1, -1).detach()
        return logits + torch.cat([thumb - self.apart * taken, torch.zeros_like(thumb[:, :1])], -1)

    def shown(self, params: Params, support: Points) -> torch.Tensor:
        """Return what every point says about every anchor, (tasks, N, A, encoder)."""
        beside = torch.cat([support.globals, support.actions, support.done.unsqueeze(-1)], -1)
        beside = beside.unsqueeze(2).expand(-1, -1, support.anchors.shape[2], -1)
        return torch.relu(mlp(params, "encoder", torch.cat([support.anchors, beside], -1), 2))

    def summarise(self, params: Params, rows: torch.Tensor, support: Points) -> torch.Tensor:
        """Return what was shown about every anchor, (tasks, A, summary)."""
        even = torch.full_like(support.done, 1.0 / support.done.shape[1])
        each = pooled(rows, torch.stack([even, _ending(support.done)], dim=1)).flatten(2)
        everything = each.mean(dim=1, keepdim=True).expand_as(each)
        return torch.relu(mlp(params, "mix", torch.cat([each, everything], -1), 1))

    def _goal(self, attention: torch.Tensor, moments: torch.Tensor, support: Points) -> torch.Tensor:
        """Return where the attended anchor lay at the points that the encoder picks, at first the last, (tasks, 3).

        ``moments`` (tasks, N, A, 1) is how much every point speaks for itself.
        """
        picked = torch.softmax(attend(attention, moments).squeeze(-1) + self.ending * support.done, -1)
        return torch.einsum("bn,bnf->bf", picked, attend(attention, support.anchors[..., :3]))

    def _circle(self, attention: torch.Tensor, moments: torch.Tensor, support: Points) -> Params:
        """Return the centre (tasks, 3) and radius (tasks, 1) of the points that the encoder picks.

        At first these are the points as high as the last ones: a motion in a plane, without the way there.
        """
        where = attend(attention, support.anchors[..., :3])
        height = (_ending(support.done) * where[..., 2]).sum(-1, keepdim=True)
        level = -self.level * (where[..., 2] - height).abs()
        picked = torch.softmax(attend(attention, moments).squeeze(-1) + level, -1)
        centre = torch.einsum("bn,bnf->bf", picked, where)
        squared = (where - centre.unsqueeze(1))[..., :2].square().sum(-1)
        return {"centre": centre, "radius": torch.sqrt((picked * squared).sum(-1, keepdim=True) + 1e-4)}

    def outputs(self, fast: Params, points: Points) -> torch.Tensor:
        """Return actions and the done logit, (tasks, N, ACTIONS + 1)."""
        first = attend(fast["attention1"], points.anchors)
        second = attend(fast["attention2"], points.anchors)
        goal1, goal2, centre, radius = (fast[name].unsqueeze(1) for name in (*GOALS, "radius"))
        ways = features.goal_features(first, second, (goal1, goal2, centre, radius), points.globals, _Torch)
        context = fast["context"].unsqueeze(1).expand(-1, points.globals.shape[1], -1)
        return mlp(fast, "policy", torch.cat([first, second, ways, points.globals, context], -1), POLICY_LAYERS)

    def loss(self, fast: Params, batch: Points) -> torch.Tensor:
        """Return every task's imitation loss, (tasks,): Huber on the actions, cross-entropy on done."""
        out = self.outputs(fast, batch)
        error = torch.nn.functional.huber_loss(out[..., :ACTIONS], batch.actions, reduction="none", delta=self.huber)
        done = torch.nn.functional.binary_cross_entropy_with_logits(out[..., ACTIONS], batch.done, reduction="none")
        return error.sum(-1).mean(-1) / self.huber + self.done_weight * done.mean(-1)

    def rates(self) -> dict[str, float]:
        """Return which tensors the inner loop adapts, and the rates to begin with: what was inferred moves most.

        Ten times larger ones undo what the encoder learnt, and the outer loop does not win it back.
        """
        inferred = {"context": 0.03, "attention1": 0.01, "attention2": 0.01}
        return inferred | dict.fromkeys((*GOALS, "radius"), 0.002) | dict.fromkeys(POLICY_TENSORS, 0.0003)


def attend(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Mix (tasks, A, F) or (tasks, N, A, F) over the anchors by (tasks, A) logits; one logit more is for nothing."""
    weights = torch.softmax(logits, -1)[:, : values.shape[-2]]
    if values.dim() == 3:
        return torch.einsum("ba,baf->bf", weights, values)
    tasks, points, anchors, size = values.shape
    mixed = torch.bmm(weights.unsqueeze(1), values.permute(0, 2, 1, 3).reshape(tasks, anchors, points * size))
    return mixed.view(tasks, points, size)


GOAL_NUDGE, CONTEXT_NUDGE = 0.15, 0.7
"""How far a unit nudge displaces a goal (in 0.1 m) and the context (as a share of its own size)."""
NUDGES = 9 + 16


def _displace(inferred: Params, nudge: torch.Tensor) -> None:
    """Put goals and context beside where the encoder has them, so that the inner steps learn to put them right.

    On tasks like those of the training the encoder leaves nothing to do; on others it errs, and it is the inner
    steps that must help.
    """
    for index, name in enumerate(GOALS):
        inferred[name] = inferred[name] + GOAL_NUDGE * nudge[:, 3 * index : 3 * index + 3]
    context = inferred["context"]
    size = context.detach().square().mean(-1, keepdim=True).sqrt()
    inferred["context"] = context + CONTEXT_NUDGE * size * nudge[:, 9 : 9 + context.shape[1]]


def _ends(where: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Summarise (tasks, N, A, 3) at the points that are done, (tasks, A, 5).

    Mean position, its horizontal distance, and how much that position differs between takes.
    """
    weights = _ending(done).unsqueeze(1)
    mean = pooled(where, weights).squeeze(2)
    spread = pooled((where - mean.unsqueeze(1)).square(), weights).squeeze(2)
    distance = torch.sqrt(mean[..., :2].square().sum(-1, keepdim=True) + 1e-4)
    return torch.cat([mean, distance, torch.sqrt(spread.sum(-1, keepdim=True) + 1e-4)], -1)


def _ending(done: torch.Tensor) -> torch.Tensor:
    """Return weights (tasks, N) that average the points that are done."""
    return done / done.sum(1, keepdim=True).clamp_min(1.0)


def pooled(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Average (tasks, N, A, F) over the points with weights (tasks, W, N), to (tasks, A, W, F)."""
    tasks, points, anchors, size = values.shape
    mixed = torch.bmm(weights, values.reshape(tasks, points, anchors * size))
    return mixed.view(tasks, -1, anchors, size).transpose(1, 2)


def as_numpy(fast: Params, task: int = 0) -> dict[str, Any]:
    """Return one task's adapted tensors as float32 arrays, for ``pilot`` and for storage."""
    return {name: fast[name][task].detach().numpy().copy() for name in ADAPTED}

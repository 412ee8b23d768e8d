"""What adaptation leaves behind: one small policy a click, where it came from, and its file beside the task."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from metagui.learning.policy import feature_layout, numpy_policy
from metagui.learning.policy.feature_layout import GLOBAL_LAYOUT, OBJECT_LAYOUT
from metagui.learning.policy.numpy_policy import softmax
from metagui.learning.torch_utils.safetensors_io import save_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays

TASK_POLICY_FORMAT = 2
REFERENCE_DECISIONS = 200
"""Decisions kept of the demonstrations, to tell how far a run is from them."""
MIN_REFERENCE_SCALE = 0.3
"""Distance (in 0.1 m) below which a state is never called far from the demonstrations."""


class TaskPolicyError(Exception):
    """A file of adapted policies cannot be read."""


@dataclass(frozen=True)
class SkillPolicy:
    """The policy of one click."""

    params: Mapping[str, Array]
    """Adapted tensors, see ``policy.STARTED``."""
    choice: str
    """Which candidate won."""
    reason: str
    """Why, in words."""
    held_out: Mapping[str, float]
    """Every candidate's loss on held-out data."""
    decisions: int
    """The longest demonstration's length."""
    reference: Array
    """(n, D) what the demonstrations looked like, see ``outline``."""
    scale: float
    """Distance of the farthest demonstration from the others."""
    candidate_params: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    """Policies of all candidates, if they were asked for; never saved."""

    def act(self, object_features: Array, global_features: Array) -> tuple[Array, float]:
        """Return the action (ACTIONS,) and the probability of being done for (A, F) and (G,) features."""
        return numpy_policy.act(self.params, object_features, global_features)

    def distance_to_reference(self, object_features: Array, global_features: Array) -> float:
        """Return how far a state is from the demonstrations; 1 is as far as the farthest of those is."""
        here = reference_features(self.params, object_features[None], global_features[None])
        return float(np.sqrt(((self.reference - here) ** 2).sum(-1).min()) / self.scale)


@dataclass(frozen=True)
class TaskPolicy:
    """A task as it was learnt: a chain of policies, and their provenance."""

    task: str
    skills: tuple[SkillPolicy, ...]
    object_names: tuple[str, ...]
    """Names of the anchors, in the order that the policies expect."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """``prior``, ``takes``, ``notes``, ``odd_takes``, ``curves``, ``held_out_by``, ``settings``."""

    def with_candidate(self, name: str) -> TaskPolicy:
        """Return the same task with another candidate's policies; they must have been kept."""
        clicks = tuple(replace(click, params=click.candidate_params[name], choice=name) for click in self.skills)
        return replace(self, skills=clicks)

    def save(self, path: Path) -> None:
        """Write the policies, tensors and a JSON header. Raises OSError."""
        tensors: dict[str, torch.Tensor] = {}
        rows = []
        for index, click in enumerate(self.skills):
            tensors |= {f"{index}/{name}": torch.from_numpy(array) for name, array in click.params.items()}
            tensors[f"{index}/reference"] = torch.from_numpy(click.reference)
            rows.append({
                "choice": click.choice, "reason": click.reason, "held_out": dict(click.held_out),
                "decisions": click.decisions, "scale": click.scale,
            })  # fmt: skip
        header = {
            "format": TASK_POLICY_FORMAT, "features": feature_layout.VERSION, "task": self.task, "clicks": rows,
            "anchors": self.object_names, "provenance": self.provenance,
        }  # fmt: skip
        save_tensors(path, tensors, {"adapted": json.dumps(header)})

    @classmethod
    def load(cls, path: Path) -> TaskPolicy:
        """Read adapted policies. Raises AdaptedError."""
        try:
            with safe_open(path, framework="np") as file:
                header = json.loads(file.metadata()["adapted"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - the file is no dictionary
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TaskPolicyError(f"{path} holds no adapted policies ({error}). Adapt the task again.") from error
        if header["format"] != TASK_POLICY_FORMAT or header["features"] != feature_layout.VERSION:
            raise TaskPolicyError(
                f"{path} was made by another version of the program. The takes are safe; adapt the task again."
            )
        clicks = []
        for index, row in enumerate(header["clicks"]):
            own = {k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith(f"{index}/")}
            clicks.append(SkillPolicy(params=own, reference=own.pop("reference"), **row))
        return cls(header["task"], tuple(clicks), tuple(header["anchors"]), header["provenance"])


def load_readable_policies(files: Mapping[str, Path]) -> dict[str, TaskPolicy]:
    """Read other tasks' policies; a file that cannot be read is no reason not to adapt, and is left out."""
    found = {}
    for name, path in files.items():
        with contextlib.suppress(TaskPolicyError):
            found[name] = TaskPolicy.load(path)
    return found


def reference_features(params: Mapping[str, Array], object_features: Array, global_features: Array) -> Array:
    """Return (n, 9): where the two attended anchors are, which is held, how open the gripper is."""
    weights = (softmax(params[name])[: object_features.shape[1]] for name in ("attention1", "attention2"))
    first, second = (np.einsum("a,naf->nf", w, object_features) for w in weights)
    offset, held = OBJECT_LAYOUT.offset, [OBJECT_LAYOUT.held]
    gripper = 0.3 * global_features[:, [GLOBAL_LAYOUT.gripper]]
    parts = [first[:, offset], second[:, offset], first[:, held], second[:, held], gripper]
    return np.concatenate(parts, axis=1).astype(np.float32)


def build_reference(params: Mapping[str, Array], takes: Sequence[SegmentArrays]) -> tuple[Array, float]:
    """Return the demonstrations' outlines (n, 9), and how far the farthest is from the other takes."""
    rows = [reference_features(params, take.object_features, take.global_features) for take in takes]
    scale = MIN_REFERENCE_SCALE
    for index, own in enumerate(rows):
        others = [other for j, other in enumerate(rows) if j != index]
        if others:
            d = ((own[:, None] - np.concatenate(others)[None]) ** 2).sum(-1)
            scale = max(scale, float(np.sqrt(d.min(axis=1).max())))
    everything = np.concatenate(rows)
    keep = np.linspace(0, len(everything) - 1, min(REFERENCE_DECISIONS, len(everything))).astype(int)
    return everything[keep], scale

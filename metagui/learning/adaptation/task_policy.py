"""The result of adaptation: one skill policy per segment of a task, with provenance, stored in the task's folder."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from metagui.learning.adaptation.outlier_takes import OutlierTake
from metagui.learning.adaptation.rehearsal_score import Rehearsal
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.object_replay.replay_storage import pack_replay, unpack_replay
from metagui.learning.policy import feature_layout, numpy_policy
from metagui.learning.policy.feature_layout import GLOBAL_LAYOUT, OBJECT_LAYOUT
from metagui.learning.policy.numpy_policy import softmax
from metagui.learning.torch_utils.safetensors_io import (
    DECODING_ERRORS,
    TensorFileError,
    read_tensors,
    save_tensors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from metagui.learning.object_replay.object_replay import ObjectReplay
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays

TASK_POLICY_FORMAT, REPLAY_FORMAT = 2, 3
"""Version of the file format of learnt policies, and of files with a replay, which older programs must not run."""
REFERENCE_DECISIONS = 200
"""Maximum number of demonstrated states stored, for the distance of a run from the demonstrations."""
MIN_REFERENCE_SCALE = 0.3
"""Minimum of ``SkillPolicy.scale``, in 0.1 m."""

_REPLAY_PREFIX = "replay/"

Curves = dict[str, list[list[float]]]
"""For every candidate's name: rows of step, mean support loss and mean held-out loss."""


class TaskPolicyError(Exception):
    """A file of task policies cannot be read, or a task policy does not fit the scene."""


@dataclass(frozen=True)
class SkillPolicy:
    """The policy of one segment."""

    params: Mapping[str, Array]
    """Tensors of the policy, see ``policy.TASK_TENSORS`` and ``retrieval.STORED_MEMORY_TENSORS``."""
    choice: str
    """Name of the selected candidate."""
    reason: str
    """Explanation of the selection, for users."""
    held_out: Mapping[str, float]
    """Mean held-out loss of every candidate."""
    decisions: int
    """Number of decisions of the longest demonstration."""
    reference: Array
    """(n, 9) demonstrated states, see ``reference_features``."""
    scale: float
    """Maximum distance of a demonstrated state from the other takes, in 0.1 m."""
    candidates: Mapping[str, Callable[[], SkillPolicy]] = field(default_factory=dict)
    """Makes the policy of every candidate, if that was requested; never saved."""

    def act(self, object_features: Array, global_features: Array) -> tuple[Array, float]:
        """Return the action (ACTION_SIZE,) and the done probability for one state.

        The features are (A, OBJECT_FEATURES) and (GLOBAL_FEATURES,).
        """
        return numpy_policy.act(self.params, object_features, global_features)

    def distance_to_reference(self, object_features: Array, global_features: Array) -> float:
        """Return the distance of a state from the demonstrated ones, relative to the farthest of those."""
        here = reference_features(self.params, object_features[None], global_features[None])
        return float(np.sqrt(((self.reference - here) ** 2).sum(-1).min()) / self.scale)


@dataclass(frozen=True)
class Provenance:
    """How a task policy was made."""

    prior: str = ""
    """Id of the prior."""
    takes: tuple[str, ...] = ()
    """Names of the takes that were adapted to."""
    notes: tuple[str, ...] = ()
    """Messages for users about what was left out or is unusual."""
    outlier_takes: tuple[OutlierTake, ...] = ()
    """Takes that should perhaps be left out."""
    curves: tuple[Curves, ...] = ()
    """Loss curves of every segment."""
    held_out_by: str = ""
    """What was held out for validation, for users."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """``CandidateSettings`` as JSON values."""
    rehearsal: Rehearsal | None = None
    """Runs of the candidates in simulation, None if they were not rehearsed."""
    ignores_demonstrations: bool | None = None
    """True if the policy ignores its support set, None if that was not checked."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, as in files."""
        values: dict[str, Any] = {
            "prior": self.prior,
            "takes": list(self.takes),
            "notes": list(self.notes),
            "odd_takes": [take.to_dict() for take in self.outlier_takes],
            "curves": list(self.curves),
            "held_out_by": self.held_out_by,
            "settings": dict(self.settings),
        }
        if self.rehearsal is not None:
            values["rehearsal"] = self.rehearsal.to_dict()
        checked = self.ignores_demonstrations is not None
        return values | ({"ignores demonstrations": self.ignores_demonstrations} if checked else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """Return the provenance of JSON values; missing ones get their defaults."""
        rehearsal = values.get("rehearsal")
        return cls(
            values.get("prior", ""),
            tuple(values.get("takes", ())),
            tuple(values.get("notes", ())),
            tuple(OutlierTake.from_dict(take) for take in values.get("odd_takes", ())),
            tuple(values.get("curves", ())),
            values.get("held_out_by", ""),
            values.get("settings", {}),
            None if rehearsal is None else Rehearsal.from_dict(rehearsal),
            values.get("ignores demonstrations"),
        )


@dataclass(frozen=True)
class TaskPolicy:
    """An adapted task: its skill policies in order, and their provenance."""

    task: str
    skills: tuple[SkillPolicy, ...]
    object_names: tuple[str, ...]
    """Names of the scene's objects, in the order that the policies expect."""
    provenance: Provenance = field(default_factory=Provenance)
    replay: ObjectReplay | None = None
    """The takes to repeat instead of running ``skills``, if that was chosen."""

    @property
    def segment_count(self) -> int:
        """Number of segments that are carried out."""
        return len(self.skills) if self.replay is None else len(self.replay.segments)

    @property
    def choices(self) -> tuple[str, ...]:
        """Name of the candidate that carries out each segment."""
        if self.replay is not None:
            return (str(Candidate.OBJECT_REPLAY),) * self.segment_count
        return tuple(skill.choice for skill in self.skills)

    def with_candidate(self, name: str) -> TaskPolicy:
        """Return the same task with another candidate's policies, which must have been requested."""
        return replace(self, skills=tuple(skill.candidates[name]() for skill in self.skills))

    @property
    def candidate_names(self) -> tuple[str, ...]:
        """Names of the candidates that were requested and have a policy for every segment."""
        names = self.skills[0].candidates if self.skills else ()
        return tuple(name for name in names if all(name in skill.candidates for skill in self.skills))

    def without_candidates(self) -> TaskPolicy:
        """Return the task policy with nothing but numbers and texts, to store it or to pass it between threads."""
        return replace(self, skills=tuple(replace(skill, candidates={}) for skill in self.skills))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each segment has its candidate, for users."""
        rehearsal = self.provenance.rehearsal
        if rehearsal is not None:
            return (rehearsal.explain(),) * self.segment_count
        return tuple(skill.reason for skill in self.skills)

    def save(self, path: Path) -> None:
        """Write the tensors with a JSON header, atomically. Raises OSError."""
        tensors: dict[str, torch.Tensor] = {}
        rows = []
        for index, skill in enumerate(self.skills):
            tensors |= {f"{index}/{name}": torch.from_numpy(array) for name, array in skill.params.items()}
            tensors[f"{index}/reference"] = torch.from_numpy(skill.reference)
            rows.append({
                "choice": skill.choice, "reason": skill.reason, "held_out": dict(skill.held_out),
                "decisions": skill.decisions, "scale": skill.scale,
            })  # fmt: skip
        header = {
            "format": TASK_POLICY_FORMAT, "features": feature_layout.VERSION, "task": self.task, "clicks": rows,
            "anchors": self.object_names, "provenance": self.provenance.to_dict(),
        }  # fmt: skip
        if self.replay is not None:
            arrays, replay_rows = pack_replay(self.replay)
            header |= {"format": REPLAY_FORMAT, "replay": replay_rows}
            tensors |= {f"{_REPLAY_PREFIX}{name}": torch.from_numpy(array) for name, array in arrays.items()}
        save_tensors(path, tensors, {"adapted": json.dumps(header)})

    @classmethod
    def load(cls, path: Path) -> TaskPolicy:
        """Read a task policy. Raises TaskPolicyError."""
        try:
            return cls._decode(path, *read_tensors(path, "adapted", "np"))
        except TensorFileError as error:
            raise TaskPolicyError(f"{path} contains no adapted policies: {error}. Adapt the task again.") from error
        except DECODING_ERRORS as error:
            reason = f"{path} contains damaged policies. The takes are safe; adapt the task again."
            raise TaskPolicyError(reason) from error

    @classmethod
    def _decode(cls, path: Path, header: dict[str, Any], tensors: dict[str, Array]) -> TaskPolicy:
        """Return the policy of a file's contents. Raises TaskPolicyError, ``DECODING_ERRORS``."""
        if header["format"] not in (TASK_POLICY_FORMAT, REPLAY_FORMAT) or header["features"] != feature_layout.VERSION:
            raise TaskPolicyError(
                f"{path} was made by another version of the program. The takes are safe; adapt the task again."
            )
        skills = []
        for index, row in enumerate(header["clicks"]):
            own = {k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith(f"{index}/")}
            skills.append(SkillPolicy(params=own, reference=own.pop("reference"), **row))
        provenance = Provenance.from_dict(header["provenance"])
        replay = None
        if "replay" in header:
            own = {k.removeprefix(_REPLAY_PREFIX): v for k, v in tensors.items() if k.startswith(_REPLAY_PREFIX)}
            replay = unpack_replay(own, header["replay"])
        return cls(header["task"], tuple(skills), tuple(header["anchors"]), provenance, replay)


def load_readable_policies(files: Mapping[str, Path]) -> dict[str, TaskPolicy]:
    """Read other tasks' policies; a file that cannot be read is left out."""
    found = {}
    for name, path in files.items():
        with contextlib.suppress(TaskPolicyError):
            found[name] = TaskPolicy.load(path)
    return found


def reference_features(params: Mapping[str, Array], object_features: Array, global_features: Array) -> Array:
    """Return positions of the two attended objects, which is held, and gripper of n states, (n, 9)."""
    weights = (softmax(params[name])[: object_features.shape[1]] for name in ("attention1", "attention2"))
    first, second = (np.einsum("a,naf->nf", w, object_features) for w in weights)
    offset, held = OBJECT_LAYOUT.offset, [OBJECT_LAYOUT.held]
    gripper = 0.3 * global_features[:, [GLOBAL_LAYOUT.gripper]]
    parts = [first[:, offset], second[:, offset], first[:, held], second[:, held], gripper]
    return np.concatenate(parts, axis=1).astype(np.float32)


def build_reference(params: Mapping[str, Array], takes: Sequence[SegmentArrays]) -> tuple[Array, float]:
    """Return ``SkillPolicy.reference`` and ``SkillPolicy.scale`` for some takes of a segment."""
    rows = [reference_features(params, take.object_features, take.global_features) for take in takes]
    scale = MIN_REFERENCE_SCALE
    for index, own in enumerate(rows):
        others = [other for j, other in enumerate(rows) if j != index]
        if others:
            d = ((own[:, None] - np.concatenate(others)[None]) ** 2).sum(-1)
            scale = max(scale, float(np.sqrt(d.min(axis=1).max())))
    states = np.concatenate(rows)
    selected = np.linspace(0, len(states) - 1, min(REFERENCE_DECISIONS, len(states))).astype(int)
    return states[selected], scale

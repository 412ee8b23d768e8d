"""A scripted take as if a person had led the arm through it: slower, unevenly, trembling, with pauses, no clicks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import forward_kinematics
from metagui.demonstrations.demonstration import Timing

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

TAKE_RATE_HZ = 50.0
ENCODER_STEP_RAD = 2 * np.pi / 4096
"""What one step of a servo's encoder is, rad."""
PAUSED_ACTIONS = ("reach", "trace")
"""Verbs that leave nothing behind: a person pauses after them."""


def make_hand_guided(take: Demonstration, rng: np.random.Generator) -> tuple[Demonstration, list[tuple[int, int]]]:
    """Return the take without clicks, and where these would have been: samples [start, stop) of every segment."""
    at, bounds = _make_timetable(take, rng)
    low = np.minimum(at.astype(int), len(take) - 2)
    nearest = np.rint(at).astype(int)

    def between(values: np.ndarray) -> np.ndarray:
        part = (at - low).reshape(-1, *(1,) * (values.ndim - 1))
        return values[low] * (1 - part) + values[low + 1] * part

    joints = between(take.joint_positions)
    joints[:, :-1] += np.stack([_make_tremor(len(at), rng) for _ in range(joints.shape[1] - 1)], axis=1)
    joints = np.rint(joints / ENCODER_STEP_RAD) * ENCODER_STEP_RAD
    tool = forward_kinematics(joints)
    asked = np.concatenate([joints[1:], joints[-1:]])
    held = take.held[nearest] & (rng.random((len(at), 1)) > 0.01)
    zeros = np.zeros(len(at))
    return replace(
        take,
        time=np.arange(len(at)) / TAKE_RATE_HZ,
        joint_positions=joints,
        joint_velocities=np.gradient(joints, axis=0) * TAKE_RATE_HZ,
        tool_positions=tool.position,
        tool_yaws=tool.yaw,
        object_positions=between(take.object_positions),
        object_yaws=between(take.object_yaws),
        held=held,
        touched=take.touched[nearest],
        command_requested=asked,
        command_sent=asked,
        segments=(),
        timing=Timing(zeros, zeros, zeros, TAKE_RATE_HZ, 0),
        states=None,
    ), bounds


def _make_timetable(take: Demonstration, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return which sample of the take, with fractions, every new one shows, and the segments in the new ones."""
    last = float(len(take) - 1)
    at = [0.0] * int(rng.integers(25, 75))
    starts, stops = [0], []
    hesitations = set(rng.choice(len(take), size=3).tolist())
    waiting = list(take.segments[:-1])
    speed, phase = rng.uniform(0.45, 0.9), rng.uniform(0, 2 * np.pi)
    now = 0.0
    while now < last:
        at.append(now)
        new = now + speed * (1 + 0.4 * np.sin(2 * np.pi * 0.5 * len(at) / TAKE_RATE_HZ + phase))
        if waiting and waiting[0].stop <= new:
            segment = waiting.pop(0)
            stops.append(len(at))
            if segment.instruction.action in PAUSED_ACTIONS or rng.random() < 0.3:
                at += [float(segment.stop)] * int(rng.integers(25, 60))
            starts.append(len(at))
        for hesitation in [h for h in hesitations if now < h <= new]:
            at += [float(hesitation)] * int(rng.integers(5, 12))
        now = new
    at += [last] * int(rng.integers(25, 75))
    return np.array(at), list(zip(starts, [*stops, len(at)], strict=True))


def _make_tremor(sample_count: int, rng: np.random.Generator) -> np.ndarray:
    """How a joint trembles and drifts, (count,) rad: about a millimetre at the tool."""
    time = np.arange(sample_count) / TAKE_RATE_HZ
    waves = [rng.normal() * np.sin(2 * np.pi * rng.uniform(3, 9) * time + rng.uniform(0, 2 * np.pi)) for _ in range(4)]
    drift = np.cumsum(rng.normal(size=sample_count))
    drift -= np.linspace(0, drift[-1], sample_count)
    return 0.00125 * np.sum(waves, axis=0) + 0.002 * drift / max(float(drift.std()), 1.0)

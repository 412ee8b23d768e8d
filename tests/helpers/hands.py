"""Conversion of a scripted take to a hand-guided one: slow, uneven, with tremor and pauses, without instructions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_RATE_HZ
from metagui.arms.kinematics import forward_kinematics
from metagui.demonstrations.demonstration import Timing

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

ENCODER_STEP_RAD = 2 * np.pi / 4096
"""One step of a servo's encoder, rad."""
PAUSED_ACTIONS = ("reach", "trace")
"""Actions without a visible result: a person pauses after them."""


def make_hand_guided(take: Demonstration, rng: np.random.Generator) -> tuple[Demonstration, list[tuple[int, int]]]:
    """Return the hand-guided take, and the samples [start, stop) of every former segment in it."""
    index, bounds = _make_timetable(take, rng)
    low = np.minimum(index.astype(int), len(take) - 2)
    nearest = np.rint(index).astype(int)

    def interpolate(values: np.ndarray) -> np.ndarray:
        part = (index - low).reshape(-1, *(1,) * (values.ndim - 1))
        return values[low] * (1 - part) + values[low + 1] * part

    joints = interpolate(take.joint_positions)
    joints[:, :-1] += np.stack([_make_tremor(len(index), rng) for _ in range(joints.shape[1] - 1)], axis=1)
    joints = np.rint(joints / ENCODER_STEP_RAD) * ENCODER_STEP_RAD
    tool = forward_kinematics(joints)
    requested = np.concatenate([joints[1:], joints[-1:]])
    held = take.held[nearest] & (rng.random((len(index), 1)) > 0.01)
    zeros = np.zeros(len(index))
    return replace(
        take,
        time=np.arange(len(index)) / CONTROL_RATE_HZ,
        joint_positions=joints,
        joint_velocities=np.gradient(joints, axis=0) * CONTROL_RATE_HZ,
        tool_positions=tool.position,
        tool_yaws=tool.yaw,
        object_positions=interpolate(take.object_positions),
        object_yaws=interpolate(take.object_yaws),
        held=held,
        touched=take.touched[nearest],
        command_requested=requested,
        command_sent=requested,
        segments=(),
        timing=Timing(zeros, zeros, zeros, CONTROL_RATE_HZ, 0),
        states=None,
    ), bounds


def _make_timetable(take: Demonstration, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return the fractional index in the take of every new sample, and the segments as new samples."""
    last = float(len(take) - 1)
    at = [0.0] * int(rng.integers(25, 75))
    starts, stops = [0], []
    hesitations = set(rng.choice(len(take), size=3).tolist())
    waiting = list(take.segments[:-1])
    speed, phase = rng.uniform(0.45, 0.9), rng.uniform(0, 2 * np.pi)
    now = 0.0
    while now < last:
        at.append(now)
        new = now + speed * (1 + 0.4 * np.sin(2 * np.pi * 0.5 * len(at) / CONTROL_RATE_HZ + phase))
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
    """Return the tremor and drift of a joint, (sample_count,) rad: about a millimetre at the tool."""
    time = np.arange(sample_count) / CONTROL_RATE_HZ
    waves = [rng.normal() * np.sin(2 * np.pi * rng.uniform(3, 9) * time + rng.uniform(0, 2 * np.pi)) for _ in range(4)]
    drift = np.cumsum(rng.normal(size=sample_count))
    drift -= np.linspace(0, drift[-1], sample_count)
    return 0.00125 * np.sum(waves, axis=0) + 0.002 * drift / max(float(drift.std()), 1.0)

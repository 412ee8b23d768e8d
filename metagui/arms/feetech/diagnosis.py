"""Finds out why a servo does not answer as it should: two with one id, another baud rate, another model, no power."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoSilentError
from metagui.arms.feetech.line_messages import describe_silence
from metagui.arms.feetech.serial_port import SERVO_BUS_BAUD

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from metagui.arms.feetech.bus import ServoBus

SHARED_ANSWERS = 3
"""Number of questions that must be answered by two servos, and of those by one, for a decision: any single reply may
be lost or damaged."""
SETUP_FIX = "Unplug the cable between them, connect the wrong one alone, and run `metagui setup-motors`."


class WrongServoError(ArmError):
    """A servo of a model that is not driven answers."""


class SharedIdError(ArmError):
    """Several servos answer as one."""


class BaudRateError(ArmError):
    """A servo is set to another baud rate."""


def check_models(models: Mapping[int, int]) -> None:
    """Raise WrongServoError unless all models, by id, can be driven; the message names them."""
    wrong = {servo_id: model for servo_id, model in models.items() if model not in reg.DRIVEN_MODEL_NUMBERS}
    if wrong:
        names = ", ".join(f"{servo_id} is of model {describe_model(model)}" for servo_id, model in wrong.items())
        driven = ", ".join(reg.MODEL_NAMES[number] for number in reg.DRIVEN_MODEL_NUMBERS)
        raise WrongServoError(
            f"Servo {names}; the SO-101 has one of {driven}. Nothing was written to it and nothing moved. "
            "Choose the arm's port, or replace the servo."
        )


def describe_model(number: int) -> str:
    """Return a model number with its name, if it is known."""
    return f"{number} ({reg.MODEL_NAMES[number]})" if number in reg.MODEL_NAMES else str(number)


def find_shared_ids(bus: ServoBus, servo_ids: Sequence[int]) -> list[int]:
    """Return the ids that several servos have: their replies come twice, or spoil each other where they differ."""
    return [servo_id for servo_id in servo_ids if _is_shared(bus, servo_id)]


def _is_shared(bus: ServoBus, servo_id: int) -> bool:
    """Return whether two servos answer most of a few questions."""
    by_two = by_one = 0
    while max(by_two, by_one) < SHARED_ANSWERS:
        replies, is_damaged = bus.count_replies(servo_id, reg.FEEDBACK_ADDRESS, reg.FEEDBACK_SIZE)
        if replies > 1 or (is_damaged and not replies):
            by_two += 1
        else:
            by_one += 1
    return by_two > by_one


def require_unshared(bus: ServoBus, servo_ids: Sequence[int]) -> None:
    """Raise SharedIdError if several servos have one of the ids."""
    shared = find_shared_ids(bus, servo_ids)
    if shared:
        raise SharedIdError(
            f"Two servos have the id {', '.join(map(str, shared))}: their answers mix. Nothing was written and nothing "
            f"moved. {SETUP_FIX}"
        )


def find_other_baud_rates(bus: ServoBus, servo_ids: Sequence[int]) -> dict[int, int]:
    """Return the baud rates of servos that answer at another one than the bus's, by id."""
    found: dict[int, int] = {}
    try:
        for baud in (*reg.BAUD_RATES, *reg.BAUD_RATES):  # twice, as the first reply may be lost
            missing = [servo_id for servo_id in servo_ids if servo_id not in found]
            if baud != SERVO_BUS_BAUD and missing:
                bus.port.set_baud(baud)
                found |= dict.fromkeys(set(bus.scan(missing)) & set(missing), baud)
    finally:
        bus.port.set_baud(SERVO_BUS_BAUD)
    return found


def explain_silence(bus: ServoBus, missing: Collection[int], servo_ids: Sequence[int]) -> ArmError:
    """Return the error for servos of an arm that do not answer, with its reason."""
    shared = find_shared_ids(bus, servo_ids)
    if shared:
        lost = (
            f", and servo {', '.join(map(str, sorted(missing)))} does not answer" if set(missing) - set(shared) else ""
        )
        return SharedIdError(
            f"Two servos have the id {', '.join(map(str, shared))}{lost}: one of them probably has still its old id. "
            f"Nothing was written and nothing moved. {SETUP_FIX}"
        )
    others = find_other_baud_rates(bus, sorted(missing))
    bus.probe(servo_ids)
    if others:
        rates = ", ".join(f"servo {servo_id} answers at {baud} baud" for servo_id, baud in sorted(others.items()))
        return BaudRateError(
            f"Another baud rate: {rates}, not at {SERVO_BUS_BAUD}. Nothing was written and nothing moved. Connect that "
            "servo alone and run `metagui setup-motors`."
        )
    return ServoSilentError(describe_silence(missing, bus.latency))

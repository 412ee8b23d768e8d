"""Motors of an arm on a port, for the commands that inspect, relax, trim or emulate an arm."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import typer

from metagui.cli.output import CommandError, print_note, print_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.arms.emulator.emulated_arm import EmulatedArm
    from metagui.arms.emulator.emulated_bus import FaultInjector
    from metagui.arms.feetech.serial_port import Port
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.arms.so101.motors import ServoChain
    from metagui.arms.so101.protection.inspection import MotorDetails
    from metagui.arms.so101.stops import ArmModel

RELAXING_S = 3.0
"""Time in which the torque falls, s."""
DETAIL_COLUMNS = ("id", "joint", "baud", "model", "firmware", "supply", "temperature", "load", "torque", "status")


def inspect_port(registry: ArmRegistry, device: str) -> list[MotorDetails]:
    """Return the details of the motors on a port. Raises PortError, ConnectionLostError."""
    from metagui.arms.feetech.bus import ServoBus
    from metagui.arms.so101.motors import SERVO_IDS
    from metagui.arms.so101.protection.inspection import inspect_motors

    with contextlib.closing(registry.open_port(device)) as port:
        return inspect_motors(ServoBus(port), SERVO_IDS)


def print_motors(registry: ArmRegistry, devices: Sequence[str], as_json: bool) -> dict[str, object]:
    """Print the motors on each port as a table, unless JSON is printed; return them, or the port's problem."""
    from metagui.arms.arm import ArmError

    found: dict[str, object] = {}
    for device in devices:
        try:
            motors = inspect_port(registry, device)
        except ArmError as error:
            found[device] = {"problem": str(error)}
            print_note(str(error))
            continue
        found[device] = [asdict(motor) for motor in motors]
        if not as_json:
            print_result(None, DETAIL_COLUMNS, map(make_detail_row, motors), False, f"Motors on {device}")
        if not motors:
            print_note(f"No motor answers on {device}. Check the supply and the cables; nothing was changed.")
    return found


def make_detail_row(motor: MotorDetails) -> tuple[object, ...]:
    """Return the row of ``DETAIL_COLUMNS`` for a motor."""
    from metagui.arms.kinematics import JOINTS
    from metagui.arms.so101.motors import SERVO_IDS

    joints = dict(zip(SERVO_IDS, (joint.name for joint in JOINTS), strict=True))
    return (
        motor.id,
        joints.get(motor.id, ""),
        motor.baud,
        motor.model,
        motor.firmware,
        f"{motor.voltage:.1f} V (at most {motor.max_voltage:.0f})",
        f"{motor.temperature} °C",
        f"{motor.load:.0f} %",
        "on" if motor.torque else "off",
        motor.status,
    )


def relax_arm(registry: ArmRegistry, address: str, seconds: int) -> None:
    """Count down, then let the arm with a name or on a port go gently. Raises ArmError, CommandError."""
    from metagui.arms.so101.protection.relaxing import RELAX_STEPS, relax_gently
    from metagui.cli.signals import interruptible

    names = {arm.name for arm in registry.list_arms()}
    device = registry.find_device(address) if address in names else address
    file = registry.register_file(registry.identify(device))
    with contextlib.closing(registry.open_port(device)) as port:
        chain = _find_motors(port, device)
        try:
            with interruptible():
                print_note("The arm lets go after the countdown: hold it, or make room for it. Ctrl+C cancels.")
                for left in range(seconds, 0, -1):
                    print_note(f"{left} …")
                    time.sleep(1.0)
                for _ in relax_gently(chain, file):
                    time.sleep(RELAXING_S / RELAX_STEPS)
        except KeyboardInterrupt:
            raise CommandError("Cancelled. The arm holds where it is.") from None


def _find_motors(port: Port, device: str) -> ServoChain:
    """Return the motors that answer, as a chain. Raises ServoSilentError."""
    from metagui.arms.feetech.bus import ServoBus, ServoSilentError
    from metagui.arms.feetech.line_messages import describe_silence
    from metagui.arms.so101.motors import SERVO_IDS, SETUP_RETRIES, ServoChain

    bus = ServoBus(port, SETUP_RETRIES)
    bus.probe(SERVO_IDS)
    found = bus.scan(SERVO_IDS)
    if not found:
        raise ServoSilentError(describe_silence(SERVO_IDS, bus.latency))
    if len(found) < len(SERVO_IDS):
        missing = ", ".join(str(servo_id) for servo_id in SERVO_IDS if servo_id not in found)
        print_note(f"Servo {missing} on {device} does not answer and stays as it is.")
    return ServoChain(bus, found)


def make_emulated_arm(
    seed: int, faults: FaultInjector, is_ideal: bool, motors: int, hand_guided: bool, model: ArmModel
) -> EmulatedArm:
    """Return a new emulated arm, whose servos were mounted at random."""
    import itertools

    import numpy as np

    from metagui.arms.emulator.emulated_arm import EmulatedArm
    from metagui.arms.emulator.guided_sweep import sweep_by_hand
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.arms.so101.stops import REAL_STOPS, SO100_STOPS

    mount_offsets = np.random.default_rng(seed).integers(0, 4096, 6).tolist()
    stops = SO100_STOPS if model == "so100" else REAL_STOPS
    make_arm = EmulatedArm.make_ideal if is_ideal else EmulatedArm
    arm = make_arm(SimulatedArm(seed), mount_offsets, faults=faults, motors=motors, stops=stops)
    if hand_guided:
        arm.follow_hand_path(itertools.chain.from_iterable(sweep_by_hand(arm.stops) for _ in itertools.count()))
    return arm


def describe_calibration(registry: ArmRegistry, name: str) -> str:
    """Return what is known of a named arm's calibration, for the list of arms."""
    from metagui.arms.arm import ArmError
    from metagui.arms.so101.calibration_checks import describe_corrected_zeros
    from metagui.arms.so101.stops import ZeroOrigin

    try:
        calibration, zeros = registry.load_calibration(name), registry.load_zeros(name)
    except ArmError:
        return "damaged"
    if calibration is None:
        return "none"
    trimmed = sum(bool(trim) for trim in calibration.trims)
    facts = [calibration.model.label, *([f"{trimmed} zeros trimmed"] if trimmed else [])]
    if zeros.origin is not ZeroOrigin.STOPS and describe_corrected_zeros(name, calibration):
        facts.append("zeros corrected since it was calibrated")
    return ", ".join(facts)


def import_file(file: Path, model: ArmModel | None) -> tuple[ArmCalibration, list[str]]:
    """Return the calibration in a file of another program, and texts on what to check. Raises CalibrationError."""
    from metagui.arms.so101.calibration_checks import import_calibration

    calibration, doubts = import_calibration(file, model)
    answer = None if model is not None else _ask_model(calibration)
    return (calibration, doubts) if answer is None else import_calibration(file, answer)


def choose_model(calibration: ArmCalibration, model: ArmModel | None) -> tuple[ArmCalibration, list[str]]:
    """Return the calibration with the arm's model, asked for or guessed if None, and texts on what to check."""
    from metagui.arms.so101.calibration_checks import describe_doubts, guess_model

    chosen = _ask_model(calibration) if model is None else model
    found = replace(calibration, model=guess_model(calibration) if chosen is None else chosen)
    return found, describe_doubts(found, chosen is not None)


def _ask_model(calibration: ArmCalibration) -> ArmModel | None:
    """Ask for the model of an arm that may be an SO-100; None if it is not, or if input is not from a terminal."""
    from metagui.arms.so101.calibration_checks import guess_model
    from metagui.arms.so101.stops import ArmModel

    if guess_model(calibration) is not ArmModel.SO100 or not _is_terminal():
        return None
    question = "wrist_flex turns further than an SO-101's, as that of an SO-100 does. Is this arm an SO-100?"
    return ArmModel.SO100 if typer.confirm(question, default=True, err=True) else ArmModel.SO101


def _is_terminal() -> bool:
    """Return whether a person can answer a question."""
    return sys.stdin.isatty()


def touch_points(name: str | None, points: Sequence[str], as_json: bool) -> None:
    """Ask a person to touch points, fit the zeros of a named arm to that, and store them.

    Raises PortError, TouchError; then nothing is stored.
    """
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.zero_fit import fit_zeros

    registry = ArmRegistry()
    if name is None or (calibration := registry.load_calibration(name)) is None:
        raise typer.BadParameter("give the name of a calibrated arm", param_hint="--name")
    goals = find_points(points)
    readings = []
    with registry.make_arm(name) as arm:
        arm.start_hand_guiding()
        print_note("The motors are off: hold the arm. Close the gripper. Ctrl+C cancels and changes nothing.")
        for text in goals.names:
            typer.prompt(f"Touch {text} with the tips, then press Return", "", show_default=False, err=True)
            readings.append(arm.observe().positions)
    fit = fit_zeros(np.array(readings), goals.positions, goals.is_place_known)
    fit.require_good()
    trims = fit.add_to(calibration.trims)
    registry.save_calibration(name, replace(calibration, trims=trims))
    _print_trims(name, trims, as_json)
    print_note(
        f"The tips were {fit.distances_before.max() * 1000:.1f} mm off at most; now "
        f"{fit.distances.max() * 1000:.1f} mm."
    )


class TouchedPoints(NamedTuple):
    """Points for a person to touch."""

    names: tuple[str, ...]
    """Names for the person."""
    positions: FloatArray
    """(N, 3) positions, m, in the arm's base frame or in that of a sheet on the table."""
    is_place_known: bool
    """True if they are in the arm's base frame."""


def find_points(texts: Sequence[str]) -> TouchedPoints:
    """Return the points with coordinates, m, or the crosses of the printed mat on a paper. Raises BadParameter."""
    from metagui.cameras.mat import CORNER_NAMES, MATS

    mats = {name.casefold(): mat for name, mat in MATS.items()}
    if len(texts) == 1 and (mat := mats.get(texts[0].strip().casefold())) is not None:
        return TouchedPoints(tuple(f"the cross on the {corner}" for corner in CORNER_NAMES), mat.crosses, False)
    return TouchedPoints(tuple(texts), np.array([_parse_point(text) for text in texts]), True)


def _parse_point(text: str) -> tuple[float, float, float]:
    """Parse ``x,y`` or ``x,y,z`` in m; z is the table's surface if missing. Raises BadParameter."""
    try:
        x, y, *rest = (float(number) for number in text.split(","))
        (z,) = rest or (0.0,)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} must be numbers, such as 0.20,-0.05, or the paper of a mat", param_hint="--touch"
        ) from None
    return x, y, z


def serve_emulated_arm(arm: EmulatedArm, latency: str | None, table_port: int | None) -> None:
    """Serve an arm until Ctrl+C, and its table for a camera's process if that has a port. Raises ArmError, OSError."""
    from metagui.arms.emulator.emulated_port import serve
    from metagui.arms.emulator.latency import LATENCY_PROFILES
    from metagui.arms.emulator.table_server import TableServer
    from metagui.cli.signals import stop_on_signals

    with contextlib.nullcontext() if table_port is None else TableServer(arm, table_port):
        serve(arm, typer.echo, stop_on_signals(), latency=LATENCY_PROFILES[latency] if latency else None)


def trim_zeros(name: str | None, trims: Sequence[str], as_json: bool) -> None:
    """Store corrections of the zeros of a named arm, and print them. Raises PortError."""
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.stops import change_trims

    registry = ArmRegistry()
    if name is None or (calibration := registry.load_calibration(name)) is None:
        raise typer.BadParameter("give the name of a calibrated arm", param_hint="--name")
    try:
        pairs = [text.split("=") for text in trims]
        found = change_trims(calibration.trims, {joint: math.radians(float(angle)) for joint, angle in pairs})
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write for example elbow_flex=-1.5", param_hint="--trim") from None
    registry.save_calibration(name, replace(calibration, trims=found))
    _print_trims(name, found, as_json)


def _print_trims(name: str, trims: Sequence[float], as_json: bool) -> None:
    """Print the corrections of the zeros that were stored for a named arm, rad."""
    from metagui.arms.kinematics import JOINTS

    document = {joint.name: math.degrees(each) for joint, each in zip(JOINTS, trims, strict=True)}
    rows = [(joint, f"{degrees:+.1f}") for joint, degrees in document.items()]
    print_result(document, ("joint", "correction, degrees"), rows, as_json, f"Stored for “{name}”")

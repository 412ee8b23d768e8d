"""Session of a window with an emulated arm on a cable that can be plugged in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.app import make_session
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.app_state import ArmActivity
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.in_process_port import Cable
from tests.helpers.priors import make_small_prior
from tests.helpers.qt import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.window.session import Session


class EmulatedUsbPort(Cable):
    """USB port of an emulated arm that can be plugged in and out; its name changes every time."""

    def __init__(self, calibrated: bool = True) -> None:
        arm = EmulatedArm(SimulatedArm(4))
        if calibrated:
            arm.calibrate()
        super().__init__(arm)

    def read_torque(self) -> list[bool]:
        """Return whether torque is on, per servo."""
        return [bool(servo.torque_enabled) for servo in self.arm.servos]


def make_usb_session(
    folder: Path, usb_port: EmulatedUsbPort, takes: Iterable[Demonstration], seed: int, **options: Any
) -> Session:
    """Return a session that is not open yet: a library of takes, the simulated arm, and one on the port called mine."""
    library = Library(folder / "library")
    for take in takes:
        library.add_take(take)
    registry = ArmRegistry(folder / "arms", usb_port.list_ports, usb_port.open_port)
    registry.register("mine", usb_port.device)
    made = make_session(
        SimulatedArm, library, make_small_prior, seed=seed, registry=registry, list_ports=usb_port.list_ports, **options
    )
    made.execution.countdown._timer.setInterval(30)
    return made


def was_posted(session: Session, fragment: str) -> bool:
    """Return whether a message contains ``fragment``."""
    return any(fragment in text for _, text, _ in session.posted)  # type: ignore[attr-defined]


def wait_for_message(qtbot: QtBot, session: Session, fragment: str) -> None:
    """Wait until a message contains ``fragment``; fail with the messages that were posted."""

    def said() -> None:
        assert was_posted(session, fragment), (session.state.snapshot.state, [text for _, text, _ in session.posted])  # type: ignore[attr-defined]

    qtbot.waitUntil(said, timeout=PATIENCE_MS)


def connect_arm(qtbot: QtBot, session: Session) -> None:
    """Choose the arm called mine and wait until it is ready."""
    session.arm.connection.choose("arm:mine")
    session.arm.flow.toggle_connection()
    assert session.state.snapshot.state is ArmActivity.CONNECTING
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)
    until(qtbot, lambda: session.arm.controller.latest_tick is not None)


def guide_joint(usb_port: EmulatedUsbPort, joint: int, angle_change: float) -> None:
    """Move one joint of the arm by hand, with torque off, in small steps, rad."""
    start = usb_port.arm.read_joint_angles()[joint]
    usb_port.arm.follow_hand_path([(joint, float(angle)) for angle in np.linspace(start, start + angle_change, 40)])

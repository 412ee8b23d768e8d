"""Session of a window with an emulated arm on a pseudo-terminal that can be plugged in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.gui.core.app_state import ArmActivity
from tests.helpers.qt import until

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.arms.emulator.emulated_port import EmulatedPort
    from metagui.gui.window.session import Session


class EmulatedUsbPort:
    """USB port of an emulated arm that can be plugged in and out; its name changes every time."""

    def __init__(self, calibrated: bool = True) -> None:
        self.arm = EmulatedArm(SimulatedArm(4))
        if calibrated:
            self.arm.calibrate()
        self.port: EmulatedPort | None = None
        self.plug()

    def plug(self) -> None:
        """Plug the cable in; the port gets a new name."""
        from metagui.arms.emulator.emulated_port import EmulatedPort

        self.port = EmulatedPort(self.arm)

    def unplug(self) -> None:
        """Pull the cable out."""
        if self.port is not None:
            self.port.close()
            self.port = None

    def list_ports(self) -> tuple[UsbPort, ...]:
        """Return the ports of the computer."""
        port = self.port
        return () if port is None else (UsbPort(port.name, 0x1A86, 0x55D3, "S1", "virtual"),)

    @property
    def device(self) -> str:
        """Name of the port."""
        assert self.port is not None
        return self.port.name

    def read_torque(self) -> list[bool]:
        """Return whether torque is on, per servo."""
        return [bool(servo.torque_enabled) for servo in self.arm.servos]


def was_posted(session: Session, fragment: str) -> bool:
    """Return whether a message contains ``fragment``."""
    return any(fragment in text for _, text, _ in session.posted)  # type: ignore[attr-defined]


def wait_for_message(qtbot: QtBot, session: Session, fragment: str) -> None:
    """Wait until a message contains ``fragment``; fail with the messages that were posted."""

    def said() -> None:
        assert was_posted(session, fragment), (session.state.snapshot.state, [text for _, text, _ in session.posted])  # type: ignore[attr-defined]

    qtbot.waitUntil(said, timeout=30_000)


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

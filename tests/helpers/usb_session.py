"""A window's session with a virtual arm behind a pseudo-terminal: plugged, connected, led and heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.emulator.emulated_arm import VirtualArm
from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.gui.core.app_state import State
from tests.unit.gui.test_session import until

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.arms.emulator.pty_server import VirtualPort
    from metagui.gui.window.session import Session


class Socket:
    """Where the virtual arm is plugged in and pulled out; it comes back under another port's name."""

    def __init__(self, calibrated: bool = True) -> None:
        self.arm = VirtualArm(SimulatedArm(4))
        if calibrated:
            self.arm.calibrate()
        self.port: VirtualPort | None = None
        self.plug()

    def plug(self) -> None:
        from metagui.arms.emulator.pty_server import VirtualPort

        self.port = VirtualPort(self.arm)

    def pull(self) -> None:
        if self.port is not None:
            self.port.close()
            self.port = None

    def ports(self) -> tuple[UsbPort, ...]:
        port = self.port
        return () if port is None else (UsbPort(port.name, 0x1A86, 0x55D3, "S1", "virtual"),)

    @property
    def device(self) -> str:
        assert self.port is not None
        return self.port.name

    def powered(self) -> list[bool]:
        return [bool(servo.torque) for servo in self.arm.servos]


def heard(session: Session, words: str) -> bool:
    return any(words in text for _, text, _ in session.words)  # type: ignore[attr-defined]


def hear(qtbot: QtBot, session: Session, words: str) -> None:
    """Wait until the words are said; where they are not, say what was."""

    def said() -> None:
        assert heard(session, words), (session.situation.state, [text for _, text, _ in session.words])  # type: ignore[attr-defined]

    qtbot.waitUntil(said, timeout=30_000)


def connect(qtbot: QtBot, session: Session) -> None:
    session.station.choose("arm:mine")
    session.toggle_connection()
    assert session.situation.state is State.CONNECTING
    until(qtbot, lambda: session.situation.state is State.READY)
    until(qtbot, lambda: session.desk.latest is not None)


def lead_to(socket: Socket, joint: int, change: float) -> None:
    """Move one joint of the limp arm by hand, a little at a time."""
    start = socket.arm.angles()[joint]
    socket.arm.lead([(joint, float(angle)) for angle in np.linspace(start, start + change, 40)])

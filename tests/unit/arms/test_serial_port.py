"""Tests of serial ports that cannot be opened, disappear or are in use."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from metagui.arms.arm import ConnectionLostError
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.feetech import port_permissions, serial_port
from metagui.arms.feetech.protocol import build_ping, encode
from metagui.arms.feetech.serial_port import PortError, SerialPort
from tests.helpers.clocks import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_serial_port_open_error_states_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PortError, match="There is no port /dev/ttyNOT"):
        SerialPort("/dev/ttyNOT")
    plain = tmp_path / "file"
    plain.write_text("")
    with pytest.raises(PortError, match="was not touched"):
        SerialPort(str(plain))
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(serial_port.serial, "serial_for_url", lambda *_, **__: (_ for _ in ()).throw(denied))
    stranger = port_permissions.GroupMembership("dialout", is_member=False, is_active=False)
    monkeypatch.setattr(port_permissions, "find_membership", lambda _: stranger)
    monkeypatch.setattr(port_permissions.sys, "platform", "linux")
    with pytest.raises(PortError, match=r"You may not open .*`sudo usermod -aG dialout \w+`"):
        SerialPort(str(plain))


@pytest.mark.pty
def test_serial_port_disappeared_raises() -> None:
    for use in (lambda p: p.read(6), lambda p: p.write(b"\xff"), lambda p: p.discard()):
        arm, received = EmulatedArm(), []
        arm.bus.on_packet = received.append
        with EmulatedPort(arm, physics=False) as terminal:
            port = SerialPort(terminal.name)
            port.write(encode(build_ping(1)))
            wait_until(lambda received=received: received)  # type: ignore[misc]
        for _ in range(2):
            with contextlib.suppress(ConnectionLostError):
                use(port)
        port.close()
        port.close()
        with pytest.raises(ConnectionLostError, match="has vanished"):
            use(port)


@pytest.mark.pty
def test_serial_port_is_exclusive() -> None:
    with EmulatedPort(EmulatedArm(), physics=False) as port:
        first = SerialPort(port.name)
        with pytest.raises(PortError, match="Another program uses"):
            SerialPort(port.name)
        first.close()
        SerialPort(port.name).close()


class FakeAdapter:
    """An adapter whose driver does or does not know the request for low latency. Replaces serial.Serial."""

    def __init__(self, device: Path, is_supported: bool) -> None:
        self.name = str(device)
        self.is_supported = is_supported
        self.is_low = False

    def set_low_latency_mode(self, is_low: bool) -> None:
        """Set the mode. Raises ValueError, as pyserial does."""
        if not self.is_supported:
            raise ValueError("Failed to update ASYNC_LOW_LATENCY flag")
        self.is_low = is_low


def test_set_low_latency_uses_driver_then_timer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never an error if neither is there."""
    monkeypatch.setattr(serial_port, "LATENCY_TIMER_FOLDER", tmp_path)
    adapter = FakeAdapter(tmp_path / "ttyUSB0", is_supported=True)
    assert serial_port.set_low_latency(adapter)  # type: ignore[arg-type]
    assert adapter.is_low
    adapter.is_supported = False
    assert not serial_port.set_low_latency(adapter)  # type: ignore[arg-type]
    timer = tmp_path / "ttyUSB0" / "latency_timer"
    timer.parent.mkdir()
    timer.write_text("16")
    assert serial_port.set_low_latency(adapter)  # type: ignore[arg-type]
    assert timer.read_text() == "1"
    assert not serial_port.set_low_latency(object())  # type: ignore[arg-type]


@pytest.mark.pty
def test_serial_port_baud_and_timeout_can_change() -> None:
    with EmulatedPort(EmulatedArm(), physics=False) as terminal:
        port = SerialPort(terminal.name)
        port.reply_timeout = 0.03
        assert port.reply_timeout == 0.03
        port.set_baud(115_200)
        port.set_baud(1_000_000)
        port.write(encode(build_ping(1)))
        port.close()
        with pytest.raises(ConnectionLostError):
            port.write(b"\xff")

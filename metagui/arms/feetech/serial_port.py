"""Serial ports: which there are, opening one, and saying in words why one cannot be opened (only home of pyserial)."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass
from typing import Protocol

import serial
from serial.tools import list_ports

from metagui.arms.arm import ArmError, ConnectionLostError
from metagui.arms.feetech import port_permissions

_PORT_LOST_ERRORS: tuple[type[Exception], ...] = (OSError, TypeError)
"""What pyserial raises when the device is gone; TypeError: it was closed in another thread."""
with contextlib.suppress(ImportError):  # Windows has none
    import termios

    _PORT_LOST_ERRORS += (termios.error,)
_PORT_OPEN_ERRORS: tuple[type[Exception], ...] = (*_PORT_LOST_ERRORS, ValueError)
"""What it raises for a port that cannot be opened."""

SERVO_BUS_BAUD = 1_000_000
REPLY_TIMEOUT_S = 0.010
"""How long the line may be silent before a reply counts as lost, s; a USB adapter holds bytes back for up to 4 ms."""
BYTE_TIME_S = 10 / SERVO_BUS_BAUD
"""A byte on the line with start and stop bit, s."""
POLL_EARLY_S, POLL_LATE_S = 80e-6, 150e-6
"""From how long before a reply can be there until how long after it is looked for without pause, s: whoever sleeps
until it comes wakes late, by a twentieth of the whole exchange."""
USB_ADAPTERS = {
    (0x1A86, 0x55D3): "CH343, the SO-101's own board",
    (0x1A86, 0x55D4): "CH9102",
    (0x1A86, 0x7523): "CH340, Feetech's FE-URT",
    (0x0403, 0x6001): "FTDI FT232",
    (0x0403, 0x6014): "FTDI FT232H",
    (0x10C4, 0xEA60): "CP210x",
}
"""USB vendor and product of adapters that servo buses are driven with."""


class PortError(ArmError):
    """A serial port cannot be opened; the message says why and what mends it."""


class Port(Protocol):
    """What a servo bus needs of a line. Everything may raise ConnectionLostError."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; fewer mean that the time was up."""

    def discard(self) -> int:
        """Forget what has arrived; return how many bytes that were."""

    def close(self) -> None:
        """Let the port go."""


@dataclass(frozen=True)
class UsbPort:
    """A port that is there now."""

    device: str
    """What the system calls it: ``/dev/ttyACM0``, ``/dev/cu.usbmodem…``, ``COM3``."""
    vendor: int | None = None
    product: int | None = None
    serial_number: str | None = None
    description: str = ""

    @property
    def adapter(self) -> str | None:
        """What kind of servo adapter it is; None if it is none we know."""
        return USB_ADAPTERS.get((self.vendor or 0, self.product or 0))


def list_usb_ports() -> tuple[UsbPort, ...]:
    """Return the ports on USB, likely servo adapters first."""
    found = [
        UsbPort(p.device, p.vid, p.pid, p.serial_number, p.description or "")
        for p in list_ports.comports()
        if p.vid is not None
    ]
    return tuple(sorted(found, key=lambda port: (port.adapter is None, port.device)))


class SerialPort:
    """An open serial port, 8N1, for us alone."""

    def __init__(self, device: str, reply_timeout: float = REPLY_TIMEOUT_S) -> None:
        self.device = device
        self._sent_at = 0.0
        try:
            self._serial = _open_serial(device, reply_timeout)
        except _PORT_OPEN_ERRORS as error:
            raise PortError(explain_open_error(device, error)) from error

    def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionLostError."""
        try:
            self._serial.write(data)
            self._sent_at = time.perf_counter() + len(data) * BYTE_TIME_S
        except _PORT_LOST_ERRORS as error:
            raise self._make_lost_error() from error

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; fewer mean that the time was up. Raises ConnectionLostError."""
        try:
            self._wait_for_bytes(size)
            data: bytes = self._serial.read(size)
            if len(data) < size and self._serial.in_waiting:  # they came in time, but this thread did not run
                data += self._serial.read(min(self._serial.in_waiting, size - len(data)))
        except _PORT_LOST_ERRORS as error:
            raise self._make_lost_error() from error
        return data

    def discard(self) -> int:
        """Forget what has arrived. Raises ConnectionLostError."""
        try:
            waiting: int = self._serial.in_waiting
            if waiting:
                self._serial.reset_input_buffer()
        except _PORT_LOST_ERRORS as error:
            raise self._make_lost_error() from error
        return waiting

    def close(self) -> None:
        """Let the port go, also one that has vanished."""
        with contextlib.suppress(*_PORT_LOST_ERRORS):
            self._serial.close()

    def _wait_for_bytes(self, size: int) -> None:
        """Sleep until shortly before ``size`` bytes can have come, then look for them for a moment."""
        due = self._sent_at + size * BYTE_TIME_S
        time.sleep(max(due - POLL_EARLY_S - time.perf_counter(), 0.0))
        while time.perf_counter() < due + POLL_LATE_S and self._serial.in_waiting < size:
            pass

    def _make_lost_error(self) -> ConnectionLostError:
        return ConnectionLostError(
            f"The port {self.device} has vanished: the cable was pulled or the adapter lost its power. The servos "
            "hold their last position while they are supplied. Plug it in again."
        )


def _open_serial(device: str, reply_timeout: float) -> serial.Serial:
    exclusive = True if os.name == "posix" else None
    try:
        return serial.serial_for_url(
            device, SERVO_BUS_BAUD, timeout=reply_timeout, write_timeout=0.5, exclusive=exclusive
        )
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
        # A pseudo-terminal on macOS has no such speed, and needs none.
        return serial.serial_for_url(device, 9600, timeout=reply_timeout, write_timeout=0.5, exclusive=exclusive)


def explain_open_error(device: str, error: Exception) -> str:
    """Say in words why a port cannot be opened, that nothing moved, and what mends it."""
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM) or isinstance(error, PermissionError):
        return f"You may not open {device}; the arm was not touched. {_explain_permission(device)}"
    if number in (errno.EBUSY, errno.EAGAIN) or "lock" in str(error):
        return f"Another program uses {device}; the arm was not touched. Close that program and connect again."
    if number == errno.ENOENT or "FileNotFound" in str(error):
        there = ", ".join(port.device for port in list_usb_ports()) or "none"
        return f"There is no port {device}; ports on USB: {there}. Plug the arm in, or choose another port."
    return f"{device} cannot be opened: {error}. The arm was not touched; plug it in again and retry."


def _explain_permission(device: str) -> str:
    """Say what lets this user open the device."""
    mend = port_permissions.suggest_fix(device)
    return f"What helps: {mend}" if mend else "Close other programs that use it, and connect again."

"""Serial ports: listing, opening, reading and writing, with clear errors. The only module that imports pyserial."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import serial
from serial.tools import list_ports

from metagui.arms.arm import ArmError, ConnectionLostError
from metagui.arms.feetech import port_permissions
from metagui.arms.feetech.port_users import describe_users, find_port_users

if TYPE_CHECKING:
    from collections.abc import Callable

_PORT_LOST_ERRORS: tuple[type[Exception], ...] = (OSError, TypeError)
"""Errors that pyserial raises when the device is gone; TypeError if it was closed in another thread."""
with contextlib.suppress(ImportError):  # Windows has none
    import termios

    _PORT_LOST_ERRORS += (termios.error,)
_PORT_OPEN_ERRORS: tuple[type[Exception], ...] = (*_PORT_LOST_ERRORS, ValueError)
"""Errors that it raises for a port that cannot be opened."""

SERVO_BUS_BAUD = 1_000_000
"""Baud rate of the servo bus."""
REPLY_TIMEOUT_S = 0.010
"""Silence of the line after which a reply counts as lost, s, at first; the bus raises it for slow adapters."""
BAUD_CHANGE_PAUSE_S = 0.02
"""Time in which an adapter sends what it has and a servo stores what it got, before the baud rate changes, s."""
BITS_PER_BYTE = 10
"""Bits per byte on the line: start bit, eight data bits, stop bit."""
BYTE_TIME_S = BITS_PER_BYTE / SERVO_BUS_BAUD
"""Duration of a byte on the line, s."""
POLL_EARLY_S, POLL_LATE_S = 80e-6, 150e-6
"""Times before and after the earliest arrival of a reply between which the port is polled without sleeping, s:
a thread that sleeps until the reply arrives wakes late, by a twentieth of the whole exchange."""
LATENCY_TIMER_FOLDER = Path("/sys/bus/usb-serial/devices")
"""Folder with the latency timers of adapters on Linux."""
USB_ADAPTERS = {
    (0x1A86, 0x55D3): "CH343, the SO-101's own board",
    (0x1A86, 0x55D4): "CH9102",
    (0x1A86, 0x7523): "CH340, Feetech's FE-URT",
    (0x0403, 0x6001): "FTDI FT232",
    (0x0403, 0x6014): "FTDI FT232H",
    (0x10C4, 0xEA60): "CP210x",
}
"""Known servo bus adapters by USB vendor and product."""


class PortError(ArmError):
    """A serial port cannot be opened; the message states the reason and the fix."""


class Port(Protocol):
    """Interface of a line for a servo bus; every method may raise ConnectionLostError."""

    reply_timeout: float
    """Silence of the line after which ``read`` ends, s."""

    @property
    def clock(self) -> Callable[[], float]:
        """The clock of the line, s."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, fewer after a timeout."""

    def discard(self) -> int:
        """Discard received bytes; return their number."""

    def set_baud(self, baud: int) -> None:
        """Change the baud rate."""

    def close(self) -> None:
        """Close the port."""


@dataclass(frozen=True)
class UsbPort:
    """A USB serial port that is plugged in."""

    device: str
    """Name in the operating system: ``/dev/ttyACM0``, ``/dev/cu.usbmodem…``, ``COM3``."""
    vendor: int | None = None
    """USB vendor id."""
    product: int | None = None
    """USB product id."""
    serial_number: str | None = None
    """Serial number of the adapter, None if it has none."""
    description: str = ""
    """Description by the operating system."""

    @property
    def adapter(self) -> str | None:
        """Return the kind of servo adapter; None if it is unknown."""
        return USB_ADAPTERS.get((self.vendor or 0, self.product or 0))


def list_usb_ports() -> tuple[UsbPort, ...]:
    """Return the USB serial ports, known servo adapters first."""
    found = [
        UsbPort(p.device, p.vid, p.pid, p.serial_number, p.description or "")
        for p in list_ports.comports()
        if p.vid is not None
    ]
    return tuple(sorted(found, key=lambda port: (port.adapter is None, port.device)))


def name_adapter(device: str) -> str:
    """Return the name of the adapter on a port, with the port, for messages."""
    found = next((port for port in list_usb_ports() if port.device == device), UsbPort(device))
    name = found.adapter or found.description
    return f"{name} ({device})" if name else device


class SerialPort:
    """An open serial port, 8N1, locked for this program and with the lowest latency. Raises PortError."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, device: str, reply_timeout: float = REPLY_TIMEOUT_S) -> None:
        self.device = device
        self.adapter = name_adapter(device)
        """Name of the adapter and its port, for messages."""
        self._sent_at = 0.0
        require_unused(device)
        try:
            self._serial = _open_serial(device, reply_timeout)
        except _PORT_OPEN_ERRORS as error:
            raise PortError(explain_open_error(device, error)) from error
        set_low_latency(self._serial)

    @property
    def reply_timeout(self) -> float:
        """Silence of the line after which ``read`` ends, s."""
        return float(self._serial.timeout)

    @reply_timeout.setter
    def reply_timeout(self, seconds: float) -> None:
        if seconds != self._serial.timeout:
            try:
                self._serial.timeout = seconds
            except _PORT_LOST_ERRORS as error:
                raise self._make_lost_error() from error

    def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionLostError."""
        try:
            self._serial.write(data)
            self._sent_at = time.perf_counter() + len(data) * BYTE_TIME_S
        except _PORT_LOST_ERRORS as error:
            raise self._make_lost_error() from error

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, fewer after a timeout. Raises ConnectionLostError."""
        try:
            self._wait_for_bytes(size)
            data: bytes = self._serial.read(size)
            if len(data) < size and self._serial.in_waiting:  # bytes arrived in time, but this thread did not run
                data += self._serial.read(min(self._serial.in_waiting, size - len(data)))
        except _PORT_LOST_ERRORS as error:
            raise self._make_lost_error() from error
        return data

    def discard(self) -> int:
        """Discard received bytes; return their number. Raises ConnectionLostError."""
        try:
            waiting: int = self._serial.in_waiting
            if waiting:
                self._serial.reset_input_buffer()
        except _PORT_LOST_ERRORS as error:
            raise self._make_lost_error() from error
        return waiting

    def set_baud(self, baud: int) -> None:
        """Change the baud rate; a rate that the adapter does not have is ignored. Raises ConnectionLostError."""
        if baud == self._serial.baudrate:
            return
        try:
            self._serial.flush()
            time.sleep(BAUD_CHANGE_PAUSE_S)
            with contextlib.suppress(ValueError, NotImplementedError):
                self._serial.baudrate = baud
        except _PORT_LOST_ERRORS as error:
            raise self._make_lost_error() from error

    def close(self) -> None:
        """Close the port, even if it has vanished."""
        with contextlib.suppress(*_PORT_LOST_ERRORS):
            self._serial.close()

    def _wait_for_bytes(self, size: int) -> None:
        """Sleep until shortly before ``size`` bytes can have arrived, then poll for a moment."""
        due = self._sent_at + size * BYTE_TIME_S
        time.sleep(max(due - POLL_EARLY_S - time.perf_counter(), 0.0))
        while time.perf_counter() < due + POLL_LATE_S and self._serial.in_waiting < size:
            pass

    def _make_lost_error(self) -> ConnectionLostError:
        return ConnectionLostError(
            f"The port {self.device} has vanished: the cable was pulled or the adapter lost its power. "
            "Plug it in again."
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
        # A pseudo-terminal on macOS does not have this baud rate and does not need it.
        return serial.serial_for_url(device, 9600, timeout=reply_timeout, write_timeout=0.5, exclusive=exclusive)


def require_unused(device: str) -> None:
    """Raise PortError if another program has a port open, as far as the system tells it."""
    users = find_port_users(device)
    if users:
        raise PortError(
            f"Another program uses {device}: {describe_users(users)}. Each would read the other's answers, so the arm "
            "was not touched. Close that program and connect again."
        )


def set_low_latency(port: serial.Serial) -> bool:
    """Ask the driver for the lowest latency; return whether it has granted that. Most adapters need no request."""
    with contextlib.suppress(AttributeError, NotImplementedError, ValueError, OSError):
        port.set_low_latency_mode(True)  # FTDI's driver then sets its latency timer from 16 ms to 1 ms
        return True
    with contextlib.suppress(AttributeError, OSError, TypeError):
        timer = LATENCY_TIMER_FOLDER / os.path.basename(os.path.realpath(port.name)) / "latency_timer"
        if timer.exists():
            timer.write_text("1")
            return True
    return False


def explain_open_error(device: str, error: Exception) -> str:
    """Return the message for a port that cannot be opened: the reason, that nothing moved, and the fix."""
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM) or isinstance(error, PermissionError):
        return f"You may not open {device}; the arm was not touched. {_explain_permission(device)}"
    if number in (errno.EBUSY, errno.EAGAIN) or "lock" in str(error):
        return f"Another program uses {device}; the arm was not touched. Close that program and connect again."
    if number == errno.ENOENT or "FileNotFound" in str(error):
        present = ", ".join(port.device for port in list_usb_ports()) or "none"
        return f"There is no port {device}; ports on USB: {present}. Plug the arm in, or choose another port."
    return f"{device} cannot be opened: {error}. The arm was not touched; plug it in again and retry."


def _explain_permission(device: str) -> str:
    """Return the fix that lets this user open the device."""
    fix = port_permissions.suggest_fix(device)
    return f"To fix it: {fix}" if fix else "Close other programs that use it, and connect again."

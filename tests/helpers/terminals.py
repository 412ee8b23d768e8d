"""Pseudo-terminals in tests, opened with a long timeout: servos and driver run on one busy machine."""

from __future__ import annotations

from functools import partial

from metagui.arms.feetech.serial_port import SerialPort

REPLY_TIMEOUT_S = 1.0
"""Silence of the line after which a reply counts as lost, s; longer than a busy machine delays it."""

open_patiently = partial(SerialPort, reply_timeout=REPLY_TIMEOUT_S)
"""Opens a serial port with this timeout."""

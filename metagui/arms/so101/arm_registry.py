"""The arms a person has named: which adapter each hangs on, and what its servos mean.

An arm is recognised by its adapter's USB ids and serial number, so that it keeps its name on every port.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_config_path

from metagui.arms.feetech.serial_port import PortError, UsbPort, usb_ports
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101 import calibration
from metagui.arms.so101.so101_arm import FeetechArm

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.so101.calibration import Calibration

_LIST = Path("arms.json")
_NAME = re.compile(r"\w[\w .+-]{0,59}")


@dataclass(frozen=True)
class KnownArm:
    """A named arm and its adapter; one without USB ids is known by its device's name alone."""

    name: str
    device: str
    """Where it was last."""
    vendor: int | None = None
    product: int | None = None
    serial_number: str | None = None

    def is_at(self, port: UsbPort) -> bool:
        """Whether a port is this arm's adapter. Adapters without a serial number all look alike."""
        mine = (self.vendor, self.product, self.serial_number)
        return self.vendor is not None and mine == (port.vendor, port.product, port.serial_number)

    def hangs_on(self, port: UsbPort) -> bool:
        """Whether a port is this very arm's: adapters that look alike are told apart by where they were last."""
        certain = self.vendor is not None and self.serial_number is not None
        return self.is_at(port) if certain else self.device == port.device


def check_name(name: str) -> None:
    """Raise PortError unless an arm, and the file of its calibration, may be called so."""
    if not _NAME.fullmatch(name) or name != name.strip(" ."):
        raise PortError(f"{name!r} cannot name an arm; use letters, digits, spaces and -, _, + or a dot.")
    if name.casefold() == _LIST.stem:
        raise PortError(f"{name!r} cannot name an arm: the list of arms is called so. Choose another name.")


class ArmBook:
    """Remembers arms in ``folder``: ``arms.json``, and a calibration in LeRobot's shape for each.

    ``ports`` lists what is plugged in.
    """

    def __init__(self, folder: Path | None = None, ports: Callable[[], tuple[UsbPort, ...]] = usb_ports) -> None:
        self.folder = folder or user_config_path("metagui") / "arms"
        self._ports = ports

    def arms(self) -> tuple[KnownArm, ...]:
        """Return all that were named. Raises PortError if the file is broken."""
        path = self.folder / _LIST
        if not path.exists():
            return ()
        try:
            return tuple(KnownArm(**entry) for entry in json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise PortError(
                f"{path} cannot be understood ({error}). Calibrations beside it are safe; delete it and name the "
                "arms again."
            ) from error

    def remember(self, name: str, device: str) -> KnownArm:
        """Give the arm on ``device`` a name; the same adapter or name is replaced. Raises PortError."""
        check_name(name)
        port = self._port(device)
        arm = KnownArm(name, device, port.vendor, port.product, port.serial_number)
        others = [other for other in self.arms() if other.name != name and not other.hangs_on(port)]
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"{_LIST}.new"
        draft.write_text(json.dumps([asdict(each) for each in (*others, arm)], indent=2), encoding="utf-8")
        draft.replace(self.folder / _LIST)
        return arm

    def on(self, device: str) -> KnownArm:
        """Return the arm on a device as it can be recognised later, by an empty name if it has none."""
        port = self._port(device)
        return KnownArm(self.name_of(port) or "", device, port.vendor, port.product, port.serial_number)

    def find(self, name: str) -> str:
        """Return the device on which a named arm is now. Raises PortError, listing what is there."""
        return self.locate(self._named(name))

    def locate(self, arm: KnownArm) -> str:
        """Return the device on which an arm is now, named or not. Raises PortError, listing what is there."""
        if arm.vendor is None:
            return arm.device
        present = [port.device for port in self._ports() if arm.is_at(port)]
        if len(present) == 1 or arm.device in present:
            return arm.device if arm.device in present else present[0]
        there = ", ".join(port.device for port in self._ports()) or "none"
        what = "cannot be told from others like it" if present else "is not plugged in"
        who = arm.name or "The arm"
        raise PortError(f"{who} {what}; ports on USB: {there}. Plug it in, or choose its port by hand.")

    def arm(self, name: str) -> FeetechArm:
        """Return a named arm, which is looked for at every connect. Raises PortError, CalibrationError."""
        known = self._named(name)
        return FeetechArm(known.device, self.calibration(name), name, find=lambda: self.find(name))

    def name_of(self, port: UsbPort) -> str | None:
        """Return the name of the arm on a port."""
        return next((arm.name for arm in self.arms() if arm.hangs_on(port)), None)

    def calibration_path(self, name: str) -> Path:
        """Return where a named arm's calibration lies, or will."""
        return self.folder / f"{self._named(name).name}.json"

    def calibration(self, name: str) -> Calibration | None:
        """Return a named arm's calibration; None if it has none. Raises CalibrationError."""
        path = self.calibration_path(name)
        return calibration.load(path) if path.exists() else None

    def _named(self, name: str) -> KnownArm:
        known = {arm.name: arm for arm in self.arms()}
        if name not in known:
            raise PortError(f"No arm is called {name!r}; known: {', '.join(known) or 'none'}. Name it first.")
        return known[name]

    def _port(self, device: str) -> UsbPort:
        return next((port for port in self._ports() if port.device == device), UsbPort(device))


def usb_arm(address: str, book: ArmBook | None = None) -> FeetechArm:
    """Return the arm of a name, or on a device; ``connect`` opens it, on whatever port it is then.

    Raises PortError, CalibrationError; ``connect`` raises those too, and NotCalibratedError where the wizard helps.
    """
    book = book or ArmBook()
    if address in {arm.name for arm in book.arms()}:
        return book.arm(address)
    there = book.on(address)
    return book.arm(there.name) if there.name else FeetechArm(address, find=lambda: book.locate(there))


def open_arm(address: str, book: ArmBook | None = None) -> TwinnedArm:
    """Return the arm of a name, or on a device, with its twin; as ``usb_arm``."""
    return TwinnedArm(usb_arm(address, book))

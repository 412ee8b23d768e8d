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

from metagui.arms.feetech.serial_port import PortError, UsbPort, list_usb_ports
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101 import calibration
from metagui.arms.so101.so101_arm import SO101Arm

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.so101.calibration import ArmCalibration

_REGISTRY_FILE = Path("arms.json")
_NAME_PATTERN = re.compile(r"\w[\w .+-]{0,59}")


@dataclass(frozen=True)
class RegisteredArm:
    """A named arm and its adapter; one without USB ids is known by its device's name alone."""

    name: str
    device: str
    """Where it was last."""
    vendor: int | None = None
    product: int | None = None
    serial_number: str | None = None

    def matches_adapter(self, port: UsbPort) -> bool:
        """Whether a port is this arm's adapter. Adapters without a serial number all look alike."""
        mine = (self.vendor, self.product, self.serial_number)
        return self.vendor is not None and mine == (port.vendor, port.product, port.serial_number)

    def is_connected_to(self, port: UsbPort) -> bool:
        """Whether a port is this very arm's: adapters that look alike are told apart by where they were last."""
        certain = self.vendor is not None and self.serial_number is not None
        return self.matches_adapter(port) if certain else self.device == port.device


def check_name(name: str) -> None:
    """Raise PortError unless an arm, and the file of its calibration, may be called so."""
    if not _NAME_PATTERN.fullmatch(name) or name != name.strip(" ."):
        raise PortError(f"{name!r} cannot name an arm; use letters, digits, spaces and -, _, + or a dot.")
    if name.casefold() == _REGISTRY_FILE.stem:
        raise PortError(f"{name!r} cannot name an arm: the list of arms is called so. Choose another name.")


class ArmRegistry:
    """Remembers arms in ``folder``: ``arms.json``, and a calibration in LeRobot's shape for each.

    ``ports`` lists what is plugged in.
    """

    def __init__(self, folder: Path | None = None, ports: Callable[[], tuple[UsbPort, ...]] = list_usb_ports) -> None:
        self.folder = folder or user_config_path("metagui") / "arms"
        self._list_ports = ports

    def list_arms(self) -> tuple[RegisteredArm, ...]:
        """Return all that were named. Raises PortError if the file is broken."""
        path = self.folder / _REGISTRY_FILE
        if not path.exists():
            return ()
        try:
            return tuple(RegisteredArm(**entry) for entry in json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise PortError(
                f"{path} cannot be understood ({error}). Calibrations beside it are safe; delete it and name the "
                "arms again."
            ) from error

    def register(self, name: str, device: str) -> RegisteredArm:
        """Give the arm on ``device`` a name; the same adapter or name is replaced. Raises PortError."""
        check_name(name)
        port = self._find_port(device)
        arm = RegisteredArm(name, device, port.vendor, port.product, port.serial_number)
        others = [other for other in self.list_arms() if other.name != name and not other.is_connected_to(port)]
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"{_REGISTRY_FILE}.new"
        draft.write_text(json.dumps([asdict(each) for each in (*others, arm)], indent=2), encoding="utf-8")
        draft.replace(self.folder / _REGISTRY_FILE)
        return arm

    def identify(self, device: str) -> RegisteredArm:
        """Return the arm on a device as it can be recognised later, by an empty name if it has none."""
        port = self._find_port(device)
        return RegisteredArm(self.find_name(port) or "", device, port.vendor, port.product, port.serial_number)

    def find_device(self, name: str) -> str:
        """Return the device on which a named arm is now. Raises PortError, listing what is there."""
        return self.locate_device(self._find_registered(name))

    def locate_device(self, arm: RegisteredArm) -> str:
        """Return the device on which an arm is now, named or not. Raises PortError, listing what is there."""
        if arm.vendor is None:
            return arm.device
        present = [port.device for port in self._list_ports() if arm.matches_adapter(port)]
        if len(present) == 1 or arm.device in present:
            return arm.device if arm.device in present else present[0]
        there = ", ".join(port.device for port in self._list_ports()) or "none"
        what = "cannot be told from others like it" if present else "is not plugged in"
        who = arm.name or "The arm"
        raise PortError(f"{who} {what}; ports on USB: {there}. Plug it in, or choose its port by hand.")

    def make_arm(self, name: str) -> SO101Arm:
        """Return a named arm, which is looked for at every connect. Raises PortError, CalibrationError."""
        known = self._find_registered(name)
        return SO101Arm(known.device, self.load_calibration(name), name, find_device=lambda: self.find_device(name))

    def find_name(self, port: UsbPort) -> str | None:
        """Return the name of the arm on a port."""
        return next((arm.name for arm in self.list_arms() if arm.is_connected_to(port)), None)

    def calibration_path(self, name: str) -> Path:
        """Return where a named arm's calibration lies, or will."""
        return self.folder / f"{self._find_registered(name).name}.json"

    def load_calibration(self, name: str) -> ArmCalibration | None:
        """Return a named arm's calibration; None if it has none. Raises CalibrationError."""
        path = self.calibration_path(name)
        return calibration.load(path) if path.exists() else None

    def _find_registered(self, name: str) -> RegisteredArm:
        known = {arm.name: arm for arm in self.list_arms()}
        if name not in known:
            raise PortError(f"No arm is called {name!r}; known: {', '.join(known) or 'none'}. Name it first.")
        return known[name]

    def _find_port(self, device: str) -> UsbPort:
        return next((port for port in self._list_ports() if port.device == device), UsbPort(device))


def make_usb_arm(address: str, registry: ArmRegistry | None = None) -> SO101Arm:
    """Return the arm of a name, or on a device; ``connect`` opens it, on whatever port it is then.

    Raises PortError, CalibrationError; ``connect`` raises those too, and NotCalibratedError where the wizard helps.
    """
    registry = registry or ArmRegistry()
    if address in {arm.name for arm in registry.list_arms()}:
        return registry.make_arm(address)
    there = registry.identify(address)
    return (
        registry.make_arm(there.name)
        if there.name
        else SO101Arm(address, find_device=lambda: registry.locate_device(there))
    )


def make_twinned_arm(address: str, registry: ArmRegistry | None = None) -> TwinnedArm:
    """Return the arm of a name, or on a device, with its twin; as ``usb_arm``."""
    return TwinnedArm(make_usb_arm(address, registry))

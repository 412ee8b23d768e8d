"""Registry of the user's named arms, with the USB adapter and the calibration of each.

An arm is identified by its adapter's USB ids and serial number, so that it keeps its name on every port.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_config_path

from metagui.arms.arm import ArmError
from metagui.arms.feetech.serial_port import PortError, SerialPort, UsbPort, list_usb_ports
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101.calibration import load
from metagui.arms.so101.calibration_checks import describe_corrected_zeros, describe_doubts, guess_model
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.so101.stops import ZeroOrigin, Zeros, load_zeros, zeros_to_json
from metagui.atomic_write import write_atomically
from metagui.checked_json import FileReasonError, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.feetech.serial_port import Port
    from metagui.arms.so101.calibration import ArmCalibration

_REGISTRY_FILE = Path("arms.json")
REGISTER_FOLDER = "changed-registers"
"""Name of the folder, next to the registry's, for registers of arms that a connection has changed."""
_ZEROS_FOLDER = "zeros"
_NAME_PATTERN = re.compile(r"\w[\w .+-]{0,59}")


@dataclass(frozen=True)
class RegisteredArm:
    """A named arm and its adapter; without USB ids it is identified by its device name alone."""

    name: str
    """Name given by the user; empty for an arm without a name."""
    device: str
    """Device name at its last connection."""
    vendor: int | None = None
    """USB vendor id of the adapter."""
    product: int | None = None
    """USB product id of the adapter."""
    serial_number: str | None = None
    """Serial number of the adapter, None if it has none."""

    def matches_adapter(self, port: UsbPort) -> bool:
        """Return whether a port has this arm's adapter; adapters without a serial number are all equal."""
        own = (self.vendor, self.product, self.serial_number)
        return self.vendor is not None and own == (port.vendor, port.product, port.serial_number)

    def is_connected_to(self, port: UsbPort) -> bool:
        """Return whether a port is this arm's; equal adapters are distinguished by their last device name."""
        is_unique = self.vendor is not None and self.serial_number is not None
        return self.matches_adapter(port) if is_unique else self.device == port.device


_ENTRY_TYPES: dict[str, Any] = {
    "name": str, "device": str, "vendor": int | None, "product": int | None, "serial_number": str | None,
}  # fmt: skip
"""Types of the fields of ``RegisteredArm`` in the file."""


def _is_entry(values: Any) -> bool:
    """Return whether a JSON value describes an arm; keys of newer versions do not matter."""
    return (
        isinstance(values, dict)
        and {"name", "device"} <= values.keys()
        and all(isinstance(values[key], kind) for key, kind in _ENTRY_TYPES.items() if key in values)
    )


def check_name(name: str) -> None:
    """Raise PortError unless ``name`` is valid for an arm and for the file of its calibration."""
    if not _NAME_PATTERN.fullmatch(name) or name != name.strip(" ."):
        raise PortError(f"{name!r} cannot name an arm; use letters, digits, spaces and -, _, + or a dot.")
    if name.casefold() == _REGISTRY_FILE.stem:
        raise PortError(f"{name!r} cannot name an arm: the list of arms has this name. Choose another name.")


class ArmRegistry:
    """Stores arms in ``folder``: the file ``arms.json``, and a calibration per arm in LeRobot's format.

    ``ports`` returns the ports that are plugged in; ``open_port`` opens a device, as a ``SerialPort`` if it is None.
    """

    def __init__(
        self,
        folder: Path | None = None,
        ports: Callable[[], tuple[UsbPort, ...]] = list_usb_ports,
        open_port: Callable[[str], Port] | None = None,
    ) -> None:
        self.folder = folder or user_config_path("metagui") / "arms"
        self.open_port = open_port or SerialPort
        self._list_ports = ports

    def list_arms(self) -> tuple[RegisteredArm, ...]:
        """Return all named arms. Raises PortError if the file is damaged."""
        path = self.folder / _REGISTRY_FILE
        if not path.exists():
            return ()
        try:
            entries = read_json(path)
            if not isinstance(entries, list) or not all(map(_is_entry, entries)):
                raise FileReasonError("it does not list arms")
            return tuple(
                RegisteredArm(**{key: entry[key] for key in _ENTRY_TYPES if key in entry}) for entry in entries
            )
        except FileReasonError as error:
            raise PortError(
                f"{path} cannot be used: {error}. The calibrations in its folder are safe; delete the file and name "
                "the arms again."
            ) from error

    def register(self, name: str, device: str) -> RegisteredArm:
        """Name the arm on ``device``; an entry with the same adapter or name is replaced. Raises PortError."""
        check_name(name)
        port = self._find_port(device)
        arm = RegisteredArm(name, device, port.vendor, port.product, port.serial_number)
        others = [other for other in self.list_arms() if other.name != name and not other.is_connected_to(port)]
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps([asdict(each) for each in (*others, arm)], indent=2)
        write_atomically(self.folder / _REGISTRY_FILE, text.encode("utf-8"), replace=True)
        return arm

    def identify(self, device: str) -> RegisteredArm:
        """Return the arm on a device as it can be identified later; its name is empty if it has none."""
        port = self._find_port(device)
        return RegisteredArm(self.find_name(port) or "", device, port.vendor, port.product, port.serial_number)

    def find_device(self, name: str) -> str:
        """Return the device of a named arm now. Raises PortError, which lists the ports."""
        return self.locate_device(self._find_registered(name))

    def locate_device(self, arm: RegisteredArm) -> str:
        """Return the device of an arm now, named or not. Raises PortError, which lists the ports."""
        if arm.vendor is None:
            return arm.device
        present = [port.device for port in self._list_ports() if arm.matches_adapter(port)]
        if len(present) == 1 or arm.device in present:
            return arm.device if arm.device in present else present[0]
        ports = ", ".join(port.device for port in self._list_ports()) or "none"
        problem = "cannot be distinguished from arms with an equal adapter" if present else "is not plugged in"
        raise PortError(
            f"{arm.name or 'The arm'} {problem}; ports on USB: {ports}. Plug it in, or choose its port by hand."
        )

    def make_arm(self, name: str) -> SO101Arm:
        """Return a named arm, which finds its port at every connection. Raises PortError, CalibrationError."""
        registered = self._find_registered(name)
        calibration = self.load_calibration(name)
        return SO101Arm(
            registered.device,
            calibration,
            name,
            open_port=self.open_port,
            find_device=lambda: self.find_device(name),
            find_owner=self.find_owner,
            register_file=self.register_file(registered),
            take_notes=lambda: self.take_notes(name),
        )

    def register_file(self, arm: RegisteredArm) -> Path:
        """Return the file for the registers of an arm that a connection changes, whether or not it exists."""
        identity = (arm.vendor, arm.product, arm.serial_number) if arm.vendor is not None else (arm.device,)
        key = re.sub(r"[^\w-]+", "_", "-".join(map(str, identity))).strip("_")
        return self.folder.parent / REGISTER_FOLDER / f"{key}.json"

    def find_owner(self, in_servos: ArmCalibration) -> str | None:
        """Return the name of the arm whose calibration servos hold; None if no arm's or several arms' equal it."""
        names = []
        for arm in self.list_arms():
            with contextlib.suppress(ArmError):
                calibration = self.load_calibration(arm.name)
                if calibration is not None and calibration.is_same_in_servos(in_servos):
                    names.append(arm.name)
        return names[0] if len(names) == 1 else None

    def find_name(self, port: UsbPort) -> str | None:
        """Return the name of the arm on a port."""
        return next((arm.name for arm in self.list_arms() if arm.is_connected_to(port)), None)

    def calibration_path(self, name: str) -> Path:
        """Return the path of a named arm's calibration, whether or not it exists. Raises PortError."""
        return self.folder / f"{self._find_registered(name).name}.json"

    def load_calibration(self, name: str) -> ArmCalibration | None:
        """Return a named arm's calibration; None if it has none. Raises PortError, CalibrationError."""
        path, zeros = self.calibration_path(name), self.load_zeros(name)
        if not path.exists():
            return None
        found = load(path)
        model = guess_model(found) if zeros.origin is ZeroOrigin.UNKNOWN else zeros.model
        return replace(found, trims=zeros.trims, model=model)

    def save_calibration(self, name: str, calibration: ArmCalibration) -> None:
        """Store a named arm's calibration, its trims and its model. Raises PortError, OSError."""
        calibration.save(self.calibration_path(name))
        self._save_zeros(name, Zeros(calibration.trims, calibration.model, ZeroOrigin.STOPS))

    def load_zeros(self, name: str) -> Zeros:
        """Return what a named arm's zeros depend on besides its calibration. Raises PortError."""
        return load_zeros(self._zeros_path(name))

    def take_notes(self, name: str) -> list[str]:
        """Return texts to read once on an arm that was calibrated before: what has changed, and what is doubtful.

        Raises PortError, CalibrationError.
        """
        calibration, zeros = self.load_calibration(name), self.load_zeros(name)
        if calibration is None or zeros.origin is not ZeroOrigin.UNKNOWN:
            return []
        note = describe_corrected_zeros(name, calibration)
        origin = ZeroOrigin.CORRECTED if note else ZeroOrigin.STOPS
        with contextlib.suppress(OSError):  # else it is said again
            self._save_zeros(name, Zeros(zeros.trims, calibration.model, origin))
        return [*([note] if note else []), *describe_doubts(calibration)]

    def _save_zeros(self, name: str, zeros: Zeros) -> None:
        path = self._zeros_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, zeros_to_json(zeros).encode("utf-8"), replace=True)

    def _zeros_path(self, name: str) -> Path:
        """Return the path of the file for what LeRobot's format does not have: the arm's model and its trims."""
        return self.folder / _ZEROS_FOLDER / self.calibration_path(name).name

    def _find_registered(self, name: str) -> RegisteredArm:
        """Return the arm with a name. Raises PortError, which lists the names."""
        registered = {arm.name: arm for arm in self.list_arms()}
        if name not in registered:
            raise PortError(f"No arm is called {name!r}; known: {', '.join(registered) or 'none'}. Name it first.")
        return registered[name]

    def _find_port(self, device: str) -> UsbPort:
        return next((port for port in self._list_ports() if port.device == device), UsbPort(device))


def make_usb_arm(address: str, registry: ArmRegistry | None = None) -> SO101Arm:
    """Return the arm with a name or on a device; ``connect`` opens it on the port that it has then.

    Raises PortError, CalibrationError. ``connect`` raises them too, and NotCalibratedError if the calibration wizard
    solves the problem.
    """
    registry = registry or ArmRegistry()
    if address in {arm.name for arm in registry.list_arms()}:
        return registry.make_arm(address)
    found = registry.identify(address)
    if found.name:
        return registry.make_arm(found.name)
    return SO101Arm(
        address,
        open_port=registry.open_port,
        find_device=lambda: registry.locate_device(found),
        register_file=registry.register_file(found),
    )


def make_twinned_arm(address: str, registry: ArmRegistry | None = None) -> TwinnedArm:
    """Return the arm with a name or on a device, together with its digital twin; see ``make_usb_arm``."""
    return TwinnedArm(make_usb_arm(address, registry))

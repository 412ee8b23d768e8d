"""Tests of the arm registry: arms keep their names on every port, and equal adapters are distinguished if possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metagui.arms.arm import ConnectionLostError
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech.serial_port import PortError, UsbPort
from metagui.arms.so101.arm_registry import ArmRegistry, make_twinned_arm
from metagui.arms.so101.calibration import NotCalibratedError
from metagui.arms.so101.calibration_checks import ExchangedArmsError
from tests.helpers.in_process_port import Cable

if TYPE_CHECKING:
    from pathlib import Path

BOARD = UsbPort("/dev/ttyACM0", 0x1A86, 0x55D3, "5A46", "USB Single Serial")


def test_registry_arm_on_other_port_keeps_name(tmp_path: Path) -> None:
    ports = [BOARD]
    registry = ArmRegistry(tmp_path, lambda: tuple(ports))
    assert BOARD.adapter == "CH343, the SO-101's own board"
    registry.register("left arm", "/dev/ttyACM0")
    assert registry.find_device("left arm") == "/dev/ttyACM0"
    ports[:] = [UsbPort("/dev/ttyACM1", 0x1A86, 0x55D3, "5A46")]
    reopened = ArmRegistry(tmp_path, lambda: tuple(ports))
    assert reopened.find_device("left arm") == "/dev/ttyACM1"
    assert reopened.find_name(ports[0]) == "left arm"
    assert reopened.load_calibration("left arm") is None
    calibration = EmulatedArm().compute_calibration()
    calibration.save(reopened.calibration_path("left arm"))
    assert reopened.load_calibration("left arm") == calibration
    reopened.register("follower", "/dev/ttyACM1")
    assert [arm.name for arm in reopened.list_arms()] == ["follower"]
    ports.clear()
    with pytest.raises(PortError, match="follower is not plugged in; ports on USB: none"):
        reopened.find_device("follower")
    with pytest.raises(PortError, match="No arm is called 'leader'; known: follower"):
        reopened.find_device("leader")


def test_registered_arm_reconnects_on_other_port(tmp_path: Path) -> None:
    emulated = EmulatedArm()
    emulated.calibrate()
    cable = Cable(emulated)
    registry = ArmRegistry(tmp_path, cable.list_ports, cable.open_port)
    registry.register("left arm", cable.device)
    arm = registry.make_arm("left arm")
    arm.connect()
    old_device = cable.device
    cable.unplug()
    with pytest.raises(ConnectionLostError):
        arm.observe()
    with pytest.raises(PortError, match="left arm is not plugged in"):
        arm.connect()
    cable.plug()
    assert cable.device != old_device
    arm.connect()
    assert (arm.name, arm.device) == ("left arm", cable.device)
    arm.disconnect()


def test_registry_equal_adapters_use_last_device(tmp_path: Path) -> None:
    ports = [UsbPort("COM3", 0x1A86, 0x7523), UsbPort("COM4", 0x1A86, 0x7523)]
    registry = ArmRegistry(tmp_path, lambda: tuple(ports))
    registry.register("arm", "COM4")
    assert registry.find_device("arm") == "COM4"
    ports[1] = UsbPort("COM9", 0x1A86, 0x7523)
    with pytest.raises(PortError, match="cannot be distinguished"):
        registry.find_device("arm")
    registry.register("emulated", "/dev/pts/7")
    assert registry.find_device("emulated") == "/dev/pts/7"


def test_registry_equal_adapters_keep_own_names(tmp_path: Path) -> None:
    ports = [UsbPort("COM3", 0x1A86, 0x7523), UsbPort("COM4", 0x1A86, 0x7523)]
    registry = ArmRegistry(tmp_path, lambda: tuple(ports))
    registry.register("leader", "COM3")
    registry.register("follower", "COM4")
    assert [registry.find_name(port) for port in ports] == ["leader", "follower"]


def test_registry_other_arm_on_port_has_no_name(tmp_path: Path) -> None:
    ports = [BOARD]
    registry = ArmRegistry(tmp_path, lambda: tuple(ports))
    registry.register("left arm", BOARD.device)
    ports[:] = [UsbPort(BOARD.device, 0x1A86, 0x55D3, "another")]
    assert registry.find_name(ports[0]) is None
    new = registry.identify(BOARD.device)
    assert (new.name, new.serial_number) == ("", "another")
    ports[:] = [BOARD, UsbPort("/dev/ttyACM5", 0x1A86, 0x55D3, "another")]
    assert registry.locate_device(new) == "/dev/ttyACM5"
    ports.pop()
    with pytest.raises(PortError, match=r"The arm is not plugged in; ports on USB: /dev/ttyACM0"):
        registry.locate_device(new)


@pytest.mark.parametrize("name", ["", "../x", "a/b", " x", "x" * 90, ".hidden", "x ", "x.", "Arms"])
def test_register_invalid_name_raises(tmp_path: Path, name: str) -> None:
    with pytest.raises(PortError, match="cannot name an arm"):
        ArmRegistry(tmp_path, lambda: ()).register(name, "COM1")
    assert not any(tmp_path.iterdir())


def test_registry_damaged_file_raises(tmp_path: Path) -> None:
    (tmp_path / "arms.json").write_text("[{")
    with pytest.raises(PortError, match="is damaged"):
        ArmRegistry(tmp_path, lambda: ()).list_arms()


def test_make_twinned_arm_by_name_or_port(tmp_path: Path) -> None:
    """An arm is made by name or port, and reports a missing or different calibration."""
    emulated = EmulatedArm()
    cable = Cable(emulated)
    registry = ArmRegistry(tmp_path, lambda: (), cable.open_port)
    uncalibrated = make_twinned_arm(cable.device, registry)
    assert not uncalibrated.connected
    with pytest.raises(NotCalibratedError, match=r"is not calibrated.*calibrate it"):
        uncalibrated.connect()
    emulated.calibrate()
    registry.register("left arm", cable.device)
    with make_twinned_arm("left arm", registry) as arm:
        assert (arm.name, arm.device) == ("left arm", cable.device)
    assert make_twinned_arm(cable.device, registry).name == "left arm"
    EmulatedArm(mount_offsets=(100,) * 6).compute_calibration().save(registry.calibration_path("left arm"))
    with pytest.raises(NotCalibratedError, match="another calibration"):
        make_twinned_arm("left arm", registry).connect()
    with pytest.raises(PortError, match="There is no port"):
        make_twinned_arm("/dev/ttyNOT", registry).connect()


def test_connect_exchanged_arms_names_both(tmp_path: Path) -> None:
    """Leader and follower are exchanged: each has the servos of the other."""
    leader, follower = EmulatedArm(mount_offsets=(1000,) * 6), EmulatedArm(mount_offsets=(3000,) * 6)
    cables = [Cable(follower), Cable(leader)]
    open_port = {cable.device: cable.open_port for cable in cables}
    registry = ArmRegistry(tmp_path, lambda: (), lambda device: open_port[device](device))
    for name, emulated, cable in (("leader", leader, cables[0]), ("follower", follower, cables[1])):
        emulated.calibrate()
        registry.register(name, cable.device)
        emulated.compute_calibration().save(registry.calibration_path(name))
    for name, other in (("leader", "follower"), ("follower", "leader")):
        with pytest.raises(ExchangedArmsError, match=f"the servos of “{other}”, not of “{name}”.*Exchange their USB"):
            registry.make_arm(name).connect()
    assert not any(servo.torque_enabled for servo in (*leader.servos, *follower.servos))
    EmulatedArm(mount_offsets=(500,) * 6).compute_calibration().save(registry.calibration_path("follower"))
    with pytest.raises(NotCalibratedError, match="another calibration"):
        registry.make_arm("leader").connect()

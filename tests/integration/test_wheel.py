"""Tests of the wheel: it contains its resources and finds them when installed."""

import configparser
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PySide6.QtGui import QIcon

from metagui import __version__
from metagui.app import APPLICATION_NAME
from tests.helpers.clocks import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_contains_every_resource_once(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    resources = ROOT / "resources"
    shipped = {f"metagui/resources/{p.relative_to(resources).as_posix()}" for p in resources.rglob("*") if p.is_file()}
    assert shipped
    assert shipped <= set(names)


def test_wheel_contains_examples_only_if_complete(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if name.startswith("metagui/resources/examples/")}
    examples = {
        f"metagui/resources/examples/{path.relative_to(ROOT / 'recordings').as_posix()}"
        for path in (ROOT / "recordings").glob("[!.]*/*")
    }
    assert packed == examples


def test_wheel_contains_only_package(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"metagui"}


def test_wheel_has_a_desktop_entry_with_its_icon(wheel):
    """Pip puts them where desktops look, below the prefix of the installation."""
    archive = zipfile.ZipFile(wheel)
    shared = {name.partition(".data/data/")[2]: name for name in archive.namelist() if ".data/data/" in name}
    assert set(shared) == {"share/applications/metagui.desktop", "share/icons/hicolor/scalable/apps/metagui.svg"}
    _check_desktop_entry(archive.read(shared["share/applications/metagui.desktop"]).decode())


def _check_desktop_entry(text):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    entry = parser["Desktop Entry"]
    assert (entry["Type"], entry["Name"], entry["Icon"]) == ("Application", "metagui", APPLICATION_NAME)
    assert entry["StartupWMClass"] == APPLICATION_NAME
    assert entry["Categories"].endswith(";")
    return entry


def test_icon_of_the_desktop_entry_is_drawn(qtbot):
    image = QIcon(str(ROOT / "resources" / "desktop" / "metagui.svg")).pixmap(64, 64).toImage()
    colours = {image.pixelColor(x, y).name() for x in range(64) for y in range(64)}
    assert {"#2f5fd0", "#ffffff"} <= colours


@pytest.mark.skipif(sys.platform != "linux", reason="desktop entries are Linux's")
def test_desktop_entry_of_a_checkout_starts_its_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    command = tmp_path / "an environment" / "bin" / "metagui"
    script = [ROOT / "scripts" / "install_desktop_entry.sh", command.parents[1]]
    refused = subprocess.run(script, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "There is no" in refused.stderr
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    subprocess.run(script, check=True, capture_output=True)
    entry = _check_desktop_entry((tmp_path / "share" / "applications" / "metagui.desktop").read_text())
    assert entry["Exec"] == f'"{command}"'
    assert (tmp_path / "share" / "icons" / "hicolor" / "scalable" / "apps" / "metagui.svg").is_file()


def test_version_has_one_home(wheel):
    assert wheel.name == f"metagui-{__version__}-py3-none-any.whl"
    newest = re.search(r"^## \[(\S+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__


def test_wheel_installed_finds_resources(wheel, tmp_path, monkeypatch):
    """It never records into its own folder."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(pip, check=True, capture_output=True, timeout=PATIENCE_S)
    monkeypatch.delenv("METAGUI_RECORDINGS")
    monkeypatch.setenv("PYTHONPATH", str(site))
    code = "from metagui.paths import *; print(resources_dir()); print(recordings_dir())"
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    resources, recordings = map(Path, process.stdout.splitlines())
    assert resources == site / "metagui" / "resources"
    assert list((resources / "arm").glob("*.xml"))
    assert site not in recordings.parents
    assert ROOT not in recordings.parents

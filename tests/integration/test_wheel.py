"""Tests of the wheel: it contains its resources and finds them when installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
    assert {top for top in tops if not top.endswith(".dist-info")} == {"metagui"}


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

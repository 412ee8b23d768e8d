"""Preparation of the window's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.clocks import PATIENCE_S

ROOT = Path(__file__).parents[2]


def test_window_process_never_loads_triton(tmp_path: Path) -> None:
    """Torch would import it when an optimiser is made; with software rendering that ends the process."""
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "__init__.py").write_text("import os\nos._exit(3)\n")
    code = "import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"
    prepared = f"from metagui.app import prepare_process; prepare_process(); {code}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    statuses = [
        subprocess.run([sys.executable, "-c", each], env=environment, timeout=PATIENCE_S).returncode
        for each in (code, prepared)
    ]
    assert statuses == [3, 0], "the first is torch without the preparation: it loads triton"

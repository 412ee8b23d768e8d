"""No file can run code: nothing unpickles a file, and pickles in place of metagui's files are refused."""

from __future__ import annotations

import ast
import io
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from metagui.demonstrations.formats.exchange import ImportOptions
from metagui.demonstrations.formats.registry import read_takes_of
from metagui.demonstrations.storage.hdf5 import read_take
from metagui.learning import prior
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.dataset import MetaDataset
from metagui.learning.similarity.encoder_file import load_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
OWN_PROCESSES = {
    "metagui/learning/torch_utils/process_group.py",
    "metagui/learning/torch_utils/worker_process.py",
}
"""Modules that unpickle what they exchange with processes that they started, and no file."""


def dangerous_calls(source: str) -> Iterator[str]:
    """Yield what could run code from data, as "line: expression"."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names) if {name.name.split(".")[0] for name in names} & UNPICKLERS:
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in UNPICKLERS:
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Call(func=ast.Name(id="eval" | "exec" | "compile")):
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load"), keywords=options):
                if not any(option.arg == "weights_only" and _is_constant(option, True) for option in options):
                    yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Call(func=ast.Attribute(attr="broadcast_object_list" | "all_gather_object")):
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.keyword(arg="allow_pickle") if not _is_constant(node, False):
                yield f"{node.value.lineno}: {ast.unparse(node)}"


def _is_constant(option: ast.keyword, value: bool) -> bool:
    return isinstance(option.value, ast.Constant) and option.value.value is value


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_dangerous_calls_finds_each_kind(source: str) -> None:
    assert list(dangerous_calls(source))
    assert not list(dangerous_calls("torch.load(path, weights_only=True); np.load(path, allow_pickle=False)"))


def test_package_unpickles_no_file() -> None:
    paths = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "metagui").rglob("*.py")}
    found = {name: list(dangerous_calls(path.read_text(encoding="utf-8"))) for name, path in paths.items()}
    assert {name: calls for name, calls in found.items() if calls and name not in OWN_PROCESSES} == {}
    assert all(found[name] for name in OWN_PROCESSES), "remove a module that does not unpickle any more"
    for name in OWN_PROCESSES:
        assert "pickle.load(" not in paths[name].read_text(encoding="utf-8"), "only bytes from a connection"


class _Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def write_torch_file(trap: _Trap) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save({"params": trap}, stream)
    return stream.getvalue()


def write_object_arrays(trap: _Trap) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, header=np.array([trap], dtype=object), starts=np.array([trap], dtype=object))
    return stream.getvalue()


def import_takes(path: Path) -> None:
    list(read_takes_of(path, ImportOptions()))


READERS: dict[str, Callable[[Path], object]] = {
    "prior": prior.load,
    "encoder": load_encoder,
    "training state": MetaState.load,
    "training data": MetaDataset.load,
    "take": read_take,
    "import": import_takes,
}
KINDS: dict[str, Callable[[_Trap], bytes]] = {
    "pickle": pickle.dumps,
    "torch file": write_torch_file,
    "object arrays": write_object_arrays,
}
SUFFIXES = {"prior": ".safetensors", "encoder": ".safetensors", "training state": ".safetensors",
            "training data": ".npz", "take": ".hdf5", "import": ".hdf5"}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_readers_refuse_pickles_and_run_nothing(reader: str, kind: str, tmp_path: Path) -> None:
    """The reader raises its own error, which is a sentence, and the pickle is not run."""
    sprung = tmp_path / "sprung"
    path = tmp_path / f"file{SUFFIXES[reader]}"
    path.write_bytes(KINDS[kind](_Trap(sprung)))
    with pytest.raises(Exception, match=r"\.$") as found:
        READERS[reader](path)
    assert type(found.value).__module__.startswith("metagui."), "the reader's own error"
    assert not sprung.exists()


def test_trap_springs_when_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(_Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").is_dir()

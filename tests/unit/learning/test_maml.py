"""Tests of MAML: gradients, training on the paper's sinusoid, resumed runs."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaParameters, MetaState, StateFileError
from metagui.learning.torch_utils.muon import is_hidden_matrix

_PATH = Path(__file__).parents[3] / "benchmarks" / "sinusoid.py"
_SPEC = importlib.util.spec_from_file_location("sinusoid", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
sinusoid: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["sinusoid"] = sinusoid
_SPEC.loader.exec_module(sinusoid)


@pytest.fixture
def doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _plain_objective(model: Any, meta: MetaParameters, support: Any, query: Any, steps: int) -> torch.Tensor:
    """Return the MAML objective written out task by task with nn.functional."""
    total = torch.zeros(())
    for task in range(len(support.x)):
        theta = dict(meta.params)

        def predict(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
            if model.context:
                x = torch.cat([x, weights["context"].expand(len(x), -1)], dim=-1)
            for layer in range(3):
                x = torch.nn.functional.linear(x, weights[f"net.{layer}.weight"].T, weights[f"net.{layer}.bias"])
                x = torch.relu(x) if layer < 2 else x
            return x

        for step in range(steps):
            error = torch.nn.functional.mse_loss(predict(theta, support.x[task]), support.y[task])
            gradients = torch.autograd.grad(error, list(theta.values()), create_graph=True)
            theta = {
                name: value - meta.log_rates[name][step].exp() * gradient
                for (name, value), gradient in zip(theta.items(), gradients, strict=True)
            }
        total = total + torch.nn.functional.mse_loss(predict(theta, query.x[task]), query.y[task])
    return total / len(support.x)


def _gentle(meta: MetaParameters) -> MetaParameters:
    """Return the parameters with a tenth of the rates: an untrained network diverges at the training rates."""
    return MetaParameters(
        meta.detached_copy().params, {n: (t - math.log(10)).detach() for n, t in meta.log_rates.items()}
    )


def _train(model: Any, state: MetaState, steps: int, **options: Any) -> list[maml.MetaStep]:
    settings = maml.MetaSettings(steps=steps, lr=2e-3, report_every=25, **options)
    return list(maml.meta_train(model, sinusoid.SinusoidSampler(), settings, state))


@pytest.mark.parametrize("context", [0, 8])
def test_adapt_second_order_equals_a_plain_autograd_loop(doubles: None, context: int) -> None:
    model = sinusoid.SinusoidRegressor(context)
    state = sinusoid.make_initial_state(model, seed=3, inner_steps=3)
    support, query = sinusoid.SinusoidSampler(tasks=4)(np.random.default_rng(1))
    tensors = state.meta.tensors()
    *_, fast = maml.adapt(model, state.meta, support, 3, order=2)
    ours = model.loss(fast, query).mean()
    plain = _plain_objective(model, state.meta, support, query, 3)
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-12)
    for a, b in zip(torch.autograd.grad(ours, tensors), torch.autograd.grad(plain, tensors), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8)


def test_adapt_first_order_omits_only_second_derivatives(doubles: None) -> None:
    model = sinusoid.SinusoidRegressor()
    meta = _gentle(sinusoid.make_initial_state(model, seed=3, inner_steps=2).meta).trainable_copy()
    support, query = sinusoid.SinusoidSampler(tasks=4)(np.random.default_rng(1))
    weights = list(meta.params.values())
    losses, gradients = [], []
    for order in (1, 2):
        *_, fast = maml.adapt(model, meta, support, 2, order=order)
        losses.append(model.loss(fast, query).mean())
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(losses[-1], weights)]))
    assert losses[0] == losses[1]
    assert not torch.allclose(gradients[0], gradients[1], rtol=1e-3)
    assert torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.5


def test_meta_train_short_run_learns_to_adapt() -> None:
    model = sinusoid.SinusoidRegressor(context=8)
    state = sinusoid.make_initial_state(model, seed=0)
    untrained = sinusoid.evaluate(model, state.meta)
    records = _train(model, state, 600)
    trained = sinusoid.evaluate(model, state.meta)
    assert trained[5] < 0.25 * untrained[5]
    assert trained[5] < 0.25 * trained[0]
    assert records[-1].step == 600
    assert records[-1].skipped == 0


def test_meta_train_without_inner_steps_runs() -> None:
    model = sinusoid.SinusoidRegressor()
    records = _train(model, sinusoid.make_initial_state(model, seed=0), 50, inner_steps=0)
    assert records[-1].loss_before == records[-1].loss_after


@pytest.mark.parametrize("muon", [0.0, 0.01])
def test_meta_train_killed_and_resumed_is_identical(tmp_path: Path, muon: float) -> None:
    model = sinusoid.SinusoidRegressor()
    whole = sinusoid.make_initial_state(model, seed=0)
    _train(model, whole, 100, muon_lr=muon)

    killed = sinusoid.make_initial_state(model, seed=0)
    settings = maml.MetaSettings(steps=100, lr=2e-3, muon_lr=muon, report_every=25)
    for record in maml.meta_train(model, sinusoid.SinusoidSampler(), settings, killed):
        if record.step == 50:
            killed.save(tmp_path / "state", {"seed": 0})
            break
    resumed, notes = MetaState.load(tmp_path / "state")
    assert notes == {"seed": 0}
    assert resumed.step == 50
    _train(model, resumed, 100, muon_lr=muon)
    for a, b in zip(whole.meta.tensors(), resumed.meta.tensors(), strict=True):
        assert torch.equal(a, b)


def test_meta_train_averages_the_gradients_of_a_steps_batches() -> None:
    model = sinusoid.SinusoidRegressor()
    meta = _gentle(sinusoid.make_initial_state(model, seed=0).meta).trainable_copy()

    def objective(batch: int) -> torch.Tensor:
        support, query = sinusoid.SinusoidSampler()(np.random.default_rng((7, 0, batch)))
        *_, fast = maml.adapt(model, meta, support, 1, order=2)
        return model.loss(fast, query).mean()

    expected = torch.autograd.grad((objective(0) + objective(1)) / 2, meta.tensors())
    settings = maml.MetaSettings(steps=1, inner_steps=1, multi_step_fraction=0.0, report_every=1, batches_per_step=2)
    (record,) = maml.meta_train(model, sinusoid.SinusoidSampler(), settings, MetaState(meta.trainable_copy(), seed=7))
    norm = torch.cat([gradient.flatten() for gradient in expected]).norm()
    assert record.gradient_norm == pytest.approx(float(norm), rel=1e-4)
    other = maml.meta_train(
        model,
        sinusoid.SinusoidSampler(),
        replace(settings, batches_per_step=1),
        MetaState(meta.trainable_copy(), seed=7),
    )
    assert next(other).gradient_norm != pytest.approx(float(norm), rel=1e-3)


def test_meta_train_uses_muon_for_hidden_matrices_only() -> None:
    model = sinusoid.SinusoidRegressor()
    ends = []
    for muon in (0.0, 1e-3, 2e-3):
        state = sinusoid.make_initial_state(model, seed=0)
        begin = {name: tensor.detach().clone() for name, tensor in state.meta.params.items()}
        _train(model, state, 1, muon_lr=muon)
        ends.append({name: (tensor - begin[name]).detach() for name, tensor in state.meta.params.items()})
    adam, once, twice = ends
    hidden = {name for name in adam if is_hidden_matrix(adam[name])}
    assert hidden
    assert hidden < set(adam)
    for name in adam:
        if name in hidden:
            np.testing.assert_allclose(twice[name], 2 * once[name], rtol=1e-3, atol=1e-7)
        else:
            assert torch.equal(once[name], adam[name])


def test_state_load_of_another_file_raises(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"not safetensors")
    with pytest.raises(StateFileError, match="Nothing was changed"):
        MetaState.load(tmp_path / "state")


def test_meta_train_skips_and_counts_steps_that_are_nan() -> None:
    model = sinusoid.SinusoidRegressor()
    state = sinusoid.make_initial_state(model, seed=0)
    before = [tensor.detach().clone() for tensor in state.meta.tensors()]

    def poisoned(rng: np.random.Generator) -> tuple[Any, Any]:
        support, query = sinusoid.SinusoidSampler()(rng)
        return support, sinusoid.SinusoidBatch(query.x, query.y * math.nan)

    settings = maml.MetaSettings(steps=3, report_every=1)
    records = list(maml.meta_train(model, poisoned, settings, state))
    assert [record.skipped for record in records] == [1, 2, 3]
    assert all(torch.equal(a, b) for a, b in zip(before, state.meta.tensors(), strict=True))


def test_adapt_leaves_meta_parameters_unchanged() -> None:
    model = sinusoid.SinusoidRegressor()
    meta = _gentle(sinusoid.make_initial_state(model, seed=0).meta)
    support, _ = sinusoid.SinusoidSampler(tasks=2)(np.random.default_rng(0))
    before = {name: tensor.clone() for name, tensor in meta.params.items()}
    losses = [float(model.loss(fast, support).sum().detach()) for fast in maml.adapt(model, meta, support, 8)]
    assert losses[-1] < losses[0]
    assert all(torch.equal(before[name], meta.params[name]) for name in before)


def test_maml_imports_no_qt() -> None:
    code = "import sys, metagui.learning.maml.maml; sys.exit(any('PySide' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_interpolate_repeats_the_last_rate_of_fewer_inner_steps() -> None:
    """A prior may be continued with another number of inner steps than it was trained with."""

    def meta(value: float, rates: list[float]) -> MetaParameters:
        return MetaParameters({"w": torch.tensor([value])}, {"w": torch.tensor(rates)})

    few, many = meta(0.0, [1.0, 2.0]), meta(4.0, [3.0, 4.0, 6.0])
    for found in (few.interpolate(many, 0.25), many.interpolate(few, 0.75)):
        torch.testing.assert_close(found.params["w"], torch.tensor([1.0]))
        torch.testing.assert_close(found.log_rates["w"], torch.tensor([1.5, 2.5, 3.0]))

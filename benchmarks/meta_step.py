"""One second-order meta-step, compared with other libraries: ``python -m benchmarks.meta_step``.

All compute the same with one thread: inner steps on 64 support points of every task with an MLP of two hidden layers,
then the gradient of the mean query loss; the largest difference of the gradients, relative to the largest gradient, is
checked in the run. Repetitions alternate; times are processor times, so that other load matters less. The arithmetic
limit is the time of one large matrix product with the floating-point operations of metagui's step. Bars are for the
ratio to the fastest other library. ``pip install "metagui[benchmarks]"`` installs those that have wheels; learn2learn
0.2.1 does not build for Python 3.11 and later, but its ``algorithms`` and ``utils`` packages on the path are enough.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.meta_step_baselines import BASELINES, MetaProblem, RegressionBatch
from benchmarks.report import Figure, Report, add_json_option, print_report, summarise
from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaParameters
from metagui.learning.torch_utils.functional_mlp import Params, expand_per_task, init_mlp, mlp

if TYPE_CHECKING:
    from collections.abc import Callable

    MetaStepFunction = Callable[[], list[torch.Tensor]]

INPUT_SIZE, OUTPUT_SIZE = 32, 6
INNER_LEARNING_RATE = 0.01
OURS = "metagui"
MIN_RATIOS = {64: 6.0, 128: 3.0, 256: 2.0}
"""Aimed at: how many times as long the fastest other library takes, by width."""
MAX_DIFFERENCE = 1e-5
"""Largest difference of the gradients, relative to the largest gradient."""
MATRIX_SIZE = 512
"""Rows and columns of the matrices of the arithmetic limit."""


@dataclass(frozen=True)
class MetaStepNetwork:
    """The network as a model for ``maml``."""

    width: int

    def initialise(self, seed: int) -> Params:
        """Return θ."""
        generator = torch.Generator().manual_seed(seed)
        sizes = (INPUT_SIZE, self.width, self.width, OUTPUT_SIZE)
        return {n: t.to(torch.get_default_dtype()) for n, t in init_mlp("net", sizes, generator).items()}

    def start(self, params: Params, support: RegressionBatch) -> Params:
        """Return θ for every task."""
        return expand_per_task(params, params, len(support.x))

    def precompute(self, fast: Params, batch: RegressionBatch) -> RegressionBatch:
        """Return the batch unchanged."""
        return batch

    def loss(self, fast: Params, batch: RegressionBatch) -> torch.Tensor:
        """Return the mean squared error of every task, (tasks,)."""
        off = (mlp(fast, "net", batch.x, 3) - batch.y).flatten(1)
        return (off * off).sum(1) / off.shape[1]


def make_problem(width: int, tasks: int = 16, steps: int = maml.INNER_STEPS, seed: int = 0) -> MetaProblem:
    """Return a network, and 64 support and query points of random tasks."""
    generator = torch.Generator().manual_seed(seed)

    def side() -> RegressionBatch:
        x, y = (torch.randn(tasks, 64, size, generator=generator) for size in (INPUT_SIZE, OUTPUT_SIZE))
        return RegressionBatch(x.to(torch.get_default_dtype()), y.to(torch.get_default_dtype()))

    return MetaProblem(MetaStepNetwork(width).initialise(seed + 1), side(), side(), steps, INNER_LEARNING_RATE)


def make_metagui_step(problem: MetaProblem) -> MetaStepFunction:
    """Return this program's meta-step, batched over tasks by hand."""
    model = MetaStepNetwork(0)  # the width is that of θ
    params = {name: tensor.clone().requires_grad_() for name, tensor in problem.params.items()}
    # Fixed rates, as the others have them.
    fixed = maml.initialise({}, dict.fromkeys(params, problem.inner_lr), problem.steps).detached_copy().log_rates
    meta, wanted = MetaParameters(params, fixed), list(params.values())

    def step() -> list[torch.Tensor]:
        *_, fast = maml.adapt(model, meta, problem.support, problem.steps, order=2)
        return list(torch.autograd.grad(model.loss(fast, problem.query).mean(), wanted))

    return step


def compute_difference(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """Return the maximum difference of the gradients, relative to the maximum gradient."""
    largest = max(float(g.abs().max()) for g in theirs)
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) / largest


def prepare(problem: MetaProblem, skipped: dict[str, str]) -> tuple[dict[str, MetaStepFunction], float]:
    """Return the steps of all installed libraries after one call each, and the largest difference of gradients.

    ``skipped`` receives those that are not installed or fail, with the reason.
    """
    steps, largest = {OURS: make_metagui_step(problem)}, 0.0
    reference = steps[OURS]()
    for name, make in BASELINES.items():
        try:
            step = make(problem)
            largest = max(largest, compute_difference(reference, step()))
            steps[name] = step
        except Exception as error:  # noqa: BLE001 - whatever another library raises on this Python
            skipped[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return steps, largest


def measure_times(steps: dict[str, MetaStepFunction], repetitions: int) -> dict[str, list[float]]:
    """Return processor times of steps that alternate, ms."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repetitions):
        for name, step in steps.items():
            began = time.process_time()
            step()
            times[name].append((time.process_time() - began) * 1e3)
    return times


def count_operations(step: MetaStepFunction) -> int:
    """Return the number of floating-point operations of a step's matrix products."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def make_limit(operations: int) -> tuple[MetaStepFunction, float]:
    """Return a function that multiplies large matrices, and the factor by which ``operations`` exceeds its work."""
    a, b, out = (torch.randn(MATRIX_SIZE, MATRIX_SIZE) for _ in range(3))
    return lambda: [torch.mm(a, b, out=out)], operations / (2 * MATRIX_SIZE**3)


def measure(width: int, tasks: int, steps: int, repetitions: int, report: Report) -> None:
    """Measure one problem and add its figures to the report."""
    title = f"width {width}, {tasks} tasks, {steps} step{'s' if steps > 1 else ''}"
    contenders, difference = prepare(make_problem(width, tasks, steps), report.skipped)
    limit, factor = make_limit(count_operations(contenders[OURS]))
    limit()
    times = measure_times(contenders | {"limit": limit}, repetitions)
    limits = [each * factor for each in times.pop("limit")]
    others = {name: statistics.median(values) for name, values in times.items() if name != OURS}
    fastest = min(others, key=others.__getitem__)
    ratios = [theirs / ours for theirs, ours in zip(times[fastest], times[OURS], strict=True)]
    shares = [each / ours * 100 for each, ours in zip(limits, times[OURS], strict=True)]
    report.figures += [summarise(f"{title}: {name}", values, "ms") for name, values in times.items()]
    report.figures += [
        summarise(f"{title}: {fastest} / {OURS}", ratios, "x", MIN_RATIOS.get(width), at_least=True),
        summarise(f"{title}: share of the arithmetic limit", shares, "%"),
        Figure(f"{title}: difference of gradients", difference, bar=MAX_DIFFERENCE),
    ]


def list_problems(quick: bool) -> list[tuple[int, int, int]]:
    """Return width, number of tasks and number of inner steps of every problem."""
    if quick:
        return [(width, 16, 5) for width in MIN_RATIOS] + [(64, 4, 1), (64, 64, 5)]
    return list(itertools.product(MIN_RATIOS, (4, 16, 64), (1, 5)))


def main() -> None:
    """Measure every problem and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--repetitions", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="five problems instead of eighteen")
    add_json_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings: dict[str, Any] = {"repetitions": options.repetitions, "seed": 0, "points": 64, "clock": "process_time"}
    report = Report("meta_step", settings=settings)
    for width, tasks, steps in list_problems(options.quick):
        measure(width, tasks, steps, options.repetitions, report)
    print_report(report, options.json)


if __name__ == "__main__":
    main()

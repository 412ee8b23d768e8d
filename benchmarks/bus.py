"""Benchmark of reading six servos, compared with the vendor's SDK on the same bus: ``python -m benchmarks.bus``.

The emulated arm replies from a separate process, no earlier than a wire of 1 Mbaud would. Both clients alternate in
short bursts, so that other load on the machine affects both. The wire's limit is the number of bytes times 10 bits.
With ``--check`` it fails unless metagui reaches 85 % of that limit on an idle machine, and its slowest readings are no
slower than the SDK's, idle and beside a learner. That needs a quiet machine.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import scservo_sdk as sdk

from benchmarks.report import Figure, Report, add_json_option, print_report
from metagui.arms.control.realtime_priority import REALTIME_PRIORITY
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoBus
from metagui.arms.feetech.protocol import FRAME_OVERHEAD_BYTES
from metagui.arms.feetech.serial_port import BITS_PER_BYTE, SERVO_BUS_BAUD, SerialPort
from metagui.arms.so101.motors import SERVO_IDS, ServoChain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEEDBACK_BYTES = FRAME_OVERHEAD_BYTES + 2 + len(SERVO_IDS) + len(SERVO_IDS) * (FRAME_OVERHEAD_BYTES + reg.FEEDBACK_SIZE)
"""Bytes on the wire for one complete reading: a sync read and its six replies."""
MIN_WIRE_FRACTION = 0.85
"""Smallest median rate on an idle machine, as a fraction of the wire's limit."""
IDLE_TITLE, BUSY_TITLE = "1 Mbaud", "1 Mbaud, learner busy"
WIRE_TIME_S = FEEDBACK_BYTES * BITS_PER_BYTE / SERVO_BUS_BAUD
"""Time on the wire for one complete reading, s."""


def serve_emulated_arm(physics: bool, realtime: bool) -> None:
    """Serve an emulated arm until standard input ends; with ``realtime``, a busy machine does not delay the arm."""
    if realtime:
        with contextlib.suppress(AttributeError, OSError):  # where it is refused, the arm is an ordinary process
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY + 1))  # its threads inherit it
    arm = EmulatedArm()
    arm.calibrate()
    sys.setswitchinterval(2e-4)  # real servos reply at once; Python's 5 ms between threads would count as their latency
    gc.freeze()
    with EmulatedPort(arm, SERVO_BUS_BAUD, physics) as port:
        print(port.name, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def run_server_process(physics: bool, realtime: bool = False) -> Iterator[str]:
    """Run ``serve_emulated_arm`` in a separate process and yield the port's name."""
    flags = ["--serve", *["--physics"] * physics, *["--realtime"] * realtime]
    command = [sys.executable, "-m", "benchmarks.bus", *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def open_metagui_client(name: str) -> tuple[Callable[[], bool], Callable[[], None]]:
    """Return a function that reads all servos with metagui's driver, and one that closes it."""
    chain = ServoChain(ServoBus(SerialPort(name), retries=0))
    chain.check_servos()
    return lambda: len(chain.read_feedback()) == len(SERVO_IDS), chain.bus.port.close


def open_vendor_client(name: str) -> tuple[Callable[[], bool], Callable[[], None]]:
    """Return a function that reads all servos with the vendor's SDK, and one that closes it."""
    port = sdk.PortHandler(name)
    if not (port.openPort() and port.setBaudRate(SERVO_BUS_BAUD)):
        raise OSError(f"The vendor's SDK cannot open {name}.")
    group = sdk.GroupSyncRead(port, sdk.PacketHandler(0), reg.FEEDBACK_ADDRESS, reg.FEEDBACK_SIZE)
    for servo_id in SERVO_IDS:
        group.addParam(servo_id)
    registers = (
        reg.PRESENT_POSITION,
        reg.PRESENT_VELOCITY,
        reg.PRESENT_LOAD,
        reg.PRESENT_VOLTAGE,
        reg.PRESENT_TEMPERATURE,
        reg.STATUS,
        reg.MOVING,
        reg.PRESENT_CURRENT,
    )

    def read() -> bool:
        if group.txRxPacket() != sdk.COMM_SUCCESS:
            return False
        for servo_id in SERVO_IDS:
            for register in registers:
                group.getData(servo_id, register.address, register.size)
        return True

    return read, port.closePort


def measure(name: str, burst_count: int, reads_per_burst: int) -> dict[str, dict[str, float]]:
    """Let both clients read alternately; return the statistics of each."""
    clients = {"metagui": open_metagui_client(name), "feetech-servo-sdk": open_vendor_client(name)}
    times: dict[str, list[float]] = {client: [] for client in clients}
    lost = dict.fromkeys(clients, 0)
    for burst in range(burst_count + 1):
        for client, (read, _) in clients.items():
            for _ in range(reads_per_burst):
                started = time.perf_counter()
                complete = read()
                if burst > 0:  # the first burst is a warm-up
                    times[client].append(time.perf_counter() - started)
                    lost[client] += not complete
    for _, close in clients.values():
        close()
    return {client: summarise_latencies(np.array(times[client]), lost[client]) for client in clients}


def summarise_latencies(durations: np.ndarray, lost_count: int) -> dict[str, float]:
    """Return median, p99, rate, number of lost readings, and the fraction of the wire's limit."""
    median, p99 = np.percentile(durations, [50, 99])
    return {
        "median_ms": median * 1e3,
        "p99_ms": p99 * 1e3,
        "rate_hz": 1 / median,
        "wire_fraction": WIRE_TIME_S / median,
        "lost": lost_count,
    }


@contextlib.contextmanager
def run_busy_learner(busy: bool) -> Iterator[None]:
    """Keep the interpreter busy with small matrices in another thread, as a learner does."""
    over = threading.Event()

    def learn() -> None:
        weights = np.eye(40)
        while not over.is_set():
            weights = np.tanh(weights @ weights) + 0.1

    thread = threading.Thread(target=learn)
    if busy:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if busy:
            thread.join()


def main() -> None:
    """Measure at the wire's speed, without and with a busy learner, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=int, default=40)
    parser.add_argument("--length", type=int, default=50, help="readings per burst")
    parser.add_argument("--check", action="store_true", help="fail if a goal is missed")
    add_json_option(parser)
    parser.add_argument("--physics", action="store_true", help="also simulate the arm's motion")
    parser.add_argument("--realtime", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_emulated_arm(options.physics, options.realtime)
        return
    results = {}
    for title, busy in ((IDLE_TITLE, False), (BUSY_TITLE, True)):
        with run_server_process(options.physics) as name, run_busy_learner(busy):
            results[title] = measure(name, options.bursts, options.length)
    print_results(results, options.json)
    missed = find_missed_goals(results)
    if options.check and missed:
        raise SystemExit(f"Missed: {', '.join(missed)}.")


def find_missed_goals(results: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Return the goals that were missed, as texts."""
    missed = []
    fraction = results[IDLE_TITLE]["metagui"]["wire_fraction"]
    if fraction < MIN_WIRE_FRACTION:
        missed.append(f"{fraction:.0%} of the wire's limit instead of {MIN_WIRE_FRACTION:.0%}")
    for title, clients in results.items():
        own, other = clients["metagui"]["p99_ms"], clients["feetech-servo-sdk"]["p99_ms"]
        if own > other:
            missed.append(f"p99 of {own:.2f} ms, the SDK's is {other:.2f} ms ({title})")
    return missed


def make_report(results: dict[str, dict[str, dict[str, float]]]) -> Report:
    """Return the results in the common form."""
    figures = []
    for title, clients in results.items():
        own, other = clients["metagui"], clients["feetech-servo-sdk"]
        bar = MIN_WIRE_FRACTION * 100 if title == IDLE_TITLE else None
        figures.append(Figure(f"{title}: rate", own["wire_fraction"] * 100, "%", bar=bar, at_least=True))
        figures.append(Figure(f"{title}: p99", own["p99_ms"], "ms", bar=other["p99_ms"]))
        figures += [Figure(f"{title}: median, {client}", r["median_ms"], "ms") for client, r in clients.items()]
    settings = {"bytes": FEEDBACK_BYTES, "wire_ms": WIRE_TIME_S * 1e3}
    return Report("bus", figures, settings, details=results)


def print_results(results: dict[str, dict[str, dict[str, float]]], as_json: bool) -> None:
    """Print the results as JSON, or one line for each client and load."""
    if as_json:
        print_report(make_report(results), as_json=True)
        return
    limit = f"{WIRE_TIME_S * 1e3:.2f} ms, {1 / WIRE_TIME_S:.0f} Hz"
    print(f"Full feedback of {len(SERVO_IDS)} servos is {FEEDBACK_BYTES} bytes: {limit} at 1 Mbaud")
    for title, clients in results.items():
        for client, r in clients.items():
            print(
                f"{title:22} {client:18} median {r['median_ms']:.3f} ms  p99 {r['p99_ms']:.3f} ms  "
                f"{r['rate_hz']:5.0f} Hz  {r['lost']:.0f} lost  {r['wire_fraction']:.0%} of the wire's limit"
            )


if __name__ == "__main__":
    main()

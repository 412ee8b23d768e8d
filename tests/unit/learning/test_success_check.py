"""Success rates of a user's task: paired runs, intervals, early stop, and their history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.generators import run_to_end
from metagui.learning.adaptation.replay_rollout import make_replay_policy
from metagui.learning.evaluation.adaptation_history import ADAPTATIONS_FILE_NAME, load_adaptations
from metagui.learning.evaluation.nearest_neighbour import build_nearest_neighbour_policy
from metagui.learning.evaluation.success_check import (
    PairedComparison,
    SceneRun,
    SuccessCheckError,
    SuccessCount,
    check_success,
    compare_paired,
)
from metagui.learning.evaluation.success_history import (
    HISTORY_FILE_NAME,
    SuccessRecord,
    append_history,
    identify_policy,
    load_history,
)
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path


def test_policies_run_in_the_same_scenes_and_repeatably() -> None:
    takes = align_segmentation(generate_example_takes()["above red"][:2])
    policy = make_replay_policy(takes)
    runs: list[SceneRun] = []
    generator = check_success(takes, {"one": policy, "two": policy}, 4)
    try:
        while True:
            runs.append(next(generator))
    except StopIteration as end:
        counts = end.value
    assert [(run.policy, run.scene) for run in runs] == [(name, i) for i in range(1, 5) for name in ("one", "two")]
    assert counts["one"] == counts["two"]
    assert counts["one"].runs == 4
    assert counts["one"].successes >= 3
    assert run_to_end(check_success(takes, {"one": policy}, 4))["one"] == counts["one"]


def test_policy_of_other_segments_is_refused_and_bad_policy_fails() -> None:
    above = align_segmentation(generate_example_takes()["above red"][:2])
    other = generate_example_takes()
    grasp = next(takes for name, takes in other.items() if make_replay_policy(takes[:1]).segment_count > 1)
    with pytest.raises(SuccessCheckError, match="other segments"):
        run_to_end(check_success(above, {"policy": make_replay_policy(grasp[:1])}, 2))
    pressed = align_segmentation(other["press red"][:2])
    wrong = build_nearest_neighbour_policy(above)
    if wrong.segment_count == make_replay_policy(pressed).segment_count:
        counts = run_to_end(check_success(pressed, {"policy": wrong}, 3))
        assert counts["policy"].successes < 3
        assert counts["policy"].most_frequent_failure


def test_early_stop_keeps_whole_scenes() -> None:
    takes = align_segmentation(generate_example_takes()["above red"][:2])
    policy = make_replay_policy(takes)
    seen: list[SceneRun] = []

    def run() -> dict[str, SuccessCount]:
        generator = check_success(takes, {"a": policy, "b": policy}, 9, should_stop=lambda: len(seen) >= 3)
        while True:
            try:
                seen.append(next(generator))
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    counts = run()
    assert counts["a"].runs == counts["b"].runs == 2


def test_counts_intervals_and_paired_test() -> None:
    first = SuccessCount(("", "", "", "missed", ""))
    assert str(first) == "4 of 5 (38 to 96 %)"
    assert SuccessCount(()).interval == (0.0, 1.0)
    second = SuccessCount(("x", "", "x", "", "x"))
    assert compare_paired(first, second) == PairedComparison(3, 1)
    assert PairedComparison(3, 1).p_value == pytest.approx(0.625)
    assert PairedComparison(0, 0).p_value == 1.0
    assert PairedComparison(8, 0).p_value == pytest.approx(2 / 256)
    assert PairedComparison(8, 0).is_significant


def test_history_is_kept_next_to_the_policy_and_survives_damage(tmp_path: Path) -> None:
    policy = tmp_path / "adapted.safetensors"
    policy.write_bytes(b"content")
    assert load_history(policy) == []
    record = SuccessRecord("2026-01-02T10:00:00", "policy", identify_policy(policy), 0, ("", "the red cube was lost"))
    append_history(policy, record)
    path = tmp_path / HISTORY_FILE_NAME
    path.write_text(path.read_text(encoding="utf-8") + '{"when": "2026', encoding="utf-8")
    append_history(policy, record, record)
    assert load_history(policy) == [record] * 3
    path.write_bytes(b"\xff\xfe")
    assert load_history(policy) == []


def test_history_of_adaptations_survives_damage(tmp_path: Path) -> None:
    path = tmp_path / ADAPTATIONS_FILE_NAME
    good = {"when": "2026-01-02T10:00:00", "policy_id": "a", "takes": ["001"], "choices": ["adapted"] * 2}
    bad = [{**good, "successes": 3, "runs": 2}, {**good, "successes": "x", "runs": 2}, {**good, "takes": 4}, [1], None]
    lines = [{**good, "successes": 1, "runs": 2}, *bad, {**good, "successes": 2, "runs": 2}]
    path.write_text("{cut\n" + "".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    found = load_adaptations(tmp_path / "adapted.safetensors")
    assert [(each.successes, each.runs) for each in found] == [(1, 2), (2, 2)]
    assert found[0].describe_choice() == "adapted"
    path.write_bytes(b"\xff\xfe")
    assert load_adaptations(tmp_path / "adapted.safetensors") == []

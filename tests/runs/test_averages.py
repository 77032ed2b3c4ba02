"""The moving averages in a checkpoint: those of what is frozen have to be the frozen values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointCorruptError
from odfreeze.pipeline import PipelineConfig
from odfreeze.report.verification import verification_lines
from odfreeze.runs.averages import AVERAGE_SLOT, check_averages
from odfreeze.runs.record import RecordedVariable, RunRecord, digest, write_record
from odfreeze.runs.verification import AverageCheck, Change, Verification
from odfreeze.runs.verify import verify
from tests.support.bundle_writer import Spec, floats, write_checkpoint, write_state

KERNEL, MEAN, HEAD = "model/conv/kernel", "model/norm/moving_mean", "model/head/kernel"
GAMMA = "model/norm/gamma"
VALUES: Mapping[str, tuple[float, ...]] = {
    KERNEL: (1.5, -2, 0.1),
    GAMMA: (1, 1),
    MEAN: (0, 4),
    HEAD: (5, 6),
}
CONFIG = PipelineConfig.parse(b'train_config { freeze_variables: "^(conv|norm)/" }', "a.config")
#: As a run of ours saves them; those of what learns follow it from afar.
AVERAGES: Mapping[str, tuple[float, ...]] = {
    KERNEL: VALUES[KERNEL], GAMMA: VALUES[GAMMA], HEAD: (4, 5),
}  # fmt: skip


def checkpoint(
    prefix: Path,
    averages: Mapping[str, tuple[float, ...]] = AVERAGES,
    changes: Mapping[str, tuple[float, ...]] = {},
) -> Path:
    """Writes the values and their averages; ``changes`` are of the values."""
    found: dict[str, Spec] = {}
    for path, numbers in {**VALUES, **changes}.items():
        name = path.removeprefix("model/")
        found[path] = (name, "float32", (len(numbers),), floats(*numbers))
    extra = {
        f"{path}{AVERAGE_SLOT}/.ATTRIBUTES/VARIABLE_VALUE": (
            "float32", (len(numbers),), floats(*numbers),
        )
        for path, numbers in averages.items()
    }  # fmt: skip
    return write_checkpoint(prefix, found, extra=extra, step=3)


def verified(tmp_path: Path, averages: Mapping[str, tuple[float, ...]]) -> Verification:
    before = checkpoint(tmp_path / "before-0", {})
    return verify(before, checkpoint(tmp_path / "ckpt-3", averages, {HEAD: (7, 7)}), config=CONFIG)


def test_averages_that_are_the_frozen_values_are_fine(tmp_path: Path) -> None:
    found = verified(tmp_path, AVERAGES)
    assert found.ok
    assert found.averages == AverageCheck(variables=2, differing=(), missing=())


def test_a_checkpoint_without_averages_says_nothing_of_them(tmp_path: Path) -> None:
    found = verified(tmp_path, {})
    assert found.ok
    assert found.averages is None
    assert "averages" not in found.to_json()
    assert not [line for line in verification_lines(found) if "average" in line]


def test_an_average_that_is_not_the_frozen_value_is_named_with_its_difference(
    tmp_path: Path,
) -> None:
    found = verified(tmp_path, {**AVERAGES, KERNEL: (1.5, -1.75, 0.1)})
    assert not found.ok
    assert found.frozen.changed == ()
    assert found.averages == AverageCheck(2, (Change("conv/kernel", KERNEL, "value", 0.25),), ())
    assert found.reasons == (
        "1 of 2 frozen variables have a moving average that is not their value: evaluation with"
        " use_moving_averages runs that",
    )


def test_one_bit_is_enough(tmp_path: Path) -> None:
    found = verified(tmp_path, {**AVERAGES, KERNEL: (1.5, -2, math.nextafter(0.1, 1) + 1e-8)})
    assert [change.name for change in found.averages.differing] == ["conv/kernel"]


def test_a_frozen_variable_without_an_average_would_be_evaluated_as_zeros(tmp_path: Path) -> None:
    found = verified(tmp_path, {HEAD: (4, 5), GAMMA: (1, 1)})
    assert found.averages == AverageCheck(1, (), ("conv/kernel",))
    assert found.reasons == (
        "1 frozen variables have no moving average, as others have: evaluation with"
        " use_moving_averages runs zeros: conv/kernel",
    )


def test_a_statistic_needs_no_average_and_is_compared_where_it_has_one(tmp_path: Path) -> None:
    found = verified(tmp_path, {**AVERAGES, MEAN: (0, 3)})
    assert found.averages == AverageCheck(3, (Change("norm/moving_mean", MEAN, "value", 1.0),), ())


def test_what_learns_may_have_any_average_or_none(tmp_path: Path) -> None:
    averages = {path: AVERAGES[path] for path in (KERNEL, GAMMA)}
    assert verified(tmp_path, averages).ok


def test_another_shape_is_no_value_to_compare(tmp_path: Path) -> None:
    found = verified(tmp_path, {**AVERAGES, KERNEL: (1.5, -2)})
    assert found.averages.differing == (
        Change("conv/kernel", KERNEL, "shape", None, "(3,) -> (2,)"),
    )


def test_a_damaged_average_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "ckpt-3")
    data = prefix.with_name("ckpt-3.data-00000-of-00001")
    with Checkpoint.open(prefix) as opened:
        at = opened.entry(KERNEL + AVERAGE_SLOT).offset
    content = bytearray(data.read_bytes())
    content[at] ^= 1
    data.write_bytes(content)
    with Checkpoint.open(prefix) as opened, pytest.raises(CheckpointCorruptError):
        check_averages(opened, [v for v in opened.variables if v.object_path == KERNEL])


def test_the_record_of_a_run_is_held_against_the_averages_too(tmp_path: Path) -> None:
    states = {KERNEL: "frozen", GAMMA: "frozen", MEAN: "held", HEAD: "trainable"}
    variables = tuple(
        RecordedVariable(
            path.removeprefix("model/"), path, (len(numbers),), "float32", states[path],
            path != MEAN, path == MEAN, digest(floats(*numbers)),
        )
        for path, numbers in VALUES.items()
    )  # fmt: skip
    record = RunRecord(
        "a.config", "", None, None, ("^(conv|norm)/",), (), "hold", 3, 0, {}, (), "", variables
    )
    write_record(record, tmp_path)
    for name, averages, ok in (
        ("ckpt-3", AVERAGES, True),
        ("ckpt-4", {**AVERAGES, GAMMA: (1, 0.5)}, False),
    ):
        checkpoint(tmp_path / name, averages, {HEAD: (7, 7)})
        write_state(tmp_path, name)
        assert verify(tmp_path).ok is ok


def test_a_person_and_a_program_are_told(tmp_path: Path) -> None:
    found = verified(tmp_path, {**AVERAGES, KERNEL: (1.5, -1.75, 0.1)})
    lines = verification_lines(found)
    at = lines.index("  averages       1 of 2 equal the frozen values")
    assert lines[at + 1] == "    conv/kernel  largest difference 0.25"
    assert json.loads(json.dumps(found.to_json()))["averages"] == {
        "variables": 2,
        "differing": [
            {
                "name": "conv/kernel",
                "object_path": KERNEL,
                "change": "value",
                "max_abs_difference": 0.25,
            }
        ],
        "missing": [],
    }

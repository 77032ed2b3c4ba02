"""Verify: what must stand still and did not, and the negative control."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    ConfigError,
    PatternError,
    RecordError,
    RemotePathError,
    UsageError,
)
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import RecordedVariable, RunRecord, digest, record_path, write_record
from odfreeze.runs.unreached import Unreached, write_unreached
from odfreeze.runs.verification import Change
from odfreeze.runs.verify import verify
from odfreeze.selection import FrozenBatchNorm, State
from tests.support.bundle_writer import (
    Spec,
    floats,
    write_checkpoint,
    write_named_checkpoint,
    write_state,
)

KERNEL = "model/backbone/conv/kernel"
GAMMA = "model/backbone/bn/gamma"
MEAN = "model/backbone/bn/moving_mean"
HEAD = "model/head/kernel"
BIAS = "model/head/bias"
NAMES = {
    KERNEL: "block_1/kernel",
    GAMMA: "block_1_BN/gamma",
    MEAN: "block_1_BN/moving_mean",
    HEAD: "head/kernel",
    BIAS: "head/bias",
}
START: Mapping[str, tuple[float, ...]] = {
    KERNEL: (1, 2, 3, 4),
    GAMMA: (1, 1),
    MEAN: (0, 0),
    HEAD: (5, 6),
    BIAS: (0,),
}
LEARNED = {HEAD: (5.5, 6)}
CONFIG = PipelineConfig.parse(b'train_config { freeze_variables: "block_1" }', "pipeline.config")


def checkpoint(
    prefix: Path,
    values: Mapping[str, tuple[float, ...]] = {},
    *,
    without: tuple[str, ...] = (),
    step: int = 0,
) -> Path:
    """Writes the start, with some values changed, added or left out."""
    found: dict[str, Spec] = {}
    for path, numbers in {**START, **values}.items():
        if path not in without:
            name = NAMES.get(path, path.removeprefix("model/"))
            found[path] = (name, "float32", (len(numbers),), floats(*numbers))
    return write_checkpoint(prefix, found, step=step)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "before" / "ckpt-0")


def after(
    tmp_path: Path,
    values: Mapping[str, tuple[float, ...]] = LEARNED,
    without: tuple[str, ...] = (),
) -> Path:
    return checkpoint(tmp_path / "after" / "ckpt-3", values, without=without, step=250)


def test_a_run_that_froze_and_learned_is_ok(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path), config=CONFIG)
    assert found.ok
    assert found.reasons == ()
    assert (found.frozen.variables, found.frozen.changed) == (2, ())
    assert found.frozen.unchanged == ("block_1/kernel", "block_1_BN/gamma")
    assert (found.held.variables, found.held.unchanged) == (1, ("block_1_BN/moving_mean",))
    assert [change.name for change in found.trainable.changed] == ["head/kernel"]
    assert found.trainable.unchanged == ("head/bias",)
    assert found.updating.variables == 0
    assert (found.before, found.after) == (str(before), str(tmp_path / "after" / "ckpt-3"))
    assert (found.before_step, found.after_step) == (0, 250)
    assert found.config == "pipeline.config"


def test_a_frozen_value_that_changed_is_told_with_its_difference(
    tmp_path: Path, before: Path
) -> None:
    found = verify(before, after(tmp_path, {**LEARNED, KERNEL: (1, 2.25, 3, 3.5)}), config=CONFIG)
    assert not found.ok
    assert found.reasons == ("1 of 2 frozen variables changed",)
    assert found.frozen.changed == (Change("block_1/kernel", KERNEL, "value", 0.5),)
    assert found.frozen.unchanged == ("block_1_BN/gamma",)


def test_a_held_statistic_that_moved_is_told(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path, {**LEARNED, MEAN: (0, 0.125)}), config=CONFIG)
    assert found.reasons == ("1 of 1 held variables changed",)
    assert found.held.changed == (Change("block_1_BN/moving_mean", MEAN, "value", 0.125),)


def test_a_statistic_that_may_move_may_move(tmp_path: Path, before: Path) -> None:
    moved = after(tmp_path, {**LEARNED, MEAN: (0, 0.125)})
    found = verify(before, moved, config=CONFIG, frozen_batch_norm="update")
    assert found.ok
    assert [change.name for change in found.updating.changed] == ["block_1_BN/moving_mean"]
    assert found.held.variables == 0


def test_a_run_that_trained_nothing_proves_nothing(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path, {}), config=CONFIG)
    assert found.reasons == (
        "none of 2 trainable variables changed its value: a run that trained nothing proves"
        " nothing",
    )
    assert found.trainable.unchanged == ("head/kernel", "head/bias")
    assert found.frozen.changed == ()


def test_where_all_is_frozen_there_is_no_negative_control(tmp_path: Path, before: Path) -> None:
    config = PipelineConfig.parse(b'train_config { freeze_variables: "." }')
    found = verify(before, after(tmp_path, {}), config=config)
    assert found.reasons == (
        "no trainable variable changed its value: a run that trained nothing proves nothing",
    )


def test_where_nothing_is_frozen_learning_is_enough(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path), config=PipelineConfig.parse(b""))
    assert found.ok
    assert (found.frozen.variables, found.trainable.variables) == (0, 4)


def test_bits_count_and_not_values(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path, {**LEARNED, MEAN: (0, -0.0)}), config=CONFIG)
    assert found.held.changed == (Change("block_1_BN/moving_mean", MEAN, "value", 0.0),)


def test_nan_that_stayed_did_not_change(tmp_path: Path) -> None:
    nan = {KERNEL: (float("nan"),) * 4}
    old = checkpoint(tmp_path / "before" / "ckpt-0", nan)
    assert verify(old, after(tmp_path, {**LEARNED, **nan}), config=CONFIG).ok


def test_nan_that_came_is_a_change_without_a_difference(tmp_path: Path, before: Path) -> None:
    nan = {**LEARNED, KERNEL: (1, 2, 3, float("nan"))}
    found = verify(before, after(tmp_path, nan), config=CONFIG)
    assert found.frozen.changed[0].max_abs_difference is None


def test_another_shape_or_dtype_is_a_change(tmp_path: Path, before: Path) -> None:
    new = write_checkpoint(
        tmp_path / "after" / "ckpt-1",
        {
            KERNEL: (NAMES[KERNEL], "float32", (2, 2), floats(1, 2, 3, 4)),
            GAMMA: (NAMES[GAMMA], "float16", (2,), bytes(4)),
            MEAN: (NAMES[MEAN], "float32", (2,), floats(0, 0)),
            HEAD: (NAMES[HEAD], "float32", (2,), floats(0, 0)),
            BIAS: (NAMES[BIAS], "float32", (1,), floats(0)),
        },
    )
    found = verify(before, new, config=CONFIG)
    assert found.reasons == ("2 of 2 frozen variables changed",)
    assert found.frozen.changed == (
        Change("block_1/kernel", KERNEL, "shape", None, "[4] -> [2, 2]"),
        Change("block_1_BN/gamma", GAMMA, "dtype", None, "float32 -> float16"),
    )


def test_a_head_of_another_shape_is_no_negative_control(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path, {HEAD: (5, 6, 7)}), config=CONFIG)
    assert found.reasons[0].startswith("none of 2 trainable variables changed its value")


def test_a_frozen_variable_that_is_gone_is_told(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path, without=(KERNEL, MEAN)), config=CONFIG)
    assert found.reasons == (
        "1 frozen variables are only before: block_1/kernel",
        "1 held variables are only before: block_1_BN/moving_mean",
    )
    assert found.frozen.missing == ("block_1/kernel",)
    assert found.frozen.variables == 2


def test_a_frozen_variable_that_came_proves_nothing(tmp_path: Path) -> None:
    old = checkpoint(tmp_path / "before" / "ckpt-0", without=(KERNEL,))
    found = verify(old, after(tmp_path), config=CONFIG)
    assert found.reasons == (
        "1 frozen variables are only after, so that nothing proves they stood still:"
        " block_1/kernel",
    )
    assert found.frozen.new == ("block_1/kernel",)


def test_many_names_are_not_all_in_the_reason(tmp_path: Path, before: Path) -> None:
    many = {f"model/backbone/block_1{n}/w": (1.0,) for n in range(5)}
    found = verify(before, after(tmp_path, {**LEARNED, **many}), config=PipelineConfig.parse(
        b'train_config { freeze_variables: "backbone/" }'
    ))  # fmt: skip
    assert found.reasons[0].endswith(
        "backbone/block_10/w, backbone/block_11/w, backbone/block_12/w and 2 more"
    )


def test_trainable_variables_may_come_and_go(tmp_path: Path) -> None:
    old = checkpoint(tmp_path / "before" / "ckpt-0", {"model/old/kernel": (1,)}, without=(BIAS,))
    found = verify(old, after(tmp_path), config=CONFIG)
    assert found.ok
    assert (found.trainable.missing, found.trainable.new) == (("old/kernel",), ("head/bias",))
    assert found.trainable.variables == 3


def test_checkpoints_of_different_models_have_nothing_in_common(tmp_path: Path) -> None:
    old = write_checkpoint(tmp_path / "a", {"model/x": ("x", "float32", (1,), None)})
    found = verify(old, after(tmp_path), config=CONFIG)
    assert found.reasons == (
        "the two have no variable in common, so that nothing could be compared",
    )


def test_the_path_counts_and_not_the_name(tmp_path: Path, before: Path) -> None:
    """CenterNet's names change from process to process."""
    new = write_checkpoint(
        tmp_path / "after" / "ckpt-1",
        {
            path: (f"conv2d_{n}/kernel", "float32", (len(values),), floats(*values))
            for n, (path, values) in enumerate({**START, **LEARNED}.items())
        },
    )
    config = PipelineConfig.parse(b'train_config { freeze_variables: "(?#path)backbone" }')
    found = verify(before, new, config=config)
    assert found.ok
    assert found.frozen.variables == 3 - 1
    assert found.frozen.missing == ()


def test_names_match_where_a_checkpoint_is_of_tf1(tmp_path: Path) -> None:
    def tf1(name: str, head: float) -> Path:
        return write_named_checkpoint(
            tmp_path / name,
            {
                "block_1/kernel": ("float32", (4,), floats(1, 2, 3, 4)),
                "head/kernel": ("float32", (2,), floats(5, head)),
                "head/kernel/Momentum": ("float32", (2,), floats(head, head)),
            },
        )

    assert verify(tf1("a", 6), tf1("b", 7), config=CONFIG).ok
    found = verify(tf1("a", 6.5), after(tmp_path), config=CONFIG)
    assert [change.name for change in found.trainable.changed] == ["head/kernel"]
    assert found.frozen.unchanged == ("block_1/kernel",)


def test_an_old_variable_is_matched_once(tmp_path: Path) -> None:
    old = write_named_checkpoint(
        tmp_path / "a",
        {"w": ("float32", (1,), floats(1)), "head": ("float32", (1,), floats(1))},
    )
    spec = ("w", "float32", (1,), floats(1))
    new = write_checkpoint(
        tmp_path / "b",
        {
            "model/x": spec, "model/twin": spec,
            "model/head": ("head", "float32", (1,), floats(2)),
        },
    )  # fmt: skip
    config = PipelineConfig.parse(b'train_config { freeze_variables: "w" }')
    found = verify(old, new, config=config)
    assert (found.frozen.unchanged, found.frozen.new) == (("w",), ("w",))
    assert not found.ok


def test_a_config_that_holds_all_statistics(tmp_path: Path, before: Path) -> None:
    moved = after(tmp_path, {**LEARNED, MEAN: (0, 0.125)})
    assert verify(before, moved, config=PipelineConfig.parse(b"")).ok
    config = PipelineConfig.parse(b"model { ssd { freeze_batchnorm: true } }")
    assert verify(before, moved, config=config).reasons == ("1 of 1 held variables changed",)


def test_the_json(tmp_path: Path, before: Path) -> None:
    found = verify(before, after(tmp_path, {KERNEL: (1, 2, 3, 4.5)}), config=CONFIG)
    assert found.to_json() == {
        "version": 1,
        "ok": False,
        "before": str(before),
        "after": str(tmp_path / "after" / "ckpt-3"),
        "config": "pipeline.config",
        "before_step": 0,
        "after_step": 250,
        "frozen": {
            "variables": 2,
            "changed": [{
                "name": "block_1/kernel", "object_path": KERNEL,
                "change": "value", "max_abs_difference": 0.5,
            }],
            "missing": [], "new": [],
        },
        "held": {"variables": 1, "changed": [], "missing": [], "new": []},
        "trainable": {
            "variables": 2, "unchanged": ["head/kernel", "head/bias"], "without_gradient": None,
            "missing": [], "new": [],
        },
        "updating": {
            "variables": 0, "unchanged": [], "never_run": None, "missing": [], "new": [],
        },
        "reasons": [
            "1 of 2 frozen variables changed",
            "none of 2 trainable variables changed its value: a run that trained nothing proves"
            " nothing",
        ],
    }  # fmt: skip


def test_open_checkpoints_are_taken_and_left_open(tmp_path: Path, before: Path) -> None:
    with Checkpoint.open(before) as old, Checkpoint.open(after(tmp_path)) as new:
        assert verify(old, new, config=CONFIG).ok
        assert len(old.read(KERNEL)) == 16


def test_a_damaged_value_is_an_error_and_no_verdict(tmp_path: Path, before: Path) -> None:
    new = after(tmp_path)
    data = new.with_name("ckpt-3.data-00000-of-00001")
    raw = bytearray(data.read_bytes())
    raw[0] ^= 1
    data.write_bytes(raw)
    with pytest.raises(CheckpointCorruptError, match="conv/kernel"):
        verify(before, new, config=CONFIG)


# A run with its record.

STATES: dict[str, State] = {
    KERNEL: "frozen", GAMMA: "frozen", MEAN: "held", HEAD: "trainable", BIAS: "trainable",
}  # fmt: skip


def record(fine_tune_checkpoint: str | None = None) -> RunRecord:
    variables = [
        RecordedVariable(
            NAMES[path], path, (len(values),), "float32", STATES[path],
            trainable=path != MEAN, statistic=path == MEAN, digest=digest(floats(*values)),
        )
        for path, values in START.items()
    ]  # fmt: skip
    return RunRecord(
        config_path="pipeline.config",
        config_text="",
        fine_tune_checkpoint=fine_tune_checkpoint,
        fine_tune_checkpoint_type="detection",
        freeze_variables=("block_1",),
        update_trainable_variables=(),
        frozen_batch_norm="hold",
        num_steps=250,
        start_step=0,
        versions={},
        measures=(),
        created="2025-01-02T03:04:05+00:00",
        variables=tuple(variables),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's directory with two checkpoints and a record; the last one is good."""
    folder = tmp_path / "run"
    checkpoint(folder / "ckpt-2", {KERNEL: (9, 9, 9, 9)}, step=100)
    checkpoint(folder / "ckpt-10", LEARNED, step=250)
    write_state(folder, "ckpt-10", ["ckpt-2"])
    write_record(record(), folder)
    return folder


def test_a_run_is_held_against_its_record(run: Path) -> None:
    found = verify(run)
    assert found.ok
    assert found.before == str(record_path(run))
    assert found.after == str(run / "ckpt-10")
    assert (found.before_step, found.after_step) == (0, 250)
    assert found.config == "pipeline.config"
    assert (found.frozen.variables, found.held.variables) == (2, 1)
    assert found.trainable.unchanged == ("head/bias",)


def test_what_no_gradient_reaches_is_told_from_what_stayed_the_same(run: Path) -> None:
    write_unreached(Unreached(frozenset({HEAD, BIAS})), run, record().created)
    for found in (verify(run), verify(run, run / "ckpt-10"), verify(record_path(run))):
        assert found.ok
        assert found.trainable.unchanged == ("head/bias",)
        assert found.trainable.unreached == ("head/bias",)  # head/kernel changed all the same
        assert found.to_json()["trainable"]["without_gradient"] == ["head/bias"]
        assert found.to_json()["updating"]["never_run"] == []


def test_it_is_not_known_of_another_run_nor_of_two_checkpoints(run: Path, before: Path) -> None:
    write_unreached(Unreached(frozenset({BIAS})), run, "2001-01-01T00:00:00+00:00")
    assert verify(run).trainable.unreached is None
    assert verify(record(), run / "ckpt-10").trainable.unreached is None
    assert verify(before, run / "ckpt-10", config=CONFIG).trainable.unreached is None


def test_the_record_may_be_given_by_its_path_or_as_such(run: Path) -> None:
    new = run / "ckpt-10"
    for given in (record_path(run), run, record()):
        assert verify(given, new).ok
    assert verify(record_path(run)).after == str(new)


def test_any_checkpoint_of_the_run_may_be_compared(run: Path) -> None:
    found = verify(run, run / "ckpt-2")
    assert found.reasons[0] == "1 of 2 frozen variables changed"
    assert found.after_step == 100


def test_the_difference_is_measured_where_the_start_still_is(run: Path, before: Path) -> None:
    changed = run / "ckpt-2"
    without = verify(record(), changed)
    assert without.frozen.changed == (Change("block_1/kernel", KERNEL, "value", None),)
    found = verify(record(str(before)), changed)
    assert found.frozen.changed == (Change("block_1/kernel", KERNEL, "value", 8.0),)


NO_BASELINE = {
    "gone": "absent/ckpt-0",
    "remote": "gs://bucket/ckpt-0",
}


@pytest.mark.parametrize("path", NO_BASELINE.values(), ids=NO_BASELINE)
def test_without_the_start_the_verdict_is_the_same(run: Path, path: str) -> None:
    found = verify(record(path), run / "ckpt-2")
    assert found.frozen.changed == (Change("block_1/kernel", KERNEL, "value", None),)


def test_a_start_that_is_not_what_was_restored_measures_nothing(run: Path, tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "other" / "ckpt-0", {KERNEL: (7, 7, 7, 7)})
    found = verify(record(str(other)), run / "ckpt-2")
    assert found.frozen.changed[0].max_abs_difference is None


def test_what_the_record_does_not_know_is_decided_by_its_patterns(run: Path) -> None:
    one = record()
    kernel, *rest, bias = one.variables
    found = verify(dataclasses.replace(one, variables=(kernel, *rest)), run / "ckpt-10")
    assert found.ok
    assert found.trainable.new == (bias.label,)
    found = verify(dataclasses.replace(one, variables=(*rest, bias)), run / "ckpt-10")
    assert found.reasons == (
        "1 frozen variables are only after, so that nothing proves they stood still:"
        " block_1/kernel",
    )


@pytest.mark.parametrize(("frozen_batch_norm", "ok"), [("hold", False), ("update", True)])
def test_a_statistic_that_the_record_does_not_know(
    run: Path, frozen_batch_norm: FrozenBatchNorm, ok: bool
) -> None:
    one = record()
    others = tuple(v for v in one.variables if not v.statistic)
    short = dataclasses.replace(one, variables=others, frozen_batch_norm=frozen_batch_norm)
    assert verify(short, run / "ckpt-10").ok == ok


def test_what_the_run_lost_is_told(run: Path, tmp_path: Path) -> None:
    found = verify(record(), after(tmp_path, without=(GAMMA,)))
    assert found.reasons == ("1 frozen variables are only before: block_1_BN/gamma",)


def test_the_states_are_those_of_the_record(run: Path) -> None:
    one = record()
    others = [
        dataclasses.replace(v, state="trainable" if v.trainable else "updating")
        for v in one.variables
    ]
    found = verify(dataclasses.replace(one, variables=tuple(others)), run / "ckpt-2")
    assert found.ok
    assert (found.trainable.variables, found.updating.variables) == (4, 1)


# What cannot be done.


def test_a_directory_without_a_record(before: Path) -> None:
    with pytest.raises(RecordError, match="no record of a run here"):
        verify(before.parent)


def test_a_run_without_a_checkpoint(tmp_path: Path) -> None:
    write_record(record(), tmp_path)
    with pytest.raises(CheckpointNotFoundError, match="no checkpoint in the directory"):
        verify(tmp_path)


def test_two_checkpoints_need_a_config(tmp_path: Path, before: Path) -> None:
    with pytest.raises(UsageError, match="decided by a config"):
        verify(before, after(tmp_path))
    with Checkpoint.open(before) as opened, pytest.raises(UsageError, match="decided by a config"):
        verify(opened, opened)


def test_a_config_needs_two_checkpoints(run: Path) -> None:
    for old, new in ((run, None), (record_path(run), run), (record(), run)):
        with pytest.raises(UsageError, match="between two checkpoints"):
            verify(old, new, config=CONFIG)


def test_a_record_needs_a_checkpoint() -> None:
    with pytest.raises(UsageError, match="give AFTER, too"):
        verify(record())


def test_errors_of_the_config_and_of_paths(tmp_path: Path, before: Path) -> None:
    new = after(tmp_path)
    with pytest.raises(ConfigError):
        verify(before, new, config=tmp_path / "absent.config")
    with pytest.raises(PatternError):
        verify(before, new, config=PipelineConfig.parse(b'train_config{freeze_variables:"("}'))
    with pytest.raises(CheckpointNotFoundError):
        verify(before, tmp_path / "ckpt-9", config=CONFIG)
    with pytest.raises(RemotePathError):
        verify("gs://b/run")
    with pytest.raises(RemotePathError):
        verify("gs://b/run", new, config=CONFIG)

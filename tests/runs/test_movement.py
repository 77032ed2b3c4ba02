"""How far each part of a model moved: over its values, from what the run began with."""

from __future__ import annotations

import dataclasses
import math
import struct
from math import prod
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import RecordError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.movement import SquaredNorms, measure_movement, squared_norms
from odfreeze.runs.record import digest, write_record
from tests.support.bundle_writer import floats, write_checkpoint, write_state
from tests.support.fake_training import record_of
from tests.support.tiny_detector import specs, write_detector

BOTH = pytest.mark.parametrize("use_numpy", [True, False], ids=["numpy", "plain"])
FLOATS = st.lists(
    st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32)), max_size=30
)


def packed(values, code="f"):
    return struct.pack(f"<{len(values)}{code}", *values)


@BOTH
@given(pairs=FLOATS)
def test_the_norms_are_those_of_the_definition(use_numpy, pairs):
    old, new = [a for a, _ in pairs], [b for _, b in pairs]
    found = squared_norms([packed(old)], [packed(new)], "float32", use_numpy=use_numpy)
    assert found.change == pytest.approx(sum((b - a) ** 2 for a, b in pairs), rel=1e-12)
    assert found.start == pytest.approx(sum(a * a for a in old), rel=1e-12)


@BOTH
@pytest.mark.parametrize(
    ("dtype", "code"), [("float16", "e"), ("float32", "f"), ("float64", "d"), ("int32", "i")]
)
def test_every_dtype_of_a_model_is_measured(use_numpy, dtype, code):
    found = squared_norms(
        [packed([3, 4], code)], [packed([3, 6], code)], dtype, use_numpy=use_numpy
    )
    assert found == SquaredNorms(change=4.0, start=25.0)


def test_bfloat16_is_the_upper_half_of_a_float():
    half = b"".join(struct.pack("<f", value)[2:] for value in (3.0, 4.0))
    assert squared_norms([half], [half], "bfloat16") == SquaredNorms(0.0, 25.0)


def test_a_dtype_that_is_not_known_has_no_norm():
    assert squared_norms([b"ab"], [b"ab"], "variant") is None


@BOTH
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_stays_none(use_numpy, value):
    found = squared_norms([floats(1)], [floats(value)], "float32", use_numpy=use_numpy)
    assert not math.isfinite(found.change)


@BOTH
def test_pieces_add_up(use_numpy):
    found = squared_norms(
        [floats(1, 2), floats(3)], [floats(1, 2), floats(5)], "float32", use_numpy=use_numpy
    )
    assert found == SquaredNorms(4.0, 14.0)


def moved_run(directory: Path, start, end, **changes):
    """Writes a run whose values are ``start(path, i)`` at first, then ``end(path, value)``."""
    config = PipelineConfig.read(write_detector(directory))
    old = {
        path: [start(path, i) for i in range(prod(shape))]
        for path, (_, _, shape, _) in specs().items()
    }
    values = {path: packed(of) for path, of in old.items()}
    ended = {path: packed([end(path, v) for v in of]) for path, of in old.items()}
    for prefix, of in ((directory / "ckpt-0", values), (directory / "run/ckpt-10", ended)):
        rows = {path: (*row[:3], of[path]) for path, row in specs().items()}
        write_checkpoint(prefix, rows, step=10)
    write_state(directory / "run", "ckpt-10")
    record = record_of(config)
    rows = tuple(
        dataclasses.replace(row, digest=digest(values[row.object_path])) for row in record.variables
    )
    write_record(dataclasses.replace(record, variables=rows, **changes), directory / "run")
    return directory / "run"


def changes_of(run: Path):
    return {one.key: one.relative_change for one in measure_movement(run)}


def test_each_part_tells_how_far_it_moved(tmp_path):
    run = moved_run(
        tmp_path, lambda path, i: 2.0, lambda path, v: v * 1.5 if "_box_predictor" in path else v
    )
    found = changes_of(run)
    norms = 0.5 * math.sqrt(4 / 44)  # one of eleven layers, the head's
    assert found.pop("batch_norm") == found.pop("statistics") == pytest.approx(norms, rel=1e-8)
    assert {key: value for key, value in found.items() if value} == {"head": 0.5, "head/box": 0.5}
    still = ["neck", "backbone", *(f"backbone/{number}" for number in range(1, 6))]
    assert [key for key, value in found.items() if not value] == still


def test_a_part_does_not_count_its_moving_statistics(tmp_path):
    run = moved_run(tmp_path, lambda path, i: 1.0, lambda path, v: 9.0 if "moving_" in path else v)
    found = changes_of(run)
    assert found.pop("statistics") == 8.0
    assert set(found.values()) == {0.0}


def test_a_value_that_the_run_did_not_begin_with_is_no_start(tmp_path):
    """As of a head that starts at random while the checkpoint holds another one."""
    run = moved_run(tmp_path, lambda path, i: 1.0, lambda path, v: 1.25)
    rows = {
        path: (*row[:3], floats(*[5.0 if "_box_predictor" in path else 1.0] * prod(row[2])))
        for path, row in specs().items()
    }
    write_checkpoint(tmp_path / "ckpt-0", rows)
    found = changes_of(run)
    assert (found["head"], found["backbone"]) == (None, 0.25)


def test_a_backbone_from_a_classification_checkpoint_is_found_where_it_hangs(tmp_path):
    run = moved_run(tmp_path, lambda path, i: 1.0, lambda path, v: 1.25)
    root = "model/_feature_extractor/classification_backbone/"
    rows = {
        path.replace(root, "feature_extractor/"): (*row[:3], floats(*[1.0] * prod(row[2])))
        for path, row in specs().items()
        if path.startswith(root)
    }
    write_checkpoint(tmp_path / "ckpt-0", rows)
    found = changes_of(run)
    assert (found["head"], found["neck"], found["backbone"]) == (None, None, 0.25)


def test_of_a_start_that_is_not_at_hand_nothing_is_told(tmp_path):
    run = moved_run(tmp_path, lambda path, i: 1.0, lambda path, v: 1.25)
    (tmp_path / "ckpt-0.index").unlink()
    found = measure_movement(run)
    assert {one.relative_change for one in found} == {None}
    assert found[0].key == "head"
    assert found[0].parameters > 0


@pytest.mark.parametrize("cut", ["start", "end"])
def test_of_damaged_values_nothing_is_told(tmp_path, cut):
    run = moved_run(tmp_path, lambda path, i: 1.0, lambda path, v: 1.25)
    prefix = tmp_path / "ckpt-0" if cut == "start" else run / "ckpt-10"
    data = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1000])
    assert set(changes_of(run).values()) == {None}


def test_a_part_that_began_with_zeros_has_no_relative_change(tmp_path):
    run = moved_run(tmp_path, lambda path, i: 0.0, lambda path, v: 1.0)
    assert set(changes_of(run).values()) == {None}


def test_a_run_that_went_on_in_a_directory_in_use_began_with_its_checkpoint(tmp_path):
    run = moved_run(tmp_path, lambda path, i: 1.0, lambda path, v: 1.25, start_step=5)
    assert set(changes_of(run).values()) == {None}
    rows = {path: (*row[:3], floats(*[1.0] * prod(row[2]))) for path, row in specs().items()}
    write_checkpoint(run / "ckpt-5", rows)
    assert set(changes_of(run).values()) == {0.25}


def test_without_a_record_there_is_nothing_to_measure(tmp_path):
    with pytest.raises(RecordError):
        measure_movement(tmp_path)


def test_nothing_heavy_is_imported_to_measure():
    import subprocess
    import sys

    code = "import odfreeze.runs.movement, sys; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

"""When the record of a run is written anew, and what is in it, with a model only pretended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from odfreeze import __version__
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import digest, read_record, record_path, write_record
from odfreeze.training.enforce import Enforcement
from odfreeze.training.recording import write_baseline
from odfreeze.training.request import TrainingRequest
from tests.support.fake_training import record_of, selection_of
from tests.support.tiny_detector import write_detector


class Value:
    """A live variable: its value is given as bytes."""

    def __init__(self, data: bytes, byteorder: str = "=") -> None:
        self.data, self.dtype = data, SimpleNamespace(byteorder=byteorder)

    def read_value(self) -> Value:
        return self

    def numpy(self) -> Value:
        return self

    def byteswap(self) -> Value:
        return Value(self.data[::-1])

    def tobytes(self) -> bytes:
        return self.data


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return PipelineConfig.read(write_detector(tmp_path, "^Conv1", "^bn_Conv1"))


def write(config: PipelineConfig, *, step: int = 0, resumed: bool = False, **options) -> Path:
    """Writes the baseline of a run whose values are their own names."""
    selection = selection_of(config)
    live = [
        SimpleNamespace(record=v, value=Value(v.label.encode(), options.get("byteorder", "=")))
        for v in selection.variables
    ]
    model_dir = Path(config.file).parent / "run"
    request = TrainingRequest(config.file, str(model_dir), 10)
    run = SimpleNamespace(resumed=resumed, step=step)
    write_baseline(request, config, Enforcement(tuple(live), selection), run, ("a", "b"))
    return model_dir


def test_a_new_run_is_recorded_as_it_was_decided(config: PipelineConfig) -> None:
    record = read_record(write(config))
    assert (record.config_path, record.config_text) == (config.file, config.data.decode())
    assert (record.num_steps, record.start_step, record.frozen_batch_norm) == (10, 0, "hold")
    assert record.freeze_variables == ("^Conv1", "^bn_Conv1")
    assert record.fine_tune_checkpoint == config.fine_tune_checkpoint
    assert record.fine_tune_checkpoint_type == "detection"
    assert record.measures == ("a", "b")
    assert record.versions["odfreeze"] == __version__
    first = record.variables[0]
    assert (first.name, first.state, first.digest) == (
        "Conv1/kernel", "frozen", digest(b"Conv1/kernel"),
    )  # fmt: skip
    assert [v.state for v in record.variables] == list(selection_of(config).states)


def test_the_record_of_an_earlier_run_in_the_directory_is_replaced(config: PipelineConfig) -> None:
    before = record_of(config, num_steps=7)
    write_record(before, Path(config.file).parent / "run")
    assert read_record(write(config)).num_steps == 10


def test_a_resumed_run_keeps_its_record(config: PipelineConfig) -> None:
    path = write_record(record_of(config), Path(config.file).parent / "run")
    before = path.read_bytes()
    write(config, step=4, resumed=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "earlier",
    ({"freeze_variables": ("x",)}, {"frozen_batch_norm": "update"}, None),
    ids=("other patterns", "other batch norm", "none"),
)
def test_a_run_that_goes_on_from_anothers_checkpoint_has_a_record_of_its_own(
    config: PipelineConfig, earlier: dict | None
) -> None:
    run = Path(config.file).parent / "run"
    if earlier is not None:
        write_record(record_of(config, **earlier), run)
    record = read_record(write(config, step=4, resumed=True))
    assert (record.start_step, record.freeze_variables) == (4, config.freeze_variables)
    assert record.frozen_batch_norm == "hold"


def test_a_damaged_record_is_replaced(config: PipelineConfig) -> None:
    path = record_path(Path(config.file).parent / "run")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert read_record(write(config, step=4, resumed=True)).start_step == 4


def test_values_count_as_little_endian(config: PipelineConfig) -> None:
    record = read_record(write(config, byteorder=">"))
    assert record.variables[0].digest == digest(b"Conv1/kernel"[::-1])

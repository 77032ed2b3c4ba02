"""What stock does with patterns and with a used run directory: what the pages of check say.

The training loop is the real one; a model of one variable and steps that only count stand in for
what takes minutes.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.pages import read_page
from odfreeze.pipeline import PipelineConfig
from odfreeze.training import compat
from tests.check.planted import CONFIGS, SSD

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tf() -> Any:
    compat.prepare()
    import tensorflow

    return tensorflow


# --- patterns --------------------------------------------------------------------------


def test_the_tf2_training_loop_reads_no_patterns(tf: Any) -> None:
    """ODF219."""
    from object_detection import model_lib_v2

    source = inspect.getsource(model_lib_v2)
    assert "freeze_variables" not in source and "update_trainable_variables" not in source


@dataclass(frozen=True)
class Op:
    name: str


@dataclass(frozen=True)
class Named:
    """A TF1 variable, as far as slim looks at it."""

    name: str

    @property
    def op(self) -> Op:
        return Op(self.name)


NAMES = ("Conv1/kernel", "block_1/kernel", "block_10/kernel")


def learns(tf: Any, freeze: str) -> list[str]:
    """Which variables TF1's Estimator path trains under a freeze_variables."""
    import tf_slim

    variables = [Named(name) for name in NAMES]
    return [v.op.name for v in tf_slim.filter_variables(variables, exclude_patterns=[freeze])]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("", []),
        ("Conv1, block_1", list(NAMES)),
        ("['Conv1', 'block_1']", []),
        ("^(?#path)model/", list(NAMES)),
        ("FeatureExtractor", list(NAMES)),
        ("block_1", ["Conv1/kernel"]),
    ],
    ids=["ODF212", "ODF213", "ODF213-list", "ODF222", "ODF215", "ODF205"],
)
def test_what_the_last_trainer_with_patterns_made_of_them(
    tf: Any, pattern: str, left: list[str]
) -> None:
    assert learns(tf, pattern) == left


def test_no_regular_expression_breaks_it_off(tf: Any) -> None:
    """ODF210."""
    with pytest.raises(re.error) as caught:
        learns(tf, "*block")
    assert f"re.error: {caught.value}" in read_page("ODF210").text


# --- the run's directory ---------------------------------------------------------------


@dataclass
class Stock:
    """The training loop with a tiny model.

    Attributes:
      run: Trains to a number of steps in a directory.
      model: The model of the last run.
      steps: Steps at which something was trained.
    """

    run: Callable[..., None]
    model: Any = None
    steps: list[int] = field(default_factory=list)


@pytest.fixture
def stock(tf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    from object_detection import model_lib_v2

    config = tmp_path / SSD
    text = PipelineConfig.read(CONFIGS / SSD).without("train_config.fine_tune_checkpoint").data
    config.write_bytes(text)

    def run(model_dir: Path, num_steps: int, classes: int = 3, name: str = "kernel") -> None:
        made.model = tf.Module()
        setattr(made.model, name, tf.Variable(tf.zeros([classes]), name=name))
        made.steps.clear()
        model_lib_v2.train_loop(
            str(config), str(model_dir), train_steps=num_steps, checkpoint_every_n=1,
            record_summaries=False, num_steps_per_iteration=1,
        )  # fmt: skip

    made = Stock(run)

    def step(model: Any, *_: Any, training_step: Any, **__: Any) -> dict[str, Any]:
        tf.py_function(lambda at: made.steps.append(int(at)), [training_step], [])
        for variable in model.variables:
            variable.assign_add(tf.ones_like(variable))
        return {"loss": tf.constant(0.0)}

    data = tf.data.Dataset.from_tensors(({"image": 0.0}, {}))
    built = {**model_lib_v2.MODEL_BUILD_UTIL_MAP}
    built["detection_model_fn_base"] = lambda **_: made.model
    monkeypatch.setattr(model_lib_v2, "MODEL_BUILD_UTIL_MAP", built)
    monkeypatch.setattr(model_lib_v2.inputs, "train_input", lambda **_: data)
    monkeypatch.setattr(model_lib_v2, "eager_train_step", step)
    yield made


def test_what_the_directory_holds_wins(stock: Stock, tmp_path: Path) -> None:
    """ODF601."""
    stock.run(tmp_path / "run", 3)
    assert stock.steps == [0, 1, 2]
    stock.run(tmp_path / "run", 5)
    assert stock.steps == [3, 4]
    assert list(stock.model.kernel.numpy()) == [5.0, 5.0, 5.0]


@pytest.mark.parametrize("num_steps", [3, 2])
def test_at_its_end_it_trains_nothing_and_is_content(
    stock: Stock, tmp_path: Path, num_steps: int
) -> None:
    """ODF602."""
    stock.run(tmp_path / "run", 3)
    stock.run(tmp_path / "run", num_steps)
    assert stock.steps == []


def test_another_number_of_classes_crashes(stock: Stock, tmp_path: Path) -> None:
    """ODF603."""
    stock.run(tmp_path / "run", 1, classes=273)
    with pytest.raises(ValueError) as caught:
        stock.run(tmp_path / "run", 2, classes=12)
    said = f"ValueError: {caught.value}"
    assert said.partition(" kernel")[0] in read_page("ODF603").text


def test_another_architecture_goes_on_at_random(stock: Stock, tmp_path: Path) -> None:
    """ODF603."""
    stock.run(tmp_path / "run", 3)
    stock.run(tmp_path / "run", 4, name="other")
    assert stock.steps == [3]
    assert list(stock.model.other.numpy()) == [1.0, 1.0, 1.0]


def test_a_state_file_that_names_what_is_gone_starts_anew(
    stock: Stock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """ODF604."""
    run = tmp_path / "run"
    stock.run(run, 2)
    (run / "checkpoint").write_text('model_checkpoint_path: "ckpt-9"')
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        stock.run(run, 2)
    finally:
        logger.removeHandler(caplog.handler)
    assert stock.steps == [0, 1]
    expected = "Couldn't match files for checkpoint"
    assert f"{expected} {run}/ckpt-9" in caplog.text.replace("\\", "/")
    assert f"{expected} run/ckpt-5" in read_page("ODF604").text


def test_without_a_state_file_it_starts_anew_and_writes_over(stock: Stock, tmp_path: Path) -> None:
    """ODF606."""
    run = tmp_path / "run"
    stock.run(run, 2)
    (run / "checkpoint").unlink()
    first = (run / "ckpt-2.index").stat().st_mtime_ns
    stock.run(run, 2)
    assert stock.steps == [0, 1]
    assert (run / "ckpt-2.index").stat().st_mtime_ns > first


def test_a_checkpoint_in_part_crashes(stock: Stock, tmp_path: Path) -> None:
    """ODF607."""
    run = tmp_path / "run"
    page = read_page("ODF607").text
    stock.run(run, 1)
    data = next(run.glob("ckpt-2.data-*"))
    content = data.read_bytes()
    data.unlink()
    with pytest.raises(Exception, match="No such file or directory"):
        stock.run(run, 2)
    assert "ckpt-5.data-00000-of-00001; No such file or directory" in page
    data.write_bytes(content)
    (run / "ckpt-2.index").write_bytes(b"no index" * 20)
    with pytest.raises(Exception, match="not an sstable") as caught:
        stock.run(run, 2)
    assert str(caught.value) in page

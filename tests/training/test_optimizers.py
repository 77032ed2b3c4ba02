"""Every optimizer, with and without moving averages: frozen means frozen in what it keeps, too."""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.pages import read_page
from odfreeze.checkpoint import Checkpoint
from odfreeze.runs.averages import AVERAGE_SLOT, check_averages
from odfreeze.runs.record import read_record
from odfreeze.runs.verify import verify
from tests.training.optimizers import watch_gradients
from tests.training.replica_child import write_python
from tests.training.runs import start
from tests.training.tiny import (
    ADAM,
    BACKBONE,
    MOMENTUM,
    RMS_PROP,
    Tiny,
    Trained,
    eagerly,
    train_stock,
    train_tiny,
    variables_of,
)

pytestmark = pytest.mark.train

#: Text of the optimizer and the slots that it keeps for each variable that learns.
OPTIMIZERS = {
    "momentum": (MOMENTUM, {"momentum"}),
    "rmsprop": (RMS_PROP, {"rms", "momentum"}),
    "adam": (ADAM, {"m", "v"}),
}


@dataclass(frozen=True)
class Row:
    """One run of the table."""

    trained: Trained
    slots: set[str]
    average: bool

    @property
    def last(self) -> str:
        return str(self.trained.run.manager.latest_checkpoint)


@pytest.fixture(
    scope="module",
    params=[(name, average) for name in OPTIMIZERS for average in (False, True)],
    ids=lambda row: f"{row[0]}{', averages' if row[1] else ''}",
)
def row(request: pytest.FixtureRequest, tiny: Tiny) -> Row:
    name, average = request.param
    text, slots = OPTIMIZERS[name]
    config = tiny.config(f"{name}-{average}", optimizer=text, average=average)
    trained = train_tiny(config, tiny.root / f"run-{name}-{average}")
    return Row(trained, slots, average)


def slots_of(prefix: Path | str) -> dict[str, set[str]]:
    """Returns the slots of each variable in a checkpoint but its average, by object path.

    Where the weights are averaged, those of the optimizer inside are below it, under a name that
    differs between versions of ``official``.
    """
    found: dict[str, set[str]] = {}
    for key in variables_of(prefix):
        path, _, slot = key.partition("/.OPTIMIZER_SLOT/optimizer/")
        if slot and slot != "average":
            found.setdefault(path, set()).add(slot.rpartition("/")[2])
    return found


def paths(model_dir: Path, state: str) -> set[str]:
    return {one.object_path for one in read_record(model_dir).variables if one.state == state}


def test_frozen_values_stand_still_and_the_others_learn(row: Row) -> None:
    found = row.trained.verification
    assert found.reasons == ()
    assert (found.frozen.variables, found.held.variables) == (6, 4)
    assert len(found.frozen.unchanged) == 6
    assert len(found.trainable.changed) >= found.trainable.variables - 2  # of 14; two may get 0.0


def test_only_what_learns_has_slots(row: Row) -> None:
    learning = paths(row.trained.model_dir, "trainable")
    assert slots_of(row.last) == dict.fromkeys(learning, row.slots)


def test_averages_of_the_frozen_are_their_values_at_start_and_end(row: Row) -> None:
    for prefix in (row.trained.model_dir / "ckpt-0", row.last):
        with Checkpoint.open(prefix) as checkpoint:
            frozen = paths(row.trained.model_dir, "frozen")
            still = [one for one in checkpoint.variables if one.object_path in frozen]
            found = check_averages(checkpoint, still)
        if not row.average:
            assert found is None
            continue
        assert found is not None
        assert (found.variables, found.differing, found.missing) == (6, (), ())


def test_averages_of_what_learns_follow_it(row: Row) -> None:
    if not row.average:
        return
    values = variables_of(row.last)
    for path in paths(row.trained.model_dir, "trainable"):
        average, value = values[path + AVERAGE_SLOT], values[path]
        assert average.shape == value.shape
        assert not value.any() or (average != value).any()


# --- what stock does, and what its evaluation makes of it ----------------------------------------


@pytest.fixture(scope="module")
def stock(tiny: Tiny) -> Path:
    """Three steps of stock, with averages; nothing is frozen, since stock freezes nothing."""
    config = tiny.config("stock", average=True)
    return train_stock(config, tiny.root / "run-stock")


def test_stock_begins_averages_at_zero_and_not_at_what_was_restored(stock: Path) -> None:
    first = variables_of(stock.with_name("ckpt-1"))  # of step 0
    averages = [value for key, value in first.items() if key.endswith(AVERAGE_SLOT)]
    assert len(averages) == 20
    assert not any(average.any() for average in averages)


def test_stock_keeps_no_average_of_a_statistic(stock: Path) -> None:
    assert not [key for key in variables_of(stock) if "moving_" in key and "average" in key]


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a function that gives the values which stock's evaluation runs, by object path."""
    from odfreeze.training.live import live_variables
    from tests.training.tiny import register

    tf = register()
    from object_detection import model_lib_v2

    def evaluate(config: Path, model_dir: Path) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def loop(model: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
            seen.update({v.record.object_path: v.value.numpy() for v in live_variables(model)})
            return {}

        monkeypatch.setattr(model_lib_v2, "eager_eval_loop", loop)
        tf.keras.backend.clear_session()
        # Without a strategy stock breaks off, as the test below has it.
        with eagerly(True), tf.distribute.OneDeviceStrategy("/cpu:0").scope():
            model_lib_v2.eval_continuously(
                pipeline_config_path=str(config),
                model_dir=str(model_dir),
                checkpoint_dir=str(model_dir),
                wait_interval=0,
                timeout=1,
            )
        return seen

    return evaluate


def test_evaluation_with_averages_runs_the_frozen_values(tiny: Tiny, evaluated: Any) -> None:
    config = tiny.config("evaluated", average=True)
    trained = train_tiny(config, tiny.root / "run-evaluated")
    saved = variables_of(trained.run.manager.latest_checkpoint)
    seen = evaluated(config, trained.model_dir)
    frozen, learning = (paths(trained.model_dir, state) for state in ("frozen", "trainable"))
    assert {path for path in frozen if seen[path].tobytes() != saved[path].tobytes()} == set()
    average = "model/_box_predictor/_head_scope_conv_layers/BoxPredictionTower/0/kernel"
    assert average in learning
    assert seen[average] == pytest.approx(saved[average + AVERAGE_SLOT], abs=1e-6)


def test_stock_evaluates_averages_under_a_strategy_only(tiny: Tiny, stock: Path) -> None:
    """So not from ``model_main_tf2``, which evaluates without one (model_main_tf2.py:81)."""
    from object_detection import model_lib_v2

    with eagerly(True), pytest.raises(ValueError, match="Swapping weights must") as caught:
        model_lib_v2.eval_continuously(
            pipeline_config_path=str(tiny.config("stock", average=True)),
            model_dir=str(stock.parent),
            checkpoint_dir=str(stock.parent),
            wait_interval=0,
            timeout=1,
        )
    assert f"ValueError: {caught.value}" in read_page("ODF508").text


def test_of_stock_it_runs_what_came_close(tiny: Tiny, stock: Path, evaluated: Any) -> None:
    values = variables_of(stock)
    seen = evaluated(tiny.config("stock", average=True), stock.parent)
    kernel = "model/_feature_extractor/convolutions/0/0/kernel"
    assert (seen[kernel] != values[kernel]).mean() > 0.9


# --- what other runs left ------------------------------------------------------------------------


MORE = f"{BACKBONE}|/BoxPredictionTower/"
LESS = "/tiny_conv1/|/tiny_bn1/"


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What TensorFlow warns of values that a restore found no place for."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())
    logger = logging.getLogger("tensorflow")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def going_on(tiny: Tiny, name: str, optimizer: str, freeze: str, steps: int, average: bool) -> Path:
    config = tiny.config(f"{name}-{steps}", optimizer=optimizer, freeze=freeze, average=average)
    trained = train_tiny(config, tiny.root / name, steps, allow=("used_model_dir",))
    assert trained.event("selection")["resumed_at"] == (steps - 2 or None)
    assert trained.verification.reasons == ()
    return Path(trained.run.manager.latest_checkpoint)


@pytest.mark.parametrize(
    ("name", "average"), [("momentum", False), ("adam", True)], ids=["momentum", "adam, averages"]
)
def test_a_run_goes_on_with_more_frozen_and_then_with_less(
    tiny: Tiny, name: str, average: bool, warnings: list[str]
) -> None:
    text, slots = OPTIMIZERS[name]
    directory = f"run-on-{name}-{average}"
    first = going_on(tiny, directory, text, BACKBONE, 2, average)
    learned_then = set(slots_of(first))

    second = going_on(tiny, directory, text, MORE, 4, average)
    frozen = paths(second.parent, "frozen")
    assert len(learned_then & frozen) == 5  # they have slots in the first checkpoint
    assert slots_of(second) == dict.fromkeys(learned_then - frozen, slots)

    third = going_on(tiny, directory, text, LESS, 6, average)
    assert slots_of(third) == dict.fromkeys(paths(third.parent, "trainable"), slots)
    if average:
        assert verify(third.parent).averages is not None
    assert [text for text in warnings if "could not be found in the restored object" in text] == []


def test_slots_of_what_learned_go_on_and_others_begin_at_zero(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = going_on(tiny, "run-thawed", MOMENTUM, MORE, 2, average=False)
    gradients = watch_gradients(monkeypatch)
    config = tiny.config("run-thawed-3", freeze=BACKBONE)
    trained = train_tiny(config, first.parent, 3, allow=("used_model_dir",))
    before = variables_of(first)
    after = variables_of(trained.run.manager.latest_checkpoint)

    from odfreeze.training.live import live_variables

    slot = "/.OPTIMIZER_SLOT/optimizer/momentum"
    learning = [one for one in live_variables(trained.run.model) if id(one.value) in gradients]
    fresh = [one for one in learning if one.record.object_path + slot not in before]
    assert (len(learning), len(fresh)) == (14, 5)
    for one in learning:
        path = one.record.object_path + slot
        velocity = 0.9 * before.get(path, 0.0) - 0.1 * gradients[id(one.value)]
        assert after[path] == pytest.approx(velocity, rel=1e-4, abs=1e-7)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_run_killed_in_the_middle_resumes_with_slots_and_averages(tiny: Tiny) -> None:
    """Through the command line: processes of their own, steps as graphs."""
    model_dir = tiny.root / "killed-averages"
    config = tiny.config("killed-averages", optimizer=ADAM, average=True)
    python = write_python(tiny.root / "python-of-killed")
    command = (
        "train", f"--pipeline_config_path={config}", f"--model_dir={model_dir}", "--ignore=ODF1",
        "--checkpoint_every_n=100", "--num_train_steps=600",
    )  # fmt: skip

    parent = start(*command, python=python)
    for line in parent.stdout:
        if "saved" in line and "ckpt-100" in line:
            parent.send_signal(signal.SIGKILL)
            break
    parent.communicate()
    time.sleep(3)  # the child ends when its parent has

    again = start(*command, python=python)
    out, err = again.communicate()
    assert (again.returncode, err) == (0, "")
    assert re.search(r"resuming at step [1-5]00\b", out)  # it may have saved once more
    found = verify(model_dir)
    assert found.ok
    assert found.averages is not None
    assert (found.averages.variables, found.averages.differing) == (6, ())
    values = variables_of(model_dir / "ckpt-600")
    assert [int(value) for key, value in values.items() if key.endswith("/iter")] == [600]
    assert set(slots_of(model_dir / "ckpt-600")) == paths(model_dir, "trainable")
    log = (model_dir / "odfreeze" / "train.log").read_text(encoding="utf-8")
    assert "could not be found in the restored object" not in log

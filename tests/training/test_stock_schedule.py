"""What stock does with the faults of ODF4xx: what the pages of check say, and quote."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.pages import read_page
from odfreeze.check.schedule.unread import UNREAD
from odfreeze.pipeline import PipelineConfig
from odfreeze.schema import message_descriptor
from odfreeze.training import compat
from tests.check.planted import CONFIGS, SSD

pytestmark = pytest.mark.train

COSINE = (
    "cosine_decay_learning_rate { learning_rate_base: 0.1 total_steps: %d "
    "warmup_learning_rate: %g warmup_steps: %d hold_base_rate_steps: %d }"
)
MANUAL = "manual_step_learning_rate { initial_learning_rate: 0.1 %s }"


@pytest.fixture(scope="module")
def tf() -> Any:
    compat.prepare()
    import tensorflow

    return tensorflow


def build(tf: Any, text: str) -> tuple[Any, Any, Any]:
    """The optimizer of a text, its learning rate, and the step that this hangs on."""
    from google.protobuf import text_format
    from object_detection.builders import optimizer_builder
    from object_detection.protos import optimizer_pb2

    message = optimizer_pb2.Optimizer()
    text_format.Merge(text, message)
    step = tf.Variable(0, dtype=tf.int64)
    optimizer, (rate,) = optimizer_builder.build(message, global_step=step)
    return optimizer, rate, step


def rates(tf: Any, schedule: str, *steps: int) -> list[float]:
    """The rate that a schedule has at some steps."""
    text = f"momentum_optimizer {{ learning_rate {{ {schedule} }} }} use_moving_average: false"
    _, rate, step = build(tf, text)
    found = []
    for at in steps:
        step.assign(at)
        found.append(float(rate() if callable(rate) else rate))
    return found


# --- steps: the real loop over a model of one variable --------------------------------


@pytest.fixture
def train(tf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the training loop and returns how many steps were taken."""
    from object_detection import model_lib_v2

    model = tf.Module()
    model.kernel = tf.Variable(0)

    def step(*_: Any, **__: Any) -> dict[str, Any]:
        model.kernel.assign_add(1)
        return {"loss": tf.constant(0.0)}

    data = tf.data.Dataset.from_tensors(({"image": 0.0}, {}))
    built = {**model_lib_v2.MODEL_BUILD_UTIL_MAP, "detection_model_fn_base": lambda **_: model}
    monkeypatch.setattr(model_lib_v2, "MODEL_BUILD_UTIL_MAP", built)
    monkeypatch.setattr(model_lib_v2.inputs, "train_input", lambda **_: data)
    monkeypatch.setattr(model_lib_v2, "eager_train_step", step)

    def run(num_steps: int, **options: Any) -> int:
        config = PipelineConfig.read(CONFIGS / SSD).without("train_config.fine_tune_checkpoint")
        file = tmp_path / SSD
        file.write_bytes(config.with_value("train_config.num_steps", num_steps).data)
        model_lib_v2.train_loop(str(file), str(tmp_path), record_summaries=False, **options)
        return int(model.kernel)

    return run


def test_no_steps(train: Callable[..., int]) -> None:
    """ODF401."""
    with pytest.raises(TypeError) as caught:
        train(0)
    assert f"TypeError: {caught.value}" in read_page("ODF401").text


def test_no_steps_by_the_flag(train: Callable[..., int]) -> None:
    """ODF401: silent."""
    assert train(500, train_steps=0) == 0


def test_whole_blocks(train: Callable[..., int]) -> None:
    """ODF402."""
    assert train(250) == 300


@pytest.mark.parametrize(
    ("num_steps", "every", "last"),
    [(500, 1000, 0), (500, 200, 400), (400, 200, 400), (500, 150, 400), (250, 300, 300)],
)
def test_what_is_saved(
    tf: Any, train: Callable[..., int], tmp_path: Path, num_steps: int, every: int, last: int
) -> None:
    """ODF403: a short run keeps what was there before its first step."""
    train(num_steps, checkpoint_every_n=every)
    latest = tf.train.latest_checkpoint(str(tmp_path))
    assert int(tf.train.load_variable(latest, "step/.ATTRIBUTES/VARIABLE_VALUE")) == last


def test_a_batch_that_cannot_be_shared(tf: Any) -> None:
    """ODF411."""
    with pytest.raises(ValueError, match="not divisible") as caught:
        tf.distribute.InputContext(1, 0, 4).get_per_replica_batch_size(6)
    assert f"ValueError: {caught.value}".strip() in read_page("ODF411").text


# --- the optimizer ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "use_moving_average: true", "adam_optimizer { }", "adam_optimizer { learning_rate { } }"],
)
def test_no_optimizer_and_no_schedule(tf: Any, text: str) -> None:
    """ODF412."""
    with pytest.raises(ValueError, match="not supported") as caught:
        build(tf, text)
    assert f"ValueError: {caught.value}" in read_page("ODF412").text


@pytest.mark.parametrize(("at", "part"), [(0, 1.0), (100, 1 / 91)])
def test_the_decay_of_rms_prop_is_that_of_the_learning_rate(tf: Any, at: int, part: float) -> None:
    """ODF409: what is told of step 100, and that the discount is 0.9 whatever decay is."""
    rate = "learning_rate { constant_learning_rate { learning_rate: 0.1 } }"

    def change(decay: str) -> float:
        text = f"rms_prop_optimizer {{ {rate} {decay} }} use_moving_average: false"
        optimizer, _, _ = build(tf, text)
        assert optimizer.get_config()["rho"] == pytest.approx(0.9)
        optimizer.iterations.assign(at)
        variable = tf.Variable([1.0])
        optimizer.apply_gradients([(tf.constant([0.5]), variable)])
        return 1.0 - float(variable[0])

    assert change("decay: 0.9") == pytest.approx(change("decay: 0.0") * part, rel=1e-3)
    assert change("") == pytest.approx(change("decay: 0.9"))


def test_averages_are_kept_by_default(tf: Any) -> None:
    """ODF417."""
    optimizer, _, _ = build(
        tf, "adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } }"
    )
    assert hasattr(optimizer, "shadow_copy")
    from object_detection import exporter_lib_v2

    assert "moving_average" not in inspect.getsource(exporter_lib_v2)


# --- schedules -------------------------------------------------------------------------


def test_warm_up_above_the_total(tf: Any) -> None:
    """ODF404."""
    with pytest.raises(ValueError, match="warmup_steps") as caught:
        rates(tf, COSINE % (100, 0.01, 101, 0), 0)
    assert f"ValueError: {caught.value}" in read_page("ODF404").text


def test_the_base_rate_comes_with_the_end_of_the_warm_up(tf: Any) -> None:
    """ODF404: silent."""
    assert rates(tf, COSINE % (5000, 0.01, 1000, 0), 0, 500, 1000) == pytest.approx(
        [0.01, 0.055, 0.1]
    )


def test_warm_up_from_above(tf: Any) -> None:
    """ODF405."""
    with pytest.raises(ValueError, match="warmup_learning_rate") as caught:
        rates(tf, COSINE % (1000, 0.2, 100, 0), 0)
    assert f"ValueError: {caught.value}" in read_page("ODF405").text
    assert rates(tf, COSINE % (1000, 0.2, 0, 0), 0) == pytest.approx([0.1])


def test_a_burn_in_from_above_is_silent(tf: Any) -> None:
    """ODF405."""
    text = (
        "exponential_decay_learning_rate { initial_learning_rate: 0.1 decay_steps: 100 "
        "burnin_learning_rate: 0.5 burnin_steps: 50 }"
    )
    assert rates(tf, text, 0, 49, 50) == pytest.approx([0.5, 0.5, 0.1])


@pytest.mark.parametrize(
    ("schedule", "at"),
    [
        (COSINE % (100, 0.01, 100, 0), 100),
        (COSINE % (0, 0.01, 0, 0), 0),
        ("exponential_decay_learning_rate { initial_learning_rate: 0.1 decay_steps: 0 }", 0),
    ],
    ids=["cosine", "cosine-of-nothing", "exponential"],
)
def test_rates_that_are_no_numbers(tf: Any, schedule: str, at: int) -> None:
    """ODF406: in that step alone, which is enough."""
    found = rates(tf, schedule, *range(at + 1))
    assert [math.isnan(rate) for rate in found] == [False] * at + [True]


@pytest.mark.parametrize("hold", [900, 950])
def test_a_hold_to_the_end(tf: Any, hold: int) -> None:
    """ODF415: and no rate that is no number, for ODF406."""
    found = rates(tf, COSINE % (1000, 0.01, 100, hold), *range(100, 1002, 100), 1001)
    assert found == pytest.approx([0.1] * 10 + [0.0])


def test_beyond_the_total_there_is_no_rate(tf: Any) -> None:
    """ODF407."""
    found = rates(tf, COSINE % (1000, 0.01, 100, 0), 999, 1000, 1001, 5000)
    assert found[0] > 0
    assert found[1:] == pytest.approx([0.0] * 3)


def test_far_below_the_total_the_rate_stays_high(tf: Any) -> None:
    """ODF408: 99.9 % in the specification of the rule."""
    (rate,) = rates(tf, COSINE % (50000, 0.01, 100, 0), 1000)
    assert rate / 0.1 == pytest.approx(0.999, abs=5e-4)


def test_default_rate(tf: Any) -> None:
    """ODF413."""
    assert rates(tf, "constant_learning_rate { }", 0) == pytest.approx([0.002])


@pytest.mark.parametrize(
    "schedule",
    ["", "schedule { step: 9 } schedule { step: 5 }", "schedule { step: 9 } schedule { step: 9 }",
     "schedule { learning_rate: 0.1 }"],
    ids=["none", "falling", "twice", "zero"],
)  # fmt: skip
def test_steps_that_do_not_rise(tf: Any, schedule: str) -> None:
    """ODF414."""
    with pytest.raises(ValueError) as caught:
        rates(tf, MANUAL % schedule, 0)
    assert f"ValueError: {caught.value}" in read_page("ODF414").text


# --- fields that nobody reads ----------------------------------------------------------


@pytest.fixture(scope="module")
def sources(tf: Any) -> str:
    """What reads configs under TF2; the legacy Estimator's model_lib is not part of it."""
    from object_detection import eval_util, inputs, model_lib_v2
    from object_detection.builders import dataset_builder, decoder_builder, optimizer_builder
    from object_detection.utils import config_util

    modules = (
        eval_util, inputs, model_lib_v2, dataset_builder, decoder_builder, optimizer_builder,
        config_util,
    )  # fmt: skip
    return "\n".join(map(inspect.getsource, modules))


@pytest.mark.parametrize(
    ("path", "message"), [("train_config", "TrainConfig"), ("eval_config", "EvalConfig")]
)
def test_every_field_is_read_or_in_the_table(sources: str, path: str, message: str) -> None:
    """ODF410. ``_update_…`` of config_util writes fields, by options that no program has."""
    described = message_descriptor(f"object_detection.protos.{message}").fields
    names = {field.name for field in described} & installed_fields(message)
    patterns = {"freeze_variables", "update_trainable_variables"}  # read by no one: ODF219
    # One access is broken over two lines; what is only assigned to is not read.
    read = {name for name in names if re.search(rf"{path}\s*\.{name}\b(?! = )", sources)}
    assert names - read - patterns == set(UNREAD[path])


def installed_fields(message: str) -> set[str]:
    """Fields of the OD API as it is installed: the schema has some of later heads too."""
    from object_detection.protos import eval_pb2, train_pb2

    module = train_pb2 if hasattr(train_pb2, message) else eval_pb2
    return set(getattr(module, message).DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("name", ["queue_capacity", "min_after_dequeue", "prefetch_size"])
def test_fields_of_the_reader_that_nobody_reads(sources: str, name: str) -> None:
    """ODF410."""
    assert name not in sources


def test_fields_of_the_reader_that_are_handed_on_in_vain(sources: str) -> None:
    """ODF410."""
    from object_detection.data_decoders import tf_example_decoder

    assert "del use_display_name" in inspect.getsource(tf_example_decoder)
    assert "use_keypoint_label_map" not in sources


def test_bfloat16_is_for_a_tpu(train: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    """ODF410: train_loop overwrites the field by whether there is a TPU."""
    from object_detection import model_lib_v2

    seen: list[bool] = []
    taken = model_lib_v2.inputs.train_input

    def train_input(train_config: Any, **others: Any) -> Any:
        seen.append(train_config.use_bfloat16)
        return taken(**others)

    monkeypatch.setattr(model_lib_v2.inputs, "train_input", train_input)
    train(100, config_override="train_config { use_bfloat16: true }")
    assert seen == [False]


def test_a_batch_norm_is_built_without_its_train(tf: Any) -> None:
    """ODF416."""
    from google.protobuf import text_format
    from object_detection.builders import hyperparams_builder
    from object_detection.protos import hyperparams_pb2

    message = hyperparams_pb2.Hyperparams()
    text_format.Merge(
        "batch_norm { train: false } regularizer { l2_regularizer { } } "
        "initializer { random_normal_initializer { } }",
        message,
    )
    params = hyperparams_builder.KerasLayerHyperparams(message)
    assert set(params.batch_norm_params()) == {"momentum", "center", "scale", "epsilon"}
    assert params.build_batch_norm().trainable


def test_nobody_quantizes(sources: str) -> None:
    """ODF418: config_util carries it about."""
    from object_detection import model_lib_v2

    assert "graph_rewriter" not in inspect.getsource(model_lib_v2)

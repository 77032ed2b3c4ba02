"""The numbers of what a run will train: by group, and of each optimizer that the OD API builds."""

from __future__ import annotations

import pytest

from odfreeze.pipeline import PipelineConfig
from odfreeze.rates import rate_selection
from odfreeze.selection import Pattern, select
from odfreeze.stages.conduct import Rate
from odfreeze.training.carry import Carried
from odfreeze.training.summary import optimizer_slots, summarize
from tests.support.tiny_detector import variables

MOMENTUM = "momentum_optimizer { learning_rate { R } momentum_optimizer_value: V }"
RMS_PROP = "rms_prop_optimizer { learning_rate { R } momentum_optimizer_value: V }"
ADAM = "adam_optimizer { learning_rate { R } }"
RATE = "constant_learning_rate { learning_rate: 0.1 }"


class Momentum:
    """An optimizer that keeps one value for each variable."""

    momentum = 0.9


def test_each_group_tells_what_learns_of_it() -> None:
    config = PipelineConfig.parse(b'train_config { freeze_variables: "^Conv1|^bn_Conv1" }')
    selection = select(variables(), config.patterns())
    summary = summarize(rate_selection(selection, ()), Momentum(), 0.5)
    totals = selection.totals()
    for state in ("trainable", "frozen", "updating", "held"):
        assert sum(row[state] for row in summary["groups"]) == totals[state].variables
        assert summary["totals"][state]["bytes"] == totals[state].bytes
    learns = sum(row["trainable_parameters"] for row in summary["groups"])
    assert learns == totals["trainable"].parameters
    assert sum(row["parameters"] for row in summary["groups"]) == (
        learns + totals["frozen"].parameters
    )
    parts = [row["part"] for row in summary["groups"]]
    assert parts == sorted(parts, key=["backbone", "neck", "head", "other"].index)
    assert summary["optimizer"] == {
        "name": "Momentum",
        "slots": 1,
        "bytes": totals["trainable"].bytes,
        "saved_bytes": totals["frozen"].bytes,
    }
    assert summary["frozen_regularization"] == 0.5
    assert (summary["rates"], summary["carried"]) == ([], None)


def test_each_group_tells_the_rates_of_what_learns_of_it() -> None:
    selection = select(variables(), [Pattern("freeze_variables", "^Conv1")])
    rates = [Rate("^Conv1|^bn_Conv1", 0.1), Rate("BoxHead", 2.0)]
    carried = Carried("a/ckpt-1", 2, 4, {"b": 1})
    summary = summarize(rate_selection(selection, rates), Momentum(), carried=carried)
    found = {row["name"]: row["rate_scales"] for row in summary["groups"]}
    assert found["backbone/1"] == [0.1]
    assert found["head/box"] == [2.0]
    assert found["head"] == [1.0]
    assert summary["rates"] == [
        {"pattern": "^Conv1|^bn_Conv1", "scale": 0.1, "variables": 2},
        {"pattern": "BoxHead", "scale": 2.0, "variables": 2},
    ]
    assert summary["carried"] == {"checkpoint": "a/ckpt-1", "variables": 2, "slots": 4, "note": ""}


@pytest.mark.train
@pytest.mark.parametrize("average", (False, True), ids=("", "averaged"))
@pytest.mark.parametrize(
    "text",
    (
        MOMENTUM.replace("V", "0.9"),
        MOMENTUM.replace("V", "0.0"),
        RMS_PROP.replace("V", "0.9"),
        RMS_PROP.replace("V", "0.0"),
        ADAM,
    ),
    ids=("momentum", "plain", "RMSProp with momentum", "RMSProp", "Adam"),
)
def test_the_slots_are_those_that_the_optimizer_makes(text: str, average: bool) -> None:
    from odfreeze.training import compat

    compat.prepare()
    import tensorflow as tf
    from google.protobuf import text_format
    from object_detection.builders import optimizer_builder
    from object_detection.protos import optimizer_pb2

    config = optimizer_pb2.Optimizer()
    text_format.Merge(text.replace("R }", RATE + " }"), config)
    config.use_moving_average = False
    plain, _ = optimizer_builder.build(config, global_step=tf.Variable(0, dtype=tf.int64))
    config.use_moving_average = average
    asked, _ = optimizer_builder.build(config, global_step=tf.Variable(0, dtype=tf.int64))
    value = tf.Variable([1.0, 2.0])
    plain.apply_gradients([(tf.constant([1.0, 1.0]), value)])
    made = [one for one in plain.variables() if one.shape == value.shape]
    assert optimizer_slots(asked) == len(made)

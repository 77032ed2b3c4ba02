"""What is said of fields that nobody reads under TF2."""

from __future__ import annotations

import pytest

from odfreeze.check.schedule import unread
from odfreeze.schema import field_at
from tests.check.planted import said, subject_of

TF1 = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v1" } } }'
FIELDS = [f"{message}.{name}" for message, names in unread.UNREAD.items() for name in names]


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_of_the_table_is_in_the_schema(path: str) -> None:
    assert field_at(path).name == path.rpartition(".")[2]


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_of_the_table_is_told(path: str) -> None:
    message, _, name = path.rpartition(".")
    text = f"{message} {{\n  {name}: 1\n}}\n"
    (finding,) = unread.unread_field(subject_of(text))
    assert (finding.code, finding.severity) == ("ODF410", "info")
    assert (finding.place.line, finding.place.column) == (2, 3)
    assert finding.message.startswith(f"{path} is read by nobody under TF2: ")
    assert list(unread.unread_field(subject_of(text + TF1))) == []


def test_the_whole_of_a_message() -> None:
    text = "train_config {\n  sync_replicas: true\n  batch_size: 4\n  startup_delay_steps: 0\n}"
    assert said(unread.unread_field(subject_of(text))) == [
        "ODF410 info 2: train_config.sync_replicas is read by nobody under TF2: replicas are "
        "always in step with one another",
        "ODF410 info 4: train_config.startup_delay_steps is read by nobody under TF2: replicas "
        "are always in step with one another",
    ]


def test_bfloat16_is_read_on_a_tpu() -> None:
    text = "train_config {\n  use_bfloat16: true\n}"
    assert said(unread.unread_field(subject_of(text))) == [
        "ODF410 info 2: train_config.use_bfloat16 is read on a TPU only: elsewhere all is "
        "computed in float32"
    ]
    assert said(unread.unread_field(subject_of(text, use_tpu=True))) == []
    assert said(unread.unread_field(subject_of(text.replace("true", "false")))) == []


def test_quantization_ignored() -> None:
    text = "graph_rewriter {\n  quantization { delay: 48000 }\n}\n"
    assert said(unread.quantization_ignored(subject_of(text))) == [
        "ODF418 warning 1: graph_rewriter is read by nobody under TF2: the model is not trained "
        "for quantization; take graph_rewriter out, and quantize after training (TFLite)"
    ]
    assert said(unread.quantization_ignored(subject_of(text + TF1))) == []
    assert said(unread.quantization_ignored(subject_of("graph_rewriter { }"))) == []


def batch_norm(train: str, field: str = "batch_norm") -> str:
    inner = f"conv_hyperparams {{ {field} {{\n{train} }} }}"
    return f"model {{ ssd {{ feature_extractor {{ {inner} }} }} }}"


@pytest.mark.parametrize("field", ["batch_norm", "sync_batch_norm"])
@pytest.mark.parametrize("value", ["false", "False", "f", "0"])
def test_a_batch_norm_that_trains_anyway(field: str, value: str) -> None:
    text = batch_norm(f"train: {value}", field)
    assert said(unread.batch_norm_trains_anyway(subject_of(text))) == [
        "ODF416 warning 2: train: false of a batch norm is read by nobody under TF2: it goes on "
        "learning; write freeze_batchnorm: true (ssd), batch_norm_trainable: false (the extractor "
        "of faster_rcnn), or freeze its variables"
    ]


@pytest.mark.parametrize(
    "text",
    [
        batch_norm("train: true"),
        batch_norm("decay: 0.9"),
        batch_norm("train: false", "batch_norms"),
        batch_norm("train: 'no'"),
        batch_norm("train { }"),
        batch_norm("train: []"),
        batch_norm("train: false") + "model { ssd { freeze_batchnorm: true } }",
        batch_norm("train: false") + TF1,
        "train_config { batch_norm { train: false } }",
    ],
    ids=["true", "not-written", "another-field", "text", "message", "list", "held", "TF1",
         "elsewhere"],
)  # fmt: skip
def test_a_batch_norm_of_which_nothing_is_said(text: str) -> None:
    assert said(unread.batch_norm_trains_anyway(subject_of(text))) == []

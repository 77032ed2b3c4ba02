"""Rules about what a pipeline.config must have: its blocks, and a choice in each of them."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.architecture import TF2_EXTRACTORS, tf2_counterpart
from odfreeze.check.case import shortened
from odfreeze.check.subject import Subject, is_placeholder
from odfreeze.check.text.strings import strings_of
from odfreeze.errors import Place, nearest
from odfreeze.findings import Finding, Severity
from odfreeze.schema import Record
from odfreeze.textproto import Message

__all__ = ["RULES"]

_REFUSED = "and the OD API refuses the config"

#: Top-level blocks without which no training starts.
_BLOCKS = ("model", "train_config", "train_input_reader")

#: Fields that the builders need, by message (builders/model_builder.py, losses_builder.py:207-270,
#: optimizer_builder.py:81,211, dataset_builder.py:264).
_NEEDED: dict[str, tuple[str, ...]] = {
    "Ssd": (
        "num_classes", "image_resizer", "feature_extractor", "box_coder", "matcher",
        "similarity_calculator", "box_predictor", "anchor_generator", "loss",
    ),
    "FasterRcnn": (
        "num_classes", "image_resizer", "feature_extractor", "first_stage_anchor_generator",
        "second_stage_box_predictor",
    ),
    "CenterNet": ("num_classes", "image_resizer", "feature_extractor"),
    "SsdFeatureExtractor": ("type",),
    "FasterRcnnFeatureExtractor": ("type",),
    "CenterNetFeatureExtractor": ("type",),
    "Loss": ("classification_loss", "localization_loss"),
    "TrainConfig": ("optimizer",),
    "MomentumOptimizer": ("learning_rate",),
    "RMSPropOptimizer": ("learning_rate",),
    "AdamOptimizer": ("learning_rate",),
}  # fmt: skip

#: Messages of which a member must be set, each with one that is often right.
_CHOICES = {
    "ImageResizer": "fixed_shape_resizer { height: 320 width: 320 }",
    "BoxPredictor": "convolutional_box_predictor { … }",
    "AnchorGenerator": "ssd_anchor_generator { … }",
    "BoxCoder": "faster_rcnn_box_coder { … }",
    "RegionSimilarityCalculator": "iou_similarity { }",
    "Matcher": "argmax_matcher { … }",
    "ClassificationLoss": "weighted_sigmoid_focal { … }",
    "LocalizationLoss": "weighted_smooth_l1 { }",
    "Optimizer": "momentum_optimizer { … }",
    "LearningRate": "cosine_decay_learning_rate { … }",
    "InputReader": 'tf_record_input_reader { input_path: "…" }',
    "PreprocessingStep": "random_horizontal_flip { }",
    "DetectionModel": "ssd { … }",
}


#: What to do about a field that is still to be filled in.
_HINTS = {
    "fine_tune_checkpoint": (
        "write the checkpoint's prefix (…/checkpoint/ckpt-0), or remove the field to start from "
        "random weights"
    ),
    "label_map_path": "write the path of the label map (.pbtxt)",
    "input_path": "write the path of the TFRecord files",
}


def no_pipeline_config(subject: Subject) -> Iterator[Finding]:
    """ODF110: a file that is no pipeline.config, or lacks one of its blocks."""
    fields = subject.config.document.root.fields
    if subject.is_foreign:
        names = {field.name for field in fields}
        place = fields[0].place if fields else None
        yield Finding("ODF110", "error", _foreign(names), place)
        return
    elsewhere = {f.path.rpartition(".")[2] for f in subject.faults if f.kind == "unknown_field"}
    lacking = [one for one in _BLOCKS if one not in subject.record and one not in elsewhere]
    if lacking:
        message = f"the config has no {_listed(lacking)}, without which no training starts"
        yield Finding("ODF110", "error", f"{message}; add it", fields[0].place)


def nothing_chosen(subject: Subject) -> Iterator[Finding]:
    """ODF106: a field or a choice is missing that the OD API's builders need."""
    if subject.is_foreign or subject.is_tf1:
        return
    unsure = {id(fault.above[-1][0]) for fault in subject.faults if fault.kind != "duplicate"}
    for path, record in _records(subject.record, ""):
        if id(record.node) in unsure:
            continue  # what is at fault there may be what is missing
        place = _place(subject, path, record)
        lacking = [name for name in _needed(record) if name not in record]
        if lacking:
            message = f"{path} has no {_listed(lacking)}, {_REFUSED}; add it"
            if lacking == ["num_classes"]:
                message = f"{path} has no num_classes, so that nothing can be detected; add it"
            yield Finding("ODF106", "error", message, place)
        example = _CHOICES.get(record.descriptor.name)
        if example and not any(m in record for o in record.descriptor.oneofs for m in _names(o)):
            message = f"{path} does not say which one, {_REFUSED}; write for example {example}"
            yield Finding("ODF106", "error", message, place)


def placeholder(subject: Subject) -> Iterator[Finding]:
    """ODF109: a path that is still to be filled in."""
    if subject.is_foreign or subject.is_tf1:
        return
    for path, value in strings_of(subject):
        if not is_placeholder(value.text[1:]):
            continue
        hint = _HINTS.get(path.rpartition(".")[2], "write the path of the file that is meant")
        message = f"{path} is still to be filled in: {shortened(value.text)}; {hint}"
        # Training reads no evaluation data; evaluation stops with the same error.
        severity: Severity = "warning" if path.startswith("eval_") else "error"
        yield Finding("ODF109", severity, message, value.place)


def only_in_tf1(subject: Subject) -> Iterator[Finding]:
    """ODF112: a model that only TF1 can build."""
    kind = subject.extractor_type
    path = f"model.{subject.meta_architecture}.feature_extractor.type"
    if subject.is_tf1 and kind is not None:
        other = tf2_counterpart(kind)
        hint = f" (TF2 has this network as {other!r}, with other variables)" if other else ""
        message = (
            f"the feature extractor {kind!r} exists only in TF1, and TF2 refuses the config; start "
            f"from a config and a checkpoint of the TF2 model zoo{hint}"
        )
        yield Finding("ODF112", "error", message, subject.place(path))
    elif (matcher := subject.place("model.ssd.matcher.bipartite_matcher")) is not None:
        message = (
            "bipartite_matcher exists only in TF1, and TF2 refuses the config; write "
            "argmax_matcher { … }"
        )
        yield Finding("ODF112", "error", message, matcher)


def unknown_extractor(subject: Subject) -> Iterator[Finding]:
    """ODF113: a feature extractor type that does not exist, or not for this meta-architecture."""
    kind, model = subject.extractor_type, subject.meta_architecture
    if not kind or subject.is_tf1 or model not in TF2_EXTRACTORS or kind in TF2_EXTRACTORS[model]:
        return
    path = f"model.{model}.feature_extractor.type"
    owner = next((one for one, kinds in TF2_EXTRACTORS.items() if kind in kinds), None)
    if owner is not None:
        message = f"{kind!r} is a feature extractor of {owner}, not of {model}, {_REFUSED}"
        yield Finding("ODF113", "error", f"{message}; write one of {model}", subject.place(path))
        return
    near = nearest(kind, TF2_EXTRACTORS[model])
    hint = f"did you mean {near!r}?" if near else f"it has {', '.join(TF2_EXTRACTORS[model])}"
    message = f"{model} has no feature extractor {kind!r}, {_REFUSED}; {hint}"
    yield Finding("ODF113", "error", message, subject.place(path))


RULES = (
    no_pipeline_config,
    nothing_chosen,
    placeholder,
    only_in_tf1,
    unknown_extractor,
)


def _needed(record: Record) -> tuple[str, ...]:
    """Returns the fields that a message must have."""
    needed = _NEEDED.get(record.descriptor.name, ())
    is_first_stage = record.descriptor.name == "FasterRcnn" and record.get("number_of_stages") == 1
    return needed[:-1] if is_first_stage else needed


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _foreign(names: set[str]) -> str:
    if not names:
        return "the file is empty: it holds no model, train_config and train_input_reader"
    if "item" in names:
        return (
            "this is a label map and no pipeline.config; check the config whose label_map_path "
            "names it"
        )
    if names & {"base_config", "stage"}:
        return "this is an odfreeze plan and no pipeline.config; `odfreeze stage` reads it"
    shown = ", ".join(sorted(names)[:4])
    return (
        f"this is no pipeline.config: it has {shown}, and neither model nor train_config; check "
        "the file's name"
    )


def _records(record: Record, path: str) -> Iterator[tuple[str, Record]]:
    """Yields the messages below a record with their paths."""
    for name, values in record.fields.items():
        inner = f"{path}.{name}" if path else name
        for index, value in enumerate(values):
            if isinstance(value.plain, Record):
                here = f"{inner}[{index}]" if len(values) > 1 else inner
                yield here, value.plain
                yield from _records(value.plain, here)


def _names(oneof: object) -> list[str]:
    return [field.name for field in oneof.fields]  # type: ignore[attr-defined]


def _place(subject: Subject, path: str, record: Record) -> Place:
    """Returns where the name of a message's field stands, else where the message begins."""
    found = subject.occurrence(path)
    return found.field.place if found and isinstance(found.value, Message) else record.place

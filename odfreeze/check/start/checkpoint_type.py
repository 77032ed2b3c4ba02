"""Rules about ``fine_tune_checkpoint_type`` and what stands beside it.

Which types a model takes is decided by ``restore_from_objects`` of its meta architecture
(meta_architectures/ssd_meta_arch.py:1324, faster_rcnn_meta_arch.py:2887,
center_net_meta_arch.py:4823; DeepMAC derives from CenterNet, Context R-CNN from Faster R-CNN).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from odfreeze import textproto
from odfreeze.check.start.starting import FIELD, is_of_saved_model, written_path
from odfreeze.check.subject import Subject
from odfreeze.errors import TextProtoError, suggest
from odfreeze.findings import Finding, Severity
from odfreeze.restore import BACKBONE_ROOT, CHECKPOINT_TYPES, MODEL_ROOT
from odfreeze.train_fields import kin_of

if TYPE_CHECKING:
    from odfreeze.textproto import Edit, Value

__all__ = ["RULES", "TYPE", "accepted_types", "roots", "type_in_effect"]

#: Where the type is written.
TYPE = "train_config.fine_tune_checkpoint_type"
_VERSION = "train_config.fine_tune_checkpoint_version"
_OLD_TYPE = "train_config.from_detection_checkpoint"
_LOAD_ALL = "train_config.load_all_detection_checkpoint_vars"
_DUMMY = "train_config.run_fine_tune_checkpoint_dummy_computation"
#: What a meta architecture is called.
_CALLED = {"ssd": "an SSD", "faster_rcnn": "a Faster R-CNN", "center_net": "a CenterNet"}
_COUNTER = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"


def accepted_types(meta_architecture: str | None, extractor: str | None) -> tuple[str, ...]:
    """Returns the values of ``fine_tune_checkpoint_type`` that a TF2 model takes.

    CenterNet's hourglass has no ``classification_backbone``
    (meta_architectures/center_net_meta_arch.py:146); for a meta architecture that is not
    known all types count as taken.

    >>> accepted_types("center_net", "hourglass_104")
    ('detection', 'full')
    """
    if meta_architecture == "center_net" and (extractor or "").startswith("hourglass"):
        return ("detection", "full")
    return CHECKPOINT_TYPES


def type_in_effect(subject: Subject) -> str | None:
    """Returns the type by which a checkpoint is restored; None where the model refuses it.

    What is written; else ``detection`` with ``from_detection_checkpoint``, else
    ``classification`` (utils/config_util.py:167-171).
    """
    kind = subject.text(TYPE) or ("detection" if subject.flag(_OLD_TYPE) else "classification")
    accepted = accepted_types(subject.meta_architecture, subject.extractor_type)
    return kind if kind in accepted else None


def roots(subject: Subject) -> frozenset[str]:
    """Returns what the checkpoint has at its root, such as ``model/``.

    Empty for a checkpoint of TF1 (ODF310), and for a SavedModel (ODF321).
    """
    found = subject.checkpoint
    if found is None or found.format == "name" or is_of_saved_model(found.path):
        return frozenset()
    return frozenset(key.partition("/")[0] + "/" for key in found.entries if "/" in key)


def checkpoint_of_tf1(subject: Subject) -> Iterator[Finding]:
    """ODF310: a checkpoint of TF1, keyed by names, for a model of TF2."""
    found = subject.checkpoint
    if written_path(subject) is None or found is None or found.format != "name":
        return
    message = (
        "fine_tune_checkpoint is a checkpoint of TF1, keyed by names, which the TF2 OD API "
        "refuses; download the TF2 model of the same architecture (its checkpoint is called "
        "checkpoint/ckpt-0)"
    )
    yield Finding("ODF310", "error", message, subject.place(FIELD))


def version_is_v1(subject: Subject) -> Iterator[Finding]:
    """ODF311: the version says V1, or nothing, which is V1 (train.proto, 28)."""
    if not _names_checkpoint(subject):
        return
    try:
        if subject.config.fine_tune_checkpoint_version != "V1":
            return
    except TextProtoError:
        return
    what = "is V1" if subject.has(_VERSION) else "is missing, and its default is V1"
    message = (
        f"fine_tune_checkpoint_version {what}, which the TF2 OD API refuses; write "
        "fine_tune_checkpoint_version: V2"
    )
    edits = _edits(subject, _VERSION, textproto.Identifier("V2"))
    yield Finding("ODF311", "error", message, subject.place(_VERSION, FIELD), edits)


def type_not_accepted(subject: Subject) -> Iterator[Finding]:
    """ODF312: a type that the model does not take."""
    if not _names_checkpoint(subject) or type_in_effect(subject) is not None:
        return
    kind = subject.text(TYPE) or "classification"
    meta, extractor = subject.meta_architecture, subject.extractor_type
    accepted = accepted_types(meta, extractor)
    who = _CALLED.get(meta or "", "it") + (f" with {extractor}" if len(accepted) < 3 else "")
    choice = " or ".join(f'"{one}"' for one in accepted)
    right: str | None = None
    if kind == "fine_tune" and meta == "center_net":
        right, why = "detection", 'was given up for CenterNet: "detection" does the same'
    elif kind.strip().lower() in accepted:
        right = kind.strip().lower()
        why = f'is none that {who} takes: write "{right}"'
    else:
        why = f"is none that {who} takes: {choice}{suggest(kind, accepted)}"
    written = "" if subject.text(TYPE) else ", which a missing type means,"
    message = f'fine_tune_checkpoint_type "{kind}"{written} {why}'
    edits = _edits(subject, TYPE, right) if right else ()
    yield Finding("ODF312", "error", message, subject.place(TYPE, FIELD), edits)


def type_missing(subject: Subject) -> Iterator[Finding]:
    """ODF313: no type, so that an older field or a default decides."""
    if not _names_checkpoint(subject) or subject.text(TYPE):
        return
    kind = type_in_effect(subject)
    if kind is None or _disagreement(subject, kind):
        return  # ODF312 and ODF314 say more
    if kind == "detection":
        message = (
            "fine_tune_checkpoint_type is missing; from_detection_checkpoint, which is "
            'deprecated, makes it "detection": write that'
        )
        edits = _edits(subject, TYPE, kind)
        yield Finding("ODF313", "info", message, subject.place(_OLD_TYPE), edits)
        return
    message = (
        'fine_tune_checkpoint_type is missing, which means "classification": the checkpoint of an '
        'image classifier. For that of a detector write "detection" (all but the heads) or "full"'
    )
    severity: Severity = "info" if BACKBONE_ROOT in roots(subject) else "warning"
    yield Finding("ODF313", severity, message, subject.place(FIELD))


def type_disagrees(subject: Subject) -> Iterator[Finding]:
    """ODF314: the checkpoint of a detector as that of a classifier, or the other way round."""
    kind = type_in_effect(subject)
    if written_path(subject) is None or kind is None:
        return
    problem = _disagreement(subject, kind)
    if not problem:
        return
    accepted = accepted_types(subject.meta_architecture, subject.extractor_type)
    right = "detection" if MODEL_ROOT in roots(subject) else "classification"
    edits: tuple[Edit, ...] = ()
    if right == kind:  # both are at the root, and that is refused
        cure = 'download the model again, or set "full"'
    elif right not in accepted:
        cure = f"{subject.extractor_type} takes none such: give the checkpoint of a detector"
    else:
        also = ' (all but the heads) or "full"' if right == "detection" else ""
        cure = f'set fine_tune_checkpoint_type: "{right}"{also}'
        edits = _edits(subject, TYPE, right)
    written = "" if subject.text(TYPE) else ", which a missing type means,"
    message = f'fine_tune_checkpoint_type "{kind}"{written} {problem}; {cure}'
    yield Finding("ODF314", "error", message, subject.place(TYPE, FIELD), edits)


def _disagreement(subject: Subject, kind: str) -> str:
    """Returns what a type asks for and what the checkpoint has in its place; "" if it is there."""
    there = roots(subject)
    if kind == "classification" and MODEL_ROOT in there and BACKBONE_ROOT not in there:
        return (
            f"asks for {BACKBONE_ROOT!r}, the network of a classifier, and the checkpoint is that "
            f"of a detector: it has {MODEL_ROOT!r}"
        )
    if kind == "detection" and BACKBONE_ROOT in there:
        return f"refuses a checkpoint with {BACKBONE_ROOT!r} at its root, as a classifier's has it"
    if kind == "full" and BACKBONE_ROOT in there and MODEL_ROOT not in there:
        return (
            f"asks for {MODEL_ROOT!r}, and the checkpoint is that of a classifier: it has "
            f"{BACKBONE_ROOT!r} alone"
        )
    return ""


def loads_all_variables(subject: Subject) -> Iterator[Finding]:
    """ODF317: a field of TF1 that the training loop of TF2 refuses (model_lib_v2.py:528)."""
    if subject.is_tf1 or not subject.flag(_LOAD_ALL):
        return
    message = (
        "load_all_detection_checkpoint_vars is refused by the TF2 training loop; remove it, and "
        'to restore the heads too write fine_tune_checkpoint_type: "full"'
    )
    is_meant = not subject.text(FIELD) or type_in_effect(subject) == "full"
    edits = textproto.remove_field(subject.config.document, _LOAD_ALL) if is_meant else ()
    yield Finding("ODF317", "error", message, subject.place(_LOAD_ALL), edits)


def mismatch_unnoticed(subject: Subject) -> Iterator[Finding]:
    """ODF318: the model is not built before the restore, so that nothing is missed in it."""
    if not _names_checkpoint(subject) or subject.flag(_DUMMY, default=True):
        return
    is_efficientnet = "efficientnet" in (subject.extractor_type or "")
    has_backbone = is_efficientnet or subject.meta_architecture == "center_net"
    if type_in_effect(subject) == "classification" and not has_backbone:
        message = (
            "run_fine_tune_checkpoint_dummy_computation: false restores before the model is "
            'built, when there is no backbone yet, which type "classification" asks for: the OD '
            "API stops; remove the field"
        )
        yield Finding("ODF318", "error", message, subject.place(_DUMMY))
        return
    message = (
        "run_fine_tune_checkpoint_dummy_computation: false restores before the model has "
        "variables, so that nobody notices those the checkpoint has no value for: they "
        "train from random numbers; remove the field"
    )
    yield Finding("ODF318", "warning", message, subject.place(_DUMMY))


def nothing_to_start_from(subject: Subject) -> Iterator[Finding]:
    """ODF325: patterns, and no checkpoint that gives what they freeze a value."""
    if subject.is_tf1 or subject.text(FIELD) or not subject.patterns or subject.run_checkpoint:
        return
    message = (
        f"{subject.patterns[0].field} is given and no fine_tune_checkpoint: what is frozen would "
        "stay at its random start; name a checkpoint to start from"
    )
    yield Finding("ODF325", "warning", message, subject.patterns[0].place)


def old_type_ignored(subject: Subject) -> Iterator[Finding]:
    """ODF326: the deprecated field says another thing than the type, which wins."""
    if not _names_checkpoint(subject) or not subject.flag(_OLD_TYPE):
        return
    if subject.text(TYPE) == "classification":
        message = (
            "from_detection_checkpoint: true is not looked at, since fine_tune_checkpoint_type is "
            'written and says "classification"; keep the one that is meant'
        )
        yield Finding("ODF326", "warning", message, subject.place(_OLD_TYPE))


def no_save_counter(subject: Subject) -> Iterator[Finding]:
    """ODF327: the checkpoint was written without the counter that the OD API's own have.

    ``tf.train.Checkpoint.restore``, which model_lib_v2.py:407 calls, looks for it, and
    ``assert_existing_objects_matched`` misses it like a variable of the model.
    """
    found = subject.checkpoint
    if written_path(subject) is None or found is None or _COUNTER in found.entries:
        return
    if not roots(subject) & {MODEL_ROOT, BACKBONE_ROOT}:
        return
    message = (
        "the checkpoint has no save_counter, as after tf.train.Checkpoint.write() or "
        "Model.save_weights(), and the OD API refuses it for that; save it with "
        "tf.train.Checkpoint.save() or a tf.train.CheckpointManager"
    )
    yield Finding("ODF327", "error", message, subject.place(FIELD))


def _names_checkpoint(subject: Subject) -> bool:
    """Whether a model of TF2 starts from a checkpoint, also one that is still to be filled in."""
    return bool(subject.text(FIELD)) and not subject.is_tf1


def _edits(subject: Subject, path: str, value: Value) -> tuple[Edit, ...]:
    document = subject.config.document
    return textproto.set_field(document, path, value, kin=kin_of(document, path))


RULES = (
    checkpoint_of_tf1, version_is_v1, type_not_accepted, type_missing, type_disagrees,
    loads_all_variables, mismatch_unnoticed, nothing_to_start_from, old_type_ignored,
    no_save_counter,
)  # fmt: skip

"""Rules about the run's directory, ``--model_dir``: what is there already decides what is trained.

Stock restores model, optimizer and step from the checkpoint that the directory's state file names,
after it has restored ``fine_tune_checkpoint`` (model_lib_v2.py:608-625), asks of neither whether
it fits, and counts from the restored step to ``num_steps`` (line 676).
"""

# Importing pathlib would take a tenth of the time that a check has.
# ruff: noqa: PTH113, PTH118, PTH119, PTH208

from __future__ import annotations

import os
from collections.abc import Iterator

from odfreeze.check.case import few, quantity
from odfreeze.check.subject import Subject
from odfreeze.checkpoint import Checkpoint, named_in_state
from odfreeze.errors import CheckpointCorruptError, CheckpointUnsupportedError, OdfreezeError
from odfreeze.findings import Finding

__all__ = ["RULES"]

_FIELD = "train_config.fine_tune_checkpoint"
_STEPS = "train_config.num_steps"


def in_use(subject: Subject) -> Iterator[Finding]:
    """ODF601: the directory holds a checkpoint, which wins over ``fine_tune_checkpoint``."""
    found = subject.run_checkpoint
    if found is None or _misfit(subject) or _is_at_end(subject) or any(not_readable(subject)):
        return
    same, difference = _compared(subject)
    if same:
        return
    place = subject.place(_FIELD, "train_config")
    instead = ", and fine_tune_checkpoint is for nothing" if subject.text(_FIELD) else ""
    message = (
        f"{subject.flags.model_dir} holds a checkpoint already ({_name_of(found)})"
        f"{difference}: training goes on from its values and its step{instead}; choose another "
        "--model_dir unless this run is to go on"
    )
    yield Finding("ODF601", "warning", message, place)


def at_its_end(subject: Subject) -> Iterator[Finding]:
    """ODF602: the run is at ``num_steps``, or past it, and trains nothing."""
    found = subject.run_checkpoint
    if found is None or not _is_at_end(subject) or _misfit(subject):
        return
    if subject.flags.is_enforced and _compared(subject)[0] and found.step == _num_steps(subject):
        return  # a run that is done, and asked for again
    message = (
        f"{subject.flags.model_dir} is at step {found.step:,} ({os.path.basename(found.path)}) of "
        f"{_num_steps(subject):,}: nothing would be trained, and the exit status would say that "
        "all went well; ask for more steps, or choose another --model_dir"
    )
    yield Finding("ODF602", "error", message, subject.place(_STEPS, "train_config"))


def of_another_model(subject: Subject) -> Iterator[Finding]:
    """ODF603: the directory's checkpoint is of another architecture or number of classes."""
    problem = _misfit(subject)
    if problem is None:
        return
    what, path = problem
    message = (
        f"{subject.flags.model_dir} holds the checkpoint of another model: {what}; a run there "
        "goes on from it, with a crash or with random values; choose another --model_dir"
    )
    yield Finding("ODF603", "error", message, subject.place(path, "model"))


def state_names_nothing(subject: Subject) -> Iterator[Finding]:
    """ODF604: the state file names a checkpoint that is not there, so that stock starts anew."""
    model_dir = subject.flags.model_dir
    named = named_in_state(model_dir) if model_dir else None
    if named is None or os.path.isfile(f"{named}.index"):
        return
    others = _checkpoints(str(model_dir))
    there = f" (there are {few(others)})" if others else ""
    message = (
        f"{os.path.join(str(model_dir), 'checkpoint')} names {named}, which is not there{there}: "
        "training starts anew from step 0, and says so in the log alone; copy that checkpoint "
        "back, name another in the file, or choose another --model_dir"
    )
    yield Finding("ODF604", "warning", message, subject.place(_FIELD, "train_config"))


def state_missing(subject: Subject) -> Iterator[Finding]:
    """ODF606: checkpoints, and no state file that names one: stock starts anew over them."""
    model_dir = subject.flags.model_dir
    if not model_dir or named_in_state(model_dir) is not None:
        return
    others = _checkpoints(model_dir)
    if others:
        message = (
            f"{model_dir} holds {quantity(len(others), 'checkpoint')} ({few(others)}) and no file "
            "'checkpoint' that names one: training starts anew from step 0 and writes over them; "
            "copy that file too, or choose another --model_dir"
        )
        yield Finding("ODF606", "warning", message, subject.place(_FIELD, "train_config"))


def not_readable(subject: Subject) -> Iterator[Finding]:
    """ODF607: the checkpoint to go on from is damaged, or a data file of it is missing."""
    found = subject.run_checkpoint
    if found is None:
        what = _damage(subject)
    else:
        missing = [os.path.basename(p) for p in found.data_files if not os.path.isfile(p)]
        what = f"{few(missing)} is missing" if missing else ""
    if what:
        message = (
            f"{subject.flags.model_dir}: the checkpoint to go on from cannot be restored ({what}); "
            "copy it again, or choose another --model_dir"
        )
        yield Finding("ODF607", "error", message, subject.place(_FIELD, "train_config"))


# --- helpers -------------------------------------------------------------------------


def _name_of(found: Checkpoint) -> str:
    step = found.step
    name = os.path.basename(found.path)
    return name if step is None else f"{name}, step {step:,}"


def _num_steps(subject: Subject) -> int:
    """Returns the step at which training ends, 0 where there is none (model_lib_v2.py:517)."""
    return subject.flags.num_train_steps or subject.integer(_STEPS) or 0


def _is_at_end(subject: Subject) -> bool:
    found, steps = subject.run_checkpoint, _num_steps(subject)
    return found is not None and bool(steps) and (found.step or 0) >= steps


def _compared(subject: Subject) -> tuple[bool, str]:
    """Returns whether it is the same odfreeze run, and words for what tells another one apart."""
    from odfreeze.runs.record import differing_identity, read_record, record_path

    model_dir = str(subject.flags.model_dir)
    if not os.path.isfile(record_path(model_dir)):
        return False, ""
    try:
        record = read_record(model_dir)
        # With which seed it will be run is not known here.
        holding = subject.flags.frozen_batch_norm
        rows = differing_identity(record, subject.config, holding, record.seed)
    except OdfreezeError:
        return False, ""
    if not rows:
        return True, ""
    return False, f" of a run with another {' and '.join(what for what, _, _ in rows)}"


def _misfit(subject: Subject) -> tuple[str, str] | None:
    """Returns what of the run's checkpoint is not as the config has it, and the config's field."""
    from odfreeze.check.start.backbones import asked_for, held
    from odfreeze.check.start.class_count import class_count

    found = subject.run_checkpoint
    if found is None:
        return None
    try:
        variables = found.variables
    except OdfreezeError:
        return None
    meta = subject.meta_architecture
    asked, there = asked_for(meta, subject.extractor_type), held(variables)
    if asked.meta and there.meta and asked.meta != there.meta:
        return f"a {there.meta} one, and the config's is {asked.meta}", f"model.{meta}"
    for now, before in ((asked.backbone, there.backbone), (asked.neck, there.neck)):
        if now and before and now != before:
            return (
                f"one with {before}, and the config's has {now}",
                f"model.{meta}.feature_extractor.type",
            )
    path = f"model.{meta}.num_classes"
    wanted = subject.integer(path)
    background = subject.flag("model.ssd.add_background_class", default=True)
    has_keypoints = subject.has("model.ssd.box_coder.keypoint_box_coder")
    count = None if has_keypoints else class_count(variables, background=background)
    if wanted is not None and count is not None and wanted != count:
        return f"one for {_classes(count)}, and num_classes is {wanted}", path
    return None


def _classes(count: int) -> str:
    return f"{count} class{'' if count == 1 else 'es'}"


def _damage(subject: Subject) -> str:
    """Returns why the checkpoint that the state file names cannot be opened, or ""."""
    named = named_in_state(subject.flags.model_dir) if subject.flags.model_dir else None
    if named is None or not os.path.isfile(f"{named}.index"):
        return ""
    try:
        Checkpoint.open(f"{named}.index").close()
    except (CheckpointCorruptError, CheckpointUnsupportedError) as error:
        return error.message
    except OdfreezeError:
        return ""
    return ""


def _checkpoints(folder: str) -> list[str]:
    try:
        return sorted(n.removesuffix(".index") for n in os.listdir(folder) if n.endswith(".index"))
    except OSError:
        return []


RULES = (in_use, at_its_end, of_another_model, state_names_nothing, state_missing, not_readable)

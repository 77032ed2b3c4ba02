"""The record of a run: what was decided, and the digests that verification starts from."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform

from odfreeze import __version__
from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import RecordError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import (
    RecordedVariable,
    RunRecord,
    differing_identity,
    digest,
    index_digest,
    read_record,
    write_record,
)
from odfreeze.stages.conduct import Conduct
from odfreeze.training.enforce import Enforcement
from odfreeze.training.live import walk_variables
from odfreeze.training.loop import RunState
from odfreeze.training.replicas import value_bytes
from odfreeze.training.request import TrainingRequest

__all__ = ["restored_variables", "write_baseline"]

#: Packages whose versions a record keeps.
_PACKAGES = (
    "tensorflow",
    "tf-models-official",
    "tf-models-research-object-detection",
    "protobuf",
    "numpy",
    "keras",
    "tf-keras",
)


def restored_variables(run: RunState) -> set[int]:
    """Returns the ids of the live variables that the fine-tuning checkpoint gave a value."""
    if not run.restored or run.fine_tune_checkpoint is None:
        return set()
    import tensorflow as tf

    with Checkpoint.open(run.fine_tune_checkpoint) as checkpoint:
        keys = set(checkpoint.entries)
    root = tf.train.Checkpoint(**run.restored)
    return {
        id(value)
        for path, value, _, _ in walk_variables(root, "")
        if f"{path}/.ATTRIBUTES/VARIABLE_VALUE" in keys
    }


def write_baseline(
    request: TrainingRequest,
    config: PipelineConfig,
    enforcement: Enforcement,
    run: RunState,
    measures: tuple[str, ...],
) -> None:
    """Writes the record of a new run; that of a resumed one stays as it is.

    A run that goes on from another one's checkpoint (``--allow_used_model_dir``) is a new one.
    The digests are of the values right after the restore: what verification compares the
    last checkpoint with.
    """
    if run.resumed and _continues_its_own(request, config):
        return
    variables = [
        RecordedVariable(
            name=one.record.name,
            object_path=one.record.object_path,
            shape=one.record.shape,
            dtype=one.record.dtype,
            state=state,
            trainable=one.record.trainable,
            statistic=one.record.statistic,
            digest=digest(value_bytes(one.value)),
        )
        for one, state in zip(enforcement.live, enforcement.selection.states, strict=True)
    ]
    start = None if run.resumed else config.fine_tune_checkpoint
    record = RunRecord(
        config_path=request.config,
        config_text=config.data.decode("utf-8", "surrogateescape"),
        fine_tune_checkpoint=config.fine_tune_checkpoint,
        fine_tune_checkpoint_type=config.fine_tune_checkpoint_type,
        freeze_variables=config.freeze_variables,
        update_trainable_variables=config.update_trainable_variables,
        frozen_batch_norm=request.frozen_batch_norm,
        num_steps=request.num_steps,
        start_step=run.step,
        versions=_versions(),
        measures=measures,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        variables=tuple(variables),
        seed=request.seed,
        conduct=request.conduct,
        start_digest=index_digest(start) if start else None,
    )
    write_record(record, request.model_dir)


def _continues_its_own(request: TrainingRequest, config: PipelineConfig) -> bool:
    """Whether the record in the run's directory is of the run that is asked for."""
    try:
        record = read_record(request.model_dir)
    except RecordError:
        return False
    conduct = Conduct.from_json(request.conduct)
    batch_norm, seed = request.frozen_batch_norm, request.seed
    return not differing_identity(record, config, batch_norm, seed, conduct)


def _versions() -> dict[str, str]:
    found = {"odfreeze": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found

"""Training runs without TensorFlow: what one leaves behind, and a child that only pretends.

``write_run`` writes the ``model_dir`` of a run of the tiny detector: checkpoints, state file and
record. ``fake_python`` writes an executable that stands for the Python of the training
environment: ``train(…, python=fake_python(folder, body))`` runs ``body`` as the child.
"""

from __future__ import annotations

import dataclasses
import sys
from math import prod
from pathlib import Path
from typing import Any

from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import RecordedVariable, RunRecord, digest, write_record
from odfreeze.runs.workers import Copies, WorkerRecord, write_worker
from odfreeze.selection import Selection, select
from odfreeze.training.launch import TrainingResult, train
from odfreeze.variables import Variable
from tests.conftest import ROOT
from tests.support.bundle_writer import Spec, floats, write_checkpoint, write_state
from tests.support.tiny_detector import specs, variables, write_detector

#: What a fake child may use: the request, events, and the folder the script is in.
_HEAD = """\
import json, os, pathlib, shutil, signal, sys, time

assert sys.argv[1:3] == ["-m", "odfreeze.training"], sys.argv
HERE = pathlib.Path(__file__).parent
REQUEST = json.loads(pathlib.Path(sys.argv[3]).read_text(encoding="utf-8"))
MODEL_DIR = pathlib.Path(REQUEST["model_dir"])


def event(kind, **data):
    print("@odfreeze " + json.dumps({"kind": kind, **data}), flush=True)


def copy_run(folder):
    shutil.copytree(HERE / folder, MODEL_DIR, dirs_exist_ok=True)


"""


def fake_python(directory: Path, body: str, *, isolated: bool = True) -> str:
    """Writes an executable that runs ``body`` for ``-m odfreeze.training REQUEST``.

    Args:
      directory: Where; ``HERE`` in the body.
      body: Python source; see ``_HEAD`` for what it can use.
      isolated: Whether to start without site-packages, which is five times faster.
    """
    script = directory / "fake_python"
    options = " -IS" if isolated else ""
    path = "" if isolated else f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    script.write_text(f"#!{sys.executable}{options}\n{path}{_HEAD}{body}", encoding="utf-8")
    script.chmod(0o755)
    return str(script)


#: The body of a child that does all that it is asked to, for a config of `write_trained`.
TRAINS = 'copy_run("trained")\n'


def start(config: Path, body: str, *, isolated: bool = True, **options: Any) -> TrainingResult:
    """Trains into ``run`` beside a config, with a child that runs ``body``."""
    python = fake_python(config.parent, body, isolated=isolated)
    return train(config, config.parent / "run", python=python, **options)


def write_trained(directory: Path) -> Path:
    """Writes a config of 10 steps and what a run of it leaves, ``trained``; returns its path."""
    config = write_detector(directory, "^Conv1", "^bn_Conv1")
    write_run(directory / "trained", config, 10)
    return config


def record_of(config: PipelineConfig, **changes: Any) -> RunRecord:
    """Returns the record of a run of the tiny detector that began with all values zero."""
    selection = selection_of(config)
    rows = tuple(
        RecordedVariable(
            name=v.name,
            object_path=v.object_path,
            shape=v.shape,
            dtype=v.dtype,
            state=state,
            trainable=v.trainable,
            statistic=v.statistic,
            digest=digest(bytes(4 * prod(v.shape))),
        )
        for v, state in zip(selection.variables, selection.states, strict=True)
    )
    record = RunRecord(
        config_path=config.file,
        config_text=config.data.decode(),
        fine_tune_checkpoint=config.fine_tune_checkpoint,
        fine_tune_checkpoint_type=config.fine_tune_checkpoint_type,
        freeze_variables=config.freeze_variables,
        update_trainable_variables=config.update_trainable_variables,
        frozen_batch_norm="hold",
        num_steps=config.num_steps or 0,
        start_step=0,
        versions={},
        measures=(),
        created="2025-01-02T03:04:05+00:00",
        variables=rows,
    )
    return dataclasses.replace(record, **changes)


def selection_of(config: PipelineConfig) -> Selection:
    """Returns what a config decides for the tiny detector."""
    return select(variables(), config.patterns(), config_holds=config.holds_statistic)


def write_run(
    model_dir: Path,
    config: Path,
    step: int,
    *,
    changed: tuple[str, ...] = ("trainable", "updating"),
    record: bool = True,
    **recorded: Any,
) -> Path:
    """Writes what a run of the tiny detector leaves behind; returns the ``model_dir``.

    Args:
      model_dir: Where.
      config: The run's config.
      step: Step of the only checkpoint.
      changed: States whose values are 1 in it; all were 0 at the start.
      record: Whether to write the record.
      **recorded: Fields of the record that differ from the config.
    """
    parsed = PipelineConfig.read(config)
    selection = selection_of(parsed)
    states = {v.object_path: s for v, s in zip(selection.variables, selection.states, strict=True)}
    values: dict[str, Spec] = {
        path: (name, dtype, shape, floats(*[float(states[path] in changed)] * prod(shape)))
        for path, (name, dtype, shape, _) in specs().items()
    }
    write_checkpoint(model_dir / f"ckpt-{step}", values, step=step)
    write_state(model_dir, f"ckpt-{step}")
    if record:
        write_record(record_of(parsed, **recorded), model_dir)
    return model_dir


def write_workers(
    model_dir: Path,
    config: Path,
    step: int | None,
    *,
    tasks: tuple[str, ...] = ("worker-0", "worker-1"),
    changed: tuple[str, ...] = ("trainable", "updating"),
    **fields: Any,
) -> list[WorkerRecord]:
    """Writes what the two workers of such a run leave behind, and returns it.

    Args:
      model_dir: Where.
      config: The run's config.
      step: Step of their end, None for a run that was cut off.
      tasks: Those whose files there are.
      changed: States whose values are 1 at the end; all were 0 at the start.
      **fields: Fields of the workers' records that are otherwise.
    """
    selection = selection_of(PipelineConfig.read(config))
    replicas = fields.get("replicas", 1)

    def value(variable: Variable, state: str) -> bytes:
        return floats(*[float(state in changed)] * prod(variable.shape))

    rows = tuple(
        Copies(
            name=v.label,
            object_path=v.object_path,
            state=state,
            start=(digest(bytes(4 * prod(v.shape))),) * replicas,
            end=() if step is None else (digest(value(v, state)),) * replicas,
        )
        for v, state in zip(selection.variables, selection.states, strict=True)
    )
    workers = []
    for task in tasks:
        worker = WorkerRecord(task, ("worker-0", "worker-1"), 1, 0, step, True, rows)
        workers.append(dataclasses.replace(worker, **fields))
        write_worker(workers[-1], model_dir)
    return workers

"""Verify: whether what was to stay frozen did, value by value and bit by bit.

Two checkpoints are compared under a config, or the last checkpoint of a run with
the run's own record. Which variable is frozen, held, trainable or updating is what
``odfreeze.selection`` decides for the config, or what the record says was decided.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointError, RemotePathError, UsageError
from odfreeze.runs.averages import with_averages
from odfreeze.runs.difference import compare_values
from odfreeze.runs.record import RecordedVariable, RunRecord, digest, read_record, record_path
from odfreeze.runs.unreached import Unreached, read_unreached
from odfreeze.runs.verification import Change, Group, Verification, reasons_of
from odfreeze.runs.verify_workers import verify_alone, with_workers
from odfreeze.selection import STATES, FrozenBatchNorm, Pattern, State, select
from odfreeze.stages.conduct import HANDOVER_NAME
from odfreeze.variables import Variable

if TYPE_CHECKING:
    from odfreeze.pipeline import PipelineConfig

__all__ = ["Change", "Group", "Verification", "verify"]


#: What a record without a file is called.
_UNNAMED = "the run's record"


def verify(
    before: Checkpoint | RunRecord | str | os.PathLike[str],
    after: Checkpoint | str | os.PathLike[str] | None = None,
    *,
    config: PipelineConfig | str | os.PathLike[str] | None = None,
    frozen_batch_norm: FrozenBatchNorm = "hold",
) -> Verification:
    """Compares what a run started from with what came of it, value by value.

    - ``verify(model_dir)``: the run's record with its last checkpoint, and with the one that it
      hands on; where the run had several replicas or workers, what each of them held too.
    - ``verify(record, checkpoint)``: a record (or its path, or the ``model_dir`` that
      holds it) with any checkpoint of the run.
    - ``verify(before, after, config=config)``: two checkpoints.

    Variables are matched by object path; by name too where one of the checkpoints is
    name-based (TF1). NaNs are equal when their bits are.

    Args:
      before: What the run started from.
      after: What came of it; a directory means its last checkpoint.
      config: The pipeline.config whose patterns decide; for two checkpoints only.
      frozen_batch_norm: As the run was told; for two checkpoints only.

    Returns:
      Not ``ok`` when a frozen or held value changed, or is in one of the two only, or when
      its moving average in the second is not that value, or when no trainable value changed:
      a run that trained nothing proves nothing.

    Raises:
      UsageError: Two checkpoints without a config, or a config with a record.
      RecordError: The record is missing or not as it was written.
      CheckpointError: A checkpoint or a value of it cannot be read, or is damaged.
      ConfigError, TextProtoError: The config cannot be read.
      PatternError: A pattern is no regular expression, or takes too long.
      RemotePathError: A path is not on this machine.
    """
    with ExitStack() as stack:

        def opened(source: Checkpoint | str | os.PathLike[str]) -> Checkpoint:
            if isinstance(source, Checkpoint):
                return source
            return stack.enter_context(Checkpoint.open(source))

        if config is None:
            if after is None and isinstance(before, (str, os.PathLike)):
                alone = None if _record_file(before).exists() else verify_alone(before)
                if alone is not None:
                    return alone
            record, name = _record_of(before, alone=after is None)
            kept = None
            if not isinstance(before, RunRecord):
                kept = read_unreached(Path(name).parent, record.created)
            # A record lies in model_dir/odfreeze/, its checkpoints in model_dir.
            folder = Path(name).parent.parent
            found = _with_record(record, name, opened(after or folder), kept)
            return found if after is not None else _with_handed_on(found, record, folder)
        if after is None or isinstance(before, RunRecord) or _names_record(before):
            raise UsageError(
                "a config decides between two checkpoints: give BEFORE and AFTER with it;"
                " a run's record has its own config"
            )
        return _with_config(opened(before), opened(after), config, frozen_batch_norm)


def _record_of(
    before: Checkpoint | RunRecord | str | os.PathLike[str], *, alone: bool
) -> tuple[RunRecord, str]:
    """Returns the record that ``before`` is or names, and how to call it."""
    if isinstance(before, RunRecord):
        if alone:
            raise UsageError("a record is compared with a checkpoint: give AFTER, too")
        return before, _UNNAMED
    if not isinstance(before, Checkpoint):
        file = _record_file(before)
        if alone or file.exists():
            return read_record(before), str(file)
    raise UsageError(
        "what was to stay frozen between two checkpoints is decided by a config:"
        " give it (--pipeline_config_path CONFIG)"
    )


def _record_file(before: str | os.PathLike[str]) -> Path:
    """Returns the record that a path names, itself or by the run's directory."""
    return Path(before) if _names_record(before) else record_path(before)


def _names_record(before: Checkpoint | str | os.PathLike[str]) -> bool:
    """Tells the path of a record from a checkpoint."""
    return not isinstance(before, Checkpoint) and os.fspath(before).endswith(".json")


#: A variable before and after (None where it is missing) and its state.
_Pair = tuple["Variable | RecordedVariable | None", "Variable | None", State]
#: Compares the values of such a pair: whether they changed, and how far when that is asked.
_Compare = Callable[[Any, Variable, bool], tuple[bool, "float | None"]]
_V = TypeVar("_V", Variable, RecordedVariable)


def _with_config(
    before: Checkpoint,
    after: Checkpoint,
    config: PipelineConfig | str | os.PathLike[str],
    frozen_batch_norm: FrozenBatchNorm,
) -> Verification:
    if isinstance(config, (str, os.PathLike)):
        from odfreeze.pipeline import PipelineConfig

        config = PipelineConfig.read(config)
    by_name = "name" in (before.format, after.format)
    olds, gone = _match(before.variables, after.variables, by_name=by_name)
    # The model is what came of the run, with its names; what is gone from it comes behind.
    selection = select(
        [*after.variables, *gone],
        config.patterns(),
        frozen_batch_norm=frozen_batch_norm,
        config_holds=config.holds_statistic,
    )
    states, states_gone = selection.states[: len(olds)], selection.states[len(olds) :]
    pairs: list[_Pair] = list(zip(olds, after.variables, states, strict=True))
    pairs += [(old, None, state) for old, state in zip(gone, states_gone, strict=True)]

    def compare(old: Any, new: Variable, measured: bool) -> tuple[bool, float | None]:
        return compare_values(before, old, after, new, measured=measured)

    groups = _compared(pairs, compare, after)
    found = _found(before.path, before.step, after, config.file, groups)
    return with_averages(found, after, [(new, state) for _, new, state in pairs])


def _with_record(
    record: RunRecord, name: str, after: Checkpoint, unreached: Unreached | None
) -> Verification:
    olds, gone = _match(record.variables, after.variables, by_name=after.format == "name")
    states: Sequence[State] = [old.state for old in olds if old is not None]
    if None in olds:  # a variable that the record does not know: what would it have been?
        decided = select(
            after.variables, _patterns(record), frozen_batch_norm=record.frozen_batch_norm
        ).states
        states = [
            state if old is None else old.state for old, state in zip(olds, decided, strict=True)
        ]
    pairs: list[_Pair] = list(zip(olds, after.variables, states, strict=True))
    pairs += [(old, None, old.state) for old in gone]

    digests: dict[str, str] = {}
    with ExitStack() as stack:
        source = _Source(record.fine_tune_checkpoint, stack)

        def compare(old: Any, new: Variable, measured: bool) -> tuple[bool, float | None]:
            digests[new.object_path] = digest(after.chunks(new))
            if digests[new.object_path] == old.digest:
                return False, 0.0
            return True, source.difference(old, after, new) if measured else None

        groups = _compared(pairs, compare, after, unreached)
    found = _found(name, record.start_step, after, record.config_path, groups)
    found = with_averages(found, after, [(new, state) for _, new, state in pairs])
    if name == _UNNAMED:
        return found
    return with_workers(found, Path(name).parent.parent, record, digests)


def _with_handed_on(found: Verification, record: RunRecord, model_dir: Path) -> Verification:
    """Adds what is wrong with the checkpoint that a run hands on, where it is not its last."""
    prefix = model_dir / HANDOVER_NAME
    index, last = Path(f"{prefix}.index"), Path(f"{found.after}.index")
    if not index.exists() or index.samefile(last):
        return found
    with Checkpoint.open(index) as handed_on:
        name = f"{prefix}, of step {handed_on.step}, which is handed on"
        wrong = _with_record(record, _UNNAMED, handed_on, None).reasons
    return replace(found, reasons=(*found.reasons, *(f"{name}: {reason}" for reason in wrong)))


def _patterns(record: RunRecord) -> list[Pattern]:
    """Returns the patterns that the run's config had."""
    return [
        *(Pattern("freeze_variables", text) for text in record.freeze_variables),
        *(
            Pattern("update_trainable_variables", text)
            for text in record.update_trainable_variables
        ),
    ]


def _match(
    olds: Sequence[_V], news: Sequence[Variable], *, by_name: bool
) -> tuple[list[_V | None], list[_V]]:
    """Returns the old variable of each new one, or None, and the old ones that are left over."""
    paths = {old.object_path: old for old in olds}
    names: dict[str, _V] = {old.name: old for old in olds if by_name and old.name is not None}
    taken: set[str] = set()
    matched: list[_V | None] = []
    for new in news:
        old = paths.get(new.object_path)
        if old is None and new.name is not None:
            old = names.get(new.name)
        if old is not None and old.object_path in taken:
            old = None
        if old is not None:
            taken.add(old.object_path)
        matched.append(old)
    return matched, [old for old in olds if old.object_path not in taken]


def _found(
    before: str, step: int | None, after: Checkpoint, config: str, groups: dict[State, Group]
) -> Verification:
    """Returns the verification of what was compared, workers and averages aside."""
    return Verification(
        before=before,
        after=after.path,
        config=config,
        before_step=step,
        after_step=after.step,
        **groups,
        reasons=reasons_of(groups),
        workers=(),
        averages=None,
    )


def _compared(
    pairs: Sequence[_Pair],
    compare: _Compare,
    after: Checkpoint,
    unreached: Unreached | None = None,
) -> dict[State, Group]:
    """Compares all pairs, in the order of their data, and sorts them by state."""
    out_of_reach = {}
    if unreached is not None:
        out_of_reach = {"trainable": unreached.without_gradient, "updating": unreached.never_run}
    results: dict[int, Change | None] = {}
    order = []
    for number, (old, new, _) in enumerate(pairs):
        if old is not None and new is not None:
            entry = after.entry(new)
            order.append((entry.shard, entry.offset, number))
    for _, _, number in sorted(order):
        old, new, state = pairs[number]
        assert old is not None
        assert new is not None
        results[number] = _change(old, new, compare, measured=state in ("frozen", "held"))
    groups = {}
    for state in STATES:
        mine = [(n, old, new) for n, (old, new, its) in enumerate(pairs) if its == state]
        changes = [(results[n], new) for n, old, new in mine if n in results and new is not None]
        paths = out_of_reach.get(state)
        groups[state] = Group(
            state=state,
            variables=len(mine),
            changed=tuple(change for change, _ in changes if change is not None),
            unchanged=tuple(new.label for change, new in changes if change is None),
            missing=tuple(old.label for _, old, new in mine if new is None and old is not None),
            new=tuple(new.label for _, old, new in mine if old is None and new is not None),
            unreached=None
            if paths is None
            else tuple(
                n.label for change, n in changes if change is None and n.object_path in paths
            ),
        )
    return groups


def _change(
    old: Variable | RecordedVariable, new: Variable, compare: _Compare, *, measured: bool
) -> Change | None:
    if old.dtype != new.dtype:
        return Change(new.label, new.object_path, "dtype", None, f"{old.dtype} -> {new.dtype}")
    if old.shape != new.shape:
        detail = f"{list(old.shape)} -> {list(new.shape)}"
        return Change(new.label, new.object_path, "shape", None, detail)
    changed, difference = compare(old, new, measured)
    return Change(new.label, new.object_path, "value", difference) if changed else None


class _Source:
    """The checkpoint that a run started from, to measure changes against where it still is."""

    def __init__(self, path: str | None, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._checkpoint: Checkpoint | None = None
        self._variables: dict[str, Variable] | None = None

    def difference(self, old: RecordedVariable, after: Checkpoint, new: Variable) -> float | None:
        """Returns how far a value is from the record's.

        None unless the checkpoint still has the value of the record. That it cannot be
        read is no failure of the verification, which the digests have decided already.
        """
        try:
            if self._variables is None:
                self._open()
            twin = (self._variables or {}).get(old.object_path)
            if self._checkpoint is None or twin is None:
                return None
            if (twin.dtype, twin.shape) != (old.dtype, old.shape):
                return None
            if digest(self._checkpoint.chunks(twin)) != old.digest:
                return None
            return compare_values(self._checkpoint, twin, after, new)[1]
        except (CheckpointError, RemotePathError):
            return None

    def _open(self) -> None:
        self._variables = {}
        if self._path:
            self._checkpoint = self._stack.enter_context(Checkpoint.open(self._path))
            self._variables = {v.object_path: v for v in self._checkpoint.variables}

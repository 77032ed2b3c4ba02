"""What the optimizer of a new run knows from the checkpoint that the run starts from.

Stock makes slots (velocities, means of squares) out of zeros in every run, so that each stage of a
plan begins with the steps of an optimizer that knows nothing. With ``carry_optimizer`` those of
variables that learned before and learn now go on where they were. A velocity has the rates of the
steps in it that it comes from, as it has where a schedule falls.

Adam divides its means by what their zeros at the start make them too small by, which it tells from
the number of steps taken. A new run counts from 0 again, and would blow carried means up by ten and
more. So for each carried variable it is kept how many steps its slots have seen, and its steps
are those of an optimizer that counted on (`odfreeze.training.updates`). This is also kept in
``odfreeze/carried.json`` beside the checkpoints: a resumed run needs it, and the next stage.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odfreeze.errors import RecordError
from odfreeze.files import write_atomically
from odfreeze.training.updates import inner_optimizer

if TYPE_CHECKING:
    from odfreeze.training.enforce import Enforcement
    from odfreeze.training.loop import RunState

__all__ = ["CARRIED_VERSION", "Carried", "carried_path", "carry_slots", "read_carried"]

#: Changes when a key of the file changes its meaning.
CARRIED_VERSION = 1

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
#: A slot of the run's optimizer, or of the one inside that averages, under whichever name.
_SLOT = re.compile(rf"(.+)/\.OPTIMIZER_SLOT/optimizer/(?:[^/]+/)?([^/]+){re.escape(_VALUE)}")
_ITERATIONS = re.compile(rf"optimizer/(?:[^/]+/)?iter{re.escape(_VALUE)}")
_AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Carried:
    """What was carried over into a run.

    Attributes:
      checkpoint: Where from, or None.
      variables: How many variables go on with their slots.
      slots: How many slots these are.
      steps: By object path, how many steps the slots of a variable had seen.
      note: Why nothing, or not all, was carried; or "".
    """

    checkpoint: str | None = None
    variables: int = 0
    slots: int = 0
    steps: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns what a report says of it, as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "steps"}


def carried_path(model_dir: str | os.PathLike[str]) -> Path:
    """Returns where a run keeps what was carried over into it."""
    return Path(model_dir) / "odfreeze" / "carried.json"


def read_carried(model_dir: str | os.PathLike[str]) -> Carried | None:
    """Returns what was carried over into a run; None where nothing was to be.

    Raises:
      RecordError: The file is not as a run writes it.
    """
    path = carried_path(model_dir)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("version") != CARRIED_VERSION:
            raise ValueError(f"its version is not {CARRIED_VERSION}")
        found = Carried(**data)
        if not all(isinstance(n, int) and n >= 0 for n in found.steps.values()):
            raise ValueError("its steps are no counts")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(
            f"{path} is not what `odfreeze train` wrote: {error}; remove the run's directory and"
            " train again",
            path=str(path),
        ) from None
    return found


def carry_slots(
    run: RunState,
    enforcement: Enforcement,
    restored: Collection[int],
    *,
    wanted: bool,
    model_dir: str,
) -> Carried | None:
    """Gives a new run's optimizer the slots of what learned before, where that is wanted.

    A resumed run has them from its own checkpoint. To be called when all values are in
    place and before the first step.

    Args:
      run: The run.
      enforcement: What was decided for its model.
      restored: Ids of the variables that the checkpoint gave a value.
      wanted: Whether to carry anything over.
      model_dir: The run's directory.

    Returns:
      What was carried, now or when the run began; None where nothing was to be.

    Raises:
      RecordError: What the run, or the one before, kept of this cannot be read.
      OutputError: It cannot be kept.
    """
    if run.resumed:
        return read_carried(model_dir)
    if not wanted:
        if run.is_chief:
            carried_path(model_dir).unlink(missing_ok=True)
        return None
    found = _carry(run, enforcement, restored)
    if run.is_chief:
        path = carried_path(model_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {"version": CARRIED_VERSION, **asdict(found)}
        write_atomically(path, (json.dumps(data, indent=1) + "\n").encode("utf-8"))
    return found


def _carry(run: RunState, enforcement: Enforcement, restored: Collection[int]) -> Carried:
    prefix = run.fine_tune_checkpoint
    if prefix is None:
        return Carried(note="the run starts from no checkpoint")
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    keys = _slot_keys(reader.get_variable_to_shape_map())
    if not keys:
        return Carried(prefix, note="the checkpoint holds no slots of an optimizer")
    optimizer = run.checkpoint.optimizer
    pairs = zip(enforcement.live, enforcement.selection.states, strict=True)
    learning = {
        one.record.object_path: one.value
        for one, state in pairs
        if state == "trainable" and id(one.value) in restored
    }
    known = {
        path: value for path, value in learning.items() if set(keys.get(path, ())) - {_AVERAGE}
    }
    inner = inner_optimizer(optimizer)
    inner._create_slots(list(known.values()))  # else stock makes them at the first step
    steps, slots, others = {}, 0, 0
    seen = _steps_seen(reader, prefix)
    for path, value in learning.items():
        own, given = _slots_of(optimizer, value), keys.get(path, {})
        if path in known:
            if not _fit(own, given, reader):
                others += 1
                continue
            steps[path] = seen(path)
        for name, slot in own.items():
            if name in given:
                slot.assign(reader.get_tensor(given[name]))
                slots += name != _AVERAGE
    note = ""
    if others:
        had = ", ".join(sorted({name for path in known for name in keys[path]} - {_AVERAGE}))
        note = (
            f"{others} variables begin anew: their slots there ({had}) are not those of"
            f" {type(inner).__name__}"
        )
    elif not steps:
        note = "of what the checkpoint holds slots for nothing learns now"
    return Carried(prefix, len(steps), slots, steps, note)


def _slot_keys(keys: Collection[str]) -> dict[str, dict[str, str]]:
    """Returns the keys of a checkpoint's slots, by object path and by the slot's name."""
    found: dict[str, dict[str, str]] = {}
    for key in keys:
        match = _SLOT.fullmatch(key)
        if match:
            found.setdefault(match[1], {})[match[2]] = key
    return found


def _slots_of(optimizer: Any, value: Any) -> dict[str, Any]:
    """Returns a variable's slots by name, its moving average among them where there is one."""
    found: dict[str, Any] = {}
    for one in (optimizer, inner_optimizer(optimizer)):
        found.update(one._slots.get(value._unique_id, {}))
    return found


def _fit(own: Mapping[str, Any], given: Mapping[str, str], reader: Any) -> bool:
    """Whether slots of a checkpoint are of the same kind of optimizer, and of the same shapes.

    Momentum and RMSProp both have a slot ``momentum``, and mean different things by it.
    """
    if set(own) - {_AVERAGE} != set(given) - {_AVERAGE}:
        return False
    shapes = reader.get_variable_to_shape_map()
    return all(
        list(slot.shape) == list(shapes[given[name]]) for name, slot in own.items() if name in given
    )


def _steps_seen(reader: Any, prefix: str) -> Any:
    """Returns what tells how many steps the slots of a variable in a checkpoint have seen."""
    counts = [
        int(reader.get_tensor(key))
        for key in reader.get_variable_to_shape_map()
        if _ITERATIONS.fullmatch(key)
    ]
    before = read_carried(Path(prefix).parent)  # of the run that wrote it
    carried = {} if before is None else before.steps
    return lambda path: max(counts, default=0) + carried.get(path, 0)

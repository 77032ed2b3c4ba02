"""What the files of one training run tell of it, whether it is finished, going on or cut off.

Nothing is trusted: a file that is missing, damaged or not as it was written costs what it would
have told, and a note says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from odfreeze.checkpoint.locate import latest, named_in_state
from odfreeze.errors import OdfreezeError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.curves import Curves, finite, read_curves
from odfreeze.runs.movement import Movement
from odfreeze.runs.record import RunRecord, read_record, record_path
from odfreeze.runs.stage_runs import is_whole
from odfreeze.runs.state import StageState
from odfreeze.selection import STATES, State
from odfreeze.stages.conduct import Conduct, read_conduct

__all__ = ["StageAccount", "StageEnd", "Verdict", "VerdictRow", "read_stage"]

#: How far a stage is: not begun; begun and not verified; verified; verified and found wrong, or
#: its run failed.
StageEnd = Literal["waiting", "unfinished", "finished", "failed"]

_BYTES_MOST = 64 << 20


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What was found of the variables of one state.

    Attributes:
      state: The state.
      variables: How many there are.
      changed: How many of them changed.
      names: Of a frozen or held one that changed, its name.
    """

    state: State
    variables: int
    changed: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verification of a run found.

    Attributes:
      ok: Whether all that had to stand still did, and something learned.
      rows: Frozen, held, trainable, updating.
      reasons: Why it is not ok.
    """

    ok: bool
    rows: tuple[VerdictRow, ...]
    reasons: tuple[str, ...]

    def row(self, state: State) -> VerdictRow:
        """Returns what was found of a state; of none where it was not told."""
        return next((one for one in self.rows if one.state == state), VerdictRow(state, 0, 0))


@dataclass(frozen=True, slots=True)
class StageAccount:
    """One training run, as its files tell it.

    Attributes:
      name: Its folder, as ``01_head``.
      model_dir: Where its checkpoints are.
      state: How far it is.
      num_steps: Steps that it was to take, 0 where that is not known.
      step: Steps that it took, or None.
      config: Its pipeline.config, or None where that cannot be read.
      config_text: The text of it.
      config_path: Where it is, or was.
      conduct: What the config has no field for.
      record: What was decided when it began, or None.
      verdict: What its verification found, or None.
      movement: How far each part moved; () where that is not known.
      curves: Losses, learning rate and metrics.
      seconds: What it took, or None.
      seconds_to_first_step: Of these, before the first step: import, tracing; of the last sitting.
      steps_per_second: Of the last sitting.
      peak_memory_bytes: The most that the training process held.
      started: When, ISO 8601, or "".
      ended: Likewise.
      checkpoints: Names and bytes of those that were there when it was verified.
      versions: Package to version.
      ending: The sentence on why it ended where it did, or "".
      reason: Why it failed, or "".
      notes: What is missing or damaged.
    """

    name: str
    model_dir: Path
    state: StageEnd
    num_steps: int
    step: int | None
    config: PipelineConfig | None
    config_text: str
    config_path: str
    conduct: Conduct
    record: RunRecord | None
    verdict: Verdict | None
    movement: tuple[Movement, ...]
    curves: Curves
    seconds: float | None
    seconds_to_first_step: float | None
    steps_per_second: float | None
    peak_memory_bytes: int | None
    started: str
    ended: str
    checkpoints: tuple[tuple[str, int], ...]
    versions: Mapping[str, str]
    ending: str
    reason: str
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name without the number: ``head``."""
        return re.sub(r"^\d+_", "", self.name) or self.name

    @property
    def learning_rate(self) -> float | None:
        """The base rate of its schedule, or None."""
        with contextlib.suppress(OdfreezeError):
            return None if self.config is None else self.config.learning_rate
        return None


def read_stage(
    name: str,
    model_dir: str | os.PathLike[str],
    config_path: str | os.PathLike[str] | None = None,
    known: StageState | None = None,
) -> StageAccount:
    """Returns the account of one run; never raises for what its files hold.

    Args:
      name: What it is called.
      model_dir: The run's directory; need not be there.
      config_path: Its pipeline.config; None for the one in its record.
      known: What a staged run keeps of it beside.
    """
    files = _Files(Path(model_dir))
    record = files.record()
    config, text = files.config(config_path, record)
    conduct = files.conduct(config_path, record)
    report, until = files.read("report.json"), files.read("until.json")
    found = files.read("verification.json")
    verdict = None if found is None else _verdict(found)
    if found is not None and verdict is None:
        files.notes.append(f"{files.folder / 'verification.json'} is not what `odfreeze` wrote")
    report = report or {}
    curves = read_curves(model_dir)
    if curves.skipped:
        lines = "1 line" if curves.skipped == 1 else f"{curves.skipped} lines"
        files.notes.append(f"{lines} of its curves cannot be read")
    state = _state(record, verdict, known)
    if state == "finished":
        files.notes += [
            f"there is no {what}"
            for what, value in (("record of it", record), ("report.json", report))
            if not value
        ]
        last = named_in_state(model_dir)
        if last is not None and not is_whole(last):
            files.notes.append(f"{last} was verified, and is not whole any more")
    return StageAccount(
        name=name,
        model_dir=Path(model_dir),
        state=state,
        num_steps=config.num_steps if config else record.num_steps if record else 0,
        step=_step(report, curves, Path(model_dir)),
        config=config,
        config_text=text,
        config_path=str(config_path or (record.config_path if record else "")),
        conduct=conduct,
        record=record,
        verdict=verdict,
        movement=_movement(report.get("movement")),
        curves=curves,
        seconds=(known.seconds if known is not None else 0) or _number(report.get("seconds")),
        seconds_to_first_step=_number(report.get("seconds_to_first_step")),
        steps_per_second=_number(report.get("steps_per_second")),
        peak_memory_bytes=_count(report.get("peak_memory_bytes")),
        started=_text(report.get("started")) or (record.created if record else ""),
        ended=_text(report.get("ended")),
        checkpoints=_checkpoints(report.get("checkpoints")),
        versions=dict(record.versions) if record else {},
        ending=_ending(report, until, known),
        reason=(known.reason or "") if known is not None else "",
        notes=tuple(dict.fromkeys(files.notes)),
    )


class _Files:
    """Reads what a run keeps, and notes what is wrong with it."""

    def __init__(self, model_dir: Path) -> None:
        self.folder = record_path(model_dir).parent
        self.model_dir = model_dir
        self.notes: list[str] = []

    def read(self, name: str) -> dict[str, Any] | None:
        """Returns what a JSON file holds; None where it is not there, or not an object."""
        path = self.folder / name
        try:
            if path.stat().st_size > _BYTES_MOST:
                raise ValueError("it is too large")
            data = json.loads(path.read_bytes())
            if not isinstance(data, dict):
                raise TypeError("it is no JSON object")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.notes.append(f"{path} cannot be read: {why}")
            return None
        return data

    def record(self) -> RunRecord | None:
        if not record_path(self.model_dir).exists():
            return None
        try:
            return read_record(self.model_dir)
        except OdfreezeError as error:
            self.notes.append(error.message)
            return None

    def conduct(self, config: str | os.PathLike[str] | None, record: RunRecord | None) -> Conduct:
        """Returns what the config has no field for: as the run has it, else as is planned."""
        if record is not None and record.conduct is not None:
            try:
                return Conduct.from_json(record.conduct)
            except ValueError as error:
                self.notes.append(f"the conduct in {record_path(self.model_dir)}: {error}")
        elif config is not None:
            try:
                return read_conduct(Path(config).parent)
            except OdfreezeError as error:
                self.notes.append(error.message)
        return Conduct()

    def config(
        self, path: str | os.PathLike[str] | None, record: RunRecord | None
    ) -> tuple[PipelineConfig | None, str]:
        """Returns the config and its text; of one that is no config the text alone."""
        data = b""
        if path is not None:
            try:
                from odfreeze.files import read_text_file

                data = read_text_file(path)
            except OdfreezeError as error:
                self.notes.append(error.message)
        if not data and record is not None:
            data = record.config_text.encode("utf-8", "surrogateescape")
        text = data.decode("utf-8", "backslashreplace")
        try:
            config = PipelineConfig.parse(data, str(path or record.config_path if record else path))
            _ = config.num_steps, config.patterns()
            return (config if data else None), text
        except OdfreezeError as error:
            self.notes.append(str(error).partition("\n")[0])
            return None, text


def _ending(
    report: Mapping[str, Any], until: Mapping[str, Any] | None, known: StageState | None
) -> str:
    """Returns why a run ended where it did, and what it hands on where that is not its last."""
    ending = report.get("ending")
    told = ending if isinstance(ending, dict) else until or {}
    sentence = _text(told.get("sentence")) or (known.decided or "" if known is not None else "")
    handover = told.get("handover")
    best = _count(handover.get("step")) if isinstance(handover, dict) else None
    if sentence and best is not None and best != told.get("ended_at"):
        sentence += f"; it hands on its best checkpoint, that of step {best}"
    return sentence


def _state(record: RunRecord | None, verdict: Verdict | None, known: StageState | None) -> StageEnd:
    if verdict is not None:
        return "finished" if verdict.ok else "failed"
    if known is not None and known.state == "failed":
        return "failed"
    return "waiting" if record is None else "unfinished"


def _step(report: Mapping[str, Any], curves: Curves, model_dir: Path) -> int | None:
    step = _count(report.get("step"))
    if step is not None:
        return step
    prefix = latest(model_dir)
    number = re.search(r"-(\d{1,18})$", prefix or "")
    steps = [int(number[1])] if number else []
    steps += [one.step for one in curves.scalars[-1:]]
    return max(steps, default=None)


def _verdict(data: Mapping[str, Any]) -> Verdict | None:
    """Returns what a ``verification.json`` tells, None where it is not of that kind."""
    if not isinstance(data.get("ok"), bool):
        return None
    rows = []
    for state in STATES:
        found = data.get(state)
        if not isinstance(found, dict) or (count := _count(found.get("variables"))) is None:
            continue
        if state in ("frozen", "held"):
            changed = _rows(found.get("changed"))
            names = tuple(name for one in changed if (name := _text(one.get("name"))))
            rows.append(VerdictRow(state, count, len(changed), names))
        else:
            still = sum(
                len(of)
                for key in ("unchanged", "missing")
                if isinstance(of := found.get(key), list)
            )
            rows.append(VerdictRow(state, count, max(0, count - still)))
    reasons = data.get("reasons")
    texts = [one for one in reasons if isinstance(one, str)] if isinstance(reasons, list) else []
    return Verdict(data["ok"], tuple(rows), tuple(texts))


def _movement(data: object) -> tuple[Movement, ...]:
    return tuple(
        Movement(
            _text(row.get("key")),
            _text(row.get("label")) or _text(row.get("key")),
            _count(row.get("parameters")) or 0,
            _number(row.get("relative_change")),
        )
        for row in _rows(data)
        if _text(row.get("key"))
    )


def _checkpoints(data: object) -> tuple[tuple[str, int], ...]:
    return tuple(
        (name, size)
        for row in _rows(data)
        if (name := _text(row.get("name"))) and (size := _count(row.get("bytes"))) is not None
    )


def _rows(data: object) -> Sequence[Mapping[str, Any]]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return value if is_count else None  # type: ignore[return-value]


def _number(value: object) -> float | None:
    """Returns a finite number from 0, else None."""
    number = finite(value)
    return number if number is not None and number >= 0 else None

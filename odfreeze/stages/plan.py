"""A plan: the stages of a staged fine-tuning, as a person writes them down.

The file is a text proto of ``odfreeze.Plan``; ``protos/odfreeze/plan.proto`` says what each
field means.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odfreeze.errors import PatternError, Place, PlanError
from odfreeze.selection import Pattern, PatternField, match_columns
from odfreeze.stages.conduct import Conduct, Handover, Rate, Until

if TYPE_CHECKING:
    from odfreeze.schema import Record

__all__ = ["LARGEST_NUMBER", "LARGEST_PLAN", "Plan", "Stage", "check_plan", "read_plan"]

#: Stages in a plan at most: their folders are numbered with two digits.
LARGEST_PLAN = 99

_MESSAGE = "odfreeze.Plan"
#: num_steps and batch_size are uint32 in the OD API's schema.
LARGEST_NUMBER = 2**32 - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])")


@dataclass(frozen=True, slots=True)
class Stage:
    """One training run of a plan.

    Attributes:
      name: Letters, digits, ``_`` and ``-``; unique in the plan.
      num_steps: Training steps, from 1; the most of them where ``conduct.until`` ends it.
      freeze_variables: Patterns; empty for no rule.
      update_trainable_variables: Patterns; empty for no rule.
      learning_rate: The schedule's base rate, above 0, or None.
      learning_rate_scale: What the base config's rate is multiplied by when there is no
        ``learning_rate``, above 0.
      batch_size: Images in a batch, from 1, or None for the base config's.
      conduct: What a pipeline.config has no field for.
      places: Where each field is in the plan's file, by name; patterns by name and
        index, as ``freeze_variables[0]``; nested ones by path, as ``until.patience``; the
        stage itself by ``stage``.
    """

    name: str
    num_steps: int
    freeze_variables: tuple[str, ...] = ()
    update_trainable_variables: tuple[str, ...] = ()
    learning_rate: float | None = None
    learning_rate_scale: float | None = None
    batch_size: int | None = None
    conduct: Conduct = field(default_factory=Conduct)
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    def patterns(self) -> tuple[Pattern, ...]:
        """Returns the patterns of both fields with their places in the plan."""
        fields: tuple[tuple[PatternField, tuple[str, ...]], ...] = (
            ("freeze_variables", self.freeze_variables),
            ("update_trainable_variables", self.update_trainable_variables),
        )
        return tuple(
            Pattern(name, text, self.places.get(f"{name}[{index}]"))
            for name, texts in fields
            for index, text in enumerate(texts)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages of a staged fine-tuning.

    Attributes:
      base_config: The pipeline.config that every stage is an edit of.
      stages: In the order in which they run.
      file: The plan's file, or "" for a plan made by a program.
    """

    base_config: Path
    stages: tuple[Stage, ...]
    file: str = field(default="", compare=False)

    @property
    def folders(self) -> tuple[str, ...]:
        """The stages' folders in the run's directory, as ``01_head``."""
        return tuple(f"{number:02}_{one.name}" for number, one in enumerate(self.stages, 1))


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Returns the plan in a file, checked by `check_plan`.

    A relative ``base_config`` counts from the plan's folder. The base config is not read yet.

    Raises:
      RemotePathError: The plan or its base config is not on this machine.
      ConfigError: The file cannot be read.
      PlanError: The file is no plan; with the place where it is none.
      PatternError: A pattern is no regular expression; with its place.
      TextProtoError: The file is no text proto.
    """
    from odfreeze.files import read_text_file, refuse_remote
    from odfreeze.schema import Record, read_message
    from odfreeze.textproto import parse

    record = read_message(
        parse(read_text_file(path), os.fspath(path)),
        _MESSAGE,
        error=PlanError,
        duplicates="error",
    )
    base = str(record.get("base_config"))
    if not base:
        raise PlanError(
            "base_config is empty; name the pipeline.config to stage",
            place=record.place_of("base_config"),
        )
    refuse_remote(base)
    stages = tuple(_stage(one) for one in record.get("stage") if isinstance(one, Record))
    plan = Plan(Path(path).parent / base, stages, os.fspath(path))
    check_plan(plan)
    return plan


def check_plan(plan: Plan) -> None:
    """Raises for a plan that cannot be carried out.

    Raises:
      PlanError: There are no stages or too many; a name is no folder name or not unique; a
        number is out of range; a learning rate is given twice.
      PatternError: A pattern is no regular expression.
    """
    if not 1 <= len(plan.stages) <= LARGEST_PLAN:
        raise PlanError(
            f"{plan.file or 'the plan'} has {len(plan.stages) or 'no'} stages;"
            f' write 1 to {LARGEST_PLAN}, as in stage {{ name: "head" num_steps: 1000 }}'
        )
    seen: dict[str, Stage] = {}
    for stage in plan.stages:
        for name, problem in _problems(stage):
            place = stage.places.get(name) or stage.places.get("stage")
            raise PlanError(f"stage {stage.name!r}: {problem}", place=place)
        before = seen.setdefault(stage.name.lower(), stage)  # folders that differ by case may not
        if before is not stage:
            raise PlanError(
                f"two stages are called {stage.name!r}; give each a name of its own",
                place=stage.places.get("name"),
            )
        _check_patterns(stage)


def _problems(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yields the fields of a stage that are wrong, with what is wrong."""
    if not _NAME.fullmatch(stage.name):
        yield (
            "name",
            "the name must be 1 to 64 letters, digits, '_' and '-', the first of them a letter or"
            " digit, since a folder is called by it",
        )
    if _RESERVED.fullmatch(stage.name):
        yield "name", "Windows keeps that name for a device; choose another"
    if stage.places and not {"num_steps", "until.max_steps"} & set(stage.places):
        yield (
            "num_steps",
            "num_steps is missing; give the steps of the stage, or until { max_steps }",
        )
        return
    for name, number in (("num_steps", stage.num_steps), ("batch_size", stage.batch_size)):
        if number is not None and not 1 <= number <= LARGEST_NUMBER:
            yield name, f"{name} is {number}; give a number from 1 to {LARGEST_NUMBER}"
    for name, rate in (
        ("learning_rate", stage.learning_rate),
        ("learning_rate_scale", stage.learning_rate_scale),
    ):
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            yield name, f"{name} is {rate:g}; give a number above 0"
    if stage.learning_rate is not None and stage.learning_rate_scale is not None:
        yield "learning_rate_scale", "learning_rate and learning_rate_scale are given; keep one"
    yield from stage.conduct.problems()
    if "until.max_steps" in stage.places and "num_steps" in stage.places:
        yield "until.max_steps", "num_steps and until.max_steps are given; keep one"


def _check_patterns(stage: Stage) -> None:
    rates = [Pattern("rate", one.pattern, one.place) for one in stage.conduct.rates]
    try:
        match_columns((), [*stage.patterns(), *rates])
    except PatternError as error:
        if error.place is not None and stage.places:
            raise
        raise PatternError(
            f"stage {stage.name!r}: {error.message}", pattern=error.pattern, place=error.place
        ) from None


def _stage(record: Record) -> Stage:
    """Returns a stage from its record, with the places of all that is written."""
    places = {"stage": record.place, **{name: record.place_of(name) for name in record}}
    for name in ("freeze_variables", "update_trainable_variables"):
        for index in range(len(record.get(name))):
            places[f"{name}[{index}]"] = record.place_of(name, index)
    conduct = _conduct(record, places)
    most = conduct.until.max_steps if conduct.until is not None else None
    return Stage(
        name=record.get("name"),
        num_steps=record.get("num_steps") or most or 0,
        freeze_variables=record.get("freeze_variables"),
        update_trainable_variables=record.get("update_trainable_variables"),
        learning_rate=record.get("learning_rate") if "learning_rate" in record else None,
        learning_rate_scale=(
            record.get("learning_rate_scale") if "learning_rate_scale" in record else None
        ),
        batch_size=record.get("batch_size") if "batch_size" in record else None,
        conduct=conduct,
        places=places,
    )


def _conduct(record: Record, places: dict[str, Place]) -> Conduct:
    """Returns how a stage is trained; adds the places of what is nested in it."""
    rates = []
    for index, one in enumerate(record.get("rate")):
        places.update({f"rate[{index}].{name}": one.place_of(name) for name in one})
        rates.append(Rate(one.get("pattern"), one.get("scale"), one.place_of("pattern")))
    written, until = record.get("until"), None
    if written is not None:
        places.update({f"until.{name}": written.place_of(name) for name in written})
        until = Until(
            patience=written.get("patience"),
            metric=written.get("metric"),
            min_delta=written.get("min_delta"),
            max_steps=written.get("max_steps") if "max_steps" in written else None,
            every=written.get("every"),
        )
    handover: Handover = "best" if record.get("handover") == "BEST" else "last"
    return Conduct(tuple(rates), until, handover, record.get("carry_optimizer"))

"""What a check and the preview say of planned stages, before anything is written.

The base config is checked once, the schedule of each stage for itself, and its patterns are
held against the base checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from odfreeze.check.gate import refuse_errors
from odfreeze.check.subject import RunFlags
from odfreeze.errors import (
    CheckpointError,
    MissingDependencyError,
    PatternError,
    Place,
    PlanError,
    RemotePathError,
    TrainingRefusedError,
)
from odfreeze.findings import Finding
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import Preview, preview
from odfreeze.refusal import refuse, refuse_rates
from odfreeze.restore import MODEL_ROOT
from odfreeze.selection import Selection
from odfreeze.stages.metric_names import metric_problem
from odfreeze.textproto import last

if TYPE_CHECKING:
    from odfreeze.stages.plan import Stage
    from odfreeze.stages.staging import StagedConfig

__all__ = ["judge_stages"]

#: What the preview on the base checkpoint says better.
_OF_PREVIEW = ("ODF301", "ODF302", "ODF303", "ODF304", "ODF307")
#: Of paths that may be right on the machine that trains, or are filled in before it does.
_ELSEWHERE = ("ODF109", "ODF308", "ODF5")


def judge_stages(
    staged: Sequence[StagedConfig],
    base: PipelineConfig,
    *,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[StagedConfig, ...]:
    """Returns stages with what is known of them: their selections and findings.

    Args:
      staged: The stages, as planned.
      base: The plan's base config.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` to go on in spite of.
      ignore: Codes, or beginnings of codes, of findings to go on in spite of.

    Raises:
      TrainingRefusedError: The base config is wrong, or a stage would not do what its patterns
        were written for.
      PatternError: A pattern is no regular expression.
      PlanError: A metric that is to end a stage is none that there will be.
    """
    for one in staged:
        _refuse_metric(one, base)
    of_base = _check_base(base, ignore)
    judged = tuple(_judged(one, base, allow) for one in staged)
    return tuple(_with_checked(one, of_base, ignore) for one in judged)


def _refuse_metric(one: StagedConfig, base: PipelineConfig) -> None:
    until = one.stage.conduct.until
    problem = None if until is None else metric_problem(base, until)
    if problem is not None:
        places = one.stage.places
        place = places.get("until.metric") or places.get("until") or places.get("stage")
        raise PlanError(f"stage {one.name!r}: {problem}", place=place)


def _check_base(base: PipelineConfig, ignore: Sequence[str]) -> tuple[Finding, ...]:
    """Returns what a check says of what all stages have in common; raises for an error in it."""
    found = refuse_errors(
        base,
        RunFlags(is_enforced=True),
        select=("ODF1", "ODF3", "ODF5"),
        ignore=(*_OF_PREVIEW, *ignore),
        lenient=_ELSEWHERE,
    )
    return tuple(finding for finding in found if finding.severity != "info")


def _with_checked(
    one: StagedConfig, of_base: tuple[Finding, ...], ignore: Sequence[str]
) -> StagedConfig:
    """Returns a stage with what a check says of it; raises for an error in its schedule."""
    config = PipelineConfig.parse(one.data, str(one.config_path))
    place = one.stage.places.get("name")
    try:
        found = refuse_errors(
            config, RunFlags(is_enforced=True), select=("ODF4",), ignore=tuple(ignore)
        )
    except TrainingRefusedError as refused:
        raise TrainingRefusedError(f"stage {one.name!r}: {refused.message}", place=place) from None
    of_stage = tuple(
        replace(finding, place=place, edits=()) for finding in found if finding.severity != "info"
    )
    common = of_base if one.number == 1 else ()
    return replace(one, findings=(*common, *one.findings, *of_stage))


def _judged(one: StagedConfig, base: PipelineConfig, allow: Collection[str]) -> StagedConfig:
    """Returns a stage with what its preview on the base checkpoint says; refuses what it must."""
    is_first = one.number == 1
    if base.fine_tune_checkpoint is None:
        if is_first:
            _refuse_frozen_noise(one, base, allow)
        return replace(one, findings=_unchecked(base, "it sets no checkpoint", is_first))
    config = PipelineConfig.parse(one.data, str(one.config_path))
    try:
        rates = one.stage.conduct.rates
        seen = preview(config, checkpoint=base.fine_tune_checkpoint, rates=rates)
    except PatternError as error:  # its place is in a config that is not there yet
        places = {pattern.text: pattern.place for pattern in one.stage.patterns()}
        error.place = places.get(error.pattern) or error.place
        raise
    except (CheckpointError, RemotePathError, MissingDependencyError) as error:
        return replace(one, findings=_unchecked(base, error.message, is_first))
    findings = _in_plan(seen, config, one)
    if not _can_tell(seen):
        return replace(one, findings=findings if is_first else ())
    selection = _with_plan_places(seen.selection, one.stage)
    try:
        refuse(selection, seen.restored if is_first else None, allow)
        if seen.rated is not None:
            refuse_rates(seen.rated, allow)
    except TrainingRefusedError as refused:
        place = refused.place or one.stage.places.get("name")
        raise TrainingRefusedError(f"stage {one.name!r}: {refused.message}", place=place) from None
    if not is_first:  # what the base checkpoint restores says nothing of a later stage
        findings = tuple(finding for finding in findings if finding.code < "ODF3")
    return replace(one, selection=selection, rated=seen.rated, findings=findings)


def _refuse_frozen_noise(one: StagedConfig, base: PipelineConfig, allow: Collection[str]) -> None:
    patterns = one.stage.patterns()
    if patterns and "random_frozen" not in allow:
        raise TrainingRefusedError(
            f"stage {one.name!r} freezes variables, but {base.file} sets no fine_tune_checkpoint:"
            " they would stay at their random start; set it there, or let the first stage train"
            " everything (--allow_random_frozen goes on all the same)",
            place=patterns[0].place,
        )


def _unchecked(base: PipelineConfig, why: str, is_first: bool) -> tuple[Finding, ...]:
    """Returns that no checkpoint could tell what the patterns match; said once, not per stage."""
    if not is_first:
        return ()
    found = last(base.document, "train_config.fine_tune_checkpoint")
    message = (
        f"the patterns were not held against a checkpoint: {why}; `odfreeze train` holds them"
        " against the model"
    )
    return (Finding("ODF391", "warning", message, found.place if found else None),)


def _can_tell(seen: Preview) -> bool:
    """Whether the checkpoint holds the detection model, by the names that the patterns go by."""
    by_name = any(not pattern.by_path for pattern in seen.selection.patterns)
    if seen.names_missing and by_name:
        return False
    return any(v.object_path.startswith(MODEL_ROOT) for v in seen.selection.variables)


def _with_plan_places(selection: Selection, stage: Stage) -> Selection:
    """Returns the selection with its patterns placed in the plan, where people correct them."""
    places = {(pattern.field, pattern.text): pattern.place for pattern in stage.patterns()}
    patterns = tuple(
        replace(pattern, place=places.get((pattern.field, pattern.text)))
        for pattern in selection.patterns
    )
    return replace(selection, patterns=patterns)


def _in_plan(seen: Preview, config: PipelineConfig, one: StagedConfig) -> tuple[Finding, ...]:
    """Returns the preview's findings; those about a pattern are placed in the plan."""
    in_plan = {(p.field, p.text): p.place for p in one.stage.patterns()}
    moved: dict[Place | None, Place | None] = {
        pattern.place: in_plan.get((pattern.field, pattern.text)) for pattern in config.patterns()
    }
    return tuple(
        replace(finding, place=moved.get(finding.place) or finding.place)
        for finding in seen.findings
    )

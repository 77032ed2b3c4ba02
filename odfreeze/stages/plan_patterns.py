"""Names of sets in a plan, such as ``@backbone/1..3``, replaced by the patterns they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from odfreeze.errors import OdfreezeError, PlanError, UsageError
from odfreeze.groups.grouping import group
from odfreeze.groups.names import SIGN, expanded
from odfreeze.model_source import model_variables
from odfreeze.pipeline import PipelineConfig
from odfreeze.rates import expanded_rates
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.stages.plan import Plan, Stage
from odfreeze.variables import Variable

__all__ = ["with_patterns", "with_plain_rates"]


def with_patterns(plan: Plan, base: PipelineConfig) -> Plan:
    """Returns a plan without names of sets.

    The base config's checkpoint tells what there is. Where it is missing or holds no whole
    detector, the variables of the model itself do, if a command listed them before (``--live``).

    Args:
      plan: The plan.
      base: Its base config.

    Raises:
      PlanError: The model has no such set, or cannot be listed; with the place in the plan.
    """
    listed = _Listed(base)
    return replace(plan, stages=tuple(_without_names(stage, listed) for stage in plan.stages))


def with_plain_rates(conduct: Conduct, config: PipelineConfig) -> Conduct:
    """Returns how a run is trained without names of sets; the config's model tells what there is.

    Raises:
      UsageError: The model has no such set, or cannot be listed.
    """
    return replace(conduct, rates=expanded_rates(conduct.rates, _Listed(config).variables))


def _without_names(stage: Stage, listed: _Listed) -> Stage:
    found: dict[str, list[str]] = {"freeze_variables": [], "update_trainable_variables": []}
    places = {name: place for name, place in stage.places.items() if "[" not in name}
    for pattern in stage.patterns():
        texts = found[pattern.field]
        try:
            written = expanded((pattern.text,), listed.variables)
        except UsageError as error:
            message = f"stage {stage.name!r}: {error.message}"
            raise PlanError(message, place=pattern.place) from None
        for text in written:
            if pattern.place is not None:
                places[f"{pattern.field}[{len(texts)}]"] = pattern.place
            texts.append(text)
    rates = [one for rate in stage.conduct.rates for one in _plain(rate, stage, listed)]
    return replace(
        stage,
        freeze_variables=tuple(found["freeze_variables"]),
        update_trainable_variables=tuple(found["update_trainable_variables"]),
        conduct=replace(stage.conduct, rates=tuple(rates)),
        places=places,
    )


def _plain(rate: Rate, stage: Stage, listed: _Listed) -> tuple[Rate, ...]:
    """Returns a rate's plain patterns, each with its scale."""
    try:
        return expanded_rates((rate,), listed.variables)
    except UsageError as error:
        raise PlanError(f"stage {stage.name!r}: {error.message}", place=rate.place) from None


class _Listed:
    """The variables of a base config's model, listed when they are first asked for."""

    def __init__(self, base: PipelineConfig) -> None:
        self._base = base
        self._found: Sequence[Variable] | None = None

    def variables(self) -> Sequence[Variable]:
        """Returns them.

        Raises:
          UsageError: They cannot be listed.
        """
        if self._found is None:
            self._found = self._listed()
        return self._found

    def _listed(self) -> Sequence[Variable]:
        try:
            variables = model_variables(self._base).variables
        except OdfreezeError as error:
            kept = self._kept()
            if kept is None:
                raise UsageError(
                    f"what a name with {SIGN} stands for is told by the base config's checkpoint: "
                    f"{error.message}; or have the model built once, which is remembered: "
                    f"`odfreeze groups {self._base.file} --live`"
                ) from None
            return kept
        parts = {one.part for one in group(variables).groups}
        return variables if {"head", "backbone"} <= parts else self._kept() or variables

    def _kept(self) -> Sequence[Variable] | None:
        from odfreeze.training.live_preview import kept_live_variables

        found = kept_live_variables(self._base)
        return None if found is None else found.variables

"""The learning rate schedule of a pipeline.config: where it stands and what rewrites it.

Names, defaults and the two oneofs are those of ``optimizer.proto``; references are to
tf-models-research-object-detection 2.8.0.post1.
"""

from __future__ import annotations

from odfreeze.errors import ConfigError, UsageError
from odfreeze.textproto import Document, find, last_scalar, last_set

__all__ = ["LARGEST_RATE", "SMALLEST_RATE", "base_rate", "rate_changes", "schedule_path"]

#: The base rate of each schedule.
_BASE_RATES = {
    "constant_learning_rate": "learning_rate",
    "exponential_decay_learning_rate": "initial_learning_rate",
    "manual_step_learning_rate": "initial_learning_rate",
    "cosine_decay_learning_rate": "learning_rate_base",
}
_DEFAULT_RATE = 0.002
#: What a float field holds and TensorFlow takes neither for 0 nor for infinite.
SMALLEST_RATE, LARGEST_RATE = 1.2e-38, 3.4028234e38
#: The rate that a schedule warms up from, and over how many steps, each with its default.
_WARM_UPS = {
    "exponential_decay_learning_rate": ("burnin_learning_rate", 0.0, "burnin_steps", 0),
    "cosine_decay_learning_rate": ("warmup_learning_rate", 0.0002, "warmup_steps", 10000),
}


def schedule_path(document: Document) -> str | None:
    """Returns the path of the schedule that counts, or None where none is written.

    >>> from odfreeze.textproto import parse
    >>> schedule_path(parse(
    ...     b"train_config { optimizer { adam_optimizer { learning_rate { constant_learning_rate {"
    ...     b" learning_rate: 0.1 } } } } }"))
    'train_config.optimizer.adam_optimizer.learning_rate.constant_learning_rate'
    """
    optimizer = last_set(document, "train_config.optimizer")
    if optimizer is None:
        return None
    schedule = last_set(document, f"{optimizer.path}.learning_rate")
    return schedule.path if schedule and schedule.field.name in _BASE_RATES else None


def base_rate(document: Document) -> float | None:
    """Returns the base rate of the schedule; None where no schedule is written.

    That of a stepped schedule is the highest of its rates, since the first may be a warm-up.

    Raises:
      TextProtoError: A rate is no number.
    """
    schedule = schedule_path(document)
    if schedule is None:
        return None
    if _kind(schedule) == "manual_step_learning_rate":
        return max(rate for _, rate in _steps(document, schedule))
    return _number(document, f"{schedule}.{_BASE_RATES[_kind(schedule)]}", _DEFAULT_RATE)


def rate_changes(document: Document, rate: float) -> tuple[tuple[str, float], ...]:
    """Returns what to set, path and value, so that the schedule has a new base rate.

    The rate of a warm-up (or burn-in) stays, unless it would be above the new base rate,
    which the Object Detection API refuses (utils/learning_schedules.py:197): then it
    becomes the base rate. All rates of a stepped schedule are scaled alike, so that the
    schedule keeps its shape.

    Args:
      document: A pipeline.config.
      rate: The new base rate, above 0.

    Raises:
      UsageError: The rate is not above 0, or no number that a float field holds.
      ConfigError: The config has no optimizer with a schedule, or a rate of a stepped
        schedule is not finite.
      TextProtoError: A rate that is written is no number.
    """
    if not rate > 0:
        raise UsageError(f"learning_rate must be above 0, not {rate}")
    if not SMALLEST_RATE <= rate <= LARGEST_RATE:
        raise UsageError(
            f"learning_rate must be from {SMALLEST_RATE:g} to {LARGEST_RATE:g}, as a float holds,"
            f" not {rate}"
        )
    schedule, before = schedule_path(document), base_rate(document)
    if schedule is None or before is None:
        raise ConfigError(
            f"{document.file} has no learning rate schedule in train_config.optimizer; write one "
            "first, such as momentum_optimizer { learning_rate { constant_learning_rate { "
            "learning_rate: 0.01 } } }"
        )
    kind = _kind(schedule)
    if kind == "manual_step_learning_rate":
        steps = _steps(document, schedule)
        _check_finite(document, steps)
        if before > 0:
            return tuple(
                (path, rate if old == before else float(f"{old * rate / before:.6g}"))
                for path, old in steps
            )
    changes = [(f"{schedule}.{_BASE_RATES[kind]}", rate)]
    if kind in _WARM_UPS:
        name, default, counted, default_steps = _WARM_UPS[kind]
        count = last_scalar(document, f"{schedule}.{counted}")
        warms_up = (default_steps if count is None else count.as_int()) > 0
        if warms_up and _number(document, f"{schedule}.{name}", default) > rate:
            changes.append((f"{schedule}.{name}", rate))
    return tuple(changes)


def _steps(document: Document, schedule: str) -> list[tuple[str, float]]:
    """Returns path and rate of every step of a stepped schedule, the first one included."""
    count = len(find(document, f"{schedule}.schedule"))
    paths = [f"{schedule}.initial_learning_rate"]
    paths += [f"{schedule}.schedule[{index}].learning_rate" for index in range(count)]
    return [(path, _number(document, path, _DEFAULT_RATE)) for path in paths]


def _check_finite(document: Document, steps: list[tuple[str, float]]) -> None:
    """Raises ConfigError for a rate that no other rate can be scaled with."""
    for path, rate in steps:
        if not abs(rate) <= LARGEST_RATE:
            written = last_scalar(document, path)
            raise ConfigError(
                f"{path} is {rate:g}, so that the schedule cannot be scaled to a new rate; write "
                "a number first",
                place=written.place if written else None,
            )


def _kind(schedule: str) -> str:
    return schedule.rpartition(".")[2]


def _number(document: Document, path: str, default: float) -> float:
    value = last_scalar(document, path)
    return default if value is None else value.as_float()

"""Says whether training can work in an environment, what would break, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odfreeze.findings import Finding, in_order
from odfreeze.training.compat import MEASURES, Measure, Need
from odfreeze.training.compat.proto_modules import unknown_fields
from odfreeze.training.environment import REQUIREMENTS, Environment, inspect_environment

__all__ = ["Decision", "Diagnosis", "diagnose", "obstacles"]

_TRAIN = "pip install 'odfreeze[train]'"
#: What pins TensorFlow so that pip would change the installed one, or finds none for this Python.
_PINNING = ("tf-models-official", "tf-models-research-object-detection")


@dataclass(frozen=True, slots=True)
class Decision:
    """A measure, and whether it is needed."""

    measure: Measure
    need: Need


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known of an environment.

    Attributes:
      environment: What is installed.
      decisions: Every measure with its need, in the order of application.
      findings: Errors first; a measure that is needed is an ``info``.
    """

    environment: Environment
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps training from working."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def ok(self) -> bool:
        """Whether training will work."""
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        """Returns the whole of it: version 1 of the format of ``doctor --format=json``."""
        environment = self.environment
        return {
            "version": 1,
            "ok": self.ok,
            "python": {
                "version": ".".join(map(str, environment.python)),
                "prefix": environment.prefix,
                "platform": environment.platform,
            },
            "protobuf_implementation": environment.protobuf_implementation or None,
            "packages": [
                {
                    "module": requirement.module,
                    "installed": package is not None,
                    "distribution": package.distribution if package else None,
                    "version": package.version if package else None,
                    "location": str(package.location) if package and package.location else None,
                }
                for requirement in REQUIREMENTS
                for package in (environment.packages.get(requirement.module),)
            ],
            "measures": [
                {
                    "name": decision.measure.name,
                    "symptom": decision.measure.symptom,
                    "cure": decision.measure.cure,
                    "needed": decision.need.needed,
                    "why": decision.need.why,
                }
                for decision in self.decisions
            ],
            "findings": [finding.to_json() for finding in self.findings],
        }


def diagnose(environment: Environment | None = None) -> Diagnosis:
    """Examines an environment without importing TensorFlow.

    Args:
      environment: What is installed; looked up when it is not given.
    """
    if environment is None:
        environment = inspect_environment()
    decisions = tuple(Decision(measure, measure.judge(environment)) for measure in MEASURES)
    findings = [
        *obstacles(environment),
        *_doubts(environment),
        *(_measure_finding(one) for one in decisions if one.need.needed),
    ]
    return Diagnosis(environment, decisions, in_order(findings))


def obstacles(environment: Environment) -> Iterator[Finding]:
    """Yields what keeps training from working: packages that are missing or do not go together."""
    where = f"not installed in {environment.prefix}; install"
    lacking = [one for one in REQUIREMENTS if not one.optional and not environment.has(one.module)]
    for module, code in (("tensorflow", "ODF701"), ("object_detection", "ODF702")):
        for one in lacking:
            if one.module == module:
                name = one.distributions[0]
                how = _command(name, environment)
                message = f"{one.used_by} needs {name}, which is {where} it with: {how}"
                yield Finding(code, "error", message)
                lacking.remove(one)
                break
    by_user: dict[str, list[str]] = {}
    for one in lacking:
        by_user.setdefault(one.used_by, []).append(one.distributions[0])
    for user, names in by_user.items():
        which, them = ("which is", "it") if len(names) == 1 else ("which are", "them")
        yield Finding(
            "ODF703",
            "error",
            f"{user} needs {_listed(names)}, {which} {where} {them} with: {_commands(names)}",
        )
    for rule in _COMBINATIONS:
        trouble = rule(environment)
        if trouble:
            yield Finding("ODF704", "error", trouble)


def _command(name: str, environment: Environment) -> str:
    """Returns what installs TensorFlow or the OD API; the extra of odfreeze where it resolves."""
    if environment.has("tensorflow"):
        return f"pip install --no-deps {name}"
    if environment.python < (3, 13):
        return _TRAIN
    # tf-models-official asks for a tensorflow-io and a TensorFlow that this Python has not.
    return f"pip install {'--no-deps ' if name in _PINNING else ''}{name}"


def _commands(names: Sequence[str]) -> str:
    """Returns what installs the other packages, and leaves TensorFlow as it is."""
    loose = [name for name in names if name not in _PINNING]
    pinning = [name for name in names if name in _PINNING]
    asked = [("pip install ", loose), ("pip install --no-deps ", pinning)]
    return " && ".join(command + " ".join(of) for command, of in asked if of)


def _listed(names: Sequence[str]) -> str:
    """Returns names as a sentence lists them."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


# --- versions that are known not to work together -----------------------------------------


def _legacy_keras_missing(environment: Environment) -> str | None:
    if not environment.at_least("tensorflow", 2, 16) or environment.has("tf_keras"):
        return None
    numbers = environment.packages["tensorflow"].numbers[:2]
    pin = f"=={'.'.join(map(str, numbers))}.*" if numbers else ""
    return (
        f"{environment.named('tensorflow')} has Keras 3 for tf.keras, which the OD API cannot"
        f" use, and tf-keras, the Keras that it can, is not installed; install it with:"
        f" pip install 'tf-keras{pin}'"
    )


def _numpy_too_new(environment: Environment) -> str | None:
    if not environment.at_least("numpy", 2) or not environment.packages["numpy"].numbers:
        return None
    if not environment.has("tensorflow") or environment.at_least("tensorflow", 2, 18):
        return None
    return (
        f"{environment.named('tensorflow')} was compiled for NumPy 1 and cannot be imported with"
        f" {environment.named('numpy')}; install it with: pip install 'numpy<2'"
    )


def _protobuf_too_old(environment: Environment) -> str | None:
    if not environment.has("google.protobuf") or environment.at_least("google.protobuf", 3, 20):
        return None
    return (
        f"odfreeze makes message classes as protobuf does from 3.20 on, and"
        f" {environment.named('google.protobuf')} is installed; install it with: pip install"
        f" 'protobuf>=3.20.3'"
    )


def _six_too_old(environment: Environment) -> str | None:
    if environment.python < (3, 12) or not environment.has("six"):
        return None
    if environment.at_least("six", 1, 16):
        return None
    return (
        f"six.moves of {environment.named('six')} cannot be imported from Python 3.12 on; install"
        f" it with: pip install 'six>=1.16'"
    )


def _tensorflow_too_old(environment: Environment) -> str | None:
    if not environment.has("tensorflow") or environment.at_least("tensorflow", 2, 5):
        return None
    return (
        f"the OD API's TF2 path needs TensorFlow 2.5 or later, and"
        f" {environment.named('tensorflow')} is installed; install it with: {_TRAIN}"
    )


_COMBINATIONS: tuple[Callable[[Environment], str | None], ...] = (
    _tensorflow_too_old,
    _legacy_keras_missing,
    _numpy_too_new,
    _protobuf_too_old,
    _six_too_old,
)


# --- what may go wrong, and what is mended ------------------------------------------------


def _doubts(environment: Environment) -> Iterator[Finding]:
    unknown = unknown_fields(environment)
    if unknown:
        some = ", ".join(unknown[:4]) + (f" and {len(unknown) - 4} more" if unknown[4:] else "")
        location = environment.packages["object_detection"].location or Path("object_detection")
        yield Finding(
            "ODF706",
            "warning",
            f"this OD API's schema has what odfreeze's own has not ({some}), and protoc was not"
            f" run on it, so a config that uses it cannot be read; run in {location.parent}:"
            " protoc object_detection/protos/*.proto --python_out=.",
        )
    if environment.has("tf_keras") and environment.at_least("tensorflow", 2, 16):
        tensorflow = environment.packages["tensorflow"].numbers[:2]
        keras = environment.packages["tf_keras"].numbers[:2]
        if tensorflow and keras and tensorflow != keras:
            wanted = ".".join(map(str, tensorflow))
            yield Finding(
                "ODF707",
                "warning",
                f"{environment.named('tf_keras')} is made for another TensorFlow than"
                f" {environment.named('tensorflow')}; install the one that belongs to it with:"
                f" pip install 'tf-keras=={wanted}.*'",
            )
    if environment.has("tensorflow") and not environment.at_least("tensorflow", 2, 12):
        yield Finding(
            "ODF707",
            "warning",
            f"{environment.named('tensorflow')} is older than what odfreeze is tried on (2.12 to"
            f" 2.21); it may well train, but nobody has looked",
        )
    forced = environment.variables.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION")
    if forced == "python" and environment.at_least("google.protobuf", 4):
        yield Finding(
            "ODF708",
            "warning",
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python is set: odfreeze does not need it, it"
            " makes reading slow, and programs that run without odfreeze fail with it on configs"
            " that hold maps, such as CenterNet's; remove it with: unset"
            " PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
        )


def _measure_finding(decision: Decision) -> Finding:
    measure, need = decision.measure, decision.need
    return Finding(
        "ODF705",
        "info",
        f"stock would end in `{measure.symptom}` ({need.why}); odfreeze {measure.cure}"
        f" ({measure.name})",
    )

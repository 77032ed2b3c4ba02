"""What is installed of all that training needs, found without importing any of it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "REQUIREMENTS",
    "Environment",
    "Package",
    "Requirement",
    "distribution_of",
    "inspect_environment",
]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package that training imports.

    Attributes:
      module: Its import name.
      distributions: Names under which it can be installed, the usual one first.
      used_by: Who imports it, as a message names it.
      optional: Whether training runs without it.
    """

    module: str
    distributions: tuple[str, ...]
    used_by: str
    optional: bool = False


_OD_API = "the OD API"

#: All that ``object_detection.model_main_tf2`` imports, directly or through what it imports.
REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(
        "tensorflow",
        ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos",
         "tensorflow-rocm", "tf-nightly"),
        "training",
    ),
    Requirement("tf_keras", ("tf-keras", "tf-keras-nightly"), "TensorFlow", optional=True),
    Requirement("object_detection", ("tf-models-research-object-detection",), "training"),
    Requirement("official", ("tf-models-official", "tf-models-nightly"), _OD_API),
    Requirement("tf_slim", ("tf-slim",), _OD_API),
    Requirement("google.protobuf", ("protobuf",), _OD_API),
    Requirement("numpy", ("numpy",), _OD_API),
    Requirement("absl", ("absl-py",), _OD_API),
    Requirement("six", ("six",), _OD_API),
    Requirement("scipy", ("scipy",), _OD_API),
    Requirement("matplotlib", ("matplotlib",), _OD_API),
    Requirement("PIL", ("pillow",), _OD_API),
    Requirement("pycocotools", ("pycocotools",), _OD_API),
    Requirement("lvis", ("lvis",), _OD_API),
    Requirement(
        "cv2",
        ("opencv-python-headless", "opencv-python", "opencv-contrib-python",
         "opencv-contrib-python-headless"),
        "lvis",
    ),
    Requirement("gin", ("gin-config",), "tf-models-official"),
    Requirement("yaml", ("pyyaml",), "tf-models-official"),
    # Not to import anything, but for tf.summary.image; TensorFlow asks for it up to 2.20 only.
    Requirement("tensorboard", ("tensorboard", "tb-nightly"), _OD_API),
    Requirement("tensorflow_io", ("tensorflow-io",), _OD_API, optional=True),
    Requirement("keras", ("keras",), _OD_API, optional=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Package:
    """A package that can be imported.

    Attributes:
      module: Import name.
      distribution: Name of the distribution that it was installed from, or None for files that
        merely lie on the path, such as a checkout on ``PYTHONPATH``.
      version: The distribution's version, or None when there is none or it does not tell.
      location: The package's folder, or the file of a single module; None when unknown.
    """

    module: str
    distribution: str | None
    version: str | None
    location: Path | None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The leading numbers of the version.

        >>> Package("tensorflow", "tensorflow", "2.21.0rc1", None).numbers
        (2, 21, 0)
        """
        found = re.match(r"\d+(\.\d+)*", self.version or "")
        return tuple(map(int, found.group().split("."))) if found else ()


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python and what can be imported in it.

    Attributes:
      python: Version of Python.
      prefix: Its environment's folder.
      platform: System and processor, such as ``linux-x86_64``.
      packages: What was found, by import name.
      variables: The environment variables that matter to training.
      protobuf_implementation: ``upb``, ``cpp`` or ``python``; "" without protobuf.
    """

    python: tuple[int, int, int]
    prefix: str = sys.prefix
    platform: str = ""
    packages: Mapping[str, Package] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    protobuf_implementation: str = ""

    def has(self, module: str) -> bool:
        """Whether a module can be imported."""
        return module in self.packages

    def at_least(self, module: str, *version: int) -> bool:
        """Whether a package is there, of this version or later; an unknown one counts as later."""
        package = self.packages.get(module)
        return package is not None and (not package.numbers or package.numbers >= version)

    def named(self, module: str) -> str:
        """Returns a package's name and version as messages show them.

        >>> Environment((3, 11, 0)).named("numpy")
        'no numpy'
        """
        package = self.packages.get(module)
        if package is None:
            return f"no {distribution_of(module)}"
        name = package.distribution or module
        return f"{name} {package.version or '(version unknown)'}"


def distribution_of(module: str) -> str:
    """Returns the name under which a package is usually installed.

    >>> distribution_of("PIL"), distribution_of("elsewhere")
    ('pillow', 'elsewhere')
    """
    names = (one.distributions[0] for one in REQUIREMENTS if one.module == module)
    return next(names, module)


def inspect_environment(requirements: Iterable[Requirement] = REQUIREMENTS) -> Environment:
    """Returns what is installed for this Python; imports nothing of it but protobuf.

    Args:
      requirements: What to look for.
    """
    packages = {}
    for requirement in requirements:
        package = _find(requirement)
        if package is not None:
            packages[requirement.module] = package
    implementation = ""
    if "google.protobuf" in packages:
        with contextlib.suppress(
            ImportError, ValueError
        ):  # ValueError: a variable with a bad value
            from google.protobuf.internal import api_implementation

            implementation = api_implementation.Type()
    variables = ("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "TF_USE_LEGACY_KERAS")
    major, minor, micro = sys.version_info[:3]
    return Environment(
        python=(major, minor, micro),
        prefix=sys.prefix,
        platform=f"{platform.system().lower()}-{platform.machine()}",
        packages=packages,
        variables={name: os.environ[name] for name in variables if name in os.environ},
        protobuf_implementation=implementation,
    )


def _find(requirement: Requirement) -> Package | None:
    """Returns a package as Python's import would find it, or None."""
    try:
        spec = importlib.util.find_spec(requirement.module)
    except (ImportError, ValueError):  # ValueError: a stand-in in sys.modules, made without a spec
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    location = Path(folders[0]) if folders else (Path(spec.origin) if spec.origin else None)
    if spec.origin is None and not _holds_modules(folders):
        return None  # a folder of that name, such as an uninstall leaves
    distribution, version = _distribution(requirement, location)
    return Package(requirement.module, distribution, version, location)


def _holds_modules(folders: Iterable[str]) -> bool:
    return any(next(Path(folder).glob("*.py"), None) is not None for folder in folders)


def _distribution(requirement: Requirement, location: Path | None) -> tuple[str | None, str | None]:
    """Returns name and version of the distribution whose files were found.

    An installed distribution that a checkout on the path hides is not what is imported.
    """
    relative = requirement.module.replace(".", "/")
    for name in requirement.distributions:
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for own in (relative, f"{relative}.py"):
            path = Path(str(found.locate_file(own)))
            if location is not None and path.exists() and not _same(path, location):
                return None, None
        return name, found.version
    return None, None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False

"""What is installed of all that decides a model's variables, found without importing any of it.

It is asked for in every ``preview --live``, so it does without :mod:`importlib.metadata`, whose
import alone takes as long as a preview.
"""

from __future__ import annotations

import importlib.util
import os
import re

__all__ = ["MODULES", "fingerprint"]

#: The modules, each with the names under which it can be installed.
MODULES: dict[str, tuple[str, ...]] = {
    "tensorflow": (
        "tensorflow", "tensorflow_cpu", "tensorflow_intel", "tensorflow_macos", "tensorflow_rocm",
        "tf_nightly",
    ),
    "object_detection": ("tf_models_research_object_detection",),
    "official": ("tf_models_official", "tf_models_nightly"),
    "keras": ("keras",),
    "tf_keras": ("tf_keras", "tf_keras_nightly"),
}  # fmt: skip
#: Without these there is no model.
_NEEDED = ("tensorflow", "object_detection")
#: Depth to which the files of a checkout are looked at: object_detection/models/keras_models/.
_DEPTH = 2


def fingerprint() -> dict[str, str]:
    """Returns the version of each module that is installed.

    Of files that merely lie on the path, such as a checkout on ``PYTHONPATH``, it is their folder
    and the time of the latest change there.

    Returns:
      Version by module; {} where TensorFlow or the OD API is not installed.
    """
    found = {}
    for module, distributions in MODULES.items():
        folder = _folder(module)
        if folder is not None:
            found[module] = _version(folder, distributions) or _state(folder)
    return found if all(module in found for module in _NEEDED) else {}


def _folder(module: str) -> str | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # ValueError: a stand-in in sys.modules, without a spec
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    folder: str = os.path.abspath(next(iter(spec.submodule_search_locations)))  # noqa: PTH100
    # Without a file of its own it is a folder of that name, such as an uninstall leaves.
    return folder if spec.origin is not None else None


def _version(folder: str, distributions: tuple[str, ...]) -> str | None:
    """Returns the version in the name of the ``.dist-info`` folder beside a module, or None."""
    try:
        beside = os.listdir(os.path.dirname(folder))  # noqa: PTH120, PTH208
    except OSError:
        return None
    for name in beside:
        match = re.fullmatch(r"(.+?)-([^-]+)\.(?:dist|egg)-info", name)
        if match and re.sub(r"[-_.]+", "_", match[1]).lower() in distributions:
            return match[2]
    return None


def _state(folder: str) -> str:
    """Returns a folder with the time, in nanoseconds, when a Python file in it last changed."""
    latest, waiting = 0, [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.endswith(".py"):
                        latest = max(latest, entry.stat().st_mtime_ns)
                    elif depth < _DEPTH and entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
        except OSError:
            continue
    return f"{folder}@{latest}"

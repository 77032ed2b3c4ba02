"""Environments made up for tests, and packages that lie on a path."""

from __future__ import annotations

from pathlib import Path

from odfreeze.training.environment import REQUIREMENTS, Environment, Package

#: All that training needs, as it is installed with TensorFlow 2.15.
WITH_2_15 = {
    "tensorflow": "2.15.1",
    "tf_keras": "2.15.1",
    "object_detection": "2.8.0.post1",
    "official": "2.15.0",
    "tf_slim": "1.1.0",
    "google.protobuf": "4.25.9",
    "numpy": "1.26.4",
    "absl": "1.4.0",
    "six": "1.17.0",
    "scipy": "1.17.1",
    "matplotlib": "3.10.6",
    "PIL": "13.0.0",
    "pycocotools": "2.0.11",
    "lvis": "0.5.3",
    "cv2": "4.11.0.86",
    "gin": "0.5.0",
    "yaml": "6.0.3",
    "tensorboard": "2.15.2",
    "tensorflow_io": "0.37.1",
    "keras": "2.15.0",
}

_DISTRIBUTIONS = {one.module: one.distributions[0] for one in REQUIREMENTS}


def environment(
    without: tuple[str, ...] = (),
    python: tuple[int, int, int] = (3, 11, 7),
    variables: dict[str, str] | None = None,
    location: Path | None = None,
    **versions: str,
) -> Environment:
    """Returns an environment with TensorFlow 2.15, but for what is said.

    Args:
      without: Import names that are missing.
      python: Version of Python.
      variables: Environment variables.
      location: Folder of ``object_detection``.
      versions: Other versions; ``protobuf`` is that of ``google.protobuf``.
    """
    if "protobuf" in versions:
        versions["google.protobuf"] = versions.pop("protobuf")
    chosen = {**WITH_2_15, **versions}
    packages = {
        module: Package(
            module,
            _DISTRIBUTIONS[module],
            version,
            location if module == "object_detection" else Path("/env", *module.split(".")),
        )
        for module, version in chosen.items()
        if module not in without
    }
    return Environment(
        python=python,
        prefix="/env",
        platform="linux-x86_64",
        packages=packages,
        variables=variables or {},
        protobuf_implementation="upb",
    )


#: What ``object_detection/protos`` of the package on PyPI looks like, in one file.
OLD_MODULE = """\
from google.protobuf import descriptor as _descriptor
raise TypeError("Descriptors cannot be created directly.")
DESCRIPTOR = _descriptor.FileDescriptor(
  name='NAME', package='odtest', serialized_pb=SERIALIZED, dependencies=[])
"""

#: A module of protoc 31: it asks for a runtime that is no older.
NEWER_MODULE = """\
from google.protobuf import descriptor_pool as _descriptor_pool
from google.protobuf import runtime_version as _runtime_version
_runtime_version.ValidateProtobufRuntimeVersion(
    _runtime_version.Domain.PUBLIC,
    99,
    31,
    1,
    '',
    'NAME'
)
DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(SERIALIZED)
"""


def generated(template: str, name: str, serialized: bytes) -> str:
    """Returns the text of a generated module."""
    return template.replace("NAME", name).replace("SERIALIZED", repr(serialized))


def write_protos(root: Path, **files: str) -> Path:
    """Writes an ``object_detection`` package with files in ``protos``; returns its folder.

    Args:
      root: The folder for the path.
      files: Text by file name; ``ssd_pb2`` means ``ssd_pb2.py``, ``ssd`` means ``ssd.proto``.
    """
    package = root / "object_detection"
    protos = package / "protos"
    protos.mkdir(parents=True)
    for folder in (package, protos):
        (folder / "__init__.py").write_text("")
    for name, text in files.items():
        ending = ".py" if name.endswith("_pb2") else ".proto"
        (protos / f"{name}{ending}").write_text(text)
    return package

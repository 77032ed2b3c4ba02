"""Generated modules of every protoc, or of none, under the protobuf runtime that is here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from odfreeze.schema import serialized_files
from odfreeze.training.compat.proto_modules import (
    ProtoModuleFinder,
    fault_of,
    judge_absent,
    judge_newer,
    judge_old,
    serialized_file,
    unknown_fields,
)
from tests.conftest import ROOT
from tests.support.environments import (
    NEWER_MODULE,
    OLD_MODULE,
    environment,
    generated,
    write_protos,
)


def inner() -> FileDescriptorProto:
    """A file with a message and an enum."""
    file = FileDescriptorProto(
        name="object_detection/protos/inner.proto", package="odtest", syntax="proto2"
    )
    file.message_type.add(name="Inner").field.add(name="size", number=1, type=5, label=1)
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="ROUND", number=0)
    kind.value.add(name="SQUARE", number=3)
    return file


def outer() -> FileDescriptorProto:
    """A file that needs the other."""
    file = FileDescriptorProto(
        name="object_detection/protos/outer.proto", package="odtest", syntax="proto2"
    )
    file.dependency.append("object_detection/protos/inner.proto")
    fields = file.message_type.add(name="Outer").field
    fields.add(name="inner", number=1, type=11, type_name=".odtest.Inner", label=1)
    fields.add(name="kind", number=2, type=14, type_name=".odtest.Kind", label=1)
    return file


def run(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process whose path has the folder and whose finder is in place."""
    start = (
        "import sys; from odfreeze.training.compat.proto_modules import *;"
        " hook_proto_modules(); hook_proto_modules()\n"
    )
    path = os.pathsep.join((str(ROOT), str(folder)))
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", start + code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **variables},
    )


def output(folder: Path, code: str, **variables: str) -> str:
    done = run(folder, code, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


USE = """
from object_detection.protos import outer_pb2
from google.protobuf import text_format
outer = text_format.Parse("inner { size: 7 } kind: SQUARE", outer_pb2.Outer())
inner_pb2 = sys.modules["object_detection.protos.inner_pb2"]
assert isinstance(outer.inner, inner_pb2.Inner)
assert (outer.inner.size, outer.kind) == (7, inner_pb2.SQUARE) == (7, 3)
assert outer_pb2.Outer.FromString(outer.SerializeToString()) == outer
assert outer_pb2.DESCRIPTOR.name == "object_detection/protos/outer.proto"
print(sum(isinstance(f, ProtoModuleFinder) for f in sys.meta_path))
"""


@pytest.mark.parametrize("template", (OLD_MODULE, NEWER_MODULE), ids=("old", "newer"))
def test_classes_are_made_from_the_descriptors_in_the_modules(tmp_path, template) -> None:
    texts = {
        f"{Path(file.name).stem}_pb2": generated(template, file.name, file.SerializeToString())
        for file in (inner(), outer())
    }
    write_protos(tmp_path, **texts)
    assert output(tmp_path, USE) == "1\n"


def test_the_module_s_own_fields_count_where_a_fork_has_more(tmp_path) -> None:
    name = "object_detection/protos/optimizer.proto"
    file = FileDescriptorProto.FromString(serialized_files("object_detection")[name])
    message = next(one for one in file.message_type if one.name == "Optimizer")
    message.field.add(name="of_a_fork", number=900, type=5, label=1)
    write_protos(tmp_path, optimizer_pb2=generated(OLD_MODULE, name, file.SerializeToString()))
    code = (
        "from object_detection.protos import optimizer_pb2, pipeline_pb2\n"
        "p = pipeline_pb2.TrainEvalPipelineConfig()\n"
        "p.train_config.optimizer.of_a_fork = 5\n"
        "print(type(p.train_config.optimizer) is optimizer_pb2.Optimizer)"
    )
    assert output(tmp_path, code) == "True\n"


MAP = 'model { center_net { keypoint_estimation_task { keypoint_label_to_std { key: "a" value: 2 } } } }'  # noqa: E501


@pytest.mark.parametrize("variables", ({}, {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}), ids=("as it is", "python"))  # noqa: E501  # fmt: skip
def test_a_checkout_without_protoc_reads_configs_with_maps(tmp_path, variables) -> None:
    write_protos(tmp_path, pipeline="// protoc was never run\n")
    code = (
        "from google.protobuf import text_format\n"
        "from object_detection.protos import pipeline_pb2\n"
        f"p = text_format.Parse({MAP!r}, pipeline_pb2.TrainEvalPipelineConfig())\n"
        "print(p.model.center_net.keypoint_estimation_task[0].keypoint_label_to_std['a'])"
    )
    assert output(tmp_path, code, **variables) == "2.0\n"


def test_every_file_of_the_schema_can_be_imported_by_itself(tmp_path) -> None:
    write_protos(tmp_path)
    names = [Path(name).stem for name in serialized_files("object_detection")]
    code = f"import importlib\nfor n in {names!r}[::-1]: " + (
        "m = importlib.import_module(f'object_detection.protos.{n}_pb2'); print(m.DESCRIPTOR.name)"
    )
    assert sorted(output(tmp_path, code).split()) == sorted(serialized_files("object_detection"))


def test_a_module_that_works_is_left_alone(tmp_path) -> None:
    write_protos(tmp_path, ssd_pb2="VALUE = 'as it is'\n")
    code = "from object_detection.protos import ssd_pb2; print(ssd_pb2.VALUE)"
    assert output(tmp_path, code) == "as it is\n"


def test_what_nobody_has_stays_missing(tmp_path) -> None:
    write_protos(tmp_path)
    done = run(tmp_path, "import object_detection.protos.absent_pb2")
    assert done.returncode == 1
    assert "No module named 'object_detection.protos.absent_pb2'" in done.stderr


@pytest.mark.parametrize(
    "name",
    (
        "object_detection.core.losses",
        "object_detection.protos.builder",
        "other.protos.ssd_pb2",
        "object_detection.protos.deep.ssd_pb2",
    ),
)
def test_the_finder_minds_its_own_modules(name) -> None:
    assert ProtoModuleFinder().find_spec(name, []) is None


@pytest.mark.parametrize(
    ("source", "found"),
    (
        ("F = f(serialized_pb=b'\\n\\x01x')", b"\n\x01x"),
        ("DESCRIPTOR = pool.Default().AddSerializedFile(b'x')", b"x"),
        ("F = f(serialized_pb=_b('x'))", None),
        ("F = f(serialized_pb='text')", None),
        ("pool.AddSerializedFile()", None),
        ("# serialized_pb= is what older ones have", None),
        ("VALUE = 1", None),
    ),
    ids=("old", "newer", "a call", "text", "no argument", "a comment", "another module"),
)
def test_only_a_literal_descriptor_is_taken(source: str, found: bytes | None) -> None:
    assert serialized_file(source) == found


STAMPED = generated(NEWER_MODULE, "x", b"").replace("99,", "5,")


@pytest.mark.parametrize(
    ("source", "runtime", "fault"),
    (
        ("F = f(serialized_pb=b'')", (3, 20, 3), None),
        ("F = f(serialized_pb=b'')", (4, 21, 0), "old"),
        ("F = f(serialized_pb=b'')", (7, 36, 2), "old"),
        ("F = f(serialized_pb=b'')", (), "old"),
        ("D = pool.AddSerializedFile(b'')", (3, 20, 3), None),
        ("D = pool.AddSerializedFile(b'')", (7, 36, 2), None),
        (STAMPED, (5, 31, 0), "newer"),
        (STAMPED, (4, 25, 9), "newer"),
        (STAMPED, (5, 31, 1), None),
        (STAMPED, (7, 0, 0), None),
        (STAMPED, (), None),
    ),
    ids=(
        "old, 3.20",
        "old, 4",
        "old, 7",
        "old, unknown",
        "protoc 3.20, 3.20",
        "protoc 3.20, 7",
        "stamped, older by a patch",
        "stamped, 4",
        "stamped, equal",
        "stamped, 7",
        "stamped, unknown",
    ),
)
def test_which_runtime_refuses_which_module(source, runtime, fault) -> None:
    assert fault_of(source, runtime) == fault


# --- judging a folder ---

OLD = generated(OLD_MODULE, "x", b"")
NEWER = generated(NEWER_MODULE, "x", b"")
FINE = "DESCRIPTOR = pool.AddSerializedFile(b'')\n"


@pytest.mark.parametrize(
    ("files", "protobuf", "needed"),
    (
        ({"ssd_pb2": OLD}, "4.25.9", {"old"}),
        ({"ssd_pb2": OLD}, "3.20.3", set()),
        ({"ssd_pb2": NEWER}, "6.33.0", {"newer"}),
        ({"ssd_pb2": FINE}, "7.36.2", set()),
        ({"ssd_pb2": FINE, "ssd": ""}, "7.36.2", set()),
        ({"ssd": ""}, "7.36.2", {"absent"}),
        ({"ssd_pb2": FINE, "ssd": "", "model": ""}, "7.36.2", {"absent"}),
        ({"of_a_fork": ""}, "7.36.2", {"absent"}),
        ({}, "7.36.2", {"absent"}),
        ({"ssd_pb2": OLD, "model_pb2": NEWER, "eval": ""}, "5.0", {"old", "newer", "absent"}),
    ),
    ids=(
        "old",
        "old, but taken",
        "newer",
        "fine",
        "fine, with its source",
        "never compiled",
        "one not compiled",
        "a fork's file only",
        "nothing at all",
        "all of it",
    ),
)
def test_a_folder_is_judged_by_what_lies_in_it(tmp_path, files, protobuf, needed) -> None:
    env = environment(location=write_protos(tmp_path, **files), protobuf=protobuf)
    judges = {"old": judge_old, "newer": judge_newer, "absent": judge_absent}
    assert {name for name, judge in judges.items() if judge(env).needed} == needed


@pytest.mark.parametrize("missing", ("object_detection", "google.protobuf"))
@pytest.mark.parametrize("judge", (judge_old, judge_newer, judge_absent))
def test_without_the_packages_nothing_is_needed(judge, missing) -> None:
    assert not judge(environment(without=(missing,))).needed


@pytest.mark.parametrize(
    ("files", "why"),
    (
        (
            {"ssd_pb2": OLD},
            "object_detection/protos/ssd_pb2.py is made by a protoc before 3.19,"
            " which protobuf 7.36.2 refuses",
        ),
        (
            {"ssd_pb2": OLD, "fpn_pb2": OLD},
            "2 modules of object_detection/protos are made by a"
            " protoc before 3.19, which protobuf 7.36.2 refuses",
        ),
    ),
    ids=("one", "more"),
)
def test_the_reason_counts_the_modules(tmp_path, files, why) -> None:
    env = environment(location=write_protos(tmp_path, **files), protobuf="7.36.2")
    assert judge_old(env).why == why


# --- a fork's schema, never compiled ---

FORK = """
syntax = "proto2";
package object_detection.protos;
message GridAnchorGenerator {
  // optional int32 commented = 77;
  /* optional int32 also = 78; */
  optional int32 height = 1 [default = 256];
  optional float of_a_fork = 79 [default = 2.5];
  extensions 1000 to max;
}
"""


def test_fields_that_only_a_fork_knows_are_listed(tmp_path) -> None:
    location = write_protos(tmp_path, grid_anchor_generator=FORK, new_thing="message New {}")
    assert unknown_fields(environment(location=location)) == (
        "grid_anchor_generator.proto: of_a_fork",
        "new_thing.proto",
    )


def test_where_protoc_was_run_the_schema_need_not_know(tmp_path) -> None:
    files = {"grid_anchor_generator": FORK, "grid_anchor_generator_pb2": FINE}
    assert unknown_fields(environment(location=write_protos(tmp_path, **files))) == ()


def test_the_own_schema_has_nothing_unknown(tmp_path) -> None:
    source = ROOT / "protos" / "object_detection" / "protos"
    files = {path.stem: path.read_text(encoding="utf-8") for path in source.glob("*.proto")}
    assert files
    assert unknown_fields(environment(location=write_protos(tmp_path, **files))) == ()

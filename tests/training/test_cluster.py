"""What ``--num_workers`` and ``TF_CONFIG`` say of the workers of a run, and what is refused."""

from __future__ import annotations

import json
import socket

import pytest

from odfreeze.errors import TrainingRefusedError, UsageError
from odfreeze.training.cluster import Cluster, read_cluster, refuse_taken_port

TWO = {"worker": ["a:1", "b:2"]}
EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)


def tf_config(cluster: object, kind: object = "worker", index: object = 0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


# --- who is who ---


@pytest.mark.parametrize(
    ("text", "cluster"),
    (
        (tf_config(TWO), Cluster("worker-0", ("worker-0", "worker-1"), "a:1")),
        (tf_config(TWO, index=1), Cluster("worker-1", ("worker-0", "worker-1"), "b:2")),
        (tf_config(TWO, index="1"), Cluster("worker-1", ("worker-0", "worker-1"), "b:2")),
        (
            tf_config({"worker": ["a:1"], "chief": ["c:3"]}),
            Cluster("worker-0", ("chief-0", "worker-0"), "a:1"),
        ),
        (
            tf_config({"worker": ["a:1"], "chief": ["c:3"]}, "chief"),
            Cluster("chief-0", ("chief-0", "worker-0"), "c:3"),
        ),
        (
            tf_config({**TWO, "evaluator": ["e:5"], "ps": ["p:6"]}),
            Cluster("worker-0", ("worker-0", "worker-1"), "a:1"),
        ),
        (
            tf_config({"worker": {"0": "a:1", "3": "b:2"}}, index=3),
            Cluster("worker-3", ("worker-0", "worker-3"), "b:2"),
        ),
    ),
    ids=(
        "first worker", "second worker", "index as text", "worker beside a chief", "chief",
        "others that do not train", "sparse",
    ),
)  # fmt: skip
def test_the_workers_of_a_run(text: str, cluster: Cluster) -> None:
    assert read_cluster(["--num_workers=2"], text) == cluster


@pytest.mark.parametrize(
    ("text", "chief"),
    (
        (tf_config(TWO), True),
        (tf_config(TWO, index=1), False),
        (tf_config({"worker": ["a:1"], "chief": ["c:3"]}), False),
        (tf_config({"worker": ["a:1"], "chief": ["c:3"]}, "chief"), True),
    ),
    ids=("first worker", "second worker", "worker beside a chief", "chief"),
)
def test_the_chief_is_the_one_that_tensorflow_lets_write_checkpoints(
    text: str, chief: bool
) -> None:
    assert read_cluster(["--num_workers=2"], text).is_chief is chief


def test_each_worker_has_a_log_name_of_its_own() -> None:
    names = [read_cluster(["--num_workers=2"], tf_config(TWO, index=i)).log_name for i in (0, 1)]
    assert names == ["train.log", "train.worker-1.log"]


@pytest.mark.parametrize(
    ("flags", "text"),
    (
        ([], None),
        ([], ""),
        ([], "{}"),
        ([], '{"environment": "cloud"}'),
        (["--num_workers=1"], tf_config({"chief": ["a:1"]}, "chief")),
        (["--use_tpu=true", "--num_workers=2"], None),
        (["--use_tpu"], "no JSON"),
    ),
    ids=("unset", "empty", "no key", "no cluster", "a cluster of one", "tpu", "tpu, no number"),
)
def test_a_run_of_one_worker(flags: list[str], text: str | None) -> None:
    assert read_cluster(flags, text) == Cluster("worker-0", ("worker-0",), "")


@pytest.mark.parametrize(
    "flags",
    (["--num_workers", "2"], ["-num_workers=2"], ["--num_workers=1", "--num_workers=2"]),
    ids=("a word of its own", "one hyphen", "the last counts"),
)
def test_flags_are_read_as_absl_reads_them(flags: list[str]) -> None:
    assert len(read_cluster(flags, tf_config(TWO)).tasks) == 2


# --- what is refused ---


@pytest.mark.parametrize(
    ("number", "text", "message"),
    (
        (
            2,
            None,
            "--num_workers=2, but the environment has no TF_CONFIG that says where they are: this"
            f" one would train alone. Set it for every worker: TF_CONFIG='{EXAMPLE}'",
        ),
        (
            1,
            tf_config(TWO),
            "TF_CONFIG names 2 workers, but --num_workers is 1: each would train alone, all into"
            " one --model_dir; give --num_workers=2, or unset TF_CONFIG",
        ),
        (
            3,
            tf_config(TWO),
            "--num_workers=3, but TF_CONFIG names 2 (worker-0, worker-1), and that is what counts;"
            " give --num_workers=2, or correct TF_CONFIG",
        ),
    ),
    ids=("no TF_CONFIG", "no flag", "another number"),
)
def test_flag_and_environment_have_to_agree(number: int, text: str | None, message: str) -> None:
    with pytest.raises(TrainingRefusedError) as caught:
        read_cluster([f"--num_workers={number}"], text)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", ("0", "-1", "two", ""))
def test_a_number_of_workers_is_a_number(value: str) -> None:
    with pytest.raises(UsageError, match=f"--num_workers is {value}; give 1 or more"):
        read_cluster([f"--num_workers={value}"], None)


@pytest.mark.parametrize(
    ("text", "what"),
    (
        ("[]", "it is no JSON object"),
        ('{"cluster": []}', "its 'cluster' is no JSON object"),
        ('{"cluster": {"ps": ["a:1"]}}', "its 'cluster' has neither a 'chief' nor a 'worker'"),
        (
            '{"cluster": {"worker": ["a:1", "b:2"]}}',
            "it has no 'task' with 'type' and 'index', which tell the workers apart",
        ),
        (tf_config(TWO, index=None), "the 'index' of its 'task' is None, no number"),
        (
            tf_config(TWO, index=2),
            "its 'task' is worker-2, and its 'cluster' has worker-0, worker-1",
        ),
        (tf_config(TWO, "boss"), "its 'task' is boss-0, and its 'cluster' has worker-0, worker-1"),
        (
            tf_config(TWO, "evaluator"),
            "its 'task' is evaluator-0, and its 'cluster' has worker-0, worker-1",
        ),
        (tf_config({"worker": "a:1"}), "'worker' of its 'cluster' is no list of addresses"),
        (tf_config({"worker": ["a", "b:2"]}), "worker 0 of its 'cluster' is 'a', not host:port"),
        (tf_config({"worker": ["a:1", 2]}), "worker 1 of its 'cluster' is 2, not host:port"),
        (
            tf_config({"worker": ["a:1", "a:1"]}),
            "two workers of its 'cluster' have the address a:1",
        ),
        (tf_config({"chief": ["a:1", "b:2"]}, "chief"), "its 'cluster' has more than one 'chief'"),
    ),
    ids=(
        "a list", "cluster a list", "none that trains", "no task", "no index", "index too high",
        "unknown type", "evaluator", "workers as text", "no port", "a number", "twice",
        "two chiefs",
    ),
)  # fmt: skip
def test_a_tf_config_that_tensorflow_would_stumble_over(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_cluster(["--num_workers=2"], text)
    assert str(caught.value) == (
        f"TF_CONFIG is not as TensorFlow wants it: {what}; an example: {EXAMPLE}"
    )


def test_text_that_is_no_json_is_shown() -> None:
    with pytest.raises(UsageError, match=r"TF_CONFIG is no JSON: .*: {cluster: 1}$"):
        read_cluster([], "{cluster: 1}")


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(TrainingRefusedError, match=f"worker-1 is to listen on port {port}"):
            refuse_taken_port(Cluster("worker-1", ("worker-0", "worker-1"), f"127.0.0.1:{port}"))
    refuse_taken_port(Cluster("worker-1", ("worker-0", "worker-1"), f"127.0.0.1:{port}"))


def test_there_are_no_more_than_65535_ports() -> None:
    with pytest.raises(UsageError, match="the port of a:99999 is past 65535"):
        refuse_taken_port(Cluster("worker-0", ("worker-0", "worker-1"), "a:99999"))

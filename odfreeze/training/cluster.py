"""The workers of a run, as ``--num_workers`` and ``TF_CONFIG`` name them; read before it starts.

Stock hands ``TF_CONFIG`` to TensorFlow, which waits for workers that do not exist, ends with a
traceback, or lets every worker train alone. What is certainly wrong is refused here.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from odfreeze.errors import TrainingRefusedError, UsageError

__all__ = ["Cluster", "read_cluster", "refuse_taken_port"]

#: Tasks that train, in the order in which TensorFlow counts them
#: (``multi_worker_util.id_in_cluster``); the first is the chief.
_TRAINING = ("chief", "worker")
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers of a run and which of them this process is.

    Attributes:
      task: This one's type and index: ``chief-0``, ``worker-1``.
      tasks: All of them, the chief first; one for a run of a single worker.
      address: This one's ``host:port``, or "" for a run of a single worker.
    """

    task: str = "worker-0"
    tasks: tuple[str, ...] = ("worker-0",)
    address: str = ""

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the one that writes checkpoints and the record."""
        return self.task == self.tasks[0]

    @property
    def log_name(self) -> str:
        """Name of this worker's log: workers may share the directory of the run."""
        return "train.log" if self.is_chief else f"train.{self.task}.log"


def read_cluster(flags: Sequence[str], tf_config: str | None) -> Cluster:
    """Returns the workers of a run.

    Args:
      flags: Flags of ``model_main_tf2``.
      tf_config: The text of ``TF_CONFIG``, or None where it is not set.

    Raises:
      UsageError: ``TF_CONFIG`` is not as TensorFlow wants it.
      TrainingRefusedError: The two do not go together.
    """
    if _flag(flags, "use_tpu", "false") not in ("false", "f", "0"):
        return Cluster()  # asks its TPU, not TF_CONFIG
    asked = _flag(flags, "num_workers", "1")
    if not asked.isdecimal() or not int(asked):
        raise UsageError(f"--num_workers is {asked}; give 1 or more")
    named = _parse(tf_config) if tf_config and tf_config.strip() else None
    if int(asked) > 1 and named is None:
        raise TrainingRefusedError(
            f"--num_workers={asked}, but the environment has no TF_CONFIG that says where they are:"
            f" this one would train alone. Set it for every worker: TF_CONFIG='{_EXAMPLE}'"
        )
    if named is None:
        return Cluster()
    count = len(named.tasks)
    if int(asked) == 1 and count > 1:
        raise TrainingRefusedError(
            f"TF_CONFIG names {count} workers, but --num_workers is 1: each would train alone, all"
            f" into one --model_dir; give --num_workers={count}, or unset TF_CONFIG"
        )
    if int(asked) == 1:
        return Cluster()
    if int(asked) != count:
        raise TrainingRefusedError(
            f"--num_workers={asked}, but TF_CONFIG names {count} ({', '.join(named.tasks)}), and"
            f" that is what counts; give --num_workers={count}, or correct TF_CONFIG"
        )
    return named


def _parse(text: str) -> Cluster | None:
    """Returns the cluster in a ``TF_CONFIG``, or None where it names none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"TF_CONFIG is no JSON: {error}; it is to be like {_EXAMPLE}, quotes and all: {text}"
        ) from None
    if not isinstance(data, dict):
        raise _malformed("it is no JSON object")
    if "cluster" not in data or data["cluster"] in ({}, None):
        return None
    tasks, addresses = _tasks(data["cluster"])
    if not tasks:
        raise _malformed("its 'cluster' has neither a 'chief' nor a 'worker'")
    task = data.get("task")
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise _malformed("it has no 'task' with 'type' and 'index', which tell the workers apart")
    try:
        mine = f"{task['type']}-{int(task['index'])}"
    except (TypeError, ValueError):
        raise _malformed(f"the 'index' of its 'task' is {task['index']!r}, no number") from None
    if mine not in tasks:
        raise _malformed(f"its 'task' is {mine}, and its 'cluster' has {', '.join(tasks)}")
    return Cluster(mine, tuple(tasks), addresses[tasks.index(mine)])


def _tasks(cluster: Any) -> tuple[list[str], list[str]]:
    """Returns the tasks of a ``cluster`` that train, and their addresses."""
    if not isinstance(cluster, dict):
        raise _malformed("its 'cluster' is no JSON object")
    tasks, addresses = [], []
    for kind in _TRAINING:
        hosts = cluster.get(kind, [])
        if isinstance(hosts, dict):  # by index: a cluster may be sparse (tf.train.ClusterSpec)
            pairs = sorted((str(index), host) for index, host in hosts.items())
        elif isinstance(hosts, list):
            pairs = [(str(index), host) for index, host in enumerate(hosts)]
        else:
            raise _malformed(f"{kind!r} of its 'cluster' is no list of addresses")
        for index, host in pairs:
            if not isinstance(host, str) or not host.rpartition(":")[2].isdecimal():
                raise _malformed(f"{kind} {index} of its 'cluster' is {host!r}, not host:port")
            tasks.append(f"{kind}-{index}")
            addresses.append(host)
    if tasks.count("chief-0") != len([task for task in tasks if task.startswith("chief-")]):
        raise _malformed("its 'cluster' has more than one 'chief'")
    for address in addresses:
        if addresses.count(address) > 1:
            raise _malformed(f"two workers of its 'cluster' have the address {address}")
    return tasks, addresses


def _malformed(what: str) -> UsageError:
    return UsageError(f"TF_CONFIG is not as TensorFlow wants it: {what}; an example: {_EXAMPLE}")


def refuse_taken_port(cluster: Cluster) -> None:
    """Refuses to start where another program listens on this worker's port.

    Raises:
      TrainingRefusedError: It does, or the port cannot be had for another reason.
      UsageError: There is no such port.
    """
    if not cluster.address:
        return
    port = int(cluster.address.rpartition(":")[2])
    try:
        with socket.create_server(("", port)):
            return
    except OverflowError:
        raise _malformed(f"the port of {cluster.address} is past 65535") from None
    except OSError as error:
        raise TrainingRefusedError(
            f"{cluster.task} is to listen on port {port} ({cluster.address} in TF_CONFIG), and"
            f" that cannot be had ({error.strerror}): does another worker or run have it?"
        ) from None


def _flag(flags: Sequence[str], name: str, default: str) -> str:
    """Returns the value of a flag of ``model_main_tf2``, spelt in any way that absl takes."""
    value = default
    for number, flag in enumerate(flags):
        key, given, text = flag.lstrip("-").partition("=")
        if not flag.startswith("-") or key != name:
            continue
        following = flags[number + 1] if number + 1 < len(flags) else ""
        value = text if given else (following if following[:1].isdecimal() else "true")
    return value.lower()

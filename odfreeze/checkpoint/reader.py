"""Checkpoint: what people and the other rooms open."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from math import prod
from typing import Literal

from odfreeze.checkpoint.bundle import Bundle, Entry, data_path
from odfreeze.checkpoint.graph import GRAPH_KEY, GraphError, Node, names, parse_graph
from odfreeze.checkpoint.locate import locate
from odfreeze.checkpoint.model import VALUE_SUFFIX, model_variables
from odfreeze.checkpoint.values import CHUNK_BYTES, Values
from odfreeze.errors import CheckpointCorruptError, CheckpointNotFoundError, suggest
from odfreeze.variables import DTYPE_BYTES, Variable

__all__ = ["Checkpoint"]

_STEP_KEYS = (f"step{VALUE_SUFFIX}", "global_step", f"global_step{VALUE_SUFFIX}")


class Checkpoint:
    """A TensorFlow checkpoint, read without TensorFlow.

    Opening it reads the index; the data files are opened when a name or a value
    is asked for. It may be used in a ``with`` statement.

    Attributes:
      path: Its prefix, such as ``model_dir/ckpt-5``.
      requested: The path that was given to ``open``.
      resolution: One sentence saying what was taken for that and why; "" when the
        path was the prefix or one of its files.
      entries: Everything in the index by key, decoded when asked for: variables,
        slots, counters, the object graph.
      format: ``object`` (TF2, SavedModel) or ``name`` (TF1).
    """

    __slots__ = (
        "_names", "_names_missing", "_values", "_variables",
        "entries", "format", "path", "requested", "resolution",
    )  # fmt: skip

    def __init__(self, bundle: Bundle, requested: str, resolution: str) -> None:
        """Takes an index that was read; use ``open``."""
        self.path = bundle.prefix
        self.requested = requested
        self.resolution = resolution
        self.entries: Mapping[str, Entry] = bundle
        by_object = GRAPH_KEY in bundle or any(key.endswith(VALUE_SUFFIX) for key in bundle)
        self.format: Literal["object", "name"] = "object" if by_object else "name"
        self._values = Values(bundle)
        self._names: dict[str, str] | None = None
        self._names_missing = ""
        self._variables: tuple[Variable, ...] | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Opens the checkpoint that a path means.

        Args:
          path: A prefix, an ``.index`` or ``.data-…`` file, a directory with a
            ``checkpoint`` state file, a model zoo directory or a SavedModel
            directory.

        Raises:
          RemotePathError: The path is not on this machine.
          CheckpointNotFoundError: There is no checkpoint; the message names near ones.
          CheckpointUnsupportedError: It is of a kind that is not read, such as a
            frozen graph or one written big-endian.
          CheckpointCorruptError: The index contradicts itself or its checksums.
        """
        prefix, resolution = locate(path)
        return cls(Bundle(prefix), os.fspath(path), resolution)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The model's variables in order: no slots, counters or hyperparameters.

        Raises:
          CheckpointCorruptError: An entry or the object graph is damaged.
        """
        if self._variables is None:
            by_name = self.format == "name"
            found = model_variables(self._bundle, self._read_names(), by_name=by_name)
            nameless = sum(variable.name is None for variable in found)
            if nameless and not self._names_missing:
                self._names_missing = (
                    f"the object graph of {self.path} has no name for {nameless} of"
                    f" {len(found)} variables"
                )
            self._variables = found
        return self._variables

    @property
    def names_missing(self) -> str:
        """Why some variables have no name, or "" when all have one."""
        _ = self.variables
        return self._names_missing

    @property
    def step(self) -> int | None:
        """The global step, or None when there is none or its data file is missing."""
        for key in _STEP_KEYS:
            entry = self.entries.get(key)
            if entry is not None and entry.shape == () and entry.dtype in ("int64", "int32"):
                try:
                    return int.from_bytes(self._values.read(entry), "little", signed=True)
                except CheckpointNotFoundError:
                    return None
        return None

    @property
    def graph(self) -> tuple[Node, ...]:
        """All nodes of the object graph, the root first; () without one.

        Raises:
          CheckpointNotFoundError: The data file that holds it is missing.
          CheckpointCorruptError: It is damaged.
        """
        if GRAPH_KEY not in self.entries:
            return ()
        try:
            return parse_graph(self._graph_bytes())
        except GraphError as error:
            raise self._graph_corrupt(error) from None

    @property
    def data_files(self) -> tuple[str, ...]:
        """Paths of the data files that the index names, in order; they need not be there."""
        shards = self._bundle.shards
        return tuple(data_path(self.path, shard, shards) for shard in range(shards))

    @property
    def data_bytes(self) -> int:
        """How many bytes its data files hold together, as the index has it.

        Raises:
          CheckpointCorruptError: An entry cannot be decoded.
        """
        total = 0
        for key in self.entries:
            dtype, shape = self._bundle.kind(key)
            width = DTYPE_BYTES.get(dtype)
            total += width * prod(shape) if width else self.entries[key].size
        return total

    def entry(self, variable: Variable | str) -> Entry:
        """Returns the entry of a variable, of a key, or of an object path.

        Raises:
          CheckpointNotFoundError: The checkpoint has nothing of that name.
        """
        path = variable if isinstance(variable, str) else variable.object_path
        for key in (path, path + VALUE_SUFFIX):
            if key in self.entries:
                return self.entries[key]
        paths = [variable.object_path for variable in self.variables]
        raise CheckpointNotFoundError(
            f"{self.path} has no tensor {path!r}{suggest(path, paths)}", path=self.path
        )

    def read(self, variable: Variable | str) -> memoryview | bytes:
        """Returns a value's bytes, little-endian and row-major, checked with their CRC32C.

        Args:
          variable: A variable, a key of ``entries``, or an object path.

        Returns:
          A view of the mapped file; a copy for a partitioned variable.

        Raises:
          CheckpointNotFoundError: There is no such tensor, or its data file is missing.
          CheckpointCorruptError: The data file is cut off, or the checksum is wrong.
          CheckpointUnsupportedError: The dtype has no fixed size, as ``string``.
        """
        return self._values.read(self.entry(variable))

    def chunks(
        self, variable: Variable | str, chunk_bytes: int = CHUNK_BYTES, *, check: bool = True
    ) -> Iterator[bytes]:
        """Yields the same bytes in pieces of at most ``chunk_bytes``, with little memory.

        The checksum is checked behind the last piece: what was made of the pieces
        holds only when the iteration ends without an error. With ``check`` false
        the caller computes it, for ``check_crc``.

        Raises:
          CheckpointNotFoundError, CheckpointCorruptError, CheckpointUnsupportedError:
            As for ``read``.
        """
        entry = self.entry(variable)
        if check:
            return self._values.chunks(entry, chunk_bytes)
        return self._values.raw_chunks(entry, chunk_bytes)

    def check_crc(self, variable: Variable | str, crc: int) -> None:
        """Holds a CRC32C computed over unchecked ``chunks`` against the stored one.

        Raises:
          CheckpointCorruptError: They differ.
        """
        self._values.check(self.entry(variable), crc)

    def strings(self, key: str) -> tuple[bytes, ...]:
        """Returns the elements of a string tensor in row-major order.

        Raises:
          CheckpointNotFoundError: There is no such tensor, or its data file is missing.
          CheckpointCorruptError: It is damaged.
          CheckpointUnsupportedError: It is no string tensor.
        """
        return self._values.strings(self.entry(key))

    def close(self) -> None:
        """Closes the data files; values are read again by opening them anew."""
        self._values.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Checkpoint({self.path!r}, {len(self.entries)} entries)"

    @property
    def _bundle(self) -> Bundle:
        assert isinstance(self.entries, Bundle)
        return self.entries

    def _read_names(self) -> dict[str, str]:
        """Returns checkpoint key to name, noting why when there are none."""
        if self._names is None:
            self._names = {}
            if self.format == "object":
                if GRAPH_KEY not in self.entries:
                    self._names_missing = f"{self.path} was saved without its object graph"
                else:
                    self._names = self._names_of_graph()
        return self._names

    def _names_of_graph(self) -> dict[str, str]:
        try:
            return names(self._graph_bytes())
        except GraphError as error:
            raise self._graph_corrupt(error) from None
        except CheckpointNotFoundError:
            shard = self.entries[GRAPH_KEY].shard
            path = data_path(self.path, shard, self._bundle.shards)
            self._names_missing = f"{path}, which holds the names, is missing"
            return {}

    def _graph_bytes(self) -> bytes:
        found = self.strings(GRAPH_KEY)
        if len(found) != 1:
            raise self._graph_corrupt(GraphError(f"there are {len(found)} of it"))
        return found[0]

    def _graph_corrupt(self, error: GraphError) -> CheckpointCorruptError:
        return CheckpointCorruptError(
            f"the object graph of {self.path} is damaged: {error}. Copy or download it again",
            path=self.path,
        )

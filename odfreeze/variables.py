"""The record of one model variable, wherever it was read: checkpoint, live model or baseline."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

__all__ = ["DTYPE_BYTES", "Variable"]

#: Bytes of one element of each fixed-size dtype, by the name TensorFlow gives it.
DTYPE_BYTES: dict[str, int] = {
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8,
    "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
    "bool": 1, "complex64": 8, "complex128": 16,
    "qint8": 1, "quint8": 1, "qint16": 2, "quint16": 2, "qint32": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a model.

    Attributes:
      name: TensorFlow name without ``:0``, or None when the source holds no names.
      object_path: Where the variable hangs in the object graph, without the
        ``/.ATTRIBUTES/VARIABLE_VALUE`` ending; equals the name in a name-based
        (TF1) checkpoint.
      shape: Dimensions; () for a scalar.
      dtype: Element type as TensorFlow names it, such as ``float32``.
      trainable: Whether a gradient can reach it.
      statistic: Whether it is a moving statistic of a batch norm layer.
      layer: Path of the layer it belongs to: the object path (or name) without
        the last part.
      order: Position in the source, from 0.
    """

    name: str | None
    object_path: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool = True
    statistic: bool = False
    layer: str = ""
    order: int = 0

    @property
    def label(self) -> str:
        """The name, or the object path where there is no name."""
        return self.object_path if self.name is None else self.name

    @property
    def parameters(self) -> int:
        """Number of elements; 1 for a scalar."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the value in bytes; 0 for a dtype without a fixed size."""
        return self.parameters * DTYPE_BYTES.get(self.dtype, 0)

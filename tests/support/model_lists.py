"""The variables of one real model of each family, as lists that tests read without TensorFlow.

``python -m tests.support.model_lists CONFIG FAMILY`` writes a list anew, in a training environment.
"""

from __future__ import annotations

import functools
import gzip
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from odfreeze.variables import Variable
from tests.support.bundle_writer import Spec, write_checkpoint

FOLDER = Path(__file__).parent / "variables"
FAMILIES = tuple(sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz")))


@functools.cache
def variables_of(family: str) -> tuple[Variable, ...]:
    """Returns the variables of the model of a family, in the order of the live model."""
    rows = json.loads(gzip.decompress((FOLDER / f"{family}.json.gz").read_bytes()))
    return tuple(
        Variable(
            name, path, tuple(shape), "float32" if kind < 2 else "int64",
            trainable=kind == 0, statistic=kind == 1,
            layer=path.rpartition("/")[0], order=order,
        )
        for order, (path, name, shape, kind) in enumerate(rows)
    )  # fmt: skip


def write_model(
    directory: Path, family: str, holds: Callable[[Variable], bool] = lambda _: True
) -> Path:
    """Writes a checkpoint of a family, without values, and a config; returns the config's path."""
    specs: dict[str, Spec] = {
        v.object_path: (v.name, v.dtype, v.shape, None) for v in variables_of(family) if holds(v)
    }
    prefix = write_checkpoint(directory / "ckpt-0", specs)
    config = directory / "pipeline.config"
    config.write_text(
        "model {\n  ssd {\n  }\n}\ntrain_config {\n"
        f'  fine_tune_checkpoint: "{prefix.as_posix()}"\n'
        '  fine_tune_checkpoint_type: "full"\n}\n',
        encoding="utf-8",
    )
    return config


def write_list(family: str, variables: Iterable[Variable]) -> None:
    """Writes the list of a family."""
    rows = [
        [v.object_path, v.name, list(v.shape), 0 if v.trainable else 1 if v.statistic else 2]
        for v in variables
    ]
    text = json.dumps(rows, separators=(",", ":"))
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    (FOLDER / f"{family}.json.gz").write_bytes(packed)


if __name__ == "__main__":
    from odfreeze.training.live import build_model, live_variables

    CONFIG, FAMILY = sys.argv[1:]
    write_list(FAMILY, [live.record for live in live_variables(build_model(CONFIG))])

"""The demo: everything odfreeze does, on a small dataset made on the spot, with the real OD API."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from odfreeze.errors import OutputError, TrainingFailedError
from odfreeze.files import write_atomically
from odfreeze.pipeline import PipelineConfig
from odfreeze.report.text import duration_text
from odfreeze.runs.verify import Verification, verify
from odfreeze.training.launch import run_stock
from odfreeze.training.staged import find_stages

__all__ = ["DemoSummary", "describe_summary", "run_demo"]

#: A file that says a folder was made by the demo, so that a new demo may replace it.
_MARKER = "made_by_odfreeze_demo.txt"
_BASE_CLASSES = "disc,square,triangle"
_NEW_CLASSES = "ring,cross,diamond"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo showed.

    Attributes:
      enforced: The verification of each stage, by its folder's name.
      stock: The same comparison for the first stage's config under plain ``model_main_tf2``.
      seconds: How long all of it took.
    """

    enforced: dict[str, Verification]
    stock: Verification
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether freezing held in every stage, and did not in stock."""
        return all(one.ok for one in self.enforced.values()) and not self.stock.ok


def run_demo(
    output_dir: str | os.PathLike[str],
    *,
    command: Callable[[Sequence[str]], int],
    say: Callable[[str], None],
) -> DemoSummary:
    """Runs the demo.

    Args:
      output_dir: Folder for all it makes. One that an earlier demo made is replaced.
      command: Runs one odfreeze command line, such as ``["preview", "a.config"]``, and returns
        its exit status.
      say: Takes each paragraph for the person who watches.

    Returns:
      What was shown.

    Raises:
      OutputError: If the folder exists and is not a demo's.
      TrainingFailedError: If a step failed.
    """
    begun = time.monotonic()
    root = Path(output_dir)
    _make_room(root)

    def run(*arguments: str, status_due: int = 0) -> None:
        say("$ odfreeze " + shlex.join(arguments))
        status = command(arguments)
        if status != status_due:
            raise TrainingFailedError(
                f"`odfreeze {arguments[0]}` ended with exit status {status}", returncode=status
            )

    say("1/9  What is installed here, and what odfreeze does so that the OD API runs on it.")
    run("doctor")

    say("\n2/9  Draw two datasets: discs, squares, triangles to start from; rings, crosses and")
    say("     diamonds to fine-tune on; each a TFRecord file with its label map, as the OD API")
    say("     reads them.")
    _draw(root / "data", f"base={_BASE_CLASSES}", f"new={_NEW_CLASSES}")
    base, new = _write_configs(root)

    say("\n3/9  Train a base model from scratch, so that there is a checkpoint to fine-tune.")
    run("train", "--pipeline_config_path", str(base), "--model_dir", str(root / "base"))

    say("\n4/9  Which variables would a pattern freeze? First the one that tutorials give.")
    say("     Look at the finding: no name of this model holds the word.")
    run("preview", str(new), "--freeze_variables", ".*backbone.*", "--depth", "1")
    say("\n     Now one that selects the backbone. Look at the states, and at what is held.")
    run("preview", str(new), "--freeze_variables", "^(bn_)?Conv|^expanded_conv_|^block_[0-9]+_")

    say("\n5/9  Check a config before it runs. This one has lines copied from a tutorial.")
    copied = _write_copied(root, new)
    run("check", str(copied), status_due=1)
    say("\n     What is safe to mend is mended on demand; here only shown.")
    run("check", str(copied), "--diff")

    say("\n6/9  Write the configs of a staged fine-tuning: heads first, then the neck too.")
    run("stage", str(root / "demo.plan"), "--output_dir", str(root / "stages"))

    say("\n7/9  Train the stages, the freezing enforced. Each is verified when it has ended.")
    run("train", "--stages_dir", str(root / "stages"))

    say("\n8/9  The proof, any time again: from the record of a run and its last checkpoint.")
    stages = find_stages(root / "stages")
    for stage in stages:
        run("verify", str(stage.model_dir))
    enforced = {stage.name: verify(stage.model_dir) for stage in stages}

    say("\n9/9  The same config of the first stage under plain model_main_tf2, which ignores the")
    say("     patterns. (It steps in blocks of 100, so it takes 100 steps for num_steps: 40.)")
    first = stages[0]
    run_stock(first.config, root / "stock", flags=[f"--checkpoint_every_n={first.num_steps}"])
    stock = verify(root / "base", root / "stock", config=first.config)
    return DemoSummary(enforced, stock, time.monotonic() - begun)


def describe_summary(summary: DemoSummary) -> str:
    """Returns the closing table as text."""
    rows = [("", "frozen values changed", "held statistics changed")]
    for name, one in summary.enforced.items():
        rows.append((f"odfreeze train, {name}", *_counts(one)))
    rows.append(("plain model_main_tf2", *_counts(summary.stock)))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.append(f"\nAll of it took {duration_text(summary.seconds)}.")
    return "\n".join(lines)


def _counts(one: Verification) -> tuple[str, str]:
    return (
        f"{len(one.frozen.changed)} of {one.frozen.variables}",
        f"{len(one.held.changed)} of {one.held.variables}",
    )


def _make_room(root: Path) -> None:
    if root.exists():
        if not (root / _MARKER).is_file() and any(root.iterdir()):
            raise OutputError(
                f"{root} exists and was not made by the demo; give another --output_dir",
                path=str(root),
            )
        shutil.rmtree(root)
    root.mkdir(parents=True)
    (root / _MARKER).write_text("The next demo replaces this folder.\n", encoding="utf-8")


def _draw(directory: Path, *datasets: str) -> None:
    """Draws datasets, each given as NAME=CLASS,CLASS,…, in a process that may import TensorFlow."""
    done = subprocess.run(
        [sys.executable, "-m", "odfreeze.training.shapes", str(directory), *datasets],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise TrainingFailedError(
            f"the dataset could not be drawn: {last}", returncode=done.returncode
        )


def _write_configs(root: Path) -> tuple[Path, Path]:
    """Writes the two configs and the plan; returns the configs' paths: base, fine-tuning."""
    template = PipelineConfig.read(_sample("demo.config"))
    configs = []
    for file, data, checkpoint in (
        ("base.config", "base", None),
        ("demo.config", "new", root / "base" / f"ckpt-{template.num_steps}"),
    ):
        config = template
        for reader in ("train_input_reader", "eval_input_reader"):
            label_map, records = root / "data" / f"{data}.pbtxt", root / "data" / f"{data}.record"
            config = config.with_value(f"{reader}.label_map_path", str(label_map.resolve()))
            config = config.with_values(
                f"{reader}.tf_record_input_reader.input_path", [str(records.resolve())]
            )
        if checkpoint is not None:
            config = config.with_changes(
                fine_tune_checkpoint=str(checkpoint.resolve()),
                fine_tune_checkpoint_type="full",
                fine_tune_checkpoint_version="V2",
            )
        config.write(root / file)
        configs.append(root / file)
    write_atomically(root / "demo.plan", _sample("demo.plan").read_bytes())
    return configs[0], configs[1]


def _write_copied(root: Path, config: Path) -> Path:
    """Writes a config with two faults that are often copied along; returns its path."""
    text = config.read_bytes()
    text = text.replace(b"fine_tune_checkpoint_version: V2", b"fine_tune_checkpoint_version: v2")
    text = text.replace(b"train_config {", b'train_config {\n  freeze_vars: ".*backbone/.*"', 1)
    copied = root / "copied.config"
    write_atomically(copied, text)
    return copied


def _sample(name: str) -> Path:
    """Returns a file of ``sample_configs/``, installed with the package or beside it."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "sample_configs" / name
    return installed if installed.is_file() else package.parent / "sample_configs" / name

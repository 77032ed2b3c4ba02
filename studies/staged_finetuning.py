"""Staged fine-tuning against training everything at once and against the head only.

Run it with `make study`. It draws a dataset of shapes, trains a base model on three of them, and
fine-tunes it on three others, of which there are few images: by the plan that `odfreeze plan`
drafts, by its stages at the full rate, all at once, all with a slow backbone, and the head alone,
for the same number of steps. Each seed has fine-tuning
images of its own. What these come to is evaluated by the OD API on images that none was trained on.

What is done is not done again: a run that was cut off goes on. At the end the tables between the
marks in docs/study.md are written anew.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from odfreeze.pipeline import PipelineConfig
    from odfreeze.runs.comparison import ComparedRun, Comparison
    from odfreeze.runs.evaluations import Evaluation

DOCUMENT = ROOT / "docs" / "study.md"
BASE_CLASSES = ("disc", "square", "triangle")
NEW_CLASSES = ("ring", "cross", "diamond")
#: Images of each dataset; the fine-tuning's are drawn anew for every seed.
BASE_IMAGES, NEW_IMAGES, EVALUATION_IMAGES = 1500, 64, 120
BASE_STEPS, STEPS, BATCH = 1000, 300, 8
BASE_RATE, RATE = 0.05, 0.02
MEAN_AP, AP_50 = "DetectionBoxes_Precision/mAP", "DetectionBoxes_Precision/mAP@.50IOU"

#: What the runs are called in the tables, in their order.
TITLES = {
    "staged": "staged, as `odfreeze plan` drafts it",
    "staged_full": "the same stages, each at the full rate",
    "everything": "everything at once",
    "everything_rated": "everything, the backbone at a tenth of the rate",
    "head_only": "the head only",
}
#: The plans that are not drafted, but for the one that is the draft at other rates.
PLANS = {
    "everything": 'stage { name: "everything" num_steps: STEPS }',
    "everything_rated": """\
stage {
  name: "everything"
  rate { pattern: "@backbone" scale: 0.1 }
  num_steps: STEPS
}""",
    "head_only": """\
stage {
  name: "head"
  freeze_variables: "@neck"
  freeze_variables: "@backbone"
  num_steps: STEPS
}""",
}


def main() -> None:
    """Runs the study, or draws one of its datasets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output_dir", type=Path, default=ROOT / "study_output")
    parser.add_argument("--seeds", type=int, default=2, help="how often, from seed 1")
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    parser.add_argument("--draw", nargs=4, metavar=("FOLDER", "NAME", "CLASSES", "IMAGES:SEED"))
    arguments = parser.parse_args()
    if arguments.draw:
        draw_here(*arguments.draw)
        return
    study(arguments.output_dir.resolve(), arguments.seeds, arguments.document)


def study(root: Path, seeds: int, document: Path) -> None:
    """Runs all of it, and writes the tables into the document."""
    from odfreeze.training.evaluation import evaluate
    from odfreeze.training.launch import train
    from odfreeze.training.progress import open_progress

    data = root / "data"
    draw(data, "base", BASE_CLASSES, BASE_IMAGES, 1001)
    draw(data, "base_eval", BASE_CLASSES, EVALUATION_IMAGES, 1002)
    draw(data, "new_eval", NEW_CLASSES, EVALUATION_IMAGES, 1003)
    base = configured(data, "base", "base_eval", BASE_STEPS, BASE_RATE)
    base.write(root / "base.config", force=True)
    say("training and evaluating the base")
    with open_progress(sys.stdout) as progress:
        train(root / "base.config", root / "base", seed=1, watch=progress)
    start = root / "base" / f"ckpt-{BASE_STEPS}"
    reached = evaluate(base, start, root / "base")
    found = [fine_tune(root, start, seed) for seed in range(1, seeds + 1)]
    write_document(document, tables(reached, found))


def fine_tune(root: Path, start: Path, seed: int) -> Comparison:
    """Fine-tunes by every plan on the images of a seed; ends the study where one fails."""
    from odfreeze.report.comparison import comparison_lines
    from odfreeze.report.text import plain
    from odfreeze.training.comparison import compare_plans
    from odfreeze.training.progress import open_progress

    name, folder = f"new_{seed}", root / f"seed_{seed}"
    draw(root / "data", name, NEW_CLASSES, NEW_IMAGES, seed)
    config = configured(root / "data", name, "new_eval", STEPS, RATE).with_changes(
        fine_tune_checkpoint=start.as_posix(),
        fine_tune_checkpoint_type="full",
        fine_tune_checkpoint_version="V2",
    )
    plans = write_plans(folder, config)
    with open_progress(sys.stdout) as progress:
        found = compare_plans(plans, folder / "runs", seed=seed, watch=progress)
    say(plain(comparison_lines(found)))
    if not found.ok:
        raise SystemExit("a run failed, or is not verified: see above")
    return found


# --- data, configs, plans -----------------------------------------------------------


def draw(folder: Path, name: str, classes: Sequence[str], images: int, seed: int) -> None:
    """Draws a dataset that is not there yet, in a process that may import TensorFlow."""
    if (folder / f"{name}.pbtxt").exists():  # it is written last
        return
    say(f"drawing {name}")
    what = (str(folder), name, ",".join(classes), f"{images}:{seed}")
    command = [sys.executable, __file__, "--draw", *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} could not be drawn:\n{done.stderr}")


def draw_here(folder: str, name: str, classes: str, numbers: str) -> None:
    """Draws a dataset in this process."""
    from odfreeze.training.shapes import write_shapes

    images, _, seed = numbers.partition(":")
    write_shapes(Path(folder), name, classes=classes.split(","), images=int(images), seed=int(seed))


def configured(data: Path, train: str, evaluation: str, steps: int, rate: float) -> PipelineConfig:
    """Returns the demo's config, half as wide, with this data and this schedule."""
    from odfreeze.pipeline import PipelineConfig

    config = PipelineConfig.read(ROOT / "sample_configs" / "demo.config").with_changes(
        num_steps=steps, batch_size=BATCH
    )
    schedule = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate"
    anchors = "model.ssd.anchor_generator.multiscale_anchor_generator"
    for path, value in (
        ("model.ssd.feature_extractor.depth_multiplier", 0.5),
        (f"{anchors}.anchor_scale", 3.0),  # the shapes are 23 to 46 pixels wide
        (f"{schedule}.learning_rate_base", rate),
        (f"{schedule}.total_steps", steps),
        (f"{schedule}.warmup_learning_rate", rate / 4),
        (f"{schedule}.warmup_steps", steps // 10),
        ("train_config.data_augmentation_options.random_horizontal_flip.probability", 0.5),
        ("eval_config.num_visualizations", 0),
    ):
        config = config.with_value(path, value)
    for reader, name in (("train_input_reader", train), ("eval_input_reader", evaluation)):
        config = config.with_value(f"{reader}.label_map_path", (data / f"{name}.pbtxt").as_posix())
        config = config.with_values(
            f"{reader}.tf_record_input_reader.input_path", [(data / f"{name}.record").as_posix()]
        )
    return config


def write_plans(folder: Path, config: PipelineConfig) -> list[Path]:
    """Writes a config and the plans for it; returns the plans' paths in the order of TITLES."""
    from odfreeze.cli import main as odfreeze

    folder.mkdir(parents=True, exist_ok=True)
    config.write(folder / "finetune.config", force=True)
    paths = [folder / f"{name}.plan" for name in TITLES]
    for path in paths:
        if path.stem in PLANS:
            text = f'base_config: "finetune.config"\n\n{PLANS[path.stem]}\n'
            path.write_text(text.replace("STEPS", str(STEPS)), encoding="utf-8", newline="\n")
    drafted = ["plan", str(folder / "finetune.config"), "--output", str(folder / "staged.plan")]
    if odfreeze([*drafted, "--num_steps", str(STEPS), "--force"]) != 0:
        raise SystemExit("no plan could be drafted")
    text = (folder / "staged.plan").read_text(encoding="utf-8")
    (folder / "staged_full.plan").write_text(at_full_rate(text), encoding="utf-8", newline="\n")
    return paths


def at_full_rate(plan: str) -> str:
    """Returns a drafted plan in which no stage lowers the learning rate."""
    return re.sub(r"^  learning_rate_scale: .*\n", "", plan, flags=re.MULTILINE)


# --- tables -------------------------------------------------------------------------


def tables(reached: Evaluation, found: Sequence[Comparison]) -> str:
    """Returns the results as Markdown."""
    runs = {
        title: [one.runs[index] for one in found] for index, title in enumerate(TITLES.values())
    }
    seeds = range(1, len(found) + 1)
    lines = [
        f"The base has mAP {reached.metrics[MEAN_AP]:.3f} on the shapes that it was trained on, in"
        f" {EVALUATION_IMAGES} images of them that it was not trained on.",
        "",
        "| fine-tuned | mAP, mean | " + " | ".join(f"seed {seed}" for seed in seeds)
        + " | mAP at IoU 0.5, mean |",
        "| :-- | --: | " + "--: | " * len(found) + "--: |",
    ]  # fmt: skip
    for title, ones in runs.items():
        means = [value(one, MEAN_AP) for one in ones]
        halves = statistics.mean(value(one, AP_50) for one in ones)
        each = " | ".join(f"{mean:.3f}" for mean in means)
        lines.append(f"| {title} | {statistics.mean(means):.3f} | {each} | {halves:.3f} |")
    lines += [
        "",
        "| fine-tuned | steps | parameters trained at most | ever | training time, mean"
        " | of it before first steps | peak memory |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
    ]
    for title, ones in runs.items():
        first = ones[0]
        seconds = statistics.mean(one.seconds or 0.0 for one in ones)
        waited = statistics.mean(waiting(one) for one in ones)
        memory = max(one.peak_memory_bytes or 0 for one in ones) / 2**20
        lines.append(
            f"| {title} | {first.steps} | {first.trained_at_most:,} | {first.trained_ever:,}"
            f" | {seconds:.0f} s | {waited:.0f} s | {memory:,.0f} MiB |"
        )
    lines += ["", f"The model has {found[0].runs[0].parameters:,} parameters that can learn."]
    return "\n".join(lines)


def value(run: ComparedRun, metric: str) -> float:
    """Returns a metric of a run that has been evaluated."""
    assert run.evaluation is not None
    return run.evaluation.metrics[metric] or 0.0


def waiting(run: ComparedRun) -> float:
    """Returns the seconds of a run before the first steps of its stages: imports, tracing."""
    assert run.account is not None
    return sum(stage.run.seconds_to_first_step or 0.0 for stage in run.account.stages)


def write_document(document: Path, text: str) -> None:
    """Writes the tables between the marks of a document, or prints them where there is none."""
    print(text, flush=True)
    if document.exists():
        marked = r"(<!-- written by make study -->\n).*?(<!-- end -->)"
        whole = re.sub(
            marked,
            lambda found: f"{found[1]}\n{text}\n\n{found[2]}",
            document.read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
        document.write_text(whole, encoding="utf-8", newline="\n")


def say(text: str) -> None:
    """Prints a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()

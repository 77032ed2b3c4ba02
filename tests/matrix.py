"""Prints the table of `make matrix` from the JUnit files of its runs, as Markdown.

    matrix.py DIRECTORY NAME...

A NAME without a file did not get as far as its tests. Ends with 1 if any failed. The table is
written to DIRECTORY/table.md too.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

COLUMNS = ("tensorflow", "python", "tf-models-official", "protobuf", "numpy", "keras")
HEAD = ("TensorFlow", "Python", "tf-models-official", "protobuf", "NumPy", "Keras")


def row_of(name: str, file: Path) -> tuple[list[str], bool]:
    """Returns the cells of one environment and whether all its tests passed."""
    if not file.exists():
        return [name, *[""] * (len(COLUMNS) - 1), "", "not run", ""], False
    root = ET.parse(file).getroot()
    (suite,) = root.iter("testsuite")
    found = {p.get("name", ""): p.get("value", "") for p in root.iter("property")}
    if "tf-keras" in found:  # which takes the place of Keras 3
        found["keras"] = f"tf_keras {found['tf-keras']}"
    tests, failed = int(suite.get("tests", 0)), 0
    for kind in ("failures", "errors", "skipped"):
        failed += int(suite.get(kind, 0))
    passed = tests > 0 and failed == 0
    result = f"{tests} passed" if passed else f"{failed} of {tests} failed"
    cells = [found.get(column, "") for column in COLUMNS]
    cells[0] = cells[0] or name
    seconds = f"{float(suite.get('time', 0)):.0f} s"
    return [*cells, found.get("measures", "").replace(" ", ", "), result, seconds], passed


def table(rows: list[list[str]]) -> str:
    """Returns a Markdown table."""
    head = [*HEAD, "measures", "result", "time"]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main(directory: Path, names: list[str]) -> int:
    rows = [row_of(name, directory / f"{name}.xml") for name in names]
    text = table([cells for cells, _ in rows])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "table.md").write_text(text, encoding="utf-8", newline="\n")
    sys.stdout.write(text)
    return 0 if rows and all(passed for _, passed in rows) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))

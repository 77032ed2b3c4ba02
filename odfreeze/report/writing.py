"""The files of an account: ``report.html`` and ``report.json``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal

from odfreeze.errors import OdfreezeError, OutputError
from odfreeze.files import refuse_remote, write_atomically
from odfreeze.runs.account import Account, read_account

__all__ = ["account_bytes", "keep_report", "write_account"]


def account_bytes(account: Account, kind: Literal["html", "json"]) -> bytes:
    """Returns the account as a page or as JSON, in UTF-8."""
    if kind == "html":
        from odfreeze.report.page import render_page

        return render_page(account)
    import json

    from odfreeze.report.account import account_json

    return (json.dumps(account_json(account), indent=1) + "\n").encode()


def write_account(account: Account, directory: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Writes page and JSON into a directory, which is made where it is missing.

    Returns:
      Their paths.

    Raises:
      RemotePathError: The directory is not on this machine.
      OutputError: A file cannot be written.
    """
    refuse_remote(directory)
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror}; give another --output_dir",
            path=str(folder),
        ) from None
    page, data = folder / "report.html", folder / "report.json"
    _write(page, account_bytes(account, "html"))
    _write(data, account_bytes(account, "json"))
    return page, data


def _write(path: Path, data: bytes) -> None:
    """Writes a file; one that says the same is left alone."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return
    write_atomically(path, data)


def keep_report(directory: str | os.PathLike[str]) -> Path | None:
    """Writes the account of a run into its own directory; returns the page's path.

    A run does not fail for want of its report: None where it is none, or cannot be written.
    """
    with contextlib.suppress(OdfreezeError, OSError):
        return write_account(read_account(directory), directory)[0]
    return None

"""Headless Chromium, where one is installed, and what its screenshots hold."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Visit", "chromium", "colours_of", "visit"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@dataclass(frozen=True)
class Visit:
    """What came of opening a page.

    Attributes:
      dom: The document after it was loaded, as text.
      console: What was written to the console, warnings of the browser's policies included.
      requests: Addresses that were asked for, the page itself left out.
    """

    dom: str
    console: list[str]
    requests: list[str]


def chromium() -> str | None:
    """Returns the browser, that of ``CHROMIUM`` first, or None where there is none."""
    given = os.environ.get("CHROMIUM")
    found = [given] if given else [shutil.which(name) for name in _NAMES]
    return next((path for path in found if path), None)


def visit(page: Path, scratch: Path, *, width: int = 1200, picture: Path | None = None) -> Visit:
    """Opens a page of this machine in a browser of its own.

    Args:
      page: The file.
      scratch: Where the browser keeps its profile and its log.
      width: Of the window, in pixels.
      picture: Where to write a screenshot; None for the document instead.
    """
    browser = chromium()
    assert browser is not None
    log = scratch / f"net-{width}-{picture is None}.json"
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={scratch / 'profile'}",
        "--disable-features=NetworkTimeServiceQuerying", f"--log-net-log={log}",
        "--enable-logging=stderr", f"--window-size={width},800",
        f"--screenshot={picture}" if picture else "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Visit(done.stdout, console, _requests(log))


def colours_of(picture: Path) -> tuple[int, int, dict[bytes, int]]:
    """Returns width, height and how often each colour is in a PNG of 8 bits and no interlace."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, header = 8, b"", b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        header = body if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    assert (depth, interlace) == (8, 0)
    size = {2: 3, 6: 4}[colour]
    raw, row, counts = zlib.decompress(packed), bytearray(width * size), dict[bytes, int]()
    for line in range(height):
        start = line * (width * size + 1)
        row = _unfiltered(raw[start], raw[start + 1 : start + 1 + width * size], row, size)
        for x in range(0, len(row), 8 * size):  # every eighth is enough
            pixel = bytes(row[x : x + 3])
            counts[pixel] = counts.get(pixel, 0) + 1
    return width, height, counts


def _unfiltered(kind: int, line: bytes, above: bytearray, size: int) -> bytearray:
    """Returns a row of a PNG as it was before it was filtered (PNG specification, 9.2)."""
    row = bytearray(line)
    if kind == 0:
        return row
    if kind == 2:
        return bytearray(map(_sum, line, above))
    for i in range(len(row)):
        left = row[i - size] if i >= size else 0
        up, corner = above[i], above[i - size] if i >= size else 0
        if kind == 1:
            add = left
        elif kind == 3:
            add = (left + up) // 2
        else:
            guess = left + up - corner
            by_left, by_up, by_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
            if by_left <= by_up and by_left <= by_corner:
                add = left
            else:
                add = up if by_up <= by_corner else corner
        row[i] = (row[i] + add) & 255
    return row


def _sum(one: int, other: int) -> int:
    return (one + other) & 255


def _requests(log: Path) -> list[str]:
    """Returns the addresses in a browser's log of its network that a page asked for.

    What the browser itself asks for has no initiator.
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    try:
        data = json.loads(text)
    except ValueError:  # not closed when the browser ended
        data = json.loads(text.rstrip().rstrip(",") + "]}")
    starts = [event["params"] for event in data["events"] if "params" in event]
    found = [one for one in starts if one.get("initiator") not in (None, "not an origin")]
    return sorted({one["url"] for one in found if "url" in one})

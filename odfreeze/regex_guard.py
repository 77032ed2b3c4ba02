"""Regular expressions of strangers: matched here when their cost is bounded, else at arm's length.

A pattern comes from a config that somebody else may have written, and ``re``
backtracks: ``(a+)+$`` needs longer than the universe has for a name of sixty
letters. Before a pattern touches a name, its parse tree gives an upper bound of the
steps that one search can take (`cost_bound`). A pattern whose bound is small
is matched here, with the clock read between names. Any other is matched in a child
process that is killed when its time is up, since nothing stops a running
search from inside: ``re`` holds the GIL and looks at no signal.
"""

from __future__ import annotations

import math
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

if sys.version_info >= (3, 11):
    from re import _parser as sre_parse
else:
    import sre_parse

__all__ = [
    "LIMIT_SECONDS", "MAX_PATTERN_LENGTH", "compile_regex", "cost_bound", "search_all",
    "search_bounded",
]  # fmt: skip

#: How long one pattern may take over all names. Starting a child and killing it fits into 2 s.
LIMIT_SECONDS = 1.5
#: Longest pattern that is compiled: compiling takes about a second per million characters.
MAX_PATTERN_LENGTH = 200_000
#: Steps of ``re`` that are safely done in about a quarter of a second (20 ns each, often 5).
_STEPS_BETWEEN_CLOCKS = 10_000_000

#: A leading ``.*`` that a search does not need; see `_without_lead`.
_LEAD = re.compile(r"(?:\(\?#[^)]*\))*\^?\.\*\??(?![*+?{])")
#: Nothing but letters to look for: ``in`` is ten times as fast as ``re``.
_LITERAL = re.compile(r"(\^?)([A-Za-z0-9_/-]+)(?:\.\*)?")
#: Letters that every match begins with, at the start of the subject; in a pattern without ``|``.
_BEGINNING = re.compile(r"\^((?:[A-Za-z0-9_/-](?![*+?{]))+)")

# What the child runs: names and pattern in, one character a name out.
_CHILD = """\
import json, re, sys
text, flags, subjects = json.loads(sys.stdin.buffer.read())
search = re.compile(text, flags).search
sys.stdout.write("".join("1" if search(s) else "0" for s in subjects))
"""


def compile_regex(text: str) -> re.Pattern[str]:
    """Returns the compiled pattern.

    Raises:
      re.error: The text is no regular expression, or is too long, or nests too
        deep; ``pos`` is the offset of the offending character where known.
    """
    if len(text) > MAX_PATTERN_LENGTH:
        raise re.error(f"longer than {MAX_PATTERN_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "[[" warns of a future that is not here yet
            return re.compile(text)
    except RecursionError:
        raise re.error("nested too deeply") from None
    except OverflowError as error:
        raise re.error(str(error)) from None


def search_all(
    regex: re.Pattern[str], subjects: Sequence[str], *, seconds: float = LIMIT_SECONDS
) -> list[bool]:
    """Returns for each subject whether ``regex.search`` finds something in it.

    Args:
      regex: From `compile_regex`.
      subjects: Names or object paths.
      seconds: Time for all subjects together.

    Raises:
      TimeoutError: It took longer; the search was stopped.
      ChildProcessError: The child process that a costly pattern needs could not
        be started or broke.
    """
    if not subjects:
        return []
    regex = _without_lead(regex, subjects)
    literal = _LITERAL.fullmatch(regex.pattern)
    if literal is not None and regex.flags == re.UNICODE:
        start, letters = literal.groups()
        return [s.startswith(letters) if start else letters in s for s in subjects]
    steps = cost_bound(regex, max(map(len, subjects)))
    if steps > _STEPS_BETWEEN_CLOCKS:
        return _search_in_child(regex, subjects, seconds)
    search = _searcher(regex)
    batch = max(1, int(_STEPS_BETWEEN_CLOCKS // steps))
    if batch >= len(subjects):
        return search(subjects)
    found: list[bool] = []
    deadline = time.monotonic() + seconds
    for start in range(0, len(subjects), batch):
        if time.monotonic() > deadline:
            raise TimeoutError
        found += search(subjects[start : start + batch])
    return found


def search_bounded(text: str, subjects: Sequence[str], seconds: float = 0.2) -> list[bool] | None:
    """Returns `search_all` of a pattern where that is cheap, else None.

    For questions about variants of a pattern ("would it match without its anchor?"), which are
    not worth an error or a wait: None stands for no regular expression, a costly one, too slow.

    >>> search_bounded("block_1", ["block_1/kernel", "Conv1/kernel"])
    [True, False]
    >>> search_bounded("block_1(", ["block_1/kernel"]) is None
    True
    """
    try:
        regex = compile_regex(text)
        length = max(map(len, subjects), default=0)
        if cost_bound(_without_lead(regex, subjects), length) > _STEPS_BETWEEN_CLOCKS:
            return None
        return search_all(regex, subjects, seconds=seconds)
    except (re.error, TimeoutError):
        return None


def cost_bound(regex: re.Pattern[str], length: int) -> float:
    """Returns an upper bound of the steps one search takes in a subject of ``length`` characters.

    The bound is rough where that is simple and errs upwards; ``inf`` stands for
    anything beyond reason.

    >>> cost_bound(re.compile(r"block_1/"), 60)
    609.0
    >>> cost_bound(re.compile(r"(a+)+$"), 60) > 1e15
    True
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = sre_parse.parse(regex.pattern)
        nodes: list[Any] = list(tree.data)
        while nodes and _cannot_fail(nodes[-1]):
            nodes.pop()  # where a search gets this far, it has succeeded
        _, cost = _sequence(nodes, length, bool(regex.flags & re.IGNORECASE))
    except RecursionError:
        return math.inf
    starts = 1 if _is_anchored(tree) else length + 1
    return starts * cost + length


def _without_lead(regex: re.Pattern[str], subjects: Sequence[str]) -> re.Pattern[str]:
    r"""Returns a regex that searches alike but does not begin with ``.*`` or ``^.*``.

    A search tries every start anyway, so ``.*block_1`` finds something exactly where
    ``block_1`` does, and the latter is tens of times faster as ``re`` looks for a literal.
    ``^.*`` may go only when no subject has a line break, at which ``.`` would stop.
    """
    lead = _LEAD.match(regex.pattern)
    if lead is None or regex.flags & re.VERBOSE:
        return regex
    if "^" in lead[0] and any("\n" in s for s in subjects):
        return regex
    return re.compile(regex.pattern[lead.end() :], regex.flags)


def _searcher(regex: re.Pattern[str]) -> Callable[[Sequence[str]], list[bool]]:
    """Returns what searches subjects; only those that begin as every match does are given to re."""
    search = regex.search
    letters = None if "|" in regex.pattern else _BEGINNING.match(regex.pattern)
    if letters is None or regex.flags != re.UNICODE:
        return lambda subjects: [match is not None for match in map(search, subjects)]
    start = letters[1]
    return lambda subjects: [s.startswith(start) and search(s) is not None for s in subjects]


def _search_in_child(regex: re.Pattern[str], subjects: Sequence[str], seconds: float) -> list[bool]:
    import json
    import subprocess

    command = [sys.executable, "-I", "-S", "-c", _CHILD]
    try:
        child = subprocess.run(
            command,
            input=json.dumps([regex.pattern, regex.flags, list(subjects)]).encode("ascii"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    except (OSError, ValueError) as error:
        raise ChildProcessError(f"cannot start {sys.executable!r}: {error}") from error
    if child.returncode != 0 or len(child.stdout) != len(subjects):
        raise ChildProcessError(f"its process ended with status {child.returncode}")
    return [byte == 0x31 for byte in child.stdout]


# The cost model. For a node of the parse tree, at one given start: `ways` bounds how many
# different ends (with repetitions) it can offer to what follows, `cost` the steps to try them all.

_WaysCost = tuple[float, float]
_HUGE = 1e30


def _sequence(nodes: Any, length: int, ignore_case: bool) -> _WaysCost:
    ways, cost = 1.0, 1.0
    items = list(nodes)
    for here, node in enumerate(items):
        node_ways, node_cost = _node(node, length, ignore_case)
        cost = min(_HUGE, cost + ways * node_cost)
        if here + 1 < len(items) and _ends_before(node, items[here + 1], ignore_case):
            node_ways = 1.0
        ways = min(_HUGE, ways * node_ways)
    return ways, cost


def _node(node: Any, length: int, ignore_case: bool) -> _WaysCost:
    kind, value = node[0].name, node[1]
    if kind == "SUBPATTERN":
        _, add, remove, inner = value
        ignore = (ignore_case or bool(add & re.IGNORECASE)) and not remove & re.IGNORECASE
        return _sequence(inner, length, ignore)
    if kind == "BRANCH":
        return _branch(value[1], length, ignore_case)
    if kind == "GROUPREF_EXISTS":
        return _branch([b for b in value[1:] if b is not None], length, ignore_case)
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return _repeat(value, length, ignore_case)
    if kind == "POSSESSIVE_REPEAT":
        return 1.0, _repeat(value, length, ignore_case)[1]
    if kind == "ATOMIC_GROUP":
        return 1.0, _sequence(value, length, ignore_case)[1]
    if kind in ("ASSERT", "ASSERT_NOT"):
        return 1.0, _sequence(value[1], length, ignore_case)[1]
    if kind == "GROUPREF":
        return 1.0, float(length + 1)
    return 1.0, 1.0  # a character, a set of them, or a place such as ^ and \b


def _branch(branches: Sequence[Any], length: int, ignore_case: bool) -> _WaysCost:
    costs = [_sequence(branch, length, ignore_case) for branch in branches]
    firsts = [_first_letter(branch, ignore_case) for branch in branches]
    exclusive = None not in firsts and len(set(firsts)) == len(firsts)
    ways = (max if exclusive else math.fsum)(ways for ways, _ in costs)
    return min(_HUGE, ways), min(_HUGE, math.fsum(cost for _, cost in costs))


def _repeat(value: Any, length: int, ignore_case: bool) -> _WaysCost:
    least, most, inner = value
    inner_ways, inner_cost = _sequence(inner, length, ignore_case)
    width = max(1, int(inner.getwidth()[0]))
    # An iteration that consumes nothing ends a loop without an upper limit.
    rounds = min(int(most), length // width + 1)
    if inner_ways <= 1:
        return float(max(1, rounds - least + 1)), 1 + rounds * inner_cost
    ways = _power(inner_ways, rounds)
    return min(_HUGE, 2 * ways), min(_HUGE, 2 * ways * inner_cost + 1)


def _power(base: float, exponent: int) -> float:
    return _HUGE if exponent * math.log(base) > math.log(_HUGE) else base**exponent


def _cannot_fail(node: Any) -> bool:
    """Whether the node is ``.*`` or the like, of characters without any inner choice."""
    if node[0].name not in ("MAX_REPEAT", "MIN_REPEAT") or node[1][0] > 0:
        return False
    inner = node[1][2]
    return len(inner) == 1 and inner[0][0].name in ("ANY", "IN", "LITERAL", "NOT_LITERAL")


def _is_anchored(nodes: Any) -> bool:
    """Whether a search can succeed at the start of the subject only."""
    for kind, value in nodes:
        if kind.name == "AT":
            return str(value.name) in ("AT_BEGINNING", "AT_BEGINNING_STRING")
        if kind.name == "SUBPATTERN":
            return _is_anchored(value[3])
        if kind.name == "BRANCH":
            return all(map(_is_anchored, value[1]))
        return False
    return False


def _first_letter(nodes: Any, ignore_case: bool) -> int | None:
    for kind, value in nodes:
        if kind.name == "LITERAL":
            return ord(chr(value).lower()[0]) if ignore_case else int(value)
        if kind.name == "SUBPATTERN":
            return _first_letter(value[3], ignore_case or bool(value[1] & re.IGNORECASE))
        return None
    return None


def _ends_before(node: Any, follower: Any, ignore_case: bool) -> bool:
    """Whether ``node`` repeats a set of characters that ``follower``, a letter, is not in.

    Then just one end of the repeat can go on: in ``([^/]+/)*`` the slash decides.
    """
    while node[0].name == "SUBPATTERN" and len(node[1][3]) == 1:
        node = node[1][3][0]
    if node[0].name not in ("MAX_REPEAT", "MIN_REPEAT") or follower[0].name != "LITERAL":
        return False
    inner = list(node[1][2])
    if len(inner) != 1 or follower[1] > 127:
        return False
    letter = chr(follower[1])
    cases = {letter.lower(), letter.upper()} if ignore_case else {letter}
    return not any(_accepts(inner[0], ord(case)) for case in cases)


def _accepts(node: Any, code: int) -> bool:
    """Whether a one-character node takes the character; True when not known."""
    kind, value = node[0].name, node[1]
    if kind == "LITERAL":
        return bool(value == code)
    if kind == "NOT_LITERAL":
        return bool(value != code)
    if kind == "RANGE":
        return bool(value[0] <= code <= value[1])
    if kind == "CATEGORY":
        return _in_category(value.name, chr(code))
    if kind == "IN":
        negated = value[0][0].name == "NEGATE"
        return _any_accepts(value[negated:], code) is not negated
    return True


def _any_accepts(nodes: Iterable[Any], code: int) -> bool:
    return any(_accepts(node, code) for node in nodes)


def _in_category(name: str, letter: str) -> bool:
    classes = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
    plain = name.replace("CATEGORY_", "").replace("NOT_", "")
    if plain not in classes:
        return True
    return (re.match(classes[plain], letter) is not None) is not ("NOT_" in name)

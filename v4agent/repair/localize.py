"""Spectrum-based fault localisation: which lines do failing tests run, and passing ones less?

Ochiai: failed(line) / sqrt(all failed * (failed(line) + passed(line))). Source: Abreu, Zoeteweij,
van Gemund, "On the Accuracy of Spectrum-based Fault Localization", 2007.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple


class Trace(NamedTuple):
    """Which lines one test ran."""

    test: str
    passed: bool
    seconds: float
    lines: frozenset[tuple[str, int]]
    """(path relative to the root, line)"""


def read_traces(report: Path, root: str) -> list[Trace]:
    """Traces as the session wrote them; a torn last line is passed over."""
    traces = []
    prefix = root.rstrip("/") + "/"
    if not report.is_file():
        return []
    for line in report.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        lines = frozenset(
            (name.removeprefix(prefix), number)
            for name, numbers in record["lines"].items()
            for number in numbers
        )
        traces.append(Trace(record["id"], bool(record["passed"]), record["seconds"], lines))
    return traces


def ochiai(traces: Iterable[Trace], tests: frozenset[str]) -> dict[tuple[str, int], float]:
    """Suspiciousness of every line that a failing test ran.

    Args:
        tests: paths of test files; their own lines are never suspicious.
    """
    failed: Counter[tuple[str, int]] = Counter()
    passed: Counter[tuple[str, int]] = Counter()
    failures = 0
    for trace in traces:
        counter = passed if trace.passed else failed
        failures += not trace.passed
        counter.update(x for x in trace.lines if x[0] not in tests)
    return {
        line: count / math.sqrt(failures * (count + passed[line])) for line, count in failed.items()
    }


def covering(traces: Iterable[Trace]) -> Mapping[tuple[str, int], list[Trace]]:
    """Line -> the traces that ran it."""
    found: dict[tuple[str, int], list[Trace]] = {}
    for trace in traces:
        for line in trace.lines:
            found.setdefault(line, []).append(trace)
    return found

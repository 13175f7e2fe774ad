"""Finds secrets in text and puts placeholders in their place. One redactor for everything that
leaves this machine or is written down: pack, issue, test output, journal, errors.

Patterns stand in `redaction_rules.toml`; the user's own keys are found by value.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from v4agent.types import Redaction

LIVE_NAMES = re.compile(r"(?:_|^)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.I)
LIVE_LENGTH = 12
"""Shorter values are no keys, and would be found in ordinary text."""
_PLACEHOLDER = re.compile(r"\[REDACTED:[a-z0-9-]+:[0-9a-f]{8}\]")


class Rule(NamedTuple):
    """One pattern."""

    id: str
    needs: tuple[str, ...]
    pattern: re.Pattern[str]


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of the data file, compiled."""
    text = resources.files("v4agent").joinpath("redaction_rules.toml").read_text(encoding="utf-8")
    return tuple(
        Rule(row["id"], tuple(row["needs"]), re.compile(row["match"]))
        for row in tomllib.loads(text)["rule"]
    )


class Redactor:
    """Redacts spans; remembers what each placeholder stands for, per file, to put it back."""

    def __init__(self, live: Mapping[str, str] | None = None) -> None:
        values = {v for v in (live or {}).values() if len(v) >= LIVE_LENGTH}
        ordered = sorted(values, key=len, reverse=True)
        self._live = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._known: dict[tuple[str, str], str] = {}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Redactor:
        """A redactor that also knows the values of variables that are named like secrets."""
        return cls({name: value for name, value in environ.items() if LIVE_NAMES.search(name)})

    def redact(self, text: str, *, path: str = "") -> tuple[str, tuple[Redaction, ...]]:
        """Replace every secret; the same secret in the same file has the same placeholder."""
        spans = self._spans(text)
        if not spans:
            return text, ()
        parts: list[str] = []
        found: list[Redaction] = []
        end = 0
        for start, stop, rule in spans:
            placeholder = self._placeholder(path, rule, text[start:stop])
            parts += [text[end:start], placeholder]
            line = text.count("\n", 0, start) + 1
            found.append(Redaction(path=path, rule=rule, placeholder=placeholder, line=line))
            end = stop
        return "".join([*parts, text[end:]]), tuple(found)

    def scrub(self, text: str) -> str:
        """The text with every secret replaced."""
        return self.redact(text)[0]

    def restore(self, text: str, *, path: str) -> str:
        """Put secrets back for placeholders, only those that came from this very file."""
        return _PLACEHOLDER.sub(lambda m: self._known.get((path, m[0]), m[0]), text)

    def _placeholder(self, path: str, rule: str, secret: str) -> str:
        # the path is hashed in: a placeholder means nothing in another file
        digest = hashlib.sha256(f"{path}\0{secret}".encode()).hexdigest()[:8]
        placeholder = f"[REDACTED:{rule}:{digest}]"
        self._known[path, placeholder] = secret
        return placeholder

    def _spans(self, text: str) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] = []
        if self._live is not None:
            found += [(m.start(), m.end(), "live-key") for m in self._live.finditer(text)]
        for rule in rules():
            if any(need in text for need in rule.needs):
                group = "secret" if "secret" in rule.pattern.groupindex else 0
                found += [(*m.span(group), rule.id) for m in rule.pattern.finditer(text)]
        return _disjoint(found)


def _disjoint(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Earliest first, longest first; what overlaps an earlier span is covered by it."""
    kept: list[tuple[int, int, str]] = []
    for start, stop, rule in sorted(spans, key=lambda s: (s[0], -s[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, stop, rule))
        elif stop > kept[-1][1]:
            kept[-1] = (kept[-1][0], stop, kept[-1][2])
    return kept

"""The change that a run has built so far: for each path, what stood there and what should."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from v4agent.edits.apply import plan
from v4agent.errors import EditError, PathRefused
from v4agent.files import Change
from v4agent.types import Edit


class ChangeSet:
    """Edits on top of a base, merged so that each path has one `Change` from the base."""

    def __init__(
        self,
        read_base: Callable[[str], bytes | None],
        *,
        protected: Iterable[str] = (),
        allow: Sequence[str] = (),
    ) -> None:
        self._read_base = read_base
        self._protected = frozenset(protected)
        self._allow = tuple(allow)
        self._after: dict[str, Change] = {}

    @property
    def changes(self) -> tuple[Change, ...]:
        """One change per path, against the base, in path order; no-ops left out."""
        return tuple(c for _, c in sorted(self._after.items()) if c.before != c.after)

    def add(self, edits: Sequence[Edit]) -> None:
        """Add edits on top of what is there; where they only fit the base, start from the base.

        Models correct a failed change in both ways: on top of it, or by giving the whole again.

        Raises:
            EditError: they fit neither; nothing was added. The text is for the model.
        """
        try:
            planned = plan(edits, self._read_now, allow=self._allow)
        except PathRefused:
            raise
        except EditError:
            if not self._after:
                raise
            planned = self._plan_on_base(edits)
            fresh = True
        else:
            fresh = False
        self._refuse_protected(planned)
        if fresh:
            self._after.clear()
        for change in planned:
            known = self._after.get(change.path)
            before = known.before if known else change.before
            self._after[change.path] = change._replace(before=before)

    def _plan_on_base(self, edits: Sequence[Edit]) -> tuple[Change, ...]:
        try:
            return plan(edits, self._read_base, allow=self._allow)
        except EditError as on_base:
            # the model sees its edited files, so the reason against those is the useful one
            try:
                plan(edits, self._read_now, allow=self._allow)
            except EditError as on_top:
                raise on_top from on_base
            raise

    def _read_now(self, path: str) -> bytes | None:
        change = self._after.get(path)
        return change.after if change else self._read_base(path)

    def _refuse_protected(self, changes: Sequence[Change]) -> None:
        for change in changes:
            allowed = any(fnmatchcase(change.path, glob) for glob in self._allow)
            if change.path in self._protected and not allowed:
                raise PathRefused(
                    f"{change.path} judges the result and may not be edited: change the source",
                    hint=f"if the test itself is wrong: --allow '{change.path}'",
                )

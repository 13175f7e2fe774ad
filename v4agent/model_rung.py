"""The rung with a model: pack, ask, apply, test, feed each failure back, a few times at most."""

from __future__ import annotations

from v4agent import prompts
from v4agent.backends.base import Backend
from v4agent.changeset import ChangeSet
from v4agent.edits.base import EditFormat
from v4agent.errors import EditError
from v4agent.journal import request_hash
from v4agent.ledger import Ledger
from v4agent.packer import pack
from v4agent.plugins import load
from v4agent.receipt import Outcome
from v4agent.terminal import cap
from v4agent.types import Attempt, Completion, Edit, Message, Pack, Prompt, Task, TestRun
from v4agent.verification import diff_of
from v4agent.workspace import Workspace

FEEDBACK_HEAD, FEEDBACK_TAIL = 2_000, 6_000
"""Characters of test output that a model is shown: how it starts, and where runners sum up."""


def solve(work: Workspace, task: Task, before: TestRun, client: Backend, outcome: Outcome) -> None:
    """Ask until a change is verified or the rounds are used up; fills `outcome` as it goes.

    Raises:
        LimitReached, ProviderError, CredentialError: what was found until then is in `outcome`.
    """
    edit_format: EditFormat = load("edit_formats", client.row.edit_format)()
    packed = make_pack(work, task, before, client)
    output = shown(before) if task.failing_tests else ""
    prompt = prompts.first(
        _redacted(work, task), packed, edit_format.instructions, work.command, output
    )
    changes = ChangeSet(work.read, protected=judging_files(work, task), allow=work.settings.allow)
    for number in range(1, work.settings.max_rounds + 1):
        work.progress("ask", f"round {number}: {client.row.name}")
        answer = _ask(work, client, prompt, outcome)
        prompt = prompt.then(
            Message(role="assistant", content=answer.text, reasoning=answer.reasoning)
        )
        attempt = _attempt(number, answer)
        try:
            changes.add(_restored(work, edit_format.parse(answer.text)))
        except EditError as error:
            reason = work.redactor.scrub(error.message)
            work.progress("apply", f"round {number}: edits refused: {reason.splitlines()[0]}")
            outcome.attempts.append(attempt.model_copy(update={"error": reason}))
            prompt = prompt.then(prompts.edits_failed(reason))
            continue
        outcome.attempts.append(attempt)
        message = _judge(work, task, before, changes, outcome)
        if message is None:
            return
        prompt = prompt.then(message)


def make_pack(work: Workspace, task: Task, before: TestRun | None, client: Backend) -> Pack:
    """What of the repository this backend sees for this task."""
    work.scratch.reset()  # the baseline run may have written files
    hints = before.output if before is not None else ""
    packed = pack(
        work.scratch.root,
        work.repository.files(),
        f"{task.text}\n{hints}",
        budget=min(work.settings.budget, client.row.input_budget(work.settings.effort)),
        tokenizer=client.row.tokenizer,
        redactor=work.redactor,
        mentions=task.failing_tests,
        repo_id=work.repository.identity,
    )
    work.journal.append("packed", sha=packed.content_hash, tokens=packed.tokens)
    work.progress("pack", f"{len(packed.files)} files, {packed.tokens:,} tokens")
    return packed


def judging_files(work: Workspace, task: Task) -> set[str]:
    """Files that decide the verdict: those of the failing tests, and what configures the run."""
    files = {test.partition("::")[0] for test in task.failing_tests}
    names = ("conftest.py", "pytest.ini")
    files.update(p for p in work.repository.files() if p.rpartition("/")[2] in names)
    return files


def shown(run: TestRun) -> str:
    """Head and tail of a run's output, as a model is shown it."""
    return cap(run.output, FEEDBACK_HEAD, FEEDBACK_TAIL)


def _judge(
    work: Workspace, task: Task, before: TestRun, changes: ChangeSet, outcome: Outcome
) -> Message | None:
    """Test the change; None when that settles it, else what the model is told."""
    outcome.changes = changes.changes
    work.journal.append("applied", paths=[c.path for c in outcome.changes])
    work.progress("test", work.command)
    after, verdict = work.verifier.check(outcome.changes, before, task.failing_tests)
    diff = diff_of(outcome.changes)
    outcome.verdict = verdict
    outcome.attempts[-1] = outcome.attempts[-1].model_copy(
        update={"verdict": verdict, "diff": diff, "test_output": shown(after)}
    )
    work.progress("verdict", verdict.reason)
    if verdict.status != "unresolved":
        return None
    return prompts.tests_failed(
        verdict.still_failing, verdict.newly_failing, shown(after), work.redactor.scrub(diff)
    )


def _ask(work: Workspace, client: Backend, prompt: Prompt, outcome: Outcome) -> Completion:
    """One answer: from the journal of the run that is resumed, else from the backend."""
    key = request_hash(prompt, client.row.litellm_id)
    work.journal.append("request", request=key, model=client.row.litellm_id)
    known = work.resumed.reply(key) if work.resumed else None
    if known is not None:
        answer = known.model_copy(update={"replayed": True, "cost_usd": 0.0})
    else:
        answer = client.complete(prompt, max_cost=_remaining(work, outcome))
    work.journal.append("reply", request=key, completion=answer.model_dump(mode="json"))
    if not answer.replayed:
        Ledger(work.settings.state_dir / "ledger.jsonl").add(
            run_id=work.run_id,
            model=answer.model,
            usage=answer.usage,
            cost_usd=answer.cost_usd,
            seconds=answer.seconds,
        )
    return answer


def _remaining(work: Workspace, outcome: Outcome) -> float | None:
    limit = work.settings.max_cost
    return None if limit is None else limit - (outcome.cost_usd or 0.0)


def _attempt(number: int, answer: Completion) -> Attempt:
    return Attempt(
        number=number,
        model=answer.model,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        seconds=answer.seconds,
    )


def _redacted(work: Workspace, task: Task) -> Task:
    return task.model_copy(update={"text": work.redactor.scrub(task.text)})


def _restored(work: Workspace, edits: tuple[Edit, ...]) -> list[Edit]:
    """Placeholders back into secrets, each only in the file that it stands for."""
    return [
        edit.model_copy(
            update={
                name: work.redactor.restore(text, path=edit.path)
                for name in ("search", "replace")
                if (text := getattr(edit, name)) is not None
            }
        )
        for edit in edits
    ]

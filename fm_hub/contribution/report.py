"""What the checks of a contribution found: for people, as JSON, and as a comment that nothing can break out of."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Finding", "Level", "Report", "Verdict", "plain", "read_comment"]

Level = Literal["refused", "review", "note"]
Status = Literal["accepted", "review", "refused"]
SHOWN = 40  # findings that a comment lists
FENCE = "```json fm-hub-contribution\n"
# Everything but letters, digits and this punctuation becomes a question mark: no markup, no mention, no control.
_ODD = re.compile(r"[^\w .,:;/+*=%()'\"#?!{}-]|[^\x20-\x7e]")


def plain(text: str, most: int = 200) -> str:
    """Foreign text as one line of harmless ASCII.

    >>> plain("<img src=x>\\n@all\\u202e")
    '?img src=x? ?all?'
    """
    safe = _ODD.sub("?", " ".join(str(text).split()))
    return safe if len(safe) <= most else f"{safe[: most - 1]}…"


@dataclass(frozen=True)
class Finding:
    """One thing that a check found: ``refused`` keeps the contribution out, ``review`` asks for a person."""

    check: str
    level: Level
    where: str
    why: str

    def line(self) -> str:
        """For people; harmless in a terminal."""
        where = f" {plain(self.where, 120)}" if self.where else ""
        return f"{self.level} [{self.check}]{where}: {plain(self.why, 300)}"


@dataclass
class Report:
    """All findings about one contribution, and what was counted on the way."""

    name: str = ""
    commit: str = ""
    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """``refused`` if anything is, else ``review`` if anything asks for it."""
        levels = {f.level for f in self.findings}
        return "refused" if "refused" in levels else "review" if "review" in levels else "accepted"

    def add(self, check: str, level: Level, where: str, why: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(check, level, where, why))

    def refuse(self, check: str, where: str, why: str) -> None:
        """Note what keeps the contribution out."""
        self.add(check, "refused", where, why)

    @property
    def refused(self) -> bool:
        """Whether anything keeps it out."""
        return self.status == "refused"

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        found = [{"check": f.check, "level": f.level, "where": f.where, "why": f.why} for f in self.findings]
        head = {"contribution": self.name, "commit": self.commit, "status": self.status}
        return {**head, "checked": self.checked, **self.facts, "findings": found}

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{plain(self.name)}: {self.status}"]
        said += [f"  {plain(k)}: {plain(json.dumps(v) if isinstance(v, dict) else v)}" for k, v in self.facts.items()]
        return [*said, *(f"  {f.line()}" for f in self.findings[: SHOWN * 2])]

    def comment(self) -> str:
        """The report as Markdown for a discussion: what others wrote stands in it escaped, in code."""
        rows = [
            f"### fm-hub: {self.status}",
            "",
            f"Contribution `{plain(self.name)}` at commit `{plain(self.commit)}`.",
        ]
        rows += ["", "| check | result |", "|---|---|"]
        for check in self.checked:
            levels = [f.level for f in self.findings if f.check == check]
            worst = next((x for x in ("refused", "review", "note") if x in levels), "ok")
            rows.append(f"| {html.escape(check)} | {worst} |")
        for key, value in self.facts.items():
            rows.append(f"| {html.escape(key)} | {_code(json.dumps(value) if isinstance(value, dict) else value)} |")
        if self.findings:
            rows += ["", *(f"- {f.level}, {f.check}: {_code(f'{f.where} {f.why}')}" for f in self.findings[:SHOWN])]
            if len(self.findings) > SHOWN:
                rows.append(f"- and {len(self.findings) - SHOWN} more: fm-hub contribute validate lists them")
        boxes = "boxes" in self.checked
        verdict = Verdict(name=plain(self.name), commit=plain(self.commit), status=self.status, boxes=boxes)
        return "\n".join([*rows, "", FENCE + verdict.model_dump_json() + "\n```", ""])


class Verdict(BaseModel):
    """What a machine reads back from a comment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    commit: str
    status: Status
    boxes: bool


def read_comment(text: str) -> Verdict | None:
    """The verdict in a comment, None if there is none. Who wrote the comment is for the caller to look at."""
    at = text.rfind(FENCE)
    if at < 0:
        return None
    try:
        return Verdict.model_validate_json(text[at + len(FENCE) :].partition("\n```")[0])
    except ValidationError:
        return None


def _code(text: Any) -> str:
    return f"`{plain(str(text), 400).replace('|', '?')}`"

"""A list of questions to leave out: what an evaluation writes, and a build takes.

One id of a question a line (24 hexadecimal digits); what follows a ``#`` is a remark; empty lines do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fm_hub.errors import UserError

__all__ = ["read_drop_list", "write_drop_list"]

_ID = re.compile(r"[0-9a-f]{24}")


def read_drop_list(path: str | Path) -> frozenset[str]:
    """The ids of a list. Raises :class:`~fm_hub.errors.UserError` with the line that is no id."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"{path}: cannot be read as a list of questions ({type(e).__name__})") from None
    found = set()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text and not _ID.fullmatch(text):
            raise UserError(f"{path}:{number}: {text[:40]!r} is no question's id (24 hexadecimal digits)")
        if text:
            found.add(text)
    return frozenset(found)


def write_drop_list(path: Path, ids: Iterable[str], why: Iterable[str] = ()) -> None:
    """Write a list, sorted, each id once; the lines of ``why`` go first, as remarks."""
    remarks = [f"# {' '.join(w.split())}" for w in why]
    path.write_text("\n".join([*remarks, *sorted(set(ids))]) + "\n", encoding="utf-8")

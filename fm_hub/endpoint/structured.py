"""Replies that fit a pydantic model: asked for by schema, checked here whatever the server promises, repaired once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from fm_hub.endpoint.client import Client
from fm_hub.endpoint.request import Ask, Reply, Turn
from fm_hub.errors import BadReply, ItemError

__all__ = ["fill"]

M = TypeVar("M", bound=BaseModel)
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


def fill(
    client: Client, asks: Sequence[Ask], model: type[M], on_done: Callable[[], None] | None = None
) -> list[M | ItemError]:
    """Ask for replies that fit ``model``: same order, same length as the requests.

    A reply that does not fit is shown to the model once more with what is wrong with it; after that it is a
    :class:`~fm_hub.errors.BadReply`. ``client.counts`` counts ``repaired`` and every class of error. The model must
    forbid unknown fields: a typo in a reply has to fail.
    """
    if model.model_config.get("extra") != "forbid":
        raise ValueError(f"{model.__name__} must forbid extra fields")
    schema = model.model_json_schema()
    asked = [_asking(a, schema, served=client.capabilities.schema) for a in asks]
    out: list[M | ItemError] = []
    wrong: dict[int, Ask] = {}
    for i, reply in enumerate(client.ask(asked, on_done)):
        found = _fitting(reply, model)
        out.append(found)
        if isinstance(reply, Reply) and isinstance(found, BadReply):
            wrong[i] = _again(asked[i], reply.text, str(found))
    for i, reply in zip(wrong, client.ask(list(wrong.values())), strict=True):
        found = out[i] = _fitting(reply, model)
        if not isinstance(found, ItemError):
            client.counts["repaired"] += 1
        elif isinstance(reply, Reply):  # errors of requests are counted by the client
            client.counts[BadReply.__name__] += 1
    return out


def _asking(ask: Ask, schema: dict[str, object], *, served: bool) -> Ask:
    """Hold the reply to the schema; a server that does not is told it in words."""
    if served:
        return replace(ask, schema=schema, whole=True)
    said = f"\nReply with one JSON object and nothing else. It must fit this JSON schema:\n{json.dumps(schema)}"
    last = ask.turns[-1]
    return replace(ask, turns=(*ask.turns[:-1], replace(last, parts=(*last.parts, said))), whole=True)


def _again(ask: Ask, text: str, wrong: str) -> Ask:
    said = f"This reply cannot be used: {wrong}\nReply with one JSON object that fits the schema, and nothing else."
    return replace(ask, turns=(*ask.turns, Turn("assistant", (text,)), Turn("user", (said,))))


def _fitting(reply: Reply | ItemError, model: type[M]) -> M | ItemError:
    if isinstance(reply, ItemError):
        return reply
    fenced = _FENCE.fullmatch(reply.text)
    try:
        return model.model_validate_json(fenced[1] if fenced else reply.text)
    except ValidationError as e:
        told = "; ".join(f"{'.'.join(map(str, x['loc'])) or 'reply'}: {x['msg']}" for x in e.errors()[:4])
        return BadReply(" ".join(told.split())[:280])

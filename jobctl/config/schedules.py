"""The schedules of a configuration, looked at for what no single value tells.

A cron expression that no day can match, a time without a zone, an end before the start:
only who fires schedules, or shows them, pays for finding that out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jobctl.core.schedule import Schedule, declare
from jobctl.errors import InvalidJob

if TYPE_CHECKING:
    from jobctl.config.source import Source


def declared(source: Source, tables: Mapping[str, Any], zone: str) -> Iterator[Schedule]:
    """Yield the schedules of one file that can be; note what is wrong with the others.

    `tables` is what the schema made of [schedules]; those with faults are passed over.
    `zone` holds for those that name none.
    """
    faulty = {key[1] for key in source.faulty if len(key) > 1 and key[0] == "schedules"}
    for name, table in tables.items():
        if name in faulty:
            continue
        try:
            yield declare(name, table, timezone=zone)
        except InvalidJob as err:
            source.fault(("schedules", name, *_key(str(err), table)), _said(err, table))


def _key(message: str, table: Mapping[str, Any]) -> tuple[str, ...]:
    word = message.partition(" ")[0]
    return (word,) if word in table else ()


def _said(err: InvalidJob, table: Mapping[str, Any]) -> str:
    message = str(err)
    word = message.partition(" ")[0]
    return message.removeprefix(f"{word} ") if word in table else message

"""The fields that a filter may name, what kind each is, and which operators it takes.

Every add imports this module, so it holds nothing but names.
"""

from __future__ import annotations

TEXT = "text"
STATUS = "status"
OUTCOME = "outcome"
NUMBER = "number"
LENGTH = "length"  # a duration
TIME = "time"  # a moment, also told by how far off it is
AGE = "age"  # a time that is only told by how far off it is
DATA = "data"  # any JSON value

#: The fields and their kinds. `error` is its type or its message.
FIELDS = {
    "id": TEXT,
    "name": TEXT,
    "status": STATUS,
    "tag": TEXT,
    "priority": NUMBER,
    "attempts": NUMBER,
    "max_retries": NUMBER,
    "age": AGE,
    "created": TIME,
    "run_at": TIME,
    "started": TIME,
    "finished": TIME,
    "duration": LENGTH,
    "timeout": LENGTH,
    "key": TEXT,
    "after": TEXT,
    "schedule": TEXT,
    "shell": TEXT,
    "outcome": OUTCOME,
    "worker": TEXT,
    "data": DATA,
    "result": DATA,
    "error": TEXT,
}
#: Other names of the same fields: those of the record.
ALIASES = {
    "tags": "tag",
    "created_at": "created",
    "started_at": "started",
    "finished_at": "finished",
    "concurrency_key": "key",
}
#: All names. An argument that begins with one and an operator is a filter and never an id;
#: of the operators only the colon may stand in an id.
FILTER_FIELDS = (*FIELDS, *ALIASES)
#: The fields of which a part may be named: data.user.id, error.type.
WITH_PARTS = ("data", "result", "error")
ERROR_PARTS = ("type", "message", "traceback")

EQUALITY = (":", "=", "!=")
ORDER = (">", ">=", "<", "<=")
#: All operators; those of two characters stand before their beginnings.
OPERATORS = ("!=", ">=", "<=", ":", "=", ">", "<", "~")
#: Which of them each kind takes.
TAKES = {
    TEXT: (*EQUALITY, "~"),
    STATUS: EQUALITY,
    OUTCOME: EQUALITY,
    NUMBER: (*EQUALITY, *ORDER),
    LENGTH: (*EQUALITY, *ORDER),
    TIME: (*EQUALITY, *ORDER),
    AGE: ORDER,
    DATA: (*EQUALITY, *ORDER, "~"),
}

#: What is said of a job beside its status.
DEAD, SCHEDULED, RETRYING = "dead", "scheduled", "retrying"
#: What a filter may call a status.
STATUSES = (
    "pending", "running", "completed", "failed", "cancelled", DEAD, SCHEDULED, RETRYING,
)  # fmt: skip

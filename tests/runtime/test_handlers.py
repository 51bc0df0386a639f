"""Handlers: registration, what a parameter gets, and data that does not fit."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
import pydantic
import pytest

from jobctl.core.job import Job
from jobctl.core.retry import Fail, RetryPolicy
from jobctl.errors import HandlerError
from jobctl.runtime import handlers
from jobctl.runtime.handlers import handler
from jobctl.runtime.validation import InvalidData

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_handlers", {})


def make_job(data: Any) -> Job[Any]:
    return Job(id="a1", name="work", data=data, created_at=NOW)


@dataclass
class Person:
    name: str
    age: int = 0


@dataclass
class Order:
    person: Person
    lines: list[int]
    extra: dict[int, int] | None = None


class Mail(TypedDict):
    to: str


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    when: date
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    to: str
    when: date | None = None


class Foreign:
    pass


def nothing() -> str:
    return "called"


def bare(job):  # type: ignore[no-untyped-def]  # a bare parameter is the case
    return job


def whole(job: Job) -> Any:  # type: ignore[type-arg]  # Job without a type is the case
    return job


def job_any(job: Job[Any]) -> Any:
    return job


def job_person(job: Job[Person]) -> Any:
    return job


def person(data: Person) -> Any:
    return data


def order(data: Order) -> Any:
    return data


def mail(data: Mail) -> Any:
    return data


def strict(data: Strict) -> Any:
    return data


def model(data: Model) -> Any:
    return data


def models(data: list[Model]) -> Any:
    return data


def counts(data: dict[str, int]) -> Any:
    return data


def anything(data: Any) -> Any:
    return data


def with_default(data: Person, again: bool = False) -> Any:
    return data


def collects(*args: Any, **kwargs: Any) -> Any:
    return args


def by_name_only(**kwargs: Any) -> Any:
    return kwargs


def annotated(data: Annotated[int, msgspec.Meta(ge=3)]) -> Any:
    return data


def return_unknown(data: Person) -> Missing:  # type: ignore[name-defined]  # noqa: F821
    return data


async def asynchronous(data: Person) -> Any:
    return data


@functools.wraps(person)
def wrapped(*args: Any, **kwargs: Any) -> Any:
    return person(*args, **kwargs)


JOB = make_job({"name": "Ann"})


@pytest.mark.parametrize(
    ("function", "data", "expected"),
    [
        (nothing, {}, "called"),
        (bare, {"a": 1}, make_job({"a": 1})),
        (whole, {"a": 1}, make_job({"a": 1})),
        (job_any, [1], make_job([1])),
        (job_person, {"name": "Ann"}, make_job(Person("Ann"))),
        (person, {"name": "Ann", "age": 3}, Person("Ann", 3)),
        (wrapped, {"name": "Ann"}, Person("Ann")),
        (return_unknown, {"name": "Ann"}, Person("Ann")),
        (with_default, {"name": "Ann"}, Person("Ann")),
        (
            order,
            {"person": {"name": "A"}, "lines": [1], "extra": {"7": 8}},
            Order(Person("A"), [1], {7: 8}),
        ),
        (mail, {"to": "x"}, {"to": "x"}),
        (strict, {"when": "2026-02-03"}, Strict(date(2026, 2, 3))),
        (model, {"to": "x", "when": "2026-02-03"}, Model(to="x", when=date(2026, 2, 3))),
        (models, [{"to": "x"}], [Model(to="x")]),
        (counts, {"a": 1}, {"a": 1}),
        (annotated, 3, 3),
        (anything, None, None),
        (by_name_only, {}, {}),
    ],
)
def test_a_parameter_gets_what_its_annotation_says(
    function: Callable[..., Any], data: Any, expected: Any
) -> None:
    handler("work")(function)
    found = handlers.handler_of("work")
    assert found.call(make_job(data)) == expected


def test_a_function_that_collects_gets_the_job() -> None:
    # `*args: Any` is what a decorator without functools.wraps leaves behind.
    handler("work")(collects)
    found = handlers.handler_of("work")
    assert found.bind(make_job({"a": 1})) == ({"a": 1},)


def test_an_async_handler_gives_a_coroutine() -> None:
    handler("work")(asynchronous)
    found = handlers.handler_of("work")
    assert found.is_async
    assert asyncio.run(found.call(make_job({"name": "Ann"}))) == Person("Ann")


@pytest.mark.parametrize(
    ("function", "data", "message"),
    [
        (person, {}, "data.name: required, and missing"),
        (job_person, {"name": 1}, "data.name: expected str, got int"),
        (
            order,
            {"person": {"name": "A", "age": "3"}, "lines": []},
            "data.person.age: expected int, got str",
        ),
        (order, {"person": {}, "lines": []}, "data.person.name: required, and missing"),
        (
            order,
            {"person": {"name": "A"}, "lines": [1, "b"]},
            "data.lines[1]: expected int, got str",
        ),
        (
            order,
            {"person": {"name": "A"}, "lines": [], "extra": {"b": 1}},
            "data.extra (a key of it): expected int, got str",
        ),
        (strict, {"when": "2026-02-03", "count": 0}, "data.count: expected int >= 1"),
        (strict, {"when": "2026-02-03", "cuont": 1}, "data.cuont: no such field"),
        (strict, {"when": "soon"}, "data.when: invalid RFC3339 encoded date"),
        (mail, None, "data: expected object, got null"),
        (annotated, 2, "data: expected int >= 3"),
        (counts, {"a": "b"}, "data[...]: expected int, got str"),
        (model, {}, "data.to: field required"),
        (model, {"to": 1}, "data.to: input should be a valid string"),
        (model, [], "data: input should be an object"),
        (models, [{"to": "a"}, {}], "data[1]: to: field required"),
    ],
)
def test_data_that_does_not_fit_names_the_field(
    function: Callable[..., Any], data: Any, message: str
) -> None:
    handler("work")(function)
    found = handlers.handler_of("work")
    with pytest.raises(InvalidData) as caught:
        found.call(make_job(data))
    assert str(caught.value) == message
    assert isinstance(caught.value, Fail)  # for good


def test_a_models_message_does_not_repeat_the_input() -> None:
    handler("work")(model)
    found = handlers.handler_of("work")
    with pytest.raises(InvalidData) as caught:
        found.call(make_job({"to": ["hunter2"]}))
    assert "hunter2" not in str(caught.value)


def two(job: Any, data: Any) -> None: ...


def keyword_only(*, data: Any) -> None: ...


def foreign(data: Foreign) -> None: ...


def many_foreign(data: list[Foreign]) -> None: ...


def maybe_job(job: Job[Any] | None) -> None: ...


def plain_maybe_job(job: Job | None) -> None: ...  # type: ignore[type-arg]  # the case


def generator(data: Any) -> Iterator[int]:
    yield 1


def local_type() -> Callable[..., Any]:
    @dataclass
    class Hidden:
        a: int

    def inner(data: Hidden) -> None: ...

    return inner


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (two, r"two \(.*test_handlers.py:\d+\) needs 2 arguments \(job, data\)"),
        (keyword_only, "data can only be given by name"),
        (foreign, "cannot be validated as the type of data: .*Foreign.* is not a dataclass"),
        (many_foreign, "cannot be validated as the type of data: .*Foreign"),
        (plain_maybe_job, "write job: Job"),
        (maybe_job, "write job: Job"),
        (generator, "has a yield in it"),
        (local_type(), "data: Hidden means nothing here .*at the top of the module"),
        (Foreign, "is a class"),
        ("text", "is a str"),
    ],
)
def test_what_cannot_be_called_with_a_job_is_refused(function: Any, message: str) -> None:
    with pytest.raises(HandlerError, match=message):
        handler("work")(function)
    assert handlers.names() == []


def test_options_are_normalised_and_only_those_given() -> None:
    @handler("work", timeout="30s", max_retries=0, backoff=["1s", timedelta(minutes=1)])
    def work() -> None: ...

    @handler("other", backoff={"base": "2s", "cap": "1h"})
    def other() -> None: ...

    found, second = handlers.handler_of("work"), handlers.handler_of("other")
    assert found.options == {
        "timeout": 30.0,
        "max_retries": 0,
        "backoff": RetryPolicy(delays=(1.0, 60.0)),
    }
    assert second.options == {"backoff": RetryPolicy(base=2.0, cap=3600.0)}


@pytest.mark.parametrize(
    "options",
    [{"timeout": "soon"}, {"timeout": 0}, {"max_retries": -1}, {"backoff": "1s"}],
)
def test_a_bad_option_is_refused_with_its_name(options: dict[str, Any]) -> None:
    with pytest.raises(HandlerError, match=rf"nothing \(.*\): {next(iter(options))}"):
        handler("work", **options)(nothing)


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(HandlerError, match="name 'a b' is refused"):
        handler("a b")(nothing)


def test_a_bare_decorator_takes_the_functions_name() -> None:
    @handler
    def send_email(data: Mail) -> None: ...

    @handler(max_retries=1)
    def build_report(data: Mail) -> None: ...

    assert handlers.names() == ["build-report", "send-email"]
    assert send_email.__name__ == "send_email"


def test_two_functions_of_one_name_are_refused_naming_both_places() -> None:
    handler("work")(nothing)
    handler("work", max_retries=2)(nothing)  # the same one may come again
    with pytest.raises(HandlerError, match=r"nothing \(.*:\d+\) and person \(.*:\d+\)"):
        handler("work")(person)


def test_describe_is_json_with_the_schema() -> None:
    handler("work", timeout="1m", backoff=[1])(person)
    handler("model")(model)
    handler("plain")(asynchronous)
    handler("bare")(bare)
    described = msgspec.json.decode(msgspec.json.encode(handlers.describe()))
    assert list(described) == ["bare", "model", "plain", "work"]
    assert described["bare"]["schema"] is None
    assert described["plain"]["async"] is True
    assert described["model"]["schema"]["properties"]["to"]["type"] == "string"
    assert described["work"]["schema"]["$defs"]["Person"]["required"] == ["name"]
    assert described["work"]["options"]["timeout"] == 60.0
    assert described["work"]["options"]["backoff"]["delays"] == [1.0]
    file, _, line = described["work"]["location"].rpartition(":")
    assert Path(file).read_text().splitlines()[int(line) - 1].startswith("def person")

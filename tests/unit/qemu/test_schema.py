"""Questions by path to QEMU's description of its monitor."""

from __future__ import annotations

import json

import pytest

from tests.fakes.answers import SCHEMA
from virtup.qemu.schema import Schema

THERE = [
    "blockdev-add",
    "RESUME",
    "blockdev-add/arg-type",
    "RESUME/arg-type",
    "blockdev-add/arg-type/driver",
    "blockdev-add/arg-type/driver/^raw",
    "blockdev-add/arg-type/*read-only",
    "blockdev-add/arg-type/read-only",
    "blockdev-add/arg-type/+file",
    "blockdev-add/arg-type/+file/aio",
    "blockdev-add/arg-type/+file/*aio/^io_uring",
    "blockdev-add/arg-type/+file/aio/^io_uring/$deprecated",
    "blockdev-add/arg-type/+file/$dynamic-auto-read-only",
    "blockdev-add/arg-type/node-name/$unstable",
    "blockdev-add/arg-type/+raw/file/!str",
    "blockdev-add/arg-type/+raw/file/!string",
    "blockdev-add/arg-type/+raw/file/driver/^file",
    "blockdev-add/arg-type/+raw/file/+file/aio",
    "query-block/$json",
    "query-block/ret-type/locked",
]
ABSENT = [
    "",
    "nope",
    "1",
    "bool",
    "blockdev-add/",
    "blockdev-add/nope",
    "RESUME/ret-type",
    "blockdev-add/arg-type/nope",
    "blockdev-add/arg-type/driver/^nope",
    "blockdev-add/arg-type/driver/raw",
    "blockdev-add/arg-type/*driver",
    "blockdev-add/arg-type/+nope",
    "blockdev-add/arg-type/+raw/aio",
    "blockdev-add/arg-type/+file/$nope",
    "blockdev-add/arg-type/+file/aio/^threads/$deprecated",
    "blockdev-add/arg-type/driver/$unstable",
    "blockdev-add/arg-type/+raw/file/!bool",
    "blockdev-add/$json",
    "query-block/ret-type/nope",
]


@pytest.fixture(params=["read", "kept as text"])
def schema(request: pytest.FixtureRequest) -> Schema:
    return Schema.of(SCHEMA) if request.param == "read" else Schema(json.dumps(SCHEMA))


@pytest.mark.parametrize("path", THERE)
def test_what_is_there_is_found(schema: Schema, path: str) -> None:
    assert schema.has(path)


@pytest.mark.parametrize("path", ABSENT)
def test_what_is_not_there_is_not_found(schema: Schema, path: str) -> None:
    assert not schema.has(path)


def test_values_of_an_enumeration_keep_their_order(schema: Schema) -> None:
    assert schema.values("blockdev-add/arg-type/driver") == ("file", "raw")
    assert schema.values("blockdev-add/arg-type/+file/aio") == ("threads", "io_uring")
    assert schema.values("blockdev-add/arg-type") == ()
    assert schema.values("nope/arg-type") == ()


def test_commands_and_events_are_told_apart(schema: Schema) -> None:
    assert schema.names("command") == {"blockdev-add", "query-block"}
    assert schema.names("event") == {"RESUME"}


def test_a_kept_schema_equals_the_one_it_was_kept_from() -> None:
    made = Schema.of(SCHEMA)
    assert Schema(made.text) == made
    assert hash(Schema(made.text)) == hash(made)
    assert made != Schema("[]")
    assert made != made.text

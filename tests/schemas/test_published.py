"""The published documents say what the code does."""

import json
from pathlib import Path

import jsonschema
import pytest

from schemas import topics
from schemas.spec.json_schema import ASYNCAPI_FILE, SCHEMA_FILE, documents
from tests.schemas.samples import from_controller, from_devices

PUBLISHED = Path(__file__).parents[2] / "docs" / "protocol"
FILES = {name: json.loads(text) for name, text in documents().items()}
BUNDLE = FILES[SCHEMA_FILE]
ASYNCAPI = FILES[ASYNCAPI_FILE]


def name(value):
    """Name a parameter by its type."""
    return type(value).__name__


def validator(definition):
    """Validate against one definition of the bundle."""
    schema = {"$schema": BUNDLE["$schema"], "$ref": f"#/$defs/{definition}"}
    return jsonschema.Draft202012Validator(schema | {"$defs": BUNDLE["$defs"]})


@pytest.mark.parametrize("file", documents())
def test_the_files_are_what_the_code_says(file):
    """Each published file equals what the types give; else it has to be written again."""
    found = (PUBLISHED / file).read_text()
    assert found == documents()[file], "run: ./run handrail schema --write docs/protocol"


def test_the_bundle_is_a_json_schema():
    """The bundle obeys JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(BUNDLE)


@pytest.mark.parametrize("payload", [*from_devices(), *from_controller()], ids=name)
def test_what_is_sent_obeys_its_schema(payload):
    """Each payload is valid by the definition that bears its name."""
    body = json.loads(payload.to_json())
    validator(type(payload).__name__).validate(body)
    for key in ("v", "type"):
        if key in body:
            rest = {k: v for k, v in body.items() if k != key}
            assert not validator(type(payload).__name__).is_valid(rest)


@pytest.mark.parametrize("payload", from_devices()[:-2], ids=name)
def test_a_union_takes_each_of_its_members(payload):
    """Commands and requests are valid, and told apart, by the definition of all of them."""
    unions = ("Command", "Request")
    body = json.loads(payload.to_json())
    assert [validator(union).is_valid(body) for union in unions].count(True) == 1


def references(node):
    """Find every `$ref` below a node."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document, reference):
    """Follow a reference, into the other file where it names it."""
    file, _, pointer = reference.partition("#")
    node = FILES[file.removeprefix("./")] if file else document
    for part in pointer.strip("/").split("/"):
        node = node[part]
    return node


@pytest.mark.parametrize("file", documents())
def test_every_reference_resolves(file):
    """No document points to what is not there."""
    for reference in references(FILES[file]):
        assert resolve(FILES[file], reference) is not None


def test_every_topic_is_one_channel():
    """AsyncAPI has each topic exactly once, with its parameters and whether it is retained."""
    channels = {c["address"]: c for c in ASYNCAPI["channels"].values()}
    expected = {f"handrail/v1/{{site}}/{kind.PATTERN}": kind for kind in topics.ALL}
    assert len(ASYNCAPI["channels"]) == len(topics.ALL)
    assert set(channels) == set(expected)
    for address, channel in channels.items():
        assert channel["x-retained"] is expected[address].RETAINED
        assert {f"{{{p}}}" for p in channel["parameters"]} == {
            level for level in address.split("/") if level.startswith("{")
        }


def test_every_channel_has_one_operation_seen_from_the_device():
    """A device sends what the controller reads, at QoS 1, and receives the rest."""
    operations = list(ASYNCAPI["operations"].values())
    assert len(operations) == len(ASYNCAPI["channels"])
    assert {o["channel"]["$ref"].rpartition("/")[2] for o in operations} == set(
        ASYNCAPI["channels"]
    )
    read = {filter_.split("/", 3)[3] for filter_ in topics.controller_subscriptions("s")}
    for operation in operations:
        channel = resolve(ASYNCAPI, operation["channel"]["$ref"])
        levels = channel["address"].split("/", 3)[3].split("/")
        pattern = "/".join("+" if level.startswith("{") else level for level in levels)
        assert operation["action"] == ("send" if pattern in read else "receive")
        assert operation["bindings"]["mqtt"]["qos"] == 1


def test_the_documents_are_the_same_each_time():
    """Two runs give the same text."""
    assert documents() == documents()

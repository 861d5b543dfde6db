"""The AsyncAPI 3.0.0 document: every channel, its senders and receivers, and its messages.

Operations are described from the device's perspective: it sends what the controller receives, and
vice versa. Payloads are references into the JSON Schema bundle.
"""

from dataclasses import dataclass
from typing import Any

from schemas import topics
from schemas.base import ID_PATTERN, VERSION
from schemas.questionnaire.assemble import MAX_CANONICAL
from schemas.topics import MAX_CHUNK, Topic

Json = dict[str, Any]

_BYTES = "Bytes"
_QUESTIONNAIRE = "Questionnaire"
_ENROLLED = ("patient", "facility", "admin")


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of topic: its senders, its receivers, and its messages by name."""

    topic: type[Topic]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    messages: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in the document: `ControllerStatusTopic` is `controllerStatus`."""
        name = self.topic.__name__.removesuffix("Topic")
        return name[0].lower() + name[1:]

    @property
    def from_device(self) -> bool:
        """Whether devices send on it."""
        return "controller" not in self.senders


_CONTROLLER = ("controller",)

CHANNELS: tuple[Channel, ...] = (
    Channel(topics.ControllerStatusTopic, _CONTROLLER, _ENROLLED, ("ControllerStatus",)),
    Channel(topics.FlowTopic, _CONTROLLER, _ENROLLED, (_QUESTIONNAIRE,)),
    Channel(topics.ClaimTopic, ("pairing",), _CONTROLLER, ("PairingClaim",)),
    Channel(topics.GrantTopic, _CONTROLLER, ("pairing",), ("PairingGrant", "Rejection")),
    Channel(topics.PresenceTopic, _ENROLLED, _CONTROLLER, ("Presence",)),
    Channel(topics.RequestTopic, _ENROLLED, _CONTROLLER, ("Request",)),
    Channel(topics.InboxTopic, _CONTROLLER, _ENROLLED, ("Answer", "Rejection")),
    Channel(topics.AssignmentTopic, _CONTROLLER, ("patient",), ("Assignment",)),
    Channel(topics.LobbyTopic, _CONTROLLER, ("facility", "admin"), ("Lobby",)),
    Channel(topics.CommandTopic, _ENROLLED, _CONTROLLER, ("FacilityCommand", "PatientCommand")),
    Channel(topics.StateTopic, _CONTROLLER, _ENROLLED, ("PatientView", "FacilityView")),
    Channel(topics.RejectionTopic, _CONTROLLER, _ENROLLED, ("Rejection",)),
    Channel(topics.UploadTopic, ("patient",), _CONTROLLER, (_BYTES,)),
    Channel(topics.DocumentTopic, _CONTROLLER, ("facility", "admin"), (_BYTES,)),
)

_PARAMETERS = {
    "site": "The site; one controller serves it.",
    "device": "The device's own id, which is its MQTT user name and client id.",
    "session": "The session.",
    "client_id": "The MQTT client id of a device not yet enrolled: `pairing-` and 32 hex digits.",
    "flow_ref": "The flow's id and the first 12 hex digits of its SHA-256: immutable.",
    "upload": "The upload's id, made by the patient's device.",
    "offset": "Offset of these bytes in the document, in decimal.",
}
_LEVELS = tuple(name for name in _PARAMETERS if name != "site")


def asyncapi(schema_file: str) -> Json:
    """Return the document; payloads refer to `schema_file` in the same folder."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Handrail protocol",
            "version": f"{VERSION}.0.0",
            "description": "Messages between devices and the session controller over MQTT "
            "3.1.1. Operations are described from the device's perspective.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {_operation_name(c): _operation(c) for c in CHANNELS},
        "components": {
            "messages": _messages(schema_file),
            "parameters": {
                name: {"description": f"{text} Matches `{ID_PATTERN}`."}
                for name, text in _PARAMETERS.items()
            },
            "securitySchemes": {
                "device": {
                    "type": "userPassword",
                    "description": "The device's id and its secret; user `pairing` without one.",
                }
            },
        },
    }


def _servers() -> Json:
    security = [{"$ref": "#/components/securitySchemes/device"}]
    return {
        "tcp": {"host": "localhost:1883", "protocol": "mqtt", "security": security},
        "webSocket": {
            "host": "localhost:8080",
            "pathname": "/mqtt",
            "protocol": "ws",
            "security": security,
        },
    }


def _channel(channel: Channel) -> Json:
    address = channel.topic.rule("{site}", **{name: f"{{{name}}}" for name in _LEVELS})
    levels = [name for name in _PARAMETERS if f"{{{name}}}" in address]
    return {
        "address": address,
        "description": (channel.topic.__doc__ or "").strip(),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in levels},
        "x-retained": channel.topic.RETAINED,
        "x-senders": list(channel.senders),
        "x-receivers": list(channel.receivers),
    }


def _operation_name(channel: Channel) -> str:
    verb = "send" if channel.from_device else "receive"
    return verb + channel.name[0].upper() + channel.name[1:]


def _operation(channel: Channel) -> Json:
    operation: Json = {
        "action": "send" if channel.from_device else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [
            {"$ref": f"#/channels/{channel.name}/messages/{name}"} for name in channel.messages
        ],
        "bindings": {
            "mqtt": {"qos": 1, "retain": channel.topic.RETAINED, "bindingVersion": "0.2.0"}
        },
    }
    reply = _REPLIES.get(channel.topic)
    if reply:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{reply}"}}
    return operation


_REPLIES: dict[type[Topic], str] = {
    topics.ClaimTopic: "grant",
    topics.RequestTopic: "inbox",
    topics.CommandTopic: "state",
}


def _messages(schema_file: str) -> Json:
    names = sorted({name for channel in CHANNELS for name in channel.messages})
    return {name: _OTHER.get(name) or _json_message(schema_file, name) for name in names}


def _json_message(schema_file: str, name: str) -> Json:
    return {"name": name, "payload": {"$ref": f"./{schema_file}#/$defs/{name}"}}


_OTHER: dict[str, Json] = {
    _BYTES: {
        "name": _BYTES,
        "summary": f"Bytes of a document, at most {MAX_CHUNK}.",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary", "maxLength": MAX_CHUNK},
    },
    _QUESTIONNAIRE: {
        "name": _QUESTIONNAIRE,
        "summary": f"A FHIR R4 Questionnaire in canonical JSON, at most {MAX_CANONICAL} bytes.",
        "contentType": "application/fhir+json",
        "payload": {
            "type": "object",
            "required": ["resourceType"],
            "properties": {"resourceType": {"const": "Questionnaire"}},
        },
    },
}

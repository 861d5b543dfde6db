"""docs/reference/limits.md has each limit of the code, with its number, and no other."""

import ast
import re
from collections.abc import Iterator
from dataclasses import astuple, fields
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from broker import BrokerSettings, Limits
from cli import broker_limits
from schemas.base import ID_PATTERN
from session_controller.backup.keeping import Keep
from session_controller.engine.limits import OF_A_SESSION, Limit
from session_controller.settings import Settings
from tests.conftest import ROOT
from tests.pages import codes, rows

from .conftest import Handrail

PAGE = "reference/limits.md"
AREAS = {
    "## Box",
    "## One session",
    "## Documents",
    "## Forms",
    "## Broker",
    "## Messages",
    "## Lists",
    "## Deliveries",
    "## Backups",
    "## Records",
    "## Screens",
}
CONSTANTS = {
    "disk_bytes": "session_controller.storage.room.RESERVE",
    "ballast": "session_controller.storage.ballast.BALLAST_BYTES",
    "log_bytes": "session_controller.service.jobs.maintenance.MAX_LOG_BYTES",
    "log_bytes_backup": "session_controller.storage.store._MAX_FROZEN_BYTES",
    "log_bytes_kept": "session_controller.storage.database._PRAGMAS.journal_size_limit",
    "exports_bytes": "session_controller.service.export_cache.KEPT_BYTES",
    "exports_kept": "session_controller.service.export_cache.KEPT_S",
    "copy_link": "session_controller.service.copy_links.LASTS",
    "wrong_copy_links": "clients.web.copies.MOST_WRONG",
    "wrong_copy_links_window": "clients.web.copies.WINDOW_S",
    "waiting_messages": "session_controller.service.service.MAX_BATCH",
    "wrong_codes": "session_controller.security.rate_limit.FREE_TRIES",
    "wrong_codes_window": "session_controller.security.rate_limit._WINDOW_S",
    "codes_pause": "session_controller.security.rate_limit._PAUSE_S",
    "codes_waiting": "session_controller.security.rate_limit._MAX_QUEUED",
    "wrong_codes_connection": "session_controller.security.rate_limit._WRONG_PER_CONNECTION",
    "wrong_pins": "session_controller.security.pins.LOCKED_AFTER",
    "first_pin_lock": "session_controller.security.pins._FIRST_LOCK_S",
    "longest_pin_lock": "session_controller.security.pins._LONGEST_LOCK_S",
    "emergency_access": "session_controller.service.handlers.desks.EMERGENCY_FOR",
    "emergency_access_shown": "session_controller.storage.entities.SHOWN_FOR",
    "persons": "session_controller.service.handlers.staff.MAX_PERSONS",
    "sign_in_time": "session_controller.openid.authorization.LASTS_S",
    "provider_time": "session_controller.openid.provider.PATIENCE_S",
    "provider_bytes": "session_controller.openid.provider.MOST_BYTES",
    "provider_kept": "session_controller.openid.provider.KEPT_S",
    "provider_clock": "session_controller.openid.id_token.LEEWAY_S",
    "answers_remembered": "session_controller.service.jobs.maintenance._REMEMBERED",
    "log_lines": "session_controller.service.monitoring.line_rate.MOST",
    "log_lines_window": "session_controller.service.monitoring.line_rate.WINDOW_S",
    "alerts_an_hour": "session_controller.service.monitoring.alert_channels.MOST_PER_HOUR",
    "alert_retry": "session_controller.service.monitoring.alerts._LONGEST_S",
    "disk_ready": "session_controller.preflight.folder.MIN_FREE_BYTES",
    "store_ready": "session_controller.service.monitoring.readiness.MAX_BEHIND_S",
    "commands_at_once": "session_controller.data_folder.SLOTS",
    "value_bytes": "session_controller.forms.verdicts.MAX_BYTES",
    "answers_bytes": "session_controller.engine.limits.MAX_ANSWER_BYTES",
    "document_bytes": "session_controller.engine.limits.MAX_UPLOAD_BYTES",
    "documents": "session_controller.engine.limits.MAX_DOCUMENTS",
    "documents_bytes": "session_controller.engine.limits.MAX_DOCUMENT_BYTES",
    "chunk_bytes": "schemas.topics.MAX_CHUNK",
    "group_instances": "session_controller.forms.answers.MAX_INSTANCES",
    "fields": "session_controller.forms.answers.MAX_FIELDS",
    "string_length": "session_controller.forms.scalars.MAX_LENGTHS.string",
    "text_length": "session_controller.forms.scalars.MAX_LENGTHS.text",
    "url_length": "session_controller.forms.scalars.MAX_LENGTHS.url",
    "pattern_time": "session_controller.forms.scalars._REGEX_SECONDS",
    "pattern_length": "schemas.questionnaire.patterns.MAX_PATTERN",
    "pattern_size": "schemas.questionnaire.patterns.MAX_EXPANDED",
    "pattern_trial": "schemas.questionnaire.patterns.MAX_SECONDS",
    "refusals": "session_controller.engine.limits.MAX_REFUSALS",
    "picture_pixels": "session_controller.media.picture.MOST_PIXELS",
    "picture_frames": "session_controller.media.picture.MOST_FRAMES",
    "picture_pixels_in_all": "session_controller.media.picture.MOST_PIXELS_IN_ALL",
    "jpeg_scans": "session_controller.media.jpeg.MOST_SCANS",
    "pdf_objects": "session_controller.media.pdf.MOST_OBJECTS",
    "pdf_pages": "session_controller.media.pdf.MOST_PAGES",
    "pdf_unpacked": "session_controller.media.pdf.MOST_UNPACKED",
    "pdf_table": "session_controller.media.pdf.MOST_IN_ONE_TABLE",
    "pdf_picture_pixels": "session_controller.media.pdf.MOST_PIXELS",
    "pdf_depth": "session_controller.media.pdf.MOST_DEEP",
    "archive_names": "session_controller.media.others._MOST_ENTRIES",
    "check_memory": "session_controller.media.limits.MEMORY_BYTES",
    "check_cpu": "session_controller.media.limits.CPU_S",
    "check_time": "session_controller.media.apart.WITHIN_S",
    "checks_at_once": "session_controller.media.apart.AT_ONCE",
    "form_bytes": "schemas.questionnaire.assemble.MAX_CANONICAL",
    "form_source_bytes": "schemas.questionnaire.load._MAX_SOURCE",
    "form_yaml_bytes": "schemas.questionnaire.yaml._MAX_SOURCE",
    "form_items": "schemas.questionnaire.items.MAX_ITEMS",
    "form_depth": "schemas.questionnaire.items.MAX_DEPTH",
    "form_link_id": "schemas.questionnaire.items.MAX_LINK_ID",
    "form_options": "schemas.questionnaire.options._MAX_OPTIONS",
    "form_page": "schemas.questionnaire.assemble._MOST_ON_A_PAGE",
    "form_concepts": "schemas.questionnaire.value_sets.MAX_CONCEPTS",
    "form_value_sets": "schemas.questionnaire.value_sets._MAX_NESTED",
    "form_formatted": "schemas.questionnaire.rich_text._MAX",
    "form_expression": "session_controller.forms.fhirpath._MAX_LENGTH",
    "form_permitted": "session_controller.forms.expression_results.MAX_OPTIONS",
    "form_try": "session_controller.forms.fhirpath._TRIED_STEPS",
    "form_trial": "session_controller.service.handlers.flows._TRIED_S",
    "form_calculation": "session_controller.service.unit_of_work._CALCULATION_S",
    "form_problems": "session_controller.service.handlers.flows._MAX_PROBLEMS",
    "http_idle": "broker.network.http.KEEPALIVE_SECONDS",
    "close_time": "broker.protocol.connection.CLOSE_SECONDS",
    "accept_queue": "broker.network.listeners.BACKLOG",
    "throttled_addresses": "broker.access.throttle.MAX_ADDRESSES",
    "logged_once": "broker.monitoring.reports.MAX_REMEMBERED",
    "password_cost": "broker.standalone.passwords.MAX_COST",
    "strokes": "schemas.wire.commands.MAX_STROKES",
    "stroke_points": "schemas.wire.commands.MAX_POINTS",
    "reading_time": "schemas.wire.commands.MAX_SECONDS",
    "sessions_page": "session_controller.service.handlers.administration._LINES",
    "timeline_page": "session_controller.service.handlers.administration._PAGE",
    "history_page": "session_controller.service.handlers.history._PAGE",
    "history_page_bytes": "session_controller.service.handlers.history._PAGE_BYTES",
    "deliveries_page": "session_controller.service.handlers.deliveries._PAGE",
    "held_shown": "session_controller.service.awaiting_staff._SHOWN",
    "enrolled_at_once": "schemas.wire.requests.MAX_ENROLLED",
    "purged_named": "schemas.wire.purging.MAX_NAMED",
    "purged_at_once": "session_controller.service.handlers.administration.PURGED_AT_ONCE",
    "first_delay": "session_controller.delivery.delays.FIRST_S",
    "longest_delay": "session_controller.delivery.delays.LONGEST_S",
    "retry_after": "session_controller.delivery.delays.LONGEST_WISH_S",
    "conflicts": "session_controller.delivery.judging.PATIENCE_WITH_CONFLICTS",
    "answer_bytes": "session_controller.delivery.exchange.MAX_ANSWER",
    "broker_bytes": "session_controller.delivery.mqtt_sender._MOST_RECEIVED",
    "excerpt_bytes": "session_controller.delivery.exchange.MAX_EXCERPT",
    "issues_kept": "session_controller.delivery.judging._MAX_ISSUES",
    "issue_length": "session_controller.delivery.judging._MAX_TEXT",
    "connect_time": "session_controller.delivery.exchange._CONNECT_S",
    "silence_time": "session_controller.delivery.exchange._SILENCE_S",
    "total_time": "session_controller.delivery.exchange._TOTAL_S",
    "mqtt_time": "session_controller.delivery.mqtt_sender._TAKEN_S",
    "secret_bytes": "session_controller.integrity.configuration.MAX_FILE",
    "way_back": "session_controller.backup.keeping.WAY_BACK",
    "backups_size": "session_controller.backup.keeping.MOST",
    "backup_retry": "session_controller.backup.outlook._LAST_S",
    "interruptions": "session_controller.backup.backups._MAX_INTERRUPTIONS",
    "verified_every": "session_controller.backup.backups._VERIFY_EVERY",
    "pack_bytes": "session_controller.backup.packs.PACK_BYTES",
    "record_time": "session_controller.export.printing.apart.SECONDS",
    "record_memory": "session_controller.export.printing.apart._BYTES",
    "record_pdf_pages": "session_controller.export.printing.typesetting.MAX_PAGES",
    "record_picture": "session_controller.export.printing.photographs.LONGEST",
    "record_points": "session_controller.export.printing.drawing.MAX_POINTS",
    "commands_in_flight": "clients.sdk.outbox.WINDOW",
    "resend_time": "clients.sdk.outbox.RESEND_AFTER",
    "chunks_in_flight": "clients.sdk.chunks.WINDOW",
    "message_bytes": "clients.sdk.client._MAX_PAYLOAD",
    "external_window": "session_controller.transport.mqtt._WINDOW",
}
"""By the name in the table, where the code has the number."""
MESSAGES = {
    "request_id_length": "schemas.base.RequestId",
    "field_id_length": "schemas.base.FieldId",
    "label_length": "schemas.wire.devices.Label",
    "device_name_length": "schemas.wire.devices.DeviceName",
    "reason_length": "schemas.wire.commands.Reason",
    "person_name_length": "schemas.wire.commands.PersonName",
    "language_length": "schemas.wire.commands.Language",
    "file_name_length": "schemas.wire.destinations.FileName",
    "address_length": "schemas.wire.destinations.WebAddress",
    "topic_length": "schemas.wire.destinations.Topic",
}
"""The same for types of the contract: the longest text that they accept."""
NO_LIMITS = {
    "broker.amqtt_plugins.MAX_ANSWERS": "a cache: what is forgotten is asked again",
    "broker.local._MAX_LEVELS": "of the host program's own topics",
    "broker.packets.codec.MAX_LENGTH_BYTES": "of MQTT",
    "broker.packets.codec.MAX_QOS": "of MQTT",
    "broker.packets.topics.MAX_BYTES": "of MQTT",
    "broker.protocol.publish.MAX_CACHED_TOPICS": "a cache",
    "broker.protocol.session.MAX_PACKET_ID": "of MQTT",
    "broker.routing.router.MAX_CACHED_TOPICS": "a cache",
    "broker.standalone.passwords.MAX_BLOCK": "see `password_cost`",
    "broker.standalone.passwords.MAX_PARALLEL": "see `password_cost`",
    "schemas.base.MAX_SEQ": "of JSON",
    "session_controller.audit.hash_chain._MAX_ENTRY": "of SQLite",
    "session_controller.configuration.values._LONGEST_BUTTON": "of a configuration",
    "session_controller.openid.settings.LONGEST_ACCOUNT": "of OpenID Connect",
    "session_controller.preflight.provider._MOST_APART_S": "see `provider_clock`",
    "session_controller.backup.checking._MAX_FAULTS": "how many faults are listed",
    "session_controller.backup.manifest._MAX_LINE": "against a damaged file",
    "session_controller.configuration.sections._MAX_HOST": "of DNS",
    "session_controller.configuration.values._MAX_PORT": "of TCP",
    "session_controller.delivery.delays._MAX_EXPONENT": "of a computation",
    "session_controller.delivery.judging._MAX_DEPTH": "see `issues_kept`",
    "session_controller.integrity.data_folder.MAX_FAULTS": "how many faults are listed",
    "session_controller.media.exif._MOST_ENTRIES": "against a damaged file",
    "session_controller.service.handlers.administration._MAX_PROBLEMS": "see `form_problems`",
    "session_controller.service.jobs.maintenance._MAX_COMMITS": "when upkeep is due",
    "session_controller.service.jobs.maintenance._MAX_UNSIGNED": "when the log is signed",
    "session_controller.service.monitoring.line_rate._MAX_KEYS": "of a count in memory",
    "session_controller.service.rival._LONGEST_S": "of a computation",
    "session_controller.storage.reader._MAX_DAMAGE": "how many faults are listed",
    "session_controller.storage.reader._MAX_ENTRY": "of SQLite",
    "session_controller.storage.snapshots.MAX_BEHIND": "when a state is written",
}
"""Constants that are named like limits, and at which nobody is refused anything."""
SWITCHES = {"site", "patient_copies"}
"""Settings that are no number."""
_LIKE_A_LIMIT = re.compile(r"(^|_)(MAX|MOST|LIMIT|LONGEST|KEPT|RESERVE|WINDOW)(_|$)")
_SCALES = {
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "MB": 10**6,
    "million": 10**6,
    "s": 1,
    "min": 60,
    "h": 3600,
    "days": 86_400,
    "%": 0.01,
    "px": 1,
    "characters": 1,
    "": 1,
}


def table() -> dict[str, list[str]]:
    """Return the rows of the page by the name of the limit, below `broker.` for the broker's."""
    found: dict[str, list[str]] = {}
    for area in AREAS:
        for row in rows(PAGE, area):
            (name,) = codes(row[0])
            key = f"broker.{name}" if area == "## Broker" and hasattr(Limits, name) else name
            key = f"delivery.{name}" if area == "## Deliveries" else key
            assert key not in found, f"{key} stands twice"
            found[key] = row[1:]
    return found


TABLE = table()


def number(text: str) -> float:
    """Return the number that a cell shows, in bytes, seconds or as it is."""
    value, _, unit = text.partition(" ")
    return float(value.replace(",", "")) * _SCALES[unit]


def told(name: str) -> float:
    """Return the default of a limit on the page; in a box, where it differs there."""
    return number(TABLE[name][0].split("; in a box ")[-1])


def found(place: str) -> Any:
    """Return what stands at a dotted place of the code."""
    parts = place.split(".")
    at = max(n for n in range(1, len(parts)) if (ROOT.joinpath(*parts[:n])).exists()
             or ROOT.joinpath(*parts[:n]).with_suffix(".py").exists())  # fmt: skip
    value: Any = import_module(".".join(parts[:at]))
    for part in parts[at:]:
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


def plain(value: Any) -> float:
    """Return a value of the code as the page counts it."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return len(value) if isinstance(value, tuple) else value


def key_of(name: str) -> str:
    """Return the key of a constant's row in the table."""
    return f"delivery.{name}" if ".delivery." in CONSTANTS[name] or name == "secret_bytes" else name


@pytest.mark.parametrize("name", CONSTANTS)
def test_each_number_is_the_codes(name: str) -> None:
    """Of a constant."""
    assert told(key_of(name)) == pytest.approx(plain(found(CONSTANTS[name])))


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
def test_each_limit_of_the_broker_has_a_row(name: str) -> None:
    """With the broker's own default, and the box's where it differs."""
    own, _, in_a_box = TABLE[f"broker.{name}"][0].partition("; in a box ")
    default = getattr(Limits(), name)
    assert number(own) == default
    assert number(in_a_box or own) == getattr(broker_limits(), name)


@pytest.mark.parametrize("name", sorted({each.name for each in fields(Settings)} - SWITCHES))
def test_each_setting_of_a_clinic_has_a_row(name: str) -> None:
    """With its default."""
    assert told(name) == plain(getattr(Settings(), name))


@pytest.mark.parametrize("name", MESSAGES)
def test_each_length_is_the_contracts(name: str) -> None:
    """A text of that length is accepted by the schema, and no longer one."""
    assert TypeAdapter(found(MESSAGES[name])).json_schema()["maxLength"] == told(name)


def test_the_other_numbers_are_the_codes() -> None:
    """Those that stand in no constant."""
    assert f"{{1,{told('id_length'):.0f}}}" in ID_PATTERN
    given = found("schemas.wire.requests.IdentifyPatient").model_fields["given"]
    assert [m.max_length for m in given.metadata if hasattr(m, "max_length")] == [
        told("given_names")
    ]
    assert told("stop_seconds") == BrokerSettings().stop_seconds
    assert TABLE["keep_backups"][0] == ",".join(map(str, astuple(Keep())))
    assert TABLE["backup_every"][0].replace(" ", "") == "6h"


def _constants() -> Iterator[str]:
    """Yield each constant of the program that is a number and named like a limit."""
    for folder in ("broker", "schemas", "session_controller", "clients/sdk"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            everything = path.stem == "limits"
            for name in _assigned(path):
                if everything or _LIKE_A_LIMIT.search(name):
                    yield f"{module}.{name}"


def _assigned(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id.isupper() and _is_number(node.value):
                yield target.id


def _is_number(value: ast.expr | None) -> bool:
    match value:
        case ast.Constant():
            return isinstance(value.value, int | float)
        case ast.BinOp():
            return _is_number(value.left) and _is_number(value.right)
        case ast.Name():
            return value.id.isupper()
    return False


def test_each_constant_that_is_named_like_a_limit_has_a_row() -> None:
    """Or is listed here with the reason why it is none."""
    known = {*CONSTANTS.values(), *NO_LIMITS}
    named = set(_constants())
    assert named - known == set()
    assert NO_LIMITS.keys() - named == set(), "these are no longer there"


def test_the_page_has_no_row_that_is_not_tested() -> None:
    """Every name is of a constant, a setting or a type."""
    tested = {key_of(name) for name in CONSTANTS} | MESSAGES.keys()
    tested |= {f"broker.{each.name}" for each in fields(Limits)}
    tested |= {each.name for each in fields(Settings)}
    others = {"id_length", "given_names", "stop_seconds", "keep_backups", "backup_every"}
    assert TABLE.keys() - tested == others


def test_each_limit_that_the_status_shows_is_marked(data: Path, handrail: Handrail) -> None:
    """As a level, or as a count; and no other is."""
    shown = handrail("status", "--data", data, "--json").json["limits"]
    marks = {one["limit"]: "count" if one["level"] is None else "level" for one in shown}
    assert {name: row[-1] for name, row in TABLE.items() if row[-1] != "no"} == marks
    assert {*OF_A_SESSION, *Limit} <= marks.keys()


def test_each_row_is_whole() -> None:
    """Each has a default, who sets it, a reason, and what happens."""
    for name, row in TABLE.items():
        assert all(row), name
        assert row[1].split(";")[0] in {"fixed", "`limits:`", "`BrokerSettings`"} or row[
            1
        ].startswith("`--"), name

"""What the pages read of a form, as the box reads it: golden files for `clients/web/tests`.

`python -m tests.web.forms` writes them again.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schemas.questionnaire.load import Flow, Item, Option, load_flow
from schemas.questionnaire.model import FieldKind
from tests.clients.conftest import QUICK
from tests.contract.forms import VISIT
from tests.contract.test_signers import TWO_TONGUES
from tests.contract.test_values import KINDS
from tests.engine import test_moves, test_next_instance, test_outlook, test_signatures
from tests.engine.play import Play
from tests.fhir.test_mapping_file import FORM
from tests.flow.everything import EVERYTHING
from tests.flow.filling import OURS, ROOT
from tests.flow.test_consents import CONTAINED
from tests.flow.test_findings import DIVIDED
from tests.web import (
    corners,
    test_behaviour,
    test_documents,
    test_fields,
    test_repeating,
    test_signing,
)

FOLDER = ROOT / "clients" / "web" / "tests" / "forms"


def forms() -> Mapping[str, Flow]:
    """Return each form of the project and of its tests, by the name of its golden file."""
    ours = {path.stem: load_flow(path.read_bytes()) for path in sorted(OURS.glob("*.json"))}
    written = {
        "behaviour-signing": test_behaviour.SIGNING,
        "corners": corners.FORM,
        "divided": DIVIDED,
        "documents": test_documents.FLOW,
        "everything": EVERYTHING,
        "contained": CONTAINED,
        "fields": test_fields.FLOW,
        "kinds": KINDS,
        "quick": QUICK,
        "repeating": test_repeating.FLOW,
        "signing": test_signing.FLOW,
        "two-tongues": TWO_TONGUES,
        "visit": VISIT,
    }
    loaded = {
        "mapping": FORM,
        "moves": test_moves.FLOW,
        "next-instance": test_next_instance.FLOW,
        "outlook": test_outlook.FLOW,
        "signatures": test_signatures.FLOW,
    }
    return ours | {name: load_flow(form) for name, form in written.items()} | loaded


def golden(flow: Flow) -> str:
    """Return a golden file: the form as it is published, and how it is read."""
    content = {"ref": flow.flow_ref, "questionnaire": json.loads(flow.canonical)}
    read = {"read": _flow(flow)}
    return json.dumps(content | read, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Write all golden files, and delete those of forms that are no more."""
    for path in folder.glob("*.json"):
        path.unlink()
    for name, flow in forms().items():
        (folder / f"{name}.json").write_text(golden(flow), encoding="utf-8")


def _flow(flow: Flow) -> dict[str, Any]:
    languages = (None, *flow.languages)

    def texts(text_in: Callable[[str | None], str]) -> list[str]:
        return [text_in(language) for language in languages]

    return {
        "title": texts(flow.title_in),
        "language": flow.language,
        "languages": list(flow.languages),
        "steps": [
            {
                "id": step.step_id,
                "title": texts(step.title_in),
                "skippable": step.skippable,
                "items": list(step.item_ids),
            }
            for step in flow.steps
        ],
        "items": {link_id: _item(item, texts) for link_id, item in flow.items.items()},
        "signed": [_signed(flow, item, texts) for item in flow.items.values() if _signs(item)],
    }


def _signs(item: Item) -> bool:
    return item.kind is FieldKind.SIGNATURE and not item.repeating_ancestors


def _signed(flow: Flow, item: Item, texts: Callable[..., list[str]]) -> dict[str, Any]:
    """Return the text that a signature binds while nothing is entered, by what its step shows."""
    session = Play(flow).session
    enabled = session.assessment.step[item.step_id].enabled

    def text_in(language: str | None) -> str:
        return session.consent_text(item.link_id, language).decode()

    return {"field": item.link_id, "enabled": list(enabled), "text": texts(text_in)}


def _item(item: Item, texts: Callable[..., list[str]]) -> dict[str, Any]:
    return {
        "type": item.type,
        "text": texts(item.text_in),
        "prefix": item.prefix or "",
        "help": item.help,
        "flyover": item.flyover,
        "required": item.required,
        "repeats": item.repeats,
        "readOnly": item.read_only,
        "consent": item.kind is FieldKind.CONSENT,
        "signature": item.kind is FieldKind.SIGNATURE,
        "review": item.review,
        "options": None if item.options is None else [_option(one, texts) for one in item.options],
        "open": item.open,
        "control": item.item_control,
        "horizontal": item.choice_orientation == "horizontal",
        "entryFormat": item.entry_format,
        "pattern": item.regex,
        "definition": item.definition,
        "unit": item.unit.to_json() if item.unit else None,
        "unitOptions": [unit.to_json() for unit in item.unit_options],
        "mediaTypes": list(item.media_types),
        "maxSize": item.max_size,
        "children": list(item.children),
    }


def _option(option: Option, texts: Callable[..., list[str]]) -> dict[str, Any]:
    return {
        "value": option.to_json(),
        "label": texts(option.label),
        "prefix": option.prefix,
        "exclusive": option.exclusive,
    }


if __name__ == "__main__":
    write()

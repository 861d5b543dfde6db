"""Sessions played over the network, and what was entered in them, as the patient's side knows it.

What is remembered here comes from the players, before the box saw any of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clients import AdminClient, Credential
from clients.simulator.players import Enter, PatientAction, PatientPlayer, Sign
from clients.simulator.simulator import SessionResult, simulate
from schemas.base import Role
from schemas.wire.views import PatientView
from tests.conftest import ROOT
from tests.flow.filling import mapping_for, with_its_documents

Json = dict[str, Any]

OURS = ROOT / "flows" / "pre-registration.json"
WITHIN_S = 90.0

WITHOUT = {"code": "self-pay", "system": "urn:handrail:example:payment", "display": "I pay myself"}


@dataclass(frozen=True)
class Played:
    """A completed session, and what its patient did."""

    form: Json
    result: SessionResult
    said: dict[str, Any] = field(repr=False)
    """The last value that was entered for each field, whether or not it still counts."""
    signed: list[Sign] = field(repr=False)

    @property
    def session(self) -> str:
        """Its id."""
        return self.result.session

    @property
    def items(self) -> dict[str, Json]:
        """The form's items by linkId."""
        return {item["linkId"]: item for item in _items(self.form["item"])}


def _items(items: list[Json]) -> Iterator[Json]:
    for item in items:
        yield item
        yield from _items(item.get("item", []))


def link_of(field_id: str) -> str:
    """Return the linkId of a field, which may be in an instance of a repeating group."""
    return field_id.rpartition("].")[2]


def play(data: Path, path: Path, seed: int, *, wavers: bool = False) -> Played:
    """Play one session of a form on the box that serves on a data folder."""
    form = with_its_documents(json.loads(path.read_bytes()))
    with AdminClient(*place_of(data)) as admin:
        flow_id = admin.add_flow(form, path.stem, mapping=mapping_for(path.stem)).flow_id
    with _patients(wavers=wavers) as patients:
        (result,) = simulate(*place_of(data), flow_id, seed=seed, timeout=WITHIN_S)
    assert result.completed, result.error
    (patient,) = patients
    return Played(form, result, patient.said, patient.signed)


def place_of(data: Path) -> tuple[str, Credential]:
    """Return the address of the box on a data folder, and its admin credential."""
    where = json.loads((data / "box.json").read_text())
    device, secret = max(json.loads((data / "admin.json").read_text()).items())
    return where["mqtt"], Credential(where["site"], device, Role.ADMIN, secret)


@contextmanager
def _patients(*, wavers: bool) -> Iterator[list["_Patient"]]:
    """Yield a list of the patients that join; each remembers what it enters."""
    made: list[_Patient] = []

    def come(*arguments: Any) -> _Patient:
        made.append(_Patient(*arguments, wavers=wavers))
        return made[-1]

    with patch("clients.simulator.players.PatientPlayer", come):
        yield made


class _Patient(PatientPlayer):
    def __init__(self, *arguments: Any, wavers: bool) -> None:
        super().__init__(*arguments)
        self.said: dict[str, Any] = {}
        self.signed: list[Sign] = []
        self._wavers = wavers

    def next(self, view: PatientView) -> PatientAction | None:
        action = super().next(view)
        if action is None and self._wavers and "member-id" in view.fields:
            self._wavers = False
            action = Enter("payment", WITHOUT)
        if isinstance(action, Enter):
            self.said[action.field_id] = action.value
        elif isinstance(action, Sign):
            self.signed.append(action)
        return action

"""A few sessions as a real box stored them, to be written again under other names and dates."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from schemas.base import rfc3339, written
from schemas.questionnaire.load import Flow, load_flow
from session_controller.engine.events import FACT, Event, UploadFinished
from session_controller.engine.history import replay
from session_controller.engine.state import SessionState
from session_controller.storage.rows import STATE
from session_controller.storage.store import Store

from . import box

_PLAYED = {"pre-registration": 4, "quick-check-in": 8}
"""How many sessions of each form are played: 57 and 17 log entries, 31 on average."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_CODE_LIFETIME = timedelta(hours=1)
"""Moments of a session are at most this long after its end; an answer may be any other."""


@dataclass(frozen=True, slots=True)
class Written:
    """A session of other names and at another time: its events, and its state after the last."""

    events: list[Event]
    state: SessionState


@dataclass(frozen=True, slots=True)
class Template:
    """A completed session with its documents, by the names of their files: upload and bytes."""

    flow: Flow
    events: tuple[Event, ...]
    state: SessionState
    documents: Mapping[str, tuple[str, bytes]]

    @property
    def staff(self) -> str:
        """The front-desk device."""
        return str(self.state.host)

    @property
    def patient(self) -> str:
        """The patient device."""
        return str(self.state.patient)

    def files(self, entries: int | None) -> list[str]:
        """Return the files of the documents that are complete after some of its events, or all."""
        facts = [event.fact for event in self.events[:entries]]
        return [f.stored.file for f in facts if isinstance(f, UploadFinished) and f.stored]

    def again(
        self, opened_at: datetime, names: Mapping[str, str], entries: int | None = None
    ) -> Written:
        """Return the session as if it had been opened at another time, with other names.

        `names`: new names of the session, its devices and its files. `entries`: how many of its
        events have happened; None for all.
        """
        later = self._renamed(opened_at, names)
        events = [self._event(event, later, names, opened_at) for event in self.events[:entries]]
        if entries is None:
            state = STATE.validate_json(later(written(self.state).decode()))
        else:
            state = replay(self.flow, events).state
        return Written(events, state)

    def _event(
        self,
        event: Event,
        later: Callable[[str], str],
        names: Mapping[str, str],
        opened_at: datetime,
    ) -> Event:
        before = written(event.fact).decode()
        after = later(before)
        return event._replace(
            session=names[event.session],
            at=opened_at + (event.at - self.state.opened_at),
            fact=event.fact if after == before else FACT.validate_json(after),
            device=names.get(event.device or "", event.device),
        )

    def _renamed(self, opened_at: datetime, names: Mapping[str, str]) -> Callable[[str], str]:
        """Return a function that renames and moves a fact or a state in JSON."""
        first, last = self.state.opened_at, self.state.updated_at + _CODE_LIFETIME
        old = re.compile("|".join(f'"{re.escape(name)}"' for name in names))

        def moved(found: re.Match[str]) -> str:
            at = datetime.fromisoformat(found[0])
            return rfc3339(opened_at + (at - first)) if first <= at <= last else found[0]

        def renamed(found: re.Match[str]) -> str:
            return f'"{names[found[0][1:-1]]}"'

        return lambda text: _MOMENT.sub(moved, old.sub(renamed, text))


def play_templates() -> list[Template]:
    """Play sessions of the example forms on a real box, and return how it stored them."""
    with tempfile.TemporaryDirectory(prefix="handrail-years-") as folder:
        data = Path(folder) / "data"
        with box.serving(data, 60.0):
            for flow, count in _PLAYED.items():
                box.run("simulate", flow, "--sessions", str(count), data=data)
        with closing(Store(data)) as store:
            return _mixed([_read(store, state) for state in store.states()])


def _read(store: Store, state: SessionState) -> Template:
    stored = next(flow for flow in store.flows() if flow.flow_ref == state.flow_ref)
    return Template(
        load_flow(stored.canonical, fallback_id=stored.flow_id, accepted=True),
        tuple(store.events(state.session)),
        state,
        {
            document.stored.file: (document.upload, store.document(state.session, document))
            for document in state.documents.values()
            if document.stored
        },
    )


def _mixed(templates: list[Template]) -> list[Template]:
    """Return one long session, two short ones, and so on."""
    by_form = {name: [t for t in templates if t.flow.flow_id == name] for name in _PLAYED}
    long, short = by_form["pre-registration"], by_form["quick-check-in"]
    return [
        each
        for one, (two, three) in zip(long, zip(short[::2], short[1::2], strict=True), strict=True)
        for each in (one, two, three)
    ]

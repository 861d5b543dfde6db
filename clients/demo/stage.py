"""The demo's output: both screens on a terminal, or else a plain log."""

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape

from clients.cli.output import console
from clients.demo.log import View, changes
from clients.demo.screens import patient_screen, side_by_side, staff_screen
from clients.sdk.facility import FacilityClient
from clients.sdk.flow_cache import FlowCache
from clients.sdk.notifications import Connectivity
from clients.sdk.patient import PatientClient
from schemas.wire.views import FacilityView, PatientView

_TOLD = 5
_TALLEST = 27


class Stage:
    """Shows both screens' views, and the story."""

    def __init__(self, pace: float) -> None:
        self.flows = FlowCache()
        self._pace = pace
        self._began = time.monotonic()
        self._lock = threading.RLock()
        self._told: deque[str] = deque(maxlen=_TOLD)
        self._staff: FacilityView | None = None
        self._patient: PatientView | None = None
        self._logged: dict[str, View] = {}
        self._online = {"staff": True, "patient": True}
        self._console = console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._picture, refresh_per_second=10
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    # The story

    def scene(self, title: str) -> None:
        """Start a scene."""
        self._say(f"[bold]── {escape(title)} ──[/]")

    def tell(self, text: str, beats: float = 3.0) -> None:
        """Print what happens, and pause for reading."""
        self._say(f"[italic]{escape(text)}[/]")
        self.pause(beats)

    def pause(self, beats: float = 1.0) -> None:
        """Pause for reading."""
        time.sleep(beats * self._pace)

    def _say(self, markup: str) -> None:
        with self._lock:
            self._told.append(markup)
            self._print("", markup)

    # The screens

    @contextmanager
    def follow(self, staff: FacilityClient, patient: PatientClient) -> Iterator[None]:
        """Show both devices' views for the duration of the `with`."""
        undo = (
            staff.on(FacilityView, self._staff_sees),
            staff.on(Connectivity, lambda now: self._connectivity("staff", online=now.online)),
            patient.on(PatientView, self._patient_sees),
            patient.on(Connectivity, lambda now: self._connectivity("patient", online=now.online)),
        )
        try:
            yield
        finally:
            for stop in undo:
                stop()

    def _staff_sees(self, view: FacilityView) -> None:
        with self._lock:
            self._staff = view
            self._log("staff", view)

    def _patient_sees(self, view: PatientView) -> None:
        with self._lock:
            self._patient = view
            self._log("patient", view)

    def _log(self, who: str, view: View) -> None:
        flow = self.flows.get(view.flow_ref)
        if self._live is None and flow is not None:
            for line in changes(self._logged.get(who), view, flow):
                self._print(who, escape(line))
            self._logged[who] = view

    def _connectivity(self, who: str, *, online: bool) -> None:
        with self._lock:
            if self._online[who] != online:
                self._online[who] = online
                self._print(who, "connected again" if online else "no connection")

    def _print(self, who: str, markup: str) -> None:
        if self._live is not None:
            return  # Live redraws under its own lock: a refresh while holding ours may deadlock
        seconds = time.monotonic() - self._began
        self._console.print(f"{seconds:6.1f} s  {who:>7} │ {markup}")

    def _picture(self) -> RenderableType:
        height = min(_TALLEST, self._console.height - _TOLD - 1)
        with self._lock:
            flow = self.flows.get(self._staff.flow_ref) if self._staff else None
            staff, patient = self._online["staff"], self._online["patient"]
            return Group(
                side_by_side(
                    staff_screen(self._staff, flow, online=staff, height=height),
                    patient_screen(self._patient, flow, online=patient, height=height),
                ),
                *self._told,
            )

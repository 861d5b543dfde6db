"""Where the demo plays: both screens on a terminal as they change, else a plain log of lines."""

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape

from clients.demo_log import View, changes
from clients.demo_screens import patient_screen, side_by_side, staff_screen
from clients.facility import FacilityClient
from clients.news import Connectivity
from clients.patient import PatientClient
from clients.shelf import FlowShelf
from schemas.views import FacilityView, PatientView

_TOLD = 5
_TALLEST = 27


class Stage:
    """Shows what both screens are told, and tells the story beside it."""

    def __init__(self, pace: float) -> None:
        self.flows = FlowShelf()
        self._pace = pace
        self._began = time.monotonic()
        self._lock = threading.RLock()
        self._told: deque[str] = deque(maxlen=_TOLD)
        self._staff: FacilityView | None = None
        self._patient: PatientView | None = None
        self._logged: dict[str, View] = {}
        self._online = {"staff": True, "patient": True}
        self._console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
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
        """Begin a part of the story."""
        self._say(f"[bold]── {escape(title)} ──[/]")

    def tell(self, text: str, beats: float = 3.0) -> None:
        """Say what happens, and give time to read it."""
        self._say(f"[italic]{escape(text)}[/]")
        self.pause(beats)

    def pause(self, beats: float = 1.0) -> None:
        """Give time to look."""
        time.sleep(beats * self._pace)

    def _say(self, markup: str) -> None:
        with self._lock:
            self._told.append(markup)
            self._print("", markup)

    # The screens

    @contextmanager
    def follow(self, staff: FacilityClient, patient: PatientClient) -> Iterator[None]:
        """Show what both devices are told while the `with` lasts."""
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
            return  # it draws by itself, under its own lock: to ask for it under ours may deadlock
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

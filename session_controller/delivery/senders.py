"""Create a sender for each kind of destination."""

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import assert_never

from schemas.wire.destinations import (
    Destination,
    FhirDestination,
    FileFormat,
    FolderDestination,
    MqttDestination,
)
from session_controller.delivery.exchange import Exchange
from session_controller.delivery.fhir_sender import FhirSender
from session_controller.delivery.fhir_server import FhirServer
from session_controller.delivery.folder_sender import FolderSender
from session_controller.delivery.mqtt_sender import Central, MqttSender
from session_controller.delivery.sender import Sender
from session_controller.delivery.tokens import Moments, make_auth
from session_controller.export.record import Record
from session_controller.export.writers import Formats

SealFile = Callable[[FileFormat, Record, bytes], bytes]
"""Returns the seal of a record that was written in a format."""
ENDINGS = {"fhir": "fhir.json", "json": "json", "csv": "csv", "pdf": "pdf"}


class Senders:
    """Creates senders; file names in a destination are relative to the data folder."""

    def __init__(
        self,
        data: Path,
        site: str,
        formats: Formats,
        *,
        seal: SealFile,
        clock: Callable[[], datetime],
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data = data
        self.site = site
        self._formats = formats
        self._seal = seal
        self._clock = clock
        self._moments = Moments(lambda: clock().timestamp(), steady_s, secrets.token_urlsafe)

    def open(self, destination: Destination) -> Sender:
        """Return a sender; it connects and reads files only when it sends."""
        match destination:
            case FhirDestination():
                return self._fhir(destination)
            case FolderDestination(folder=folder, format=form):
                write, seal = self._formats.files[form], partial(self._seal, form)
                return FolderSender(self._data / folder, ENDINGS[form], write, seal)
            case MqttDestination():
                return MqttSender(
                    self.central(destination), self._formats.files[destination.format]
                )
        assert_never(destination)

    def _fhir(self, destination: FhirDestination) -> Sender:
        return FhirSender(self.server(destination), self._formats, destination.transactions)

    def server(self, destination: FhirDestination) -> FhirServer:
        """Return the server of a destination; it connects when it is asked."""
        exchange = Exchange(self.file(destination.ca_file))
        return FhirServer(
            destination.url,
            exchange,
            make_auth(destination, self._data, exchange, self._moments),
            clock=self._clock,
            steady_s=self._moments.steady_s,
        )

    def central(self, destination: MqttDestination) -> Central:
        """Return the broker of a destination, and the credentials to publish there."""
        return Central(
            destination.url,
            destination.topic,
            f"handrail-{self.site}-{destination.name}",
            destination.username,
            self.file(destination.password_file),
            self.file(destination.ca_file),
        )

    def file(self, name: str | None) -> Path | None:
        """Return the path of a file that a destination names."""
        return None if name is None else self._data / name

"""The options of `handrail deliver add`."""

from pathlib import Path
from typing import Annotated

import typer

Fhir = Annotated[str | None, typer.Option(metavar="URL", help="Base URL of a FHIR R4 server.")]
Folder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="An existing folder; one file per session.")
]
Mqtt = Annotated[str | None, typer.Option(metavar="URL", help="An MQTT broker: mqtts://host:8883.")]
Topic = Annotated[
    str | None, typer.Option(metavar="TOPIC", help="For --mqtt; may contain {site} and {session}.")
]
File = Path | None
Token = Annotated[File, typer.Option(metavar="FILE", help="File with a bearer token for --fhir.")]
ClientId = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Client id at the --fhir server (SMART Backend Services)."),
]
Key = Annotated[
    File, typer.Option(metavar="FILE", help="Private key for --client-id, as PEM or JWK.")
]
KeyId = Annotated[str | None, typer.Option(metavar="KID", help="Id of the key at the server.")]
Algorithm = Annotated[
    str | None, typer.Option(metavar="ES384|RS384", help="Signature algorithm of the key.")
]
TokenUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Token endpoint. Default: from the server's configuration."),
]
Scope = Annotated[str | None, typer.Option(metavar="SCOPE", help="OAuth scope to request.")]
Authority = Annotated[
    File,
    typer.Option(
        "--ca", metavar="FILE", help="CA certificates (PEM) to verify the server's certificate."
    ),
]
Transactions = Annotated[
    str | None,
    typer.Option(
        metavar="auto|always|never", help="Send each session to --fhir as one transaction."
    ),
]
User = Annotated[str | None, typer.Option(metavar="NAME", help="User name for --mqtt.")]
Password = Annotated[File, typer.Option(metavar="FILE", help="File with the password for --mqtt.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="Allow unencrypted delivery, on a trusted network only.")
]

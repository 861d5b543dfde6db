"""Messages for the errors that keep a command from its data folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.cli.context import UNAVAILABLE, USAGE, Failure
from session_controller.errors import (
    BrokerUrlError,
    CertificateError,
    DestinationsError,
    KeyringError,
    NoFreeSlotError,
    ReceiptError,
    SiteError,
    SiteTakenError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreNewerError,
)


@contextmanager
def explaining(data: Path) -> Iterator[None]:
    """Translate the errors that keep a box from starting into messages for its operator."""
    try:
        yield
    except StoreBusyError as error:
        raise Failure(f"{error}, or choose another folder with --data", UNAVAILABLE) from None
    except (SiteError, DestinationsError, BrokerUrlError, ReceiptError) as error:
        raise Failure(str(error), USAGE) from None
    except StoreDamagedError as error:
        from session_controller.backup.backups import advice

        raise Failure(f"{error}; nothing was written to it; {advice(data)}") from None
    except StoreNewerError as error:
        raise Failure(f"{error}{_way_back(data)}") from None
    except (StoreError, KeyringError, CertificateError) as error:
        raise Failure(str(error)) from None
    except (NoFreeSlotError, SiteTakenError) as error:
        raise Failure(str(error), UNAVAILABLE) from None
    except sqlite3.Error as error:
        text = f"the database of {data} cannot be used ({error})"
        raise Failure(f"{text}; `handrail doctor --data {data}` says what mends it") from None
    except BrokenPipeError:  # of the output: whoever reads it has gone
        raise
    except OSError as error:
        raise Failure(_inaccessible(error, data), UNAVAILABLE) from None


def _inaccessible(error: OSError, data: Path) -> str:
    """Return what could not be used, and what to do."""
    name = error.filename if isinstance(error.filename, str | Path) else ""
    what = ": ".join(filter(None, (str(name), error.strerror))) or str(error)
    hint = "choose another address (--mqtt, --http) or folder (--data)"
    if name and data in Path(name).parents:
        hint = f"`handrail doctor --data {data}` says what mends it"
    return f"cannot start the box on {data}: {what}; {hint}"


def _way_back(data: Path) -> str:
    from session_controller.backup.upgrade_outlook import way_back

    found = way_back(data)
    return f": `handrail restore {found} --data {data}`" if found else ""

"""Messages for the errors that keep a command from its data folder."""

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
    except (SiteError, DestinationsError) as error:
        raise Failure(str(error), USAGE) from None
    except StoreDamagedError as error:
        from session_controller.backup.backups import advice

        raise Failure(f"{error}; nothing was written to it; {advice(data)}") from None
    except StoreNewerError as error:
        raise Failure(f"{error}{_way_back(data)}") from None
    except (StoreError, KeyringError, CertificateError) as error:
        raise Failure(str(error)) from None
    except (BrokerUrlError, ReceiptError) as error:
        raise Failure(str(error), USAGE) from None
    except (NoFreeSlotError, SiteTakenError) as error:
        raise Failure(str(error), UNAVAILABLE) from None
    except OSError as error:
        what = ": ".join(filter(None, (error.filename, error.strerror))) or str(error)
        hint = "choose another address (--mqtt, --http) or folder (--data)"
        raise Failure(f"cannot start the box on {data}: {what}; {hint}", UNAVAILABLE) from None


def _way_back(data: Path) -> str:
    from session_controller.backup.upgrading import way_back

    found = way_back(data)
    return f": `handrail restore {found} --data {data}`" if found else ""

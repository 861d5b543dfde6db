"""Errors whose message is for a person, and how a log names all others."""


class StoreError(Exception):
    """The database cannot be used; the message says why and what to do."""


class StoreBusyError(StoreError):
    """Another process uses the data folder."""


class StoreDamagedError(StoreError):
    """The database is damaged or missing; it is left unchanged, to be replaced by a backup."""


class DestinationsError(StoreError):
    """The file of the destinations cannot be used; the message says where and what is allowed."""


class StoreNewerError(StoreError):
    """The database is of a newer version of the program; it is left unchanged."""


class BackupNewerError(StoreError):
    """A backup was made by a newer version of the program; it is left unchanged."""


class StoreOutdatedError(StoreError):
    """The database is of an earlier version of the program, and was not backed up yet."""


class SiteError(StoreError):
    """The site's name is not valid, or differs from the folder's."""


class SiteTakenError(Exception):
    """Another controller serves the same site on the same broker."""


class BrokerUrlError(ValueError):
    """A broker's address is not valid."""


class NoFreeSlotError(Exception):
    """More commands run at the same time than there are admin devices."""


class KeyringError(Exception):
    """The keys of a backup cannot be used."""


class RecoveryKeyError(KeyringError):
    """What was entered as a recovery key is none, or is another one."""


class RecoveryKeyNeededError(KeyringError):
    """Only a recovery key opens the keys of a backup on this machine."""


class SignerUnknownError(StoreError):
    """Nothing on this machine says whether the box that signed a backup is the right one."""

    def __init__(self, message: str, *, sealed: bool) -> None:
        super().__init__(message)
        self.sealed = sealed
        """Whether a recovery key opened the backup."""


class CertificateError(Exception):
    """A certificate, a key, or a name or address for one cannot be used."""


class ConfigurationError(ValueError):
    """The configuration cannot be used; the message has a line for each fault."""


class ReceiptError(ValueError):
    """The text is not a receipt of an audit log."""


def type_and_place(error: BaseException) -> str:
    """Return an exception's type and place: its text may quote what a patient entered."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {place}"

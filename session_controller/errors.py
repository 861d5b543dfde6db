"""What keeps a box from its data folder or its broker; each message is for a person."""


class StoreError(Exception):
    """The database cannot be used; the message says why and what to do."""


class StoreBusyError(StoreError):
    """Another process has the data folder."""


class StoreDamagedError(StoreError):
    """The database is broken or gone: it is left as it is, for a backup to take its place."""


class SiteError(StoreError):
    """The site's name cannot be this one."""


class BrokerUrlError(ValueError):
    """A broker's address that cannot be used."""


class NoFreeSlotError(Exception):
    """More commands run at once than there are admin devices."""


class KeyringError(Exception):
    """The keys of a backup cannot be used."""


class ReceiptError(ValueError):
    """This is no receipt of a log."""

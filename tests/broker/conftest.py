"""What the broker's tests share."""

import pytest

from . import certificates


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    """Return certificates of our own authority."""
    return certificates.make(tmp_path_factory.mktemp("certificates"))

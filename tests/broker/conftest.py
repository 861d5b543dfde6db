"""What the broker's tests share."""

import shutil

import pytest

from . import certificates


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    """Give certificates of our own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return certificates.make(tmp_path_factory.mktemp("certificates"))

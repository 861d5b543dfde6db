"""Certificates for tests, made with openssl: an authority, a server's and a client's."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """Where the files are."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def client_context(self, *, with_certificate: bool = False) -> ssl.SSLContext:
        """Give what a client trusts, and shows if asked."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if with_certificate:
            context.load_cert_chain(self.folder / "client.pem", self.folder / "client.key")
        return context


def make(folder: Path) -> Certificates:
    """Make all files in a folder."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    names = ["-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"]
    _openssl(folder, "req", "-x509", "-days", "2", *key, *usage, *names)
    for name, extra in (("server", "subjectAltName=IP:127.0.0.1,DNS:localhost"), ("client", "")):
        (folder / "ext").write_text(f"basicConstraints=CA:FALSE\n{extra}\n")
        names = ["-subj", f"/CN={name}-1", "-keyout", f"{name}.key", "-out", "csr"]
        _openssl(folder, "req", *key, *names)
        authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        rest = ["-days", "2", "-extfile", "ext", "-out", f"{name}.pem"]
        _openssl(folder, "x509", "-req", "-in", "csr", *authority, *rest)
    return Certificates(folder)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

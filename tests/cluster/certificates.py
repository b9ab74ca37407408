"""A throw-away certificate authority, by the openssl command.

The standard library cannot sign certificates, and openssl is on every machine that matters here.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import shell

_VALID_DAYS = "3650"  # longer than any machine runs without a reboot, which ends a local cluster


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate and its private key, both PEM files."""

    certificate: Path
    key: Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Signs certificates for one cluster; all files live in `folder`."""

    folder: Path
    pair: KeyPair

    def issue(
        self, name: str, *, common_name: str, organization: str = "", hosts: Sequence[str] = ()
    ) -> KeyPair:
        """A certificate for a client (organization = its group) or a server (hosts = its names).

        An existing pair of that name is returned as it is.
        """
        pair = _pair(self.folder, name)
        if pair.certificate.exists():
            return pair
        request = self.folder / f"{name}.csr"
        _request(request, key=pair.key, subject=_subject(common_name, organization))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(_extensions(hosts))
        shell.run(
            *("openssl", "x509", "-req", "-in", request, "-days", _VALID_DAYS),
            *("-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial"),
            *("-CAserial", self.folder / f"{name}.srl"),
            *("-extfile", extensions, "-out", pair.certificate),
        )
        return pair


def authority(folder: Path) -> Authority:
    """The authority kept in `folder`, made when there is none yet."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    pair = _pair(folder, "ca")
    if not pair.certificate.exists():
        shell.run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", _VALID_DAYS),
            *("-subj", "/CN=tidegate-test-ca", "-keyout", pair.key, "-out", pair.certificate),
        )
    return Authority(folder=folder, pair=pair)


def signing_key(folder: Path) -> Path:
    """The private key (PEM) that signs service account tokens; elliptic, because RSA takes 0.3 s."""
    key = folder / "service-account.key"
    if not key.exists():
        shell.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    return key


def _pair(folder: Path, name: str) -> KeyPair:
    return KeyPair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")


def _request(request: Path, *, key: Path, subject: str) -> None:
    shell.run(
        *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-subj", subject, "-keyout", key, "-out", request),
    )


def _subject(common_name: str, organization: str) -> str:
    return f"/O={organization}/CN={common_name}" if organization else f"/CN={common_name}"


def _extensions(hosts: Sequence[str]) -> str:
    lines = ["keyUsage=critical,digitalSignature,keyEncipherment"]
    lines.append("extendedKeyUsage=clientAuth,serverAuth")
    if hosts:
        lines.append("subjectAltName=" + ",".join(_alternative_name(host) for host in hosts))
    return "\n".join(lines) + "\n"


def _alternative_name(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"

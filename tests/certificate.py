"""A throw-away certificate for this machine, made anew for each test run; its key is never on record."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15
from Crypto.Util.asn1 import DerObjectId

INTEGER, BITS, OCTETS, NULL, UTF8, UTC_TIME, SEQUENCE, SET = 2, 3, 4, 5, 12, 23, 0x30, 0x31
TRUE = b"\x01\x01\xff"


def _der(tag: int, *parts: bytes) -> bytes:
    """One value of DER: tag, length, content."""
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    long = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(long)]) + long + content


def _oid(dotted: str) -> bytes:
    return DerObjectId(dotted).encode()


def _time(moment: datetime) -> bytes:
    return _der(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    return _der(SEQUENCE, _oid(oid), TRUE if critical else b"", _der(OCTETS, value))


def make(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """The certificate in a file, which is its own authority, and the context of a server that has it.

    It stands for 127.0.0.1 and nothing else.
    """
    key = RSA.generate(2048)
    algorithm = _der(SEQUENCE, _oid("1.2.840.113549.1.1.11"), _der(NULL))  # RSA with SHA-256
    name = _der(SEQUENCE, _der(SET, _der(SEQUENCE, _oid("2.5.4.3"), _der(UTF8, b"a test"))))
    public = key.public_key().export_key("DER")
    key_id = sha1(public).digest()
    extensions = _der(
        SEQUENCE,
        _extension("2.5.29.17", _der(SEQUENCE, _der(0x87, bytes([127, 0, 0, 1])))),  # the address it is for
        _extension("2.5.29.19", _der(SEQUENCE, TRUE), critical=True),  # an authority
        _extension("2.5.29.15", _der(BITS, b"\x02\x84"), critical=True),  # signs, and signs certificates
        _extension("2.5.29.14", _der(OCTETS, key_id)),
        _extension("2.5.29.35", _der(SEQUENCE, _der(0x80, key_id))),
    )
    now = datetime.now(UTC)
    body = _der(
        SEQUENCE,
        _der(0xA0, _der(INTEGER, b"\x02")),  # version 3
        _der(INTEGER, b"\x01" + key_id[:8]),
        algorithm,
        name,
        _der(SEQUENCE, _time(now - timedelta(hours=1)), _time(now + timedelta(days=1))),
        name,
        public,
        _der(0xA3, extensions),
    )
    signature = pkcs1_15.new(key).sign(SHA256.new(body))
    certificate = _der(SEQUENCE, body, algorithm, _der(BITS, b"\x00" + signature))
    public_file, whole_file = folder / "certificate.pem", folder / "server.pem"
    public_file.write_text(ssl.DER_cert_to_PEM_cert(certificate))
    whole_file.write_bytes(key.export_key("PEM") + b"\n" + public_file.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole_file)
    whole_file.unlink()
    return public_file, context

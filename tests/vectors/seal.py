#!/usr/bin/python3
"""A second implementation of sealing, by the formats in src/manual/sealing.rs alone.

    seal.py                              opens the vectors in seal.json, and makes the same again
    seal.py --write                      makes them and writes them down
    seal.py seal MATERIAL KEY_ID CHUNK   seals standard input as a file; CHUNK is the chunks' size
    seal.py open MATERIAL                opens a sealed file on standard input

MATERIAL is hexadecimal, KEY_ID a UUID. Needs Debian's python3-cryptography.
"""

import json
import os
import pathlib
import sys
import uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VECTORS = pathlib.Path(__file__).with_suffix(".json")
NONCE = bytes(12)
AROUND = 69


def message_key(material, salt, header):
    return HKDF(SHA256(), 32, salt, b"keystead seal" + header).derive(material)


def seal(material, key_id, version, salt, aad, text):
    header = b"\x01" + key_id.bytes + version.to_bytes(4, "big")
    cipher = AESGCM(message_key(material, salt, header))
    return header + salt + cipher.encrypt(NONCE, text, header + aad)


def open_blob(material, key_id, aad, blob):
    header, salt, rest = blob[:21], blob[21:53], blob[53:]
    assert header[0] == 1 and header[1:17] == key_id.bytes, "another format or key"
    return AESGCM(message_key(material, salt, header)).decrypt(NONCE, rest, header + aad)


def associated(header, index, last):
    return header + index.to_bytes(8, "big") + bytes([last])


def pieces(data, size):
    count = max(1, -(-len(data) // size))
    for index in range(count):
        yield index, index == count - 1, data[index * size : (index + 1) * size]


def seal_file(material, key_id, size, text):
    header = b"keystead\x01" + size.to_bytes(4, "big") + os.urandom(16) + key_id.bytes
    chunks = (
        seal(material, key_id, 1, os.urandom(32), associated(header, index, last), piece)
        for index, last, piece in pieces(text, size)
    )
    return header + b"".join(chunks)


def open_file(material, data):
    header, rest = data[:45], data[45:]
    assert header[:9] == b"keystead\x01", "no sealed file"
    size, key_id = int.from_bytes(header[9:13], "big"), uuid.UUID(bytes=header[29:45])
    return b"".join(
        open_blob(material, key_id, associated(header, index, last), piece)
        for index, last, piece in pieces(rest, size + AROUND)
    )


def vectors():
    """Every size of key, lengths around the block, with associated data and without."""
    count = 0
    for bits in (128, 192, 256):
        for length in (0, 1, 15, 16, 17, 100):
            for aad in (b"", b"customer 17"):
                count += 1
                material = bytes((count + i) % 256 for i in range(bits // 8))
                key_id = uuid.UUID(int=(0x1234 << 112) + count, version=4)
                salt = bytes((7 * count + i) % 256 for i in range(32))
                text = bytes((3 * i + count) % 256 for i in range(length))
                version = 1 if count % 2 else 0x01020300 + count
                blob = seal(material, key_id, version, salt, aad, text)
                yield {
                    "material": material.hex(),
                    "key_id": str(key_id),
                    "version": version,
                    "salt": salt.hex(),
                    "aad": aad.hex(),
                    "text": text.hex(),
                    "blob": blob.hex(),
                }


def check():
    committed = json.loads(VECTORS.read_text())
    assert committed == list(vectors()), "the vectors are not those that this script makes"
    for vector in committed:
        material, aad, text, blob = (
            bytes.fromhex(vector[name]) for name in ("material", "aad", "text", "blob")
        )
        assert open_blob(material, uuid.UUID(vector["key_id"]), aad, blob) == text, vector
    print(f"{len(committed)} vectors")


def main(arguments):
    if not arguments:
        check()
    elif arguments == ["--write"]:
        VECTORS.write_text(json.dumps(list(vectors()), indent=1) + "\n")
    elif arguments[0] == "seal":
        material, key_id, size = arguments[1:]
        text = sys.stdin.buffer.read()
        sealed = seal_file(bytes.fromhex(material), uuid.UUID(key_id), int(size), text)
        sys.stdout.buffer.write(sealed)
    elif arguments[0] == "open":
        text = open_file(bytes.fromhex(arguments[1]), sys.stdin.buffer.read())
        sys.stdout.buffer.write(text)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])

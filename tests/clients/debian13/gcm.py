"""AES-GCM through OpenSSL's library, by its provider for tokens and by its own.

The provider makes a session key of the bytes that it is given and calls C_MessageEncryptInit and its
like: what either seals, the other opens; a changed tag is refused. Prints "ok".
"""

import ctypes
import os

crypto = ctypes.CDLL("libcrypto.so.3")
for name in ("EVP_CIPHER_fetch", "EVP_CIPHER_CTX_new", "EVP_SKEY_import_raw_key"):
    getattr(crypto, name).restype = ctypes.c_void_p

GET_TAG, SET_TAG, TAG_BYTES = 0x10, 0x11, 16


class Refused(Exception):
    """OpenSSL has said no."""


class Sealer:
    """AES-256-GCM of one of OpenSSL's providers, with the key as an object of that provider."""

    def __init__(self, provider, key):
        self.query = f"provider={provider}".encode()
        self.cipher = self.there(crypto.EVP_CIPHER_fetch(None, b"AES-256-GCM", self.query))
        self.key = self.there(
            crypto.EVP_SKEY_import_raw_key(None, b"AES", key, ctypes.c_size_t(len(key)), self.query)
        )

    @staticmethod
    def there(value):
        if not value:
            raise Refused
        return ctypes.c_void_p(value)

    def begin(self, iv, sealing):
        context = self.there(crypto.EVP_CIPHER_CTX_new())
        self.there(
            crypto.EVP_CipherInit_SKEY(
                context, self.cipher, self.key, iv, ctypes.c_size_t(len(iv)), sealing, None
            )
        )
        return context

    def run(self, context, aad, data):
        out, length = ctypes.create_string_buffer(len(data) + 16), ctypes.c_int()
        self.there(crypto.EVP_CipherUpdate(context, None, ctypes.byref(length), aad, len(aad)))
        self.there(crypto.EVP_CipherUpdate(context, out, ctypes.byref(length), data, len(data)))
        return out.raw[: length.value]

    def finish(self, context):
        rest, length = ctypes.create_string_buffer(32), ctypes.c_int()
        self.there(crypto.EVP_CipherFinal_ex(context, rest, ctypes.byref(length)))

    def seal(self, iv, aad, data):
        context, tag = self.begin(iv, 1), ctypes.create_string_buffer(TAG_BYTES)
        sealed = self.run(context, aad, data)
        self.finish(context)
        self.there(crypto.EVP_CIPHER_CTX_ctrl(context, GET_TAG, TAG_BYTES, tag))
        return sealed, tag.raw

    def open(self, iv, aad, sealed, tag):
        context = self.begin(iv, 0)
        self.there(crypto.EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG_BYTES, tag))
        opened = self.run(context, aad, sealed)
        self.finish(context)
        return opened


key, iv, aad, data = os.urandom(32), os.urandom(12), b"beside it", os.urandom(1000)
token, software = Sealer("pkcs11", key), Sealer("default", key)
sealed = token.seal(iv, aad, data)
assert sealed == software.seal(iv, aad, data), "both seal the same"
assert token.open(iv, aad, *sealed) == data, "the token opens it"
assert software.open(iv, aad, *sealed) == data, "software opens it"
changed = bytes([sealed[1][0] ^ 1]) + sealed[1][1:]
try:
    token.open(iv, aad, sealed[0], changed)
except Refused:
    print("ok")

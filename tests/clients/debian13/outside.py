"""What the token signs by a digest and wraps by AES-GCM, through the C functions of PKCS#11 3.2, and what others
make of it.

OpenSSL 3.5 has no HashML-DSA by that name; it signs and verifies, as it is, what FIPS 204 (algorithm 4) makes of
a digest. `cryptography` opens and makes wrapped keys. Prints a line for each check.

The arguments are the module, the token's label, and the file with the user's PIN.
"""

import ctypes
import hashlib
import os
import subprocess
import sys
from ctypes import addressof, byref, sizeof

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Number = ctypes.c_ulong

# Classes and key types, attributes, mechanisms.
PUBLIC_KEY, SECRET_KEY, AES, ML_DSA = 2, 4, 0x1F, 0x4A
CLASS, VALUE, KEY_TYPE, VALUE_LEN, PARAMETER_SET, PUBLIC_KEY_INFO = 0, 0x11, 0x100, 0x161, 0x61D, 0x129
SENSITIVE, WRAP, UNWRAP, VERIFY, EXTRACTABLE = 0x103, 0x106, 0x107, 0x10A, 0x162
ML_DSA_KEY_PAIR_GEN, AES_KEY_GEN, AES_GCM = 0x1C, 0x1080, 0x1087

# The mechanism that signs by a hash, the last number of the hash's object identifier, and the hash.
HASHES = {
    "SHA-224": (0x23, 4, lambda data: hashlib.sha224(data).digest()),
    "SHA-256": (0x24, 1, lambda data: hashlib.sha256(data).digest()),
    "SHA-384": (0x25, 2, lambda data: hashlib.sha384(data).digest()),
    "SHA-512": (0x26, 3, lambda data: hashlib.sha512(data).digest()),
    "SHA3-224": (0x27, 7, lambda data: hashlib.sha3_224(data).digest()),
    "SHA3-256": (0x28, 8, lambda data: hashlib.sha3_256(data).digest()),
    "SHA3-384": (0x29, 9, lambda data: hashlib.sha3_384(data).digest()),
    "SHA3-512": (0x2A, 10, lambda data: hashlib.sha3_512(data).digest()),
    "SHAKE128": (0x2B, 11, lambda data: hashlib.shake_128(data).digest(32)),
    "SHAKE256": (0x2C, 12, lambda data: hashlib.shake_256(data).digest(64)),
}

failures = 0


def check(sentence, good):
    global failures
    failures += not good
    print("ok" if good else "not ok", sentence)


class Refused(Exception):
    """The module has said no."""


class Attribute(ctypes.Structure):
    _fields_ = [("kind", Number), ("value", ctypes.c_void_p), ("length", Number)]


class Mechanism(ctypes.Structure):
    _fields_ = [("number", Number), ("parameter", ctypes.c_void_p), ("length", Number)]


class Context(ctypes.Structure):
    """CK_SIGN_ADDITIONAL_CONTEXT"""

    _fields_ = [("hedge", Number), ("context", ctypes.c_char_p), ("length", Number)]


class Message(ctypes.Structure):
    """CK_GCM_MESSAGE_PARAMS"""

    _fields_ = [
        ("iv", ctypes.c_void_p),
        ("iv_length", Number),
        ("fixed_bits", Number),
        ("generator", Number),
        ("tag", ctypes.c_void_p),
        ("tag_bits", Number),
    ]


def mechanism(number, parameter=None):
    if parameter is None:
        return byref(Mechanism(number, None, 0))
    made = Mechanism(number, addressof(parameter), sizeof(parameter))
    made.kept = parameter
    return byref(made)


def template(attributes):
    """The two arguments that are a template: numbers, truths and bytes."""
    values = [bytes_of(value) for value in attributes.values()]
    array = (Attribute * len(attributes))(
        *(Attribute(kind, addressof(it), sizeof(it)) for kind, it in zip(attributes, values))
    )
    array.kept = values
    return array, Number(len(attributes))


def bytes_of(value):
    if isinstance(value, bool):
        return ctypes.c_ubyte(value)
    if isinstance(value, int):
        return Number(value)
    return (ctypes.c_ubyte * len(value))(*value)


class Token:
    """A session of the token with that label, with its user logged in."""

    def __init__(self, module, label, pin):
        self.library = ctypes.CDLL(module)
        self.call("C_Initialize", None)
        slots, count = (Number * 64)(), Number(64)
        self.call("C_GetSlotList", ctypes.c_ubyte(1), slots, byref(count))
        slot = next(slot for slot in slots[: count.value] if self.label_of(slot) == label)
        self.session, serial_and_writing = Number(), Number(6)
        self.call("C_OpenSession", Number(slot), serial_and_writing, None, None, byref(self.session))
        self.run("C_Login", Number(1), pin, Number(len(pin)))

    def label_of(self, slot):
        info = ctypes.create_string_buffer(512)
        self.call("C_GetTokenInfo", Number(slot), info)
        return info.raw[:32].decode().rstrip()

    def call(self, name, *arguments):
        function = getattr(self.library, name)
        function.restype = Number
        code = function(*arguments)
        if code:
            raise Refused(f"{name}: {code:#x}")

    def run(self, name, *arguments):
        self.call(name, self.session, *arguments)

    def filled(self, name, *arguments):
        room, length = ctypes.create_string_buffer(8192), Number(8192)
        self.run(name, *arguments, room, byref(length))
        return room.raw[: length.value]

    def made(self, name, *arguments):
        handle = Number()
        self.run(name, *arguments, byref(handle))
        return handle

    def attribute(self, handle, kind):
        room = ctypes.create_string_buffer(8192)
        wanted = Attribute(kind, addressof(room), 8192)
        self.run("C_GetAttributeValue", handle, byref(wanted), Number(1))
        return room.raw[: wanted.length]

    def pair(self, parameter_set):
        public, private = template({PARAMETER_SET: parameter_set}), template({})
        handles, by = (Number(), Number()), mechanism(ML_DSA_KEY_PAIR_GEN)
        self.run("C_GenerateKeyPair", by, *public, *private, *map(byref, handles))
        return handles

    def sign(self, key, by, data):
        self.run("C_SignInit", by, key)
        return self.filled("C_Sign", data, Number(len(data)))

    def verifies(self, key, by, data, signature):
        self.run("C_VerifyInit", by, key)
        try:
            self.run("C_Verify", data, Number(len(data)), signature, Number(len(signature)))
        except Refused:
            return False
        return True


def openssl(*arguments):
    plain = dict(os.environ, OPENSSL_CONF="/etc/ssl/openssl.cnf")
    return subprocess.run(["openssl", *arguments], env=plain, capture_output=True).returncode == 0


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def representative(number, digest, context):
    """What FIPS 204 signs where a digest is signed."""
    identifier = bytes.fromhex("06096086480165030402") + bytes([number])
    return bytes([1, len(context)]) + context + identifier + digest


AS_IT_IS = ["-rawin", "-pkeyopt", "message-encoding:0"]


def digests(token):
    """Both sides sign, each verifies the other's, and nothing is good under another context."""
    data, context, other = b"what is signed" * 100, b"context", b"another"
    for number, name in [(1, "ML-DSA-44"), (2, "ML-DSA-65"), (3, "ML-DSA-87")]:
        public, private = token.pair(number)
        write("public", token.attribute(public, PUBLIC_KEY_INFO))
        openssl("genpkey", "-algorithm", name, "-out", "theirs")
        openssl("pkey", "-in", "theirs", "-pubout", "-outform", "DER", "-out", "theirs.pub")
        value = read("theirs.pub")[-len(token.attribute(public, VALUE)) :]
        of = {CLASS: PUBLIC_KEY, KEY_TYPE: ML_DSA, VERIFY: True, PARAMETER_SET: number, VALUE: value}
        theirs = token.made("C_CreateObject", *template(of))
        for hash_name, (by, last, digest) in HASHES.items():
            ours, wrong = (
                mechanism(by, Context(0, text, len(text))) for text in (context, other)
            )
            write("signed", representative(last, digest(data), context))
            write("signature", token.sign(private, ours, data))
            verify = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "public", *AS_IT_IS]
            good = openssl(*verify, "-in", "signed", "-sigfile", "signature")
            write("signed.otherwise", representative(last, digest(data), other))
            bad = openssl(*verify, "-in", "signed.otherwise", "-sigfile", "signature")
            check(f"{name} by {hash_name}: OpenSSL verifies it under its context only", good and not bad)
            openssl("pkeyutl", "-sign", "-inkey", "theirs", *AS_IT_IS, "-in", "signed", "-out", "signature")
            signature = read("signature")
            good = token.verifies(theirs, ours, data, signature)
            bad = token.verifies(theirs, wrong, data, signature)
            check(f"{name} by {hash_name}: the token verifies OpenSSL's likewise", good and not bad)


def wrapping(token):
    """What the token wraps, `cryptography` opens with the IV and the tag that it was given, and the other way round."""
    secret, aad = os.urandom(32), b"beside it"
    key = {CLASS: SECRET_KEY, KEY_TYPE: AES}
    by = {**key, VALUE: secret, WRAP: True, UNWRAP: True}
    by = token.made("C_CreateObject", *template(by))
    open_key = {SENSITIVE: False, EXTRACTABLE: True}
    made = token.made("C_GenerateKey", mechanism(AES_KEY_GEN), *template({VALUE_LEN: 32, **open_key}))
    iv, tag = ctypes.create_string_buffer(12), ctypes.create_string_buffer(16)
    generate = 1
    message = Message(addressof(iv), 12, 0, generate, addressof(tag), 128)
    beside = (aad, Number(len(aad)))
    wrapped = token.filled("C_WrapKeyAuthenticated", mechanism(AES_GCM, message), by, made, *beside)
    outside = AESGCM(secret)
    opened = outside.decrypt(iv.raw, wrapped + tag.raw, aad)
    check("cryptography opens the key that the token wrapped by AES-GCM", opened == token.attribute(made, VALUE))

    theirs = os.urandom(32)
    iv.raw = os.urandom(12)
    sealed = outside.encrypt(iv.raw, theirs, aad)
    tag.raw = sealed[32:]
    unwrap = [mechanism(AES_GCM, message), by, sealed[:32], Number(32)]
    of = template({**key, **open_key})
    back = token.made("C_UnwrapKeyAuthenticated", *unwrap, *of, *beside)
    check("the token opens what cryptography wrapped", token.attribute(back, VALUE) == theirs)
    try:
        token.made("C_UnwrapKeyAuthenticated", *unwrap, *of, b"by it", Number(5))
        check("not beside other data", False)
    except Refused:
        check("not beside other data", True)


module, label, pin = sys.argv[1:]
token = Token(module, label, read(pin).rstrip(b"\n"))
digests(token)
wrapping(token)
sys.exit(failures != 0)

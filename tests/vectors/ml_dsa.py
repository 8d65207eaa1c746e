"""Signs messages by their digests with `dilithium-py` (an implementation of FIPS 204 in Python) into `ml_dsa.json`: of each
deterministic signature its SHA-256. That library knows three hash functions; the identifiers of the others are NIST's.

pip install dilithium-py==1.5.1 && python3 tests/vectors/ml_dsa.py
"""

import hashlib
import json
import pathlib

from dilithium_py.ml_dsa import hash_ml_dsa
from dilithium_py.ml_dsa.default_parameters import DEFAULT_PARAMETERS

HASHES = {
    "SHA224": (4, lambda m: hashlib.sha224(m).digest()),
    "SHA384": (2, lambda m: hashlib.sha384(m).digest()),
    "SHA3_224": (7, lambda m: hashlib.sha3_224(m).digest()),
    "SHA3_256": (8, lambda m: hashlib.sha3_256(m).digest()),
    "SHA3_384": (9, lambda m: hashlib.sha3_384(m).digest()),
    "SHA3_512": (10, lambda m: hashlib.sha3_512(m).digest()),
    "SHAKE256": (12, lambda m: hashlib.shake_256(m).digest(64)),
}
KNOWN = {"SHA256": "SHA256", "SHA512": "SHA512", "SHAKE128": "SHAKE128"}


class Signer(hash_ml_dsa.HashML_DSA):
    def _hash_with_oid(self, m, name):
        if name in KNOWN:
            return super()._hash_with_oid(m, name)
        number, digest = HASHES[name]
        return bytes([6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, number]), digest(m)


def vectors():
    for number, (size, parameters) in enumerate((n, DEFAULT_PARAMETERS["ML_DSA_" + n]) for n in ("44", "65", "87")):
        signer = Signer(parameters)
        for at, name in enumerate([*KNOWN, *HASHES]):
            seed = hashlib.sha256(f"{size} {name}".encode()).digest()
            _, private = signer.key_derive(seed)
            message, context = b"message " * at, bytes(range(at * 25))
            signature = signer._sign_with_pre_hash(private, message, name, context, True)
            yield {
                "set": number + 1,
                "hash": name,
                "seed": seed.hex(),
                "message": message.hex(),
                "context": context.hex(),
                "signature_sha256": hashlib.sha256(signature).hexdigest(),
            }


path = pathlib.Path(__file__).with_name("ml_dsa.json")
path.write_text(json.dumps(list(vectors()), indent=1) + "\n")

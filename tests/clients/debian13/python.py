"""python-pkcs11 on a token: pairs, signatures and encapsulated secrets, and material that OpenSSL's plain
commands wrapped behind such a secret. Prints a line for each check.

The arguments are the module, the token's label, and the file with the user's PIN.
"""

import os
import subprocess
import sys

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.mechanisms import MLDSAParameterSet, MLKEMParameterSet

# What stands before the 1184 bytes of such a key in a SubjectPublicKeyInfo.
SPKI_OF_ML_KEM_768 = bytes.fromhex("308204b2300b0609608648016503040402038204a100")

failures = 0


def check(sentence, good):
    global failures
    failures += not good
    print("ok" if good else "not ok", sentence)


def signatures(session):
    data = b"what is signed" * 1000
    for parameters in MLDSAParameterSet:
        name = parameters.name.replace("_", "-")
        public, private = session.generate_keypair(
            KeyType.ML_DSA, public_template={Attribute.PARAMETER_SET: parameters}
        )
        check(f"{name}: its parameter set is told", public[Attribute.PARAMETER_SET] == parameters)
        signature = private.sign(data)
        check(f"{name}: the token verifies what it signed", public.verify(data, signature))
        check(f"{name}: other data is refused", not public.verify(data + b"!", signature))


def secrets(session):
    for parameters in MLKEMParameterSet:
        name = parameters.name.replace("_", "-")
        public, private = session.generate_keypair(
            KeyType.ML_KEM, public_template={Attribute.PARAMETER_SET: parameters}
        )
        ciphertext, ours = public.encapsulate_key(KeyType.AES, key_length=256)
        theirs = private.decapsulate_key(ciphertext, KeyType.AES, key_length=256)
        iv = session.generate_random(128)
        sealed = ours.encrypt(b"text", mechanism_param=iv)
        opened = theirs.decrypt(sealed, mechanism_param=iv)
        check(f"{name}: both sides have the same AES key", opened == b"text")


def openssl(*arguments):
    plain = dict(os.environ, OPENSSL_CONF="/etc/ssl/openssl.cnf")
    subprocess.run(["openssl", *arguments], check=True, env=plain)


def ceremony(session):
    """The owner encapsulates a transport key and wraps by it; the token decapsulates it and unwraps."""
    public, private = session.generate_keypair(
        KeyType.ML_KEM, public_template={Attribute.PARAMETER_SET: MLKEMParameterSet.ML_KEM_768}
    )
    with open("receiver.der", "wb") as file:
        file.write(SPKI_OF_ML_KEM_768 + public[Attribute.VALUE])
    material = os.urandom(32)
    with open("material", "wb") as file:
        file.write(material)
    receiver = ["-pubin", "-keyform", "DER", "-inkey", "receiver.der"]
    openssl("pkeyutl", "-encap", *receiver, "-secret", "transport", "-out", "encapsulated")
    with open("transport", "rb") as file:
        transport = file.read().hex()
    wrap = ["-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", transport]
    openssl("enc", *wrap, "-in", "material", "-out", "wrapped")

    with open("encapsulated", "rb") as file:
        key = private.decapsulate_key(
            file.read(), KeyType.AES, capabilities=MechanismFlag.UNWRAP
        )
    with open("wrapped", "rb") as file:
        imported = key.unwrap_key(
            ObjectClass.SECRET_KEY,
            KeyType.AES,
            file.read(),
            label="ceremony",
            mechanism=Mechanism.AES_KEY_WRAP_KWP,
            store=True,
        )
    iv = os.urandom(16)
    sealed = imported.encrypt(b"text", mechanism_param=iv)
    with open("text", "wb") as file:
        file.write(b"text")
    openssl(
        "enc", "-aes-256-cbc", "-K", material.hex(), "-iv", iv.hex(), "-in", "text", "-out", "sealed"
    )
    with open("sealed", "rb") as file:
        check("what openssl wrapped behind ML-KEM is that key on the token", file.read() == sealed)
    check("it cannot be read there", imported[Attribute.SENSITIVE])


def classic(session):
    public, private = session.generate_keypair(KeyType.RSA, 2048)
    check("RSA signs", public.verify(b"text", private.sign(b"text")))
    key = session.generate_key(KeyType.AES, 256)
    iv = session.generate_random(128)
    sealed = key.encrypt(b"text", mechanism_param=iv)
    check("AES-CBC comes back", key.decrypt(sealed, mechanism_param=iv) == b"text")


module, label, pin = sys.argv[1:]
token = pkcs11.lib(module).get_token(token_label=label)
with open(pin, encoding="ascii") as file, token.open(user_pin=file.read(), rw=True) as session:
    classic(session)
    signatures(session)
    secrets(session)
    ceremony(session)
sys.exit(failures != 0)

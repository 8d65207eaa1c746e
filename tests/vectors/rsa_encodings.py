"""Makes rsa_encodings.json: one RSA-2048 private key as PKCS#8, in encodings that are all valid.

"key" is as OpenSSL makes it; "swapped" names its primes in the other order; "exponent" has the private
exponent modulo the product of both primes less one each (RFC 8017 takes their least common multiple).
Needs OpenSSL's command line; run without arguments, in this directory.
"""

import json
import math
import re
import subprocess


def der(tag, content):
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def integer(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def pkcs8(*numbers):
    key = der(0x30, b"".join(integer(number) for number in (0, *numbers)))
    rsa = bytes.fromhex("300d06092a864886f70d0101010500")
    return der(0x30, integer(0) + rsa + der(4, key)).hex()


def openssl(*arguments, given=b""):
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


listing = openssl("asn1parse", given=openssl("genrsa", "-traditional", "2048")).decode()
numbers = [int(hex_, 16) for hex_ in re.findall(r"INTEGER\s+:([0-9A-F]+)", listing)]
_, n, e, _, p, q, _, _, _ = numbers
both = (p - 1) * (q - 1)
least = pow(e, -1, both // math.gcd(p - 1, q - 1))
# Where the exponent is the same modulo both, the next one up is as good.
other = pow(e, -1, both)
other = other if other != least else least + both // math.gcd(p - 1, q - 1)


def encoding(d, p, q):
    return pkcs8(n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


with open("rsa_encodings.json", "w", encoding="ascii") as file:
    made = {"key": encoding(least, p, q), "swapped": encoding(least, q, p), "exponent": encoding(other, p, q)}
    json.dump(made, file, indent=2)
    file.write("\n")

#!/usr/bin/env python3
"""Picks NIST's vectors of SP 800-108 in counter mode (CAVS 14.4) out of the package `cryptography-vectors`: the
thirtieth of each pseudorandom function, place and width of the counter. It names the file, and prints them."""
import json
import re
import sys

section, fields, chosen = {}, {}, []
for line in map(str.strip, open(sys.argv[1])):
    if head := re.match(r"\[(\w+)=(\w+)\]", line):
        section[head[1]] = head[2]
    elif "=" in line:
        name, value = map(str.strip, line.split("=", 1))
        fields = {"COUNT": value} if name == "COUNT" else {**fields, name: value}
        if name != "KO" or fields["COUNT"] != "30" or "TDES" in section["PRF"]:
            continue
        fixed = fields.get("FixedInputData", "")
        before, after = {
            "BEFORE_FIXED": ("", fixed),
            "AFTER_FIXED": (fixed, ""),
            "MIDDLE_FIXED": (fields.get("DataBeforeCtrData"), fields.get("DataAfterCtrData")),
        }[section["CTRLOCATION"]]
        chosen.append({
            "prf": section["PRF"],
            "counter_bits": int(section["RLEN"].split("_")[0]),
            "key": fields["KI"],
            "before": before,
            "after": after,
            "derived": value,
        })
json.dump(chosen, sys.stdout, indent=0)
print()

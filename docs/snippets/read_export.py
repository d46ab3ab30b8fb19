"""Reads a vault export with an ordinary JOSE library. Needs Authlib (pip install Authlib).

python read_export.py EXPORT KEYFILE

KEYFILE is the private key of `tollgate vault keygen`. Prints names, states, expiries and the last four digits, and checks
that the file is whole.
"""

import hashlib
import json
import sys

from authlib.jose import JsonWebEncryption, JsonWebKey


def read_export(export_file, key_file):
    with open(key_file, encoding="utf-8") as text:
        key = JsonWebKey.import_key(json.load(text))
    jwe = JsonWebEncryption(algorithms=["RSA-OAEP-256", "ECDH-ES+A256KW", "A256GCM"])
    digest, tokens, chunks, header = hashlib.sha256(), 0, 0, None
    with open(export_file, "rb") as lines:
        for line in lines:
            content = json.loads(line)
            if header is None:
                header = content
            elif "jwe" in content:
                chunk = json.loads(jwe.deserialize_compact(content["jwe"], key)["payload"])
                chunks += 1
                if (chunk["export"], chunk["chunk"]) != (header["export"], chunks):
                    raise ValueError(f"chunk {chunks} belongs elsewhere")
                yield from chunk["tokens"]
                tokens += len(chunk["tokens"])
            else:
                told = (content["chunks"], content["tokens"], content["sha256"])
                if told != (chunks, tokens, digest.hexdigest()):
                    raise ValueError("the file was changed")
                return
            digest.update(line)
    raise ValueError("the file was cut off")


if __name__ == "__main__":
    for token in read_export(sys.argv[1], sys.argv[2]):
        last_four = token["card_number"][-4:]
        print(token["token_name"], token["token_status"], token["expiry_date"], last_four)

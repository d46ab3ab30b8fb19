"""Card data as a JWE for encrypted_card_data. Needs Authlib (pip install Authlib).

python encrypt.py KEYS_URL ALG CARD_NUMBER EXPIRY SECURITY_CODE
"""

import json
import secrets
import sys
import time
import urllib.request

from authlib.jose import JsonWebEncryption, JsonWebKey


def encrypt_card(keys_url, alg, card_number, expiry_date, card_security_code):
    with urllib.request.urlopen(keys_url, timeout=10) as answer:
        keys = json.load(answer)["keys"]  # may be kept for five minutes
    key = next(key for key in keys if key["alg"] == alg)
    header = {"alg": alg, "enc": "A256GCM", "kid": key["kid"]}
    content = {
        "card_number": card_number,
        "expiry_date": expiry_date,  # YYMM
        "card_security_code": card_security_code,
        "jti": secrets.token_hex(16),  # new for each request
        "iat": int(time.time()),
    }
    jwe = JsonWebEncryption(algorithms=["RSA-OAEP-256", "ECDH-ES+A256KW", "A256GCM"])
    return jwe.serialize_compact(header, json.dumps(content), JsonWebKey.import_key(key)).decode()


if __name__ == "__main__":
    print(encrypt_card(*sys.argv[1:6]))

// Card data as a JWE for encrypted_card_data. Needs jose (npm install jose) and Node 20.
// node encrypt.mjs KEYS_URL ALG CARD_NUMBER EXPIRY SECURITY_CODE

import { randomUUID } from "node:crypto";
import { CompactEncrypt, importJWK } from "jose";

export async function encryptCard(keysUrl, alg, cardNumber, expiryDate, cardSecurityCode) {
  const { keys } = await (await fetch(keysUrl)).json(); // may be kept for five minutes
  const key = keys.find((key) => key.alg === alg);
  const content = {
    card_number: cardNumber,
    expiry_date: expiryDate, // YYMM
    card_security_code: cardSecurityCode,
    jti: randomUUID(), // new for each request
    iat: Math.floor(Date.now() / 1000),
  };
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(content)))
    .setProtectedHeader({ alg, enc: "A256GCM", kid: key.kid })
    .encrypt(await importJWK(key, alg));
}

console.log(await encryptCard(...process.argv.slice(2, 7)));

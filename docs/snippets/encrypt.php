<?php
// Card data as a JWE for encrypted_card_data. Needs the openssl extension of PHP and nothing else; ECDH-ES+A256KW only,
// since PHP's own RSA-OAEP has SHA-1.
// php encrypt.php KEYS_URL ECDH-ES+A256KW CARD_NUMBER EXPIRY SECURITY_CODE

function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function unbase64url(string $text): string
{
    return base64_decode(strtr($text, '-_', '+/'), true);
}

/** AES key wrap, RFC 3394. */
function wrapKey(string $kek, string $key): string
{
    $check = str_repeat("\xA6", 8);
    $blocks = str_split($key, 8);
    $count = count($blocks);
    for ($round = 0; $round < 6; $round++) {
        foreach ($blocks as $place => $block) {
            $out = openssl_encrypt($check . $block, 'aes-256-ecb', $kek, OPENSSL_RAW_DATA | OPENSSL_ZERO_PADDING);
            $check = substr($out, 0, 8) ^ pack('J', $round * $count + $place + 1);
            $blocks[$place] = substr($out, 8);
        }
    }
    return $check . implode('', $blocks);
}

function encryptCard(string $keysUrl, string $alg, string $number, string $expiry, string $securityCode): string
{
    $keys = json_decode(file_get_contents($keysUrl), true)['keys']; // may be kept for five minutes
    $key = array_values(array_filter($keys, fn ($key) => $key['alg'] === $alg))[0];
    // The published point as a public key of curve P-256.
    $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d03010703420004')
        . unbase64url($key['x']) . unbase64url($key['y']);
    $pem = "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
    $ephemeral = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
    $point = openssl_pkey_get_details($ephemeral)['ec'];
    $pad = fn (string $number) => str_pad($number, 32, "\0", STR_PAD_LEFT);
    $shared = $pad(openssl_pkey_derive(openssl_pkey_get_public($pem), $ephemeral));
    // Concat KDF, RFC 7518 section 4.6.2.
    $info = pack('N', strlen($alg)) . $alg . pack('N', 0) . pack('N', 0) . pack('N', 256);
    $kek = hash('sha256', pack('N', 1) . $shared . $info, true);
    $header = base64url(json_encode([
        'alg' => $alg,
        'enc' => 'A256GCM',
        'kid' => $key['kid'],
        'epk' => [
            'kty' => 'EC',
            'crv' => 'P-256',
            'x' => base64url($pad($point['x'])),
            'y' => base64url($pad($point['y'])),
        ],
    ]));
    $content = json_encode([
        'card_number' => $number,
        'expiry_date' => $expiry, // YYMM
        'card_security_code' => $securityCode,
        'jti' => bin2hex(random_bytes(16)), // new for each request
        'iat' => time(),
    ]);
    [$contentKey, $iv] = [random_bytes(32), random_bytes(12)];
    $sealed = openssl_encrypt($content, 'aes-256-gcm', $contentKey, OPENSSL_RAW_DATA, $iv, $tag, $header);
    $parts = array_map('base64url', [wrapKey($kek, $contentKey), $iv, $sealed, $tag]);
    return $header . '.' . implode('.', $parts);
}

echo encryptCard(...array_slice($argv, 1, 5)), "\n";

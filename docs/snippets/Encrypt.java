// Card data as a JWE for encrypted_card_data. Needs Java 17 and no library; RSA-OAEP-256 only.
// java Encrypt.java KEYS_URL RSA-OAEP-256 CARD_NUMBER EXPIRY SECURITY_CODE

import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.RSAPublicKeySpec;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

public class Encrypt {
    private static final Base64.Encoder BASE64URL = Base64.getUrlEncoder().withoutPadding();

    /** A member of the published key; a program that has a JSON library uses that. */
    private static String member(String key, String name) {
        Matcher matcher = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(key);
        if (!matcher.find()) {
            throw new IllegalStateException("the key has no " + name);
        }
        return matcher.group(1);
    }

    private static BigInteger number(String key, String name) {
        return new BigInteger(1, Base64.getUrlDecoder().decode(member(key, name)));
    }

    static String encryptCard(String keysUrl, String alg, String number, String expiry, String securityCode)
            throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(keysUrl)).build();
        String keys = HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body();
        String key = Arrays.stream(keys.split("[{}]")).filter(part -> part.contains("\"" + alg + "\"")).findFirst()
                .orElseThrow(); // may be kept for five minutes
        PublicKey recipient = KeyFactory.getInstance("RSA")
                .generatePublic(new RSAPublicKeySpec(number(key, "n"), number(key, "e")));

        String header = BASE64URL.encodeToString(String
                .format("{\"alg\":\"%s\",\"enc\":\"A256GCM\",\"kid\":\"%s\"}", alg, member(key, "kid")).getBytes(UTF_8));
        // YYMM; the jti is new for each request.
        String content = String.format(
                "{\"card_number\":\"%s\",\"expiry_date\":\"%s\",\"card_security_code\":\"%s\",\"jti\":\"%s\",\"iat\":%d}",
                number, expiry, securityCode, UUID.randomUUID(), Instant.now().getEpochSecond());

        byte[] contentKey = new byte[32];
        byte[] iv = new byte[12];
        SecureRandom random = new SecureRandom();
        random.nextBytes(contentKey);
        random.nextBytes(iv);
        Cipher oaep = Cipher.getInstance("RSA/ECB/OAEPPadding");
        oaep.init(Cipher.ENCRYPT_MODE, recipient,
                new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT));
        byte[] encryptedKey = oaep.doFinal(contentKey);

        Cipher gcm = Cipher.getInstance("AES/GCM/NoPadding");
        gcm.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(contentKey, "AES"), new GCMParameterSpec(128, iv));
        gcm.updateAAD(header.getBytes(UTF_8));
        byte[] sealed = gcm.doFinal(content.getBytes(UTF_8));
        byte[] ciphertext = Arrays.copyOf(sealed, sealed.length - 16);
        byte[] tag = Arrays.copyOfRange(sealed, sealed.length - 16, sealed.length);
        return String.join(".", header, BASE64URL.encodeToString(encryptedKey), BASE64URL.encodeToString(iv),
                BASE64URL.encodeToString(ciphertext), BASE64URL.encodeToString(tag));
    }

    public static void main(String[] args) throws Exception {
        System.out.println(encryptCard(args[0], args[1], args[2], args[3], args[4]));
    }
}

// What a Java program does with a token through SunPKCS11: keys in the KeyStore, ciphers, MACs,
// signatures and agreement. Prints one line for each check; arguments: configuration, PIN.

import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.Signature;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.KeyGenerator;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public final class Client {
    private static final byte[] MESSAGE = "The quick brown fox jumps over the lazy dog".getBytes();
    private static boolean failed;
    private final Provider token;
    private final KeyStore store;
    private final char[] pin;

    interface Check {
        boolean holds() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(token);
        // Before the login: after a digest SunPKCS11 may close its last session, which logs out.
        digests(token);
        Client client = new Client(token, arguments[1].toCharArray());
        client.secretKeys();
        client.rsa();
        client.ec();
        client.custody();
        client.threads();
        System.exit(failed ? 1 : 0);
    }

    Client(Provider token, char[] pin) throws Exception {
        this.token = token;
        this.pin = pin;
        store = KeyStore.getInstance("PKCS11", token);
        store.load(null, pin);
    }

    static void check(String sentence, Check check) {
        try {
            if (check.holds()) {
                System.out.println("ok " + sentence);
                return;
            }
        } catch (Exception e) {
            e.printStackTrace(System.out);
        }
        failed = true;
        System.out.println("not ok " + sentence);
    }

    // A refusal is readable when a person finds the code in what the exception says.
    static void refused(String sentence, String code, Check check) {
        check(sentence, () -> {
            try {
                check.holds();
            } catch (Exception e) {
                for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                    if (String.valueOf(cause.getMessage()).contains(code)) return true;
                }
                throw e;
            }
            return false;
        });
    }

    // --- digests and random bytes ---------------------------------------------------------------

    static void digests(Provider token) {
        for (String name : List.of("SHA-1", "SHA-256", "SHA-384", "SHA-512", "SHA3-256")) {
            check("MessageDigest " + name + " is the software's", () -> Arrays.equals(
                MessageDigest.getInstance(name, token).digest(MESSAGE),
                MessageDigest.getInstance(name, "SUN").digest(MESSAGE)));
        }
        check("SecureRandom gives bytes", () -> {
            byte[] bytes = new byte[32];
            SecureRandom.getInstance("PKCS11", token).nextBytes(bytes);
            return !Arrays.equals(bytes, new byte[32]);
        });
    }

    // --- secret keys ----------------------------------------------------------------------------

    void secretKeys() throws Exception {
        KeyGenerator generator = KeyGenerator.getInstance("AES", token);
        generator.init(256);
        SecretKey key = generator.generateKey();
        check("a session key becomes a token key through the KeyStore", () -> {
            store.setKeyEntry("generated-aes", key, null, null);
            return store.isKeyEntry("generated-aes");
        });
        Key kept = store.getKey("generated-aes", null);
        for (Key one : List.of(key, kept)) {
            String which = one == key ? "session" : "token";
            check("AES/GCM with a " + which + " key", () -> gcm(one));
            check("AES/CBC/PKCS5Padding with a " + which + " key",
                () -> roundTrip("AES/CBC/PKCS5Padding", one, new IvParameterSpec(new byte[16])));
            check("AES/CTR with a " + which + " key",
                () -> roundTrip("AES/CTR/NoPadding", one, new IvParameterSpec(new byte[16])));
        }
        check("AES/GCM refuses a changed ciphertext", () -> {
            Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding", token);
            cipher.init(Cipher.ENCRYPT_MODE, kept, new GCMParameterSpec(128, new byte[12]));
            byte[] sealed = cipher.doFinal(MESSAGE);
            sealed[3] ^= 1;
            cipher.init(Cipher.DECRYPT_MODE, kept, new GCMParameterSpec(128, new byte[12]));
            try {
                cipher.doFinal(sealed);
                return false;
            } catch (javax.crypto.AEADBadTagException e) {
                return true;
            }
        });
        macs();
    }

    boolean gcm(Key key) throws GeneralSecurityException {
        byte[] iv = new byte[12];
        new SecureRandom().nextBytes(iv);
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding", token);
        cipher.init(Cipher.ENCRYPT_MODE, key, new GCMParameterSpec(128, iv));
        cipher.updateAAD("header".getBytes());
        byte[] sealed = cipher.doFinal(MESSAGE);
        cipher.init(Cipher.DECRYPT_MODE, key, new GCMParameterSpec(128, iv));
        cipher.updateAAD("header".getBytes());
        return sealed.length == MESSAGE.length + 16
            && Arrays.equals(cipher.doFinal(sealed), MESSAGE);
    }

    boolean roundTrip(String name, Key key, AlgorithmParameterSpec parameters)
            throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance(name, token);
        cipher.init(Cipher.ENCRYPT_MODE, key, parameters);
        byte[] sealed = concatenated(cipher.update(MESSAGE, 0, 5),
            cipher.doFinal(MESSAGE, 5, MESSAGE.length - 5));
        cipher.init(Cipher.DECRYPT_MODE, key, parameters);
        return Arrays.equals(cipher.doFinal(sealed), MESSAGE);
    }

    void macs() {
        byte[] value = new byte[20];
        Arrays.fill(value, (byte) 0x0b);
        for (String name : List.of("HmacSHA1", "HmacSHA256", "HmacSHA384", "HmacSHA512")) {
            check("Mac " + name + " is the software's", () -> {
                SecretKey key = new SecretKeySpec(value, name);
                Mac ours = Mac.getInstance(name, token);
                Mac software = Mac.getInstance(name, "SunJCE");
                ours.init(key);
                software.init(key);
                return Arrays.equals(ours.doFinal(MESSAGE), software.doFinal(MESSAGE));
            });
        }
    }

    // --- RSA ------------------------------------------------------------------------------------

    void rsa() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA", token);
        generator.initialize(2048);
        KeyPair pair = generator.generateKeyPair();
        PrivateKey imported = (PrivateKey) store.getKey("rsa", null);
        PublicKey certified = store.getCertificate("rsa").getPublicKey();
        for (String name : List.of("SHA1withRSA", "SHA256withRSA", "SHA512withRSA")) {
            check(name + " with a generated pair",
                () -> signs(name, null, pair.getPrivate(), pair.getPublic()));
            check(name + " with the KeyStore's key",
                () -> signs(name, null, imported, certified));
        }
        check("RSASSA-PSS with the KeyStore's key", () -> signs("RSASSA-PSS",
            new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1),
            imported, certified));
        check("RSA/ECB/PKCS1Padding opens what software sealed", () -> {
            Cipher cipher = Cipher.getInstance("RSA/ECB/PKCS1Padding", "SunJCE");
            cipher.init(Cipher.ENCRYPT_MODE, certified);
            byte[] sealed = cipher.doFinal(MESSAGE);
            Cipher ours = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
            ours.init(Cipher.DECRYPT_MODE, imported);
            return Arrays.equals(ours.doFinal(sealed), MESSAGE);
        });
    }

    // Signed on the token, verified there and by software.
    boolean signs(String name, AlgorithmParameterSpec parameters, PrivateKey key, PublicKey open)
            throws Exception {
        Signature signer = Signature.getInstance(name, token);
        if (parameters != null) signer.setParameter(parameters);
        signer.initSign(key);
        signer.update(MESSAGE);
        byte[] signature = signer.sign();
        return verifies(name, token, parameters, open, signature)
            && verifies(name, software(name), parameters, open, signature);
    }

    boolean verifies(String name, Provider by, AlgorithmParameterSpec parameters, PublicKey key,
            byte[] signature) throws Exception {
        Signature verifier = Signature.getInstance(name, by);
        if (parameters != null) verifier.setParameter(parameters);
        verifier.initVerify(by == token ? key : plain(key));
        verifier.update(MESSAGE);
        return verifier.verify(signature);
    }

    static Provider software(String signature) {
        return Security.getProvider(signature.contains("ECDSA") ? "SunEC" : "SunRsaSign");
    }

    // The same public key without the token.
    static PublicKey plain(PublicKey key) throws Exception {
        String algorithm = key.getAlgorithm();
        Provider software = Security.getProvider(algorithm.equals("EC") ? "SunEC" : "SunRsaSign");
        return java.security.KeyFactory.getInstance(algorithm, software)
            .generatePublic(new java.security.spec.X509EncodedKeySpec(key.getEncoded()));
    }

    // --- elliptic curves ------------------------------------------------------------------------

    void ec() throws Exception {
        for (String curve : List.of("secp256r1", "secp384r1", "secp521r1")) {
            KeyPair pair = pair(curve, token);
            check("SHA256withECDSA on " + curve,
                () -> signs("SHA256withECDSA", null, pair.getPrivate(), pair.getPublic()));
            check("ECDH on " + curve + " agrees with software", () -> {
                KeyPair other = pair(curve, Security.getProvider("SunEC"));
                byte[] ours = agreed(token, pair.getPrivate(), other.getPublic());
                byte[] theirs = agreed(Security.getProvider("SunEC"), other.getPrivate(),
                    plain(pair.getPublic()));
                return Arrays.equals(ours, theirs);
            });
        }
        PrivateKey imported = (PrivateKey) store.getKey("ec", null);
        check("SHA256withECDSA with the KeyStore's key", () -> signs("SHA256withECDSA", null,
            imported, store.getCertificate("ec").getPublicKey()));
        check("ECDH with the KeyStore's key agrees with software", () -> {
            KeyPair other = pair("secp256r1", Security.getProvider("SunEC"));
            byte[] ours = agreed(token, imported, other.getPublic());
            byte[] theirs = agreed(Security.getProvider("SunEC"), other.getPrivate(),
                plain(store.getCertificate("ec").getPublicKey()));
            return Arrays.equals(ours, theirs);
        });
    }

    static KeyPair pair(String curve, Provider by) throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", by);
        generator.initialize(new ECGenParameterSpec(curve));
        return generator.generateKeyPair();
    }

    static byte[] agreed(Provider by, PrivateKey own, PublicKey other) throws Exception {
        KeyAgreement agreement = KeyAgreement.getInstance("ECDH", by);
        agreement.init(own);
        agreement.doPhase(other, true);
        return agreement.generateSecret();
    }

    // --- what custody refuses -------------------------------------------------------------------

    void custody() throws Exception {
        refused("deleting a generated key is refused readably", "CKR_ACTION_PROHIBITED", () -> {
            store.deleteEntry("generated-aes");
            return true;
        });
        // The KeyStore had dropped the alias before it asked the token.
        store.load(null, pin);
        check("it still works", () -> gcm(store.getKey("generated-aes", null)));
        byte[] first = new byte[32];
        check("a secret key is imported", () -> {
            store.setKeyEntry("imported-aes", new SecretKeySpec(first, "AES"), null, null);
            return gcm(store.getKey("imported-aes", null));
        });
        check("an imported key is deleted", () -> {
            store.deleteEntry("imported-aes");
            return !store.containsAlias("imported-aes");
        });
        byte[] other = new byte[32];
        other[0] = 1;
        refused("other material under its alias is refused readably",
            "CKR_TEMPLATE_INCONSISTENT", () -> {
                store.setKeyEntry("imported-aes", new SecretKeySpec(other, "AES"), null, null);
                return true;
            });
        // In a new object: SunPKCS11 remembers those it has seen, and would bring nothing.
        check("the same material comes back", () -> {
            store.setKeyEntry("imported-aes", new SecretKeySpec(first, "AES"), null, null);
            return gcm(store.getKey("imported-aes", null));
        });
        check("the aliases are those of the keys", () -> {
            List<String> aliases = Collections.list(store.aliases());
            return aliases.containsAll(List.of("generated-aes", "imported-aes", "rsa", "ec"));
        });
    }

    // --- threads --------------------------------------------------------------------------------

    void threads() throws Exception {
        Key key = store.getKey("generated-aes", null);
        PrivateKey rsa = (PrivateKey) store.getKey("rsa", null);
        PublicKey open = store.getCertificate("rsa").getPublicKey();
        ExecutorService pool = Executors.newFixedThreadPool(16);
        List<Callable<Boolean>> work = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            work.add(() -> gcm(key) && signs("SHA256withRSA", null, rsa, open));
        }
        check("sixteen threads share the keys", () -> {
            for (Future<Boolean> one : pool.invokeAll(work)) {
                if (!one.get()) return false;
            }
            return true;
        });
        pool.shutdown();
    }

    static byte[] concatenated(byte[] first, byte[] second) {
        if (first == null) return second;
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}

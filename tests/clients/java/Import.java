// Puts AES material into the KeyStore under an alias, with what the configuration's `attributes` add
// to its template. Arguments: configuration, PIN, alias, material in hexadecimal.

import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.util.HexFormat;
import javax.crypto.spec.SecretKeySpec;

public final class Import {
    public static void main(String[] arguments) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(arguments[0]);
        KeyStore store = KeyStore.getInstance("PKCS11", token);
        store.load(null, arguments[1].toCharArray());
        byte[] material = HexFormat.of().parseHex(arguments[3]);
        store.setKeyEntry(arguments[2], new SecretKeySpec(material, "AES"), null, null);
    }
}

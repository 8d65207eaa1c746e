// Handshakes of TLS 1.2 whose secrets SunPKCS11 derives on the token, being the first provider. Prints one line
// for each suite; arguments: configuration, PIN, a PKCS #12 file with a server's key and its password, suites.

import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.util.Arrays;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;

public final class Tls {
    private static final int ROOM = 1 << 16;
    private static final byte[] MESSAGE = "The quick brown fox jumps over the lazy dog".getBytes();

    public static void main(String[] arguments) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.insertProviderAt(token, 1);
        KeyStore.getInstance("PKCS11", token).load(null, arguments[1].toCharArray());
        char[] password = arguments[3].toCharArray();
        KeyStore server = KeyStore.getInstance("PKCS12", "SunJSSE");
        try (InputStream file = new FileInputStream(arguments[2])) {
            server.load(file, password);
        }
        SSLContext context = context(server, password);
        boolean failed = false;
        for (String suite : Arrays.copyOfRange(arguments, 4, arguments.length)) {
            boolean arrived = Arrays.equals(sent(context, suite), MESSAGE);
            failed |= !arrived;
            System.out.println((arrived ? "ok " : "not ok ") + "TLS 1.2 with " + suite);
        }
        System.exit(failed ? 1 : 0);
    }

    private static SSLContext context(KeyStore server, char[] password) throws Exception {
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(server, password);
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(server);
        SSLContext context = SSLContext.getInstance("TLSv1.2");
        context.init(keys.getKeyManagers(), trusted.getTrustManagers(), null);
        return context;
    }

    // What the server reads of what the client sends, once they have agreed.
    private static byte[] sent(SSLContext context, String suite) throws SSLException {
        SSLEngine client = context.createSSLEngine("localhost", 1);
        SSLEngine server = context.createSSLEngine();
        client.setUseClientMode(true);
        server.setUseClientMode(false);
        for (SSLEngine side : new SSLEngine[] {client, server}) {
            side.setEnabledProtocols(new String[] {"TLSv1.2"});
            side.setEnabledCipherSuites(new String[] {suite});
        }
        ByteBuffer toServer = ByteBuffer.allocate(ROOM);
        ByteBuffer toClient = ByteBuffer.allocate(ROOM);
        ByteBuffer read = ByteBuffer.allocate(ROOM);
        ByteBuffer nothing = ByteBuffer.allocate(0);
        ByteBuffer message = ByteBuffer.wrap(MESSAGE);
        for (int turn = 0; turn < 100 && read.position() == 0; turn++) {
            boolean agreed = client.getSession().getCipherSuite().equals(suite)
                    && client.getHandshakeStatus() == HandshakeStatus.NOT_HANDSHAKING;
            turn(client, agreed ? message : nothing, toServer, toClient, ByteBuffer.allocate(ROOM));
            turn(server, nothing, toClient, toServer, read);
        }
        return Arrays.copyOf(read.array(), read.position());
    }

    private static void turn(SSLEngine side, ByteBuffer from, ByteBuffer out, ByteBuffer in,
            ByteBuffer to) throws SSLException {
        work(side);
        if (in.position() > 0) {
            in.flip();
            side.unwrap(in, to);
            in.compact();
            work(side);
        }
        if (side.getHandshakeStatus() != HandshakeStatus.NEED_UNWRAP || from.hasRemaining()) {
            side.wrap(from, out);
        }
    }

    private static void work(SSLEngine side) {
        for (Runnable task = side.getDelegatedTask(); task != null; task = side.getDelegatedTask()) {
            task.run();
        }
    }
}

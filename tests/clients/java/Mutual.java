// Servers and clients over TLS 1.2 and 1.3, both with keys that the KeyStore has, in several threads at once.
// Prints one line for each check; arguments: configuration, PIN, the server's alias, the client's alias.

import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;

public final class Mutual {
    private static final byte[] MESSAGE = "The quick brown fox jumps over the lazy dog".getBytes();
    private static final int THREADS = 8;
    private static final int EACH = 5;

    public static void main(String[] arguments) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(token);
        KeyStore store = KeyStore.getInstance("PKCS11", token);
        store.load(null, arguments[1].toCharArray());
        boolean failed = false;
        for (String version : List.of("TLSv1.2", "TLSv1.3")) {
            for (String alias : Arrays.copyOfRange(arguments, 2, arguments.length)) {
                failed |= !told(version + " both ways with " + alias + ", " + THREADS + " clients at once",
                    () -> talks(store, alias, version));
            }
        }
        System.exit(failed ? 1 : 0);
    }

    private static boolean told(String sentence, Callable<Boolean> check) {
        boolean good = false;
        try {
            good = check.call();
        } catch (Exception e) {
            e.printStackTrace(System.out);
        }
        System.out.println((good ? "ok " : "not ok ") + sentence);
        return good;
    }

    // Every client sends a line and gets back who the server took it for, and the line.
    private static boolean talks(KeyStore store, String alias, String version) throws Exception {
        SSLContext context = context(store, alias, version);
        String name = ((X509Certificate) store.getCertificate(alias)).getSubjectX500Principal().getName();
        byte[] wanted = (name + MESSAGE.length).getBytes();
        ExecutorService threads = Executors.newFixedThreadPool(2 * THREADS);
        try (SSLServerSocket listening = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, THREADS, InetAddress.getLoopbackAddress())) {
            listening.setNeedClientAuth(true);
            for (int thread = 0; thread < THREADS; thread++) {
                threads.submit(() -> {
                    for (int turn = 0; turn < EACH; turn++) answer((SSLSocket) listening.accept());
                    return null;
                });
            }
            List<Future<Boolean>> clients = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                clients.add(threads.submit(() -> {
                    for (int turn = 0; turn < EACH; turn++) {
                        if (!Arrays.equals(ask(context, listening.getLocalPort()), wanted)) return false;
                    }
                    return true;
                }));
            }
            boolean all = true;
            for (Future<Boolean> client : clients) all &= client.get();
            return all;
        } finally {
            threads.shutdownNow();
        }
    }

    private static void answer(SSLSocket accepted) throws Exception {
        try (SSLSocket socket = accepted) {
            byte[] line = socket.getInputStream().readNBytes(MESSAGE.length);
            String client = socket.getSession().getPeerPrincipal().getName();
            OutputStream out = socket.getOutputStream();
            out.write((client + line.length).getBytes());
        }
    }

    private static byte[] ask(SSLContext context, int port) throws Exception {
        try (Socket socket = context.getSocketFactory().createSocket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout(20000);
            socket.getOutputStream().write(MESSAGE);
            InputStream in = socket.getInputStream();
            return in.readAllBytes();
        }
    }

    private static SSLContext context(KeyStore store, String alias, String version) throws Exception {
        KeyStore trust = KeyStore.getInstance("PKCS12");
        trust.load(null, null);
        for (java.security.cert.Certificate one : store.getCertificateChain(alias)) {
            trust.setCertificateEntry("trusted " + trust.size(), one);
        }
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(trust);
        SSLContext context = SSLContext.getInstance(version);
        context.init(new KeyManager[] {new Only(store, alias)}, trusted.getTrustManagers(), null);
        // A handshake for each connection.
        context.getClientSessionContext().setSessionCacheSize(1);
        return context;
    }

    // The one key, for servers and clients.
    private static final class Only extends X509ExtendedKeyManager {
        private final String alias;
        private final PrivateKey key;
        private final X509Certificate[] chain;

        Only(KeyStore store, String alias) throws Exception {
            this.alias = alias;
            key = (PrivateKey) store.getKey(alias, null);
            java.security.cert.Certificate[] all = store.getCertificateChain(alias);
            chain = Arrays.copyOf(all, all.length, X509Certificate[].class);
        }

        private String of(String... types) {
            return Arrays.stream(types).anyMatch(type -> type.startsWith(key.getAlgorithm())) ? alias : null;
        }

        @Override public String[] getClientAliases(String type, Principal[] issuers) {
            return new String[] {alias};
        }

        @Override public String[] getServerAliases(String type, Principal[] issuers) {
            return new String[] {alias};
        }

        @Override public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
            return of(types);
        }

        @Override public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
            return of(type);
        }

        @Override public String chooseEngineClientAlias(String[] types, Principal[] issuers, SSLEngine engine) {
            return of(types);
        }

        @Override public String chooseEngineServerAlias(String type, Principal[] issuers, SSLEngine engine) {
            return of(type);
        }

        @Override public X509Certificate[] getCertificateChain(String name) {
            return chain;
        }

        @Override public PrivateKey getPrivateKey(String name) {
            return key;
        }
    }
}

# What the clients of Debian 13 share: OpenSSL with the provider, and OpenSSL without any token. Bash;
# sourced, never run.
# shellcheck shell=bash
# shellcheck disable=SC2317 # functions are called through `works` and its like
# shellcheck source=tests/clients/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# The provider's configuration.
configure() {
    configure_openssl << END
providers = providers
[providers]
default = software
pkcs11 = token
[software]
activate = 1
[token]
module = $(openssl version -m | sed 's/^MODULESDIR: "\(.*\)"/\1/')/pkcs11.so
pkcs11-module-path = $module
pkcs11-module-token-pin = file:$work/pin
pkcs11-module-encode-provider-uri-to-pem = true
activate = 1
END
    head -c 10000 /dev/urandom > data
}

# plain COMMAND...: openssl without the provider.
plain() {
    OPENSSL_CONF=/etc/ssl/openssl.cnf openssl "$@"
}

# The URIs of a pair's halves.
private() {
    echo "pkcs11:token=$token;object=$1;type=private"
}

public() {
    echo "pkcs11:token=$token;object=$1;type=public"
}

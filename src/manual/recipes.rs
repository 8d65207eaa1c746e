//! # Recipes
//!
//! Each is played by `tests/clients/recipes` as it stands here. All begin with no store where `KEYSTEAD_STORE`, or
//! the configuration that `KEYSTEAD_CONF` names, has it, `keystead` on the
//! path, the module's file in `$MODULE`, and PINs in the files `so-pin` and `pin`, which only their owner can read
//! and which end without a newline (`umask 077; printf 12345678 > pin`): OpenSSL's engine takes all of such a file.
//!
//! # TLS with nginx, from nothing
//!
//! nginx's workers are `www-data` where root starts it, so the store has that group, from the start: its agent
//! reads the configuration when it begins.
//!
//! ```sh
//! export KEYSTEAD_CONF=$PWD/config.toml KEYSTEAD_STORE=$PWD/store
//! echo 'group = "www-data"' > "$KEYSTEAD_CONF"
//! keystead init web --so-pin-file so-pin --pin-file pin
//! openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
//!     -out www.key
//! openssl req -x509 -new -key www.key -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -days 397 -out www.pem
//! keystead import www www.key --new --type EC --expires 397d \
//!     --pin-file pin
//! ```
//!
//! The key and its certificate are made where it is safe to do so. Keep `www.key` offline or destroy it: only the
//! same key can be imported again when its material has expired or was deleted. nginx finds the key through
//! OpenSSL's engine `pkcs11` (package `libengine-pkcs11-openssl`), and reads the PIN before its workers start.
//!
//! ```sh
//! cat > openssl.cnf << END
//! openssl_conf = start
//! [start]
//! engines = engines
//! [engines]
//! pkcs11 = pkcs11
//! [pkcs11]
//! engine_id = pkcs11
//! MODULE_PATH = $MODULE
//! init = 1
//! END
//! key="token=web;object=www;pin-source=file:$PWD/pin"
//! cat > nginx.conf << END
//! user www-data;
//! env KEYSTEAD_CONF;
//! env KEYSTEAD_STORE;
//! worker_processes 2;
//! pid $PWD/nginx.pid;
//! events {}
//! http {
//!     server {
//!         listen 127.0.0.1:8443 ssl;
//!         ssl_certificate $PWD/www.pem;
//!         ssl_certificate_key "engine:pkcs11:pkcs11:$key";
//!         location / { return 200 "welcome\n"; }
//!     }
//! }
//! END
//! OPENSSL_CONF=$PWD/openssl.cnf nginx -c "$PWD/nginx.conf"
//! curl --cacert www.pem https://localhost:8443/
//! ```
//!
//! `keystead delete-material www` ends the key at once: the next handshake fails. An import of the same key, with
//! `--expires` as before, and a reload bring it back. Each `nginx` on a command line, `-t`, `-s reload` and `-s stop`
//! too, reads the server's configuration first, and so needs OpenSSL's as the start did.
//!
//! ```sh
//! keystead delete-material www --pin-file pin
//! keystead import www www.key --expires 397d --pin-file pin
//! OPENSSL_CONF=$PWD/openssl.cnf nginx -c "$PWD/nginx.conf" -s reload
//! ```
//!
//! Under systemd, `systemctl edit nginx` is the place of `Environment=` with `OPENSSL_CONF`, `KEYSTEAD_CONF` and
//! `KEYSTEAD_STORE`, and `systemctl reload nginx` reloads; the latter two are not needed where the system's
//! configuration and store are used. `keystead disable www` stops the key for a while, until `keystead enable www`,
//! without a reload.
//!
//! Where Keystead is installed with its own user and group, the first lines and the two of `env` are left out, and
//! `usermod -aG keystead www-data` takes the place of `group`.
//!
//! # An authority with certtool
//!
//! The authority's key is made on the token and never leaves it. `certtool` and `p11tool` (package `gnutls-bin`)
//! take the PIN from `GNUTLS_PIN`.
//!
//! ```sh
//! keystead init authority --so-pin-file so-pin --pin-file pin
//! export GNUTLS_PIN="$(cat pin)"
//! p11tool --provider "$MODULE" --batch --login \
//!     --generate-privkey ecc --curve secp384r1 --label root \
//!     --outfile root.pub pkcs11:token=authority
//! printf '%s\n' 'cn = "Our authority"' ca cert_signing_key \
//!     crl_signing_key 'expiration_days = 3650' 'crl_next_update = 30' \
//!     > root.cfg
//! root='pkcs11:token=authority;object=root;type=private'
//! certtool --provider "$MODULE" --generate-self-signed \
//!     --template root.cfg --load-privkey "$root" --outfile root.pem
//! ```
//!
//! A server makes its key and asks; the authority answers.
//!
//! ```sh
//! printf '%s\n' 'cn = localhost' 'dns_name = localhost' \
//!     tls_www_server signing_key 'expiration_days = 397' > www.cfg
//! certtool --generate-privkey --key-type ecdsa --outfile www.key
//! certtool --generate-request --load-privkey www.key \
//!     --template www.cfg --outfile www.csr
//! certtool --provider "$MODULE" --generate-certificate \
//!     --load-request www.csr --template www.cfg \
//!     --load-ca-certificate root.pem --load-ca-privkey "$root" \
//!     --outfile www.pem
//! openssl verify -CAfile root.pem www.pem
//! ```
//!
//! What it signed can be revoked.
//!
//! ```sh
//! certtool --provider "$MODULE" --generate-crl \
//!     --load-certificate www.pem --template root.cfg \
//!     --load-ca-certificate root.pem --load-ca-privkey "$root" \
//!     --outfile root.crl
//! ```
//!
//! # Signing code
//!
//! `osslsigncode` signs programs for Windows through the same engine. A key that was bought with its certificate is
//! imported with the certificate's end as its expiry: it cannot be used a day longer.
//!
//! ```sh
//! keystead init code --so-pin-file so-pin --pin-file pin
//! end=$(openssl x509 -noout -enddate -in releases.pem | cut -d= -f2)
//! keystead import releases releases.key --new --type RSA \
//!     --expires "$(date -u -d "$end" +%FT%TZ)" --pin-file pin
//! key="token=code;object=releases;pin-source=file:$PWD/pin"
//! osslsigncode sign -pkcs11module "$MODULE" -key "pkcs11:$key" \
//!     -certs releases.pem -h sha256 -in setup.exe \
//!     -out setup-signed.exe
//! keystead show releases --pin-file pin
//! ```
//!
//! # A backup in an envelope
//!
//! `keystead seal` gives each file keys of its own under the custom key, and needs as much memory for a terabyte as
//! for a page. The sealed file can lie anywhere.
//!
//! ```sh
//! keystead init backups --so-pin-file so-pin --pin-file pin
//! keystead generate nightly --pin-file pin --rotate-every 90
//! tar -C documents -cz . | keystead seal nightly \
//!     --out documents.tar.gz.sealed --pin-file pin
//! ```
//!
//! It opens also after the key was rotated. The whole store is backed up under a passphrase, without which the
//! envelopes outlive their key.
//!
//! ```sh
//! keystead rotate nightly --pin-file pin
//! mkdir restored
//! keystead open documents.tar.gz.sealed --pin-file pin |
//!     tar -C restored -xz
//! keystead backup store.backup --passphrase-file passphrase
//! ```
//!
//! # A key from AWS's instructions
//!
//! The commands that AWS KMS gives for `RSAES_OAEP_SHA_256`, as they are; only the public key comes from the token.
//!
//! ```sh
//! keystead init cloud --so-pin-file so-pin --pin-file pin
//! keystead import-key --label aws --out import.pem --pin-file pin
//! openssl pkey -pubin -in import.pem -outform DER \
//!     -out WrappingPublicKey.bin
//! openssl rand -out PlaintextKeyMaterial.bin 32
//! openssl pkeyutl -encrypt -in PlaintextKeyMaterial.bin \
//!     -inkey WrappingPublicKey.bin -keyform DER -pubin \
//!     -out EncryptedKeyMaterial.bin -pkeyopt rsa_padding_mode:oaep \
//!     -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
//! keystead import payroll EncryptedKeyMaterial.bin --new \
//!     --wrapped oaep-sha256 --with aws --pin-file pin
//! ```
//!
//! And those for `RSA_AES_KEY_WRAP_SHA_256`, which carries private keys.
//!
//! ```sh
//! keystead import-key --form rsa-aes --label aws-whole \
//!     --out whole.pem --pin-file pin
//! openssl pkey -pubin -in whole.pem -outform DER \
//!     -out WrappingPublicKey.bin
//! openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 \
//!     -outform der -nocrypt > ECC_NIST_P256_PrivateKey.der
//! openssl rand -out aes-key.bin 32
//! openssl enc -id-aes256-wrap-pad \
//!     -K "$(xxd -p < aes-key.bin | tr -d '\n')" -iv A65959A6 \
//!     -in ECC_NIST_P256_PrivateKey.der -out key-material-wrapped.bin
//! openssl pkeyutl -encrypt -in aes-key.bin -out aes-key-wrapped.bin \
//!     -inkey WrappingPublicKey.bin -keyform DER -pubin \
//!     -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \
//!     -pkeyopt rsa_mgf1_md:sha256
//! cat aes-key-wrapped.bin key-material-wrapped.bin \
//!     > EncryptedKeyMaterial.bin
//! keystead import signing EncryptedKeyMaterial.bin --new --type EC \
//!     --wrapped rsa-aes-sha256 --with aws-whole --pin-file pin
//! ```
//!
//! # A key from Google's instructions
//!
//! Those of Cloud KMS for `rsa-oaep-3072-sha256-aes-256`.
//!
//! ```sh
//! keystead init cloud --so-pin-file so-pin --pin-file pin
//! keystead import-key --form rsa-aes --label google \
//!     --out wrapping.pem --pin-file pin
//! PUB_WRAPPING_KEY=wrapping.pem TARGET_KEY=target.key \
//!     TEMP_AES_KEY=temp.key BASE_DIR=.
//! openssl rand -out "${TARGET_KEY}" 32
//! openssl rand -out "${TEMP_AES_KEY}" 32
//! openssl pkeyutl -encrypt -pubin -inkey ${PUB_WRAPPING_KEY} \
//!     -in ${TEMP_AES_KEY} -out "${BASE_DIR}/wrapped-temp.key" \
//!     -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \
//!     -pkeyopt rsa_mgf1_md:sha256
//! openssl enc -id-aes256-wrap-pad -iv A65959A6 \
//!     -K $( hexdump -v -e '/1 "%02x"' < "${TEMP_AES_KEY}" ) \
//!     -in ${TARGET_KEY} -out "${BASE_DIR}/wrapped-target.key"
//! cat "${BASE_DIR}/wrapped-temp.key" \
//!     "${BASE_DIR}/wrapped-target.key" > "${BASE_DIR}/wrapped.bin"
//! keystead import payroll wrapped.bin --new --wrapped rsa-aes-sha256 \
//!     --with google --pin-file pin
//! ```
//!
//! # A key from Azure's instructions
//!
//! Azure Key Vault takes a transfer file, which the tool of an HSM's maker makes for a key exchange key; `keystead
//! wrap` makes the same file, and `keystead import` takes it.
//!
//! ```sh
//! keystead init cloud --so-pin-file so-pin --pin-file pin
//! keystead import-key --form rsa-aes --bits 4096 --label azure \
//!     --out KEKforBYOK.publickey.pem --pin-file pin
//! openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
//!     -out MyTargetKey.pem
//! keystead wrap MyTargetKey.pem --for KEKforBYOK.publickey.pem \
//!     --type RSA --form byok \
//!     --kid https://contosokeyvault.vault.azure.net/keys/KEKforBYOK \
//!     --out KeyTransferPackage-MyTargetKey.byok
//! keystead import signing KeyTransferPackage-MyTargetKey.byok --new \
//!     --type RSA --with azure --pin-file pin
//! ```
//!
//! # A key from Open Telekom Cloud's instructions
//!
//! Those of its KMS for `RSAES_OAEP_SHA_256`. The wrapping key is DER there.
//!
//! ```sh
//! keystead init cloud --so-pin-file so-pin --pin-file pin
//! keystead import-key --label otc --out import.pem --pin-file pin
//! openssl pkey -pubin -in import.pem -outform DER -out PublicKey.bin
//! openssl rand -out PlaintextKeyMaterial.bin 32
//! openssl pkeyutl -in PlaintextKeyMaterial.bin -inkey PublicKey.bin \
//!     -out EncryptedKeyMaterial.bin -keyform der -pubin -encrypt \
//!     -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256
//! keystead import payroll EncryptedKeyMaterial.bin --new \
//!     --wrapped oaep-sha256 --with otc --pin-file pin
//! ```

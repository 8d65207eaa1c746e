package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"
)

// reader is the standard library's randomness.
type reader struct{}

func (reader) Read(bytes []byte) (int, error) { return rand.Read(bytes) }

// playCrypto11 uses the token's keys as the standard library's.
func playCrypto11(module, label, pin string) {
	token, err := crypto11.Configure(&crypto11.Config{
		Path: module, TokenLabel: label, Pin: pin, MaxSessions: 16,
	})
	must("crypto11: the token is found and logged in to", err)
	rsaKey := rsaPair(token)
	ecKey := ecPair(token)
	secret := secretKeys(token)
	serve("RSA", rsaKey, token)
	serve("EC", ecKey, token)
	goroutines(rsaKey, ecKey, secret)
	err = rsaKey.(crypto11.Signer).Delete()
	check("crypto11: a generated pair cannot be deleted",
		refused(err, pkcs11.CKR_ACTION_PROHIBITED))
	check("crypto11: close", token.Close())
}

// --- key pairs ----------------------------------------------------------------------------------

func rsaPair(token *crypto11.Context) crypto.Signer {
	made, err := token.GenerateRSAKeyPairWithLabel([]byte{0xc1}, []byte("crypto11-rsa"), 2048)
	must("crypto11: an RSA pair is generated", err)
	found, err := token.FindKeyPair([]byte{0xc1}, []byte("crypto11-rsa"))
	if err == nil && found == nil {
		err = errors.New("it is not")
	}
	must("crypto11: the RSA pair is found by ID and label", err)
	check("crypto11: an RSA signature", signs(found))
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, made.Public().(*rsa.PublicKey), message)
	if err == nil {
		var opened []byte
		opened, err = made.Decrypt(rand.Reader, sealed, &rsa.PKCS1v15DecryptOptions{})
		if err == nil {
			err = same(opened, message)
		}
	}
	check("crypto11: RSA decryption", err)
	return found
}

func ecPair(token *crypto11.Context) crypto.Signer {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := token.GenerateECDSAKeyPair([]byte(curve.Params().Name), curve)
		if err == nil {
			err = signs(key)
		}
		check("crypto11: an ECDSA signature on "+curve.Params().Name, err)
	}
	found, err := token.FindKeyPair([]byte("P-256"), nil)
	if err == nil && found == nil {
		err = errors.New("it is not")
	}
	must("crypto11: the EC pair is found by ID", err)
	return found
}

// signs signs on the token and verifies with the standard library.
func signs(key crypto.Signer) error {
	digest := sha256.Sum256(message)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(public, digest[:], signature) {
			return errors.New("the signature does not verify")
		}
		return nil
	}
	return errors.New("a public key of another kind")
}

// --- secret keys --------------------------------------------------------------------------------

func secretKeys(token *crypto11.Context) *crypto11.SecretKey {
	key, err := token.GenerateSecretKeyWithLabel([]byte{0xc2}, []byte("crypto11-aes"), 256,
		crypto11.CipherAES)
	must("crypto11: an AES key is generated", err)
	check("crypto11: AES-GCM", seals(key))
	check("crypto11: AES-CBC", cbc(key))
	mac, err := token.GenerateSecretKey([]byte{0xc3}, 256, crypto11.CipherGeneric)
	must("crypto11: a generic secret is generated", err)
	check("crypto11: HMAC", macs(mac))
	return key
}

func seals(key *crypto11.SecretKey) error {
	gcm, err := key.NewGCM()
	if err != nil {
		return err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	opened, err := gcm.Open(nil, nonce, gcm.Seal(nil, nonce, message, nil), nil)
	if err != nil {
		return err
	}
	return same(opened, message)
}

func cbc(key *crypto11.SecretKey) error {
	cbc, err := key.NewCBC(crypto11.PaddingPKCS)
	if err != nil {
		return err
	}
	iv := make([]byte, cbc.NonceSize())
	opened, err := cbc.Open(nil, iv, cbc.Seal(nil, iv, message, nil), nil)
	if err != nil {
		return err
	}
	return same(opened, message)
}

func macs(key *crypto11.SecretKey) error {
	sum := func() ([]byte, error) {
		mac, err := key.NewHMAC(pkcs11.CKM_SHA256_HMAC, 0)
		if err != nil {
			return nil, err
		}
		_, err = mac.Write(message)
		return mac.Sum(nil), err
	}
	one, err := sum()
	if err != nil {
		return err
	}
	other, err := sum()
	if err == nil && !hmac.Equal(one, other) {
		err = errors.New("it differs")
	}
	return err
}

// --- a TLS server -------------------------------------------------------------------------------

// serve answers on loopback with a certificate for the token's key, which it keeps on the token.
func serve(name string, key crypto.Signer, token *crypto11.Context) {
	certificate, err := certify(name, key)
	must("crypto11: a certificate for the "+name+" key", err)
	id := []byte("certificate " + name)
	err = token.ImportCertificate(id, certificate)
	if err == nil {
		certificate, err = token.FindCertificate(id, nil, nil)
	}
	check("crypto11: the token keeps the "+name+" certificate", err)
	own := tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		check(fmt.Sprintf("crypto11: a TLS 1.%d server with the %s key", version-tls.VersionTLS10,
			name), handshake(own, certificate, version))
	}
}

func certify(name string, key crypto.Signer) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{"localhost"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(made)
}

func handshake(own tls.Certificate, trusted *x509.Certificate, version uint16) error {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{own}, MinVersion: version, MaxVersion: version,
	})
	if err != nil {
		return err
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() { served <- echo(listener) }()
	roots := x509.NewCertPool()
	roots.AddCert(trusted)
	client, err := tls.Dial("tcp", listener.Addr().String(),
		&tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Write(message); err != nil {
		return err
	}
	answer := make([]byte, len(message))
	if _, err := io.ReadFull(client, answer); err != nil {
		return err
	}
	if err := <-served; err != nil {
		return err
	}
	return same(answer, message)
}

// echo answers one connection with what it says.
func echo(listener net.Listener) error {
	connection, err := listener.Accept()
	if err != nil {
		return err
	}
	defer connection.Close()
	said := make([]byte, len(message))
	if _, err := io.ReadFull(connection, said); err != nil {
		return err
	}
	_, err = io.Copy(connection, bytes.NewReader(said))
	return err
}

// --- goroutines ---------------------------------------------------------------------------------

// goroutines has a hundred of them use the same keys over sixteen sessions.
func goroutines(rsaKey, ecKey crypto.Signer, secret *crypto11.SecretKey) {
	work := []func() error{
		func() error { return signs(rsaKey) },
		func() error { return signs(ecKey) },
		func() error { return seals(secret) },
	}
	errs := make(chan error, 300)
	var all sync.WaitGroup
	for i := 0; i < 100; i++ {
		all.Add(1)
		go func(work func() error) {
			defer all.Done()
			for round := 0; round < 3; round++ {
				if err := work(); err != nil {
					errs <- err
				}
			}
		}(work[i%len(work)])
	}
	all.Wait()
	close(errs)
	check("crypto11: a hundred goroutines use three keys", <-errs)
}

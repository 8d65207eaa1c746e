package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/miekg/pkcs11"
)

// Keystead's own attributes; include/keystead.h has them all.
const (
	ckaKeysteadExpiresAt     = 0x804B5306
	ckaKeysteadMaterialState = 0x804B5307
	materialExpired          = 4
)

// user is a logged-in session.
type user struct {
	*pkcs11.Ctx
	session pkcs11.SessionHandle
}

var message = []byte("The quick brown fox jumps over the lazy dog")

// playMiekg uses the module as C programs do.
func playMiekg(module, label, pin string) {
	u := login(module, label, pin)
	u.aes()
	u.rsa()
	u.ec()
	u.expiry()
	check("miekg: logout", u.Logout(u.session))
	check("miekg: finalise", u.Finalize())
	u.Destroy()
}

func login(module, label, pin string) user {
	ctx := pkcs11.New(module)
	if ctx == nil {
		must("miekg: the module loads", errors.New("it does not"))
	}
	must("miekg: initialise", ctx.Initialize())
	slots, err := ctx.GetSlotList(true)
	must("miekg: slots", err)
	for _, slot := range slots {
		info, err := ctx.GetTokenInfo(slot)
		if err != nil || info.Label != label {
			continue
		}
		session, err := ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		must("miekg: a session", err)
		must("miekg: login", ctx.Login(session, pkcs11.CKU_USER, pin))
		return user{ctx, session}
	}
	must("miekg: the token is there", errors.New("it is not"))
	return user{}
}

func attribute(kind uint, value interface{}) *pkcs11.Attribute {
	return pkcs11.NewAttribute(kind, value)
}

func mechanism(kind uint, parameter interface{}) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(kind, parameter)}
}

// find returns the only object that matches.
func (u user) find(template ...*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
	if err := u.FindObjectsInit(u.session, template); err != nil {
		return 0, err
	}
	found, _, err := u.FindObjects(u.session, 2)
	if err := u.FindObjectsFinal(u.session); err != nil {
		return 0, err
	}
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d objects match", len(found))
	}
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

func (u user) attribute(object pkcs11.ObjectHandle, kind uint) ([]byte, error) {
	got, err := u.GetAttributeValue(u.session, object, []*pkcs11.Attribute{attribute(kind, nil)})
	if err != nil {
		return nil, err
	}
	return got[0].Value, nil
}

// --- AES ----------------------------------------------------------------------------------------

func (u user) aes() {
	made, err := u.GenerateKey(u.session, mechanism(pkcs11.CKM_AES_KEY_GEN, nil),
		[]*pkcs11.Attribute{
			attribute(pkcs11.CKA_TOKEN, true),
			attribute(pkcs11.CKA_LABEL, "go-aes"),
			attribute(pkcs11.CKA_VALUE_LEN, 32),
		})
	must("miekg: an AES key is generated", err)
	key, err := u.find(attribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		attribute(pkcs11.CKA_LABEL, "go-aes"))
	if err == nil && key != made {
		err = errors.New("under another handle")
	}
	check("miekg: the AES key is found by its label", err)
	check("miekg: AES-GCM opens what it sealed", u.gcm(key))
	_, err = u.attribute(key, pkcs11.CKA_VALUE)
	check("miekg: the key's value cannot be read",
		refused(err, pkcs11.CKR_ATTRIBUTE_SENSITIVE))
	check("miekg: the generated key cannot be destroyed",
		refused(u.DestroyObject(u.session, key), pkcs11.CKR_ACTION_PROHIBITED))
}

func (u user) gcm(key pkcs11.ObjectHandle) error {
	sealed, err := u.gcmStep(message, func(m []*pkcs11.Mechanism) error {
		return u.EncryptInit(u.session, m, key)
	}, u.Encrypt)
	if err != nil {
		return err
	}
	opened, err := u.gcmStep(sealed, func(m []*pkcs11.Mechanism) error {
		return u.DecryptInit(u.session, m, key)
	}, u.Decrypt)
	if err != nil {
		return err
	}
	return same(opened, message)
}

// gcmStep begins an operation with AES-GCM's parameters and ends it in one step.
func (u user) gcmStep(input []byte, begin func([]*pkcs11.Mechanism) error,
	step func(pkcs11.SessionHandle, []byte) ([]byte, error)) ([]byte, error) {
	params := pkcs11.NewGCMParams(make([]byte, 12), []byte("header"), 128)
	defer params.Free()
	if err := begin(mechanism(pkcs11.CKM_AES_GCM, params)); err != nil {
		return nil, err
	}
	return step(u.session, input)
}

// refused is nil when an error is that return code.
func refused(err error, code uint) error {
	var got pkcs11.Error
	if errors.As(err, &got) && got == pkcs11.Error(code) {
		return nil
	}
	return fmt.Errorf("%v is not %v", err, pkcs11.Error(code))
}

// --- RSA ----------------------------------------------------------------------------------------

func (u user) rsa() {
	public, private, err := u.GenerateKeyPair(u.session,
		mechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil),
		[]*pkcs11.Attribute{
			attribute(pkcs11.CKA_TOKEN, true),
			attribute(pkcs11.CKA_LABEL, "go-rsa"),
			attribute(pkcs11.CKA_MODULUS_BITS, 2048),
			attribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		},
		[]*pkcs11.Attribute{
			attribute(pkcs11.CKA_TOKEN, true),
			attribute(pkcs11.CKA_LABEL, "go-rsa"),
		})
	must("miekg: an RSA pair is generated", err)
	modulus, err := u.attribute(public, pkcs11.CKA_MODULUS)
	must("miekg: the modulus can be read", err)
	open := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}

	digest := sha256.Sum256(message)
	signature, err := u.sign(private, pkcs11.CKM_SHA256_RSA_PKCS, nil)
	if err == nil {
		err = rsa.VerifyPKCS1v15(open, crypto.SHA256, digest[:], signature)
	}
	check("miekg: Go verifies a PKCS#1 signature", err)
	pss := pkcs11.NewPSSParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, 32)
	signature, err = u.sign(private, pkcs11.CKM_SHA256_RSA_PKCS_PSS, pss)
	if err == nil {
		err = rsa.VerifyPSS(open, crypto.SHA256, digest[:], signature, nil)
	}
	check("miekg: Go verifies a PSS signature", err)
	check("miekg: OAEP opens what Go sealed", u.oaep(open, private))
}

func (u user) sign(key pkcs11.ObjectHandle, kind uint, parameter interface{}) ([]byte, error) {
	if err := u.SignInit(u.session, mechanism(kind, parameter), key); err != nil {
		return nil, err
	}
	return u.Sign(u.session, message)
}

func (u user) oaep(open *rsa.PublicKey, private pkcs11.ObjectHandle) error {
	sealed, err := rsa.EncryptOAEP(sha256.New(), reader{}, open, message, nil)
	if err != nil {
		return err
	}
	params := pkcs11.NewOAEPParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256,
		pkcs11.CKZ_DATA_SPECIFIED, nil)
	err = u.DecryptInit(u.session, mechanism(pkcs11.CKM_RSA_PKCS_OAEP, params), private)
	if err != nil {
		return err
	}
	opened, err := u.Decrypt(u.session, sealed)
	if err != nil {
		return err
	}
	return same(opened, message)
}

// --- elliptic curves ----------------------------------------------------------------------------

func (u user) ec() {
	p256, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	must("miekg: the curve's name", err)
	public, private, err := u.GenerateKeyPair(u.session,
		mechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil),
		[]*pkcs11.Attribute{
			attribute(pkcs11.CKA_TOKEN, true),
			attribute(pkcs11.CKA_EC_PARAMS, p256),
		},
		[]*pkcs11.Attribute{attribute(pkcs11.CKA_TOKEN, true)})
	must("miekg: a P-256 pair is generated", err)
	encoded, err := u.attribute(public, pkcs11.CKA_EC_POINT)
	must("miekg: the point can be read", err)
	var point []byte
	_, err = asn1.Unmarshal(encoded, &point)
	must("miekg: the point is an octet string", err)
	x, y := elliptic.Unmarshal(elliptic.P256(), point)
	open := &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}

	signature, err := u.sign(private, pkcs11.CKM_ECDSA_SHA256, nil)
	digest := sha256.Sum256(message)
	if err == nil && !ecdsa.Verify(open, digest[:],
		new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		err = errors.New("it does not")
	}
	check("miekg: Go verifies an ECDSA signature", err)
}

// --- an import with an expiry -------------------------------------------------------------------

func (u user) expiry() {
	template := func(second int64) []*pkcs11.Attribute {
		return []*pkcs11.Attribute{
			attribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
			attribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			attribute(pkcs11.CKA_TOKEN, true),
			attribute(pkcs11.CKA_LABEL, "go-lease"),
			attribute(pkcs11.CKA_VALUE, make([]byte, 32)),
			attribute(ckaKeysteadExpiresAt, uint(second)),
		}
	}
	key, err := u.CreateObject(u.session, template(time.Now().Unix()+3))
	check("miekg: a key is imported with an expiry", err)
	check("miekg: it works before", u.gcm(key))
	metadata, err := u.find(attribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA),
		attribute(pkcs11.CKA_LABEL, "go-lease"))
	check("miekg: its metadata is found", err)
	check("miekg: its metadata says that it has expired", u.expires(metadata))
	check("miekg: its handle is invalid after",
		refused(u.gcm(key), pkcs11.CKR_KEY_HANDLE_INVALID))
	_, err = u.CreateObject(u.session, template(time.Now().Unix()-2))
	check("miekg: an expiry in the past is refused",
		refused(err, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID))
	_, err = u.CreateObject(u.session, template(0))
	check("miekg: the same material comes back for good", err)
}

// expires waits until a custom key says that its material has expired.
func (u user) expires(metadata pkcs11.ObjectHandle) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		state, err := u.attribute(metadata, ckaKeysteadMaterialState)
		switch {
		case err != nil:
			return err
		case state[0] == materialExpired:
			return nil
		case time.Now().After(deadline):
			return errors.New("it does not within ten seconds")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

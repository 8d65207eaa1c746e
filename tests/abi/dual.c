/* Two operations in one call, signatures that give their data back, and states that are saved:
 * what of the 2.40 list no client library offers. */
#include "abi.h"

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE s;
static CK_BYTE iv[16] = "sixteen bytes ok", text[64] = "a text of four blocks, which is taken in parts";
static CK_MECHANISM cbc = {CKM_AES_CBC, iv, 16}, sha = {CKM_SHA256, NULL, 0},
                    cmac = {CKM_AES_CMAC, NULL, 0}, pkcs1 = {CKM_RSA_PKCS, NULL, 0},
                    bare = {CKM_RSA_X_509, NULL, 0};

static void expect(CK_BYTE sealed[64], CK_BYTE digest[32], CK_BYTE mac[16], CK_OBJECT_HANDLE key)
{
    CK_ULONG length = 64;
    must(p11->C_EncryptInit(s, &cbc, key), "C_EncryptInit");
    must(p11->C_Encrypt(s, text, 64, sealed, &length), "C_Encrypt");
    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    must(p11->C_Digest(s, text, 64, digest, (length = 32, &length)), "C_Digest");
    must(p11->C_SignInit(s, &cmac, key), "C_SignInit");
    must(p11->C_Sign(s, text, 64, mac, (length = 16, &length)), "C_Sign");
}

static void dual(CK_OBJECT_HANDLE key)
{
    CK_BYTE sealed[64], digest[32], mac[16], out[64], result[32];
    CK_ULONG length, both = 0;
    expect(sealed, digest, mac, key);

    must(p11->C_EncryptInit(s, &cbc, key), "C_EncryptInit");
    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    gives(p11->C_DigestEncryptUpdate(s, text, 16, NULL, &length), CKR_OK,
          "C_DigestEncryptUpdate tells a length, and digests nothing yet");
    length = 15;
    gives(p11->C_DigestEncryptUpdate(s, text, 16, out, &length), CKR_BUFFER_TOO_SMALL,
          "nor where the buffer is short");
    for (both = 0; both < 64; both += length)
        must(p11->C_DigestEncryptUpdate(s, text + both, 16, out + both, (length = 16, &length)),
             "C_DigestEncryptUpdate");
    must(p11->C_EncryptFinal(s, result, (length = 32, &length)), "C_EncryptFinal");
    must(p11->C_DigestFinal(s, result, (length = 32, &length)), "C_DigestFinal");
    check(memcmp(out, sealed, 64) == 0 && memcmp(result, digest, 32) == 0,
          "C_DigestEncryptUpdate does what two calls do");

    must(p11->C_DecryptInit(s, &cbc, key), "C_DecryptInit");
    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    memcpy(out, sealed, 64);
    must(p11->C_DecryptDigestUpdate(s, out, 64, out, (length = 64, &length)),
         "C_DecryptDigestUpdate over itself");
    must(p11->C_DecryptFinal(s, result, (length = 32, &length)), "C_DecryptFinal");
    must(p11->C_DigestFinal(s, result, (length = 32, &length)), "C_DigestFinal");
    check(memcmp(out, text, 64) == 0 && memcmp(result, digest, 32) == 0,
          "C_DecryptDigestUpdate digests what comes out");

    must(p11->C_EncryptInit(s, &cbc, key), "C_EncryptInit");
    must(p11->C_SignInit(s, &cmac, key), "C_SignInit");
    must(p11->C_SignEncryptUpdate(s, text, 64, out, (length = 64, &length)),
         "C_SignEncryptUpdate");
    must(p11->C_EncryptFinal(s, result, (length = 32, &length)), "C_EncryptFinal");
    must(p11->C_SignFinal(s, result, (length = 16, &length)), "C_SignFinal");
    check(memcmp(out, sealed, 64) == 0 && memcmp(result, mac, 16) == 0,
          "C_SignEncryptUpdate does what two calls do");

    for (int good = 1; good >= 0; good--) {
        must(p11->C_DecryptInit(s, &cbc, key), "C_DecryptInit");
        must(p11->C_VerifyInit(s, &cmac, key), "C_VerifyInit");
        must(p11->C_DecryptVerifyUpdate(s, sealed, 64, out, (length = 64, &length)),
             "C_DecryptVerifyUpdate");
        must(p11->C_DecryptFinal(s, result, (length = 32, &length)), "C_DecryptFinal");
        mac[0] ^= !good;
        gives(p11->C_VerifyFinal(s, mac, 16), good ? CKR_OK : CKR_SIGNATURE_INVALID,
              "C_DecryptVerifyUpdate verifies what comes out");
    }

    must(p11->C_EncryptInit(s, &cbc, key), "C_EncryptInit");
    gives(p11->C_DigestEncryptUpdate(s, text, 16, out, (length = 16, &length)),
          CKR_OPERATION_NOT_INITIALIZED, "one of two operations is not enough");
    gives(p11->C_EncryptUpdate(s, text, 16, out, (length = 16, &length)),
          CKR_OPERATION_NOT_INITIALIZED, "and ends");
}

static void recover(CK_OBJECT_HANDLE public_key, CK_OBJECT_HANDLE private_key)
{
    CK_BYTE signature[256], data[256];
    CK_ULONG length = 0;
    must(p11->C_SignRecoverInit(s, &pkcs1, private_key), "C_SignRecoverInit");
    gives(p11->C_SignRecover(s, text, 30, NULL, &length), CKR_OK, "the signature's length is told");
    must(p11->C_SignRecover(s, text, 30, signature, (length = 256, &length)), "C_SignRecover");
    must(p11->C_VerifyInit(s, &pkcs1, public_key), "C_VerifyInit");
    gives(p11->C_Verify(s, text, 30, signature, length), CKR_OK,
          "a signature with recovery is one that verifies");
    must(p11->C_VerifyRecoverInit(s, &pkcs1, public_key), "C_VerifyRecoverInit");
    gives(p11->C_VerifyRecover(s, signature, 256, data, (length = 10, &length)),
          CKR_BUFFER_TOO_SMALL, "recovered data that does not fit is kept");
    gives(p11->C_VerifyRecover(s, signature, 256, data, &length), CKR_OK, "for the next call");
    check(length == 30 && memcmp(data, text, 30) == 0, "and is the data");
    signature[5] ^= 1;
    must(p11->C_VerifyRecoverInit(s, &pkcs1, public_key), "C_VerifyRecoverInit");
    gives(p11->C_VerifyRecover(s, signature, 256, data, (length = 256, &length)),
          CKR_SIGNATURE_INVALID, "another signature gives nothing back");
    gives(p11->C_VerifyRecover(s, signature, 256, data, &length), CKR_OPERATION_NOT_INITIALIZED,
          "and ends the operation");

    must(p11->C_SignRecoverInit(s, &bare, private_key), "C_SignRecoverInit bare");
    must(p11->C_SignRecover(s, text, 64, signature, (length = 256, &length)), "C_SignRecover");
    must(p11->C_VerifyRecoverInit(s, &bare, public_key), "C_VerifyRecoverInit bare");
    must(p11->C_VerifyRecover(s, signature, 256, data, (length = 256, &length)),
         "C_VerifyRecover");
    check(length == 256 && memcmp(data + 192, text, 64) == 0, "a bare block comes back whole");
    gives(p11->C_SignRecoverInit(s, &sha, private_key), CKR_MECHANISM_INVALID,
          "a mechanism that gives nothing back");

    must(p11->C_SignRecoverInit(s, &pkcs1, private_key), "C_SignRecoverInit");
    CK_ATTRIBUTE never = {CKA_SIGN_RECOVER, &no, sizeof no};
    must(p11->C_SetAttributeValue(s, private_key, &never, 1), "C_SetAttributeValue");
    gives(p11->C_SignRecover(s, text, 30, signature, (length = 256, &length)),
          CKR_KEY_FUNCTION_NOT_PERMITTED, "a key that may not any more");
    gives(p11->C_SignRecoverInit(s, &pkcs1, private_key), CKR_KEY_FUNCTION_NOT_PERMITTED,
          "nor at an Init");
    must(p11->C_VerifyRecoverInit(s, &pkcs1, public_key), "C_VerifyRecoverInit");
    must(p11->C_DestroyObject(s, public_key), "C_DestroyObject");
    gives(p11->C_VerifyRecover(s, signature, 256, data, (length = 256, &length)),
          CKR_KEY_HANDLE_INVALID, "a key that is destroyed meanwhile");
}

/* Both operations of one call end with the key of one. */
static void dual_with_a_destroyed_key(CK_OBJECT_HANDLE key)
{
    CK_BYTE out[64];
    CK_ULONG length = 64;
    must(p11->C_EncryptInit(s, &cbc, key), "C_EncryptInit");
    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    must(p11->C_DigestEncryptUpdate(s, text, 16, out, &length), "C_DigestEncryptUpdate");
    must(p11->C_DestroyObject(s, key), "C_DestroyObject");
    gives(p11->C_DigestEncryptUpdate(s, text, 16, out, (length = 64, &length)),
          CKR_KEY_HANDLE_INVALID, "no part of two operations with a destroyed key");
    gives(p11->C_EncryptFinal(s, out, (length = 64, &length)), CKR_OPERATION_NOT_INITIALIZED,
          "the encryption has ended");
    must(p11->C_DigestFinal(s, out, (length = 64, &length)), "C_DigestFinal");
}

/* The state of a digest goes on in another session, and no other state leaves. */
static void states(CK_OBJECT_HANDLE key)
{
    CK_BYTE state[512], again[512], whole[32], out[32];
    CK_ULONG length = sizeof state, size = sizeof whole, more = sizeof again;
    CK_MECHANISM sha3 = {0x2b0UL /* CKM_SHA3_256 */, NULL, 0};
    CK_SESSION_HANDLE first = s, other = open_session(p11), reading = 0;
    gives(p11->C_GetOperationState(s, state, &length), CKR_OPERATION_NOT_INITIALIZED,
          "no operation, no state");
    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    must(p11->C_Digest(s, text, 64, whole, &size), "C_Digest");

    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    must(p11->C_DigestUpdate(s, text, 19), "C_DigestUpdate");
    gives(p11->C_GetOperationState(s, NULL, NULL), CKR_ARGUMENTS_BAD, "a state has a length");
    gives(p11->C_GetOperationState(s, NULL, &length), CKR_OK, "which is told");
    gives(p11->C_GetOperationState(s, state, (more = length - 1, &more)), CKR_BUFFER_TOO_SMALL,
          "a state needs its room");
    check(more == length, "and says how much that is");
    gives(p11->C_GetOperationState(s, state, &length), CKR_OK, "a digest's state is saved");
    must(p11->C_DigestUpdate(s, text + 19, 45), "C_DigestUpdate");
    gives(p11->C_DigestFinal(s, out, &size), CKR_OK, "and the digest goes on");
    check(memcmp(out, whole, 32) == 0, "to its end");

    must(p11->C_EncryptInit(other, &cbc, key), "C_EncryptInit");
    gives(p11->C_SetOperationState(other, state, length, key, 0), CKR_KEY_NOT_NEEDED, "no key is needed");
    gives(p11->C_SetOperationState(other, state, length, 0, key), CKR_KEY_NOT_NEEDED, "of either kind");
    for (CK_ULONG i = 0; i < length; i++) {
        state[i] ^= 1;
        if (p11->C_SetOperationState(other, state, length, 0, 0) != CKR_SAVED_STATE_INVALID)
            gives(CKR_OK, CKR_SAVED_STATE_INVALID, "a state with another bit is none");
        state[i] ^= 1;
    }
    gives(p11->C_SetOperationState(other, state, length - 1, 0, 0), CKR_SAVED_STATE_INVALID,
          "nor is one that was cut");
    gives(p11->C_SetOperationState(other, state, 0, 0, 0), CKR_SAVED_STATE_INVALID, "nor are no bytes");
    must(p11->C_EncryptUpdate(other, text, 16, again, (more = 64, &more)), "the encryption goes on");
    must(p11->C_OpenSession(first_slot(p11), CKF_SERIAL_SESSION, NULL, NULL, &reading), "C_OpenSession");
    gives(p11->C_SetOperationState(reading, state, length, 0, 0), CKR_SAVED_STATE_INVALID,
          "a state is not another kind of session's");
    for (int round = 0; round < 2; round++) {
        gives(p11->C_SetOperationState(other, state, length, 0, 0), CKR_OK,
              "a state goes on in another session");
        gives(p11->C_EncryptFinal(other, again, (more = 64, &more)), CKR_OPERATION_NOT_INITIALIZED,
              "whose operations have ended");
        gives(p11->C_Digest(other, text, 1, out, &size), CKR_OPERATION_ACTIVE, "in parts, as it was");
        must(p11->C_SetOperationState(other, state, length, 0, 0), "C_SetOperationState");
        must(p11->C_DigestUpdate(other, text + 19, 45), "C_DigestUpdate");
        must(p11->C_DigestFinal(other, out, &size), "C_DigestFinal");
        check(memcmp(out, whole, 32) == 0, "to the same digest");
    }

    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    must(p11->C_EncryptInit(s, &cbc, key), "C_EncryptInit");
    gives(p11->C_GetOperationState(s, state, (length = sizeof state, &length)), CKR_STATE_UNSAVEABLE,
          "nothing is saved beside an encryption");
    must(p11->C_EncryptInit(s, NULL, 0), "the end of the encryption");
    gives(p11->C_GetOperationState(s, state, &length), CKR_OK, "a digest without data is");
    must(p11->C_DigestKey(s, key), "C_DigestKey");
    gives(p11->C_GetOperationState(s, again, (more = sizeof again, &more)), CKR_STATE_UNSAVEABLE,
          "but none that a key has gone into");
    must(p11->C_SetOperationState(s, state, length, 0, 0), "C_SetOperationState");
    gives(p11->C_Digest(s, text, 64, out, &size), CKR_OK, "what has taken no data takes all of it");
    check(memcmp(out, whole, 32) == 0, "to the same digest");
    must(p11->C_EncryptInit(s, &cbc, key), "C_EncryptInit");
    gives(p11->C_GetOperationState(s, state, (length = sizeof state, &length)), CKR_STATE_UNSAVEABLE,
          "no encryption's state leaves");
    must(p11->C_EncryptInit(s, NULL, 0), "the end of the encryption");
    must(p11->C_DigestInit(s, &sha3), "C_DigestInit");
    gives(p11->C_GetOperationState(s, state, &length), CKR_STATE_UNSAVEABLE, "nor does that of SHA-3");
    must(p11->C_DigestInit(first, NULL), "the end of the digest");
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    s = make_token(p11);
    dual(generate(p11, s, "both", &no));
    dual_with_a_destroyed_key(generate(p11, s, "destroyed", &no));

    CK_MECHANISM pairgen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 2048;
    CK_ATTRIBUTE template = {CKA_MODULUS_BITS, &bits, sizeof bits};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    must(p11->C_GenerateKeyPair(s, &pairgen, &template, 1, NULL, 0, &public_key, &private_key),
         "C_GenerateKeyPair");
    recover(public_key, private_key);
    states(generate(p11, s, "saved", &no));
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

/* The interface of PKCS#11 3.2, found as a client finds it and called through its list. Functions and
 * constants are newer than p11-kit's header. */
#include "abi.h"

#define SESSION_ASYNC_NOT_SUPPORTED 0x205UL
#define ASYNC_SESSION 8UL
#define LAST_VALIDATION_OK 1UL

/* The functions of CK_FUNCTION_LIST_3_2 in their order (pkcs11f.h of 3.2). */
static const char *const names[] = {
    "C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList",
    "C_GetSlotInfo", "C_GetTokenInfo", "C_GetMechanismList", "C_GetMechanismInfo", "C_InitToken",
    "C_InitPIN", "C_SetPIN", "C_OpenSession", "C_CloseSession", "C_CloseAllSessions",
    "C_GetSessionInfo", "C_GetOperationState", "C_SetOperationState", "C_Login", "C_Logout",
    "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_GetObjectSize",
    "C_GetAttributeValue", "C_SetAttributeValue", "C_FindObjectsInit", "C_FindObjects",
    "C_FindObjectsFinal", "C_EncryptInit", "C_Encrypt", "C_EncryptUpdate", "C_EncryptFinal",
    "C_DecryptInit", "C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal", "C_DigestInit",
    "C_Digest", "C_DigestUpdate", "C_DigestKey", "C_DigestFinal", "C_SignInit", "C_Sign",
    "C_SignUpdate", "C_SignFinal", "C_SignRecoverInit", "C_SignRecover", "C_VerifyInit",
    "C_Verify", "C_VerifyUpdate", "C_VerifyFinal", "C_VerifyRecoverInit", "C_VerifyRecover",
    "C_DigestEncryptUpdate", "C_DecryptDigestUpdate", "C_SignEncryptUpdate",
    "C_DecryptVerifyUpdate", "C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey",
    "C_DeriveKey", "C_SeedRandom", "C_GenerateRandom", "C_GetFunctionStatus", "C_CancelFunction",
    "C_WaitForSlotEvent", "C_GetInterfaceList", "C_GetInterface", "C_LoginUser",
    "C_SessionCancel", "C_MessageEncryptInit", "C_EncryptMessage", "C_EncryptMessageBegin",
    "C_EncryptMessageNext", "C_MessageEncryptFinal", "C_MessageDecryptInit", "C_DecryptMessage",
    "C_DecryptMessageBegin", "C_DecryptMessageNext", "C_MessageDecryptFinal",
    "C_MessageSignInit", "C_SignMessage", "C_SignMessageBegin", "C_SignMessageNext",
    "C_MessageSignFinal", "C_MessageVerifyInit", "C_VerifyMessage", "C_VerifyMessageBegin",
    "C_VerifyMessageNext", "C_MessageVerifyFinal", "C_EncapsulateKey", "C_DecapsulateKey",
    "C_VerifySignatureInit", "C_VerifySignature", "C_VerifySignatureUpdate",
    "C_VerifySignatureFinal", "C_GetSessionValidationFlags", "C_AsyncComplete", "C_AsyncGetID",
    "C_AsyncJoin", "C_WrapKeyAuthenticated", "C_UnwrapKeyAuthenticated",
};

static struct list {
    CK_VERSION version;
    any functions[COUNT(names)];
} *list;
static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE s;
static CK_BYTE text[40] = "what is signed, and then told in parts";

static any function(const char *name)
{
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return list->functions[i];
    must(CKR_GENERAL_ERROR, name);
    return NULL;
}
#define CALL(name, ...) function(#name)(s, __VA_ARGS__)
#define FINAL(name) function(#name)(s)

/* Finds the list of 3.2 through C_GetInterface, and compares it with what the module exports. */
static void interface(void *library)
{
    struct { char *name; struct list *list; CK_FLAGS flags; } *found = NULL;
    CK_VERSION version = {3, 2};
    CK_RV (*get)(const char *, CK_VERSION *, void *, CK_FLAGS);
    int others = 0;
    *(void **)&get = dlsym(library, "C_GetInterface");
    must(get ? get("PKCS 11", &version, &found, 0) : CKR_GENERAL_ERROR, "C_GetInterface");
    list = found->list;
    check(list->version.major == 3 && list->version.minor == 2, "the list of 3.2 says that it is one");
    for (size_t i = 0; i < COUNT(names); i++)
        others += *(void **)&list->functions[i] != dlsym(library, names[i]);
    check(others == 0, "each of its %zu functions is the one that its place is for", COUNT(names));
    struct { char *name; struct list *list; CK_FLAGS flags; } *unnamed = NULL, all[9];
    CK_RV (*get_list)(void *, CK_ULONG *);
    CK_ULONG count = COUNT(all);
    *(void **)&get_list = dlsym(library, "C_GetInterfaceList");
    must(get(NULL, NULL, &unnamed, 0), "C_GetInterface");
    check(unnamed->list == list, "a caller that names no version has the list of 3.2");
    must(get_list ? get_list(all, &count) : CKR_GENERAL_ERROR, "C_GetInterfaceList");
    check(count == 4 && all[0].list == list, "it is the first of those that there are");
}

/* Verifies a signature of the text that a key has just made, told before the text. */
static void verified(CK_MECHANISM *by, CK_OBJECT_HANDLE signs, CK_OBJECT_HANDLE key)
{
    CK_BYTE signature[512];
    CK_ULONG length = sizeof signature;
    must(p11->C_SignInit(s, by, signs), "C_SignInit");
    must(p11->C_Sign(s, text, sizeof text, signature, &length), "C_Sign");
    must(CALL(C_VerifySignatureInit, by, key, signature, length), "C_VerifySignatureInit");
    gives(CALL(C_VerifySignatureInit, by, key, signature, length), CKR_OPERATION_ACTIVE,
          "a verification is begun once");
    gives(CALL(C_VerifySignature, text, (CK_ULONG)sizeof text), CKR_OK, "a signature told first is valid");
    gives(CALL(C_VerifySignature, text, (CK_ULONG)sizeof text), CKR_OPERATION_NOT_INITIALIZED,
          "and that ends it");

    must(CALL(C_VerifySignatureInit, by, key, signature, length), "C_VerifySignatureInit");
    memset(signature, 0, sizeof signature); /* the module has its own copy */
    for (CK_ULONG i = 0; i < sizeof text; i += 8)
        must(CALL(C_VerifySignatureUpdate, text + i, 8UL), "C_VerifySignatureUpdate");
    gives(FINAL(C_VerifySignatureFinal), CKR_OK, "so it is of data in parts");
    gives(FINAL(C_VerifySignatureFinal), CKR_OPERATION_NOT_INITIALIZED, "and that ends it");

    must(CALL(C_VerifySignatureInit, by, key, signature, length), "C_VerifySignatureInit");
    gives(CALL(C_VerifySignature, text, (CK_ULONG)sizeof text), CKR_SIGNATURE_INVALID,
          "another signature is not valid");
    must(CALL(C_VerifySignatureInit, by, key, signature, length), "C_VerifySignatureInit");
    must(CALL(C_VerifySignatureUpdate, text, 8UL), "C_VerifySignatureUpdate");
    gives(CALL(C_VerifySignature, text, 8UL), CKR_OPERATION_ACTIVE, "parts are not ended by a whole");
    gives(FINAL(C_VerifySignatureFinal), CKR_OPERATION_NOT_INITIALIZED, "and end with the mistake");
    must(CALL(C_VerifySignatureInit, by, key, signature, length - 1), "C_VerifySignatureInit");
    gives(CALL(C_VerifySignature, text, (CK_ULONG)sizeof text), CKR_SIGNATURE_LEN_RANGE,
          "a signature of a wrong length is told so with the data");
}

/* The verification is an operation of its own, beside the one that is told the signature last. */
static void beside_others(CK_MECHANISM *by, CK_OBJECT_HANDLE key)
{
    CK_BYTE mac[32];
    CK_ULONG length = sizeof mac;
    must(p11->C_SignInit(s, by, key), "C_SignInit");
    must(p11->C_Sign(s, text, sizeof text, mac, &length), "C_Sign");
    must(CALL(C_VerifySignatureInit, by, key, mac, length), "C_VerifySignatureInit");
    gives(p11->C_VerifyInit(s, by, key), CKR_OK, "C_VerifyInit begins one beside it");
    gives(p11->C_Verify(s, text, sizeof text, mac, length), CKR_OK, "which ends for itself");
    gives(CALL(C_VerifySignature, text, (CK_ULONG)sizeof text), CKR_OK, "as the other does");

    must(CALL(C_VerifySignatureInit, by, key, mac, length), "C_VerifySignatureInit");
    gives(CALL(C_VerifySignatureInit, NULL, 0UL, NULL, 0UL), CKR_OK, "an Init without a mechanism ends it");
    gives(FINAL(C_VerifySignatureFinal), CKR_OPERATION_NOT_INITIALIZED, "and nothing is left");
    must(CALL(C_VerifySignatureInit, by, key, mac, length), "C_VerifySignatureInit");
    gives(CALL(C_SessionCancel, (CK_FLAGS)CKF_VERIFY), CKR_OK, "C_SessionCancel ends it");
    gives(FINAL(C_VerifySignatureFinal), CKR_OPERATION_NOT_INITIALIZED, "and nothing is left");
    gives(CALL(C_VerifySignatureInit, by, key, NULL, 4UL), CKR_ARGUMENTS_BAD,
          "a signature that is not there is refused");
    gives(FINAL(C_VerifySignatureFinal), CKR_OPERATION_NOT_INITIALIZED, "and begins nothing");
}

static void signatures(void)
{
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0},
                 secret = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0}, ecdsa = {CKM_ECDSA_SHA256, NULL, 0},
                 pkcs = {CKM_SHA256_RSA_PKCS, NULL, 0}, hmac = {CKM_SHA256_HMAC, NULL, 0},
                 digest = {CKM_SHA256, NULL, 0};
    CK_BYTE p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    CK_ULONG bits = 2048, size = 32;
    CK_ATTRIBUTE of_ec = {CKA_EC_PARAMS, p256, sizeof p256}, of_rsa = {CKA_MODULUS_BITS, &bits, sizeof bits},
                 of_secret[] = {{CKA_VALUE_LEN, &size, sizeof size}, {CKA_SIGN, &yes, 1}},
                 of_both[] = {{CKA_VALUE_LEN, &size, sizeof size}, {CKA_SIGN, &yes, 1}, {CKA_VERIFY, &yes, 1}};
    CK_OBJECT_HANDLE public_key, private_key, key, mute;
    must(p11->C_GenerateKeyPair(s, &ec, &of_ec, 1, NULL, 0, &public_key, &private_key), "a P-256 pair");
    verified(&ecdsa, private_key, public_key);
    gives(CALL(C_VerifySignatureInit, &ecdsa, private_key, text, 64UL), CKR_KEY_TYPE_INCONSISTENT,
          "a private key verifies nothing");
    must(p11->C_GenerateKeyPair(s, &rsa, &of_rsa, 1, NULL, 0, &public_key, &private_key), "an RSA pair");
    verified(&pkcs, private_key, public_key);
    must(p11->C_GenerateKey(s, &secret, of_both, COUNT(of_both), &key), "a secret");
    verified(&hmac, key, key);
    beside_others(&hmac, key);
    must(p11->C_GenerateKey(s, &secret, of_secret, COUNT(of_secret), &mute), "a secret that only signs");
    gives(CALL(C_VerifySignatureInit, &hmac, mute, text, 32UL), CKR_KEY_FUNCTION_NOT_PERMITTED,
          "a key without CKA_VERIFY verifies nothing");
    gives(CALL(C_VerifySignatureInit, &digest, key, text, 32UL), CKR_MECHANISM_INVALID,
          "nor does a mechanism that does not");
}

typedef gcm_message message;

static CK_OBJECT_HANDLE made_aes(CK_BBOOL *wraps, CK_BBOOL *unwraps, CK_BBOOL *leaves)
{
    CK_MECHANISM keygen = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG size = 32;
    CK_ATTRIBUTE template[] = {{CKA_VALUE_LEN, &size, sizeof size}, {CKA_WRAP, wraps, 1},
                               {CKA_UNWRAP, unwraps, 1}, {CKA_EXTRACTABLE, leaves, 1}, {CKA_SENSITIVE, &yes, 1}};
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(s, &keygen, template, leaves == &yes ? 4 : 5, &key), "C_GenerateKey");
    return key;
}

static void authenticated_wrapping(void)
{
    CK_BYTE iv[12] = {0}, tag[16] = {0}, before[12], wrapped[64], sealed[48], aad[] = "for this purpose";
    CK_ULONG length = 0, aad_len = sizeof aad;
    message m = {iv, 12, 0, GENERATE, tag, 128};
    CK_MECHANISM gcm = {CKM_AES_GCM, &m, sizeof m}, ccm = {CKM_AES_CCM, &m, sizeof m}, kw = {CKM_AES_KEY_WRAP, NULL, 0},
                 keygen = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE by = made_aes(&yes, &yes, &no), back = 0, again = 0, key = 0;
    CK_BYTE block[16], other[16];
    CK_ULONG size = 32;
    CK_ATTRIBUTE of_key[] = {{CKA_VALUE_LEN, &size, sizeof size}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}},
                 template[] = {{CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes}},
                 custom[] = {template[0], template[1], {CKA_TOKEN, &yes, 1}, {CKA_LABEL, "carried", 7}};
    must(p11->C_GenerateKey(s, &keygen, of_key, COUNT(of_key), &key), "C_GenerateKey");
    must(encrypt_block(p11, s, key, block), "C_Encrypt");

    gives(CALL(C_WrapKeyAuthenticated, &gcm, by, key, aad, aad_len, NULL, &length), CKR_OK,
          "the length of a wrapped key is told");
    check(length == 32 && memcmp(iv, "\0\0\0\0\0\0\0\0\0\0\0", 12) == 0, "which is the key's, and makes no IV");
    gives(CALL(C_WrapKeyAuthenticated, &gcm, by, key, aad, aad_len, wrapped, (length = 31, &length)),
          CKR_BUFFER_TOO_SMALL, "a short buffer is told it too");
    gives(CALL(C_WrapKeyAuthenticated, &gcm, by, key, aad, aad_len, wrapped, &length), CKR_OK,
          "a key is wrapped beside associated data");
    check(length == 32 && memcmp(iv, "\0\0\0\0\0\0\0\0\0\0\0", 12) != 0, "under an IV of the token's");
    memcpy(before, iv, 12);
    memcpy(sealed, wrapped, 32);
    memcpy(sealed + 32, tag, 16);

    m.generator = GENERATE_COUNTER_XOR; /* ignored */
    m.fixed_bits = 7;
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, template, 2UL, aad, aad_len, &back), CKR_OK,
          "it is unwrapped with IV and tag from the parameter");
    must(encrypt_block(p11, s, back, other), "C_Encrypt");
    check(memcmp(block, other, 16) == 0, "to the same key");
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, template, 2UL, aad, aad_len - 1, &back),
          CKR_WRAPPED_KEY_INVALID, "not beside other data");
    tag[15] ^= 1;
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, template, 2UL, aad, aad_len, &back),
          CKR_WRAPPED_KEY_INVALID, "nor with another tag");
    tag[15] ^= 1, iv[0] ^= 1;
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, template, 2UL, aad, aad_len, &back),
          CKR_WRAPPED_KEY_INVALID, "nor with another IV");
    iv[0] ^= 1;
    m.tag_bits = 64;
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, template, 2UL, aad, aad_len, &back),
          CKR_MECHANISM_PARAM_INVALID, "nor with a tag that can be guessed");
    m.tag_bits = 128;
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 0UL, template, 2UL, aad, aad_len, &back),
          CKR_WRAPPED_KEY_LEN_RANGE, "no key has no length");

    /* A custom key's material comes so, and only the same comes again. */
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, custom, 4UL, aad, aad_len, &back), CKR_OK,
          "a custom key's material is imported beside associated data");
    must(encrypt_block(p11, s, back, other), "C_Encrypt");
    check(memcmp(block, other, 16) == 0, "to the same key");
    must(p11->C_DestroyObject(s, back), "C_DestroyObject");
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, custom, 4UL, aad, aad_len, &again), CKR_OK,
          "and again when it was deleted");
    check(again != back, "as a new object");

    m = (message){iv, 12, 0, GENERATE, tag, 128};
    must(p11->C_GenerateKey(s, &keygen, of_key, COUNT(of_key), &key), "C_GenerateKey");
    must(CALL(C_WrapKeyAuthenticated, &gcm, by, key, aad, aad_len, wrapped, (length = 64, &length)),
         "C_WrapKeyAuthenticated");
    check(memcmp(before, iv, 12) != 0, "each key has an IV of its own");
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, 32UL, custom, 4UL, aad, aad_len, &back),
          CKR_TEMPLATE_INCONSISTENT, "other material does not come into the custom key");

    /* What is no wrapping: a chosen IV, part of one, no room, another mechanism, a key that does more. */
    static const struct { CK_ULONG generator, fixed, len; } wrong[] = {
        {NO_GENERATE, 0, 12}, {GENERATE_COUNTER_XOR, 0, 12}, {9, 0, 12}, {GENERATE, 32, 12},
        {GENERATE, 0, 8}, {GENERATE, 0, 0}, {GENERATE, 0, 300},
    };
    CK_BYTE longer[300];
    for (size_t i = 0; i < COUNT(wrong); i++) {
        m = (message){longer, wrong[i].len, wrong[i].fixed, wrong[i].generator, tag, 128};
        gives(CALL(C_WrapKeyAuthenticated, &gcm, by, key, aad, aad_len, wrapped, (length = 64, &length)),
              CKR_MECHANISM_PARAM_INVALID, "the token makes the IV, and all of it");
    }
    m = (message){iv, 12, 0, GENERATE_RANDOM, tag, 95};
    gives(CALL(C_WrapKeyAuthenticated, &gcm, by, key, aad, aad_len, wrapped, &length),
          CKR_MECHANISM_PARAM_INVALID, "a tag has whole bytes");
    m.tag_bits = 96;
    gives(CALL(C_WrapKeyAuthenticated, &gcm, by, key, NULL, 0UL, wrapped, &length), CKR_OK,
          "a tag of 96 bits and no associated data will do");
    gives(CALL(C_UnwrapKeyAuthenticated, &gcm, by, wrapped, length, template, 2UL, NULL, 0UL, &back), CKR_OK,
          "and open");
    m.tag_bits = 128;
    gives(CALL(C_WrapKeyAuthenticated, &kw, by, key, aad, aad_len, wrapped, &length), CKR_MECHANISM_INVALID,
          "a mechanism without associated data does not wrap beside any");
    gives(CALL(C_WrapKeyAuthenticated, &ccm, by, key, aad, aad_len, wrapped, &length), CKR_MECHANISM_INVALID,
          "CCM wraps no keys");
    gives(CALL(C_WrapKeyAuthenticated, NULL, by, key, aad, aad_len, wrapped, &length), CKR_ARGUMENTS_BAD,
          "a mechanism there must be");
    gives(CALL(C_WrapKeyAuthenticated, &gcm, by, key, NULL, 5UL, wrapped, &length), CKR_ARGUMENTS_BAD,
          "and the data that is announced");
    gives(CALL(C_WrapKeyAuthenticated, &gcm, by, by, aad, aad_len, wrapped, &length), CKR_KEY_UNEXTRACTABLE,
          "a key that stays is not wrapped");
    gives(CALL(C_WrapKeyAuthenticated, &gcm, generate(p11, s, "all", &no), key, aad, aad_len, wrapped,
               (length = 64, &length)), CKR_KEY_NOT_WRAPPABLE, "a key that decrypts wraps nothing sensitive");

    /* C_UnwrapKey opens the same with the tag behind it: the mechanism is one. */
    CK_GCM_PARAMS whole = {.iv_ptr = before, .iv_len = 12, .aad_ptr = aad, .aad_len = aad_len, .tag_bits = 128};
    CK_MECHANISM gcm_whole = {CKM_AES_GCM, &whole, sizeof whole};
    gives(p11->C_UnwrapKey(s, &gcm_whole, by, sealed, 48, template, 2, &back), CKR_OK,
          "C_UnwrapKey opens it with the tag behind the key");
    gives(p11->C_WrapKey(s, &gcm_whole, by, key, wrapped, (length = 64, &length)), CKR_MECHANISM_PARAM_INVALID,
          "but wraps under no IV of the caller's");
}

static void sessions(void)
{
    CK_FLAGS flags = ~0UL;
    CK_SESSION_HANDLE more = 0;
    gives(CALL(C_GetSessionValidationFlags, LAST_VALIDATION_OK, &flags), CKR_OK,
          "a session tells its validation flags");
    check(flags == 0, "and there are none");
    gives(CALL(C_GetSessionValidationFlags, LAST_VALIDATION_OK, NULL), CKR_ARGUMENTS_BAD,
          "there must be a place for them");
    gives(CALL(C_GetSessionValidationFlags, 7UL, &flags), CKR_ARGUMENTS_BAD,
          "and it must be those of the last operation");
    gives(p11->C_OpenSession(first_slot(p11), CKF_SERIAL_SESSION | ASYNC_SESSION, NULL, NULL, &more),
          SESSION_ASYNC_NOT_SUPPORTED, "no session is asynchronous");
    gives(CALL(C_AsyncComplete, "C_Sign", NULL), CKR_FUNCTION_NOT_SUPPORTED, "so C_AsyncComplete is not served");
    gives(CALL(C_AsyncGetID, "C_Sign", &flags), CKR_FUNCTION_NOT_SUPPORTED, "nor is C_AsyncGetID");
    gives(CALL(C_AsyncJoin, "C_Sign", 0UL, text, 8UL), CKR_FUNCTION_NOT_SUPPORTED, "nor is C_AsyncJoin");
}

#define ML_KEM_KEY_PAIR_GEN 0x0FUL
#define ML_KEM 0x17UL
#define PARAMETER_SET 0x61DUL
#define ML_KEM_512 1UL

static void encapsulation(void)
{
    CK_MECHANISM generate = {ML_KEM_KEY_PAIR_GEN, NULL, 0}, kem = {ML_KEM, NULL, 0};
    CK_ULONG set = ML_KEM_512, length = 0;
    CK_ATTRIBUTE of_pair = {PARAMETER_SET, &set, sizeof set},
                 template[] = {{CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes}};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0, key = 7;
    CK_BYTE ciphertext[800];
    memset(ciphertext, 0x5A, sizeof ciphertext);
    must(p11->C_GenerateKeyPair(s, &generate, &of_pair, 1, NULL, 0, &public_key, &private_key), "an ML-KEM pair");
    CK_ULONG before = objects_found(p11, s);
    gives(CALL(C_EncapsulateKey, &kem, public_key, template, 2UL, NULL, &length, &key), CKR_OK,
          "the length of a ciphertext is told");
    check(length == 768 && key == 7 && objects_found(p11, s) == before, "and no key made");
    length = 767;
    gives(CALL(C_EncapsulateKey, &kem, public_key, template, 2UL, ciphertext, &length, &key), CKR_BUFFER_TOO_SMALL,
          "a short buffer is told it too");
    check(length == 768 && key == 7 && objects_found(p11, s) == before, "and no key made");
    check(ciphertext[0] == 0x5A && ciphertext[766] == 0x5A, "nor anything written");
    length = sizeof ciphertext;
    gives(CALL(C_EncapsulateKey, &kem, public_key, template, 2UL, ciphertext, &length, NULL), CKR_ARGUMENTS_BAD,
          "there must be a place for the key");
    gives(CALL(C_EncapsulateKey, &kem, public_key, template, 2UL, ciphertext, NULL, &key), CKR_ARGUMENTS_BAD,
          "and for the length");
    check(key == 7 && objects_found(p11, s) == before, "else none is made");
    length = sizeof ciphertext;
    gives(CALL(C_EncapsulateKey, &kem, public_key, template, 2UL, ciphertext, &length, &key), CKR_OK,
          "a key is encapsulated");
    check(length == 768 && key != 7 && objects_found(p11, s) == before + 1, "which is one");
    check(ciphertext[768] == 0x5A, "behind the ciphertext nothing is written");
    gives(CALL(C_DecapsulateKey, &kem, private_key, template, 2UL, ciphertext, 767UL, &key),
          CKR_WRAPPED_KEY_LEN_RANGE, "a shorter ciphertext is none");
    gives(CALL(C_DecapsulateKey, &kem, private_key, template, 2UL, NULL, 768UL, &key), CKR_ARGUMENTS_BAD,
          "nor is one that is not there");
    gives(CALL(C_DecapsulateKey, &kem, private_key, template, 2UL, ciphertext, length, NULL), CKR_ARGUMENTS_BAD,
          "there must be a place for this key too");
    check(objects_found(p11, s) == before + 1, "and none is made");
    gives(CALL(C_DecapsulateKey, &kem, private_key, template, 2UL, ciphertext, length, &key), CKR_OK,
          "the whole is decapsulated");
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    struct loaded it = load(arguments[1]);
    p11 = it.p11;
    interface(it.library);
    gives(function("C_VerifySignatureFinal")(1UL), CKR_CRYPTOKI_NOT_INITIALIZED,
          "before C_Initialize nothing of it works");
    must(initialize(p11), "C_Initialize");
    s = make_token(p11);
    sessions();
    signatures();
    authenticated_wrapping();
    encapsulation();
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

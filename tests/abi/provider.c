/* AES-GCM and ChaCha20-Poly1305 with the calls that pkcs11-provider makes (its cipher.c, for OpenSSL's EVP): the
 * parameter stands in the mechanism of the Init too, the associated data come once, each update is a whole
 * message whose room is OpenSSL's, and a context that is freed cancels by an Init without a mechanism. TLS 1.2
 * encrypts a record over itself, between its explicit IV and its tag. */
#include "abi.h"

typedef struct {
    CK_BYTE *nonce;
    CK_ULONG nonce_len;
    CK_BYTE *tag;
} chacha_message;

enum { TEXT = 100, ROOM = 128, FIXED = 4, EXPLICIT = 8, TAG = 16 };
#define CHACHA20_POLY1305 0x4021UL
#define CHACHA20_KEY_GEN 0x1225UL

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE s;
static void *library;
static CK_BYTE text[TEXT] = "what EVP_EncryptUpdate was given", aad[13] = "thirteenbytes";

#define CALL(name, ...) exported(library, #name)(s, __VA_ARGS__)
#define FINAL(name) exported(library, #name)(s)

/* EVP_EncryptInit, an update for the associated data, one for the text, the final, and the tag; and back. */
static void evp(const char *cipher, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key, CK_BYTE *tag)
{
    CK_BYTE sealed[ROOM], opened[ROOM];
    CK_ULONG length = ROOM;
    must(CALL(C_MessageEncryptInit, mechanism, key), "C_MessageEncryptInit");
    CK_RV rv = CALL(C_EncryptMessage, mechanism->pParameter, mechanism->ulParameterLen, aad, 13UL,
                    text, (CK_ULONG)TEXT, sealed, &length);
    check(rv == CKR_OK && length == TEXT, "%s encrypts an update as a message (0x%lx)", cipher, rv);
    must(FINAL(C_MessageEncryptFinal), "C_MessageEncryptFinal");

    length = ROOM;
    must(CALL(C_MessageDecryptInit, mechanism, key), "C_MessageDecryptInit");
    rv = CALL(C_DecryptMessage, mechanism->pParameter, mechanism->ulParameterLen, aad, 13UL, sealed,
              (CK_ULONG)TEXT, opened, &length);
    check(rv == CKR_OK && length == TEXT && memcmp(opened, text, TEXT) == 0,
          "%s decrypts it (0x%lx)", cipher, rv);
    must(FINAL(C_MessageDecryptFinal), "C_MessageDecryptFinal");

    length = ROOM;
    tag[0] ^= 1;
    must(CALL(C_MessageDecryptInit, mechanism, key), "C_MessageDecryptInit");
    rv = CALL(C_DecryptMessage, mechanism->pParameter, mechanism->ulParameterLen, aad, 13UL, sealed,
              (CK_ULONG)TEXT, opened, &length);
    check(rv == AEAD_DECRYPT_FAILED, "%s tells a wrong tag (0x%lx)", cipher, rv);
    rv = CALL(C_MessageDecryptInit, NULL, 0UL);
    check(rv == CKR_OK, "%s is cancelled by an Init without a mechanism (0x%lx)", cipher, rv);
    must(CALL(C_MessageDecryptInit, mechanism, key), "C_MessageDecryptInit after it");
    must(FINAL(C_MessageDecryptFinal), "C_MessageDecryptFinal");
}

/* What C_Encrypt makes of the text, the tag behind it, is what the messages gave. */
static void same(const char *cipher, CK_MECHANISM *whole, CK_MECHANISM *messages, CK_OBJECT_HANDLE key,
                 CK_BYTE *tag)
{
    CK_BYTE expected[ROOM], sealed[ROOM];
    CK_ULONG length = ROOM;
    must(p11->C_EncryptInit(s, whole, key), "C_EncryptInit");
    must(p11->C_Encrypt(s, text, TEXT, expected, &length), "C_Encrypt");
    must(CALL(C_MessageEncryptInit, messages, key), "C_MessageEncryptInit");
    length = ROOM;
    must(CALL(C_EncryptMessage, messages->pParameter, messages->ulParameterLen, aad, 13UL, text,
              (CK_ULONG)TEXT, sealed, &length), "C_EncryptMessage");
    must(FINAL(C_MessageEncryptFinal), "C_MessageEncryptFinal");
    check(memcmp(sealed, expected, TEXT) == 0 && memcmp(tag, expected + TEXT, TAG) == 0,
          "%s gives messages what it gives texts", cipher);
}

/* A record of TLS 1.2, encrypted over itself: room for the explicit IV, the text, room for the tag. */
static void records(CK_OBJECT_HANDLE key)
{
    CK_BYTE iv[FIXED + EXPLICIT] = "salt", tag[TAG], record[EXPLICIT + TEXT + TAG], before[EXPLICIT];
    gcm_message m = {iv, sizeof iv, 8 * FIXED, GENERATE_COUNTER, tag, 128};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &m, sizeof m};
    must(CALL(C_MessageEncryptInit, &mechanism, key), "C_MessageEncryptInit");
    for (int round = 0; round < 2; round++) {
        CK_ULONG length = TEXT;
        memcpy(before, iv + FIXED, EXPLICIT);
        memcpy(record + EXPLICIT, text, TEXT);
        CK_RV rv = CALL(C_EncryptMessage, &m, (CK_ULONG)sizeof m, aad, 13UL, record + EXPLICIT,
                        (CK_ULONG)TEXT, record + EXPLICIT, &length);
        check(rv == CKR_OK && length == TEXT, "a record is encrypted over itself (0x%lx)", rv);
        check(memcmp(iv, "salt", FIXED) == 0 && memcmp(iv + FIXED, before, EXPLICIT) != 0,
              "with an explicit IV of its own behind the fixed part");
    }
    memcpy(record, iv + FIXED, EXPLICIT);
    memcpy(record + EXPLICIT + TEXT, tag, TAG);
    must(CALL(C_MessageEncryptInit, NULL, 0UL), "the context is freed");

    /* The reader has the fixed part, and takes the rest of the IV and the tag from the record. */
    memset(iv + FIXED, 0, EXPLICIT);
    memset(tag, 0, TAG);
    must(CALL(C_MessageDecryptInit, &mechanism, key), "C_MessageDecryptInit");
    memcpy(iv + FIXED, record, EXPLICIT);
    memcpy(tag, record + EXPLICIT + TEXT, TAG);
    CK_ULONG length = TEXT;
    CK_RV rv = CALL(C_DecryptMessage, &m, (CK_ULONG)sizeof m, aad, 13UL, record + EXPLICIT,
                    (CK_ULONG)TEXT, record + EXPLICIT, &length);
    check(rv == CKR_OK && length == TEXT && memcmp(record + EXPLICIT, text, TEXT) == 0,
          "and decrypted over itself, by the IV that it came with (0x%lx)", rv);
    must(CALL(C_MessageDecryptInit, NULL, 0UL), "the context is freed");
}

static CK_OBJECT_HANDLE generate_chacha(void)
{
    CK_MECHANISM mechanism = {CHACHA20_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, 1}};
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(s, &mechanism, template, COUNT(template), &key), "C_GenerateKey");
    return key;
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    struct loaded it = load(arguments[1]);
    p11 = it.p11;
    library = it.library;
    must(initialize(p11), "C_Initialize");
    s = make_token(p11);
    CK_OBJECT_HANDLE key = generate(p11, s, "key", &no), chacha_key = generate_chacha();

    CK_BYTE iv[12] = "twelve bytes", tag[TAG] = {0};
    gcm_message gcm = {iv, sizeof iv, 0, NO_GENERATE, tag, 128};
    CK_MECHANISM gcm_messages = {CKM_AES_GCM, &gcm, sizeof gcm};
    CK_GCM_PARAMS params = {.iv_ptr = iv, .iv_len = 12, .aad_ptr = aad, .aad_len = 13, .tag_bits = 128};
    CK_MECHANISM gcm_texts = {CKM_AES_GCM, &params, sizeof params};
    evp("AES-GCM", &gcm_messages, key, tag);
    same("AES-GCM", &gcm_texts, &gcm_messages, key, tag);
    records(key);

    chacha_message chacha = {iv, sizeof iv, tag};
    CK_MECHANISM chacha_messages = {CHACHA20_POLY1305, &chacha, sizeof chacha};
    struct { CK_BYTE *nonce; CK_ULONG nonce_len; CK_BYTE *aad; CK_ULONG aad_len; } whole = {iv, 12, aad, 13};
    CK_MECHANISM chacha_texts = {CHACHA20_POLY1305, &whole, sizeof whole};
    evp("ChaCha20-Poly1305", &chacha_messages, chacha_key, tag);
    same("ChaCha20-Poly1305", &chacha_texts, &chacha_messages, chacha_key, tag);
    whole.nonce_len = chacha.nonce_len = 96;
    same("a nonce counted in bits", &chacha_texts, &chacha_messages, chacha_key, tag);
    chacha.nonce_len = 11;
    CK_BYTE out[ROOM];
    CK_ULONG length = ROOM;
    must(CALL(C_MessageEncryptInit, &chacha_messages, chacha_key), "C_MessageEncryptInit");
    gives(CALL(C_EncryptMessage, &chacha, (CK_ULONG)sizeof chacha, aad, 13UL, text, (CK_ULONG)TEXT, out,
               &length), CKR_MECHANISM_PARAM_INVALID, "a nonce of eleven bytes is refused");
    gives(CALL(C_EncryptMessage, &gcm, (CK_ULONG)sizeof gcm, aad, 13UL, text, (CK_ULONG)TEXT, out,
               &length), CKR_MECHANISM_PARAM_INVALID, "and so is the parameter of GCM");
    gives(CALL(C_MessageEncryptInit, &gcm_messages, chacha_key), CKR_OPERATION_ACTIVE,
          "the operation goes on");
    must(FINAL(C_MessageEncryptFinal), "C_MessageEncryptFinal");
    gives(CALL(C_MessageEncryptInit, &gcm_messages, chacha_key), CKR_KEY_TYPE_INCONSISTENT,
          "a ChaCha20 key is no key of GCM's");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

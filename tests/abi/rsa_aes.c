/* Private keys through CKM_RSA_AES_KEY_WRAP, put together and taken apart with its two halves,
 * OAEP and AES-KWP, so that one tests the other. */
#include "abi.h"

#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210BUL
#endif

/* PKCS#11 3.1, "RSA AES KEY WRAP". */
struct rsa_aes {
    CK_ULONG bits;
    CK_RSA_PKCS_OAEP_PARAMS *oaep;
};

struct pair {
    CK_OBJECT_HANDLE public, private;
};

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;
static CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
static CK_KEY_TYPE ec = CKK_EC;
static CK_BYTE p256[] = {6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7};

static struct pair generate_pair(CK_MECHANISM_TYPE type, CK_ATTRIBUTE domain, CK_ATTRIBUTE *private,
                                 CK_ULONG count)
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    struct pair made = {0, 0};
    must(p11->C_GenerateKeyPair(session, &mechanism, &domain, 1, private, count, &made.public,
                                &made.private), "C_GenerateKeyPair");
    return made;
}

static CK_ULONG wrap(CK_MECHANISM mechanism, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE key,
                     CK_BYTE *to, CK_ULONG room)
{
    must(p11->C_WrapKey(session, &mechanism, by, key, to, &room), "C_WrapKey");
    return room;
}

static CK_RV unwrap(CK_MECHANISM mechanism, CK_OBJECT_HANDLE by, CK_BYTE *blob, CK_ULONG length,
                    CK_BBOOL *token, CK_OBJECT_HANDLE *key)
{
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &private_key, sizeof private_key},
        {CKA_KEY_TYPE, &ec, sizeof ec},
        {CKA_TOKEN, token, 1},
    };
    return p11->C_UnwrapKey(session, &mechanism, by, blob, length, template, COUNT(template), key);
}

static bool signs_for(CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE public)
{
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    CK_BYTE digest[32] = "thirty-two bytes to be signed ..", signature[64];
    CK_ULONG length = sizeof signature;
    return p11->C_SignInit(session, &ecdsa, key) == CKR_OK &&
           p11->C_Sign(session, digest, sizeof digest, signature, &length) == CKR_OK &&
           p11->C_VerifyInit(session, &ecdsa, public) == CKR_OK &&
           p11->C_Verify(session, digest, sizeof digest, signature, length) == CKR_OK;
}

static CK_ULONG material_state(CK_OBJECT_HANDLE key)
{
    CK_ULONG state = 0;
    CK_ATTRIBUTE asked = {CKA_KEYSTEAD_MATERIAL_STATE, &state, sizeof state};
    must(p11->C_GetAttributeValue(session, key, &asked, 1), "C_GetAttributeValue");
    return state;
}

static void goes_through(CK_RSA_PKCS_OAEP_PARAMS oaep, CK_ULONG aes_bits, const char *with)
{
    CK_ULONG modulus = 2048, length = aes_bits / 8;
    CK_ATTRIBUTE bits = {CKA_MODULUS_BITS, &modulus, sizeof modulus};
    CK_ATTRIBUTE unwraps[] = {{CKA_UNWRAP, &yes, 1}};
    CK_ATTRIBUTE leaves[] = {{CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}};
    CK_ATTRIBUTE curve = {CKA_EC_PARAMS, p256, sizeof p256};
    struct pair import = generate_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, bits, unwraps, 1);
    struct pair brought = generate_pair(CKM_EC_KEY_PAIR_GEN, curve, leaves, 2);
    struct rsa_aes params = {aes_bits, &oaep};
    CK_MECHANISM whole = {CKM_RSA_AES_KEY_WRAP, &params, sizeof params};
    CK_MECHANISM first = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
    CK_MECHANISM second = {CKM_AES_KEY_WRAP_KWP, NULL, 0};
    CK_MECHANISM aes_key_gen = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BYTE blob[1024];
    CK_OBJECT_HANDLE key = 0, transport = 0;

    /* Made of its halves, as the owner of the key makes it outside. */
    CK_ATTRIBUTE of_length[] = {
        {CKA_VALUE_LEN, &length, sizeof length}, {CKA_WRAP, &yes, 1}, {CKA_UNWRAP, &yes, 1}};
    must(p11->C_GenerateKey(session, &aes_key_gen, of_length, 3, &transport), "C_GenerateKey");
    CK_ULONG size = wrap(first, import.public, transport, blob, sizeof blob);
    size += wrap(second, transport, brought.private, blob + size, sizeof blob - size);
    check(unwrap(whole, import.private, blob, size, &yes, &key) == CKR_OK,
          "a private key comes in by RSA-AES with %s", with);
    check(signs_for(key, brought.public), "and signs for its public half (%s)", with);
    check(p11->C_DestroyObject(session, key) == CKR_OK && !signs_for(key, brought.public),
          "its material is deleted (%s)", with);
    CK_OBJECT_HANDLE again = 0;
    check(unwrap(whole, import.private, blob, size, &yes, &again) == CKR_OK &&
              material_state(again) == 1 && signs_for(again, brought.public),
          "and comes back (%s)", with);

    /* Taken apart by its halves. */
    CK_ULONG whole_size = wrap(whole, import.public, brought.private, blob, sizeof blob);
    CK_ATTRIBUTE session_aes[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes},
        {CKA_UNWRAP, &yes, 1}};
    CK_OBJECT_HANDLE opened = 0, part = 0;
    check(whole_size == size, "both ways give as many bytes (%s)", with);
    check(p11->C_UnwrapKey(session, &first, import.private, blob, 256, session_aes, 3, &opened) ==
                  CKR_OK &&
              unwrap(second, opened, blob + 256, whole_size - 256, &no, &part) == CKR_OK &&
              signs_for(part, brought.public),
          "what the token wraps has the same two halves (%s)", with);

    CK_ULONG refused = 0, places[] = {0, 128, 255, 256, 300, size - 1};
    for (CK_ULONG at = 0; at < COUNT(places); at++) {
        blob[places[at]] ^= 1;
        refused += unwrap(whole, import.private, blob, size, &no, &part) == CKR_WRAPPED_KEY_INVALID;
        blob[places[at]] ^= 1;
    }
    check(refused == COUNT(places), "every bit flipped has one code (%s)", with);
    refused = 0;
    for (CK_ULONG left = 8; left < size; left += 24) {
        /* The second half has whole blocks of 8, two or more. */
        CK_BBOOL fits = left >= 256 + 16 && left % 8 == 0;
        CK_RV code = unwrap(whole, import.private, blob, left, &no, &part);
        refused += code != (fits ? CKR_WRAPPED_KEY_INVALID : CKR_WRAPPED_KEY_LEN_RANGE);
    }
    check(refused == 0, "and every cut the one that its length tells (%s)", with);
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    session = make_token(p11);
    CK_RSA_PKCS_OAEP_PARAMS sha1 = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
    CK_RSA_PKCS_OAEP_PARAMS sha256 = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
    goes_through(sha1, 256, "OAEP-SHA-1 and AES-256");
    goes_through(sha256, 256, "OAEP-SHA-256 and AES-256");
    goes_through(sha256, 128, "OAEP-SHA-256 and AES-128");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

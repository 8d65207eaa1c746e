/* Every function with what its section of PKCS#11 3.1 and 3.2 allows: one table says what each takes and which codes its
 * section lists, and what has to be there before it can succeed. */
#pragma once
#include "abi.h"

#define NOWHERE 0x7fffffffffffUL /* a handle and a slot that nobody has */
#define HUGE_COUNT (~0UL)        /* as a length or a count */
#define IMPOSSIBLE (1UL << 62)   /* a length that no memory has */
#define UNLIKELY (1UL << 44)     /* one that this memory has not */
#define MOST 10                  /* arguments of a function */
#define END (~0UL)               /* of a list of codes */

typedef CK_RV (*function)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
                          CK_ULONG, CK_ULONG, CK_ULONG);

static void *library;
static CK_FUNCTION_LIST_PTR p11;
static CK_SLOT_ID slot;
static CK_SESSION_HANDLE s, closed;
static CK_OBJECT_HANDLE aes_key, wrap_key, idle_key, ec[2], idle_ec, rsa[2], data;
static CK_BYTE text[16] = "sixteen bytes ok", in[256], out[4096], iv[16] = "twelve bytes", tag[16],
               wrapped[64];
static CK_ULONG length, wrapped_len, in_len, made_too;
static struct { CK_BYTE *iv; CK_ULONG iv_len, fixed, generator; CK_BYTE *tag; CK_ULONG bits; }
    message = {iv, 12, 0, 0, tag, 128}, wrapping = {iv, 12, 0, 1 /* CKG_GENERATE */, tag, 128};

static CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0}, sha = {CKM_SHA256, NULL, 0},
                    gcm = {CKM_AES_GCM, NULL, 0}, ecdsa = {CKM_ECDSA_SHA256, NULL, 0},
                    pkcs = {CKM_RSA_PKCS, NULL, 0}, keygen = {CKM_AES_KEY_GEN, NULL, 0},
                    pairgen = {CKM_EC_KEY_PAIR_GEN, NULL, 0},
                    kwp = {0x210BUL /* CKM_AES_KEY_WRAP_KWP */, NULL, 0},
                    gcm_wrap = {CKM_AES_GCM, &wrapping, sizeof wrapping},
                    nonsense = {0x7ffffffeUL, NULL, 0};

static CK_OBJECT_CLASS data_class = CKO_DATA;
static CK_ULONG aes_len = 32;
static CK_BYTE p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
static CK_ATTRIBUTE of_data[] = {{CKA_CLASS, &data_class, sizeof data_class}},
                    of_aes[] = {{CKA_VALUE_LEN, &aes_len, sizeof aes_len}},
                    of_ec[] = {{CKA_EC_PARAMS, p256, sizeof p256}},
                    of_wrapped[] = {{CKA_CLASS, &secret_key, sizeof secret_key},
                                    {CKA_KEY_TYPE, &aes, sizeof aes}},
                    of_label[] = {{CKA_LABEL, text, 4}};

static function named(const char *name)
{
    function found = NULL;
    *(void **)&found = dlsym(library, name);
    must(found ? CKR_OK : CKR_GENERAL_ERROR, name);
    return found;
}

/* --- what has to be there before a function can succeed --------------------------------------- */

static void nothing(void) {}
static void encrypting(void) { must(p11->C_EncryptInit(s, &ecb, aes_key), "C_EncryptInit"); }
static void decrypting(void) { must(p11->C_DecryptInit(s, &ecb, aes_key), "C_DecryptInit"); }
static void digesting(void) { must(p11->C_DigestInit(s, &sha), "C_DigestInit"); }
static void signing(void) { must(p11->C_SignInit(s, &ecdsa, ec[1]), "C_SignInit"); }
static void signing_to_recover(void)
{
    must(p11->C_SignRecoverInit(s, &pkcs, rsa[1]), "C_SignRecoverInit");
}
static void searching(void) { must(p11->C_FindObjectsInit(s, NULL, 0), "C_FindObjectsInit"); }
static void digest_and_encrypt(void) { encrypting(), digesting(); }
static void digest_and_decrypt(void) { decrypting(), digesting(); }
static void sign_and_encrypt(void) { encrypting(), signing(); }
static void parts_encrypted(void)
{
    encrypting();
    must(p11->C_EncryptUpdate(s, text, 16, out, (length = 16, &length)), "C_EncryptUpdate");
}
static void parts_decrypted(void)
{
    decrypting();
    must(p11->C_DecryptUpdate(s, text, 16, out, (length = 16, &length)), "C_DecryptUpdate");
}
static void parts_digested(void)
{
    digesting();
    must(p11->C_DigestUpdate(s, text, 16), "C_DigestUpdate");
}
static void parts_signed(void)
{
    signing();
    must(p11->C_SignUpdate(s, text, 16), "C_SignUpdate");
}
static void verifying(void)
{
    signing();
    in_len = sizeof in;
    must(p11->C_Sign(s, text, 16, in, &in_len), "C_Sign");
    must(p11->C_VerifyInit(s, &ecdsa, ec[0]), "C_VerifyInit");
}
static void parts_verified(void)
{
    verifying();
    must(p11->C_VerifyUpdate(s, text, 16), "C_VerifyUpdate");
}
static void verifying_a_signature(void)
{
    signing();
    in_len = sizeof in;
    must(p11->C_Sign(s, text, 16, in, &in_len), "C_Sign");
    must(named("C_VerifySignatureInit")(s, (CK_ULONG)&ecdsa, ec[0], (CK_ULONG)in, in_len, 0, 0, 0, 0, 0),
         "C_VerifySignatureInit");
}
static void parts_of_a_signature_verified(void)
{
    verifying_a_signature();
    must(named("C_VerifySignatureUpdate")(s, (CK_ULONG)text, 16, 0, 0, 0, 0, 0, 0, 0),
         "C_VerifySignatureUpdate");
}
static void recovering(void)
{
    signing_to_recover();
    in_len = sizeof in;
    must(p11->C_SignRecover(s, text, 16, in, &in_len), "C_SignRecover");
    must(p11->C_VerifyRecoverInit(s, &pkcs, rsa[0]), "C_VerifyRecoverInit");
}
static void decrypt_and_verify(void) { decrypting(), verifying(); }
static void something_wrapped(void)
{
    wrapped_len = sizeof wrapped;
    must(p11->C_WrapKey(s, &kwp, aes_key, made_too, wrapped, &wrapped_len), "C_WrapKey");
}
static void something_wrapped_as_a_message(void)
{
    wrapped_len = sizeof wrapped;
    must(named("C_WrapKeyAuthenticated")(s, (CK_ULONG)&gcm_wrap, wrap_key, made_too, 0, 0,
                                         (CK_ULONG)wrapped, (CK_ULONG)&wrapped_len, 0, 0),
         "C_WrapKeyAuthenticated");
}
static void data_object(void)
{
    must(p11->C_CreateObject(s, of_data, COUNT(of_data), &data), "C_CreateObject");
}
#define MESSAGES(init, mechanism, key)                                                             \
    must(named(#init)(s, (CK_ULONG)&mechanism, key, 0, 0, 0, 0, 0, 0, 0), #init)
#define BEGUN(begin, ...) must(named(#begin)(s, __VA_ARGS__, 0), #begin)
#define PARAMETER (CK_ULONG)&message, sizeof message
static void messages_encrypted(void) { MESSAGES(C_MessageEncryptInit, gcm, aes_key); }
static void messages_decrypted(void)
{
    messages_encrypted();
    length = sizeof in;
    must(named("C_EncryptMessage")(s, PARAMETER, 0, 0, (CK_ULONG)text, 16, (CK_ULONG)in,
                                   (CK_ULONG)&length, 0), "C_EncryptMessage");
    MESSAGES(C_MessageDecryptInit, gcm, aes_key);
}
static void messages_signed(void) { MESSAGES(C_MessageSignInit, ecdsa, ec[1]); }
static void messages_verified(void)
{
    verifying();
    MESSAGES(C_MessageVerifyInit, ecdsa, ec[0]);
}
static void message_encrypted(void)
{
    messages_encrypted();
    BEGUN(C_EncryptMessageBegin, PARAMETER, 0, 0, 0, 0, 0, 0);
}
static void message_decrypted(void)
{
    messages_decrypted();
    BEGUN(C_DecryptMessageBegin, PARAMETER, 0, 0, 0, 0, 0, 0);
}
static void message_signed(void)
{
    messages_signed();
    BEGUN(C_SignMessageBegin, 0, 0, 0, 0, 0, 0, 0, 0);
}
static void message_verified(void)
{
    messages_verified();
    BEGUN(C_VerifyMessageBegin, 0, 0, 0, 0, 0, 0, 0, 0);
}

/* --- the table ------------------------------------------------------------------------------- */

/* What a function does with the operation that `ready` has begun when an argument is bad. */
enum life { NONE, ENDS, STAYS };

/* The kinds of arguments, by letters:
 *   S session            X slot               M mechanism of an Init     m mechanism
 *   K key of an Init     W wrapping key       U unwrapping key           B base key
 *   O object             Q the key wrapped    D key that is digested
 *   I input, l its length                     G input that is kept, g its length
 *                                             P output, L the place of its length
 *   V input of in_len bytes, v its length     C input of wrapped_len bytes, c its length
 *   T template, n its count                   H place of a result
 *   N input that may be NULL, its length is z u user type                f flags
 *   A parameter of a message, a its length    0 a NULL that has to be    1 a byte of in_len
 */
struct row {
    const char *name, *kinds;
    void (*ready)(void);
    enum life life;
    CK_MECHANISM *mechanism;
    CK_OBJECT_HANDLE *key, *idle;
    CK_ATTRIBUTE *template;
    CK_RV listed[20];
};

#define KEYED                                                                                      \
    CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID, CKR_KEY_SIZE_RANGE,                    \
        CKR_KEY_TYPE_INCONSISTENT, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,             \
        CKR_OPERATION_ACTIVE, CKR_USER_NOT_LOGGED_IN
#define BUILT                                                                                      \
    CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID,              \
        CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID, CKR_SESSION_READ_ONLY,                 \
        CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT, CKR_TOKEN_WRITE_PROTECTED,             \
        CKR_USER_NOT_LOGGED_IN
#define MADE BUILT, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_OPERATION_ACTIVE
#define STEP CKR_OPERATION_NOT_INITIALIZED
#define ENCRYPTED CKR_BUFFER_TOO_SMALL, CKR_DATA_INVALID, CKR_DATA_LEN_RANGE, STEP
#define DECRYPTED                                                                                  \
    CKR_BUFFER_TOO_SMALL, CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE,                \
        CKR_USER_NOT_LOGGED_IN, STEP
#define CHECKED CKR_DATA_INVALID, CKR_DATA_LEN_RANGE, CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE, STEP
#define PLAIN NULL, NULL, NULL, NULL

static const struct row rows[] = {
    {"C_GetInfo", "H", nothing, NONE, PLAIN, {END}},
    {"C_GetSlotInfo", "XH", nothing, NONE, PLAIN, {END}},
    {"C_GetTokenInfo", "XH", nothing, NONE, PLAIN, {END}},
    {"C_GetMechanismList", "XPL", nothing, NONE, PLAIN, {CKR_BUFFER_TOO_SMALL, END}},
    {"C_GetMechanismInfo", "XfH", nothing, NONE, PLAIN, {CKR_MECHANISM_INVALID, END}},
    {"C_GetSessionInfo", "SH", nothing, NONE, PLAIN, {END}},
    {"C_CreateObject", "STnH", nothing, NONE, NULL, NULL, NULL, of_data, {BUILT, END}},
    {"C_CopyObject", "SOTnH", data_object, NONE, NULL, &data, NULL, of_label,
     {BUILT, CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID, END}},
    {"C_DestroyObject", "SO", data_object, NONE, NULL, &data, NULL, NULL,
     {CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID, CKR_SESSION_READ_ONLY,
      CKR_USER_NOT_LOGGED_IN /* of what is on the token: no code says it better */, END}},
    {"C_GetObjectSize", "SOH", data_object, NONE, NULL, &data, NULL, NULL,
     {CKR_INFORMATION_SENSITIVE, CKR_OBJECT_HANDLE_INVALID, END}},
    {"C_SetAttributeValue", "SOTn", data_object, NONE, NULL, &data, NULL, of_label,
     {BUILT, CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID, END}},
    {"C_FindObjectsInit", "STn", nothing, NONE, NULL, NULL, NULL, of_label,
     {CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_OPERATION_ACTIVE, END}},
    {"C_FindObjects", "SHfH", searching, STAYS, PLAIN, {STEP, END}},
    {"C_FindObjectsFinal", "S", searching, ENDS, PLAIN, {STEP, END}},

    {"C_EncryptInit", "SMK", nothing, NONE, &ecb, &aes_key, &idle_key, NULL, {KEYED, END}},
    {"C_Encrypt", "SIlPL", encrypting, ENDS, PLAIN, {ENCRYPTED, END}},
    {"C_EncryptUpdate", "SIlPL", encrypting, ENDS, PLAIN, {ENCRYPTED, END}},
    {"C_EncryptFinal", "SPL", parts_encrypted, ENDS, PLAIN, {ENCRYPTED, END}},
    {"C_DecryptInit", "SMK", nothing, NONE, &ecb, &aes_key, &idle_key, NULL, {KEYED, END}},
    {"C_Decrypt", "SIlPL", decrypting, ENDS, PLAIN, {DECRYPTED, END}},
    {"C_DecryptUpdate", "SIlPL", decrypting, ENDS, PLAIN, {DECRYPTED, END}},
    {"C_DecryptFinal", "SPL", parts_decrypted, ENDS, PLAIN, {DECRYPTED, END}},
    {"C_DigestInit", "SM", nothing, NONE, &sha, NULL, NULL, NULL,
     {CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_OPERATION_ACTIVE, END}},
    {"C_Digest", "SIlPL", digesting, ENDS, PLAIN, {CKR_BUFFER_TOO_SMALL, STEP, END}},
    {"C_DigestUpdate", "SIl", digesting, ENDS, PLAIN, {STEP, END}},
    {"C_DigestKey", "SD", digesting, ENDS, NULL, &aes_key, NULL, NULL,
     {CKR_KEY_HANDLE_INVALID, CKR_KEY_INDIGESTIBLE, CKR_KEY_SIZE_RANGE, STEP, END}},
    {"C_DigestFinal", "SPL", parts_digested, ENDS, PLAIN, {CKR_BUFFER_TOO_SMALL, STEP, END}},
    {"C_SignInit", "SMK", nothing, NONE, &ecdsa, &ec[1], &idle_ec, NULL, {KEYED, END}},
    {"C_Sign", "SIlPL", signing, ENDS, PLAIN, {ENCRYPTED, CKR_USER_NOT_LOGGED_IN, END}},
    {"C_SignUpdate", "SIl", signing, ENDS, PLAIN, {ENCRYPTED, CKR_USER_NOT_LOGGED_IN, END}},
    {"C_SignFinal", "SPL", parts_signed, ENDS, PLAIN, {ENCRYPTED, CKR_USER_NOT_LOGGED_IN, END}},
    {"C_SignRecoverInit", "SMK", nothing, NONE, &pkcs, &rsa[1], NULL, NULL, {KEYED, END}},
    {"C_SignRecover", "SIlPL", signing_to_recover, ENDS, PLAIN, {ENCRYPTED, END}},
    {"C_VerifyInit", "SMK", nothing, NONE, &ecdsa, &ec[0], NULL, NULL, {KEYED, END}},
    {"C_Verify", "SIlVv", verifying, ENDS, PLAIN, {CHECKED, END}},
    {"C_VerifyUpdate", "SIl", verifying, ENDS, PLAIN, {CHECKED, END}},
    {"C_VerifyFinal", "SVv", parts_verified, ENDS, PLAIN, {CHECKED, END}},
    {"C_VerifyRecoverInit", "SMK", nothing, NONE, &pkcs, &rsa[0], NULL, NULL, {KEYED, END}},
    {"C_VerifyRecover", "SVvPL", recovering, ENDS, PLAIN, {CHECKED, CKR_BUFFER_TOO_SMALL, END}},
    {"C_DigestEncryptUpdate", "SIlPL", digest_and_encrypt, ENDS, PLAIN, {ENCRYPTED, END}},
    {"C_DecryptDigestUpdate", "SIlPL", digest_and_decrypt, ENDS, PLAIN, {DECRYPTED, END}},
    {"C_SignEncryptUpdate", "SIlPL", sign_and_encrypt, ENDS, PLAIN, {ENCRYPTED, END}},
    {"C_DecryptVerifyUpdate", "SIlPL", decrypt_and_verify, ENDS, PLAIN, {DECRYPTED, END}},

    {"C_GenerateKey", "SmTnH", nothing, NONE, &keygen, NULL, NULL, of_aes, {MADE, END}},
    {"C_GenerateKeyPair", "SmTnN0HH", nothing, NONE, &pairgen, NULL, NULL, of_ec, {MADE, END}},
    {"C_WrapKey", "SmWQPL", nothing, NONE, &kwp, &aes_key, &idle_key, NULL,
     {CKR_BUFFER_TOO_SMALL, CKR_KEY_HANDLE_INVALID, CKR_KEY_NOT_WRAPPABLE, CKR_KEY_SIZE_RANGE,
      CKR_KEY_UNEXTRACTABLE, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,
      CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_WRAPPING_KEY_HANDLE_INVALID,
      CKR_WRAPPING_KEY_SIZE_RANGE, CKR_WRAPPING_KEY_TYPE_INCONSISTENT, END}},
    {"C_UnwrapKey", "SmUCcTnH", something_wrapped, NONE, &kwp, &aes_key, &idle_key, of_wrapped,
     {MADE, CKR_KEY_FUNCTION_NOT_PERMITTED /* as for C_WrapKey: no code says it better */,
      CKR_UNWRAPPING_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_SIZE_RANGE,
      CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE,
      END}},
    {"C_WrapKeyAuthenticated", "SmWQNzPL", nothing, NONE, &gcm_wrap, &wrap_key, &idle_key, NULL,
     {CKR_BUFFER_TOO_SMALL, CKR_KEY_HANDLE_INVALID, CKR_KEY_NOT_WRAPPABLE, CKR_KEY_SIZE_RANGE,
      CKR_KEY_UNEXTRACTABLE, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,
      CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_WRAPPING_KEY_HANDLE_INVALID,
      CKR_WRAPPING_KEY_SIZE_RANGE, CKR_WRAPPING_KEY_TYPE_INCONSISTENT, END}},
    {"C_UnwrapKeyAuthenticated", "SmUCcTnNzH", something_wrapped_as_a_message, NONE, &gcm_wrap,
     &wrap_key, &idle_key, of_wrapped,
     {MADE, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_UNWRAPPING_KEY_HANDLE_INVALID,
      CKR_UNWRAPPING_KEY_SIZE_RANGE, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, CKR_WRAPPED_KEY_INVALID,
      CKR_WRAPPED_KEY_LEN_RANGE, END}},
    {"C_VerifySignatureInit", "SMKGg", nothing, NONE, &ecdsa, &ec[0], NULL, NULL, {KEYED, END}},
    {"C_VerifySignature", "SIl", verifying_a_signature, ENDS, PLAIN, {CHECKED, END}},
    {"C_VerifySignatureUpdate", "SIl", verifying_a_signature, ENDS, PLAIN, {CHECKED, END}},
    {"C_VerifySignatureFinal", "S", parts_of_a_signature_verified, ENDS, PLAIN, {CHECKED, END}},
    {"C_GetSessionValidationFlags", "SfH", nothing, NONE, PLAIN, {END}},
    {"C_GetOperationState", "SPL", parts_digested, STAYS, PLAIN,
     {CKR_BUFFER_TOO_SMALL, CKR_STATE_UNSAVEABLE, STEP, END}},
    {"C_SeedRandom", "SIl", nothing, NONE, PLAIN, {CKR_OPERATION_ACTIVE, END}},
    {"C_GenerateRandom", "SHl", nothing, NONE, PLAIN, {CKR_OPERATION_ACTIVE, END}},

    {"C_SessionCancel", "Sf", nothing, NONE, PLAIN, {END}},
    {"C_MessageEncryptInit", "SMK", nothing, NONE, &gcm, &aes_key, &idle_key, NULL, {KEYED, END}},
    {"C_EncryptMessage", "SAaNzIlPL", messages_encrypted, STAYS, PLAIN,
     {ENCRYPTED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_EncryptMessageBegin", "SAaNz", messages_encrypted, STAYS, PLAIN,
     {ENCRYPTED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_EncryptMessageNext", "SAaIlPL1", message_encrypted, ENDS, PLAIN,
     {ENCRYPTED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_MessageEncryptFinal", "S", messages_encrypted, ENDS, PLAIN, {STEP, END}},
    {"C_MessageDecryptInit", "SMK", nothing, NONE, &gcm, &aes_key, &idle_key, NULL, {KEYED, END}},
    {"C_DecryptMessage", "SAaNzEePL", messages_decrypted, STAYS, PLAIN,
     {DECRYPTED, CKR_MECHANISM_PARAM_INVALID, AEAD_DECRYPT_FAILED, END}},
    {"C_DecryptMessageBegin", "SAaNz", messages_decrypted, STAYS, PLAIN,
     {DECRYPTED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_DecryptMessageNext", "SAaEePL1", message_decrypted, ENDS, PLAIN,
     {DECRYPTED, CKR_MECHANISM_PARAM_INVALID, AEAD_DECRYPT_FAILED, END}},
    {"C_MessageDecryptFinal", "S", messages_decrypted, ENDS, PLAIN, {STEP, END}},
    {"C_MessageSignInit", "SMK", nothing, NONE, &ecdsa, &ec[1], &idle_ec, NULL, {KEYED, END}},
    {"C_SignMessage", "SNzIlPL", messages_signed, STAYS, PLAIN,
     {ENCRYPTED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_SignMessageBegin", "SNz", messages_signed, STAYS, PLAIN,
     {ENCRYPTED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_SignMessageNext", "SNzIlPL", message_signed, ENDS, PLAIN,
     {ENCRYPTED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_MessageSignFinal", "S", messages_signed, ENDS, PLAIN, {STEP, END}},
    {"C_MessageVerifyInit", "SMK", nothing, NONE, &ecdsa, &ec[0], NULL, NULL, {KEYED, END}},
    {"C_VerifyMessage", "SNzIlVv", messages_verified, STAYS, PLAIN,
     {CHECKED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_VerifyMessageBegin", "SNz", messages_verified, STAYS, PLAIN,
     {CHECKED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_VerifyMessageNext", "SNzIlVv", message_verified, ENDS, PLAIN,
     {CHECKED, CKR_MECHANISM_PARAM_INVALID, END}},
    {"C_MessageVerifyFinal", "S", messages_verified, ENDS, PLAIN, {STEP, END}},
};

static bool is_listed(const struct row *row, CK_RV code)
{
    for (size_t i = 0; i < COUNT(row->listed) && row->listed[i] != END; i++)
        if (row->listed[i] == code)
            return true;
    return code == CKR_ARGUMENTS_BAD ||
           (code == CKR_SESSION_HANDLE_INVALID && row->kinds[0] == 'S') ||
           (code == CKR_SLOT_ID_INVALID && row->kinds[0] == 'X');
}

/* --- the keys that the table names ------------------------------------------------------------ */

static CK_OBJECT_HANDLE secret(bool idle)
{
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1}, {CKA_VALUE_LEN, &aes_len, sizeof aes_len},
                               {CKA_KEYSTEAD_CUSTODY, &no, 1},
                               {CKA_ENCRYPT, &no, 1}, {CKA_DECRYPT, &no, 1}, {CKA_WRAP, &no, 1},
                               {CKA_UNWRAP, &no, 1}, {CKA_SIGN, &no, 1}, {CKA_VERIFY, &no, 1}};
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(s, &keygen, template, idle ? COUNT(template) : 3, &key), "C_GenerateKey");
    return key;
}

/* One that wraps and unwraps, and does nothing else. */
static CK_OBJECT_HANDLE wrapping_secret(void)
{
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1}, {CKA_VALUE_LEN, &aes_len, sizeof aes_len},
                               {CKA_KEYSTEAD_CUSTODY, &no, 1}, {CKA_WRAP, &yes, 1}, {CKA_UNWRAP, &yes, 1}};
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(s, &keygen, template, COUNT(template), &key), "C_GenerateKey");
    return key;
}

static void pair(CK_MECHANISM_TYPE type, CK_ATTRIBUTE *domain, CK_OBJECT_HANDLE halves[2], bool idle)
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    CK_ATTRIBUTE public[] = {*domain, {CKA_TOKEN, &yes, 1}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, 1}, {CKA_KEYSTEAD_CUSTODY, &no, 1},
                              {CKA_SIGN, &no, 1}, {CKA_DERIVE, &no, 1}};
    must(p11->C_GenerateKeyPair(s, &mechanism, public, 2, private, idle ? 4 : 2, &halves[0],
                                &halves[1]), "C_GenerateKeyPair");
}

static void make_keys(void)
{
    CK_ULONG bits = 2048;
    CK_ATTRIBUTE size = {CKA_MODULUS_BITS, &bits, sizeof bits};
    CK_OBJECT_HANDLE idle[2];
    aes_key = secret(false), idle_key = secret(true), wrap_key = wrapping_secret();
    pair(CKM_EC_KEY_PAIR_GEN, of_ec, ec, false);
    pair(CKM_EC_KEY_PAIR_GEN, of_ec, idle, true);
    idle_ec = idle[1];
    pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &size, rsa, false);
}

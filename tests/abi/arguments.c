/* NULL and absurd arguments: every function answers with an error and changes nothing.
 * run under: valgrind --quiet --error-exitcode=9 */
#include "watched.h"
#include <stddef.h>

#define NOWHERE 0x7fffffffffffUL /* a handle and a slot that nobody has */
#define HUGE_COUNT (~0UL)        /* as a length or a count */

/* The call itself is the sentence. */
#define REFUSED(call)                                                          \
    do {                                                                       \
        CK_RV rv = (call);                                                     \
        check(rv != CKR_OK, "refused with 0x%lx: %s", rv, #call);              \
    } while (0)
#define ANSWERS(code, call) gives(call, code, #code " from " #call)

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE s;
static CK_OBJECT_HANDLE key;
static CK_BYTE some[64], out[256];
static CK_ULONG length;
static CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0}, keygen = {CKM_AES_KEY_GEN, NULL, 0},
                    pairgen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0}, sha = {CKM_SHA256, NULL, 0},
                    nonsense = {0x7ffffffeUL, NULL, 0};

static void before_initialize(void)
{
    typedef CK_RV (*any)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
                         CK_ULONG);
    CK_FUNCTION_LIST_PTR other;
    any *functions = (any *)&p11->C_Initialize;
    size_t count = (sizeof *p11 - offsetof(CK_FUNCTION_LIST, C_Initialize)) / sizeof *functions;
    for (size_t i = 1; i < count; i++) {
        if ((void *)functions[i] == (void *)p11->C_GetFunctionList)
            continue;
        CK_RV rv = functions[i](0, 0, 0, 0, 0, 0, 0, 0);
        check(rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_FUNCTION_NOT_SUPPORTED ||
                  rv == CKR_FUNCTION_NOT_PARALLEL,
              "before C_Initialize function %zu of the list answers 0x%lx", i, rv);
    }
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetFunctionList(NULL));
    ANSWERS(CKR_OK, p11->C_GetFunctionList(&other));
}

static CK_RV no_mutex(void **mutex)
{
    (void)mutex;
    return CKR_GENERAL_ERROR;
}

static void initialize_absurdly(void)
{
    CK_C_INITIALIZE_ARGS reserved = {.pReserved = "/nowhere/at/all/keystead.toml"};
    CK_C_INITIALIZE_ARGS half = {.CreateMutex = no_mutex};
    REFUSED(p11->C_Initialize(&reserved));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_Initialize(&half));
    ANSWERS(CKR_OK, initialize(p11));
    ANSWERS(CKR_CRYPTOKI_ALREADY_INITIALIZED, initialize(p11));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_Finalize(some));
}

static void slots_and_tokens(CK_SLOT_ID slot)
{
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token_info;
    CK_MECHANISM_INFO mechanism_info;
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetInfo(NULL));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetSlotList(CK_FALSE, NULL, NULL));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetSlotInfo(slot, NULL));
    ANSWERS(CKR_SLOT_ID_INVALID, p11->C_GetSlotInfo(NOWHERE, &slot_info));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetTokenInfo(slot, NULL));
    ANSWERS(CKR_SLOT_ID_INVALID, p11->C_GetTokenInfo(NOWHERE, &token_info));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetMechanismList(slot, NULL, NULL));
    ANSWERS(CKR_SLOT_ID_INVALID, p11->C_GetMechanismList(NOWHERE, NULL, &length));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetMechanismInfo(slot, CKM_AES_ECB, NULL));
    ANSWERS(CKR_MECHANISM_INVALID,
            p11->C_GetMechanismInfo(slot, nonsense.mechanism, &mechanism_info));
    ANSWERS(CKR_SLOT_ID_INVALID, p11->C_GetMechanismInfo(NOWHERE, CKM_AES_ECB, &mechanism_info));
    length = 0;
    ANSWERS(CKR_BUFFER_TOO_SMALL,
            p11->C_GetMechanismList(slot, (CK_MECHANISM_TYPE *)some, &length));
    REFUSED(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL));
    REFUSED(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, (CK_SLOT_ID *)some, some));
    REFUSED(p11->C_InitToken(slot, some, 8, NULL));
    REFUSED(p11->C_InitToken(slot, NULL, 8, some));
    REFUSED(p11->C_InitToken(slot, some, HUGE_COUNT, some));
    REFUSED(p11->C_InitToken(NOWHERE, some, 8, some));
}

static void sessions(CK_SLOT_ID slot)
{
    CK_SESSION_INFO info;
    CK_SESSION_HANDLE other;
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, NULL));
    ANSWERS(CKR_SESSION_PARALLEL_NOT_SUPPORTED, p11->C_OpenSession(slot, 0, NULL, NULL, &other));
    ANSWERS(CKR_SLOT_ID_INVALID,
            p11->C_OpenSession(NOWHERE, CKF_SERIAL_SESSION, NULL, NULL, &other));
    ANSWERS(CKR_SESSION_HANDLE_INVALID, p11->C_CloseSession(NOWHERE));
    ANSWERS(CKR_SESSION_HANDLE_INVALID, p11->C_CloseSession(0));
    ANSWERS(CKR_SLOT_ID_INVALID, p11->C_CloseAllSessions(NOWHERE));
    ANSWERS(CKR_ARGUMENTS_BAD, p11->C_GetSessionInfo(s, NULL));
    ANSWERS(CKR_SESSION_HANDLE_INVALID, p11->C_GetSessionInfo(NOWHERE, &info));
    REFUSED(p11->C_GetOperationState(s, NULL, NULL));
    REFUSED(p11->C_SetOperationState(s, NULL, 0, 0, 0));
    REFUSED(p11->C_SetOperationState(s, some, sizeof some, 0, 0));
    REFUSED(p11->C_Login(s, CKU_USER, NULL, 8));
    REFUSED(p11->C_Login(s, CKU_USER, some, HUGE_COUNT));
    REFUSED(p11->C_Login(s, 99, some, 8));
    REFUSED(p11->C_Login(NOWHERE, CKU_USER, some, 8));
    ANSWERS(CKR_SESSION_HANDLE_INVALID, p11->C_Logout(NOWHERE));
    REFUSED(p11->C_InitPIN(s, NULL, 8));
    REFUSED(p11->C_InitPIN(NOWHERE, some, 8));
    REFUSED(p11->C_SetPIN(s, NULL, 4, some, 8));
    REFUSED(p11->C_SetPIN(s, (CK_BYTE *)USER_PIN, strlen(USER_PIN), NULL, 8));
    REFUSED(p11->C_SetPIN(s, (CK_BYTE *)USER_PIN, strlen(USER_PIN), some, HUGE_COUNT));
    REFUSED(p11->C_SetPIN(NOWHERE, some, 8, some, 8));
}

static void objects(void)
{
    CK_OBJECT_HANDLE object;
    CK_OBJECT_CLASS absurd_class = 0x7ffffffeUL;
    CK_ATTRIBUTE null_value = {CKA_LABEL, NULL, 5}, long_class = {CKA_CLASS, some, 64},
                 short_flag = {CKA_TOKEN, some, 0}, no_class = {CKA_LABEL, some, 4},
                 huge = {CKA_LABEL, some, HUGE_COUNT},
                 unknown = {CKA_CLASS, &absurd_class, sizeof absurd_class};
    CK_ATTRIBUTE twice[] = {{CKA_CLASS, &secret_key, sizeof secret_key},
                            {CKA_CLASS, &secret_key, sizeof secret_key}};
    REFUSED(p11->C_CreateObject(s, NULL, 1, &object));
    REFUSED(p11->C_CreateObject(s, NULL, 0, &object));
    REFUSED(p11->C_CreateObject(s, &no_class, 1, NULL));
    REFUSED(p11->C_CreateObject(s, &no_class, 1, &object));
    REFUSED(p11->C_CreateObject(s, &null_value, 1, &object));
    REFUSED(p11->C_CreateObject(s, &long_class, 1, &object));
    REFUSED(p11->C_CreateObject(s, &short_flag, 1, &object));
    REFUSED(p11->C_CreateObject(s, &huge, 1, &object));
    REFUSED(p11->C_CreateObject(s, &unknown, 1, &object));
    REFUSED(p11->C_CreateObject(s, twice, 2, &object));
    REFUSED(p11->C_CreateObject(s, twice, HUGE_COUNT, &object));
    REFUSED(p11->C_CreateObject(NOWHERE, twice, 1, &object));
    REFUSED(p11->C_CopyObject(s, key, NULL, 1, &object));
    REFUSED(p11->C_CopyObject(s, key, NULL, 0, NULL));
    ANSWERS(CKR_OBJECT_HANDLE_INVALID, p11->C_CopyObject(s, NOWHERE, NULL, 0, &object));
    ANSWERS(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(s, NOWHERE));
    ANSWERS(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(s, 0));
    ANSWERS(CKR_SESSION_HANDLE_INVALID, p11->C_DestroyObject(NOWHERE, key));
    REFUSED(p11->C_GetObjectSize(s, key, NULL));
    REFUSED(p11->C_GetObjectSize(s, NOWHERE, &length));
    REFUSED(p11->C_GetAttributeValue(s, key, NULL, 1));
    REFUSED(p11->C_GetAttributeValue(s, key, twice, HUGE_COUNT));
    ANSWERS(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(s, NOWHERE, twice, 1));
    REFUSED(p11->C_SetAttributeValue(s, key, NULL, 1));
    REFUSED(p11->C_SetAttributeValue(s, key, &null_value, 1));
    REFUSED(p11->C_SetAttributeValue(s, key, &huge, 1));
    REFUSED(p11->C_SetAttributeValue(s, key, twice, 2));
    ANSWERS(CKR_OBJECT_HANDLE_INVALID, p11->C_SetAttributeValue(s, NOWHERE, &no_class, 1));
    REFUSED(p11->C_FindObjectsInit(s, NULL, 1));
    REFUSED(p11->C_FindObjectsInit(s, &null_value, 1));
    REFUSED(p11->C_FindObjectsInit(s, &huge, 1));
    REFUSED(p11->C_FindObjectsInit(NOWHERE, NULL, 0));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjects(s, &object, 1, &length));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjectsFinal(s));
    must(p11->C_FindObjectsInit(s, NULL, 0), "C_FindObjectsInit");
    REFUSED(p11->C_FindObjects(s, NULL, 1, &length));
    REFUSED(p11->C_FindObjects(s, &object, 1, NULL));
    p11->C_FindObjectsFinal(s);
}

static void encryption(void)
{
    CK_MECHANISM bad_iv = {CKM_AES_CBC, some, 7}, no_iv = {CKM_AES_CBC, NULL, 16},
                 bad_gcm = {CKM_AES_GCM, some, 3}, huge_iv = {CKM_AES_CBC, some, HUGE_COUNT};
    CK_GCM_PARAMS null_iv = {.iv_ptr = NULL, .iv_len = 12, .tag_bits = 128},
                  odd_tag = {.iv_ptr = some, .iv_len = 12, .tag_bits = 1000},
                  null_aad = {.iv_ptr = some, .iv_len = 12, .aad_len = 9, .tag_bits = 128};
    CK_MECHANISM gcm[] = {{CKM_AES_GCM, &null_iv, sizeof null_iv},
                          {CKM_AES_GCM, &odd_tag, sizeof odd_tag},
                          {CKM_AES_GCM, &null_aad, sizeof null_aad}};
    REFUSED(p11->C_EncryptInit(s, &nonsense, key));
    REFUSED(p11->C_EncryptInit(s, &bad_iv, key));
    REFUSED(p11->C_EncryptInit(s, &no_iv, key));
    REFUSED(p11->C_EncryptInit(s, &huge_iv, key));
    REFUSED(p11->C_EncryptInit(s, &bad_gcm, key));
    for (size_t i = 0; i < COUNT(gcm); i++) {
        REFUSED(p11->C_EncryptInit(s, &gcm[i], key));
        REFUSED(p11->C_DecryptInit(s, &gcm[i], key));
    }
    ANSWERS(CKR_KEY_HANDLE_INVALID, p11->C_EncryptInit(s, &ecb, NOWHERE));
    ANSWERS(CKR_SESSION_HANDLE_INVALID, p11->C_EncryptInit(NOWHERE, &ecb, key));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_Encrypt(s, some, 16, out, &length));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptUpdate(s, some, 16, out, &length));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(s, out, &length));
    must(p11->C_EncryptInit(s, &ecb, key), "C_EncryptInit");
    REFUSED(p11->C_Encrypt(s, some, 16, out, NULL));
    p11->C_EncryptInit(s, &ecb, key);
    REFUSED(p11->C_Encrypt(s, NULL, 16, out, &length));
    p11->C_EncryptInit(s, &ecb, key);
    length = 256;
    REFUSED(p11->C_Encrypt(s, some, 15, out, &length));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(s, out, &length));
    must(p11->C_EncryptInit(s, &ecb, key), "C_EncryptInit after an error");
    ANSWERS(CKR_OPERATION_ACTIVE, p11->C_EncryptInit(s, &ecb, key));
    length = 3;
    ANSWERS(CKR_BUFFER_TOO_SMALL, p11->C_Encrypt(s, some, 16, out, &length));
    check(length == 16, "a short buffer learns the length");
    ANSWERS(CKR_OK, p11->C_Encrypt(s, some, 16, out, &length));

    REFUSED(p11->C_DecryptInit(s, &nonsense, key));
    ANSWERS(CKR_KEY_HANDLE_INVALID, p11->C_DecryptInit(s, &ecb, NOWHERE));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_Decrypt(s, some, 16, out, &length));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_DecryptUpdate(s, some, 16, out, &length));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_DecryptFinal(s, out, &length));
    must(p11->C_DecryptInit(s, &ecb, key), "C_DecryptInit");
    REFUSED(p11->C_Decrypt(s, NULL, 16, out, &length));
}

static void digests_and_random(void)
{
    REFUSED(p11->C_DigestInit(s, &nonsense));
    REFUSED(p11->C_DigestInit(NOWHERE, &sha));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_Digest(s, some, 4, out, &length));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestUpdate(s, some, 4));
    ANSWERS(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestFinal(s, out, &length));
    REFUSED(p11->C_DigestKey(s, key));
    must(p11->C_DigestInit(s, &sha), "C_DigestInit");
    REFUSED(p11->C_Digest(s, NULL, 4, out, &length));
    must(p11->C_DigestInit(s, &sha), "C_DigestInit after an error");
    REFUSED(p11->C_DigestUpdate(s, NULL, 4));
    must(p11->C_DigestInit(s, &sha), "C_DigestInit after an error");
    must(p11->C_DigestUpdate(s, some, 4), "C_DigestUpdate");
    ANSWERS(CKR_OPERATION_ACTIVE, p11->C_Digest(s, some, 4, out, &length));
    REFUSED(p11->C_GenerateRandom(s, NULL, 4));
    REFUSED(p11->C_GenerateRandom(NOWHERE, some, 4));
    REFUSED(p11->C_SeedRandom(s, NULL, 4));
}

static void keys(void)
{
    CK_OBJECT_HANDLE other, another;
    CK_ULONG absurd = HUGE_COUNT, zero = 0;
    CK_ATTRIBUTE bits = {CKA_MODULUS_BITS, &absurd, sizeof absurd},
                 long_value = {CKA_VALUE_LEN, &absurd, sizeof absurd},
                 no_value = {CKA_VALUE_LEN, &zero, sizeof zero};
    CK_MECHANISM unwrap = {0x2109UL /* CKM_AES_KEY_WRAP */, NULL, 0};
    REFUSED(p11->C_GenerateKey(s, NULL, NULL, 0, &other));
    REFUSED(p11->C_GenerateKey(s, &keygen, NULL, 1, &other));
    REFUSED(p11->C_GenerateKey(s, &keygen, NULL, 0, &other));
    REFUSED(p11->C_GenerateKey(s, &keygen, &long_value, 1, &other));
    REFUSED(p11->C_GenerateKey(s, &keygen, &no_value, 1, &other));
    REFUSED(p11->C_GenerateKey(s, &keygen, &long_value, 1, NULL));
    REFUSED(p11->C_GenerateKey(s, &nonsense, NULL, 0, &other));
    REFUSED(p11->C_GenerateKeyPair(s, NULL, NULL, 0, NULL, 0, &other, &another));
    REFUSED(p11->C_GenerateKeyPair(s, &pairgen, NULL, 0, NULL, 0, &other, &another));
    REFUSED(p11->C_GenerateKeyPair(s, &pairgen, &bits, 1, NULL, 0, &other, &another));
    REFUSED(p11->C_GenerateKeyPair(s, &pairgen, &bits, 1, NULL, 0, NULL, NULL));
    REFUSED(p11->C_WrapKey(s, NULL, key, key, out, &length));
    REFUSED(p11->C_WrapKey(s, &unwrap, NOWHERE, key, out, &length));
    REFUSED(p11->C_WrapKey(s, &unwrap, key, NOWHERE, out, &length));
    REFUSED(p11->C_WrapKey(s, &unwrap, key, key, out, NULL));
    REFUSED(p11->C_UnwrapKey(s, NULL, key, some, 24, NULL, 0, &other));
    REFUSED(p11->C_UnwrapKey(s, &unwrap, key, NULL, 24, NULL, 0, &other));
    REFUSED(p11->C_UnwrapKey(s, &unwrap, key, some, HUGE_COUNT, NULL, 0, &other));
    REFUSED(p11->C_UnwrapKey(s, &unwrap, key, some, 0, NULL, 0, &other));
    REFUSED(p11->C_UnwrapKey(s, &unwrap, key, some, 24, NULL, 1, &other));
    REFUSED(p11->C_UnwrapKey(s, &unwrap, key, some, 24, NULL, 0, NULL));
    ANSWERS(CKR_UNWRAPPING_KEY_HANDLE_INVALID,
            p11->C_UnwrapKey(s, &unwrap, NOWHERE, some, 24, NULL, 0, &other));
    REFUSED(p11->C_DeriveKey(s, NULL, key, NULL, 0, &other));
    REFUSED(p11->C_DeriveKey(s, &nonsense, key, NULL, 0, &other));
}

/* Signatures and what few modules serve: an error, whichever. */
static void the_rest(void)
{
    REFUSED(p11->C_SignInit(s, &nonsense, key));
    REFUSED(p11->C_SignInit(s, &ecb, NOWHERE));
    REFUSED(p11->C_Sign(s, some, 4, out, &length));
    REFUSED(p11->C_SignUpdate(s, some, 4));
    REFUSED(p11->C_SignFinal(s, out, &length));
    REFUSED(p11->C_SignRecover(s, some, 4, out, &length));
    REFUSED(p11->C_VerifyInit(s, &nonsense, key));
    REFUSED(p11->C_Verify(s, some, 4, out, 4));
    REFUSED(p11->C_VerifyUpdate(s, some, 4));
    REFUSED(p11->C_VerifyFinal(s, out, 4));
    REFUSED(p11->C_VerifyRecover(s, some, 4, out, &length));
    REFUSED(p11->C_DigestEncryptUpdate(s, some, 4, out, &length));
    REFUSED(p11->C_DecryptDigestUpdate(s, some, 4, out, &length));
    REFUSED(p11->C_SignEncryptUpdate(s, some, 4, out, &length));
    REFUSED(p11->C_DecryptVerifyUpdate(s, some, 4, out, &length));
    ANSWERS(CKR_FUNCTION_NOT_PARALLEL, p11->C_GetFunctionStatus(s));
    ANSWERS(CKR_FUNCTION_NOT_PARALLEL, p11->C_CancelFunction(s));
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    memory_is_watched();
    p11 = load(arguments[1]).p11;
    before_initialize();
    initialize_absurdly();
    s = make_token(p11);
    key = generate(p11, s, "key", &yes);
    CK_ULONG before = objects_found(p11, s);
    slots_and_tokens(first_slot(p11));
    sessions(first_slot(p11));
    objects();
    encryption();
    digests_and_random();
    keys();
    the_rest();
    check(objects_found(p11, s) == before, "none of it left or took an object");
    check(works(p11, s, key), "and the key works as before");
    gives(p11->C_Finalize(NULL), CKR_OK, "C_Finalize");
    return failures != 0;
}

/* Calls as clients make them, within the specification's letter or a little beside it. */
#include "abi.h"
#include <sys/mman.h>

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE s;

static void functions_in_parallel(const char *when)
{
    gives(p11->C_GetFunctionStatus(0), CKR_FUNCTION_NOT_PARALLEL, when);
    gives(p11->C_CancelFunction(99), CKR_FUNCTION_NOT_PARALLEL, when);
}

static void reserved_arguments(void)
{
    CK_ULONG numbers[] = {1, 0xfff, ~0UL, 0x8000000000000000UL};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        CK_C_INITIALIZE_ARGS arguments = {.pReserved = (void *)numbers[i]};
        gives(p11->C_Initialize(&arguments), CKR_ARGUMENTS_BAD,
              "a number as C_Initialize's reserved argument is refused");
    }
}

/* The end of a page behind which nothing can be read. */
static CK_BYTE *at_the_edge(const char *text)
{
    size_t page = 4096, length = strlen(text) + 1;
    CK_BYTE *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0)
        must(CKR_HOST_MEMORY, "mmap");
    return memcpy(pages + page - length, text, length);
}

static void labels(void)
{
    CK_SLOT_ID slot = first_slot(p11);
    CK_TOKEN_INFO info;
    CK_BYTE shown[33];
    gives(p11->C_InitToken(9999, NULL, 0, NULL), CKR_SLOT_ID_INVALID,
          "C_InitToken names the slot before PIN and label");
    gives(p11->C_InitToken(9999, (CK_BYTE *)"1", 1, at_the_edge("x")), CKR_SLOT_ID_INVALID,
          "C_InitToken names the slot before a PIN that is too short");
    gives(p11->C_InitToken(slot, (CK_BYTE *)SO_PIN, strlen(SO_PIN), at_the_edge("short")), CKR_OK,
          "a label ends at its first NUL");
    must(p11->C_GetTokenInfo(slot, &info), "C_GetTokenInfo");
    snprintf((char *)shown, sizeof shown, "%-32s", "short");
    check(memcmp(info.label, shown, sizeof info.label) == 0, "and is padded with blanks");
}

static void seeds(void)
{
    gives(p11->C_SeedRandom(s, (CK_BYTE *)"seed", 4), CKR_OK, "C_SeedRandom takes a seed");
    gives(p11->C_SeedRandom(s, NULL, 0), CKR_OK, "C_SeedRandom takes an empty seed");
    gives(p11->C_SeedRandom(s, NULL, 4), CKR_ARGUMENTS_BAD, "C_SeedRandom refuses NULL with a length");
    gives(p11->C_SeedRandom(0, (CK_BYTE *)"seed", 4), CKR_SESSION_HANDLE_INVALID,
          "C_SeedRandom refuses a session that there is not");
}

static CK_OBJECT_HANDLE data_object(CK_BBOOL token, char label)
{
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &token, 1},
                               {CKA_PRIVATE, &no, 1}, {CKA_LABEL, &label, 1}};
    CK_OBJECT_HANDLE object = 0;
    must(p11->C_CreateObject(s, template, COUNT(template), &object), "C_CreateObject");
    return object;
}

static void searches(CK_BBOOL token, const char *kind)
{
    enum { MANY = 24 };
    CK_OBJECT_HANDLE made[MANY], found[MANY + 1];
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_ULONG count = 0, more = 0;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &token, 1}};
    for (int i = 0; i < MANY; i++)
        made[i] = data_object(token, (char)('a' + i));
    must(p11->C_FindObjectsInit(s, template, COUNT(template)), "C_FindObjectsInit");
    gives(p11->C_FindObjects(s, NULL, 1, &count), CKR_ARGUMENTS_BAD, "no room for handles is refused");
    gives(p11->C_FindObjects(s, found, 1, NULL), CKR_ARGUMENTS_BAD, "no place for the count is refused");
    gives(p11->C_FindObjects(s, found, 3, &count), CKR_OK, "a search goes on after a bad argument");
    gives(p11->C_FindObjects(s, found + 3, MANY - 2, &more), CKR_OK, "to its end");
    must(p11->C_FindObjectsFinal(s), "C_FindObjectsFinal");
    check(count == 3 && more == MANY - 3 && memcmp(made, found, sizeof made) == 0,
          "%s objects are found in the order of their creation", kind);
}

static void mixed_search(void)
{
    CK_OBJECT_HANDLE made[8], found[COUNT(made) + 1];
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_ULONG count = 0;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}};
    for (size_t i = 0; i < COUNT(made); i++)
        made[i] = data_object(i % 2 == 0, (char)('a' + i));
    must(p11->C_FindObjectsInit(s, template, COUNT(template)), "C_FindObjectsInit");
    must(p11->C_FindObjects(s, found, COUNT(found), &count), "C_FindObjects");
    must(p11->C_FindObjectsFinal(s), "C_FindObjectsFinal");
    check(count == COUNT(made) && memcmp(made, found, sizeof made) == 0,
          "objects of session and token are found in the order of their creation");
    for (size_t i = 0; i < COUNT(made); i++)
        must(p11->C_DestroyObject(s, made[i]), "C_DestroyObject");
}

/* Allocates what it is told, and passes nothing where it is told 0. */
static CK_RV grown(CK_RV (*call)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR), CK_BYTE **at)
{
    CK_ULONG length = 0;
    CK_RV rv = call(s, NULL, &length);
    if (rv != CKR_OK)
        return rv;
    rv = call(s, length ? *at : NULL, &length);
    *at += length;
    return rv;
}

static CK_BYTE *input;
static CK_ULONG input_len;

static CK_RV decrypt_update(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR length)
{
    return p11->C_DecryptUpdate(session, input, input_len, out, length);
}

static CK_RV encrypt_update(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR length)
{
    return p11->C_EncryptUpdate(session, input, input_len, out, length);
}

static void lengths_asked_for(CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism, CK_ULONG size)
{
    CK_BYTE text[64] = "sixty-four bytes at the most, in parts as small as they may be", sealed[256],
            opened[128], *end = sealed, *back = opened;
    must(p11->C_EncryptInit(s, mechanism, key), "C_EncryptInit");
    for (CK_ULONG i = 0; i < size; i += 4) {
        input = text + i, input_len = 4;
        must(grown(encrypt_update, &end), "C_EncryptUpdate");
    }
    must(grown(p11->C_EncryptFinal, &end), "C_EncryptFinal");
    must(p11->C_DecryptInit(s, mechanism, key), "C_DecryptInit");
    for (CK_BYTE *part = sealed; part < end; part += 4) {
        input = part, input_len = (CK_ULONG)(end - part < 4 ? end - part : 4);
        must(grown(decrypt_update, &back), "C_DecryptUpdate");
    }
    must(grown(p11->C_DecryptFinal, &back), "C_DecryptFinal");
    check((CK_ULONG)(back - opened) == size && memcmp(opened, text, size) == 0,
          "a client that allocates what it is told gets %lu bytes through mechanism 0x%lx in parts",
          size, mechanism->mechanism);
    gives(p11->C_DecryptInit(s, mechanism, key), CKR_OK, "and the operation is over");
    must(p11->C_DecryptFinal(s, opened, &size) == CKR_OPERATION_NOT_INITIALIZED, "C_DecryptFinal");
}

static CK_OBJECT_HANDLE token_key(void)
{
    CK_MECHANISM keygen = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = 32;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE template[] = {{CKA_VALUE_LEN, &length, sizeof length}, {CKA_TOKEN, &yes, 1}};
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(s, &keygen, template, COUNT(template), &key), "C_GenerateKey");
    return key;
}

static void lengths(void)
{
    static CK_BYTE iv[16];
    CK_GCM_PARAMS gcm = {.iv_ptr = iv, .iv_len = 12, .tag_bits = 128};
    CK_MECHANISM mechanisms[] = {{CKM_AES_GCM, &gcm, sizeof gcm}, {CKM_AES_CBC_PAD, iv, 16},
                                 {CKM_AES_CBC, iv, 16}, {CKM_KEYSTEAD_SEAL, NULL, 0}};
    CK_OBJECT_HANDLE key = token_key();
    for (size_t i = 0; i < COUNT(mechanisms); i++) {
        lengths_asked_for(key, &mechanisms[i], 64);
        lengths_asked_for(key, &mechanisms[i], 0);
    }
}

/* What a function answers to a mechanism without a parameter, and no key. */
static CK_RV answer(CK_FLAGS to, CK_MECHANISM *by)
{
    CK_OBJECT_HANDLE made[2];
    CK_BYTE blob[64] = {0};
    CK_ULONG length = 0;
    switch (to) {
    case CKF_ENCRYPT: return p11->C_EncryptInit(s, by, 0);
    case CKF_DECRYPT: return p11->C_DecryptInit(s, by, 0);
    case CKF_SIGN: return p11->C_SignInit(s, by, 0);
    case CKF_SIGN_RECOVER: return p11->C_SignRecoverInit(s, by, 0);
    case CKF_VERIFY: return p11->C_VerifyInit(s, by, 0);
    case CKF_VERIFY_RECOVER: return p11->C_VerifyRecoverInit(s, by, 0);
    case CKF_GENERATE: return p11->C_GenerateKey(s, by, NULL, 0, made);
    case CKF_GENERATE_KEY_PAIR:
        return p11->C_GenerateKeyPair(s, by, NULL, 0, NULL, 0, &made[0], &made[1]);
    case CKF_WRAP: return p11->C_WrapKey(s, by, 0, 0, NULL, &length);
    case CKF_UNWRAP: return p11->C_UnwrapKey(s, by, 0, blob, sizeof blob, NULL, 0, made);
    case CKF_DERIVE: return p11->C_DeriveKey(s, by, 0, NULL, 0, made);
    default: {
        CK_RV rv = p11->C_DigestInit(s, by);
        p11->C_DigestInit(s, NULL);
        return rv;
    }
    }
}

/* What C_GetMechanismInfo tells is what the functions take, whatever else is wrong with a call. */
static void mechanisms(void)
{
    static const CK_FLAGS flags[] = {CKF_ENCRYPT, CKF_DECRYPT, CKF_SIGN, CKF_SIGN_RECOVER,
                                     CKF_VERIFY, CKF_VERIFY_RECOVER, CKF_GENERATE,
                                     CKF_GENERATE_KEY_PAIR, CKF_WRAP, CKF_UNWRAP, CKF_DERIVE,
                                     CKF_DIGEST};
    CK_MECHANISM_TYPE list[256];
    CK_ULONG count = COUNT(list);
    CK_SLOT_ID slot = first_slot(p11);
    int lies = 0;
    must(p11->C_GetMechanismList(slot, list, &count), "C_GetMechanismList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_MECHANISM by = {list[i], NULL, 0};
        CK_MECHANISM_INFO info;
        must(p11->C_GetMechanismInfo(slot, list[i], &info), "C_GetMechanismInfo");
        for (size_t f = 0; f < COUNT(flags); f++) {
            bool told = info.flags & flags[f], taken = answer(flags[f], &by) != CKR_MECHANISM_INVALID;
            if (told == taken)
                continue;
            lies++;
            printf("# mechanism 0x%lx, flag 0x%lx: told %d, taken %d\n", list[i], flags[f], told, taken);
        }
    }
    check(count > 50 && lies == 0, "each mechanism is valid where its flags say so, and nowhere else");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    p11 = load(argv[1]).p11;
    functions_in_parallel("before C_Initialize, functions do not run in parallel");
    reserved_arguments();
    must(initialize(p11), "C_Initialize");
    functions_in_parallel("after it, with any session, functions do not run in parallel");
    labels();
    s = make_token(p11);
    seeds();
    mixed_search();
    searches(CK_FALSE, "session");
    searches(CK_TRUE, "token");
    lengths();
    mechanisms();
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

/* Sequences of any calls with any arguments, through the function lists of 2.40, 3.0 and 3.2, beside a model of the
 * library, its sessions, the login and the operations: it says which codes each call may give in the state it is in.
 * A seed gives the same calls again; the environment may name one (KEYSTEAD_SEED) and the number of calls
 * (KEYSTEAD_CALLS). */
#include "functions.h"
#include <ctype.h>
#include <errno.h>
#include <time.h>

#define SESSIONS 4
#define OBJECTS 24
#define USUAL 20000 /* calls, in which most functions succeed and each flaw shows */
#ifndef CALLS
#define CALLS number("KEYSTEAD_CALLS", USUAL)
#endif
#define KEPT 12
#define FIRST 1UL /* the seed where none is named */
#define REACHED (seed == FIRST ? 76 : 60) /* functions that succeed by chance: 78, and 66 and more by others */

/* --- the functions, in the order of the lists ------------------------------------------------- */

static const char *const names[] = {
    "C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo",
    "C_GetMechanismList", "C_GetMechanismInfo", "C_InitToken", "C_InitPIN", "C_SetPIN", "C_OpenSession",
    "C_CloseSession", "C_CloseAllSessions", "C_GetSessionInfo", "C_GetOperationState", "C_SetOperationState", "C_Login",
    "C_Logout", "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_GetObjectSize", "C_GetAttributeValue",
    "C_SetAttributeValue", "C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal", "C_EncryptInit", "C_Encrypt",
    "C_EncryptUpdate", "C_EncryptFinal", "C_DecryptInit", "C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal",
    "C_DigestInit", "C_Digest", "C_DigestUpdate", "C_DigestKey", "C_DigestFinal", "C_SignInit", "C_Sign",
    "C_SignUpdate", "C_SignFinal", "C_SignRecoverInit", "C_SignRecover", "C_VerifyInit", "C_Verify", "C_VerifyUpdate",
    "C_VerifyFinal", "C_VerifyRecoverInit", "C_VerifyRecover", "C_DigestEncryptUpdate", "C_DecryptDigestUpdate",
    "C_SignEncryptUpdate", "C_DecryptVerifyUpdate", "C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey",
    "C_DeriveKey", "C_SeedRandom", "C_GenerateRandom", "C_GetFunctionStatus", "C_CancelFunction",
    "C_WaitForSlotEvent",
    /* 3.0 */
    "C_GetInterfaceList", "C_GetInterface", "C_LoginUser", "C_SessionCancel", "C_MessageEncryptInit",
    "C_EncryptMessage", "C_EncryptMessageBegin", "C_EncryptMessageNext", "C_MessageEncryptFinal",
    "C_MessageDecryptInit", "C_DecryptMessage", "C_DecryptMessageBegin", "C_DecryptMessageNext",
    "C_MessageDecryptFinal", "C_MessageSignInit", "C_SignMessage", "C_SignMessageBegin", "C_SignMessageNext",
    "C_MessageSignFinal", "C_MessageVerifyInit", "C_VerifyMessage", "C_VerifyMessageBegin", "C_VerifyMessageNext",
    "C_MessageVerifyFinal",
    /* 3.2 */
    "C_EncapsulateKey", "C_DecapsulateKey", "C_VerifySignatureInit", "C_VerifySignature", "C_VerifySignatureUpdate",
    "C_VerifySignatureFinal", "C_GetSessionValidationFlags", "C_AsyncComplete", "C_AsyncGetID", "C_AsyncJoin",
    "C_WrapKeyAuthenticated", "C_UnwrapKeyAuthenticated"};

struct list {
    CK_VERSION version;
    function functions[COUNT(names)];
};

static const struct { CK_VERSION version; size_t count; } versions[] = {{{2, 40}, 68}, {{3, 0}, 92}, {{3, 2}, 104}};
static struct list *lists[COUNT(versions)];

/* The rows of the functions that the other table, of which each argument can be spoiled, has not. Kinds of arguments
 * besides its own: p a PIN, q its length, r a version's place, i a label of 32 bytes. */
#define LOGIN                                                                                      \
    CKR_OPERATION_NOT_INITIALIZED, CKR_PIN_INCORRECT, CKR_PIN_LEN_RANGE, CKR_PIN_LOCKED,           \
        CKR_PIN_INVALID, CKR_SESSION_READ_ONLY_EXISTS, CKR_USER_ALREADY_LOGGED_IN,                 \
        CKR_USER_ANOTHER_ALREADY_LOGGED_IN, CKR_USER_PIN_NOT_INITIALIZED, CKR_USER_TYPE_INVALID
static const struct row others[] = {
    {"C_GetSlotList", "fPL", NULL, NONE, PLAIN, {CKR_BUFFER_TOO_SMALL, END}},
    {"C_SetPIN", "Spqpq", NULL, NONE, PLAIN,
     {CKR_PIN_INCORRECT, CKR_PIN_LEN_RANGE, CKR_PIN_INVALID, CKR_PIN_LOCKED, CKR_SESSION_READ_ONLY, END}},
    {"C_InitPIN", "Spq", NULL, NONE, PLAIN,
     {CKR_PIN_LEN_RANGE, CKR_PIN_INVALID, CKR_SESSION_READ_ONLY, CKR_USER_NOT_LOGGED_IN, END}},
    {"C_SetOperationState", "SIlKK", NULL, NONE, PLAIN,
     {CKR_KEY_CHANGED, CKR_KEY_NEEDED, CKR_KEY_NOT_NEEDED, CKR_SAVED_STATE_INVALID, END}},
    {"C_Login", "Supq", NULL, NONE, PLAIN, {LOGIN, END}},
    {"C_LoginUser", "SupqIl", NULL, NONE, PLAIN, {LOGIN, END}},
    {"C_Logout", "S", NULL, NONE, PLAIN, {CKR_USER_NOT_LOGGED_IN, END}},
    {"C_GetAttributeValue", "SOTn", NULL, NONE, PLAIN,
     {CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL, CKR_OBJECT_HANDLE_INVALID, END}},
    {"C_DeriveKey", "SmBTnH", NULL, NONE, PLAIN,
     {MADE, CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_SIZE_RANGE, CKR_KEY_FUNCTION_NOT_PERMITTED, END}},
    {"C_GetFunctionStatus", "S", NULL, NONE, PLAIN, {CKR_FUNCTION_NOT_PARALLEL, END}},
    {"C_CancelFunction", "S", NULL, NONE, PLAIN, {CKR_FUNCTION_NOT_PARALLEL, END}},
    {"C_EncapsulateKey", "SmKTnPLH", NULL, NONE, PLAIN,
     {MADE, CKR_BUFFER_TOO_SMALL, CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_SIZE_RANGE,
      CKR_KEY_FUNCTION_NOT_PERMITTED, END}},
    {"C_DecapsulateKey", "SmKTnIlH", NULL, NONE, PLAIN,
     {MADE, CKR_UNWRAPPING_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, CKR_UNWRAPPING_KEY_SIZE_RANGE,
      CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE, END}},
    {"C_AsyncComplete", "SIH", NULL, NONE, PLAIN, {CKR_FUNCTION_NOT_SUPPORTED, END}},
    {"C_AsyncGetID", "SIH", NULL, NONE, PLAIN, {CKR_FUNCTION_NOT_SUPPORTED, END}},
    {"C_AsyncJoin", "SIfIl", NULL, NONE, PLAIN, {CKR_FUNCTION_NOT_SUPPORTED, END}},
};

static const struct row *row_of(const char *name)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    for (size_t i = 0; i < COUNT(others); i++)
        if (strcmp(others[i].name, name) == 0)
            return &others[i];
    return NULL;
}

/* --- chance ---------------------------------------------------------------------------------- */

static unsigned long seed = FIRST, state;

static CK_ULONG draw(CK_ULONG below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state >> 11) % below;
}

static bool one_in(CK_ULONG many) { return draw(many) == 0; }

/* --- the model ------------------------------------------------------------------------------- */

/* The operations of a session. */
enum operation { ENCRYPT, DECRYPT, DIGEST, SIGN, VERIFY, SIGN_RECOVER, VERIFY_RECOVER, VERIFY_SIGNATURE, FIND,
                 MESSAGE_ENCRYPT, MESSAGE_DECRYPT, MESSAGE_SIGN, MESSAGE_VERIFY, OPERATIONS };

/* Known to have begun, known not to have, or not known: where the specification leaves it open. */
enum known { NO, YES, OPEN };

enum role { INIT, WHOLE, PART, LAST };

static const struct step { const char *name; enum role role; int first, second; } steps[] = {
    {"C_EncryptInit", INIT, ENCRYPT, -1}, {"C_Encrypt", WHOLE, ENCRYPT, -1},
    {"C_EncryptUpdate", PART, ENCRYPT, -1}, {"C_EncryptFinal", LAST, ENCRYPT, -1},
    {"C_DecryptInit", INIT, DECRYPT, -1}, {"C_Decrypt", WHOLE, DECRYPT, -1},
    {"C_DecryptUpdate", PART, DECRYPT, -1}, {"C_DecryptFinal", LAST, DECRYPT, -1},
    {"C_DigestInit", INIT, DIGEST, -1}, {"C_Digest", WHOLE, DIGEST, -1}, {"C_DigestUpdate", PART, DIGEST, -1},
    {"C_DigestKey", PART, DIGEST, -1}, {"C_DigestFinal", LAST, DIGEST, -1},
    {"C_SignInit", INIT, SIGN, -1}, {"C_Sign", WHOLE, SIGN, -1}, {"C_SignUpdate", PART, SIGN, -1},
    {"C_SignFinal", LAST, SIGN, -1},
    {"C_SignRecoverInit", INIT, SIGN_RECOVER, -1}, {"C_SignRecover", WHOLE, SIGN_RECOVER, -1},
    {"C_VerifyInit", INIT, VERIFY, -1}, {"C_Verify", WHOLE, VERIFY, -1}, {"C_VerifyUpdate", PART, VERIFY, -1},
    {"C_VerifyFinal", LAST, VERIFY, -1},
    {"C_VerifyRecoverInit", INIT, VERIFY_RECOVER, -1}, {"C_VerifyRecover", WHOLE, VERIFY_RECOVER, -1},
    {"C_DigestEncryptUpdate", PART, DIGEST, ENCRYPT}, {"C_DecryptDigestUpdate", PART, DECRYPT, DIGEST},
    {"C_SignEncryptUpdate", PART, SIGN, ENCRYPT}, {"C_DecryptVerifyUpdate", PART, DECRYPT, VERIFY},
    {"C_FindObjectsInit", INIT, FIND, -1}, {"C_FindObjects", PART, FIND, -1}, {"C_FindObjectsFinal", LAST, FIND, -1},
    {"C_VerifySignatureInit", INIT, VERIFY_SIGNATURE, -1}, {"C_VerifySignature", WHOLE, VERIFY_SIGNATURE, -1},
    {"C_VerifySignatureUpdate", PART, VERIFY_SIGNATURE, -1}, {"C_VerifySignatureFinal", LAST, VERIFY_SIGNATURE, -1},
    {"C_MessageEncryptInit", INIT, MESSAGE_ENCRYPT, -1}, {"C_EncryptMessage", PART, MESSAGE_ENCRYPT, -1},
    {"C_EncryptMessageBegin", PART, MESSAGE_ENCRYPT, -1}, {"C_EncryptMessageNext", PART, MESSAGE_ENCRYPT, -1},
    {"C_MessageEncryptFinal", LAST, MESSAGE_ENCRYPT, -1},
    {"C_MessageDecryptInit", INIT, MESSAGE_DECRYPT, -1}, {"C_DecryptMessage", PART, MESSAGE_DECRYPT, -1},
    {"C_DecryptMessageBegin", PART, MESSAGE_DECRYPT, -1}, {"C_DecryptMessageNext", PART, MESSAGE_DECRYPT, -1},
    {"C_MessageDecryptFinal", LAST, MESSAGE_DECRYPT, -1},
    {"C_MessageSignInit", INIT, MESSAGE_SIGN, -1}, {"C_SignMessage", PART, MESSAGE_SIGN, -1},
    {"C_SignMessageBegin", PART, MESSAGE_SIGN, -1}, {"C_SignMessageNext", PART, MESSAGE_SIGN, -1},
    {"C_MessageSignFinal", LAST, MESSAGE_SIGN, -1},
    {"C_MessageVerifyInit", INIT, MESSAGE_VERIFY, -1}, {"C_VerifyMessage", PART, MESSAGE_VERIFY, -1},
    {"C_VerifyMessageBegin", PART, MESSAGE_VERIFY, -1}, {"C_VerifyMessageNext", PART, MESSAGE_VERIFY, -1},
    {"C_MessageVerifyFinal", LAST, MESSAGE_VERIFY, -1},
};

static const struct step *step_of(const char *name)
{
    for (size_t i = 0; i < COUNT(steps); i++)
        if (strcmp(steps[i].name, name) == 0)
            return &steps[i];
    return NULL;
}

static struct session { CK_SESSION_HANDLE handle; bool writes; enum known begun[OPERATIONS]; bool parts[OPERATIONS]; } sessions[SESSIONS];
static bool initialized;
static CK_USER_TYPE user; /* UNAVAILABLE: none */
#define NONE_YET CK_UNAVAILABLE_INFORMATION

static struct session *session_of(CK_ULONG handle)
{
    for (size_t i = 0; handle && i < SESSIONS; i++)
        if (sessions[i].handle == handle)
            return &sessions[i];
    return NULL;
}

static void forget_sessions(void)
{
    memset(sessions, 0, sizeof sessions);
    user = NONE_YET;
}

/* What may have ended because of another call: keys that are gone, or a login. */
static void leave_open(void)
{
    for (size_t i = 0; i < SESSIONS; i++)
        for (int o = 0; o < OPERATIONS; o++)
            if (sessions[i].begun[o] == YES)
                sessions[i].begun[o] = OPEN;
}

static bool any_session(void)
{
    for (size_t i = 0; i < SESSIONS; i++)
        if (sessions[i].handle)
            return true;
    return false;
}

/* --- the last calls, for a report -------------------------------------------------------------- */

static struct call { const char *name; CK_ULONG a[MOST]; CK_RV rv; } last[KEPT];
static unsigned long calls;
static const char *broken;
static int flaw;
static bool succeeded[COUNT(names)];

static void report(void)
{
    for (unsigned long i = calls < KEPT ? 0 : calls - KEPT; i < calls; i++) {
        const struct call *it = &last[i % KEPT];
        printf("# %lu %s(%lx, %lx, %lx, %lx, %lx, %lx) = 0x%lx\n", i, it->name, it->a[0], it->a[1], it->a[2], it->a[3],
               it->a[4], it->a[5], it->rv);
    }
    printf("# KEYSTEAD_SEED=%lu plays it again\n", seed);
}

/* Holds a call's code against the rule of that name. */
static void holds(bool right, const char *rule)
{
    if (!right && !broken)
        broken = rule;
}

/* --- arguments ------------------------------------------------------------------------------- */

static CK_OBJECT_HANDLE objects[OBJECTS];
static size_t object_count;
#define ROOM 512
static CK_BYTE buffer[ROOM * sizeof(CK_ULONG)]; /* of bytes, or of as many numbers */
static CK_BYTE zeros[96]; /* as a parameter: numbers of nothing, and pointers to it */
static CK_ULONG room, result[64];
static CK_MECHANISM mechanism;
static CK_ATTRIBUTE template[8];
static CK_ULONG numbers[8];
static int wrong_pins;

static CK_OBJECT_HANDLE an_object(void)
{
    CK_OBJECT_HANDLE known[] = {aes_key, wrap_key, idle_key, ec[0], ec[1], rsa[0], rsa[1], idle_ec};
    if (one_in(20))
        return one_in(2) ? 0 : NOWHERE;
    if (object_count && one_in(4))
        return objects[draw(object_count)];
    return known[draw(COUNT(known))];
}

static CK_ULONG a_mechanism(void)
{
    static const CK_MECHANISM_TYPE types[] = {
        CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_GCM, CKM_AES_CTR, CKM_AES_CMAC, CKM_AES_KEY_GEN,
        CKM_SHA256, CKM_SHA_1, CKM_SHA512, CKM_SHA256_HMAC, CKM_ECDSA, CKM_ECDSA_SHA256, CKM_RSA_PKCS,
        CKM_SHA256_RSA_PKCS, CKM_RSA_PKCS_OAEP, CKM_RSA_PKCS_PSS, CKM_GENERIC_SECRET_KEY_GEN, CKM_EC_KEY_PAIR_GEN,
        CKM_ECDH1_DERIVE, CKM_AES_ECB_ENCRYPT_DATA, 0x2109 /* AES_KEY_WRAP */, 0x210B /* AES_KEY_WRAP_KWP */,
        0x402A /* HKDF_DERIVE */, 0x17 /* ML_KEM */, 0x1D /* ML_DSA */};
    static struct { CK_BYTE *iv; CK_ULONG iv_len, bits; CK_BYTE *aad; CK_ULONG aad_len, tag_bits; }
        of_gcm = {iv, 12, 96, text, 16, 128};
    if (one_in(15))
        return one_in(2) ? 0 : (CK_ULONG)&nonsense;
    mechanism = (CK_MECHANISM){types[draw(COUNT(types))], NULL, 0};
    switch (mechanism.mechanism) {
    case CKM_AES_CBC: case CKM_AES_CBC_PAD: mechanism.pParameter = iv, mechanism.ulParameterLen = 16; break;
    case CKM_AES_GCM: mechanism.pParameter = &of_gcm, mechanism.ulParameterLen = sizeof of_gcm; break;
    case CKM_AES_ECB_ENCRYPT_DATA:
        numbers[6] = (CK_ULONG)text, numbers[7] = 16;
        mechanism.pParameter = &numbers[6], mechanism.ulParameterLen = 16;
        break;
    default: break;
    }
    if (one_in(12))
        mechanism.pParameter = zeros, mechanism.ulParameterLen = 8 * draw(12);
    if (one_in(40))
        mechanism.pParameter = NULL, mechanism.ulParameterLen = draw(64);
    return (CK_ULONG)&mechanism;
}

static CK_ULONG filled_template;

static CK_ULONG a_template(void)
{
    static CK_OBJECT_CLASS classes[] = {CKO_DATA, CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_CERTIFICATE};
    static CK_KEY_TYPE types[] = {CKK_AES, CKK_GENERIC_SECRET, CKK_EC, CKK_RSA, CKK_SHA256_HMAC};
    static CK_BBOOL flags[] = {CK_FALSE, CK_TRUE};
    static const CK_ATTRIBUTE_TYPE usages[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP,
                                               CKA_DERIVE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_PRIVATE, CKA_MODIFIABLE,
                                               CKA_COPYABLE, CKA_DESTROYABLE, CKA_TRUSTED, CKA_LOCAL};
    filled_template = draw(6);
    for (CK_ULONG i = 0; i < filled_template; i++) {
        CK_ATTRIBUTE *it = &template[i];
        switch (draw(10)) {
        case 0: *it = (CK_ATTRIBUTE){CKA_CLASS, &classes[draw(COUNT(classes))], sizeof *classes}; break;
        case 1: *it = (CK_ATTRIBUTE){CKA_KEY_TYPE, &types[draw(COUNT(types))], sizeof *types}; break;
        case 2: numbers[i] = 8 << draw(4); *it = (CK_ATTRIBUTE){CKA_VALUE_LEN, &numbers[i], sizeof *numbers}; break;
        case 3: *it = (CK_ATTRIBUTE){CKA_LABEL, text, draw(16)}; break;
        case 4: *it = (CK_ATTRIBUTE){CKA_VALUE, buffer, draw(64)}; break;
        case 5: *it = of_ec[0]; break;
        case 6: *it = (CK_ATTRIBUTE){CKA_ID, text, draw(8)}; break;
        case 7: *it = (CK_ATTRIBUTE){draw(0x700), buffer, draw(40)}; break;
        default: *it = (CK_ATTRIBUTE){usages[draw(COUNT(usages))], &flags[draw(2)], 1}; break;
        }
        /* A template in a template would be read as pointers. */
        if (it->type & CKF_ARRAY_ATTRIBUTE)
            it->type = CKA_LABEL;
        if (one_in(40))
            it->pValue = NULL;
    }
    /* The templates with which calls succeed. */
    if (one_in(3)) {
        const CK_ATTRIBUTE *good[] = {of_data, of_aes, of_ec, of_label};
        memcpy(template, good[draw(COUNT(good))], sizeof *template), filled_template = 1;
    } else if (one_in(3)) {
        memcpy(template, of_wrapped, sizeof of_wrapped), filled_template = 2;
    }
    return one_in(40) ? 0 : (CK_ULONG)template;
}

/* The session whose operation is to go on, if one is. */
static CK_SESSION_HANDLE going_on;

/* The argument with which the function's row succeeds; 0 where it names none. */
static CK_ULONG good(const struct row *row, char kind)
{
    switch (kind) {
    case 'S': return going_on;
    case 'M': case 'm': return (CK_ULONG)row->mechanism;
    case 'K': case 'W': case 'U': case 'B': case 'D': return row->key && row->key != &data ? *row->key : 0;
    case 'V': return (CK_ULONG)in;
    case 'v': return in_len;
    case 'C': return wrapped_len ? (CK_ULONG)wrapped : 0;
    case 'c': return wrapped_len;
    case 'O': case 'Q': return object_count ? objects[draw(object_count)] : 0;
    case 'T':
        filled_template = !row->template ? 0 : row->template == of_wrapped ? 2 : 1;
        memcpy(template, row->template ? row->template : of_data, filled_template * sizeof *template);
        return filled_template ? (CK_ULONG)template : 0;
    default: return 0;
    }
}

static CK_ULONG an_argument(const struct row *row, size_t at, CK_ULONG before)
{
    static const CK_ULONG lengths[] = {0, 1, 15, 16, 16, 16, 17, 32, 64, 255};
    static const char *pin;
    bool length_of_other = strchr("vc", row->kinds[at]) && before != (CK_ULONG)in && before != (CK_ULONG)wrapped;
    CK_ULONG right = length_of_other || one_in(4) ? 0 : good(row, row->kinds[at]);
    if (right)
        return right;
    switch (row->kinds[at]) {
    case 'S': {
        struct session *it = &sessions[draw(SESSIONS)];
        return one_in(25) ? (one_in(2) ? 0 : NOWHERE) : it->handle ? it->handle : closed;
    }
    case 'X': return one_in(10) ? NOWHERE : slot;
    /* Its structure for messages is as long as the one for whole texts, and has pointers elsewhere. */
    case 'M': case 'm': return row->mechanism == &gcm_wrap ? (CK_ULONG)&gcm_wrap : a_mechanism();
    case 'K': case 'W': case 'U': case 'B': case 'O': case 'Q': case 'D': return an_object();
    case 'I': case 'G': case 'V': case 'E': case 'C': case 'N':
        return one_in(25) ? 0 : one_in(2) ? (CK_ULONG)text : (CK_ULONG)in;
    case 'l': case 'e': case 'g': case 'v': case 'c': case 'z':
        if (before == (CK_ULONG)text)
            return lengths[draw(6)];
        if (one_in(50))
            return before ? HUGE_COUNT : 5;
        return before ? lengths[draw(COUNT(lengths))] : 0;
    case 'P': return one_in(4) ? 0 : (CK_ULONG)buffer;
    case 'L': room = one_in(6) ? draw(32) : ROOM; return one_in(30) ? 0 : (CK_ULONG)&room;
    case 'T': return a_template();
    case 'n': return one_in(60) ? HUGE_COUNT : filled_template;
    case 'H': return one_in(25) ? 0 : (CK_ULONG)result;
    case 'u': return one_in(20) ? 99 : draw(3);
    case 'p': {
        /* PINs stay what they are, and few are wrong: ten in a row lock them. */
        bool logs_in = strchr(row->kinds, 'u') != NULL, sets = strcmp(row->name, "C_SetPIN") == 0;
        pin = (logs_in ? before == CKU_SO : sets && user == CKU_SO) ? SO_PIN : USER_PIN;
        if (wrong_pins < 3 && logs_in && one_in(8))
            pin = one_in(2) ? "x" : "wrong-1234";
        return one_in(30) ? 0 : (CK_ULONG)pin;
    }
    case 'q': return before ? strlen(pin) : draw(2) * 5;
    case 'f': return draw(8);
    case 'A': return one_in(20) ? 0 : (CK_ULONG)&message;
    case 'a': return one_in(20) ? draw(8) : sizeof message;
    case '1': return draw(2);
    default: return 0;
    }
}

/* --- a call and what may come of it ------------------------------------------------------------ */

static CK_RV invoke(size_t list, size_t at, const CK_ULONG a[MOST])
{
    CK_RV rv = lists[list]->functions[at](a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
    /* Controls: what the model has to notice. */
    if (flaw == 1 && rv == CKR_OPERATION_NOT_INITIALIZED)
        rv = CKR_OK;
    if (flaw == 2 && rv == CKR_SESSION_HANDLE_INVALID)
        rv = CKR_ARGUMENTS_BAD;
    if (flaw == 3 && rv == CKR_OPERATION_ACTIVE)
        rv = CKR_OK;
    if (flaw == 4 && rv == CKR_KEY_TYPE_INCONSISTENT)
        rv = CKR_GENERAL_ERROR;
    if (flaw == 5 && rv == CKR_CRYPTOKI_NOT_INITIALIZED)
        rv = CKR_FUNCTION_FAILED;
    succeeded[at] |= rv == CKR_OK;
    struct call *it = &last[calls++ % KEPT];
    *it = (struct call){.name = names[at], .rv = rv};
    memcpy(it->a, a, sizeof it->a);
    return rv;
}

static bool is_of_gone_key(CK_RV rv) { return rv == CKR_KEY_HANDLE_INVALID || rv == CKR_KEY_FUNCTION_NOT_PERMITTED; }

/* The codes of an operation's steps, and what has begun after one. */
static void step(const struct step *step, struct session *it, const struct row *row, const CK_ULONG a[MOST], CK_RV rv)
{
    enum known *first = &it->begun[step->first], none = NO, *second = step->second < 0 ? NULL : &it->begun[step->second];
    if (step->role == INIT) {
        bool cancels = row->kinds[1] == 'M' && a[1] == 0;
        if (cancels && rv == CKR_OK)
            *first = NO;
        else if (*first == YES)
            holds(rv != CKR_OK, "an operation that is active is not begun again");
        else if (rv == CKR_OK)
            *first = YES, it->parts[step->first] = false;
        else
            holds(rv != CKR_OPERATION_ACTIVE || *first != NO || step->first != FIND,
                  "an operation that is not active does not stand in the way");
        return;
    }
    /* Where of two one has not begun, and the key of the other is gone, either is said. */
    bool other_is_gone = second && (*first == OPEN || *second == OPEN) && is_of_gone_key(rv);
    if (*first == NO || (second && *second == NO))
        holds(rv == CKR_OPERATION_NOT_INITIALIZED || other_is_gone, "a step needs its operation before anything else");
    /* A message goes on that has begun itself. */
    bool next = strstr(step->name, "MessageNext") != NULL;
    if (*first == YES && (!second || *second == YES) && !next)
        holds(rv != CKR_OPERATION_NOT_INITIALIZED, "an operation that has begun goes on");
    if (rv == CKR_OPERATION_NOT_INITIALIZED && !second && !next)
        *first = NO;
    /* Of two operations, the one that is there may end for want of the other. */
    if (rv == CKR_OPERATION_NOT_INITIALIZED && second) {
        *first = *first == YES ? OPEN : *first;
        *second = *second == YES ? OPEN : *second;
    }
    /* A last result that waits for room is asked for again, and nothing else goes on. */
    it->parts[step->first] |= rv == CKR_BUFFER_TOO_SMALL && step->role != PART;
    if (rv == CKR_OPERATION_NOT_INITIALIZED || rv == CKR_BUFFER_TOO_SMALL)
        return;
    const char *output = strstr(row->kinds, "PL");
    bool asks = output && a[output - row->kinds] == 0;
    if (rv == CKR_OK && (step->role == PART || asks)) {
        it->parts[step->first] |= !asks;
        if (second)
            it->parts[step->second] |= !asks;
        return;
    }
    if (rv == CKR_OK) {
        *first = NO;
        return;
    }
    /* Messages one by one: whether an error ends them all is the message's own. */
    *first = row->life == ENDS && !second && step->first < MESSAGE_ENCRYPT ? none : OPEN;
    if (second)
        *second = OPEN;
}

/* Finds the first object with that class, type of key and usage; 0 where there is none. */
static CK_OBJECT_HANDLE found(CK_OBJECT_CLASS class, CK_KEY_TYPE type, CK_ATTRIBUTE_TYPE usage, CK_BBOOL *may)
{
    CK_SESSION_HANDLE own = open_session(p11);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG many = 0;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}, {usage, may, 1}};
    must(p11->C_FindObjectsInit(own, wanted, COUNT(wanted)), "C_FindObjectsInit");
    must(p11->C_FindObjects(own, &object, 1, &many), "C_FindObjects");
    must(p11->C_CloseSession(own), "C_CloseSession");
    return many ? object : 0;
}

/* A login gives the keys of the token new handles. */
static void find_keys(void)
{
    aes_key = found(CKO_SECRET_KEY, CKK_AES, CKA_ENCRYPT, &yes), wrap_key = found(CKO_SECRET_KEY, CKK_AES, CKA_WRAP, &yes);
    idle_key = found(CKO_SECRET_KEY, CKK_AES, CKA_ENCRYPT, &no);
    ec[0] = found(CKO_PUBLIC_KEY, CKK_EC, CKA_VERIFY, &yes), ec[1] = found(CKO_PRIVATE_KEY, CKK_EC, CKA_SIGN, &yes);
    rsa[0] = found(CKO_PUBLIC_KEY, CKK_RSA, CKA_VERIFY, &yes), rsa[1] = found(CKO_PRIVATE_KEY, CKK_RSA, CKA_SIGN, &yes);
    idle_ec = found(CKO_PRIVATE_KEY, CKK_EC, CKA_SIGN, &no);
}

static void keep_object(CK_OBJECT_HANDLE made_now)
{
    objects[object_count < OBJECTS ? object_count++ : draw(OBJECTS)] = made_now;
}

/* What a call that has succeeded changes for others. */
static void follow(const char *name, const struct row *row, struct session *it, const CK_ULONG a[MOST], CK_RV rv)
{
    bool logs_in = strncmp(name, "C_Login", 7) == 0;
    if (logs_in || strcmp(name, "C_SetPIN") == 0)
        wrong_pins = rv == CKR_PIN_INCORRECT ? wrong_pins + 1 : rv == CKR_OK ? 0 : wrong_pins;
    if (rv != CKR_OK)
        return;
    if (logs_in) {
        holds(user == NONE_YET || a[1] == CKU_CONTEXT_SPECIFIC, "one user logs in at a time");
        if (a[1] != CKU_CONTEXT_SPECIFIC)
            user = a[1], find_keys();
    } else if (strcmp(name, "C_Logout") == 0) {
        holds(user != NONE_YET, "only a user who is logged in logs out");
        user = NONE_YET, object_count = 0, leave_open();
    } else if (strcmp(name, "C_DestroyObject") == 0 || strcmp(name, "C_SetAttributeValue") == 0) {
        leave_open();
    } else if (strcmp(name, "C_SessionCancel") == 0 || strcmp(name, "C_SetOperationState") == 0) {
        for (int o = 0; o < OPERATIONS; o++)
            it->begun[o] = OPEN;
    } else if (strcmp(name, "C_InitPIN") == 0) {
        holds(user == CKU_SO, "only the security officer sets the user's PIN");
    }
    /* Signatures and wrapped keys, for the calls that take them. */
    const char *output = strstr(row->kinds, "PL");
    bool has_given = output && a[output - row->kinds] != 0;
    if (has_given && strncmp(name, "C_Sign", 6) == 0 && room <= sizeof in)
        memcpy(in, buffer, in_len = room);
    if (has_given && strncmp(name, "C_Wrap", 6) == 0 && room <= sizeof wrapped)
        memcpy(wrapped, buffer, wrapped_len = room);
    const char *made_here = strchr(row->kinds, 'H');
    bool makes = strncmp(name, "C_Create", 8) == 0 || strncmp(name, "C_Copy", 6) == 0 ||
                 strncmp(name, "C_Generate", 10) == 0 || strncmp(name, "C_Unwrap", 8) == 0 ||
                 strncmp(name, "C_Derive", 8) == 0;
    if (makes && made_here && strcmp(name, "C_GenerateRandom") != 0)
        keep_object(result[0]);
}

/* Codes that no state of this program explains. */
static bool is_trouble(CK_RV rv)
{
    return rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED || rv == CKR_DEVICE_ERROR || rv == CKR_HOST_MEMORY ||
           rv == CKR_DEVICE_MEMORY || rv == CKR_DEVICE_REMOVED;
}

static void any_call(size_t list, size_t at)
{
    const struct row *row = row_of(names[at]);
    CK_ULONG a[MOST] = {0};
    if (!row)
        return;
    for (size_t i = 0; i < strlen(row->kinds); i++)
        a[i] = an_argument(row, i, i ? a[i - 1] : 0);
    CK_RV rv = invoke(list, at, a);
    /* Functions of the first version, which only say so, in any state. */
    if (row->listed[0] == CKR_FUNCTION_NOT_PARALLEL) {
        holds(rv == CKR_FUNCTION_NOT_PARALLEL, "no function runs in parallel");
        return;
    }
    if (!initialized) {
        holds(rv == CKR_CRYPTOKI_NOT_INITIALIZED, "nothing is served before C_Initialize");
        return;
    }
    if (row->listed[0] == CKR_FUNCTION_NOT_SUPPORTED) {
        holds(rv == CKR_FUNCTION_NOT_SUPPORTED, "a function that is not served says so");
        return;
    }
    struct session *it = row->kinds[0] == 'S' ? session_of(a[0]) : NULL;
    if (row->kinds[0] == 'S' && !it) {
        holds(rv == CKR_SESSION_HANDLE_INVALID, "a session that is not there comes before all else");
        return;
    }
    if (row->kinds[0] == 'X' && a[0] != slot) {
        holds(rv == CKR_SLOT_ID_INVALID, "a slot that is not there comes before all else");
        return;
    }
    const struct step *part = step_of(names[at]);
    /* One call for all cannot go on from parts, nor a message from one that has begun: no code says it better. */
    bool amid = part && rv == CKR_OPERATION_ACTIVE && it->parts[part->first];
    /* A key that is gone, or may no longer be used, ends what goes on with it. */
    bool gone = part && part->role != INIT && (it->begun[part->first] == OPEN || part->second >= 0) &&
                is_of_gone_key(rv);
    holds(rv == CKR_OK || amid || gone || is_listed(row, rv), "a code is one that the function's section lists");
    holds(!is_trouble(rv), "nothing but the call has failed");
    holds(rv != CKR_SESSION_HANDLE_INVALID && rv != CKR_SLOT_ID_INVALID, "a session and a slot that are there are found");
    if (part)
        step(part, it, row, a, rv);
    follow(names[at], row, it, a, rv);
}

/* The calls that change what there is: the library, sessions. */
static void change(size_t list)
{
    static CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    CK_ULONG a[MOST] = {0};
    struct session *it = &sessions[draw(SESSIONS)];
    switch (draw(12)) {
    case 0: {
        if (!one_in(3))
            break;
        a[0] = (CK_ULONG)&arguments;
        CK_RV rv = invoke(list, 0, a);
        holds(rv == (initialized ? CKR_CRYPTOKI_ALREADY_INITIALIZED : CKR_OK), "C_Initialize succeeds once");
        initialized = true;
        break;
    }
    case 1: {
        if (!one_in(8))
            break;
        CK_RV rv = invoke(list, 1, a);
        holds(rv == (initialized ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED), "C_Finalize ends what C_Initialize began");
        initialized = false, object_count = 0, forget_sessions();
        break;
    }
    case 2: {
        if (!one_in(6))
            break;
        a[0] = one_in(10) ? NOWHERE : slot;
        CK_RV rv = invoke(list, 14, a);
        holds(rv == (!initialized ? CKR_CRYPTOKI_NOT_INITIALIZED : a[0] == slot ? CKR_OK : CKR_SLOT_ID_INVALID),
              "C_CloseAllSessions closes all of a slot");
        if (rv == CKR_OK)
            object_count = 0, forget_sessions();
        break;
    }
    case 3: case 4: {
        a[0] = one_in(8) ? NOWHERE : it->handle ? it->handle : closed;
        CK_RV rv = invoke(list, 13, a);
        struct session *closing = session_of(a[0]);
        holds(rv == (!initialized ? CKR_CRYPTOKI_NOT_INITIALIZED : closing ? CKR_OK : CKR_SESSION_HANDLE_INVALID),
              "C_CloseSession closes the one");
        if (rv == CKR_OK && closing) {
            closed = closing->handle;
            memset(closing, 0, sizeof *closing);
            leave_open();
            if (!any_session())
                user = NONE_YET, object_count = 0;
        }
        break;
    }
    default: {
        if (it->handle)
            break;
        bool writes = !one_in(4), serial = !one_in(20);
        a[0] = one_in(20) ? NOWHERE : slot;
        a[1] = (serial ? CKF_SERIAL_SESSION : 0) | (writes ? CKF_RW_SESSION : 0);
        a[4] = one_in(20) ? 0 : (CK_ULONG)result;
        CK_RV rv = invoke(list, 12, a);
        CK_RV right = !initialized ? CKR_CRYPTOKI_NOT_INITIALIZED
                    : a[0] != slot ? CKR_SLOT_ID_INVALID
                    : !a[4] ? CKR_ARGUMENTS_BAD
                    : !serial ? CKR_SESSION_PARALLEL_NOT_SUPPORTED
                    : !writes && user == CKU_SO ? CKR_SESSION_READ_WRITE_SO_EXISTS : CKR_OK;
        holds(rv == right || (!a[4] && !serial && rv == CKR_SESSION_PARALLEL_NOT_SUPPORTED),
              "C_OpenSession opens what the state allows");
        if (rv == CKR_OK)
            *it = (struct session){.handle = result[0], .writes = writes};
        break;
    }
    }
}

/* Chooses a step of an operation that may be under way, in the session that has it; false where none is. */
static bool goes_on(size_t *list, size_t *at)
{
    struct session *it = &sessions[draw(SESSIONS)];
    const struct step *next = &steps[draw(COUNT(steps))];
    if (!it->handle || it->begun[next->first] == NO || next->role == INIT || (next->second >= 0 && it->begun[next->second] == NO))
        return false;
    going_on = it->handle;
    for (*at = 0; strcmp(names[*at], next->name) != 0;)
        ++*at;
    for (*list = 0; versions[*list].count <= *at;)
        ++*list;
    return true;
}

/* Plays so many calls of a seed; returns the rule that did not hold. */
static const char *play(unsigned long from, unsigned long count)
{
    state = from * 0x9e3779b97f4a7c15UL + 1, seed = from, calls = 0, broken = NULL;
    for (unsigned long i = 0; i < count && !broken; i++) {
        size_t list = draw(COUNT(versions)), at = draw(versions[list].count);
        going_on = 0;
        for (int tries = 0; tries < 12 && !one_in(24) && !goes_on(&list, &at);)
            tries++;
        bool slow = strstr(names[at], "PIN") || strncmp(names[at], "C_Login", 7) == 0 || strcmp(names[at], "C_Logout") == 0;
        if (one_in(initialized && any_session() ? 25 : 3))
            change(list);
        else if (slow && !one_in(user == NONE_YET ? 3 : 25))
            continue;
        else
            any_call(list, at);
    }
    return broken;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* The functions of a version by its list, which are those that bear their names. */
static void find_lists(void)
{
    CK_RV (*find_interface)(CK_UTF8CHAR *, CK_VERSION *, void **, CK_FLAGS) = NULL;
    *(void **)&find_interface = dlsym(library, "C_GetInterface");
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct { char *name; struct list *list; CK_FLAGS flags; } *found = NULL;
        CK_VERSION version = versions[i].version;
        must(find_interface((CK_UTF8CHAR *)"PKCS 11", &version, (void **)&found, 0), "C_GetInterface");
        lists[i] = found->list;
        bool same = true;
        for (size_t at = 0; at < versions[i].count; at++)
            same = same && (void *)lists[i]->functions[at] == dlsym(library, names[at]);
        check(same, "the list of %d.%d has the functions in their order", version.major, version.minor);
    }
}

/* What an answer may be wrong in, and the rules that it breaks: which one is met first is the seed's. */
static const struct flaw { const char *name, *rules[3]; } flaws[] = {
    {"nothing where nothing is wrong", {NULL}},
    {"a step without its operation", {"a step needs its operation before anything else"}},
    {"a session that is not there", {"a session that is not there comes before all else", "C_CloseSession closes the one"}},
    {"an operation begun twice",
     {"an operation that is active is not begun again", "an operation that has begun goes on"}},
    {"an error that says nothing", {"a code is one that the function's section lists"}},
    {"a call before C_Initialize",
     {"nothing is served before C_Initialize", "C_OpenSession opens what the state allows", "C_CloseSession closes the one"}},
};

static bool breaks(const struct flaw *it, const char *rule)
{
    for (size_t i = 0; rule && i < COUNT(it->rules); i++)
        if (it->rules[i] && strcmp(it->rules[i], rule) == 0)
            return true;
    return !rule && !it->rules[0];
}

/* A process of its own: a flaw leaves the model out of step with the module, which is finalized here. */
static bool is_noticed(int which, unsigned long count)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        flaw = which, initialized = false, object_count = 0, forget_sessions();
        const char *rule = play(seed, count);
        if (rule && !which)
            report();
        printf("# after %lu calls: %s\n", calls, rule ? rule : "nothing");
        fflush(stdout);
        _exit(breaks(&flaws[which], rule) ? 0 : 1);
    }
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static unsigned long number(const char *name, unsigned long otherwise)
{
    const char *given = getenv(name);
    if (!given)
        return otherwise;
    char *end;
    errno = 0;
    unsigned long value = strtoul(given, &end, 10);
    bool is_number = isdigit((unsigned char)*given) && !*end && errno == 0;
    if (!is_number || value == 0) {
        printf("not ok %s=%s is a number from 1\n", name, given);
        exit(1);
    }
    return value;
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    unsigned long from = number("KEYSTEAD_SEED", FIRST), many = CALLS;
    struct loaded it = load(arguments[1]);
    p11 = it.p11, library = it.library;
    alarm(0);
    find_lists();
    must(initialize(p11), "C_Initialize");
    s = make_token(p11);
    slot = first_slot(p11);
    make_keys();
    closed = s;
    must(p11->C_Finalize(NULL), "C_Finalize");
    forget_sessions();
    const char *rule = play(from, many);
    if (rule)
        report();
    check(!rule, "%lu calls give codes that the model allows%s%s", calls, rule ? ", but not: " : "", rule ? rule : "");
    size_t reached = 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        reached += succeeded[i];
        if (!succeeded[i] && many >= USUAL)
            printf("# without success: %s\n", names[i]);
    }
    check(reached >= REACHED || many < USUAL, "%zu functions have succeeded among them", reached);
    if (initialized)
        must(p11->C_Finalize(NULL), "C_Finalize");
    for (size_t i = 0; many >= USUAL && i < COUNT(flaws); i++)
        check(is_noticed((int)i, USUAL), "the model notices %s", flaws[i].name);
    if (many == USUAL && !getenv("KEYSTEAD_SEED")) {
        /* And others, which no run has made before. */
        initialized = false, object_count = 0, forget_sessions();
        rule = play((unsigned long)time(NULL), USUAL);
        if (rule)
            report();
        check(!rule, "so do %lu others, KEYSTEAD_SEED=%lu%s%s", calls, seed, rule ? ", but not: " : "", rule ? rule : "");
    }
    return failures != 0;
}

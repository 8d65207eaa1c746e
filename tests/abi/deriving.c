/* Secrets derived as OpenSSL asks for them: by ECDH from sensitive keys, as data and by the steps of TLS
 * 1.3 with HKDF, in a session without a login too; and several keys by one call (SP800-108). */
#include "abi.h"

#ifndef CKM_HKDF_DERIVE
#define CKM_HKDF_DERIVE 0x402AUL
#endif
#define HKDF_DATA 0x402BUL
#define SALT_NULL 1UL
#define SALT_DATA 2UL
#define COFACTOR 0x1051UL
#define COUNTER_KDF 0x3ACUL
#define ITERATION_VARIABLE 1UL

/* PKCS#11 3.1, "HKDF mechanism parameters" and "Elliptic curve". */
struct hkdf {
    CK_BBOOL extract, expand;
    CK_MECHANISM_TYPE hash;
    CK_ULONG salt_type;
    CK_BYTE *salt;
    CK_ULONG salt_len;
    CK_OBJECT_HANDLE salt_key;
    CK_BYTE *info;
    CK_ULONG info_len;
};

struct ecdh {
    CK_ULONG kdf, shared_len;
    CK_BYTE *shared;
    CK_ULONG peer_len;
    CK_BYTE *peer;
};

/* PKCS#11 3.1, "Parameters for SP800-108". */
struct derived_key {
    CK_ATTRIBUTE *template;
    CK_ULONG count;
    CK_OBJECT_HANDLE *key;
};

struct counter {
    CK_BBOOL little_endian;
    CK_ULONG bits;
};

struct field {
    CK_ULONG type;
    void *value;
    CK_ULONG length;
};

struct kdf {
    CK_MECHANISM_TYPE prf;
    CK_ULONG field_count;
    struct field *fields;
    CK_ULONG key_count;
    struct derived_key *keys;
};

struct pair {
    CK_OBJECT_HANDLE public, private;
};

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE session;
static CK_OBJECT_CLASS data = CKO_DATA;
static CK_KEY_TYPE generic = CKK_GENERIC_SECRET;

static CK_ULONG read_value(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_BYTE *to,
                           CK_ULONG room)
{
    CK_ATTRIBUTE asked = {type, to, room};
    return p11->C_GetAttributeValue(session, object, &asked, 1) == CKR_OK ? asked.ulValueLen : 0;
}

/* --- agreeing ------------------------------------------------------------------------------------ */

static struct pair generate_pair(void)
{
    static CK_BYTE p256[] = {6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7};
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public[] = {{CKA_EC_PARAMS, p256, sizeof p256}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_DERIVE, &yes, 1}};
    struct pair made;
    must(p11->C_GenerateKeyPair(session, &mechanism, public, COUNT(public), private,
                                COUNT(private), &made.public, &made.private), "C_GenerateKeyPair");
    return made;
}

static CK_ULONG agree(CK_MECHANISM_TYPE type, struct pair own, struct pair other, CK_ULONG length,
                      CK_BYTE *secret)
{
    CK_BYTE point[100];
    struct ecdh ecdh = {1, 0, NULL, read_value(other.public, CKA_EC_POINT, point, 100), point};
    CK_MECHANISM mechanism = {type, &ecdh, sizeof ecdh};
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key},
        {CKA_KEY_TYPE, &generic, sizeof generic},
        {CKA_SENSITIVE, &no, 1},
        {CKA_EXTRACTABLE, &yes, 1},
        {CKA_VALUE_LEN, &length, sizeof length},
    };
    CK_OBJECT_HANDLE key;
    CK_RV rv = p11->C_DeriveKey(session, &mechanism, own.private, template, COUNT(template), &key);
    return rv == CKR_OK ? read_value(key, CKA_VALUE, secret, 100) : 0;
}

static void ecdh(CK_MECHANISM_TYPE type, const char *name)
{
    struct pair one = generate_pair(), two = generate_pair();
    CK_BYTE here[100], there[100];
    bool same = agree(type, one, two, 32, here) == 32 && agree(type, two, one, 32, there) == 32 &&
                memcmp(here, there, 32) == 0;
    check(same, "%s of two sensitive token keys gives both the same readable secret", name);
    check(agree(type, one, two, 8, there) == 8 && memcmp(here + 24, there, 8) == 0,
          "%s gives the end of it", name);
    check(read_value(one.private, CKA_VALUE, here, 100) == 0, "%s leaves the key hidden", name);
}

/* --- HKDF ---------------------------------------------------------------------------------------- */

static CK_OBJECT_HANDLE secret_of(CK_BYTE *value, CK_ULONG length)
{
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &generic, sizeof generic},
        {CKA_TOKEN, &no, 1}, {CKA_DERIVE, &yes, 1}, {CKA_VALUE, value, length},
    };
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_CreateObject(session, template, COUNT(template), &key), "C_CreateObject");
    return key;
}

/* Derives data, as OpenSSL's provider does. */
static bool derives(struct hkdf hkdf, CK_OBJECT_HANDLE base, const char *expected, CK_BYTE *to)
{
    CK_ULONG length = strlen(expected) / 2;
    CK_MECHANISM mechanism = {HKDF_DATA, &hkdf, sizeof hkdf};
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &data, sizeof data},
                               {CKA_TOKEN, &no, 1},
                               {CKA_VALUE_LEN, &length, sizeof length}};
    CK_OBJECT_HANDLE made;
    char found[2 * 100 + 1] = "";
    if (p11->C_DeriveKey(session, &mechanism, base, template, COUNT(template), &made) != CKR_OK ||
        read_value(made, CKA_VALUE, to, 100) != length)
        return false;
    for (CK_ULONG i = 0; i < length; i++)
        sprintf(found + 2 * i, "%02x", to[i]);
    return strcmp(found, expected) == 0;
}

/* RFC 8448, 3: the early secret of a handshake without a pre-shared key, and what is derived from it. */
static void tls13(const char *where)
{
    static const char label[] = "\x00\x20\x0dtls13 derived\x20"
        "\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24"
        "\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55";
    CK_BYTE zeros[32] = {0}, early[100], derived[100], info[sizeof label - 1];
    memcpy(info, label, sizeof info);
    struct hkdf extract = {CK_TRUE, CK_FALSE, CKM_SHA256, SALT_DATA, zeros, 32, 0, NULL, 0};
    check(derives(extract, secret_of(zeros, 32),
                  "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a", early),
          "HKDF extracts the early secret of TLS 1.3 %s", where);
    /* The kind of salt is left out where there is nothing to extract. */
    struct hkdf expand = {CK_FALSE, CK_TRUE, CKM_SHA256, 0, NULL, 0, 0, info, sizeof info};
    check(derives(expand, secret_of(early, 32),
                  "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba", derived),
          "HKDF expands it with a label of TLS 1.3 %s", where);
    struct hkdf null = {CK_TRUE, CK_FALSE, CKM_SHA256, SALT_NULL, NULL, 0, 0, NULL, 0};
    check(derives(null, secret_of(zeros, 32),
                  "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a", early),
          "HKDF without a salt is HKDF with zeros %s", where);
}

/* --- several keys ---------------------------------------------------------------------------------- */

#define UNTOUCHED 0x5555UL

/* Derives a key and two others; `at_fault` is the one whose template fails, 0 being the call's own. */
static void refuses(CK_OBJECT_HANDLE base, CK_ATTRIBUTE templates[3][4], CK_ULONG counts[3],
                    CK_RV code, int at_fault, const char *fault)
{
    struct counter counter = {CK_FALSE, 32};
    struct field field = {ITERATION_VARIABLE, &counter, sizeof counter};
    CK_OBJECT_HANDLE made[3] = {UNTOUCHED, UNTOUCHED, UNTOUCHED};
    struct derived_key others[2];
    for (int i = 0; i < 2; i++)
        others[i] = (struct derived_key){templates[i + 1], counts[i + 1], &made[i + 1]};
    struct kdf kdf = {CKM_SHA256_HMAC, 1, &field, 2, others};
    CK_MECHANISM mechanism = {COUNTER_KDF, &kdf, sizeof kdf};
    CK_RV rv = p11->C_DeriveKey(session, &mechanism, base, templates[0], counts[0], &made[0]);
    bool told = true;
    for (int i = 0; i < 3; i++)
        told = told && made[i] == (i == at_fault ? CK_INVALID_HANDLE : UNTOUCHED);
    check(rv == code && told,
          "of several derived keys the handle of the one %s is CK_INVALID_HANDLE (0x%lx)", fault, rv);
}

static void several(void)
{
    CK_BYTE value[32] = {1}, id[] = "twice";
    CK_OBJECT_HANDLE base = secret_of(value, sizeof value), empty;
    CK_KEY_TYPE aes = CKK_AES;
    CK_ULONG origin = CK_KEYSTEAD_ORIGIN_EXTERNAL, length = 16, huge = 1UL << 40, odd = 17;
    CK_ATTRIBUTE waiting[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &generic, sizeof generic},
        {CKA_TOKEN, &yes, 1}, {CKA_KEYSTEAD_ORIGIN, &origin, sizeof origin}, {CKA_ID, id, 5},
    };
    must(p11->C_CreateObject(session, waiting, COUNT(waiting), &empty), "an empty custom key");
    CK_ATTRIBUTE class = {CKA_CLASS, &secret_key, sizeof secret_key};
    CK_ATTRIBUTE good = {CKA_VALUE_LEN, &length, sizeof length};
    CK_ATTRIBUTE long_one = {CKA_VALUE_LEN, &huge, sizeof huge};
    CK_ATTRIBUTE odd_one = {CKA_VALUE_LEN, &odd, sizeof odd};
    CK_ATTRIBUTE of_aes = {CKA_KEY_TYPE, &aes, sizeof aes};
    CK_ATTRIBUTE on_token = {CKA_TOKEN, &yes, 1}, named = {CKA_ID, id, 5};
    CK_ATTRIBUTE of_data = {CKA_CLASS, &data, sizeof data};
    for (int at = 0; at < 3; at++) {
        struct {
            CK_ATTRIBUTE template[4];
            CK_ULONG count;
            CK_RV code;
            const char *fault;
        } faults[] = {
            {{class}, 1, CKR_TEMPLATE_INCOMPLETE, "without a length"},
            {{class, long_one}, 2, CKR_KEY_SIZE_RANGE, "that is too long"},
            {{class, odd_one, of_aes}, 3, CKR_KEY_SIZE_RANGE, "of a length that its type has not"},
            {{of_data, good}, 2, CKR_TEMPLATE_INCONSISTENT, "of another class"},
        };
        for (CK_ULONG i = 0; i < COUNT(faults); i++) {
            CK_ATTRIBUTE templates[3][4] = {{class, good}, {class, good}, {class, good}};
            CK_ULONG counts[3] = {2, 2, 2};
            memcpy(templates[at], faults[i].template, sizeof templates[at]);
            counts[at] = faults[i].count;
            refuses(base, templates, counts, faults[i].code, at, faults[i].fault);
        }
    }
    CK_ATTRIBUTE twice[3][4] = {
        {class, good, on_token, named}, {class, good}, {class, good, on_token, named}};
    CK_ULONG counts[3] = {4, 2, 4};
    refuses(base, twice, counts, CKR_TEMPLATE_INCONSISTENT, 2, "for a custom key that is taken");
}

int main(int count, char **arguments)
{
    (void)count;
    p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    session = make_token(p11);
    ecdh(CKM_ECDH1_DERIVE, "CKM_ECDH1_DERIVE");
    ecdh(COFACTOR, "CKM_ECDH1_COFACTOR_DERIVE");
    tls13("for a user");
    several();
    must(p11->C_Logout(session), "C_Logout");
    tls13("without a login");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

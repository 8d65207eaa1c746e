/* Output may lie over input: the result is the same as with buffers apart.
 * run under: valgrind --quiet --error-exitcode=9 */
#include "watched.h"

enum { LENGTH = 4096, ROOM = LENGTH + 64 };

static CK_BYTE iv[16] = "sixteen bytes ok";
static CK_AES_CTR_PARAMS counter = {.counter_bits = 128, .cb = "sixteen bytes ok"};
static CK_GCM_PARAMS gcm = {.iv_ptr = iv, .iv_len = 12, .iv_bits = 96, .tag_bits = 128};

static struct { CK_BYTE *nonce; CK_ULONG nonce_len; CK_BYTE *aad; CK_ULONG aad_len; }
    chacha = {.nonce = iv, .nonce_len = 12};

/* Newer than p11-kit's header. */
enum { AES_XTS = 0x1071, AES_XTS_KEY_GEN = 0x1072, CHACHA20_KEY_GEN = 0x1225, AES_OFB = 0x2104,
       AES_CFB128 = 0x2107, AES_KEY_WRAP = 0x2109, CHACHA20_POLY1305 = 0x4021 };

static struct {
    const char *name;
    CK_MECHANISM mechanism;
    CK_ULONG tail;
    CK_MECHANISM_TYPE key;
    CK_ULONG key_length;
} modes[] = {
    {"AES-ECB", {CKM_AES_ECB, NULL, 0}, 0, CKM_AES_KEY_GEN, 32},
    {"AES-CBC", {CKM_AES_CBC, iv, 16}, 0, CKM_AES_KEY_GEN, 32},
    {"AES-CBC-PAD", {CKM_AES_CBC_PAD, iv, 16}, 16, CKM_AES_KEY_GEN, 32},
    {"AES-CTR", {CKM_AES_CTR, &counter, sizeof counter}, 0, CKM_AES_KEY_GEN, 32},
    {"AES-OFB", {AES_OFB, iv, 16}, 0, CKM_AES_KEY_GEN, 32},
    {"AES-CFB128", {AES_CFB128, iv, 16}, 0, CKM_AES_KEY_GEN, 32},
    {"AES-GCM", {CKM_AES_GCM, &gcm, sizeof gcm}, 16, CKM_AES_KEY_GEN, 32},
    {"AES key wrap", {AES_KEY_WRAP, NULL, 0}, 8, CKM_AES_KEY_GEN, 32},
    {"AES-XTS", {AES_XTS, iv, 16}, 0, AES_XTS_KEY_GEN, 64},
    {"ChaCha20-Poly1305", {CHACHA20_POLY1305, &chacha, sizeof chacha}, 16, CHACHA20_KEY_GEN, 32},
};

static CK_OBJECT_HANDLE key_of(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session, size_t mode)
{
    CK_MECHANISM mechanism = {modes[mode].key, NULL, 0};
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, 1},
                               {CKA_VALUE_LEN, &modes[mode].key_length, sizeof(CK_ULONG)}};
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(session, &mechanism, template, COUNT(template), &key), "C_GenerateKey");
    return key;
}

static void fill(CK_BYTE *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (CK_BYTE)(i * 31 + 7);
}

/* One shot with the output `distance` bytes behind (or, negative, before) the input. */
static void one_shot(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                     size_t mode, long distance)
{
    static CK_BYTE plain[LENGTH], apart[ROOM], shared[ROOM + 256];
    CK_BYTE *in = shared + 96, *out = in + distance;
    CK_ULONG expected = ROOM, length = ROOM;
    fill(plain, LENGTH);
    must(p11->C_EncryptInit(session, &modes[mode].mechanism, key), "C_EncryptInit");
    must(p11->C_Encrypt(session, plain, LENGTH, apart, &expected), "C_Encrypt apart");
    memcpy(in, plain, LENGTH);
    must(p11->C_EncryptInit(session, &modes[mode].mechanism, key), "C_EncryptInit");
    must(p11->C_Encrypt(session, in, LENGTH, out, &length), "C_Encrypt overlapping");
    check(length == expected && length == LENGTH + modes[mode].tail &&
              memcmp(out, apart, length) == 0,
          "%s encrypts with the output %+ld bytes from the input", modes[mode].name, distance);

    memmove(in, out, length);
    must(p11->C_DecryptInit(session, &modes[mode].mechanism, key), "C_DecryptInit");
    expected = ROOM;
    must(p11->C_Decrypt(session, in, length, out, &expected), "C_Decrypt overlapping");
    check(expected == LENGTH && memcmp(out, plain, LENGTH) == 0,
          "%s decrypts with the output %+ld bytes from the input", modes[mode].name, distance);
}

/* Parts of uneven length, each written over itself. What needs the whole text gives nothing before its end. */
static void in_parts(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                     size_t mode)
{
    static CK_BYTE plain[LENGTH], apart[ROOM], whole[ROOM], part[512];
    CK_ULONG expected = ROOM, written = 0, length;
    fill(plain, LENGTH);
    must(p11->C_EncryptInit(session, &modes[mode].mechanism, key), "C_EncryptInit");
    must(p11->C_Encrypt(session, plain, LENGTH, apart, &expected), "C_Encrypt apart");
    must(p11->C_EncryptInit(session, &modes[mode].mechanism, key), "C_EncryptInit");
    for (CK_ULONG at = 0, step = 1; at < LENGTH; at += step, step = step % 211 + 17) {
        if (step > LENGTH - at)
            step = LENGTH - at;
        memcpy(part, plain + at, step);
        length = sizeof part;
        must(p11->C_EncryptUpdate(session, part, step, part, &length), "C_EncryptUpdate in place");
        memcpy(whole + written, part, length);
        written += length;
    }
    length = ROOM - written;
    must(p11->C_EncryptFinal(session, whole + written, &length), "C_EncryptFinal");
    written += length;
    check(written == expected && memcmp(whole, apart, written) == 0,
          "%s encrypts uneven parts in place", modes[mode].name);
}

static void digest(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_BYTE data[64], apart[32];
    CK_ULONG length = sizeof apart;
    fill(data, sizeof data);
    must(p11->C_DigestInit(session, &mechanism), "C_DigestInit");
    must(p11->C_Digest(session, data, sizeof data, apart, &length), "C_Digest");
    must(p11->C_DigestInit(session, &mechanism), "C_DigestInit");
    must(p11->C_Digest(session, data, sizeof data, data, &length), "C_Digest over its input");
    check(memcmp(data, apart, 32) == 0, "a digest is written over its input");
}

int main(int count, char **arguments)
{
    static const long distances[] = {0, 1, 16, 31, -1, -16, -31};
    if (count < 2)
        return 2;
    memory_is_watched();
    CK_FUNCTION_LIST_PTR p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE session = make_token(p11);
    for (size_t mode = 0; mode < COUNT(modes); mode++) {
        CK_OBJECT_HANDLE key = key_of(p11, session, mode);
        for (size_t i = 0; i < COUNT(distances); i++)
            one_shot(p11, session, key, mode, distances[i]);
        in_parts(p11, session, key, mode);
    }
    digest(p11, session);
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

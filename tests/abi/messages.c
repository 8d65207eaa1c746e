/* Operations on messages (3.0): one key, many messages, each with its own IV and tag. The functions and
 * constants are newer than p11-kit's header. */
#include "abi.h"

typedef gcm_message message;

#define END_OF_MESSAGE 1UL
#define SIZE ((CK_ULONG)sizeof(message))
#define NOTHING NULL, 0UL

static CK_FUNCTION_LIST_PTR p11;
static CK_SESSION_HANDLE s;
static void *library;
static CK_BYTE text[40] = "one message after the other", aad[5] = "aside";
static CK_MECHANISM gcm_messages = {CKM_AES_GCM, NULL, 0}, cmac = {CKM_AES_CMAC, NULL, 0},
                    ecb = {CKM_AES_ECB, NULL, 0};

#define CALL(name, ...) exported(library, #name)(s, __VA_ARGS__)
#define FINAL(name) exported(library, #name)(s)

/* What C_Encrypt makes of the text with this IV, the tag behind it. */
static void expect(CK_OBJECT_HANDLE key, CK_BYTE iv[12], CK_BYTE sealed[56])
{
    CK_GCM_PARAMS gcm = {.iv_ptr = iv, .iv_len = 12, .aad_ptr = aad, .aad_len = 5, .tag_bits = 128};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof gcm};
    CK_ULONG length = 56;
    must(p11->C_EncryptInit(s, &mechanism, key), "C_EncryptInit");
    must(p11->C_Encrypt(s, text, 40, sealed, &length), "C_Encrypt");
}

static void given_ivs(CK_OBJECT_HANDLE key)
{
    CK_BYTE iv[12] = "twelve bytes", tag[16] = {0}, out[40], sealed[56];
    message m = {iv, 12, 0, NO_GENERATE, tag, 128};
    CK_ULONG length = 0;
    expect(key, iv, sealed);
    must(CALL(C_MessageEncryptInit, &gcm_messages, key), "C_MessageEncryptInit");
    gives(CALL(C_MessageEncryptInit, &gcm_messages, key), CKR_OPERATION_ACTIVE,
          "messages are begun once");
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, NULL, &length), CKR_OK,
          "a message's length is told");
    check(length == 40, "and is the text's");
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, (length = 39, &length)),
          CKR_BUFFER_TOO_SMALL, "a short buffer ends nothing");
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, &length), CKR_OK,
          "a message is encrypted");
    check(memcmp(out, sealed, 40) == 0 && memcmp(tag, sealed + 40, 16) == 0,
          "to what C_Encrypt gives, the tag apart");

    memset(tag, 0, sizeof tag);
    gives(CALL(C_EncryptMessageBegin, &m, SIZE, aad, 5UL), CKR_OK, "a message in parts begins");
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, &length),
          CKR_OPERATION_ACTIVE, "another one cannot meanwhile");
    must(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, (length = 40, &length), 0UL),
         "C_EncryptMessageNext");
    must(CALL(C_EncryptMessageNext, &m, SIZE, text + 7, 33UL, out + 7, (length = 33, &length),
              END_OF_MESSAGE), "the last C_EncryptMessageNext");
    check(memcmp(out, sealed, 40) == 0 && memcmp(tag, sealed + 40, 16) == 0,
          "in parts to the same");
    gives(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, (length = 40, &length), 0UL),
          CKR_OPERATION_NOT_INITIALIZED, "after the last part there is no next");
    m.tag_bits = 7;
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, (length = 40, &length)),
          CKR_MECHANISM_PARAM_INVALID, "a tag of seven bits is refused");
    m.tag_bits = 128;
    gives(CALL(C_EncryptMessage, NOTHING, aad, 5UL, text, 40UL, out, &length),
          CKR_MECHANISM_PARAM_INVALID, "and so is a message without a parameter");
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, &length), CKR_OK,
          "the next message does not mind");
    gives(FINAL(C_MessageEncryptFinal), CKR_OK, "the messages end");
    gives(FINAL(C_MessageEncryptFinal), CKR_OPERATION_NOT_INITIALIZED, "once");

    must(CALL(C_MessageDecryptInit, &gcm_messages, key), "C_MessageDecryptInit");
    gives(CALL(C_DecryptMessage, &m, SIZE, aad, 5UL, sealed, 40UL, out, (length = 40, &length)),
          CKR_OK, "a message is decrypted");
    check(length == 40 && memcmp(out, text, 40) == 0, "to its text");
    tag[3] ^= 4;
    memset(out, 0xEE, sizeof out);
    gives(CALL(C_DecryptMessage, &m, SIZE, aad, 5UL, sealed, 40UL, out, (length = 40, &length)),
          AEAD_DECRYPT_FAILED, "a forged one is not");
    check(memcmp(out, text, 8) != 0, "and its text is not told");
    tag[3] ^= 4;
    must(CALL(C_DecryptMessageBegin, &m, SIZE, aad, 5UL), "C_DecryptMessageBegin");
    must(CALL(C_DecryptMessageNext, &m, SIZE, sealed, 39UL, out, (length = 40, &length), 0UL),
         "C_DecryptMessageNext");
    check(length == 0, "nothing leaves before the tag");
    gives(CALL(C_DecryptMessageNext, &m, SIZE, sealed + 39, 1UL, out, (length = 39, &length),
               END_OF_MESSAGE), CKR_BUFFER_TOO_SMALL, "the last part gives all of the text");
    must(CALL(C_DecryptMessageNext, &m, SIZE, sealed + 39, 1UL, out, &length, END_OF_MESSAGE),
         "the last C_DecryptMessageNext");
    check(length == 40 && memcmp(out, text, 40) == 0, "once there is room");
    gives(FINAL(C_MessageDecryptFinal), CKR_OK, "the messages end");
}

static void generated_ivs(CK_OBJECT_HANDLE key)
{
    static const CK_ULONG generators[] = {GENERATE, GENERATE_COUNTER, GENERATE_RANDOM};
    CK_BYTE iv[12], before[12] = {0}, tag[16], out[40], sealed[56];
    CK_ULONG length;
    for (size_t i = 0; i < COUNT(generators); i++) {
        message m = {iv, 12, 32, generators[i], tag, 128};
        memset(iv, 0xAB, sizeof iv);
        must(CALL(C_MessageEncryptInit, &gcm_messages, key), "C_MessageEncryptInit");
        for (int round = 0; round < 3; round++) {
            memcpy(before, iv, sizeof iv);
            must(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out,
                      (length = 40, &length)), "C_EncryptMessage");
            expect(key, iv, sealed);
            check(memcmp(iv, before, 12) != 0 && memcmp(iv, "\xAB\xAB\xAB\xAB", 4) == 0 &&
                      memcmp(out, sealed, 40) == 0 && memcmp(tag, sealed + 40, 16) == 0,
                  "generator %lu, message %d: a new IV below the fixed bits is told and used",
                  generators[i], round);
        }
        must(FINAL(C_MessageEncryptFinal), "C_MessageEncryptFinal");
    }
    message m = {iv, 12, 32, GENERATE_COUNTER, tag, 128};
    CK_BYTE seen[8][12];
    for (size_t i = 0; i < COUNT(seen); i++) {
        must(CALL(C_MessageEncryptInit, &gcm_messages, key), "C_MessageEncryptInit");
        must(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, (length = 40, &length)),
             "C_EncryptMessage");
        must(FINAL(C_MessageEncryptFinal), "C_MessageEncryptFinal");
        memcpy(seen[i], iv, 12);
        for (size_t before = 0; before < i; before++)
            if (memcmp(seen[before], iv, 12) == 0)
                check(false, "the counter of operation %zu repeats that of %zu", i, before);
    }
    check(memcmp(seen[0] + 4, "\0\0\0\0\0\0\0", 7) != 0,
          "the counter goes on from operation to operation, and starts anywhere");
    m.fixed_bits = 33;
    must(CALL(C_MessageEncryptInit, &gcm_messages, key), "C_MessageEncryptInit");
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, (length = 40, &length)),
          CKR_MECHANISM_PARAM_INVALID, "a counter of fewer than 64 bits is refused");
    m.generator = GENERATE_COUNTER_XOR;
    gives(CALL(C_EncryptMessage, &m, SIZE, aad, 5UL, text, 40UL, out, &length),
          CKR_MECHANISM_PARAM_INVALID, "an unknown generator");
    gives(CALL(C_SessionCancel, 2UL), CKR_OK, "C_SessionCancel ends messages");
    gives(FINAL(C_MessageEncryptFinal), CKR_OPERATION_NOT_INITIALIZED, "indeed");
    gives(CALL(C_MessageEncryptInit, &ecb, key), CKR_MECHANISM_INVALID,
          "only authenticated encryption has messages");
}

static void signatures(CK_OBJECT_HANDLE key)
{
    CK_BYTE mac[16], expected[16];
    CK_ULONG length = 16;
    must(p11->C_SignInit(s, &cmac, key), "C_SignInit");
    must(p11->C_Sign(s, text, 40, expected, &length), "C_Sign");
    must(CALL(C_MessageSignInit, &cmac, key), "C_MessageSignInit");
    for (int round = 0; round < 2; round++) {
        gives(CALL(C_SignMessage, NOTHING, text, 40UL, mac, (length = 15, &length)),
              CKR_BUFFER_TOO_SMALL, "a short buffer for a message's MAC");
        gives(CALL(C_SignMessage, NOTHING, text, 40UL, mac, &length), CKR_OK, "a MAC in one step");
        check(length == 16 && memcmp(mac, expected, 16) == 0, "as C_Sign makes it");
        must(CALL(C_SignMessageBegin, NOTHING), "C_SignMessageBegin");
        must(CALL(C_SignMessageNext, NOTHING, text, 9UL, NULL, NULL), "C_SignMessageNext");
        memset(mac, 0, 16);
        must(CALL(C_SignMessageNext, NOTHING, text + 9, 31UL, NULL, &length), "its length");
        must(CALL(C_SignMessageNext, NOTHING, text + 9, 31UL, mac, &length), "the last part");
        check(memcmp(mac, expected, 16) == 0, "and in parts");
    }
    gives(CALL(C_SignMessageNext, NOTHING, text, 9UL, NULL, NULL), CKR_OPERATION_NOT_INITIALIZED,
          "no part without a beginning");
    gives(FINAL(C_MessageSignFinal), CKR_OK, "the messages end");

    must(CALL(C_MessageVerifyInit, &cmac, key), "C_MessageVerifyInit");
    gives(CALL(C_VerifyMessage, NOTHING, text, 40UL, mac, 16UL), CKR_OK, "a message verifies");
    gives(CALL(C_VerifyMessage, NOTHING, text, 39UL, mac, 16UL), CKR_SIGNATURE_INVALID,
          "another does not");
    must(CALL(C_VerifyMessageBegin, NOTHING), "C_VerifyMessageBegin");
    must(CALL(C_VerifyMessageNext, NOTHING, text, 11UL, NOTHING), "C_VerifyMessageNext");
    gives(CALL(C_VerifyMessageNext, NOTHING, text + 11, 29UL, mac, 16UL), CKR_OK,
          "a message in parts verifies");
    gives(CALL(C_MessageVerifyInit, NULL, key), CKR_OK, "an Init without a mechanism ends them");
    gives(FINAL(C_MessageVerifyFinal), CKR_OPERATION_NOT_INITIALIZED, "indeed");
}

static void set_status(CK_OBJECT_HANDLE key, CK_ULONG status)
{
    CK_ATTRIBUTE change = {CKA_KEYSTEAD_STATUS, &status, sizeof status};
    must(p11->C_SetAttributeValue(s, key, &change, 1), "C_SetAttributeValue");
}

/* Each message is a new operation: what the key may not do any more, none does. */
static void signatures_with_a_disabled_key(CK_OBJECT_HANDLE key)
{
    CK_BYTE mac[16];
    CK_ULONG length = 16;
    must(CALL(C_MessageSignInit, &cmac, key), "C_MessageSignInit");
    must(CALL(C_MessageVerifyInit, &cmac, key), "C_MessageVerifyInit");
    must(CALL(C_SignMessage, NOTHING, text, 40UL, mac, &length), "C_SignMessage");
    must(CALL(C_VerifyMessage, NOTHING, text, 40UL, mac, 16UL), "C_VerifyMessage");
    set_status(key, CK_KEYSTEAD_STATUS_DISABLED);
    gives(CALL(C_SignMessage, NOTHING, text, 40UL, mac, &length), CKR_KEY_FUNCTION_NOT_PERMITTED,
          "a disabled key signs no further message");
    gives(CALL(C_VerifyMessage, NOTHING, text, 40UL, mac, 16UL), CKR_KEY_FUNCTION_NOT_PERMITTED,
          "nor does it verify one");
    set_status(key, CK_KEYSTEAD_STATUS_ENABLED);
    gives(CALL(C_SignMessageBegin, NOTHING), CKR_OPERATION_NOT_INITIALIZED,
          "and the messages have ended");
    must(CALL(C_MessageSignInit, &cmac, key), "C_MessageSignInit");
    must(CALL(C_MessageVerifyInit, &cmac, key), "C_MessageVerifyInit");
    set_status(key, CK_KEYSTEAD_STATUS_DISABLED);
    gives(CALL(C_SignMessageBegin, NOTHING), CKR_KEY_FUNCTION_NOT_PERMITTED,
          "no message in parts is begun either");
    gives(CALL(C_VerifyMessageBegin, NOTHING), CKR_KEY_FUNCTION_NOT_PERMITTED,
          "neither to sign nor to verify it");
    set_status(key, CK_KEYSTEAD_STATUS_ENABLED);
}

/* A message under way goes on with its key and no longer. */
static void messages_of_a_destroyed_key(CK_OBJECT_HANDLE key)
{
    CK_BYTE iv[12] = "twelve bytes", tag[16], out[40], mac[16];
    message m = {iv, 12, 0, NO_GENERATE, tag, 128};
    CK_ULONG length = 40, mac_length = 16;
    must(CALL(C_MessageEncryptInit, &gcm_messages, key), "C_MessageEncryptInit");
    must(CALL(C_MessageDecryptInit, &gcm_messages, key), "C_MessageDecryptInit");
    must(CALL(C_MessageSignInit, &cmac, key), "C_MessageSignInit");
    must(CALL(C_MessageVerifyInit, &cmac, key), "C_MessageVerifyInit");
    must(CALL(C_EncryptMessageBegin, &m, SIZE, aad, 5UL), "C_EncryptMessageBegin");
    must(CALL(C_DecryptMessageBegin, &m, SIZE, aad, 5UL), "C_DecryptMessageBegin");
    must(CALL(C_SignMessageBegin, NOTHING), "C_SignMessageBegin");
    must(CALL(C_VerifyMessageBegin, NOTHING), "C_VerifyMessageBegin");
    must(p11->C_DestroyObject(s, key), "C_DestroyObject");
    gives(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, &length, 0UL),
          CKR_KEY_HANDLE_INVALID, "no part is encrypted with a destroyed key");
    gives(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, &length, 0UL),
          CKR_OPERATION_NOT_INITIALIZED, "and the messages have ended");
    gives(CALL(C_DecryptMessageNext, &m, SIZE, text, 7UL, out, &length, 0UL),
          CKR_KEY_HANDLE_INVALID, "nor decrypted");
    gives(CALL(C_SignMessageNext, NOTHING, text, 9UL, mac, &mac_length), CKR_KEY_HANDLE_INVALID,
          "nor signed");
    gives(CALL(C_VerifyMessageNext, NOTHING, text, 9UL, mac, 16UL), CKR_KEY_HANDLE_INVALID,
          "nor verified");
}

static CK_RV prove(void)
{
    return p11->C_Login(s, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR *)USER_PIN, strlen(USER_PIN));
}

/* An EC key that asks for the PIN at each use. */
static CK_OBJECT_HANDLE asking_key(void)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_BYTE p256[] = {6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7};
    CK_ATTRIBUTE public[] = {{CKA_EC_PARAMS, p256, sizeof p256}};
    CK_ATTRIBUTE private[] = {{CKA_ALWAYS_AUTHENTICATE, &yes, 1}, {CKA_PRIVATE, &yes, 1}};
    CK_OBJECT_HANDLE pair[2];
    must(p11->C_GenerateKeyPair(s, &mechanism, public, 1, private, 2, &pair[0], &pair[1]),
         "C_GenerateKeyPair");
    return pair[1];
}

/* Each message is a use, and the PIN is for one. */
static void signatures_that_ask(void)
{
    CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
    CK_OBJECT_HANDLE key = asking_key();
    CK_BYTE signature[64];
    CK_ULONG length = 64;
    must(CALL(C_MessageSignInit, &ecdsa, key), "C_MessageSignInit");
    for (int round = 0; round < 2; round++) {
        gives(prove(), CKR_OK, "the PIN is taken before a message");
        gives(CALL(C_SignMessage, NOTHING, text, 40UL, NULL, &length), CKR_OK,
              "its signature's length is told");
        gives(CALL(C_SignMessage, NOTHING, text, 40UL, signature, (length = 63, &length)),
              CKR_BUFFER_TOO_SMALL, "which a short buffer has not");
        gives(CALL(C_SignMessage, NOTHING, text, 40UL, signature, &length), CKR_OK,
              "the PIN still holds");
    }
    gives(prove(), CKR_OK, "the PIN is taken before a message in parts");
    gives(prove(), CKR_OPERATION_NOT_INITIALIZED, "and once");
    must(CALL(C_SignMessageBegin, NOTHING), "C_SignMessageBegin");
    must(CALL(C_SignMessageNext, NOTHING, text, 9UL, NULL, NULL), "C_SignMessageNext");
    gives(CALL(C_SignMessageNext, NOTHING, text + 9, 31UL, signature, &length), CKR_OK,
          "it holds until the last part");
    gives(CALL(C_SignMessageBegin, NOTHING), CKR_USER_NOT_LOGGED_IN,
          "the next message needs it anew");
    must(prove(), "C_Login");
    must(CALL(C_SignMessage, NOTHING, text, 40UL, signature, &length), "C_SignMessage");
    gives(CALL(C_SignMessage, NOTHING, text, 40UL, signature, &length), CKR_USER_NOT_LOGGED_IN,
          "in parts or not");
    gives(CALL(C_SignMessageBegin, NOTHING), CKR_USER_NOT_LOGGED_IN, "as often as it is tried");
    gives(prove(), CKR_OK, "the messages still wait for it");
    gives(CALL(C_SignMessage, NOTHING, text, 40UL, signature, &length), CKR_OK, "and go on with it");
    gives(FINAL(C_MessageSignFinal), CKR_OK, "until they are ended");
}

/* Any error but a short buffer ends the message in parts, and no other. */
static void errors_in_parts(CK_OBJECT_HANDLE key)
{
    CK_BYTE iv[12] = "twelve bytes", tag[16] = {0}, out[40], mac[16] = {0};
    message m = {iv, 12, 0, NO_GENERATE, tag, 128};
    CK_ULONG length = 40;
    must(CALL(C_MessageEncryptInit, &gcm_messages, key), "C_MessageEncryptInit");
    must(CALL(C_EncryptMessageBegin, &m, SIZE, aad, 5UL), "C_EncryptMessageBegin");
    gives(CALL(C_EncryptMessageBegin, NOTHING, aad, 5UL), CKR_OPERATION_ACTIVE,
          "a message that is begun meanwhile is none");
    gives(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, (length = 6, &length), 0UL),
          CKR_BUFFER_TOO_SMALL, "the one under way survives it, and a short buffer");
    gives(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, NULL, 0UL), CKR_ARGUMENTS_BAD,
          "but no bad argument");
    gives(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, (length = 40, &length), 0UL),
          CKR_OPERATION_NOT_INITIALIZED, "after which there is no next part");
    must(CALL(C_EncryptMessageBegin, &m, SIZE, aad, 5UL), "C_EncryptMessageBegin");
    gives(CALL(C_EncryptMessageNext, &m, 3UL, text, 7UL, out, &length, END_OF_MESSAGE),
          CKR_MECHANISM_PARAM_INVALID, "nor a bad parameter");
    gives(CALL(C_EncryptMessageNext, &m, SIZE, text, 7UL, out, &length, END_OF_MESSAGE),
          CKR_OPERATION_NOT_INITIALIZED, "of the last part");
    gives(FINAL(C_MessageEncryptFinal), CKR_OK, "and the messages go on");

    must(CALL(C_MessageDecryptInit, &gcm_messages, key), "C_MessageDecryptInit");
    must(CALL(C_DecryptMessageBegin, &m, SIZE, aad, 5UL), "C_DecryptMessageBegin");
    gives(CALL(C_DecryptMessageNext, &m, SIZE, NULL, 7UL, out, &length, 0UL), CKR_ARGUMENTS_BAD,
          "a part that is not there ends a decryption");
    gives(CALL(C_DecryptMessageNext, &m, SIZE, text, 7UL, out, &length, 0UL),
          CKR_OPERATION_NOT_INITIALIZED, "indeed");
    must(FINAL(C_MessageDecryptFinal), "C_MessageDecryptFinal");

    must(CALL(C_MessageSignInit, &cmac, key), "C_MessageSignInit");
    must(CALL(C_SignMessageBegin, NOTHING), "C_SignMessageBegin");
    gives(CALL(C_SignMessageNext, iv, 12UL, text, 9UL, NULL, NULL), CKR_MECHANISM_PARAM_INVALID,
          "a parameter that a signature has not ends it");
    gives(CALL(C_SignMessageNext, NOTHING, text, 9UL, NULL, NULL), CKR_OPERATION_NOT_INITIALIZED,
          "indeed");
    must(CALL(C_SignMessageBegin, NOTHING), "C_SignMessageBegin");
    gives(CALL(C_SignMessageNext, NOTHING, text, 9UL, mac, NULL), CKR_ARGUMENTS_BAD,
          "and so does a place for it without a length");
    must(FINAL(C_MessageSignFinal), "C_MessageSignFinal");

    must(CALL(C_MessageVerifyInit, &cmac, key), "C_MessageVerifyInit");
    must(CALL(C_VerifyMessageBegin, NOTHING), "C_VerifyMessageBegin");
    gives(CALL(C_VerifyMessageNext, NOTHING, text, 9UL, NULL, 16UL), CKR_ARGUMENTS_BAD,
          "a signature that is not there ends a verification");
    gives(CALL(C_VerifyMessageNext, NOTHING, text, 9UL, mac, 16UL), CKR_OPERATION_NOT_INITIALIZED,
          "indeed");
    must(FINAL(C_MessageVerifyFinal), "C_MessageVerifyFinal");
}

/* The type of the key is judged first, whatever the key may do. */
static void keys_of_another_type(CK_OBJECT_HANDLE aes_key)
{
    CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
    CK_OBJECT_HANDLE ec_key = asking_key();
    gives(CALL(C_MessageEncryptInit, &gcm_messages, ec_key), CKR_KEY_TYPE_INCONSISTENT,
          "an EC key encrypts no messages with GCM");
    gives(CALL(C_MessageDecryptInit, &gcm_messages, ec_key), CKR_KEY_TYPE_INCONSISTENT,
          "nor does it decrypt them");
    gives(CALL(C_MessageSignInit, &ecdsa, aes_key), CKR_KEY_TYPE_INCONSISTENT,
          "an AES key signs none with ECDSA");
    gives(CALL(C_MessageVerifyInit, &ecdsa, aes_key), CKR_KEY_TYPE_INCONSISTENT,
          "nor does it verify them");
}

static void flags(void)
{
    CK_MECHANISM_INFO info;
    must(p11->C_GetMechanismInfo(first_slot(p11), CKM_AES_GCM, &info), "C_GetMechanismInfo");
    check((info.flags & 0x3e) == (2 | 4 | 32), "the flags of GCM name messages");
    must(p11->C_GetMechanismInfo(first_slot(p11), CKM_AES_CMAC, &info), "C_GetMechanismInfo");
    check((info.flags & 0x3e) == (8 | 16 | 32), "and so do those of CMAC");
    must(p11->C_GetMechanismInfo(first_slot(p11), CKM_AES_ECB, &info), "C_GetMechanismInfo");
    check((info.flags & 0x3e) == 0, "but not ECB's");
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
    CK_OBJECT_HANDLE key = generate(p11, s, "messages", &no);
    given_ivs(key);
    generated_ivs(key);
    signatures(key);
    signatures_with_a_disabled_key(generate(p11, s, "custom", &yes));
    messages_of_a_destroyed_key(generate(p11, s, "destroyed", &no));
    signatures_that_ask();
    errors_in_parts(key);
    keys_of_another_type(key);
    flags();

    must(CALL(C_MessageEncryptInit, &gcm_messages, key), "C_MessageEncryptInit");
    must(p11->C_Logout(s), "C_Logout");
    gives(FINAL(C_MessageEncryptFinal), CKR_OPERATION_NOT_INITIALIZED, "messages end with the login");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

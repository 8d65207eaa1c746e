/* Attributes asked for in one call, some of which must stay inside. */
#include "abi.h"

static CK_OBJECT_HANDLE generate_rsa(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 2048;
    CK_ATTRIBUTE public[] = {{CKA_MODULUS_BITS, &bits, sizeof bits}};
    CK_ATTRIBUTE private[] = {{CKA_SENSITIVE, &yes, sizeof yes}};
    CK_OBJECT_HANDLE shown = 0, hidden = 0;
    must(p11->C_GenerateKeyPair(session, &mechanism, public, COUNT(public), private, COUNT(private),
                                &shown, &hidden), "C_GenerateKeyPair");
    return hidden;
}

/* Whether nothing was written. */
static bool untouched(const CK_BYTE *buffer, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (buffer[at] != 0xEE)
            return false;
    return true;
}

static void ask_around_a_secret(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session,
                                CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type, const char *what)
{
    CK_OBJECT_CLASS class = 0;
    CK_BYTE secret[512], label[32];
    memset(secret, 0xEE, sizeof secret);
    CK_ATTRIBUTE asked[] = {
        {CKA_CLASS, &class, sizeof class},
        {type, secret, sizeof secret},
        {CKA_LABEL, label, sizeof label},
        {type, NULL, 0},
    };
    check(p11->C_GetAttributeValue(session, key, asked, COUNT(asked)) == CKR_ATTRIBUTE_SENSITIVE,
          "a batch with %s in it is told to be sensitive", what);
    check(untouched(secret, sizeof secret), "nothing of %s is written", what);
    check(asked[1].ulValueLen == CK_UNAVAILABLE_INFORMATION &&
              asked[3].ulValueLen == CK_UNAVAILABLE_INFORMATION,
          "nor how long %s is", what);
    check(class != 0 && asked[0].ulValueLen == sizeof class && asked[2].ulValueLen <= sizeof label,
          "what stands around %s is answered", what);
    asked[0].ulValueLen = 1;
    CK_RV rv = p11->C_GetAttributeValue(session, key, asked, 2);
    check(rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_BUFFER_TOO_SMALL,
          "with a buffer that is too short before %s it is refused too", what);
    check(untouched(secret, sizeof secret), "and again nothing of %s is written", what);
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    CK_FUNCTION_LIST_PTR p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE session = make_token(p11);
    CK_OBJECT_HANDLE aes_key = generate(p11, session, "kept", &yes);
    ask_around_a_secret(p11, session, aes_key, CKA_VALUE, "a secret key's value");
    CK_OBJECT_HANDLE rsa_key = generate_rsa(p11, session);
    ask_around_a_secret(p11, session, rsa_key, CKA_PRIVATE_EXPONENT, "a private exponent");
    ask_around_a_secret(p11, session, rsa_key, CKA_PRIME_1, "a prime");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

/* Threads that share the module and its keys, each with a session and objects of its own: none reads what another
 * writes, so far as the tool can tell, see races.supp.
 * run under: valgrind --tool=helgrind --quiet --error-exitcode=9 --read-inline-info=no --suppressions=tests/abi/races.supp */
#include "watched.h"

#define THREADS 3
#define ROUNDS 6

static CK_FUNCTION_LIST_PTR p11;
static CK_OBJECT_HANDLE rsa[2], ec[2];
static CK_RV wrong[THREADS];

/* Signs with a key that the others sign with, and verifies. */
static CK_RV sign(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE keys[2])
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    CK_BYTE text[16] = "sixteen bytes ok", signature[256];
    CK_ULONG length = sizeof signature;
    CK_RV rv = p11->C_SignInit(s, &mechanism, keys[1]);
    if (rv == CKR_OK)
        rv = p11->C_Sign(s, text, sizeof text, signature, &length);
    if (rv == CKR_OK)
        rv = p11->C_VerifyInit(s, &mechanism, keys[0]);
    return rv ? rv : p11->C_Verify(s, text, sizeof text, signature, length);
}

/* Makes an object, finds it among those of others, and destroys it. */
static CK_RV come_and_go(CK_SESSION_HANDLE s)
{
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_BYTE value[32] = "a value";
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_VALUE, value, sizeof value}};
    CK_OBJECT_HANDLE made = 0, found[8];
    CK_ULONG many = 0;
    CK_RV rv = p11->C_CreateObject(s, template, COUNT(template), &made);
    if (rv == CKR_OK)
        rv = p11->C_FindObjectsInit(s, template, COUNT(template));
    if (rv == CKR_OK)
        rv = p11->C_FindObjects(s, found, COUNT(found), &many);
    if (rv == CKR_OK)
        rv = p11->C_FindObjectsFinal(s);
    if (rv == CKR_OK)
        rv = many ? p11->C_DestroyObject(s, made) : CKR_OBJECT_HANDLE_INVALID;
    return rv;
}

/* Returns the first code that is not CKR_OK. */
static CK_RV work(void)
{
    CK_BYTE random[32];
    CK_SESSION_HANDLE s = 0;
    CK_RV rv = p11->C_OpenSession(first_slot(p11), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s);
    for (int i = 0; rv == CKR_OK && i < ROUNDS; i++) {
        rv = sign(s, CKM_SHA256_RSA_PKCS, rsa);
        if (rv == CKR_OK)
            rv = sign(s, CKM_ECDSA_SHA256, ec);
        if (rv == CKR_OK)
            rv = p11->C_GenerateRandom(s, random, sizeof random);
        if (rv == CKR_OK)
            rv = come_and_go(s);
    }
    return rv ? rv : p11->C_CloseSession(s);
}

static void make_pair(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_ATTRIBUTE domain, CK_OBJECT_HANDLE keys[2])
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    must(p11->C_GenerateKeyPair(s, &mechanism, &domain, 1, NULL, 0, &keys[0], &keys[1]), "C_GenerateKeyPair");
}

static void *thread(void *number)
{
    wrong[*(int *)number] = work();
    return NULL;
}

int main(int count, char **arguments)
{
    CK_ULONG bits = 2048;
    CK_BYTE p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    static int numbers[THREADS] = {0, 1, 2};
    pthread_t threads[THREADS];
    if (count < 2)
        return 2;
    is_reported("a counter that threads share unguarded", share_a_counter);
    p11 = load(arguments[1]).p11;
    alarm(0);
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE s = make_token(p11);
    make_pair(s, CKM_RSA_PKCS_KEY_PAIR_GEN, (CK_ATTRIBUTE){CKA_MODULUS_BITS, &bits, sizeof bits}, rsa);
    make_pair(s, CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE){CKA_EC_PARAMS, p256, sizeof p256}, ec);
    /* Before there are threads the keys are read, and AWS-LC sets up what it does once: the tool does not know that
     * threads wait for pthread_once. */
    must(sign(s, CKM_SHA256_RSA_PKCS, rsa), "a signature by RSA");
    must(sign(s, CKM_ECDSA_SHA256, ec), "a signature by ECDSA");
    must(come_and_go(s), "an object that comes and goes");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, thread, &numbers[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        gives(wrong[i], CKR_OK, "a thread does its work beside others");
    }
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

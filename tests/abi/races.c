/* Threads that share the module, its keys and its sessions: none reads what another writes.
 * run under: valgrind --tool=helgrind --quiet --error-exitcode=9 --read-inline-info=no --suppressions=tests/abi/races.supp */
#include "abi.h"
#include <pthread.h>

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
    p11 = load(arguments[1]).p11;
    alarm(0);
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE s = make_token(p11);
    make_pair(s, CKM_RSA_PKCS_KEY_PAIR_GEN, (CK_ATTRIBUTE){CKA_MODULUS_BITS, &bits, sizeof bits}, rsa);
    make_pair(s, CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE){CKA_EC_PARAMS, p256, sizeof p256}, ec);
    /* The keys are read before there are threads. */
    must(sign(s, CKM_SHA256_RSA_PKCS, rsa), "a signature by RSA");
    must(sign(s, CKM_ECDSA_SHA256, ec), "a signature by ECDSA");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, thread, &numbers[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        gives(wrong[i], CKR_OK, "a thread does its work beside others");
    }
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

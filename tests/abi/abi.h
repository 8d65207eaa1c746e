/* What the C programs share: loading the module, a token, checks that tests/run counts.
 *
 * Each program is called with the path of the module and a directory for itself; its store and
 * configuration are set in the environment. */
#pragma once
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keystead.h"

#define SO_PIN "officer-1234"
#define USER_PIN "user-1234"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int failures;

/* One check: a line that tests/run counts. */
static inline bool check(bool holds, const char *sentence, ...)
{
    va_list arguments;
    va_start(arguments, sentence);
    fputs(holds ? "ok " : "not ok ", stdout);
    vprintf(sentence, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
    failures += !holds;
    return holds;
}

/* A step that the checks stand on: without it there is nothing to check. */
static inline void must(CK_RV rv, const char *step)
{
    if (rv == CKR_OK)
        return;
    printf("not ok %s (code 0x%lx)\n", step, rv);
    exit(1);
}

static inline bool gives(CK_RV found, CK_RV expected, const char *sentence)
{
    if (found == expected)
        return check(true, "%s", sentence);
    return check(false, "%s (expected 0x%lx, found 0x%lx)", sentence, expected, found);
}

struct loaded {
    void *library;
    CK_FUNCTION_LIST_PTR p11;
};

/* A program that hangs ends itself, and so does each process that loads the module. */
static inline struct loaded load(const char *path)
{
    alarm(120);
    struct loaded it = {dlopen(path, RTLD_NOW | RTLD_LOCAL), NULL};
    CK_RV (*list)(CK_FUNCTION_LIST_PTR *);
    if (!it.library) {
        printf("not ok the module loads: %s\n", dlerror());
        exit(1);
    }
    *(void **)&list = dlsym(it.library, "C_GetFunctionList");
    must(list ? list(&it.p11) : CKR_GENERAL_ERROR, "C_GetFunctionList");
    return it;
}

/* A function that is newer than p11-kit's header, called with whatever it takes. */
typedef CK_RV (*any)();

static inline any exported(void *library, const char *name)
{
    any found = NULL;
    *(void **)&found = dlsym(library, name);
    must(found ? CKR_OK : CKR_GENERAL_ERROR, name);
    return found;
}

/* CK_GCM_MESSAGE_PARAMS, and its generators of IVs. */
typedef struct {
    CK_BYTE *iv;
    CK_ULONG iv_len, fixed_bits, generator;
    CK_BYTE *tag;
    CK_ULONG tag_bits;
} gcm_message;
enum { NO_GENERATE, GENERATE, GENERATE_COUNTER, GENERATE_RANDOM, GENERATE_COUNTER_XOR };
#define AEAD_DECRYPT_FAILED 0x42UL

static inline CK_RV initialize(CK_FUNCTION_LIST_PTR p11)
{
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    return p11->C_Initialize(&arguments);
}

static CK_SLOT_ID first_slot(CK_FUNCTION_LIST_PTR p11)
{
    CK_SLOT_ID slots[16];
    CK_ULONG count = COUNT(slots);
    must(p11->C_GetSlotList(CK_FALSE, slots, &count), "C_GetSlotList");
    if (count == 0)
        must(CKR_GENERAL_ERROR, "there is a slot");
    return slots[0];
}

static inline CK_SESSION_HANDLE open_session(CK_FUNCTION_LIST_PTR p11)
{
    CK_SESSION_HANDLE session = 0;
    must(p11->C_OpenSession(first_slot(p11), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                            &session), "C_OpenSession");
    return session;
}

static inline CK_RV login(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session)
{
    return p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)USER_PIN, strlen(USER_PIN));
}

/* A token with both PINs set, and a session in which its user is logged in. */
static inline CK_SESSION_HANDLE make_token(CK_FUNCTION_LIST_PTR p11)
{
    CK_UTF8CHAR label[33] = "a token                         ";
    must(p11->C_InitToken(first_slot(p11), (CK_UTF8CHAR *)SO_PIN, strlen(SO_PIN), label),
         "C_InitToken");
    CK_SESSION_HANDLE session = open_session(p11);
    must(p11->C_Login(session, CKU_SO, (CK_UTF8CHAR *)SO_PIN, strlen(SO_PIN)), "C_Login of the SO");
    must(p11->C_InitPIN(session, (CK_UTF8CHAR *)USER_PIN, strlen(USER_PIN)), "C_InitPIN");
    must(p11->C_Logout(session), "C_Logout");
    must(login(p11, session), "C_Login");
    return session;
}

static inline CK_SESSION_HANDLE user_session(CK_FUNCTION_LIST_PTR p11)
{
    CK_SESSION_HANDLE session = open_session(p11);
    must(login(p11, session), "C_Login");
    return session;
}

/* Values that templates point to. */
#define VALUE static __attribute__((unused))
VALUE CK_BBOOL yes = CK_TRUE;
VALUE CK_BBOOL no = CK_FALSE;
VALUE CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
VALUE CK_KEY_TYPE aes = CKK_AES;

/* How many objects a session finds, 64 at the most. */
static inline CK_ULONG objects_found(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session)
{
    CK_OBJECT_HANDLE found[64];
    CK_ULONG count = 0;
    must(p11->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
    must(p11->C_FindObjects(session, found, COUNT(found), &count), "C_FindObjects");
    must(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    return count;
}

/* An AES-256 key under a label. */
static inline CK_OBJECT_HANDLE generate(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session,
                                 const char *label, CK_BBOOL *token)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = 32;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, token, 1},
        {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_LABEL, (void *)label, strlen(label)},
    };
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(session, &mechanism, template, COUNT(template), &key), "C_GenerateKey");
    return key;
}

/* How many keys stand under a label; the first goes to *key. */
static inline CK_ULONG find(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session, const char *label,
                     CK_OBJECT_HANDLE *key)
{
    CK_OBJECT_HANDLE found[8];
    CK_ULONG count = 0;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key},
        {CKA_LABEL, (void *)label, strlen(label)},
    };
    must(p11->C_FindObjectsInit(session, template, COUNT(template)), "C_FindObjectsInit");
    must(p11->C_FindObjects(session, found, COUNT(found), &count), "C_FindObjects");
    must(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    if (key && count)
        *key = found[0];
    return count;
}

/* Encrypts one block with AES-ECB. */
static inline CK_RV encrypt_block(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session,
                           CK_OBJECT_HANDLE key, CK_BYTE out[16])
{
    CK_MECHANISM mechanism = {CKM_AES_ECB, NULL, 0};
    CK_BYTE block[16] = "sixteen bytes ok";
    CK_ULONG length = 16;
    CK_RV rv = p11->C_EncryptInit(session, &mechanism, key);
    return rv ? rv : p11->C_Encrypt(session, block, sizeof block, out, &length);
}

static inline bool works(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_BYTE out[16];
    return encrypt_block(p11, session, key, out) == CKR_OK;
}

/* The end of a child's part: its checks are counted with the parent's, its failures reported. */
static inline void child_ends(void)
{
    fflush(stdout);
    _exit(failures != 0);
}

static inline void child_ended_well(pid_t child, const char *sentence)
{
    int status = -1;
    bool waited = waitpid(child, &status, 0) == child;
    check(waited && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", sentence);
}

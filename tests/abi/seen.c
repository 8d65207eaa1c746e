/* What one process does, another sees at its next Init or search: keys, deletions, expiries, and
 * attributes. Both processes stay initialised and logged in all the time. */
#include "abi.h"
#include <time.h>

static int to_other[2], to_first[2];

/* One step of the other process at a time. */
static void say(int descriptor, char step)
{
    if (write(descriptor, &step, 1) != 1)
        _exit(3);
}

static char heard(int descriptor)
{
    char step = 0;
    if (read(descriptor, &step, 1) != 1)
        _exit(4);
    return step;
}

static CK_OBJECT_HANDLE generate_ordinary(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session,
                                          const char *label, CK_ULONG expires_at)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = 32;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_LABEL, (void *)label, strlen(label)},
        {CKA_KEYSTEAD_CUSTODY, &no, sizeof no},
        {CKA_KEYSTEAD_EXPIRES_AT, &expires_at, sizeof expires_at},
    };
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(session, &mechanism, template, COUNT(template) - !expires_at, &key),
         "C_GenerateKey of an ordinary key");
    return key;
}

static void play_other(const char *path)
{
    CK_FUNCTION_LIST_PTR p11 = load(path).p11;
    close(to_other[1]);
    close(to_first[0]);
    heard(to_other[0]);
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE session = user_session(p11);
    say(to_first[1], 'r');

    CK_OBJECT_HANDLE made = 0, expiring = 0;
    heard(to_other[0]);
    check(find(p11, session, "made", &made) == 1 && works(p11, session, made),
          "a key made by another process is found and used");
    check(find(p11, session, "expiring", &expiring) == 1 && works(p11, session, expiring),
          "an expiring one too");
    generate_ordinary(p11, session, "answer", 0);
    say(to_first[1], 'u');

    CK_BYTE out[16];
    heard(to_other[0]);
    gives(encrypt_block(p11, session, made, out), CKR_KEY_HANDLE_INVALID,
          "a key destroyed by another process is gone at the next Init");
    check(find(p11, session, "made", NULL) == 0, "and is not found");
    heard(to_other[0]);
    gives(encrypt_block(p11, session, expiring, out), CKR_KEY_HANDLE_INVALID,
          "an expired key is gone at the next Init in this process");
    check(find(p11, session, "expiring", NULL) == 0, "and is not found here");
    must(p11->C_Finalize(NULL), "C_Finalize");
    child_ends();
}

static void rename_key(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_ATTRIBUTE label = {CKA_LABEL, "renamed", 7};
    gives(p11->C_SetAttributeValue(session, key, &label, 1), CKR_OK,
          "another process's key can be renamed");
}

int main(int count, char **arguments)
{
    if (count < 2 || pipe(to_other) || pipe(to_first))
        return 2;
    pid_t other = fork();
    if (other == 0)
        play_other(arguments[1]);
    close(to_other[0]);
    close(to_first[1]);
    CK_FUNCTION_LIST_PTR p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE session = make_token(p11);
    say(to_other[1], 'g');
    heard(to_first[0]);

    CK_ULONG expiry = (CK_ULONG)time(NULL) + 4;
    CK_OBJECT_HANDLE made = generate_ordinary(p11, session, "made", 0);
    CK_OBJECT_HANDLE expiring = generate_ordinary(p11, session, "expiring", expiry);
    say(to_other[1], 'm');
    heard(to_first[0]);
    CK_OBJECT_HANDLE answer = 0;
    check(find(p11, session, "answer", &answer) == 1 && works(p11, session, answer),
          "the answer of the other process is found");
    rename_key(p11, session, answer);

    gives(p11->C_DestroyObject(session, made), CKR_OK, "an ordinary key is destroyed");
    say(to_other[1], 'd');
    check((CK_ULONG)time(NULL) >= expiry || works(p11, session, expiring),
          "a key works until its expiry");
    while ((CK_ULONG)time(NULL) < expiry)
        usleep(10000);
    CK_BYTE out[16];
    gives(encrypt_block(p11, session, expiring, out), CKR_KEY_HANDLE_INVALID,
          "in the second of its expiry it is gone");
    say(to_other[1], 'e');
    child_ended_well(other, "the other process ends well");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

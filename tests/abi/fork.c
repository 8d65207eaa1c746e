/* A fork whose parent and child both go on using the token; the host keeps its own children. */
#include "abi.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>

static void *encrypt_for_ever(void *argument)
{
    CK_FUNCTION_LIST_PTR p11 = argument;
    CK_SESSION_HANDLE session = open_session(p11);
    CK_OBJECT_HANDLE key = 0;
    find(p11, session, "parent", &key);
    while (works(p11, session, key))
        ;
    return NULL;
}

static void play_child(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE inherited, CK_OBJECT_HANDLE key)
{
    CK_SESSION_INFO info;
    CK_BYTE out[16];
    gives(p11->C_GetSessionInfo(inherited, &info), CKR_CRYPTOKI_NOT_INITIALIZED,
          "in a forked child an inherited session is not there");
    gives(encrypt_block(p11, inherited, key, out), CKR_CRYPTOKI_NOT_INITIALIZED,
          "in a forked child nothing works before C_Initialize");
    gives(initialize(p11), CKR_OK, "in a forked child C_Initialize succeeds");
    CK_SESSION_HANDLE session = user_session(p11);
    CK_OBJECT_HANDLE found = 0;
    check(find(p11, session, "parent", &found) == 1 && works(p11, session, found),
          "the child uses the parent's key");
    found = generate(p11, session, "child", &yes);
    check(works(p11, session, found), "the child makes a key");
    pid_t grandchild = fork();
    if (grandchild == 0) {
        must(initialize(p11), "C_Initialize in a grandchild");
        session = user_session(p11);
        check(find(p11, session, "child", &found) == 1 && works(p11, session, found),
              "a grandchild uses the child's key");
        child_ends();
    }
    child_ended_well(grandchild, "the grandchild ends well");
    gives(p11->C_Finalize(NULL), CKR_OK, "the child's C_Finalize succeeds");
    child_ends();
}

static void play_finalizing_child(CK_FUNCTION_LIST_PTR p11)
{
    CK_RV rv = p11->C_Finalize(NULL);
    check(rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED,
          "a child may finalize what it inherited (0x%lx)", rv);
    gives(initialize(p11), CKR_OK, "and initialize for itself afterwards");
    child_ends();
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    CK_FUNCTION_LIST_PTR p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE session = make_token(p11);
    check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD,
          "the agent's start leaves the host no child to wait for");

    CK_OBJECT_HANDLE key = generate(p11, session, "parent", &yes);
    pid_t child = fork();
    if (child == 0)
        play_child(p11, session, key);
    check(works(p11, session, key), "the parent goes on while the child plays");
    generate(p11, session, "parent too", &yes);
    child_ended_well(child, "the child ends well");
    CK_OBJECT_HANDLE childs = 0;
    check(find(p11, session, "child", &childs) == 1 && works(p11, session, childs),
          "the parent uses the child's key");

    child = fork();
    if (child == 0)
        play_finalizing_child(p11);
    child_ended_well(child, "the finalizing child ends well");
    check(works(p11, session, key), "the parent is not touched by the child's C_Finalize");

    pthread_t busy[4];
    for (size_t i = 0; i < COUNT(busy); i++)
        pthread_create(&busy[i], NULL, encrypt_for_ever, p11);
    for (int round = 0; round < 20; round++) {
        child = fork();
        if (child == 0) {
            alarm(30);
            must(initialize(p11), "C_Initialize in a child of a busy parent");
            CK_OBJECT_HANDLE found = 0;
            session = user_session(p11);
            check(find(p11, session, "parent", &found) == 1 && works(p11, session, found),
                  "child %d of a parent with busy threads works", round);
            child_ends();
        }
        child_ended_well(child, "and ends well");
    }
    gives(p11->C_Finalize(NULL), CKR_OK, "C_Finalize under busy threads succeeds");
    for (size_t i = 0; i < COUNT(busy); i++)
        pthread_join(busy[i], NULL);
    return failures != 0;
}

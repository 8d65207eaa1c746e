/* A host with habits: it closes descriptors that are not its own, ignores SIGCHLD,
 * changes its directory and its environment, and uses many threads. */
#include "abi.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

static CK_FUNCTION_LIST_PTR p11;

static void *use_token(void *argument)
{
    CK_SESSION_HANDLE session = open_session(p11);
    char label[32];
    bool good = true;
    snprintf(label, sizeof label, "thread %ld", (long)argument);
    CK_OBJECT_HANDLE key = generate(p11, session, label, &yes), found = 0;
    for (int round = 0; round < 200; round++)
        good = good && works(p11, session, key);
    good = good && find(p11, session, label, &found) == 1 && works(p11, session, found);
    good = good && p11->C_CloseSession(session) == CKR_OK;
    return (void *)good;
}

static volatile sig_atomic_t signals;
static void count_signal(int number)
{
    (void)number;
    signals++;
}

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, count_signal);
    p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize under an ignored SIGCHLD");
    CK_SESSION_HANDLE session = make_token(p11);
    CK_OBJECT_HANDLE key = generate(p11, session, "kept", &yes);
    check(works(p11, session, key), "the agent starts although the host ignores SIGCHLD");

    for (int descriptor = 3; descriptor < 1024; descriptor++)
        close(descriptor);
    check(works(p11, session, key), "a kept key works after the host closed all descriptors");
    CK_OBJECT_HANDLE made = generate(p11, session, "after closing", &yes);
    check(works(p11, session, made), "and a new one is made");

    for (int descriptor = 3; descriptor < 64; descriptor++)
        close(descriptor);
    int others[2];
    if (pipe(others) != 0)
        return 2;
    made = generate(p11, session, "with a stranger there", &yes);
    fcntl(others[0], F_SETFL, O_NONBLOCK);
    char byte;
    check(works(p11, session, made) && read(others[0], &byte, 1) == -1,
          "the module writes nothing into descriptors that took the place of its own");
    check(fcntl(others[0], F_GETFD) != -1 && fcntl(others[1], F_GETFD) != -1,
          "nor closes them");

    int kept = fcntl(1, F_DUPFD, 100);
    for (int descriptor = 0; descriptor < 64; descriptor++)
        close(descriptor);
    made = generate(p11, session, "without standard output", &yes);
    bool works_still = works(p11, session, made);
    bool untouched = fcntl(0, F_GETFD) == -1 && fcntl(1, F_GETFD) == -1 && fcntl(2, F_GETFD) == -1;
    dup2(kept, 1);
    check(works_still, "a host without standard input and output uses the token");
    check(untouched, "and the module takes none of their numbers");

    if (chdir("/") == 0 && clearenv() == 0)
        check(works(p11, session, generate(p11, session, "elsewhere", &yes)),
              "directory and environment matter at C_Initialize only");

    pthread_t threads[8];
    bool good = true;
    for (long i = 0; i < (long)COUNT(threads); i++)
        pthread_create(&threads[i], NULL, use_token, (void *)i);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        good = good && result;
    }
    check(good, "eight threads use the token at once");
    check(signals == 0, "no signal reaches the host");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

/* The module is loaded, used, unloaded and loaded again, with and without C_Finalize. */
#include "abi.h"

static void use_and_leave(const char *path, int round, bool finalize)
{
    struct loaded it = load(path);
    must(initialize(it.p11), "C_Initialize after a reload");
    CK_SESSION_HANDLE session = round == 0 ? make_token(it.p11) : user_session(it.p11);
    if (round == 0)
        generate(it.p11, session, "kept", &yes);
    CK_OBJECT_HANDLE key = 0;
    check(find(it.p11, session, "kept", &key) == 1 && works(it.p11, session, key),
          "round %d finds the key and uses it", round);
    if (finalize)
        must(it.p11->C_Finalize(NULL), "C_Finalize");
    dlclose(it.library);
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    for (int round = 0; round < 5; round++)
        use_and_leave(arguments[1], round, true);
    use_and_leave(arguments[1], 5, false);

    struct loaded it = load(arguments[1]);
    CK_RV rv = initialize(it.p11);
    check(rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED,
          "a module unloaded without C_Finalize can be loaded again");
    CK_SESSION_HANDLE session = open_session(it.p11);
    check(session != 0, "and opens sessions");
    gives(it.p11->C_Finalize(NULL), CKR_OK, "and ends");
    gives(it.p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED, "a second C_Finalize is refused");
    return failures != 0;
}

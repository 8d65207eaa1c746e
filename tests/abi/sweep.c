/* Every function with what its section of PKCS#11 3.1 and 3.2 allows and forbids: one table says what each takes
 * and which codes its section lists, and each argument is spoiled in each way that its kind can be. */
#include "functions.h"

static CK_OBJECT_HANDLE made;

/* --- how the table is played ----------------------------------------------------------------- */

static CK_ULONG good(const struct row *row, char kind)
{
    switch (kind) {
    case 'S': return s;
    case 'X': return slot;
    case 'M': case 'm': return (CK_ULONG)row->mechanism;
    case 'K': case 'W': case 'U': case 'B': case 'O': case 'D': return *row->key;
    case 'Q': return made_too;
    case 'I': case 'G': return (CK_ULONG)text;
    case 'l': case 'e': case 'g': return 16;
    case 'V': case 'E': return (CK_ULONG)in;
    case 'v': return in_len;
    case 'C': return (CK_ULONG)wrapped;
    case 'c': return wrapped_len;
    case 'P': return (CK_ULONG)out;
    case 'L': return (length = sizeof out / 8, (CK_ULONG)&length);
    case 'T': return (CK_ULONG)row->template;
    case 'n': return row->template == of_wrapped ? 2 : 1;
    case 'H': return (CK_ULONG)out;
    case 'f': return 1;
    case 'A': return (CK_ULONG)&message;
    case 'a': return sizeof message;
    case '1': return 1;
    default: return 0;
    }
}

struct bad {
    char kind;
    const char *what;
    CK_ULONG value;
    CK_RV code; /* CKR_OK: any that the section lists */
};

static CK_MECHANISM null_param = {0, NULL, 8}, huge_param = {0, in, HUGE_COUNT};

static size_t bad_ones(const struct row *row, struct bad bad[])
{
    const struct bad all[] = {
        {'S', "no session", 0, CKR_SESSION_HANDLE_INVALID},
        {'S', "a session that nobody has", NOWHERE, CKR_SESSION_HANDLE_INVALID},
        {'S', "a closed session", closed, CKR_SESSION_HANDLE_INVALID},
        {'X', "a slot that is not there", NOWHERE, CKR_SLOT_ID_INVALID},
        {'M', "a mechanism that is not there", (CK_ULONG)&nonsense, CKR_MECHANISM_INVALID},
        {'M', "a parameter without its bytes", (CK_ULONG)&null_param, CKR_OK},
        {'M', "a parameter longer than memory", (CK_ULONG)&huge_param, CKR_OK},
        {'m', "no mechanism", 0, CKR_ARGUMENTS_BAD},
        {'m', "a mechanism that is not there", (CK_ULONG)&nonsense, CKR_MECHANISM_INVALID},
        {'m', "a parameter without its bytes", (CK_ULONG)&null_param, CKR_MECHANISM_PARAM_INVALID},
        {'m', "a parameter longer than memory", (CK_ULONG)&huge_param, CKR_MECHANISM_PARAM_INVALID},
        {'K', "no key", 0, CKR_KEY_HANDLE_INVALID},
        {'K', "a key that nobody has", NOWHERE, CKR_KEY_HANDLE_INVALID},
        {'K', "an object that is no key", data, CKR_KEY_HANDLE_INVALID},
        {'K', "a key of another type that may do nothing", row->mechanism == &ecdsa ? idle_key : idle_ec,
         CKR_KEY_TYPE_INCONSISTENT},
        {'K', "a key that may do nothing", row->idle ? *row->idle : 0,
         row->idle ? CKR_KEY_FUNCTION_NOT_PERMITTED : CKR_KEY_HANDLE_INVALID},
        {'W', "no wrapping key", 0, CKR_WRAPPING_KEY_HANDLE_INVALID},
        {'W', "an object that is no key", data, CKR_WRAPPING_KEY_HANDLE_INVALID},
        {'W', "a wrapping key of another type", idle_ec, CKR_WRAPPING_KEY_TYPE_INCONSISTENT},
        {'W', "a key that does not wrap", idle_key, CKR_KEY_FUNCTION_NOT_PERMITTED},
        {'U', "no unwrapping key", 0, CKR_UNWRAPPING_KEY_HANDLE_INVALID},
        {'U', "an object that is no key", data, CKR_UNWRAPPING_KEY_HANDLE_INVALID},
        {'U', "an unwrapping key of another type", idle_ec, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT},
        {'U', "a key that does not unwrap", idle_key, CKR_OK},
        {'Q', "no key to be wrapped", 0, CKR_KEY_HANDLE_INVALID},
        {'Q', "an object that is no key", data, CKR_KEY_HANDLE_INVALID},
        {'Q', "a public key", ec[0], CKR_OK},
        {'D', "no key", 0, CKR_KEY_HANDLE_INVALID},
        {'D', "an object that is no key", data, CKR_OK},
        {'D', "a private key", ec[1], CKR_KEY_INDIGESTIBLE},
        {'O', "no object", 0, CKR_OBJECT_HANDLE_INVALID},
        {'O', "an object that nobody has", NOWHERE, CKR_OBJECT_HANDLE_INVALID},
        {'I', "no input", 0, CKR_ARGUMENTS_BAD},
        {'l', "input longer than memory", HUGE_COUNT, CKR_ARGUMENTS_BAD},
        {'l', "input that no memory has", IMPOSSIBLE, CKR_ARGUMENTS_BAD},
        {'G', "no input to be kept", 0, CKR_ARGUMENTS_BAD},
        {'g', "more to be kept than any memory has", IMPOSSIBLE, CKR_ARGUMENTS_BAD},
        {'g', "more to be kept than there is memory", UNLIKELY, CKR_ARGUMENTS_BAD},
        {'V', "no signature", 0, CKR_OK},
        {'v', "a signature of one byte", 1, CKR_OK},
        {'v', "a signature longer than memory", HUGE_COUNT, CKR_ARGUMENTS_BAD},
        {'v', "a signature that no memory has", IMPOSSIBLE, CKR_ARGUMENTS_BAD},
        {'E', "no input", 0, CKR_ARGUMENTS_BAD},
        {'e', "input longer than memory", HUGE_COUNT, CKR_ARGUMENTS_BAD},
        {'e', "input that no memory has", IMPOSSIBLE, CKR_ARGUMENTS_BAD},
        {'C', "no wrapped key", 0, CKR_ARGUMENTS_BAD},
        {'c', "a wrapped key of no bytes", 0, CKR_OK},
        {'c', "a wrapped key longer than memory", HUGE_COUNT, CKR_ARGUMENTS_BAD},
        {'c', "a wrapped key that no memory has", IMPOSSIBLE, CKR_ARGUMENTS_BAD},
        {'c', "a wrapped key longer than there is memory", UNLIKELY, CKR_WRAPPED_KEY_LEN_RANGE},
        {'L', "no place for a length", 0, CKR_ARGUMENTS_BAD},
        {'T', "a template that is not there", 0, CKR_ARGUMENTS_BAD},
        {'n', "a template longer than memory", HUGE_COUNT, CKR_ARGUMENTS_BAD},
        {'H', "no place for a result", 0, CKR_ARGUMENTS_BAD},
        {'A', "no parameter", 0, CKR_OK},
        {'a', "a parameter of one byte", 1, CKR_MECHANISM_PARAM_INVALID},
        {'z', "a length without data", 5, CKR_OK},
        {'z', "data that no memory has", IMPOSSIBLE, CKR_OK},
        {'z', "more data than there is memory", UNLIKELY, CKR_OK},
    };
    size_t count = 0;
    for (size_t i = 0; i < COUNT(all); i++) {
        /* Messages bring their own parameters. */
        bool unread = row->mechanism == &gcm && (all[i].value == (CK_ULONG)&null_param ||
                                                 all[i].value == (CK_ULONG)&huge_param);
        if (strchr(row->kinds, all[i].kind) && !unread)
            bad[count++] = all[i];
    }
    return count;
}

static CK_RV call(const struct row *row, size_t at, CK_ULONG value)
{
    CK_ULONG a[MOST] = {0};
    for (size_t i = 0; i < strlen(row->kinds); i++)
        a[i] = i == at ? value : good(row, row->kinds[i]);
    if (at < MOST && row->kinds[at] == 'z' && value >= UNLIKELY)
        a[at - 1] = (CK_ULONG)text;
    return named(row->name)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
}

static CK_RV well(const struct row *row) { return call(row, MOST, 0); }

/* A session in which nothing has begun; the objects of the one before end with it. */
static void afresh(void)
{
    CK_SESSION_HANDLE before = s;
    s = open_session(p11);
    if (before)
        must(p11->C_CloseSession(before), "C_CloseSession");
    closed = before;
    made_too = generate(p11, s, "made too", &no);
    data_object();
}

static void in_a_bad_session(const struct row *row)
{
    function f = named(row->name);
    CK_RV rv = f(NOWHERE, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    CK_RV expected = row->kinds[0] == 'S' ? CKR_SESSION_HANDLE_INVALID
                   : row->kinds[0] == 'X' ? CKR_SLOT_ID_INVALID : rv;
    check(rv == expected, "%s names the session or slot before its arguments (0x%lx)", row->name, rv);
}

static void without_an_operation(const struct row *row)
{
    afresh();
    in_len = 64;
    CK_RV rv = well(row), bare = named(row->name)(s, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    check(rv == CKR_OPERATION_NOT_INITIALIZED && bare == rv,
          "%s needs its operation, whatever its arguments (0x%lx, 0x%lx)", row->name, rv, bare);
}

static void spoiled(const struct row *row, const struct bad *bad)
{
    afresh();
    row->ready();
    size_t at = (size_t)(strchr(row->kinds, bad->kind) - row->kinds);
    null_param.mechanism = huge_param.mechanism = row->mechanism ? row->mechanism->mechanism : 0;
    CK_RV rv = call(row, at, bad->value);
    bool right = bad->code == CKR_OK ? is_listed(row, rv) : rv == bad->code;
    check(right, "%s refuses %s (0x%lx)", row->name, bad->what, rv);
    if (row->life == NONE || bad->kind == 'S')
        return;
    rv = well(row);
    check(rv == (row->life == ENDS ? CKR_OPERATION_NOT_INITIALIZED : CKR_OK),
          "%s, after %s, finds its operation %s (0x%lx)", row->name, bad->what,
          row->life == ENDS ? "over" : "as it was", rv);
}

static void short_of_room(const struct row *row)
{
    afresh();
    row->ready();
    CK_ULONG a[MOST] = {0}, told = 0;
    for (size_t i = 0; i < strlen(row->kinds); i++)
        a[i] = good(row, row->kinds[i]);
    size_t at = (size_t)(strchr(row->kinds, 'P') - row->kinds);
    a[at] = 0, length = 0;
    CK_RV rv = named(row->name)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
    told = length;
    check(rv == CKR_OK, "%s tells a length (0x%lx, %lu)", row->name, rv, told);
    /* A final without a rest tells one byte: some callers take no for an answer to none. */
    if (told <= 1)
        return;
    a[at] = (CK_ULONG)out, length = 0;
    rv = named(row->name)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
    check(rv == CKR_BUFFER_TOO_SMALL, "%s says that there is no room (0x%lx)", row->name, rv);
    gives(well(row), CKR_OK, "and goes on with more");
}

static void play(const struct row *row)
{
    struct bad bad[80];
    in_a_bad_session(row);
    if (row->life != NONE)
        without_an_operation(row);
    afresh();
    row->ready();
    CK_RV rv = well(row);
    check(rv == CKR_OK, "%s does what it is for (0x%lx)", row->name, rv);
    size_t count = bad_ones(row, bad);
    for (size_t i = 0; i < count; i++)
        spoiled(row, &bad[i]);
    if (strstr(row->kinds, "PL"))
        short_of_room(row);
}

/* --- the states of sessions ------------------------------------------------------------------- */

#define PIN(text) (CK_UTF8CHAR *)(text), strlen(text)

/* Login and session before arguments, and what each state forbids. */
static void states(void)
{
    function user = named("C_LoginUser");
    CK_SESSION_HANDLE reading = 0, more = 0;
    CK_ATTRIBUTE on_token[] = {of_data[0], {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &no, 1}},
                 hidden[] = {of_data[0], {CKA_PRIVATE, &yes, 1}};
    gives(p11->C_Login(NOWHERE, 99, NULL, 5), CKR_SESSION_HANDLE_INVALID,
          "C_Login names the session before its arguments");
    gives(user(NOWHERE, 99, 0, 5, 0, 5, 0, 0, 0, 0), CKR_SESSION_HANDLE_INVALID, "so does C_LoginUser");
    gives(p11->C_SetPIN(NOWHERE, NULL, 5, NULL, 5), CKR_SESSION_HANDLE_INVALID, "so does C_SetPIN");
    gives(p11->C_InitPIN(NOWHERE, NULL, 5), CKR_SESSION_HANDLE_INVALID, "so does C_InitPIN");
    gives(p11->C_GetOperationState(NOWHERE, NULL, NULL), CKR_SESSION_HANDLE_INVALID,
          "so does C_GetOperationState");
    gives(p11->C_SetOperationState(NOWHERE, NULL, 5, 0, 0), CKR_SESSION_HANDLE_INVALID,
          "so does C_SetOperationState");
    gives(p11->C_SetOperationState(s, NULL, 5, 0, 0), CKR_ARGUMENTS_BAD,
          "a state that is not there is none");
    gives(p11->C_OpenSession(NOWHERE, 0, NULL, NULL, NULL), CKR_SLOT_ID_INVALID,
          "C_OpenSession names the slot before its arguments");
    gives(p11->C_InitToken(NOWHERE, NULL, 5, NULL), CKR_SLOT_ID_INVALID, "so does C_InitToken");

    gives(p11->C_Login(s, CKU_SO, PIN(SO_PIN)), CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
          "the officer does not log in beside the user");
    must(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &reading), "C_OpenSession");
    gives(p11->C_CreateObject(reading, on_token, 3, &made), CKR_SESSION_READ_ONLY,
          "a read-only session makes no token object");
    gives(p11->C_SetPIN(reading, PIN(USER_PIN), PIN("another-1234")), CKR_SESSION_READ_ONLY,
          "nor does it change a PIN");
    gives(p11->C_InitPIN(s, PIN("another-1234")), CKR_USER_NOT_LOGGED_IN,
          "the user sets no PIN of his own");
    gives(p11->C_Login(s, CKU_USER, PIN(USER_PIN)), CKR_USER_ALREADY_LOGGED_IN,
          "he logs in once");
    gives(p11->C_Login(s, 99, PIN(USER_PIN)), CKR_USER_TYPE_INVALID, "nor anybody else");
    gives(p11->C_Login(s, CKU_CONTEXT_SPECIFIC, PIN(USER_PIN)), CKR_OPERATION_NOT_INITIALIZED,
          "no operation waits for a PIN");
    CK_UTF8CHAR label[33] = "another                         ";
    gives(p11->C_InitToken(slot, PIN(SO_PIN), label), CKR_SESSION_EXISTS,
          "no token is initialised under its sessions");

    must(p11->C_Logout(s), "C_Logout");
    gives(p11->C_Logout(s), CKR_USER_NOT_LOGGED_IN, "nobody logs out twice");
    gives(p11->C_CreateObject(s, hidden, 2, &made), CKR_USER_NOT_LOGGED_IN,
          "without a login nothing private is made");
    gives(p11->C_EncryptInit(s, &ecb, aes_key), CKR_KEY_HANDLE_INVALID,
          "nor is a private key there");
    gives(p11->C_Login(s, CKU_SO, PIN(SO_PIN)), CKR_SESSION_READ_ONLY_EXISTS,
          "the officer does not log in beside a read-only session");
    must(p11->C_CloseSession(reading), "C_CloseSession");
    must(p11->C_Login(s, CKU_SO, PIN(SO_PIN)), "C_Login of the officer");
    gives(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &more),
          CKR_SESSION_READ_WRITE_SO_EXISTS, "and none is opened beside him");
    gives(p11->C_Login(s, CKU_USER, PIN(USER_PIN)), CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
          "nor does the user log in");
    gives(p11->C_InitPIN(s, NULL, 5), CKR_ARGUMENTS_BAD, "a PIN that is not there is none");
    gives(p11->C_InitPIN(s, PIN("x")), CKR_PIN_LEN_RANGE, "nor is one letter");
}

/* One list of slots, until its length is asked for again (5.5.1). */
static void one_list_of_slots(void)
{
    CK_SLOT_ID before[8], after[8];
    CK_ULONG count = 0, again = COUNT(after);
    must(p11->C_GetSlotList(CK_FALSE, NULL, &count), "C_GetSlotList");
    must(p11->C_GetSlotList(CK_FALSE, before, &count), "C_GetSlotList");
    CK_UTF8CHAR label[33] = "another                         ";
    must(p11->C_InitToken(before[count - 1], PIN(SO_PIN), label), "C_InitToken");
    must(p11->C_GetSlotList(CK_FALSE, after, &again), "C_GetSlotList");
    check(again == count && memcmp(before, after, count * sizeof *before) == 0,
          "the list of slots stays as it was");
    must(p11->C_GetSlotList(CK_FALSE, NULL, &again), "C_GetSlotList");
    check(again == count + 1, "until its length is asked for");
}

static void before_initialize(void)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        CK_RV rv = named(rows[i].name)(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        check(rv == CKR_CRYPTOKI_NOT_INITIALIZED, "%s needs C_Initialize (0x%lx)", rows[i].name, rv);
    }
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    struct loaded it = load(arguments[1]);
    p11 = it.p11, library = it.library;
    before_initialize();
    must(initialize(p11), "C_Initialize");
    s = make_token(p11);
    slot = first_slot(p11);
    make_keys();
    CK_SESSION_HANDLE stays = open_session(p11);
    for (size_t i = 0; i < COUNT(rows); i++)
        play(&rows[i]);
    must(p11->C_CloseSession(stays), "C_CloseSession");
    states();
    one_list_of_slots();
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

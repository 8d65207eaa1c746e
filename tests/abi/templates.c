/* Attributes that are templates themselves: given, and asked for in three steps. */
#include "abi.h"

static CK_OBJECT_HANDLE generate_wrapping(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = 32;
    CK_ATTRIBUTE wanted[] = {
        {CKA_LABEL, "may leave", 9},
        {CKA_EXTRACTABLE, &yes, sizeof yes},
    };
    CK_ATTRIBUTE template[] = {
        {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_WRAP_TEMPLATE, wanted, sizeof wanted},
        {CKA_UNWRAP_TEMPLATE, NULL, 0},
    };
    CK_OBJECT_HANDLE key = 0;
    must(p11->C_GenerateKey(session, &mechanism, template, COUNT(template), &key), "C_GenerateKey");
    return key;
}

static void read_in_steps(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE key)
{
    CK_BYTE label[9];
    CK_BBOOL extractable = 2;
    CK_ATTRIBUTE inner[2] = {{0, NULL, 0}, {0, NULL, 0}};
    CK_ATTRIBUTE asked = {CKA_WRAP_TEMPLATE, NULL, 0};
    gives(p11->C_GetAttributeValue(session, key, &asked, 1), CKR_OK, "the array's size is asked");
    check(asked.ulValueLen == sizeof inner, "it is that of two attributes");
    asked.pValue = inner;
    gives(p11->C_GetAttributeValue(session, key, &asked, 1), CKR_OK, "the lengths are asked");
    check(inner[0].type == CKA_LABEL && inner[0].ulValueLen == 9 &&
              inner[1].type == CKA_EXTRACTABLE && inner[1].ulValueLen == 1,
          "types and lengths stand in the array");
    inner[0].pValue = label;
    inner[1].pValue = &extractable;
    gives(p11->C_GetAttributeValue(session, key, &asked, 1), CKR_OK, "the values are asked");
    check(memcmp(label, "may leave", 9) == 0 && extractable == CK_TRUE, "and are what was given");

    inner[0].ulValueLen = 3;
    gives(p11->C_GetAttributeValue(session, key, &asked, 1), CKR_BUFFER_TOO_SMALL,
          "a value in the array that does not fit is told");
    check(inner[0].ulValueLen == CK_UNAVAILABLE_INFORMATION && inner[1].ulValueLen == 1,
          "at its own place");
    asked.ulValueLen = sizeof inner[0];
    gives(p11->C_GetAttributeValue(session, key, &asked, 1), CKR_BUFFER_TOO_SMALL,
          "and so is an array that is too short");
    check(asked.ulValueLen == CK_UNAVAILABLE_INFORMATION, "as every attribute's length");

    CK_ATTRIBUTE empty = {CKA_UNWRAP_TEMPLATE, inner, sizeof inner};
    gives(p11->C_GetAttributeValue(session, key, &empty, 1), CKR_OK, "an empty one is asked");
    check(empty.ulValueLen == 0, "and is empty");
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 2;
    CK_FUNCTION_LIST_PTR p11 = load(arguments[1]).p11;
    must(initialize(p11), "C_Initialize");
    CK_SESSION_HANDLE session = make_token(p11);
    read_in_steps(p11, session, generate_wrapping(p11, session));
    must(p11->C_Finalize(NULL), "C_Finalize");
    return failures != 0;
}

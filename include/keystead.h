/*
 * Keystead's own PKCS#11 numbers, fixed for good.
 *
 * Include it after a PKCS#11 header, OASIS's or p11-kit's, in C or C++. It defines numbers only, so
 * that it fits any of them. Times are seconds since 1970-01-01 00:00 UTC.
 */
#ifndef KEYSTEAD_H
#define KEYSTEAD_H

/* ---- Attributes of custom keys: on the metadata object and on the material ---- */

/* The key ID: 36 bytes, UUID text. In a template it names the custom key the material is for. */
#define CKA_KEYSTEAD_KEY_ID 0x804B5301UL

/* CK_ULONG: where the material comes from, one of CK_KEYSTEAD_ORIGIN_*. */
#define CKA_KEYSTEAD_ORIGIN 0x804B5302UL

/* CK_ULONG: one of CK_KEYSTEAD_STATUS_*. ENABLED and DISABLED can be set. */
#define CKA_KEYSTEAD_STATUS 0x804B5303UL

/* UTF-8, at most 255 bytes. Can be set. */
#define CKA_KEYSTEAD_DESCRIPTION 0x804B5304UL

/* CK_ULONG: when the custom key was made, in seconds. */
#define CKA_KEYSTEAD_CREATED_AT 0x804B5305UL

/*
 * CK_ULONG: when the material expires, in seconds; 0 never. Set at import, and moved by importing
 * the same material again. From that second on the material is not used, and it is erased.
 */
#define CKA_KEYSTEAD_EXPIRES_AT 0x804B5306UL

/* CK_ULONG: what became of the material, one of CK_KEYSTEAD_MATERIAL_*. */
#define CKA_KEYSTEAD_MATERIAL_STATE 0x804B5307UL

/* CK_ULONG: 1 for the first material, one more with each rotation. */
#define CKA_KEYSTEAD_MATERIAL_VERSION 0x804B5308UL

/* CK_ULONG: days between rotations, 30 to 365; 0 off. */
#define CKA_KEYSTEAD_ROTATION_DAYS 0x804B5309UL

/*
 * CK_ULONG: when the whole custom key ends, in seconds. Setting it 7 to 1096 days ahead schedules
 * the deletion, 0 cancels it.
 */
#define CKA_KEYSTEAD_DELETION_AT 0x804B530AUL

/*
 * CK_BBOOL, in a template: CK_FALSE asks for an ordinary PKCS#11 key, without metadata and freely
 * destroyed.
 */
#define CKA_KEYSTEAD_CUSTODY 0x804B530BUL

/* CK_ULONG: what happens at the expiry, one of CK_KEYSTEAD_ACTION_*. */
#define CKA_KEYSTEAD_EXPIRY_ACTION 0x804B530CUL

/*
 * CK_BBOOL, on both halves of an RSA or ML-KEM pair; given in a template of C_GenerateKeyPair, and
 * never changed. The private half of an RSA pair only unwraps; that of an ML-KEM pair only
 * decapsulates, to a key of the session that carries it too and only unwraps. What is unwrapped so
 * becomes the material of a custom key, sensitive and not extractable whatever the template says of
 * that.
 */
#define CKA_KEYSTEAD_IMPORT_ONLY 0x804B530DUL

/*
 * CK_ULONG, in a template of C_UnwrapKey: the size in bits that the key must have, as the metadata's
 * JSON tells it in key_bits; a key of another size is CKR_TEMPLATE_INCONSISTENT. It tells the
 * parameter sets of ML-KEM and ML-DSA apart, which CKA_PARAMETER_SET cannot do there.
 */
#define CKA_KEYSTEAD_KEY_BITS 0x804B530EUL

/* ---- Mechanisms ---- */

/*
 * Self-describing authenticated encryption, bound to the custom key. Its parameter is the data to
 * authenticate along, or none.
 */
#define CKM_KEYSTEAD_SEAL 0x804B5301UL

/* C_GenerateKey with CKA_KEYSTEAD_KEY_ID makes the next version of a generated key. No parameter. */
#define CKM_KEYSTEAD_ROTATE 0x804B5302UL

/* ---- Values of CKA_KEYSTEAD_ORIGIN ---- */

#define CK_KEYSTEAD_ORIGIN_GENERATED 1UL /* the token made it */
#define CK_KEYSTEAD_ORIGIN_EXTERNAL 2UL  /* the user brings it */

/* ---- Values of CKA_KEYSTEAD_STATUS ---- */

#define CK_KEYSTEAD_STATUS_ENABLED 2UL          /* usable */
#define CK_KEYSTEAD_STATUS_DISABLED 3UL         /* not usable until it is enabled again */
#define CK_KEYSTEAD_STATUS_PENDING_DELETION 4UL /* ends at CKA_KEYSTEAD_DELETION_AT */
#define CK_KEYSTEAD_STATUS_PENDING_IMPORT 5UL   /* has no material */

/* ---- Values of CKA_KEYSTEAD_MATERIAL_STATE ---- */

#define CK_KEYSTEAD_MATERIAL_PRESENT 1UL  /* there */
#define CK_KEYSTEAD_MATERIAL_NEVER 2UL    /* never imported */
#define CK_KEYSTEAD_MATERIAL_DELETED 3UL  /* deleted by hand */
#define CK_KEYSTEAD_MATERIAL_EXPIRED 4UL  /* expired and erased */
#define CK_KEYSTEAD_MATERIAL_READABLE 5UL /* expired, kept to decrypt, verify, unwrap and decapsulate */

/* ---- Values of CKA_KEYSTEAD_EXPIRY_ACTION ---- */

#define CK_KEYSTEAD_ACTION_ERASE 1UL     /* the material is erased (the default) */
#define CK_KEYSTEAD_ACTION_READ_ONLY 2UL /* it only decrypts, verifies, unwraps and decapsulates from then on */

#endif /* KEYSTEAD_H */

/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */

/*
 * P-256 keys in a token that signs and does not give them away, by its PKCS #11 module (OASIS PKCS #11 v2.40), named by an RFC 7512 URI.
 * Functions return 0, or -1 with a sentence in `problem`. A token is for one thread at a time.
 */
#ifndef NODEAGENT_CTOKEN_H
#define NODEAGENT_CTOKEN_H

#include <stddef.h>
#include <stdint.h>

struct ctoken;

/* Loads the module, finds the one token that the URI matches, and logs in with its pin-source or pin-value. */
struct ctoken *ctoken_open(const char *uri, char *problem, size_t size);
void ctoken_close(struct ctoken *token);
/* Makes a pair of keys that stays in the token; refused where there is one of that label. */
int ctoken_generate(struct ctoken *token, const char *label, char *problem, size_t size);
/* Takes the pair of that label out of the token, where it is there. */
int ctoken_remove(struct ctoken *token, const char *label, char *problem, size_t size);
/* The public key: the uncompressed point (SEC 1). */
int ctoken_public(struct ctoken *token, const char *label, uint8_t point[65], char *problem, size_t size);
/* ECDSA over a SHA-256 hash: r and s, 32 bytes each. */
int ctoken_sign(struct ctoken *token, const char *label, const uint8_t hash[32], uint8_t signature[64], char *problem,
                size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CToken.h"
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ctoken {
  CK_FUNCTION_LIST *module;
  CK_SESSION_HANDLE session;
};

enum { most_slots = 64, most_pin = 256 };

static int fail(char *problem, size_t size, const char *what, CK_RV code) {
  snprintf(problem, size, "%s: %s", what, p11_kit_strerror(code));
  return -1;
}

/* The PIN of the URI: its value, or the first line of the file that it names. */
static int read_pin(P11KitUri *uri, char pin[most_pin]) {
  const char *value = p11_kit_uri_get_pin_value(uri);
  if (value) return snprintf(pin, most_pin, "%s", value) < most_pin ? 0 : -1;
  const char *source = p11_kit_uri_get_pin_source(uri);
  if (!source) return -1;
  if (strncmp(source, "file:", 5) == 0) source += 5;
  FILE *file = fopen(source, "re");
  if (!file) return -1;
  int result = fgets(pin, most_pin, file) ? 0 : -1;
  fclose(file);
  pin[strcspn(pin, "\r\n")] = 0;
  return result;
}

static int find_slot(CK_FUNCTION_LIST *module, P11KitUri *uri, CK_SLOT_ID *slot) {
  CK_SLOT_ID slots[most_slots];
  CK_ULONG count = most_slots;
  int found = 0;
  if (module->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK) return -1;
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    if (module->C_GetTokenInfo(slots[i], &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED)) continue;
    if (!p11_kit_uri_match_token_info(uri, &info)) continue;
    *slot = slots[i];
    found++;
  }
  return found == 1 ? 0 : -1;
}

static struct ctoken *open_in(CK_FUNCTION_LIST *module, P11KitUri *uri, char *problem, size_t size) {
  CK_SLOT_ID slot;
  if (find_slot(module, uri, &slot) < 0) {
    snprintf(problem, size, "the URI matches no token of the module, or more than one");
    return NULL;
  }
  CK_SESSION_HANDLE session;
  CK_RV code = module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
  if (code != CKR_OK) {
    fail(problem, size, "the token gives no session", code);
    return NULL;
  }
  char pin[most_pin];
  if (read_pin(uri, pin) < 0) {
    snprintf(problem, size, "the URI has no pin-source or pin-value that can be read");
    code = CKR_PIN_INVALID;
  } else {
    code = module->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
    if (code == CKR_USER_ALREADY_LOGGED_IN) code = CKR_OK;
    if (code != CKR_OK) fail(problem, size, "the token refuses the PIN", code);
  }
  explicit_bzero(pin, sizeof pin);
  struct ctoken *token = code == CKR_OK ? calloc(1, sizeof *token) : NULL;
  if (!token) {
    module->C_CloseSession(session);
    return NULL;
  }
  token->module = module;
  token->session = session;
  return token;
}

struct ctoken *ctoken_open(const char *text, char *problem, size_t size) {
  P11KitUri *uri = p11_kit_uri_new();
  if (!uri || p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) != P11_KIT_URI_OK || p11_kit_uri_any_unrecognized(uri)) {
    snprintf(problem, size, "it is no PKCS #11 URI (RFC 7512)");
    if (uri) p11_kit_uri_free(uri);
    return NULL;
  }
  struct ctoken *token = NULL;
  const char *path = p11_kit_uri_get_module_path(uri);
  if (!path) {
    snprintf(problem, size, "the URI needs module-path, the file of the token's module");
  } else {
    CK_FUNCTION_LIST *module = p11_kit_module_load(path, 0);
    CK_RV code = module ? p11_kit_module_initialize(module) : CKR_GENERAL_ERROR;
    if (code == CKR_OK) {
      token = open_in(module, uri, problem, size);
      if (!token) p11_kit_module_finalize(module);
    } else {
      snprintf(problem, size, "%.200s cannot be used: %s", path, module ? p11_kit_strerror(code) : p11_kit_message());
    }
    if (!token && module) p11_kit_module_release(module);
  }
  p11_kit_uri_free(uri);
  return token;
}

void ctoken_close(struct ctoken *token) {
  token->module->C_CloseSession(token->session);
  p11_kit_module_finalize(token->module);
  p11_kit_module_release(token->module);
  free(token);
}

/* The one object of a class and a label; 0 where there is none. */
static int find(struct ctoken *token, CK_OBJECT_CLASS class, const char *label, CK_OBJECT_HANDLE *object, char *problem,
                size_t size) {
  CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, (void *)label, strlen(label)}};
  CK_RV code = token->module->C_FindObjectsInit(token->session, wanted, 2);
  if (code != CKR_OK) return fail(problem, size, "the token cannot be searched", code);
  CK_OBJECT_HANDLE found[2];
  CK_ULONG count = 0;
  code = token->module->C_FindObjects(token->session, found, 2, &count);
  token->module->C_FindObjectsFinal(token->session);
  if (code != CKR_OK) return fail(problem, size, "the token cannot be searched", code);
  if (count > 1) {
    snprintf(problem, size, "the token has more than one key \"%.100s\"", label);
    return -1;
  }
  *object = count == 1 ? found[0] : 0;
  return (int)count;
}

static int find_one(struct ctoken *token, CK_OBJECT_CLASS class, const char *label, CK_OBJECT_HANDLE *object,
                    char *problem, size_t size) {
  int count = find(token, class, label, object, problem, size);
  if (count == 0) snprintf(problem, size, "the token has no key \"%.100s\"", label);
  return count == 1 ? 0 : -1;
}

int ctoken_generate(struct ctoken *token, const char *label, char *problem, size_t size) {
  CK_OBJECT_HANDLE known;
  int count = find(token, CKO_PRIVATE_KEY, label, &known, problem, size);
  if (count < 0) return -1;
  if (count > 0) {
    snprintf(problem, size, "the token has a key \"%.100s\" already", label);
    return -1;
  }
  /* prime256v1 (RFC 5480). */
  static const CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof yes},
                           {CKA_VERIFY, &yes, sizeof yes},
                           {CKA_EC_PARAMS, (void *)curve, sizeof curve},
                           {CKA_LABEL, (void *)label, strlen(label)}};
  CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof yes},        {CKA_PRIVATE, &yes, sizeof yes},
                            {CKA_SENSITIVE, &yes, sizeof yes},    {CKA_EXTRACTABLE, &no, sizeof no},
                            {CKA_SIGN, &yes, sizeof yes},         {CKA_LABEL, (void *)label, strlen(label)}};
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  CK_OBJECT_HANDLE first, second;
  CK_RV code = token->module->C_GenerateKeyPair(token->session, &mechanism, public, 4, private, 6, &first, &second);
  return code == CKR_OK ? 0 : fail(problem, size, "the token makes no key", code);
}

int ctoken_remove(struct ctoken *token, const char *label, char *problem, size_t size) {
  const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
  for (size_t i = 0; i < 2; i++) {
    CK_OBJECT_HANDLE key;
    int count = find(token, classes[i], label, &key, problem, size);
    if (count < 0) return -1;
    if (count == 0) continue;
    CK_RV code = token->module->C_DestroyObject(token->session, key);
    if (code != CKR_OK) return fail(problem, size, "the token does not remove the key", code);
  }
  return 0;
}

int ctoken_public(struct ctoken *token, const char *label, uint8_t point[65], char *problem, size_t size) {
  CK_OBJECT_HANDLE key;
  if (find_one(token, CKO_PUBLIC_KEY, label, &key, problem, size) < 0) return -1;
  CK_BYTE value[128];
  CK_ATTRIBUTE wanted = {CKA_EC_POINT, value, sizeof value};
  CK_RV code = token->module->C_GetAttributeValue(token->session, key, &wanted, 1);
  if (code != CKR_OK) return fail(problem, size, "the token does not show the public key", code);
  /* An OCTET STRING with the point; some tokens leave the wrapping out. */
  const CK_BYTE *start = value;
  if (wanted.ulValueLen == 67 && value[0] == 0x04 && value[1] == 0x41) start += 2;
  else if (wanted.ulValueLen != 65) start = NULL;
  if (!start || start[0] != 0x04) {
    snprintf(problem, size, "the key \"%.100s\" is not one of P-256", label);
    return -1;
  }
  memcpy(point, start, 65);
  return 0;
}

int ctoken_sign(struct ctoken *token, const char *label, const uint8_t hash[32], uint8_t signature[64], char *problem,
                size_t size) {
  CK_OBJECT_HANDLE key;
  if (find_one(token, CKO_PRIVATE_KEY, label, &key, problem, size) < 0) return -1;
  CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
  CK_RV code = token->module->C_SignInit(token->session, &mechanism, key);
  CK_ULONG length = 64;
  if (code == CKR_OK) code = token->module->C_Sign(token->session, (CK_BYTE *)hash, 32, signature, &length);
  if (code != CKR_OK) return fail(problem, size, "the token does not sign", code);
  if (length != 64) {
    snprintf(problem, size, "the token has made a signature of another size");
    return -1;
  }
  return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <linux/keyctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t cl_keyctl(int operation, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return CL_RESULT(syscall(SYS_keyctl, operation, a, b, c, d));
}

int64_t cl_request_key(const char *type, const char *description, const char *callout, int32_t ring) {
  return CL_RESULT(syscall(SYS_request_key, type, description, callout, ring));
}

int64_t cl_add_key(const char *type, const char *description, const void *payload, size_t size, int32_t ring) {
  return CL_RESULT(syscall(SYS_add_key, type, description, payload, size, ring));
}

int cl_random(void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t count = getrandom((char *)bytes + done, size - done, 0);
    if (count < 0 && errno != EINTR) return -errno;
    if (count > 0) done += (size_t)count;
  }
  return 0;
}

void *cl_locked_pages(size_t size, int *error) {
  void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    *error = errno;
    return NULL;
  }
  if (mlock(pages, size) < 0 || madvise(pages, size, MADV_DONTDUMP) < 0 || madvise(pages, size, MADV_WIPEONFORK) < 0) {
    *error = errno;
    munmap(pages, size);
    return NULL;
  }
  return pages;
}

void cl_unmap_locked(void *pages, size_t size) {
  explicit_bzero(pages, size);
  munmap(pages, size);
}

void cl_wipe(void *bytes, size_t size) { explicit_bzero(bytes, size); }

/* The kernel takes no longer payload for a key of the type "user" (user_preparse). */
enum { most_payload = 32767, header_size = 8 };

int cl_instantiate_from(int socket, int32_t key, char *problem, size_t size) {
  int error = 0;
  size_t capacity = 40960;
  unsigned char *message = cl_locked_pages(capacity, &error);
  if (!message) return -error;
  ssize_t count = recv(socket, message, capacity, MSG_TRUNC);
  int result = 0;
  if (count < 0) {
    result = -errno;
  } else if (count < header_size || (size_t)count > header_size + most_payload) {
    result = -EBADMSG;
  } else {
    uint32_t number = 0;
    memcpy(&number, message + 4, sizeof number);
    const unsigned char *rest = message + header_size;
    size_t length = (size_t)count - header_size;
    if (message[0] == 0) {
      /* Both while the key is being made: the authority over it ends with its instantiation. */
      if (syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, key, number) < 0 ||
          syscall(SYS_keyctl, KEYCTL_INSTANTIATE, key, rest, length, 0) < 0) {
        result = -errno;
      }
    } else {
      result = number > 0 && number < 4096 ? -(int)number : -ENOKEY;
      if (length >= size) length = size - 1;
      memcpy(problem, rest, length);
      problem[length] = 0;
    }
  }
  cl_unmap_locked(message, capacity);
  return result;
}

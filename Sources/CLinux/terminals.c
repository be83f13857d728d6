/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

int cl_pty_peer(int master) { return CL_RESULT(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)); }

int cl_pty_unlock(int master) {
  int locked = 0;
  return CL_RESULT(ioctl(master, TIOCSPTLCK, &locked));
}

int cl_set_window_size(int fd, uint16_t rows, uint16_t columns) {
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  return CL_RESULT(ioctl(fd, TIOCSWINSZ, &size));
}

int cl_window_size(int fd, uint16_t *rows, uint16_t *columns) {
  struct winsize size;
  if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -errno;
  *rows = size.ws_row;
  *columns = size.ws_col;
  return 0;
}

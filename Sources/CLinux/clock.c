/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <sys/timex.h>

int cl_read_clock(struct cl_clock_state *state) {
  struct timex clock = {.modes = 0};
  int result = adjtimex(&clock);
  if (result < 0) return -errno;
  *state = (struct cl_clock_state){
      .offset = clock.offset,
      .frequency = clock.freq,
      .maximum_error = clock.maxerror,
      .estimated_error = clock.esterror,
      .status = clock.status,
      .constant = clock.constant,
      .tick = clock.tick,
      .pps_frequency = clock.ppsfreq,
      .pps_jitter = clock.jitter,
      .pps_shift = clock.shift,
      .pps_stability = clock.stabil,
      .pps_jitter_count = clock.jitcnt,
      .pps_calibrations = clock.calcnt,
      .pps_errors = clock.errcnt,
      .pps_stability_count = clock.stbcnt,
      .tai_offset = clock.tai,
      .counts_nanoseconds = (clock.status & STA_NANO) != 0,
      .is_synchronized = result != TIME_ERROR,
  };
  return 0;
}

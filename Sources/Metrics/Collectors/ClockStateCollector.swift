// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import LinuxKernel

/// How well the clock keeps time (adjtimex(2)).
struct ClockStateCollector: Collector {
  let name = "timex"
  private let families: [FamilyID]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    let words: [(String, String, MetricKind)] = [
      ("offset_seconds", "Time offset in between local system and reference clock.", .gauge),
      ("frequency_adjustment_ratio", "Local clock frequency adjustment.", .gauge),
      ("maxerror_seconds", "Maximum error in seconds.", .gauge),
      ("estimated_error_seconds", "Estimated error in seconds.", .gauge),
      ("status", "Value of the status array bits.", .gauge),
      ("loop_time_constant", "Phase-locked loop time constant.", .gauge),
      ("tick_seconds", "Seconds between clock ticks.", .gauge),
      ("pps_frequency_hertz", "Pulse per second frequency.", .gauge),
      ("pps_jitter_seconds", "Pulse per second jitter.", .gauge),
      ("pps_shift_seconds", "Pulse per second interval duration.", .gauge),
      ("pps_stability_hertz", "Pulse per second stability, average of recent frequency changes.", .gauge),
      ("pps_jitter_total", "Pulse per second count of jitter limit exceeded events.", .counter),
      ("pps_calibration_total", "Pulse per second count of calibration intervals.", .counter),
      ("pps_error_total", "Pulse per second count of calibration errors.", .counter),
      ("pps_stability_exceeded_total", "Pulse per second count of stability limit exceeded events.", .counter),
      ("tai_offset_seconds", "International Atomic Time (TAI) offset.", .gauge),
      ("sync_status", "Is clock synchronized to a reliable server (1 = yes, 0 = no).", .gauge),
    ]
    families = words.map { table.family("node_timex_\($0)", $1, $2) }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    var state = cl_clock_state()
    let result = cl_read_clock(&state)
    guard result >= 0 else { throw SyscallError(call: "adjtimex", object: "the clock", errno: -result) }
    // Parts per million with a fraction of 16 bits.
    let ppm = 1e6 * 65536
    let unit = state.counts_nanoseconds ? 1e9 : 1e6
    var index = 0
    func next(_ number: Int64, _ scale: Double, plus base: Double = 0) {
      table.set(families[index], base + Double(number) / scale)
      index += 1
    }
    next(state.offset, unit)
    next(state.frequency, ppm, plus: 1)
    next(state.maximum_error, 1e6)
    next(state.estimated_error, 1e6)
    next(state.status, 1)
    next(state.constant, 1)
    next(state.tick, 1e6)
    next(state.pps_frequency, ppm)
    next(state.pps_jitter, unit)
    next(state.pps_shift, 1)
    next(state.pps_stability, ppm)
    next(state.pps_jitter_count, 1)
    next(state.pps_calibrations, 1)
    next(state.pps_errors, 1)
    next(state.pps_stability_count, 1)
    next(state.tai_offset, 1)
    next(state.is_synchronized ? 1 : 0, 1)
  }
}

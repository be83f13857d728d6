// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The difference between the units that are known and those in the files, as a plan.
struct SubsystemChange: Sendable {
  let old: SubsystemGraph
  let new: SubsystemGraph

  /// True when a process that runs by `old` has to be started again to run by `new`.
  static func needsRestart(_ old: SubsystemSpec, _ new: SubsystemSpec) -> Bool {
    var same = old
    same.about = new.about
    same.requires = new.requires
    same.wants = new.wants
    same.after = new.after
    same.start = new.start
    same.restart = new.restart
    same.readyTimeout = new.readyTimeout
    same.stopSignal = new.stopSignal
    same.stopTimeout = new.stopTimeout
    same.reload = new.reload
    same.checks = new.checks
    same.identity?.renewal = new.identity?.renewal
    return same != new
  }

  /// - Parameter fixed: sub-systems that come with the agent and have no file.
  func plan(running: Set<String>, fixed: Set<String>) -> SubsystemPlan {
    var stops: [String: String] = [:]
    var starts: [String: String] = [:]
    var plan = SubsystemPlan(steps: [])
    for name in new.order where !fixed.contains(name) {
      guard let spec = new.specs[name] else { continue }
      guard let known = old.specs[name] else {
        plan.steps.append(.init(action: .add, name: name, reason: "its file is new"))
        if spec.start == .boot { starts[name] = "it starts at boot" }
        continue
      }
      guard known != spec else { continue }
      plan.steps.append(.init(action: .update, name: name, reason: "its file has changed"))
      if running.contains(name), Self.needsRestart(known, spec) {
        stops[name] = "its process has to be another"
        starts[name] = "its file has changed"
      }
    }
    let gone = old.order.filter { new.specs[$0] == nil && !fixed.contains($0) }
    for name in gone where running.contains(name) { stops[name] = "its file is gone" }
    old.append(stops: stops, to: &plan)
    for name in gone {
      let stop = plan.steps.firstIndex { $0.action == .stop && $0.name == name }
      plan.steps.append(
        .init(action: .forget, name: name, reason: "its file is gone", after: stop.map { [$0] } ?? []))
    }
    for (name, reason) in starts {
      for required in new.specs[name]?.requires ?? [] where !running.contains(required) && starts[required] == nil {
        starts[required] = "required by \(name)"
      }
      starts[name] = reason
    }
    new.append(starts: starts, to: &plan)
    return plan
  }
}

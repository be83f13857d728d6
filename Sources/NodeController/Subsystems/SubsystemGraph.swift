// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration

/// What is wrong with the dependencies of sub-systems.
struct GraphProblem: Error, Equatable, CustomStringConvertible {
  /// Those that cannot be used because of it.
  var names: [String]
  var description: String
}

/// Which sub-system needs which.
struct SubsystemGraph: Sendable, Equatable {
  let specs: [String: SubsystemSpec]
  /// Every name once, what others depend on first.
  let order: [String]

  /// - Throws: ``GraphProblem`` for a name that does not exist and for a cycle, which it draws.
  init(_ specs: [String: SubsystemSpec]) throws(GraphProblem) {
    self.specs = specs
    for spec in specs.values.sorted(by: { $0.name < $1.name }) {
      for (key, names) in [("requires", spec.requires), ("wants", spec.wants), ("after", spec.after)] {
        for name in names where specs[name] == nil {
          throw GraphProblem(
            names: [spec.name],
            description:
              "\(spec.name): \(key) names \(name), which does not exist\(Nearest.hint(name, in: specs.keys.sorted()))")
        }
      }
    }
    order = try Self.sort(specs)
  }

  private enum Mark { case open, done }

  /// By depth first; a sub-system that is met while it is still open closes a cycle.
  private static func sort(_ specs: [String: SubsystemSpec]) throws(GraphProblem) -> [String] {
    var marks: [String: Mark] = [:]
    var order: [String] = []
    var path: [String] = []
    func visit(_ name: String) throws(GraphProblem) {
      switch marks[name] {
      case .done: return
      case .open:
        let cycle = Array(path[(path.firstIndex(of: name) ?? 0)...]) + [name]
        throw GraphProblem(
          names: cycle,
          description:
            "the sub-systems depend on each other in a circle: \(cycle.joined(separator: " → ")); remove one of these dependencies"
        )
      case nil: break
      }
      marks[name] = .open
      path.append(name)
      for next in specs[name]?.dependencies.sorted() ?? [] { try visit(next) }
      path.removeLast()
      marks[name] = .done
      order.append(name)
    }
    for name in specs.keys.sorted() { try visit(name) }
    return order
  }

  /// Those that require `name`, directly or through others.
  func dependents(of name: String) -> Set<String> {
    var found: Set<String> = []
    var open = [name]
    while let next = open.popLast() {
      for spec in specs.values where spec.requires.contains(next) && found.insert(spec.name).inserted {
        open.append(spec.name)
      }
    }
    return found
  }

  /// `names` and what they require and want, directly or through others, each with the reason.
  private func needed(by names: [String]) -> [String: String] {
    var reasons: [String: String] = [:]
    for name in names { reasons[name] = "asked for" }
    var open = names
    while let next = open.popLast() {
      guard let spec = specs[next] else { continue }
      for (list, word) in [(spec.requires, "required by"), (spec.wants, "wanted by")] {
        for name in list where reasons[name] == nil {
          reasons[name] = "\(word) \(next)"
          open.append(name)
        }
      }
    }
    return reasons
  }

  // MARK: - Plans

  /// What has to be done so that `names` run. `running` says which do.
  func startPlan(_ names: [String], running: Set<String>) -> SubsystemPlan {
    let needed = needed(by: names).filter { !running.contains($0.key) }
    var plan = SubsystemPlan(steps: [])
    append(starts: needed, to: &plan)
    return plan
  }

  /// What has to be done so that `names` do not run.
  func stopPlan(_ names: [String], running: Set<String>) -> SubsystemPlan {
    var plan = SubsystemPlan(steps: [])
    append(stops: ended(names, running: running), to: &plan)
    return plan
  }

  func restartPlan(_ names: [String], running: Set<String>) -> SubsystemPlan {
    var plan = SubsystemPlan(steps: [])
    let stops = ended(names, running: running)
    append(stops: stops, to: &plan)
    var starts = needed(by: names).filter { !running.contains($0.key) || stops[$0.key] != nil }
    for (name, reason) in stops where starts[name] == nil { starts[name] = reason }
    append(starts: starts, to: &plan)
    return plan
  }

  /// The running ones of `names` with the running ones that require them, each with the reason.
  private func ended(_ names: [String], running: Set<String>) -> [String: String] {
    var reasons: [String: String] = [:]
    for name in names {
      for dependent in dependents(of: name) where running.contains(dependent) {
        reasons[dependent] = "requires \(name)"
      }
    }
    for name in names where running.contains(name) { reasons[name] = "asked for" }
    return reasons
  }

  func append(stops reasons: [String: String], to plan: inout SubsystemPlan) {
    let names = order.reversed().filter { reasons[$0] != nil }
    var places: [String: Int] = [:]
    for name in names {
      // Whoever depends on it ends first.
      let first = names.filter { specs[$0]?.dependencies.contains(name) ?? false }.compactMap { places[$0] }
      places[name] = plan.steps.count
      plan.steps.append(.init(action: .stop, name: name, reason: reasons[name] ?? "", after: first.sorted()))
    }
  }

  func append(starts reasons: [String: String], to plan: inout SubsystemPlan) {
    var places: [String: Int] = [:]
    for name in order where reasons[name] != nil {
      let stop = plan.steps.firstIndex { $0.action == .stop && $0.name == name }
      let first = Set(specs[name]?.dependencies ?? []).compactMap { places[$0] } + (stop.map { [$0] } ?? [])
      places[name] = plan.steps.count
      plan.steps.append(.init(action: .start, name: name, reason: reasons[name] ?? "", after: first.sorted()))
    }
  }
}

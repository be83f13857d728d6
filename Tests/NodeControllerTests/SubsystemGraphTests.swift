// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Testing

@testable import NodeController

@Suite struct SubsystemGraphTests {
  /// `name: requires | wants | after`, all optional.
  private static func specs(_ lines: String...) -> [String: SubsystemSpec] {
    var specs: [String: SubsystemSpec] = [:]
    for line in lines {
      let halves = line.split(separator: ":", maxSplits: 1).map(String.init)
      var spec = SubsystemSpec(name: halves[0])
      let lists = (halves.count > 1 ? halves[1] : "").split(separator: "|", omittingEmptySubsequences: false)
        .map { $0.split(separator: " ").map(String.init) }
      spec.requires = lists.first ?? []
      spec.wants = lists.count > 1 ? lists[1] : []
      spec.after = lists.count > 2 ? lists[2] : []
      spec.command = ["/bin/\(spec.name)"]
      specs[spec.name] = spec
    }
    return specs
  }

  private static func text(_ plan: SubsystemPlan) -> [String] {
    plan.steps.map { step in
      "\(step.action.rawValue) \(step.name)"
        + (step.after.isEmpty ? "" : " after \(step.after.map { plan.steps[$0].name }.joined(separator: ","))")
    }
  }

  @Test func `a cycle is drawn`() {
    #expect(
      throws: GraphProblem(
        names: ["a", "b", "c", "a"],
        description:
          "the sub-systems depend on each other in a circle: a → b → c → a; remove one of these dependencies")
    ) { try SubsystemGraph(Self.specs("a: b", "b: | c", "c: | | a", "d: a")) }
  }

  @Test(arguments: [("databse", "; did you mean database?"), ("zzz", "")])
  func `a missing name suggests the nearest`(name: String, hint: String) {
    #expect(
      throws: GraphProblem(names: ["web"], description: "web: requires names \(name), which does not exist\(hint)")
    ) {
      try SubsystemGraph(Self.specs("web: \(name)", "database", "storage"))
    }
  }

  @Test func `a start brings what is needed, and no more`() throws {
    let graph = try SubsystemGraph(Self.specs("storage", "database: storage", "cache", "web: database | cache", "lone"))
    #expect(
      Self.text(graph.startPlan(["web"], running: [])) == [
        "start cache", "start storage", "start database after storage", "start web after cache,database",
      ])
    #expect(
      Self.text(graph.startPlan(["web"], running: ["database", "storage"])) == ["start cache", "start web after cache"])
    #expect(graph.startPlan(["web"], running: ["web", "database", "storage", "cache"]).steps.isEmpty)
  }

  @Test func `a stop ends dependents first, but not those that only want it`() throws {
    let graph = try SubsystemGraph(Self.specs("storage", "database: storage", "cache", "web: database | cache"))
    let all: Set<String> = ["storage", "database", "cache", "web"]
    #expect(
      Self.text(graph.stopPlan(["storage"], running: all)) == [
        "stop web", "stop database after web", "stop storage after database",
      ])
    #expect(Self.text(graph.stopPlan(["cache"], running: all)) == ["stop cache"])
    #expect(Self.text(graph.stopPlan(["storage"], running: ["storage"])) == ["stop storage"])
  }

  @Test func `a restart brings back what it has stopped`() throws {
    let graph = try SubsystemGraph(Self.specs("storage", "database: storage", "web: database"))
    #expect(
      Self.text(graph.restartPlan(["database"], running: ["storage", "database", "web"])) == [
        "stop web", "stop database after web", "start database after database", "start web after web,database",
      ])
    #expect(Self.text(graph.restartPlan(["web"], running: ["storage", "database"])) == ["start web"])
  }

  @Test func `a change of the files becomes a plan of the least that has to be done`() throws {
    let old = try SubsystemGraph(Self.specs("agent", "storage", "database: storage", "gone", "same"))
    var specs = Self.specs("agent", "storage", "database: storage", "same", "new: database")
    specs["storage"]?.environment = ["A": "1"]
    specs["database"]?.stopTimeout = 5
    specs["same"]?.about = "words do not need a restart"
    let plan = SubsystemChange(old: old, new: try SubsystemGraph(specs)).plan(
      running: ["agent", "storage", "database", "gone", "same"], fixed: ["agent"])
    #expect(
      Self.text(plan) == [
        "update storage", "update database", "add new", "update same", "stop gone", "stop storage",
        "forget gone after gone", "start storage after storage", "start new",
      ])
  }

  @Test func `any graph without a cycle has an order that every plan keeps`() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let count = Int.random(in: 1...12, using: &random)
      var specs: [String: SubsystemSpec] = [:]
      for index in 0..<count {
        var spec = SubsystemSpec(name: "s\(index)")
        for other in 0..<index where Bool.random(using: &random) {
          switch Int.random(in: 0...2, using: &random) {
          case 0: spec.requires.append("s\(other)")
          case 1: spec.wants.append("s\(other)")
          default: spec.after.append("s\(other)")
          }
        }
        specs[spec.name] = spec
      }
      let graph = try SubsystemGraph(specs)
      for plan in [
        graph.startPlan(Array(specs.keys), running: []), graph.stopPlan(Array(specs.keys), running: Set(specs.keys)),
        graph.restartPlan(["s0"], running: Set(specs.keys)),
      ] {
        for (index, step) in plan.steps.enumerated() {
          #expect(step.after.allSatisfy { $0 < index })
          guard step.action == .start else { continue }
          for dependency in specs[step.name]?.dependencies ?? [] {
            let place = plan.steps.firstIndex { $0.action == .start && $0.name == dependency }
            #expect(place.map { step.after.contains($0) } ?? true)
          }
        }
      }
    }
  }
}

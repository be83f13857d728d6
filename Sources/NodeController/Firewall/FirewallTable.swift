// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel
import Synchronization

/// The instance's tables in the kernel, which have one name: knows what was written there, changes it by the difference, and sees what others
/// have done to it. Rules of others are never touched.
final class FirewallTable: Sendable {
  private struct State {
    /// What the kernel has, as far as nobody else has changed it; `nil` when there is no table of ours.
    var image: FirewallImage?
    /// How the kernel shows the structure.
    var shown = ""
  }

  let name: String
  private let nft = Nft()
  private let state = Mutex(State())

  init(name: String) { self.name = name }

  /// Makes the table what `image` says, in one transaction.
  func write(_ image: FirewallImage) throws(RPCError) {
    let result: Result<Void, RPCError> = state.withLock { state in
      Result { () throws(RPCError) in
        if let known = state.image, known.structure == image.structure,
          known.bridgeStructure == image.bridgeStructure
        {
          let difference = difference(from: known, to: image)
          try apply(difference, leadingTo: image, &state)
        } else {
          try replace(with: image, &state)
        }
      }
    }
    try result.get()
  }

  /// Adds and removes single elements: what an endpoint or a container changes, at the cost of that.
  func change(
    adding: [(set: String, element: String)] = [], removing: [(set: String, element: String)] = []
  ) throws(RPCError) {
    let result: Result<Void, RPCError> = state.withLock { state in
      Result { () throws(RPCError) in
        guard state.image != nil else { throw RPCError(.internalError, "the table \(name) is not there") }
        func grouped(_ all: [(set: String, element: String)]) -> [String: Set<String>] {
          Dictionary(grouping: all, by: \.set).mapValues { Set($0.map(\.element)) }
        }
        var (gone, come) = (grouped(removing), grouped(adding))
        for (set, elements) in gone {
          // What goes and comes stays.
          gone[set] = elements.subtracting(come[set] ?? []).intersection(state.image?.elements[set] ?? [])
        }
        for (set, elements) in come { come[set] = elements.subtracting(state.image?.elements[set] ?? []) }
        let lines =
          FirewallImage.sets.map { line("delete", $0, gone[$0] ?? []) }
          + FirewallImage.sets.map { line("add", $0, come[$0] ?? []) }
        let text = lines.joined()
        guard !text.isEmpty else { return }
        do throws(RPCError) {
          try nft.run(text)
          for (set, elements) in gone { state.image?.elements[set]?.subtract(elements) }
          for (set, elements) in come { state.image?.elements[set, default: []].formUnion(elements) }
        } catch {
          guard var image = state.image else { throw error }
          for (set, elements) in gone { image.elements[set]?.subtract(elements) }
          for (set, elements) in come { image.elements[set, default: []].formUnion(elements) }
          try replace(with: image, &state)
        }
      }
    }
    try result.get()
  }

  /// What the counters of a set have counted, by its elements' keys.
  func counters(of set: String) throws(RPCError) -> [String: TrafficCount] {
    guard exists else { return [:] }
    return TrafficCount.read(try nft.output("list set inet \(name) \(set)", withCounters: true))
  }

  var exists: Bool { state.withLock { $0.image != nil } }

  func remove() throws(RPCError) {
    let result: Result<Void, RPCError> = state.withLock { state in
      Result { () throws(RPCError) in
        try nft.run(removal(state))
        state = State()
      }
    }
    try result.get()
  }

  /// Compares the kernel with what should be there and mends it.
  ///
  /// - Returns: what was wrong, in words; `nil` when nothing was.
  func mend() throws(RPCError) -> String? {
    let result: Result<String?, RPCError> = state.withLock { state in
      Result { () throws(RPCError) in
        guard let image = state.image, let wrong = drift(from: image, state.shown) else { return nil }
        try replace(with: image, &state)
        return wrong
      }
    }
    return try result.get()
  }

  // MARK: - Transactions

  /// Where somebody has changed the table a moment ago, the difference does not fit: then it is written as a whole.
  private func apply(_ difference: String, leadingTo image: FirewallImage, _ state: inout State) throws(RPCError) {
    guard !difference.isEmpty else { return }
    do {
      try nft.run(difference)
      state.image = image
    } catch {
      try replace(with: image, &state)
    }
  }

  private func replace(with image: FirewallImage, _ state: inout State) throws(RPCError) {
    let elements = image.elements.sorted { $0.key < $1.key }.map { line("add", $0.key, $0.value) }
    try nft.run(
      """
      \(removal(state, unless: image))
      table inet \(name) {
      \(image.structure)
      }
      \(image.bridgeStructure.map { "table bridge \(name) {\n\($0)\n}" } ?? "")
      \(elements.joined())
      """)
    state.image = image
    state.shown = try shown(image)
  }

  /// Removes what is there; the family bridge only where it is used: a kernel may be without it.
  private func removal(_ state: State, unless next: FirewallImage? = nil) -> String {
    var text = "add table inet \(name)\ndelete table inet \(name)\n"
    // Versions without scopes had one of the family ip.
    if state.image == nil { text += "add table ip \(name)\ndelete table ip \(name)\n" }
    if state.image?.bridgeStructure != nil || next?.bridgeStructure != nil {
      text += "add table bridge \(name)\ndelete table bridge \(name)\n"
    }
    return text
  }

  private func shown(_ image: FirewallImage) throws(RPCError) -> String {
    var text = try nft.output("list table inet \(name)", isTerse: true)
    if image.bridgeStructure != nil { text += try nft.output("list table bridge \(name)", isTerse: true) }
    return text
  }

  /// Removals first: what is moved within an interval must not overlap with itself.
  private func difference(from old: FirewallImage, to new: FirewallImage) -> String {
    var text = ""
    for set in FirewallImage.sets {
      let gone = (old.elements[set] ?? []).subtracting(new.elements[set] ?? [])
      text += line("delete", set, gone)
    }
    for set in FirewallImage.sets {
      let come = (new.elements[set] ?? []).subtracting(old.elements[set] ?? [])
      text += line("add", set, come)
    }
    return text
  }

  private func line(_ verb: String, _ set: String, _ elements: Set<String>) -> String {
    guard !elements.isEmpty else { return "" }
    // A map's element is deleted by its key; the data has to fit, too, where it is given.
    return
      "\(verb) element \(FirewallImage.family(of: set)) \(name) \(set) { \(elements.sorted().joined(separator: ", ")) }\n"
  }

  // MARK: - Drift

  private func drift(from image: FirewallImage, _ shown: String) -> String? {
    guard let now = try? self.shown(image) else { return "the table was gone" }
    guard now == shown else { return Self.changedLines(shown, now) }
    var missing = 0
    var foreign = 0
    for set in FirewallImage.sets where FirewallImage.family(of: set) == "inet" || image.bridgeStructure != nil {
      let kind = FirewallImage.kind(of: set)
      guard let text = try? nft.output("list \(kind) \(FirewallImage.family(of: set)) \(name) \(set)") else {
        return "the \(kind) \(set) was gone"
      }
      let has = Self.elements(text)
      let wanted = image.elements[set] ?? []
      missing += wanted.subtracting(has).count
      foreign += has.subtracting(wanted).count
    }
    guard missing + foreign > 0 else { return nil }
    return "\(missing) elements were missing and \(foreign) were not ours"
  }

  private static func changedLines(_ before: String, _ now: String) -> String {
    let old = before.split(separator: "\n").map { $0.filter { $0 != "\t" } }
    let new = now.split(separator: "\n").map { $0.filter { $0 != "\t" } }
    let change = new.difference(from: old)
    let come = change.insertions.compactMap { if case .insert(_, let line, _) = $0 { "\"\(line)\"" } else { nil } }
    let gone = change.removals.compactMap { if case .remove(_, let line, _) = $0 { "\"\(line)\"" } else { nil } }
    var words: [String] = []
    if !gone.isEmpty { words.append("missing: \(gone.prefix(3).joined(separator: ", "))") }
    if !come.isEmpty { words.append("not ours: \(come.prefix(3).joined(separator: ", "))") }
    return words.isEmpty ? "its parts had another order" : words.joined(separator: "; ")
  }

  /// The elements in what nft(8) lists of one set.
  static func elements(_ text: String) -> Set<String> {
    guard let start = text.firstRange(of: "elements = {"), let end = text[start.upperBound...].firstIndex(of: "}")
    else {
      return []
    }
    return Set(
      text[start.upperBound..<end].split(separator: ",").map { element in
        element.split(whereSeparator: \.isWhitespace).filter { $0 != "counter" }.joined(separator: " ")
      })
  }
}

extension Result where Failure == RPCError {
  fileprivate init(_ body: () throws(RPCError) -> Success) {
    do { self = .success(try body()) } catch { self = .failure(error) }
  }
}

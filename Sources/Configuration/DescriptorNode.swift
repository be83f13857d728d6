// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Yams

/// A place in a YAML document that knows its line and its path, for errors that a person can act on.
public struct DescriptorNode {
  public let file: String
  public let path: String
  let node: Node

  /// Reads one document. Aliases and tags are refused: a descriptor needs neither, and an alias can stand for a bomb.
  ///
  /// - Parameter longest: bytes; a bundle's descriptor, which anybody may have written, gets little.
  public init(file: String, text: String, longest: Int = 256 << 10) throws(DescriptorProblem) {
    guard text.utf8.count <= longest else {
      throw DescriptorProblem(file: file, line: 0, key: "", text: "is longer than \(longest >> 10) KiB")
    }
    self.file = file
    path = ""
    do {
      let parser = try Parser(yaml: text, resolver: .basic)
      guard let root = try parser.singleRoot() else {
        throw DescriptorProblem(file: file, line: 0, key: "", text: "is empty")
      }
      node = root
      // Nodes hold their anchors weakly; only the parser keeps them.
      try withExtendedLifetime(parser) { try checkPlain(root, depth: 0) }
    } catch let problem as DescriptorProblem {
      throw problem
    } catch let error as YamlError {
      throw Self.explain(error, file: file)
    } catch {
      throw DescriptorProblem(file: file, line: 0, key: "", text: "is not YAML: \(error)")
    }
  }

  private init(file: String, path: String, node: Node) {
    self.file = file
    self.path = path
    self.node = node
  }

  private static func explain(_ error: YamlError, file: String) -> DescriptorProblem {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      DescriptorProblem(file: file, line: mark.line, key: "", text: "is not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      DescriptorProblem(
        file: file, line: context.mark.line, key: duplicates.first.map { "\($0)" } ?? "", text: "stands here twice")
    default: DescriptorProblem(file: file, line: 0, key: "", text: "is not YAML: \(error)")
    }
  }

  private func checkPlain(_ node: Node, depth: Int) throws(DescriptorProblem) {
    if node.anchor != nil || depth > 16 {
      throw DescriptorProblem(
        file: file, line: node.mark?.line ?? 0, key: "", text: "anchors, aliases and deep nesting are not allowed")
    }
    switch node {
    case .mapping(let mapping):
      for (key, value) in mapping {
        try checkPlain(key, depth: depth + 1)
        try checkPlain(value, depth: depth + 1)
      }
    case .sequence(let sequence): for element in sequence { try checkPlain(element, depth: depth + 1) }
    case .alias:
      throw DescriptorProblem(file: file, line: node.mark?.line ?? 0, key: "", text: "aliases are not allowed")
    case .scalar: break
    }
  }

  public func problem(_ text: String) -> DescriptorProblem {
    DescriptorProblem(file: file, line: node.mark?.line ?? 0, key: path, text: text)
  }

  private func child(_ name: String, _ node: Node) -> DescriptorNode {
    DescriptorNode(file: file, path: path.isEmpty ? name : "\(path).\(name)", node: node)
  }

  /// The members of a mapping, all of them in `allowed`.
  public func members(_ allowed: [String]) throws(DescriptorProblem) -> [String: DescriptorNode] {
    let found = try members()
    for (name, member) in found where !allowed.contains(name) {
      throw member.problem(
        "is unknown; \(path.isEmpty ? "a descriptor" : path) takes \(allowed.joined(separator: ", "))")
    }
    return found
  }

  /// The members of a mapping with any names.
  public func members() throws(DescriptorProblem) -> [String: DescriptorNode] {
    guard case .mapping(let mapping) = node else { throw problem("must be a mapping (key: value)") }
    var found: [String: DescriptorNode] = [:]
    for (key, value) in mapping {
      guard case .scalar(let scalar) = key else { throw problem("has a key that is no text") }
      let name = scalar.string
      found[name] = DescriptorNode(
        file: file, path: path.isEmpty ? name : "\(path).\(name)", node: Self.marked(value, by: key))
    }
    return found
  }

  /// A value that spans lines is reported where its key stands.
  private static func marked(_ value: Node, by key: Node) -> Node {
    guard let mark = key.mark else { return value }
    switch value {
    case .mapping(var mapping):
      mapping.mark = mark
      return .mapping(mapping)
    case .sequence(var sequence):
      sequence.mark = mark
      return .sequence(sequence)
    default: return value
    }
  }

  public func elements() throws(DescriptorProblem) -> [DescriptorNode] {
    guard case .sequence(let sequence) = node else { throw problem("must be a list") }
    return sequence.enumerated().map { index, element in
      DescriptorNode(file: file, path: "\(path)[\(index)]", node: element)
    }
  }

  /// True for a text, a number or another single value.
  public var isScalar: Bool { if case .scalar = node { true } else { false } }

  /// A text as it stands; NUL is refused, since no program, path or variable can have it.
  public func text() throws(DescriptorProblem) -> String {
    guard case .scalar(let scalar) = node else { throw problem("must be a text") }
    guard !scalar.string.utf8.contains(0) else { throw problem("has a NUL byte") }
    return scalar.string
  }

  public func boolean() throws(DescriptorProblem) -> Bool {
    switch try text() {
    case "true", "yes": return true
    case "false", "no": return false
    default: throw problem("must be true or false")
    }
  }

  public func number(_ range: ClosedRange<UInt64>) throws(DescriptorProblem) -> UInt64 {
    guard let value = UInt64(try text()), range.contains(value) else {
      throw problem("must be a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  public func choice<Value: CaseIterable & RawRepresentable>(_ type: Value.Type) throws(DescriptorProblem) -> Value
  where Value.RawValue == String {
    guard let value = Value(rawValue: try text()) else {
      throw problem(
        "must be \(type.allCases.map(\.rawValue).joined(separator: " or ")), not \"\(try text().prefix(40))\"")
    }
    return value
  }

  /// Bytes: `1048576`, `64KiB`, `32MiB`, `2GiB`, also with `K`, `M`, `G`, all powers of 1024.
  public func bytes() throws(DescriptorProblem) -> UInt64 {
    guard let value = Quantity.bytes(try text()) else {
      throw problem("must be a size such as 64MiB (KiB, MiB, GiB), not \"\(try text().prefix(40))\"")
    }
    return value
  }

  /// Milliseconds: `500ms`, `10s`, `2m`.
  public func milliseconds() throws(DescriptorProblem) -> Int64 {
    guard let value = Quantity.milliseconds(try text()) else {
      throw problem("must be a duration such as 10s (ms, s, m, h), not \"\(try text().prefix(40))\"")
    }
    return value
  }

  /// An absolute path without `.` and `..`.
  public func absolutePath() throws(DescriptorProblem) -> String {
    let text = try text()
    let parts = text.split(separator: "/", omittingEmptySubsequences: true)
    guard text.hasPrefix("/"), text.utf8.count < 4096, !parts.contains("."), !parts.contains("..") else {
      throw problem("must be an absolute path without . and ..")
    }
    return "/" + parts.joined(separator: "/")
  }
}

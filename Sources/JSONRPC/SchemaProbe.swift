// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A decoder that feeds a type with made-up values and writes down what it asked for.
///
/// Works for types whose decoding does not depend on the values: synthesized ones, and enumerations of
/// ``SchemaEnumeration``.
final class SchemaProbe: Decoder {
  private(set) var schema: Schema = .any
  private var properties: [Schema.Property] = []
  private let title: String
  private let summaries: [String: String]
  let codingPath: [any CodingKey] = []
  let userInfo: [CodingUserInfoKey: Any] = [:]

  private init(type: any Decodable.Type) {
    title = "\(type)"
    summaries = (type as? any SchemaDocumented.Type)?.memberSummaries ?? [:]
  }

  static func schema(of type: any Decodable.Type) -> Schema { probe(type).schema }

  /// The schema and, where one could be made, a value.
  fileprivate static func probe(_ type: any Decodable.Type) -> (schema: Schema, value: (any Decodable)?) {
    if type == JSONValue.self { return (.any, JSONValue.null) }
    if let special = type as? any SchemaSpecial.Type { return special.probed }
    if let enumeration = type as? any SchemaEnumeration.Type { return enumerationProbe(enumeration) }
    let probe = SchemaProbe(type: type)
    let value = try? type.init(from: probe)
    return (probe.schema, value)
  }

  private static func enumerationProbe<Value: SchemaEnumeration>(_ type: Value.Type) -> (Schema, (any Decodable)?) {
    (.string(allowed: type.allCases.map(\.rawValue)), type.allCases.first)
  }

  fileprivate func record(_ name: String, _ schema: Schema, required: Bool) {
    guard !properties.contains(where: { $0.name == name }) else { return }
    properties.append(.init(name: name, schema: schema, required: required, summary: summaries[name]))
    self.schema = .object(title: title, properties: properties)
  }

  fileprivate func set(_ schema: Schema) { self.schema = schema }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    schema = .object(title: title, properties: properties)
    return KeyedDecodingContainer(KeyedProbe<Key>(probe: self))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Unsupported() }
  func singleValueContainer() throws -> any SingleValueDecodingContainer { SingleProbe(probe: self) }

  struct Unsupported: Error {}
}

/// Standard types with a schema of their own.
private protocol SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { get }
}

extension Bool: SchemaSpecial { static var probed: (schema: Schema, value: (any Decodable)?) { (.boolean, false) } }
extension String: SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { (.string(allowed: nil), "") }
}
extension Double: SchemaSpecial { static var probed: (schema: Schema, value: (any Decodable)?) { (.number, 0.0) } }
extension Int: SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { (.integer(minimum: nil), 0) }
}
extension Int32: SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { (.integer(minimum: nil), Int32(0)) }
}
extension Int64: SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { (.integer(minimum: nil), Int64(0)) }
}
extension UInt16: SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { (.integer(minimum: 0), UInt16(0)) }
}
extension UInt32: SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { (.integer(minimum: 0), UInt32(0)) }
}
extension UInt64: SchemaSpecial {
  static var probed: (schema: Schema, value: (any Decodable)?) { (.integer(minimum: 0), UInt64(0)) }
}
extension Array: SchemaSpecial where Element: Decodable {
  static var probed: (schema: Schema, value: (any Decodable)?) {
    (.array(SchemaProbe.schema(of: Element.self)), Self())
  }
}
extension Dictionary: SchemaSpecial where Key == String, Value: Decodable {
  static var probed: (schema: Schema, value: (any Decodable)?) {
    (.map(SchemaProbe.schema(of: Value.self)), Self())
  }
}

private struct KeyedProbe<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let probe: SchemaProbe
  var codingPath: [any CodingKey] { [] }
  var allKeys: [Key] { [] }

  func contains(_ key: Key) -> Bool { true }
  func decodeNil(forKey key: Key) throws -> Bool { false }

  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    let probed = SchemaProbe.probe(type)
    probe.record(key.stringValue, probed.schema, required: true)
    guard let value = probed.value as? Value else { throw SchemaProbe.Unsupported() }
    return value
  }

  func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? {
    probe.record(key.stringValue, SchemaProbe.schema(of: type), required: false)
    return nil
  }

  // The standard types have requirements of their own.
  func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { optional(type, key) }
  func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { optional(type, key) }
  func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { optional(type, key) }
  func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { optional(type, key) }
  func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { optional(type, key) }
  func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { optional(type, key) }
  func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { optional(type, key) }
  func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { optional(type, key) }
  func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { optional(type, key) }

  private func optional<Value: Decodable>(_ type: Value.Type, _ key: Key) -> Value? {
    probe.record(key.stringValue, SchemaProbe.schema(of: type), required: false)
    return nil
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws
    -> KeyedDecodingContainer<Nested>
  { throw SchemaProbe.Unsupported() }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    throw SchemaProbe.Unsupported()
  }
  func superDecoder() throws -> any Decoder { throw SchemaProbe.Unsupported() }
  func superDecoder(forKey key: Key) throws -> any Decoder { throw SchemaProbe.Unsupported() }
}

private struct SingleProbe: SingleValueDecodingContainer {
  let probe: SchemaProbe
  var codingPath: [any CodingKey] { [] }
  func decodeNil() -> Bool { false }
  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let probed = SchemaProbe.probe(type)
    probe.set(probed.schema)
    guard let value = probed.value as? Value else { throw SchemaProbe.Unsupported() }
    return value
  }
}

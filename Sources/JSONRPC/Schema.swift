// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A JSON Schema, as far as Swift's `Codable` types need it.
public indirect enum Schema: Sendable, Hashable {
  case boolean
  case integer(minimum: Int64?)
  case number
  case string(allowed: [String]?)
  case array(Schema)
  case map(Schema)
  case object(title: String, properties: [Property])
  case any

  public struct Property: Sendable, Hashable {
    public var name: String
    public var schema: Schema
    public var required: Bool
    public var summary: String?
  }

  /// The schema of a type, read off its own `init(from:)`: what is documented is what is decoded.
  public static func of(_ type: any Decodable.Type) -> Schema { SchemaProbe.schema(of: type) }

  public var properties: [Property] { if case .object(_, let properties) = self { properties } else { [] } }

  /// The schema in JSON Schema's own terms (draft 7, as OpenRPC asks for).
  public var json: JSONValue {
    switch self {
    case .boolean: ["type": "boolean"]
    case .integer(let minimum):
      minimum.map { ["type": "integer", "minimum": .integer($0)] } ?? ["type": "integer"]
    case .number: ["type": "number"]
    case .string(let allowed):
      allowed.map { ["type": "string", "enum": .array($0.map(JSONValue.string))] } ?? ["type": "string"]
    case .array(let element): ["type": "array", "items": element.json]
    case .map(let element): ["type": "object", "additionalProperties": element.json]
    case .object(let title, let properties):
      [
        "type": "object", "title": .string(title),
        "properties": .object(
          Dictionary(
            properties.map { property in
              var json = property.schema.json
              if let summary = property.summary, case .object(var members) = json {
                members["description"] = .string(summary)
                json = .object(members)
              }
              return (property.name, json)
            }, uniquingKeysWith: { $1 })),
        "required": .array(properties.filter(\.required).map { .string($0.name) }),
        "additionalProperties": false,
      ]
    case .any: [:]
    }
  }
}

/// An enumeration whose values are listed in the schema.
public protocol SchemaEnumeration: CaseIterable, RawRepresentable, Codable where RawValue == String {}

/// A type that explains its members in the documents.
public protocol SchemaDocumented {
  /// A sentence for each member, by its name: units and formats belong there.
  static var memberSummaries: [String: String] { get }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The OpenRPC document (specification 1.3.2) of a set of methods.
public enum OpenRPC {
  public static func document(title: String, summary: String, version: String, methods: [MethodDescription])
    -> JSONValue
  {
    [
      "openrpc": "1.3.2",
      "info": [
        "title": .string(title), "version": .string(version), "description": .string(summary),
        "license": ["name": "Apache-2.0"],
      ],
      "methods": .array(methods.sorted { $0.name < $1.name }.map(method)),
      "components": [
        "errors": .object(
          Dictionary(
            RPCError.Code.all.map { ($0.name, error($0.code)) }, uniquingKeysWith: { $1 }))
      ],
    ]
  }

  private static func method(_ method: MethodDescription) -> JSONValue {
    var errors: [RPCError.Code] = [.invalidParams, .permissionDenied, .deadlineExceeded]
    errors += method.errors.filter { !errors.contains($0) }
    return [
      "name": .string(method.name),
      "summary": .string(method.summary),
      "paramStructure": "by-name",
      "params": .array(
        method.params.properties.map { property in
          var descriptor: [String: JSONValue] = [
            "name": .string(property.name), "required": .bool(property.required), "schema": property.schema.json,
          ]
          if let summary = property.summary { descriptor["description"] = .string(summary) }
          return .object(descriptor)
        }),
      "result": ["name": "result", "schema": method.result.json],
      "errors": .array(errors.map(error)),
      "x-role": .string(method.role.rawValue),
      "x-kind": .string(method.kind.rawValue),
    ]
  }

  private static func error(_ code: RPCError.Code) -> JSONValue {
    let entry = RPCError.Code.all.first { $0.code == code }
    return ["code": .integer(Int64(code.rawValue)), "message": .string(entry?.name ?? "error")]
  }
}

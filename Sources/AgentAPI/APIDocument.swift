// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// The API of one socket as a whole, for the documents.
public struct APIDocument: Sendable {
  public let title: String
  public let summary: String
  /// The socket's file name.
  public let socket: String
  public let methods: [MethodDescription]

  public static let containers = APIDocument(
    title: "nodeagent containers", summary: "The container controller of one host.", socket: "container.sock",
    methods: [
      ContainerMethods.create.description, ContainerMethods.run.description, ContainerMethods.start.description,
      ContainerMethods.stop.description, ContainerMethods.restart.description, ContainerMethods.kill.description,
      ContainerMethods.remove.description, ContainerMethods.wait.description, ContainerMethods.list.description,
      ContainerMethods.inspect.description, ContainerMethods.stats.description, ContainerMethods.exec.description,
      ContainerMethods.execute.description, HealthMethods.list.description, HealthMethods.maintenance.description,
      BundleMethods.importFile.description,
      LogMethods.read.description, EventMethods.list.description, BundleMethods.importArchive.description,
      BundleMethods.list.description, BundleMethods.inspect.description, BundleMethods.remove.description,
      LogMethods.topic.description, EventMethods.topic.description, ContainerMethods.statsTopic.description,
    ] + RPCRouter.builtIn)

  public static let monitor = APIDocument(
    title: "nodeagent monitor", summary: "The node controller's side for its monitor.", socket: "monitor.sock",
    methods: [
      HealthMethods.assignments.description, HealthMethods.report.description, MetricMethods.sources.description,
      EventSinkMethods.assignments.description, EventSinkMethods.fetch.description, EventSinkMethods.report.description,
      EventMethods.topic.description, AlertMethods.assignments.description, AlertMethods.report.description,
      NameMethods.assignments.description,
    ] + RPCRouter.builtIn)

  public static let metrics = APIDocument(
    title: "nodeagent metrics", summary: "The metrics of one host.", socket: "metrics.sock",
    methods: [
      MetricMethods.list.description, MetricMethods.history.description, MetricMethods.status.description,
      MetricMethods.topic.description, ProbeMethods.open.description,
    ] + RPCRouter.builtIn)

  public static let certificates = APIDocument(
    title: "nodeagent certificates", summary: "The certificate manager of one host.", socket: "cert.sock",
    methods: [
      CertMethods.request.description, CertMethods.token.description, CertMethods.redeem.description,
      CertMethods.chain.description, CertMethods.sign.description, CertMethods.renew.description,
      CertMethods.revoke.description, CertMethods.check.description, CertMethods.list.description,
      CertMethods.status.description,
      CertMethods.watch.description, EventMethods.list.description, EventMethods.topic.description,
    ] + RPCRouter.builtIn)

  public static let node = APIDocument(
    title: "nodeagent node", summary: "The node controller of one host.", socket: "node.sock",
    methods: [
      NodeMethods.info.description, NodeMethods.doctor.description, NodeMethods.shutdown.description,
      NodeMethods.status.description, NodeMethods.markUnavailable.description, NodeMethods.markAvailable.description,
      HostMethods.open.description, SubsystemMethods.list.description, SubsystemMethods.inspect.description,
      SubsystemMethods.start.description, SubsystemMethods.stop.description, SubsystemMethods.restart.description,
      SubsystemMethods.reload.description, SubsystemMethods.apply.description, SubsystemMethods.logs.description,
      LogMethods.topic.description, EventMethods.list.description, EventMethods.report.description,
      EventMethods.topic.description, HealthMethods.list.description, HealthMethods.maintenance.description,
      HealthMethods.mirror.description, FirewallMethods.list.description, FirewallMethods.apply.description,
      FirewallMethods.open.description, FirewallMethods.close.description, FirewallMethods.confirm.description,
      NetworkMethods.status.description, NetworkMethods.apply.description, NetworkMethods.addPeer.description,
      NetworkMethods.removePeer.description,
      EventSinkMethods.list.description, AlertMethods.list.description,
    ] + RPCRouter.builtIn)

  public var openRPC: JSONValue {
    OpenRPC.document(title: title, summary: summary, version: AgentVersion.current, methods: methods)
  }

  // MARK: - Markdown

  /// The document for people.
  public var markdown: String {
    var text = """
      # \(title)

      \(summary) JSON-RPC 2.0, one JSON value a line, on `\(socket)`. Generated from the typed API by `make docs`.

      Beside `jsonrpc`, `id`, `method` and `params` a request may have `deadline`: milliseconds after which the server
      gives up and answers with code 1002. A method of the kind *stream* switches the connection to frames after its
      answer: one byte of kind, four bytes of length (big-endian), the payload. A *topic* is not called but subscribed to:

      ```
      {"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"topic":"events","params":{}}}
      ```

      By hand: `echo '{"jsonrpc":"2.0","id":1,"method":"\(methods[0].name)","params":{}}' | socat - UNIX-CONNECT:/run/nodeagent/\(socket)`

      Frames: 0 input (empty: its end), 1 output, 2 error output, 3 exit `{"code":N}` or `{"signal":N}`, 4 terminal size (rows and
      columns, two bytes each), 5 signal (one byte), 6 progress, 7 failure (an error object), 8 result.

      ## Methods


      """
    for method in methods.sorted(by: { $0.name < $1.name }) { text += Self.section(method) }
    text += "## Error codes\n\n| code | name | meaning |\n|---|---|---|\n"
    for (code, name, meaning) in RPCError.Code.all { text += "| \(code.rawValue) | \(name) | \(meaning) |\n" }
    return text
  }

  private static func section(_ method: MethodDescription) -> String {
    var text = "### `\(method.name)`\n\n\(method.summary) Kind: \(method.kind.rawValue); role: \(method.role.rawValue)."
    if !method.errors.isEmpty {
      text += " Errors: \(method.errors.map { String($0.rawValue) }.joined(separator: ", "))."
    }
    text += "\n\n" + table("Parameters", method.params) + table("Result", method.result)
    return text
  }

  private static func table(_ title: String, _ schema: Schema) -> String {
    let properties = schema.properties
    guard !properties.isEmpty else { return title == "Result" ? "Result: \(name(schema)).\n\n" : "" }
    var text = "| \(title.lowercased()) | type | |\n|---|---|---|\n"
    for property in properties {
      let optional = property.required ? "" : " (optional)"
      text += "| `\(property.name)` | \(name(property.schema))\(optional) | \(property.summary ?? "") |\n"
    }
    return text + "\n"
  }

  private static func name(_ schema: Schema) -> String {
    switch schema {
    case .boolean: "boolean"
    case .integer: "integer"
    case .number: "number"
    case .string(let allowed): allowed.map { $0.map { "`\($0)`" }.joined(separator: ", ") } ?? "string"
    case .array(let element): "array of \(name(element))"
    case .map(let value): "map of \(name(value))"
    case .object(let title, let properties): properties.isEmpty ? "`{}`" : "\(title)"
    case .any: "any"
    }
  }
}

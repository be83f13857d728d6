// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Configuration
import ContainerController

/// The options of `run` and `create`.
struct SpecOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "The container's name; else the bundle's name.") var name: String?
  @Option(name: .shortAndLong, help: ArgumentHelp("Set a variable.", valueName: "name=value")) var env: [String] = []
  @Option(name: .shortAndLong, help: ArgumentHelp("Limit of memory, such as 64MiB.", valueName: "size")) var memory:
    String?
  @Option(help: ArgumentHelp("Limit of processors, such as 0.5.", valueName: "number")) var cpus: String?
  @Option(help: "Limit of processes and threads.") var pids: UInt64?
  @Option(help: ArgumentHelp("Limit of what it receives over its network, such as 10Mbit.", valueName: "rate"))
  var receiveRate: String?
  @Option(help: ArgumentHelp("Limit of what it sends over its network.", valueName: "rate")) var sendRate: String?
  @Option(help: ArgumentHelp("never, on-failure, on-failure:5 or always.", valueName: "policy")) var restart: String?
  @Option(help: "none or private.") var network: NetworkMode?
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Publish an endpoint on this port of the node; 0 lets the node choose.", valueName: "endpoint=port"))
  var publish: [String] = []
  @Option(
    help: ArgumentHelp(
      "Let this container and that one reach each other, this one by the other's name.", valueName: "container"))
  var link: [String] = []
  @Flag(inversion: .prefixedNo, help: "Give it an identity: a key and a certificate, in a keyring of the kernel.")
  var identity: Bool?
  @Option(
    help: ArgumentHelp(
      "Show its identity as files in this directory of the container, such as /run/identity.", valueName: "path"))
  var identityFiles: String?
  @Argument(help: "name:version, name, or the first digits of a digest.") var bundle: String
  @Argument(parsing: .postTerminator, help: "Replaces the bundle's command, after --.") var command: [String] = []

  var spec: ContainerSpec {
    get throws {
      var spec = ContainerSpec(name: name ?? String(bundle.split(separator: ":").first ?? ""), bundle: bundle)
      if !command.isEmpty { spec.command = command }
      if !env.isEmpty { spec.environment = try pairs(env, "--env") }
      if memory != nil || cpus != nil || pids != nil || receiveRate != nil || sendRate != nil {
        var resources = Resources(pids: pids)
        if let memory {
          guard let bytes = Quantity.bytes(memory) else { throw ValidationError("--memory is a size such as 64MiB") }
          resources.memory = bytes
        }
        if let cpus {
          guard let milli = Quantity.cpuMilli(cpus) else {
            throw ValidationError("--cpus is a number from 0.01 to 1000")
          }
          resources.cpuMilli = milli
        }
        resources.receiveRate = try receiveRate.map { try rate($0, "--receive-rate") }
        resources.sendRate = try sendRate.map { try rate($0, "--send-rate") }
        spec.resources = resources
      }
      spec.restart = try restart.map(policy)
      spec.network = network
      spec.identity = identity
      spec.identityFiles = identityFiles
      if !link.isEmpty { spec.links = link }
      if !publish.isEmpty {
        spec.publish = try pairs(publish, "--publish").mapValues { text in
          guard let port = UInt16(text) else { throw ValidationError("--publish is ENDPOINT=PORT, 0 to 65535") }
          return port
        }
      }
      return spec
    }
  }

  private func rate(_ text: String, _ option: String) throws -> UInt64 {
    guard let rate = Quantity.bitRate(text) else { throw ValidationError("\(option) is a rate such as 10Mbit") }
    return rate
  }

  private func pairs(_ texts: [String], _ option: String) throws -> [String: String] {
    var result: [String: String] = [:]
    for text in texts {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else { throw ValidationError("\(option) is NAME=VALUE, not \(text)") }
      result[parts[0]] = parts[1]
    }
    return result
  }

  private func policy(_ text: String) throws -> RestartPolicy {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    guard let first = parts.first, let condition = RestartPolicy.Condition(rawValue: first) else {
      throw ValidationError("--restart is never, on-failure, on-failure:N or always")
    }
    guard parts.count == 2 else { return RestartPolicy(condition) }
    guard let limit = Int(parts[1]), limit > 0 else {
      throw ValidationError("--restart \(first):N needs a number above 0")
    }
    return RestartPolicy(condition, limit: limit)
  }
}

extension NetworkMode: ExpressibleByArgument {}

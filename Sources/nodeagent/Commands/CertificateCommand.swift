// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import CertManager
import CertificateProfile
import Glibc
import JSONRPC
import LinuxKernel

struct CertificateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cert", abstract: "Look after the identities of this node's agents.",
    discussion:
      "An identity is a key and a short-lived certificate, which its agent takes up through a keyring of the kernel.",
    subcommands: [List.self, Renew.self, Revoke.self, Root.self, Status.self, Setup.self])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the identities.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @Argument(help: "Only these: containers, sub-systems or agents.") var names: [String] = []

    func run() throws {
      try reporting {
        let views = try options.certificates().call(CertMethods.list, .init(names: names.isEmpty ? nil : names))
        if output.json { return try output.print(views) }
        var table = Table("NAME", "SUB-SYSTEM", "AGENT", "STATE", "DELIVERY", "ENDS", "ROLES", "PROBLEM")
        for view in views {
          table.add(
            .init(view.name ?? "-"), .init(view.subsystem), .init(view.agent), .init(view.state.rawValue),
            .init(view.delivery?.rawValue ?? "-"), .init(view.ends ?? "-"),
            .init(view.roles.isEmpty ? "-" : view.roles.joined(separator: ",")), .init(view.problem ?? ""))
        }
        table.print()
      }
    }
  }

  struct Renew: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make the next certificate of an identity now.")
    @OptionGroup var options: InstanceOptions
    @Argument(help: "The agent's id, as cert ls shows it.") var agent: String

    func run() throws {
      try reporting {
        let view = try options.certificates().call(CertMethods.renew, .init(agent: agent))
        print(view.serial ?? "")
      }
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End an identity: its certificates are revoked.")
    @OptionGroup var options: InstanceOptions
    @Argument(help: "The agent's id, as cert ls shows it.") var agent: String
    @Option(help: "unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation.")
    var reason = RevocationReason.unspecified

    func run() throws {
      try reporting {
        _ = try options.certificates().call(CertMethods.revoke, .init(agent: agent, reason: reason.name))
      }
    }
  }

  struct Root: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the root that all certificates of this node lead to (PEM).")
    @OptionGroup var options: InstanceOptions

    func run() throws {
      try reporting {
        let status = try options.certificates().call(CertMethods.status)
        guard let root = status.root else {
          throw CertificateProblem.unusable(status.problem ?? "the authority is not known yet")
        }
        print(root, terminator: "")
      }
    }
  }

  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show who signs here, and what limits hold.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption

    func run() throws {
      try reporting {
        let status = try options.certificates().call(CertMethods.status)
        if output.json { return try output.print(status) }
        print("authority    \(status.authority)\(status.application.map { ", application \($0)" } ?? "")")
        if let problem = status.problem { print("problem      \(problem)") }
        if let node = status.node { print("node         \(node)") }
        if let hasNextBoot = status.hasNextBoot {
          print("next boot    \(hasNextBoot ? "comes back by itself" : "needs another token")")
        }
        print("identities   \(status.identities)")
        print("upcall       \(status.upcall ?? "the kernel's requests for keys arrive")")
        print("key quota    \(status.keysPerUser) keys, \(status.keyBytesPerUser) bytes of each user but root")
      }
    }
  }

  struct Setup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Have the kernel's requests for identities answered.",
      discussion:
        "Writes \(KeyUpcall.configuration), once on a machine, for all instances. Where the Debian package answers already it changes nothing. A program that others than root could replace is copied to \(KeyUpcall.copied) for it. Needs root, and the package keyutils."
    )
    @OptionGroup var options: InstanceOptions
    @Flag(help: "Also where the package answers already.") var force = false
    @Flag(help: "Take back what this command did.") var remove = false

    func run() throws {
      try reporting {
        _ = try options.local("cert setup")
        guard geteuid() == 0 else { throw RPCError(.permissionDenied, "nodeagent cert setup needs root") }
        if remove {
          return print(try KeyUpcall.remove() ? "removed" : "there is nothing to take back")
        }
        guard let harness = Executables.harness else {
          throw CertificateProblem.unusable(
            "nodeagent-harness is not beside \(Executables.own); the installation is incomplete")
        }
        switch try KeyUpcall.install(harness: harness, force: force) {
        case .packaged: print("the package's program answers the kernel's requests already")
        case .written(let path): print("\(path) answers the kernel's requests")
        }
      }
    }
  }
}

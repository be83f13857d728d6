// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import CLinux
import CertManager
import CertificateProfile
import Configuration
import Foundation
import Glibc
import LinuxKernel
import SwiftASN1
import X509

struct AuthorityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ca", abstract: "Keep a certificate authority.",
    discussion:
      "An authority is a directory with a root, an intermediate that signs, and a ledger of everything that it did.",
    subcommands: [
      Initialize.self, Serve.self, Token.self, Sign.self, List.self, Revoke.self, RevocationListing.self, Audit.self,
      Chain.self, Fingerprint.self, Intermediate.self,
    ])

  /// Where the authority is.
  struct Place: ParsableArguments {
    @OptionGroup var options: InstanceOptions
    @Option(help: ArgumentHelp("The authority's directory; else ca in the agent's state.", valueName: "path"))
    var directory: String?
    @Option(
      help: ArgumentHelp(
        "A file that the keys are encrypted with; else nodeagent-ca of systemd's credentials, where it is there.",
        valueName: "path"))
    var credential: String?

    var path: String { get throws { try directory ?? "\(options.local("ca").stateDirectory)/ca" } }

    var credentialPath: String? {
      if let credential { return credential }
      guard let folder = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] else { return nil }
      let path = "\(folder)/nodeagent-ca"
      return FileSystem.exists(path) ? path : nil
    }

    func open() throws -> AuthorityStore { try AuthorityStore(try path, credential: credentialPath) }
  }

  struct Initialize: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "init", abstract: "Make an authority.")
    @OptionGroup var place: Place
    @Option(help: "What all of its certificates belong to.") var application = "nodeagent"
    @Option(help: "p256, ed25519 or rsa-2048.") var key = KeyKind.p256
    @Option(help: ArgumentHelp("Where its list and its answers will be served, http://HOST:PORT.", valueName: "url"))
    var url: String?
    @Option(
      help: ArgumentHelp(
        "Make the keys in a token, and leave them there: pkcs11:token=NAME?module-path=FILE&pin-source=file:FILE (RFC 7512).",
        valueName: "uri"))
    var pkcs11: String?

    func run() throws {
      try reporting {
        let store = try AuthorityStore.make(
          try place.path, application: application, kind: key, url: url, credential: place.credentialPath, token: pkcs11
        )
        print(try AuthorityStore.pem(store.authority.root), terminator: "")
        if place.credentialPath == nil, pkcs11 == nil {
          Terminal.complain(
            "the keys in \(try place.path) are not encrypted; --credential names a file to do that with")
        }
      }
    }
  }

  struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Serve the authority until it is told to end.",
      discussion:
        "HTTPS takes tokens, requests and renewals; HTTP is for the list of revoked certificates, answers about single ones, and the chain."
    )
    @OptionGroup var place: Place
    @Option(help: ArgumentHelp("Where HTTPS is served.", valueName: "address:port")) var listen = "0.0.0.0:9743"
    @Option(help: ArgumentHelp("Where HTTP is served, too.", valueName: "address:port")) var listenPlain: String?
    @Option(help: ArgumentHelp("The name or address by which clients know this server.", valueName: "host"))
    var host: String

    func run() throws {
      try reporting {
        guard let secure = ListenAddress("tcp://\(listen)") else {
          throw ValidationError("--listen is ADDRESS:PORT, such as 0.0.0.0:9743")
        }
        let plain = try listenPlain.map { text in
          guard let address = ListenAddress("tcp://\(text)") else {
            throw ValidationError("--listen-plain is ADDRESS:PORT, such as 0.0.0.0:9744")
          }
          return address
        }
        let end = try DaemonSignals.stream([(SIGTERM, ()), (SIGINT, ())])
        let logger = DaemonLog.make("ca")
        let server = AuthorityServer(store: try place.open(), logger: logger)
        let name = host
        try runBlocking {
          let port = try await server.start(secure.host, port: Int(secure.port), host: name)
          logger.info("serving", metadata: ["https": "\(port)"])
          if let plain {
            let port = try await server.startPlain(plain.host, port: Int(plain.port))
            logger.info("serving", metadata: ["http": "\(port)"])
          }
          for await _ in end { break }
          await server.stop()
        }
      }
    }
  }

  struct Token: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a token, with which a new agent gets its first certificate, once.",
      discussion:
        "Without a sub-system it is for a node's certificate manager, which asks for everything else on its node: with it a machine becomes a node of this authority."
    )
    @OptionGroup var place: Place
    @Argument(help: "The node's full name.") var node: String
    @Argument(help: "The sub-system that the agent is of; else cert-manager.") var subsystem: String?
    @Option(help: ArgumentHelp("A kind of sub-system for which it may ask certificates.", valueName: "subsystem"))
    var spawn: [String] = []
    @Option(help: "A role that it has.") var role: [String] = []
    @Option(help: ArgumentHelp("How long the token is good.", valueName: "duration")) var life = "1h"
    @Option(
      help: ArgumentHelp(
        "Where the agent has to prove that it has the certificate's key; else that is revoked.", valueName: "host:port")
    )
    var callBack: String?
    @Option(help: ArgumentHelp("In which time.", valueName: "duration")) var callBackWithin = "1m"
    @Option(
      help: ArgumentHelp(
        "After a boot it may come back without a token of yours, when it was away for less than that.",
        valueName: "duration"))
    var afterBoot: String?

    func run() throws {
      try reporting {
        let called = try callBack.map { endpoint in
          guard AuthorityServer.isCallBack(endpoint) else { throw ValidationError("--call-back is HOST:PORT") }
          guard let limit = Quantity.milliseconds(callBackWithin), (1000...3_600_000).contains(limit) else {
            throw ValidationError("--call-back-within is from 1s to 1h, such as 1m")
          }
          return TokenGrant.CallBack(endpoint: endpoint, seconds: Double(limit) / 1000)
        }
        guard let milliseconds = Quantity.milliseconds(life), (1000...(30 * 86_400_000)).contains(milliseconds) else {
          throw ValidationError("--life is from 1s to 30d, such as 1h")
        }
        let returns = try afterBoot.map { text in
          guard let limit = Quantity.milliseconds(text), (60_000...(90 * 86_400_000)).contains(limit) else {
            throw ValidationError("--after-boot is from 1m to 90d, such as 30d")
          }
          return Double(limit) / 1000
        }
        let subsystem = subsystem ?? AuthorityStore.managerRole
        var capabilities = AgentCapabilities(spawn: spawn, roles: role)
        if self.subsystem == nil {
          capabilities = CertificateManager.needed
          guard spawn.isEmpty, role.isEmpty else {
            throw ValidationError("--spawn and --role are for a sub-system that is named")
          }
        }
        let grant = TokenGrant(
          node: node, subsystem: subsystem, capabilities: capabilities, callBack: called, afterBoot: returns)
        let identity = AgentIdentity(application: "a", subsystem: subsystem, agent: "a", node: node)
        if let problem = identity.problem { throw CertificateProblem.refused(problem) }
        print(try place.open().ledger.makeToken(grant, life: Double(milliseconds) / 1000).text)
      }
    }
  }

  struct Sign: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Sign a request (PEM, standard input) with a token, which is read from a file.",
      discussion: "Prints the certificate, and the intermediate that it is signed by.")
    @OptionGroup var place: Place
    @Option(help: ArgumentHelp("A file with the token: arguments can be seen by others.", valueName: "path"))
    var tokenFile: String
    @Option(help: ArgumentHelp("Where the agent is reached.", valueName: "uri")) var endpoint: [String] = []
    @Option(help: ArgumentHelp("How long the certificate is good.", valueName: "duration")) var life = "12h"

    func run() throws {
      try reporting {
        guard let milliseconds = Quantity.milliseconds(life) else {
          throw ValidationError("--life is a duration such as 12h")
        }
        let text = String(decoding: try FileSystem.read(tokenFile), as: UTF8.self)
        guard let token = BootstrapToken(text.filter { !$0.isWhitespace }) else {
          throw CertificateProblem.refused("\(tokenFile) has no token")
        }
        let input = FileHandle.standardInput.readData(ofLength: 64 << 10)
        let request: CertificateSigningRequest
        do {
          request = try CertificateSigningRequest(pemEncoded: String(decoding: input, as: UTF8.self))
        } catch {
          throw CertificateProblem.refused("standard input is no certificate signing request in PEM: \(error)")
        }
        let store = try place.open()
        let certificate = try store.sign(
          request, token: token, endpoints: endpoint, life: Double(milliseconds) / 1000)
        for one in try [certificate] + store.chain(of: certificate) {
          print(try AuthorityStore.pem(one), terminator: "")
        }
      }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List the certificates that were issued, the newest first.")
    @OptionGroup var place: Place
    @OptionGroup var output: JSONOption
    @Option(name: [.customShort("n"), .customLong("lines")], help: "At most so many.") var last = 100

    func run() throws {
      try reporting {
        let entries = try place.open().ledger.entries(limit: max(1, last))
        if output.json { return try output.print(entries) }
        var table = Table("SERIAL", "SUB-SYSTEM", "NODE", "AGENT", "ENDS", "STATE")
        for entry in entries {
          let state = entry.state(Date())
          table.add(
            .init(entry.serial), .init(entry.identity.subsystem), .init(entry.identity.node),
            .init(entry.identity.agent),
            .init(Timestamp.text(microseconds: Int64(entry.end.timeIntervalSince1970) * 1_000_000)),
            .init(entry.reason.map { "\(state) (\($0.name))" } ?? state))
        }
        table.print()
      }
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Revoke a certificate.")
    @OptionGroup var place: Place
    @Argument(help: "Its serial number in hexadecimal, as ca ls shows it.") var serial: String
    @Option(help: "unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation.")
    var reason = RevocationReason.unspecified

    func run() throws {
      try reporting {
        let number = serial.lowercased().filter { $0 != ":" }
        guard try place.open().ledger.revoke(serial: number, reason) else {
          return Terminal.complain("\(number) was revoked already")
        }
      }
    }
  }

  struct RevocationListing: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "crl", abstract: "Print a new list of the revoked certificates (PEM).")
    @OptionGroup var place: Place

    func run() throws {
      try reporting {
        let document = PEMDocument(type: "X509 CRL", derBytes: try place.open().revocationList())
        print(document.pemString)
      }
    }
  }

  struct Audit: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Look at the log of what the authority did.",
      subcommands: [Entries.self, Verify.self], defaultSubcommand: Entries.self)

    struct Entries: ParsableCommand {
      static let configuration = CommandConfiguration(commandName: "ls", abstract: "Print its last rows.")
      @OptionGroup var place: Place
      @OptionGroup var output: JSONOption
      @Option(name: [.customShort("n"), .customLong("lines")], help: "So many.") var last = 100

      func run() throws {
        try reporting {
          let entries = try place.open().ledger.audit(last: max(1, last))
          if output.json { return try output.print(entries) }
          for entry in entries {
            let time = Timestamp.text(microseconds: Int64(entry.time.timeIntervalSince1970) * 1_000_000)
            let data = entry.data.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            // Some of it is what strangers have sent.
            print(Terminal.printable("\(entry.number) \(time) \(entry.event) \(data)"))
          }
        }
      }
    }

    struct Verify: ParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Find out whether a row was changed, removed, added or moved.")
      @OptionGroup var place: Place

      func run() throws {
        try reporting {
          switch try place.open().ledger.verifyAudit() {
          case .intact(let rows): print("intact: \(rows) rows")
          case .broken(let row, let what):
            print("broken: row \(row): \(what)")
            throw ExitCode(5)
          }
        }
      }
    }
  }

  struct Fingerprint: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the hash of the root, by which new nodes know this authority.")
    @OptionGroup var place: Place

    func run() throws { try reporting { print(try place.open().authority.fingerprint) } }
  }

  struct Intermediate: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make the next intermediate, with a key of its own, which signs from now on.",
      discussion: """
        It is signed by the root, whose key is needed for this alone. What the intermediate before has signed stays good until its own end, at most \
        seven days; then that one's key is removed. A server that runs takes the next one up by itself. Prints it (PEM).
        """)
    @OptionGroup var place: Place
    @Option(help: ArgumentHelp("The root's key, where it was taken away; else root.key.", valueName: "path"))
    var rootKey: String?

    func run() throws {
      try reporting {
        // The files have to stay those of the user whose authority it is.
        let owner = try FileSystem.status(of: try place.path)
        if geteuid() == 0, owner.uid != 0 {
          let result = cl_become(owner.uid, owner.gid, nil, 0)
          guard result == 0 else {
            throw SyscallError(call: "setresuid", object: "user \(owner.uid)", errno: -result)
          }
        }
        let store = try place.open()
        print(try AuthorityStore.pem(try store.makeNextIntermediate(rootKey: rootKey)), terminator: "")
        try store.forgetRetired()
      }
    }
  }

  struct Chain: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the intermediate and the root (PEM).")
    @OptionGroup var place: Place

    func run() throws {
      try reporting {
        let authority = try place.open().authority
        for one in [authority.intermediate, authority.root] { print(try AuthorityStore.pem(one), terminator: "") }
      }
    }
  }
}

extension KeyKind: ExpressibleByArgument {}
extension RevocationReason: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }
}

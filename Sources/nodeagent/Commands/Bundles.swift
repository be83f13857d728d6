// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Configuration
import ContainerController
import Foundation
import JSONRPC
import LinuxKernel

struct BundleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bundle", abstract: "Build, import and look at bundles.",
    subcommands: [Build.self, InspectBundle.self, Import.self, List.self, RemoveBundle.self])

  struct Build: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an archive of a folder with bundle.yaml and rootfs/.",
      discussion: "The same input gives the same bytes: times are SOURCE_DATE_EPOCH, or 0.")
    @Option(name: .shortAndLong, help: ArgumentHelp("The archive: .tar, .tar.gz or .tar.zst.", valueName: "file"))
    var output: String?
    @Argument(help: "The folder.") var folder: String

    func run() throws {
      try reporting {
        let trimmed = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        let name = output ?? "\(trimmed).tar.zst"
        guard [".tar", ".tar.gz", ".tar.zst"].contains(where: name.hasSuffix) else {
          throw ValidationError("the archive's name ends in .tar, .tar.gz or .tar.zst")
        }
        let temporary = "\(name).new"
        let file = try FileSystem.open(temporary, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        do {
          try BundleArchive.build(folder: trimmed, to: file.raw, name: name)
          guard rename(temporary, name) == 0 else { throw SyscallError(call: "rename", object: name, errno: errno) }
        } catch {
          unlink(temporary)
          throw error
        }
        print(name)
      }
    }
  }

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add a bundle to the node, from an archive, a folder, or - for stdin.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @Flag(name: .shortAndLong, help: "No progress.") var quiet = false
    @Option(help: ArgumentHelp("The SHA-256 that the archive must have.", valueName: "digits")) var digest: String?
    @Argument(help: "The archive or folder.") var path: String

    func run() throws {
      try reporting {
        let (file, size) = try open()
        let (_, socket) = try options.containers().open(
          BundleMethods.importArchive, .init(size: size, digest: digest))
        let view = try BundleUpload(socket: socket, quiet: quiet).send(file.raw, size: size)
        if output.json { return try output.print(view) }
        print("\(view.reference)  \(view.digest.prefix(12))  \(view.files) files")
        for note in view.notes { Terminal.complain("note: \(note)") }
      }
    }

    private func open() throws -> (SharedDescriptor, UInt64?) {
      if path == "-" { return (SharedDescriptor(try Descriptor.copy(of: 0)), nil) }
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw RPCError(.notFound, "there is no \(path)")
      }
      guard isFolder.boolValue else {
        let file = SharedDescriptor(try FileSystem.open(path, flags: O_RDONLY))
        return (file, UInt64(try FileSystem.status(of: file.raw).size))
      }
      // A folder travels as the archive that `bundle build` would make.
      let memory = SharedDescriptor(Descriptor(owning: temporaryFile()))
      guard memory.raw >= 0 else { throw SyscallError(call: "open", object: "a temporary file", errno: errno) }
      try BundleArchive.build(folder: path, to: memory.raw, name: "bundle.tar")
      lseek(memory.raw, 0, SEEK_SET)
      return (memory, UInt64(try FileSystem.status(of: memory.raw).size))
    }

    /// A file without a name, gone with its descriptor.
    private func temporaryFile() -> Int32 {
      var template = Array("\(NSTemporaryDirectory())nodeagent-XXXXXX".utf8CString)
      let number = mkstemp(&template)
      if number >= 0 { unlink(template) }
      return number
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the bundles of the node.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @Flag(name: .shortAndLong, help: "Only name:version.") var quiet = false

    func run() throws {
      try reporting {
        let views = try options.containers().call(BundleMethods.list)
        if output.json { return try output.print(views) }
        if quiet { return views.forEach { print($0.reference) } }
        var table = Table("BUNDLE", "DIGEST", "SIZE", "FILES", "IMPORTED", "CONTAINERS")
        for view in views {
          table.add(
            .init(view.reference), .init(String(view.digest.prefix(12))), .init(Format.bytes(view.size)),
            .init(String(view.files)), .init(String(view.imported.prefix(19)) + "Z"),
            .init(view.containers.isEmpty ? "-" : view.containers.joined(separator: ", ")))
        }
        table.print()
      }
    }
  }

  struct InspectBundle: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "inspect", abstract: "Show a bundle's descriptor as JSON: of the node, or of a folder.")
    @OptionGroup var options: InstanceOptions
    @Argument(help: "A bundle of the node, or a folder.") var bundle: String

    func run() throws {
      try reporting {
        let file = "\(bundle)/\(DescriptorParser.fileName)"
        if bundle.contains("/") || bundle == ".", FileSystem.exists(file) {
          let text = try FileSystem.readText(file, limit: 256 << 10)
          do {
            print(try JSONCoding.encodePretty(try DescriptorParser.parse(text, file: file)))
          } catch let problem as DescriptorProblem {
            throw RPCError(.invalidBundle, problem.description)
          }
          return
        }
        print(try JSONCoding.encodePretty(try options.containers().call(BundleMethods.inspect, .init(bundle: bundle))))
      }
    }
  }

  struct RemoveBundle: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rm", abstract: "Remove bundles that no container uses.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var names: Names

    func run() throws {
      try reporting {
        let client = try options.containers()
        try names.each { _ = try client.call(BundleMethods.remove, .init(bundle: $0)) }
      }
    }
  }
}

/// Sends an archive and waits for what becomes of it.
struct BundleUpload {
  let socket: FramedSocket
  let quiet: Bool

  func send(_ file: Int32, size: UInt64?) throws -> BundleView {
    var progress = Progress(quiet: quiet)
    var chunk = [UInt8](repeating: 0, count: 256 << 10)
    var sent: UInt64 = 0
    while true {
      let count = try FileSystem.read(file, into: &chunk, object: "the archive")
      do {
        try socket.write(StreamFrame(.input, Array(chunk.prefix(count))))
      } catch {
        // The agent has refused already: its answer says why.
        break
      }
      if count == 0 { break }
      sent += UInt64(count)
      progress.show("sending", sent, of: size)
    }
    while let frame = try socket.read() {
      switch frame.kind {
      case .progress:
        let state = try JSONCoding.decode(ImportProgress.self, from: frame.payload)
        progress.show(state.stage, state.bytes, of: sent)
      case .result:
        progress.clear()
        return try JSONCoding.decode(BundleView.self, from: frame.payload)
      case .failure:
        progress.clear()
        throw try JSONCoding.decode(RPCError.self, from: frame.payload)
      default: break
      }
    }
    throw RPCError(.unavailable, "the agent closed the connection before the import was done")
  }
}

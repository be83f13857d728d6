// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct ArchiveTests {
  /// What each hostile archive adds to a sound bundle, and a word of its refusal (empty: any); `nil` when it is harmless.
  static let corpus: [(name: String, word: String?, build: @Sendable (inout TarFile) -> Void)] = [
    ("parent directory", "..", { $0.add("rootfs/../../escape", text: "x") }),
    ("parent directory inside", "..", { $0.add("rootfs/a/../b", text: "x") }),
    ("absolute name", "absolute", { $0.add("/tmp/escape", text: "x") }),
    ("outside rootfs", "nothing else", { $0.add("escape", text: "x") }),
    (
      "link, then a file through it", "link or a file",
      {
        $0.add("rootfs/out", .symbolicLink, link: "/tmp")
        $0.add("rootfs/out/escape", text: "x")
      }
    ),
    (
      "relative link, then a file through it", "link or a file",
      {
        $0.add("rootfs/out", .symbolicLink, link: "../../../..")
        $0.add("rootfs/out/escape", text: "x")
      }
    ),
    (
      "link, then a directory in its place, then a file", "twice",
      {
        $0.add("rootfs/out", .symbolicLink, link: "/tmp")
        $0.add("rootfs/out", .directory, mode: 0o755)
        $0.add("rootfs/out/escape", text: "x")
      }
    ),
    (
      "file in the place of a link", "twice",
      {
        $0.add("rootfs/out", .symbolicLink, link: "/tmp/escape")
        $0.add("rootfs/out", text: "x")
      }
    ),
    ("hard link out", "absolute", { $0.add("rootfs/passwd", .hardLink, link: "/etc/passwd") }),
    ("hard link up", "..", { $0.add("rootfs/passwd", .hardLink, link: "rootfs/../../etc/passwd") }),
    (
      "hard link through a link", "link or a file",
      {
        $0.add("rootfs/etc", .symbolicLink, link: "/etc")
        $0.add("rootfs/passwd", .hardLink, link: "rootfs/etc/passwd")
      }
    ),
    (
      "hard link to a link", "no file of the archive",
      {
        $0.add("rootfs/l", .symbolicLink, link: "/etc/passwd")
        $0.add("rootfs/h", .hardLink, link: "rootfs/l")
      }
    ),
    ("hard link to a missing file", "no file of the archive", { $0.add("rootfs/h", .hardLink, link: "rootfs/nope") }),
    (
      "duplicate file", "twice",
      {
        $0.add("rootfs/a", text: "1")
        $0.add("rootfs/a", text: "2")
      }
    ),
    ("second descriptor", "twice", { $0.add("bundle.yaml", text: "name: other") }),
    ("newline in a name", "control characters", { $0.add("rootfs/a\nb", text: "x") }),
    ("bytes that are no UTF-8", nil, { $0.add(raw: Array("rootfs/a".utf8) + [0xff, 0xfe], .file) }),
    ("owner beyond the container", "0 to 65535", { $0.add("rootfs/a", text: "x", uid: 70000) }),
    ("rootfs a link", "", { $0.add("rootfs", .symbolicLink, link: "/tmp") }),
    (
      "PAX path out", "..",
      {
        $0.addPax("path", "rootfs/../../escape")
        $0.add("rootfs/harmless", text: "x")
      }
    ),
    (
      "PAX link out", "absolute",
      {
        $0.addPax("linkpath", "/etc/shadow")
        $0.add("rootfs/harmless", .hardLink, link: "rootfs/x")
      }
    ),
    ("size far beyond its bytes", "", { $0.add("rootfs/big", text: "x", size: 1 << 33) }),
    (
      "PAX size of an exabyte", "",
      {
        $0.addPax("size", "1152921504606846976")
        $0.add("rootfs/big", text: "x")
      }
    ),
    (
      "sparse bomb", "",
      {
        $0.addPax("GNU.sparse.major", "1")
        $0.addPax("GNU.sparse.realsize", "1099511627776")
        $0.add("rootfs/sparse", text: "1\n0\n1\n")
      }
    ),
    ("deep nesting", nil, { $0.add("rootfs/" + String(repeating: "d/", count: 45) + "f", text: "x") }),
    ("device", nil, { $0.add("rootfs/null", .character, mode: 0o666) }),
    ("block device", nil, { $0.add("rootfs/sda", .block, mode: 0o666) }),
    ("setuid", nil, { $0.add("rootfs/su", text: "x", mode: 0o4755) }),
    ("a link that stays a link", nil, { $0.add("rootfs/l", .symbolicLink, link: "/etc/passwd") }),
  ]

  @Test func `no archive of the corpus reaches out of its directory`() throws {
    let agent = try TestAgent()
    let watched = "\(agent.root)/watched"
    mkdir(watched, 0o777)
    for (name, word, build) in Self.corpus {
      var tar = TarFile.bundle
      build(&tar)
      let file = "\(agent.root)/hostile.tar"
      try FileSystem.replace(file, with: tar.finished, mode: 0o644)
      let result = try agent.cli("bundle", "import", "-q", file)
      if let word {
        #expect(result.code == 1, "\(name): \(result)")
        #expect(word.isEmpty || result.error.contains(word), "\(name): \(result)")
      }
      if result.code == 0 { _ = try agent.cli("bundle", "rm", "hostile") }
      #expect(!FileSystem.exists("/tmp/escape"), "\(name)")
      #expect(!FileSystem.exists("\(agent.instance.templates)/escape"), "\(name)")
      #expect(!FileSystem.exists("\(agent.instance.stateDirectory)/escape"), "\(name)")
      #expect(try FileSystem.names(in: agent.instance.templates).isEmpty, "\(name)")
    }
    // And it still takes a good one.
    try agent.importBusybox()
    #expect(try agent.shell("echo fine").output == "fine\n")
  }

  @Test func `setuid bits, devices and set-group-ids do not get in`() throws {
    let agent = try TestAgent()
    var tar = TarFile.bundle
    tar.add("rootfs/su", text: "x", mode: 0o6755)
    tar.add("rootfs/null", .character, mode: 0o666)
    let file = "\(agent.root)/b.tar"
    try FileSystem.replace(file, with: tar.finished, mode: 0o644)
    let result = try agent.cli("bundle", "import", file)
    #expect(result.code == 0)
    #expect(result.error.contains("device nodes"))
    let template = "\(agent.instance.templates)/\(try FileSystem.names(in: agent.instance.templates)[0])"
    #expect(try FileSystem.status(of: "\(template)/su").mode & 0o7777 == 0o755)
    #expect(!FileSystem.exists("\(template)/null"))
  }

  @Test(arguments: [".tar", ".tar.gz", ".tar.zst"]) func `an archive is the same for the same input, and imports`(
    kind: String
  ) throws {
    let agent = try TestAgent()
    let folder = "\(agent.root)/b"
    try TestAgent.makeBusybox(folder, name: "bb", command: "[/bin/true]")
    link("\(folder)/rootfs/bin/busybox", "\(folder)/rootfs/bin/hard")
    var digests: [String] = []
    for index in 0..<2 {
      let archive = "\(agent.root)/a\(index)\(kind)"
      #expect(try agent.cli("bundle", "build", "-o", archive, folder).code == 0)
      digests.append(try Command.run(["sha256sum", archive]).output.split(separator: " ").first.map(String.init) ?? "")
      usleep(1_100_000)
      // Another time, another order: the bytes stay.
      try FileSystem.replace("\(folder)/rootfs/etc/x", with: [1], mode: 0o644)
      try FileSystem.remove("\(folder)/rootfs/etc/x")
    }
    #expect(digests[0] == digests[1])
    let imported = try agent.cli("bundle", "import", "--json", "\(agent.root)/a0\(kind)")
    #expect(try JSONCoding.decode(BundleView.self, from: Array(imported.output.utf8)).digest == digests[0])
    let other = try agent.cli(
      "bundle", "import", "--digest", String(repeating: "0", count: 64), "\(agent.root)/a1\(kind)")
    #expect(other.code == 1)
    #expect(try agent.shell("stat -c %h /bin/busybox").output == "2\n")
  }

  @Test func `an archive that is too large for the disk or for its own word is refused`() throws {
    let agent = try TestAgent()
    for (size, code) in [(UInt64(1) << 50, RPCError.Code.noSpace), (10, .invalidBundle)] {
      let (_, socket) = try agent.containers().open(BundleMethods.importArchive, .init(size: size))
      try? socket.write(StreamFrame(.input, [UInt8](repeating: 0, count: 1000)))
      let frame = try #require(try socket.read())
      #expect(frame.kind == .failure)
      #expect(try JSONCoding.decode(RPCError.self, from: frame.payload).code == code)
    }
    #expect(try FileSystem.names(in: "\(agent.instance.controllerState)/import").isEmpty)
  }

  @Test func `random changes of an archive are refused or taken, and never stop the agent`() throws {
    let agent = try TestAgent()
    let folder = "\(agent.root)/b"
    try TestAgent.makeBusybox(folder, name: "bb", command: "[/bin/true]")
    try FileSystem.removeTree("\(folder)/rootfs/bin")
    for kind in [".tar", ".tar.gz", ".tar.zst"] {
      let archive = "\(agent.root)/a\(kind)"
      #expect(try agent.cli("bundle", "build", "-o", archive, folder).code == 0)
      let bytes = try FileSystem.read(archive)
      for _ in 0..<15 {
        var changed = bytes
        for _ in 0..<Int.random(in: 1...8) { changed[Int.random(in: 0..<changed.count)] = UInt8.random(in: 0...255) }
        try FileSystem.replace("\(agent.root)/c\(kind)", with: changed, mode: 0o644)
        let result = try agent.cli("bundle", "import", "-q", "\(agent.root)/c\(kind)")
        #expect(result.code <= 1, "\(result)")
      }
    }
    #expect(try agent.call(BundleMethods.list).count >= 0)
  }
}

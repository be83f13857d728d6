// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Writes tar archives byte by byte, so that tests can say what no honest program would.
struct TarFile {
  enum Kind: String {
    case file = "0"
    case hardLink = "1"
    case symbolicLink = "2"
    case character = "3"
    case block = "4"
    case directory = "5"
    case fifo = "6"
    case pax = "x"
  }

  private(set) var bytes: [UInt8] = []

  /// The start of every bundle: a sound descriptor and `rootfs/`.
  static var bundle: TarFile {
    var tar = TarFile()
    tar.add("bundle.yaml", text: "name: hostile\nversion: \"1\"\ncommand: [/bin/x]\n")
    tar.add("rootfs/", .directory, mode: 0o755)
    return tar
  }

  mutating func add(
    _ name: String, _ kind: Kind = .file, text: String = "", link: String = "", mode: UInt32 = 0o644, uid: UInt32 = 0,
    size: UInt64? = nil
  ) {
    add(raw: Array(name.utf8), kind, content: Array(text.utf8), link: link, mode: mode, uid: uid, size: size)
  }

  mutating func add(
    raw name: [UInt8], _ kind: Kind, content: [UInt8] = [], link: String = "", mode: UInt32 = 0o644, uid: UInt32 = 0,
    size: UInt64? = nil
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ bytes: [UInt8], at offset: Int) { header.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
    func octal(_ value: UInt64, _ width: Int) -> [UInt8] {
      let digits = String(value, radix: 8)
      return Array((String(repeating: "0", count: max(0, width - 1 - digits.count)) + digits).utf8) + [0]
    }
    put(Array(name.prefix(100)), at: 0)
    put(octal(UInt64(mode), 8), at: 100)
    put(octal(UInt64(uid), 8), at: 108)
    put(octal(0, 8), at: 116)
    put(octal(size ?? UInt64(content.count), 12), at: 124)
    put(octal(0, 12), at: 136)
    put(Array(kind.rawValue.utf8), at: 156)
    put(Array(link.utf8.prefix(100)), at: 157)
    put(Array("ustar\u{0}00".utf8), at: 257)
    put(octal(1, 8), at: 329)
    put(octal(3, 8), at: 337)
    put(Array("        ".utf8), at: 148)
    put(Array(octal(header.reduce(0) { $0 + UInt64($1) }, 7)) + [0x20], at: 148)
    bytes += header + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  /// A PAX record that overrides fields of the next entry.
  mutating func addPax(_ key: String, _ value: String) {
    var length = key.utf8.count + value.utf8.count + 3
    while String(length).utf8.count + key.utf8.count + value.utf8.count + 3 != length {
      length = String(length).utf8.count + key.utf8.count + value.utf8.count + 3
    }
    add("pax", .pax, text: "\(length) \(key)=\(value)\n")
  }

  var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}

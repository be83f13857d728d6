// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CArchive
import Glibc
import JSONRPC
import LinuxKernel

/// Unpacks an archive into a directory that it holds by descriptor: the program of the confined child.
///
/// Every name is split and checked, every file is opened with `openat2(2)` below the directory without following any
/// link, and made with `O_EXCL`: what an archive says twice is refused. Device nodes and sockets are left out, setuid
/// and setgid bits are cleared; both are noted.
struct Unpacker {
  let target: Int32
  let limits: UnpackLimits
  let archiveSize: UInt64
  let progress: (UInt64) throws -> Void

  private static let resolve: ResolveOptions = [.beneath, .noSymlinks, .noMagicLinks]

  struct Refusal: Error, CustomStringConvertible {
    var description: String
    init(_ text: String) { description = text }
  }

  private struct Directory {
    var path: String
    var mode: UInt32
    var time: Int
  }

  private struct Totals {
    var files: UInt64 = 0
    var bytes: UInt64 = 0
    var devices = 0
    var setuid = 0
    var descriptor: String?
    var directories: [Directory] = []
    var reported: UInt64 = 0
  }

  func run(archive input: Int32) throws -> UnpackReport.Result {
    guard let archive = archive_read_new() else { throw Refusal("out of memory") }
    defer { archive_read_free(archive) }
    archive_read_support_format_tar(archive)
    archive_read_support_filter_gzip(archive)
    archive_read_support_filter_zstd(archive)
    guard archive_read_open_fd(archive, input, 128 << 10) == ARCHIVE_OK else { throw Refusal(Self.reason(archive)) }
    var totals = Totals()
    while true {
      var entry: OpaquePointer?
      let result = archive_read_next_header(archive, &entry)
      if result == ARCHIVE_EOF { break }
      guard result == ARCHIVE_OK, let entry else { throw Refusal(Self.reason(archive)) }
      try extract(entry, of: archive, &totals)
      try tick(archive, &totals)
    }
    try finish(&totals)
    guard let descriptor = totals.descriptor else {
      throw Refusal(
        "the archive has no \(DescriptorParser.fileName) at its top; a bundle has \(DescriptorParser.fileName) and rootfs/"
      )
    }
    var notes: [String] = []
    if totals.devices > 0 {
      notes.append("\(totals.devices) device nodes or sockets were left out; a container gets a /dev of its own")
    }
    if totals.setuid > 0 {
      notes.append("setuid and setgid bits of \(totals.setuid) files were cleared; they have no effect in a container")
    }
    return .init(files: totals.files, bytes: totals.bytes, descriptor: descriptor, notes: notes)
  }

  private static func reason(_ archive: OpaquePointer) -> String {
    "the archive cannot be read: \(archive_error_string(archive).map { String(cString: $0) } ?? "it is damaged") (.tar, .tar.gz and .tar.zst are understood)"
  }

  private func tick(_ archive: OpaquePointer, _ totals: inout Totals) throws {
    let read = UInt64(max(0, archive_filter_bytes(archive, -1)))
    if read >= totals.reported + (1 << 20) {
      totals.reported = read
      try progress(read)
    }
  }

  // MARK: - Names

  /// The parts of a name in the archive; `.` and empty parts fall away.
  static func parts(of name: String, limits: UnpackLimits) throws -> [String] {
    func shown(_ name: String) -> String {
      String(name.unicodeScalars.prefix(120).map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) })
    }
    guard !name.hasPrefix("/") else { throw Refusal("\(shown(name)): absolute names are refused") }
    guard name.utf8.count <= limits.pathBytes else {
      throw Refusal("\(shown(name)): the name is longer than \(limits.pathBytes) bytes")
    }
    guard !name.utf8.contains(where: { $0 < 32 || $0 == 127 }) else {
      throw Refusal("\(shown(name)): names with control characters are refused")
    }
    let parts = name.split(separator: "/").filter { $0 != "." }.map(String.init)
    guard !parts.contains("..") else { throw Refusal("\(shown(name)): names with .. are refused") }
    guard parts.count <= limits.pathDepth else {
      throw Refusal("\(shown(name)): deeper than \(limits.pathDepth) directories")
    }
    guard parts.allSatisfy({ $0.utf8.count <= 255 }) else {
      throw Refusal("\(shown(name)): a part of the name is longer than 255 bytes")
    }
    return parts
  }

  private func name(of entry: OpaquePointer) throws -> String {
    // In the UTF-8 locale that the child has set this is the name as it stands in the archive.
    guard let text = archive_entry_pathname(entry) else { throw Refusal("the archive has a name that is no UTF-8") }
    guard let name = String(validatingCString: text) else { throw Refusal("the archive has a name that is no UTF-8") }
    return name
  }

  // MARK: - Entries

  private func extract(_ entry: OpaquePointer, of archive: OpaquePointer, _ totals: inout Totals) throws {
    let name = try name(of: entry)
    var parts = try Self.parts(of: name, limits: limits)
    totals.files += 1
    guard totals.files <= limits.files else { throw Refusal("the archive has more than \(limits.files) files") }
    if parts == [DescriptorParser.fileName] {
      guard totals.descriptor == nil else { throw Refusal("the archive has \(DescriptorParser.fileName) twice") }
      totals.descriptor = try readDescriptor(entry, of: archive)
      return
    }
    if parts.isEmpty { return }
    guard parts[0] == "rootfs" else {
      throw Refusal("\(name.prefix(120)): a bundle has \(DescriptorParser.fileName) and rootfs/, nothing else")
    }
    parts.removeFirst()
    if let target = archive_entry_hardlink(entry) {
      try link(parts, to: String(cString: target))
      return
    }
    switch Int32(bitPattern: UInt32(archive_entry_filetype(entry))) {
    case Int32(bitPattern: S_IFDIR): try makeDirectory(parts, entry, &totals)
    case Int32(bitPattern: S_IFREG): try makeFile(parts, entry, of: archive, &totals)
    case Int32(bitPattern: S_IFLNK): try makeLink(parts, entry)
    default: totals.devices += 1
    }
  }

  private func readDescriptor(_ entry: OpaquePointer, of archive: OpaquePointer) throws -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = archive_read_data(archive, &buffer, buffer.count)
      if count < 0 { throw Refusal(Self.reason(archive)) }
      if count == 0 { break }
      bytes += buffer.prefix(count)
      guard bytes.count <= limits.descriptorBytes else {
        throw Refusal("\(DescriptorParser.fileName) is longer than \(limits.descriptorBytes) bytes")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Refusal("\(DescriptorParser.fileName) is no UTF-8")
    }
    return text
  }

  /// The directory above an entry, made where the archive did not name it.
  private func parent(_ parts: [String]) throws -> SharedDescriptor {
    let above = parts.dropLast()
    if above.isEmpty { return SharedDescriptor(try Descriptor.copy(of: target)) }
    let path = above.joined(separator: "/")
    do {
      return try open(path, flags: O_RDONLY | O_DIRECTORY)
    } catch {
      if [ELOOP, ENOTDIR, EXDEV].contains(error.errno) {
        throw Refusal("\(parts.joined(separator: "/")): its directory is a link or a file in the same archive")
      }
      guard error.errno == ENOENT else { throw error }
    }
    var reached: [String] = []
    for part in above {
      let directory = try parent(reached + [part])
      reached.append(part)
      try FileSystem.makeDirectory(part, in: directory.raw, mode: 0o755)
    }
    return try open(path, flags: O_RDONLY | O_DIRECTORY)
  }

  private func open(_ path: String, flags: Int32) throws(SyscallError) -> SharedDescriptor {
    SharedDescriptor(try FileSystem.open(path, beneath: target, flags: flags, resolve: Self.resolve))
  }

  private func makeNew(_ name: String, in parent: SharedDescriptor) throws(SyscallError) -> SharedDescriptor {
    SharedDescriptor(
      try FileSystem.open(
        name, beneath: parent.raw, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600, resolve: Self.resolve))
  }

  private func owner(_ entry: OpaquePointer, _ parts: [String]) throws -> (uid: UInt32, gid: UInt32) {
    let uid = archive_entry_uid(entry)
    let gid = archive_entry_gid(entry)
    guard (0..<65536).contains(uid), (0..<65536).contains(gid) else {
      throw Refusal("\(parts.joined(separator: "/")): belongs to \(uid):\(gid); a container has the ids 0 to 65535")
    }
    return (UInt32(uid), UInt32(gid))
  }

  private func makeDirectory(_ parts: [String], _ entry: OpaquePointer, _ totals: inout Totals) throws {
    let (uid, gid) = try owner(entry, parts)
    let path = parts.isEmpty ? "." : parts.joined(separator: "/")
    if !parts.isEmpty {
      let parent = try parent(parts)
      let last = parts[parts.count - 1]
      if mkdirat(parent.raw, last, 0o700) < 0 {
        guard errno == EEXIST, try FileSystem.status(of: last, in: parent.raw).isDirectory else {
          throw twice(parts)
        }
      }
    }
    let directory = try open(path, flags: O_RDONLY | O_DIRECTORY)
    guard fchown(directory.raw, uid, gid) == 0 else { throw SyscallError(call: "fchown", object: path, errno: errno) }
    // Modes and times come last: a read-only directory could not be filled, and filling changes the time.
    totals.directories.append(
      Directory(path: path, mode: UInt32(archive_entry_perm(entry)) & 0o1777, time: archive_entry_mtime(entry)))
  }

  private func twice(_ parts: [String]) -> Refusal {
    Refusal("\(parts.joined(separator: "/")): the archive has it twice")
  }

  private func makeFile(
    _ parts: [String], _ entry: OpaquePointer, of archive: OpaquePointer, _ totals: inout Totals
  ) throws {
    guard let name = parts.last else { throw Refusal("rootfs must be a directory") }
    let (uid, gid) = try owner(entry, parts)
    let size = UInt64(max(0, archive_entry_size(entry)))
    try account(size, &totals)
    let parent = try parent(parts)
    let file: SharedDescriptor
    do {
      file = try makeNew(name, in: parent)
    } catch {
      throw error.errno == EEXIST ? twice(parts) : error
    }
    try copy(archive, to: file.raw, size: size, parts, &totals)
    guard fchown(file.raw, uid, gid) == 0 else { throw SyscallError(call: "fchown", object: name, errno: errno) }
    let mode = UInt32(archive_entry_perm(entry))
    if mode & 0o6000 != 0 { totals.setuid += 1 }
    guard fchmod(file.raw, mode & 0o777) == 0 else { throw SyscallError(call: "fchmod", object: name, errno: errno) }
    try setTime(file.raw, archive_entry_mtime(entry))
  }

  /// Counts what an entry claims before it is written: sparse files claim more than they bring.
  private func account(_ size: UInt64, _ totals: inout Totals) throws {
    let (sum, overflow) = totals.bytes.addingReportingOverflow(size)
    totals.bytes = sum
    guard !overflow, sum <= limits.bytes else {
      throw Refusal("unpacked, the archive has more than \(limits.bytes >> 20) MiB")
    }
    guard sum <= 256 << 20 || sum / max(1, archiveSize) <= limits.ratio else {
      throw Refusal("the archive grows by more than a factor of \(limits.ratio): it is taken for a bomb")
    }
  }

  private func copy(
    _ archive: OpaquePointer, to file: Int32, size: UInt64, _ parts: [String], _ totals: inout Totals
  ) throws {
    var end: Int64 = 0
    while true {
      var block: UnsafeRawPointer?
      var count = 0
      var offset: Int64 = 0
      let result = archive_read_data_block(archive, &block, &count, &offset)
      if result == ARCHIVE_EOF { break }
      guard result == ARCHIVE_OK, let block else { throw Refusal(Self.reason(archive)) }
      guard offset >= 0, UInt64(offset) + UInt64(count) <= size else {
        throw Refusal("\(parts.joined(separator: "/")): has more bytes than it says")
      }
      var done = 0
      while done < count {
        let written = pwrite(file, block + done, count - done, off_t(offset) + off_t(done))
        if written < 0 && errno != EINTR {
          throw SyscallError(call: "pwrite", object: parts.joined(separator: "/"), errno: errno)
        }
        done += max(0, written)
      }
      end = max(end, offset + Int64(count))
      try tick(archive, &totals)
    }
    if UInt64(end) < size, ftruncate(file, off_t(size)) < 0 {
      throw SyscallError(call: "ftruncate", object: parts.joined(separator: "/"), errno: errno)
    }
  }

  /// The target of a symbolic link is only text here: it is followed in the container, below its root, by nobody else.
  private func makeLink(_ parts: [String], _ entry: OpaquePointer) throws {
    guard let name = parts.last else { throw Refusal("rootfs must be a directory, not a link") }
    let (uid, gid) = try owner(entry, parts)
    guard let text = archive_entry_symlink(entry), let target = String(validatingCString: text), !target.isEmpty,
      target.utf8.count <= limits.pathBytes
    else { throw Refusal("\(parts.joined(separator: "/")): a link without a sound target") }
    let parent = try parent(parts)
    guard symlinkat(target, parent.raw, name) == 0 else {
      if errno == EEXIST { throw twice(parts) }
      throw SyscallError(call: "symlinkat", object: parts.joined(separator: "/"), errno: errno)
    }
    try FileSystem.owner(name, in: parent.raw, uid: uid, gid: gid)
  }

  private func link(_ parts: [String], to target: String) throws {
    var targetParts = try Self.parts(of: target, limits: limits)
    guard let name = parts.last, targetParts.first == "rootfs", targetParts.count > 1 else {
      throw Refusal("\(parts.joined(separator: "/")): a hard link out of rootfs is refused")
    }
    targetParts.removeFirst()
    // Held by descriptor below the target without any link on the way; the link is made from that directory.
    let from = try parent(targetParts)
    let to = try parent(parts)
    let last = targetParts[targetParts.count - 1]
    guard (try? FileSystem.status(of: last, in: from.raw))?.isRegularFile == true else {
      throw Refusal("\(parts.joined(separator: "/")): a hard link to something that is no file of the archive")
    }
    guard linkat(from.raw, last, to.raw, name, 0) == 0 else {
      if errno == EEXIST { throw twice(parts) }
      throw SyscallError(call: "linkat", object: parts.joined(separator: "/"), errno: errno)
    }
  }

  private func setTime(_ descriptor: Int32, _ seconds: Int) throws {
    let times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
    guard futimens(descriptor, times) == 0 else {
      throw SyscallError(call: "futimens", object: "descriptor \(descriptor)", errno: errno)
    }
  }

  private func finish(_ totals: inout Totals) throws {
    for directory in totals.directories.reversed() {
      let opened = try open(directory.path, flags: O_RDONLY | O_DIRECTORY)
      guard fchmod(opened.raw, directory.mode) == 0 else {
        throw SyscallError(call: "fchmod", object: directory.path, errno: errno)
      }
      try setTime(opened.raw, directory.time)
    }
  }
}

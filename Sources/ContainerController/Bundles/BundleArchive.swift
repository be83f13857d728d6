// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CArchive
import Glibc
import JSONRPC
import LinuxKernel

/// Writes a bundle's archive: the same bytes for the same files, whatever the order of the directory and the clock.
public struct BundleArchive {
  /// All times in the archive; `SOURCE_DATE_EPOCH` where that is set, else 0.
  public static var time: Int { getenv("SOURCE_DATE_EPOCH").flatMap { Int(String(cString: $0)) } ?? 0 }

  private let archive: OpaquePointer
  private let root: String
  private var links: [FileKey: String] = [:]

  private struct FileKey: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  /// Checks the folder and writes its archive to an open file; `name` ends in `.tar`, `.tar.gz` or `.tar.zst`.
  public static func build(folder: String, to output: Int32, name: String) throws {
    let text: String
    do {
      text = try FileSystem.readText("\(folder)/\(DescriptorParser.fileName)", limit: 256 << 10)
    } catch {
      throw RPCError(
        .invalidBundle, "\(folder) has no \(DescriptorParser.fileName): \(SyscallError.words(for: error.errno))")
    }
    do {
      _ = try DescriptorParser.parse(text, file: "\(folder)/\(DescriptorParser.fileName)")
    } catch {
      throw RPCError(.invalidBundle, error.description)
    }
    guard let status = try? FileSystem.status(of: "\(folder)/rootfs"), status.isDirectory else {
      throw RPCError(.invalidBundle, "\(folder) has no directory rootfs")
    }
    var archive = try BundleArchive(root: folder, output: output, name: name)
    try archive.add(DescriptorParser.fileName)
    try archive.addTree("rootfs")
    try archive.finish()
  }

  private init(root: String, output: Int32, name: String) throws {
    guard let archive = archive_write_new() else { throw RPCError(.internalError, "out of memory") }
    self.archive = archive
    self.root = root
    archive_write_set_format_pax_restricted(archive)
    archive_write_set_options(archive, "hdrcharset=UTF-8")
    if name.hasSuffix(".zst") {
      archive_write_add_filter_zstd(archive)
    } else if name.hasSuffix(".gz") {
      archive_write_add_filter_gzip(archive)
      archive_write_set_filter_option(archive, "gzip", "timestamp", nil)
    }
    archive_write_set_bytes_in_last_block(archive, 1)
    try check(archive_write_open_fd(archive, output), "opening the archive")
  }

  private func check(_ result: Int32, _ what: String) throws {
    if result < ARCHIVE_OK {
      let reason = archive_error_string(archive).map { String(cString: $0) } ?? "no reason given"
      archive_write_free(archive)
      throw RPCError(.invalidBundle, "\(what): \(reason)")
    }
  }

  private mutating func addTree(_ path: String) throws {
    try add(path)
    let directory = try FileSystem.open("\(root)/\(path)", flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    for name in try FileSystem.names(in: directory.raw, object: path).sorted(by: {
      Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8))
    }) {
      let child = "\(path)/\(name)"
      if try FileSystem.status(of: "\(root)/\(child)").isDirectory { try addTree(child) } else { try add(child) }
    }
  }

  private mutating func add(_ path: String) throws {
    var info = stat()
    guard lstat("\(root)/\(path)", &info) == 0 else { throw SyscallError(call: "lstat", object: path, errno: errno) }
    let kind = info.st_mode & S_IFMT
    // Device nodes and sockets mean nothing in a bundle: a container has its own /dev.
    guard kind == S_IFDIR || kind == S_IFREG || kind == S_IFLNK else { return }
    guard let entry = archive_entry_new() else { throw RPCError(.internalError, "out of memory") }
    defer { archive_entry_free(entry) }
    archive_entry_set_pathname_utf8(entry, path)
    archive_entry_set_filetype(entry, UInt32(kind))
    archive_entry_set_perm(entry, mode_t(info.st_mode & 0o7777))
    archive_entry_set_uid(entry, Int64(info.st_uid))
    archive_entry_set_gid(entry, Int64(info.st_gid))
    archive_entry_set_mtime(entry, Self.time, 0)
    if kind == S_IFLNK {
      var target = [CChar](repeating: 0, count: 4097)
      guard readlink("\(root)/\(path)", &target, 4096) > 0 else {
        throw SyscallError(call: "readlink", object: path, errno: errno)
      }
      archive_entry_set_symlink_utf8(entry, target)
    }
    if kind == S_IFREG {
      let key = FileKey(device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
      if info.st_nlink > 1, let first = links[key] {
        archive_entry_set_hardlink_utf8(entry, first)
        try check(archive_write_header(archive, entry), path)
        return
      }
      links[key] = path
      archive_entry_set_size(entry, Int64(info.st_size))
    }
    try check(archive_write_header(archive, entry), path)
    if kind == S_IFREG { try copy(path, size: Int(info.st_size)) }
  }

  private func copy(_ path: String, size: Int) throws {
    let file = try FileSystem.open("\(root)/\(path)", flags: O_RDONLY | O_NOFOLLOW)
    var buffer = [UInt8](repeating: 0, count: 128 << 10)
    var total = 0
    while true {
      let count = try FileSystem.read(file.raw, into: &buffer, object: path)
      if count == 0 { break }
      total += count
      guard archive_write_data(archive, buffer, count) == count else {
        throw RPCError(.noSpace, "writing \(path) into the archive failed")
      }
    }
    guard total == size else { throw RPCError(.invalidBundle, "\(path) changed while it was read") }
  }

  private func finish() throws {
    try check(archive_write_close(archive), "finishing the archive")
    archive_write_free(archive)
  }
}

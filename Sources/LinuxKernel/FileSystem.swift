// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// How far `openat2(2)` may go when it resolves a path.
public struct ResolveOptions: OptionSet, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Stay on the mount of the starting directory.
  public static let noCrossing = ResolveOptions(rawValue: UInt64(CL_RESOLVE_NO_XDEV))
  public static let noMagicLinks = ResolveOptions(rawValue: UInt64(CL_RESOLVE_NO_MAGICLINKS))
  public static let noSymlinks = ResolveOptions(rawValue: UInt64(CL_RESOLVE_NO_SYMLINKS))
  /// Refuse whatever leads above the starting directory.
  public static let beneath = ResolveOptions(rawValue: UInt64(CL_RESOLVE_BENEATH))
  /// Take the starting directory as `/`.
  public static let inRoot = ResolveOptions(rawValue: UInt64(CL_RESOLVE_IN_ROOT))
}

/// What `fstat(2)` tells of an open file, as far as the agent uses it.
public struct FileStatus: Sendable, Equatable {
  public var mode: UInt32
  public var uid: UInt32
  public var gid: UInt32
  public var size: Int64
  public var inode: UInt64
  /// The device that the node stands for, of device nodes.
  public var device: (major: UInt32, minor: UInt32)

  public var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
  public var isRegularFile: Bool { mode & S_IFMT == S_IFREG }
  public var isSymbolicLink: Bool { mode & S_IFMT == S_IFLNK }
  public var isCharacterDevice: Bool { mode & S_IFMT == S_IFCHR }

  public static func == (left: FileStatus, right: FileStatus) -> Bool {
    left.mode == right.mode && left.uid == right.uid && left.gid == right.gid && left.size == right.size
      && left.inode == right.inode && left.device == right.device
  }

  init(_ info: stat) {
    mode = info.st_mode
    uid = info.st_uid
    gid = info.st_gid
    size = Int64(info.st_size)
    inode = UInt64(info.st_ino)
    let number = UInt64(info.st_rdev)
    device = (
      UInt32(truncatingIfNeeded: (number >> 8 & 0xfff) | (number >> 32 & 0xffff_f000)),
      UInt32(truncatingIfNeeded: (number & 0xff) | (number >> 12 & 0xffff_ff00))
    )
  }
}

/// Files by descriptor, without Foundation.
public enum FileSystem {
  /// `O_PATH`, which the C library hides from Swift.
  public static let pathOnly: Int32 = 0o10_000_000

  /// Opens with `openat(2)`; close-on-exec is always set.
  public static func open(
    _ path: String, in directory: Int32 = AT_FDCWD, flags: Int32, mode: UInt32 = 0
  ) throws(SyscallError) -> Descriptor {
    Descriptor(owning: try check(cl_openat(directory, path, flags, mode), "openat", path))
  }

  /// Opens with `openat2(2)`, which refuses what `resolve` forbids.
  public static func open(
    _ path: String, beneath directory: Int32, flags: Int32, mode: UInt32 = 0, resolve: ResolveOptions
  ) throws(SyscallError) -> Descriptor {
    Descriptor(
      owning: try check(
        cl_openat2(directory, path, UInt64(UInt32(bitPattern: flags)), UInt64(mode), resolve.rawValue), "openat2", path)
    )
  }

  public static func status(of descriptor: Int32) throws(SyscallError) -> FileStatus {
    var info = stat()
    try checkErrno(fstat(descriptor, &info), "fstat", "descriptor \(descriptor)")
    return FileStatus(info)
  }

  /// The status of a path itself, links not followed.
  public static func status(of path: String, in directory: Int32 = AT_FDCWD) throws(SyscallError) -> FileStatus {
    var info = stat()
    try checkErrno(fstatat(directory, path, &info, AT_SYMLINK_NOFOLLOW), "fstatat", path)
    return FileStatus(info)
  }

  /// What a symbolic link says (readlink(2)).
  public static func readLink(_ path: String) throws(SyscallError) -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = readlink(path, &bytes, bytes.count)
    guard count >= 0 else { throw SyscallError(call: "readlink", object: path, errno: errno) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  public static func exists(_ path: String, in directory: Int32 = AT_FDCWD) -> Bool {
    faccessat(directory, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0
  }

  public static func makeDirectory(
    _ path: String, in directory: Int32 = AT_FDCWD, mode: UInt32, existing: Bool = true
  ) throws(SyscallError) {
    if mkdirat(directory, path, mode) < 0 && !(existing && errno == EEXIST) {
      throw SyscallError(call: "mkdirat", object: path, errno: errno)
    }
  }

  /// Makes a directory and those above it.
  public static func makeDirectories(_ path: String, mode: UInt32) throws(SyscallError) {
    var prefix = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      prefix += prefix.isEmpty || prefix.hasSuffix("/") ? String(part) : "/\(part)"
      if !exists(prefix) { try makeDirectory(prefix, mode: mode) }
    }
  }

  /// Reads a whole file, but not more than `limit` bytes: a longer one is `EFBIG`.
  public static func read(
    _ path: String, in directory: Int32 = AT_FDCWD, limit: Int = 1 << 20
  ) throws(SyscallError) -> [UInt8] {
    let file = try open(path, in: directory, flags: O_RDONLY | O_NOCTTY | O_NONBLOCK)
    return try readAll(file.raw, limit: limit, object: path)
  }

  public static func readAll(_ descriptor: Int32, limit: Int, object: String) throws(SyscallError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = try read(descriptor, into: &chunk, object: object)
      if count == 0 { return bytes }
      if bytes.count + count > limit { throw SyscallError(call: "read", object: object, errno: EFBIG) }
      bytes += chunk[..<count]
    }
  }

  /// The text of a file; bytes that are no UTF-8 are replaced.
  public static func readText(
    _ path: String, in directory: Int32 = AT_FDCWD, limit: Int = 1 << 20
  ) throws(SyscallError) -> String {
    String(decoding: try read(path, in: directory, limit: limit), as: UTF8.self)
  }

  /// `read(2)`, restarted when interrupted; 0 at the end.
  public static func read(
    _ descriptor: Int32, into buffer: inout [UInt8], object: String = "descriptor"
  ) throws(SyscallError) -> Int {
    while true {
      let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 { return count }
      if errno != EINTR { throw SyscallError(call: "read", object: object, errno: errno) }
    }
  }

  /// Writes all bytes.
  public static func write(
    _ bytes: some Collection<UInt8>, to descriptor: Int32, object: String = "descriptor"
  ) throws(SyscallError) {
    let contiguous = ContiguousArray(bytes)
    var offset = 0
    while offset < contiguous.count {
      let count = contiguous.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
      if count >= 0 {
        offset += count
      } else if errno != EINTR {
        throw SyscallError(call: "write", object: object, errno: errno)
      }
    }
  }

  /// Writes to an existing file, such as a file of `/proc` or of a cgroup, in one `write(2)`.
  public static func write(_ text: String, toExisting path: String, in directory: Int32 = AT_FDCWD)
    throws(SyscallError)
  {
    let file = try open(path, in: directory, flags: O_WRONLY)
    try write(Array(text.utf8), to: file.raw, object: path)
  }

  /// Replaces a file in one step: readers see the old bytes or the new ones, also after a crash.
  public static func replace(
    _ name: String, in directory: Int32 = AT_FDCWD, with bytes: some Collection<UInt8>, mode: UInt32,
    durable: Bool = false
  ) throws(SyscallError) {
    let temporary = "\(name).new"
    let file = try open(temporary, in: directory, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
    do {
      try write(bytes, to: file.raw, object: temporary)
      if durable { try checkErrno(fdatasync(file.raw), "fdatasync", temporary) }
      try checkErrno(renameat(directory, temporary, directory, name), "renameat", name)
    } catch {
      unlinkat(directory, temporary, 0)
      throw error
    }
  }

  /// Removes a file; one that is not there is no error.
  public static func remove(_ path: String, in directory: Int32 = AT_FDCWD) throws(SyscallError) {
    if unlinkat(directory, path, 0) < 0 && errno != ENOENT {
      throw SyscallError(call: "unlinkat", object: path, errno: errno)
    }
  }

  /// Removes an empty directory; one that is not there is no error.
  public static func removeDirectory(_ path: String, in directory: Int32 = AT_FDCWD) throws(SyscallError) {
    if unlinkat(directory, path, AT_REMOVEDIR) < 0 && errno != ENOENT {
      throw SyscallError(call: "rmdir", object: path, errno: errno)
    }
  }

  /// The names in a directory but for `.` and `..`, in no order.
  public static func names(in descriptor: Int32, object: String = "directory") throws(SyscallError) -> [String] {
    let copy = try check(cl_openat(descriptor, ".", O_RDONLY | O_DIRECTORY, 0), "openat", object)
    guard let stream = fdopendir(copy) else {
      let error = errno
      Glibc.close(copy)
      throw SyscallError(call: "fdopendir", object: object, errno: error)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw SyscallError(call: "readdir", object: object, errno: errno) }
        return names
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  public static func names(in path: String) throws(SyscallError) -> [String] {
    let directory = try open(path, flags: O_RDONLY | O_DIRECTORY)
    return try names(in: directory.raw, object: path)
  }

  /// Takes an exclusive lock on a file (`flock(2)`), made if needed; `nil` when another process holds it.
  public static func lock(_ path: String, mode: UInt32 = 0o600) throws(SyscallError) -> SharedDescriptor? {
    let file = SharedDescriptor(try open(path, flags: O_RDWR | O_CREAT | O_NOFOLLOW, mode: mode))
    let result = cl_lock_exclusive(file.raw)
    if result == -EWOULDBLOCK { return nil }
    try check(result, "flock", path)
    return file
  }

  public static func owner(_ path: String, in directory: Int32 = AT_FDCWD, uid: UInt32, gid: UInt32)
    throws(SyscallError)
  {
    try checkErrno(fchownat(directory, path, uid, gid, AT_SYMLINK_NOFOLLOW), "fchownat", path)
  }

  public static func mode(_ path: String, in directory: Int32 = AT_FDCWD, _ mode: UInt32) throws(SyscallError) {
    try checkErrno(fchmodat(directory, path, mode, 0), "fchmodat", path)
  }
}

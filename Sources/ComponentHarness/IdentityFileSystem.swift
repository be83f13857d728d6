// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CFuse
import CLinux
import Glibc
import LinuxKernel

/// Shows an identity as files, over a `/dev/fuse` whose file-system is mounted already (libfuse's low-level interface).
///
/// A thread of PID 1 answers the kernel. The texts go from locked pages to the reader and are in no cache of the kernel's.
/// Who may see them at all the kernel decides: only processes of the container's user namespace. Among those each has
/// the identity in its session keyring anyway; so every file belongs to whoever looks at it, which is what programs
/// want that take a key only from a file of their own.
enum IdentityFileSystem {
  private static let rootMode = UInt32(Glibc.S_IFDIR | 0o555)

  static func start(_ files: IdentityFiles, over device: SharedDescriptor) throws(SyscallError) {
    let session = try session(files, device)
    let address = UInt(bitPattern: session)
    try NamedThread.start("identity files") {
      // It answers to strangers, and needs nothing but its descriptor and the keyring.
      cl_capset(0, 0, 0)
      // Over when nothing is mounted any more. Whoever reads would wait for ever if it ended for another reason.
      while fuse_session_loop(OpaquePointer(bitPattern: address)) < 0 { usleep(100_000) }
      _ = device
    }
  }

  private static func session(_ files: IdentityFiles, _ device: SharedDescriptor) throws(SyscallError)
    -> OpaquePointer
  {
    var operations = operations
    // Lives as long as PID 1.
    let data = Unmanaged.passRetained(files).toOpaque()
    var program = Array("nodeagent".utf8CString)
    let session = program.withUnsafeMutableBufferPointer { name in
      var list: [UnsafeMutablePointer<CChar>?] = [name.baseAddress, nil]
      return list.withUnsafeMutableBufferPointer { list in
        var arguments = fuse_args(argc: 1, argv: list.baseAddress, allocated: 0)
        return fuse_session_new(&arguments, &operations, MemoryLayout<fuse_lowlevel_ops>.size, data)
      }
    }
    guard let session else {
      throw SyscallError(call: "fuse_session_new", object: "the identity's files", errno: ENOMEM)
    }
    guard fuse_session_mount(session, "/dev/fd/\(device.raw)") == 0 else {
      throw SyscallError(call: "fuse_session_mount", object: "the identity's files", errno: EBADF)
    }
    return session
  }

  private static var operations: fuse_lowlevel_ops {
    var operations = fuse_lowlevel_ops()
    operations.lookup = { request, parent, name in
      guard let request, let name, parent == FUSE_ROOT_ID, let file = IdentityFile(name: name) else {
        return IdentityFileSystem.fail(request, ENOENT)
      }
      let node = IdentityFileSystem.files(of: request).find(file, for: fuse_req_ctx(request).pointee.pid)
      guard let status = IdentityFileSystem.status(of: node, request) else {
        return IdentityFileSystem.fail(request, ESTALE)
      }
      var entry = fuse_entry_param()
      entry.ino = node.inode
      entry.attr = status
      fuse_reply_entry(request, &entry)
    }
    operations.getattr = { request, inode, _ in
      guard let request, var status = IdentityFileSystem.status(of: inode, request) else {
        return IdentityFileSystem.fail(request, ENOENT)
      }
      fuse_reply_attr(request, &status, 0)
    }
    operations.readdir = { request, inode, size, offset, _ in
      guard let request, inode == FUSE_ROOT_ID else { return IdentityFileSystem.fail(request, ENOTDIR) }
      IdentityFileSystem.list(request, size: size, from: Int(offset))
    }
    operations.open = { request, inode, info in
      guard let request, let info, let node = IdentityNode(inode: inode) else {
        return IdentityFileSystem.fail(request, EISDIR)
      }
      IdentityFileSystem.open(node, request, info)
    }
    operations.read = { request, _, size, offset, info in
      guard let request, let info, let text = UnsafeRawPointer(bitPattern: UInt(info.pointee.fh)) else {
        return IdentityFileSystem.fail(request, EBADF)
      }
      Unmanaged<LockedBytes>.fromOpaque(text).takeUnretainedValue().withBytes { bytes in
        let start = min(max(Int(offset), 0), bytes.count)
        let count = min(size, bytes.count - start)
        fuse_reply_buf(request, bytes.baseAddress?.advanced(by: start).assumingMemoryBound(to: CChar.self), count)
      }
    }
    operations.release = { request, _, info in
      guard let request, let info, let text = UnsafeRawPointer(bitPattern: UInt(info.pointee.fh)) else {
        return IdentityFileSystem.fail(request, EBADF)
      }
      Unmanaged<LockedBytes>.fromOpaque(text).release()
      IdentityFileSystem.files(of: request).closed()
      fuse_reply_err(request, 0)
    }
    return operations
  }

  private static func fail(_ request: fuse_req_t?, _ errno: Int32) {
    if let request { fuse_reply_err(request, errno) }
  }

  private static func files(of request: fuse_req_t) -> IdentityFiles {
    Unmanaged<IdentityFiles>.fromOpaque(fuse_req_userdata(request)!).takeUnretainedValue()
  }

  private static func open(_ node: IdentityNode, _ request: fuse_req_t, _ info: UnsafeMutablePointer<fuse_file_info>) {
    guard info.pointee.flags & O_ACCMODE == O_RDONLY else { return IdentityFileSystem.fail(request, EACCES) }
    do {
      let text = try files(of: request).open(node, by: fuse_req_ctx(request).pointee.pid)
      let held = Unmanaged.passRetained(text)
      info.pointee.fh = UInt64(UInt(bitPattern: held.toOpaque()))
      info.pointee.direct_io = 1
      if fuse_reply_open(request, info) != 0 {
        // Who wanted it has gone, and nobody will close it.
        held.release()
        files(of: request).closed()
      }
    } catch let error as SyscallError {
      fail(request, error.errno)
    } catch {
      fail(request, EIO)
    }
  }

  // MARK: - What there is

  private static func status(of inode: UInt64, _ request: fuse_req_t) -> stat? {
    if inode == FUSE_ROOT_ID { return status(inode, rootMode, size: 0, time: files(of: request).time, request) }
    return IdentityNode(inode: inode).flatMap { status(of: $0, request) }
  }

  private static func status(of node: IdentityNode, _ request: fuse_req_t) -> stat? {
    guard let (size, time) = files(of: request).status(of: node) else { return nil }
    let mode = UInt32(Glibc.S_IFREG) | (node.file.isSecret ? 0o400 : 0o444)
    return status(node.inode, mode, size: size, time: time, request)
  }

  private static func status(_ inode: UInt64, _ mode: UInt32, size: Int, time: Int, _ request: fuse_req_t) -> stat {
    let reader = fuse_req_ctx(request).pointee
    var status = stat()
    status.st_ino = UInt(inode)
    status.st_mode = mode
    status.st_nlink = 1
    status.st_uid = reader.uid
    status.st_gid = reader.gid
    status.st_size = size
    status.st_mtim.tv_sec = time
    status.st_ctim.tv_sec = time
    status.st_atim.tv_sec = time
    return status
  }

  private static func list(_ request: fuse_req_t, size: Int, from offset: Int) {
    let files = files(of: request)
    let reader = fuse_req_ctx(request).pointee.pid
    let entries =
      [(".", UInt64(FUSE_ROOT_ID), rootMode), ("..", UInt64(FUSE_ROOT_ID), rootMode)]
      + IdentityFile.allCases.map { ($0.name, files.find($0, for: reader).inode, UInt32(Glibc.S_IFREG)) }
    var buffer = [CChar](repeating: 0, count: min(size, 4096))
    let count = buffer.withUnsafeMutableBufferPointer { buffer in
      var filled = 0
      for (index, (name, inode, mode)) in entries.enumerated().dropFirst(max(offset, 0)) {
        var status = stat()
        status.st_ino = UInt(inode)
        status.st_mode = mode
        let needed = fuse_add_direntry(
          request, buffer.baseAddress! + filled, buffer.count - filled, name, &status, index + 1)
        guard needed <= buffer.count - filled else { break }
        filled += needed
      }
      return filled
    }
    fuse_reply_buf(request, buffer, count)
  }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// One step on the way from a new set of namespaces to a confined root file-system.
///
/// Paths are inside the root file-system and are resolved there with `openat2(2)`; slots are descriptors that travel
/// with the plan.
public enum Operation: Sendable, Equatable, Hashable {
  /// Moves PID 1 into the cgroup whose `tasks` file came with the plan.
  case joinCgroup(slot: UInt32)
  case isolateMounts
  case unshareCgroup
  case hostname(String)
  /// Brings the loopback interface up.
  case loopback
  /// Mounts a new file-system on a directory, which is made where it is missing. A directory that is a symbolic link
  /// in the image is refused.
  case mount(type: String, options: [MountOption], attributes: MountAttributes, target: String)
  /// Binds a device node of the host, after its numbers were checked, into the container's `/dev`.
  case device(name: String, major: UInt32, minor: UInt32)
  /// Attaches a detached mount that came with the plan.
  case attach(slot: UInt32, target: String, file: Bool)
  /// Mounts the file-system that PID 1 serves over the `/dev/fuse` that came with the plan: its identity as files.
  case identityFiles(slot: UInt32, target: String)
  case symbolicLink(path: String, target: String)
  case writeFile(path: String, bytes: [UInt8], mode: UInt32)
  /// Hides a path: a file behind the null device, a directory behind an empty file-system. A missing path is no error.
  case mask(String)
  /// Makes what is mounted at a path read-only by a bind of itself. A missing path is no error.
  case readOnly(String)
  case readOnlyRoot
  /// Attaches the root file-system over `/`; every mount in it comes after this.
  case attachRoot
  /// Makes it the root; the last operation.
  case enterRoot

  /// The step in words, for errors.
  public var summary: String {
    switch self {
    case .joinCgroup: "entering its cgroup"
    case .isolateMounts: "making the mounts private"
    case .unshareCgroup: "making the cgroup namespace"
    case .hostname(let name): "setting the host name \(name)"
    case .loopback: "bringing up the loopback interface"
    case .mount(let type, _, _, let target): "mounting \(type) on \(target)"
    case .device(let name, _, _): "providing /dev/\(name)"
    case .attach(_, let target, _): "mounting a volume on \(target)"
    case .identityFiles(_, let target): "mounting the identity's files on \(target)"
    case .symbolicLink(let path, _): "making the link \(path)"
    case .writeFile(let path, _, _): "writing \(path)"
    case .mask(let path): "masking \(path)"
    case .readOnly(let path): "making \(path) read-only"
    case .readOnlyRoot: "making the root file-system read-only"
    case .attachRoot: "attaching the root file-system"
    case .enterRoot: "entering the root file-system"
    }
  }
}

// MARK: - Encoding

extension Operation {
  private enum Code: UInt8 {
    case isolateMounts = 1
    case unshareCgroup, hostname, loopback, mount, device, attach, symbolicLink, writeFile, mask, readOnly
    case readOnlyRoot, enterRoot, joinCgroup, attachRoot, identityFiles
  }

  func encode(to writer: inout ByteWriter) {
    func code(_ code: Code) { writer.write(UInt64(code.rawValue)) }
    switch self {
    case .joinCgroup(let slot):
      code(.joinCgroup)
      writer.write(UInt64(slot))
    case .isolateMounts: code(.isolateMounts)
    case .unshareCgroup: code(.unshareCgroup)
    case .hostname(let name):
      code(.hostname)
      writer.write(name)
    case .loopback: code(.loopback)
    case .mount(let type, let options, let attributes, let target):
      code(.mount)
      writer.write(type)
      writer.write(options) { writer, option in
        switch option {
        case .flag(let name):
          writer.write(false)
          writer.write(name)
        case .value(let name, let value):
          writer.write(true)
          writer.write(name)
          writer.write(value)
        case .descriptor(let name, _):
          // A number of this process means nothing in another; plans carry slots instead.
          writer.write(false)
          writer.write(name)
        }
      }
      writer.write(UInt64(attributes.rawValue))
      writer.write(target)
    case .device(let name, let major, let minor):
      code(.device)
      writer.write(name)
      writer.write(UInt64(major))
      writer.write(UInt64(minor))
    case .attach(let slot, let target, let file):
      code(.attach)
      writer.write(UInt64(slot))
      writer.write(target)
      writer.write(file)
    case .identityFiles(let slot, let target):
      code(.identityFiles)
      writer.write(UInt64(slot))
      writer.write(target)
    case .symbolicLink(let path, let target):
      code(.symbolicLink)
      writer.write(path)
      writer.write(target)
    case .writeFile(let path, let bytes, let mode):
      code(.writeFile)
      writer.write(path)
      writer.write(bytes)
      writer.write(UInt64(mode))
    case .mask(let path):
      code(.mask)
      writer.write(path)
    case .readOnly(let path):
      code(.readOnly)
      writer.write(path)
    case .readOnlyRoot: code(.readOnlyRoot)
    case .attachRoot: code(.attachRoot)
    case .enterRoot: code(.enterRoot)
    }
  }

  init(from reader: inout ByteReader) throws(DecodingFailure) {
    guard let code = Code(rawValue: try reader.readNumber(as: UInt8.self)) else {
      throw reader.failure("unknown operation")
    }
    switch code {
    case .joinCgroup: self = .joinCgroup(slot: try reader.readNumber(as: UInt32.self))
    case .isolateMounts: self = .isolateMounts
    case .unshareCgroup: self = .unshareCgroup
    case .hostname: self = .hostname(try reader.readString())
    case .loopback: self = .loopback
    case .mount:
      self = .mount(
        type: try reader.readString(),
        options: try reader.readList { reader throws(DecodingFailure) in
          try reader.readBool()
            ? MountOption.value(try reader.readString(), try reader.readString()) : .flag(try reader.readString())
        },
        attributes: MountAttributes(rawValue: try reader.readNumber(as: UInt32.self)),
        target: try reader.readString())
    case .device:
      self = .device(
        name: try reader.readString(), major: try reader.readNumber(as: UInt32.self),
        minor: try reader.readNumber(as: UInt32.self))
    case .attach:
      self = .attach(
        slot: try reader.readNumber(as: UInt32.self), target: try reader.readString(), file: try reader.readBool())
    case .identityFiles:
      self = .identityFiles(slot: try reader.readNumber(as: UInt32.self), target: try reader.readString())
    case .symbolicLink: self = .symbolicLink(path: try reader.readString(), target: try reader.readString())
    case .writeFile:
      self = .writeFile(
        path: try reader.readString(), bytes: try reader.readBytes(), mode: try reader.readNumber(as: UInt32.self))
    case .mask: self = .mask(try reader.readString())
    case .readOnly: self = .readOnly(try reader.readString())
    case .readOnlyRoot: self = .readOnlyRoot
    case .attachRoot: self = .attachRoot
    case .enterRoot: self = .enterRoot
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux

/// Attributes of a mount (mount_setattr(2)).
public struct MountAttributes: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let readOnly = MountAttributes(rawValue: UInt32(CL_MOUNT_ATTR_RDONLY))
  public static let noSetuid = MountAttributes(rawValue: UInt32(CL_MOUNT_ATTR_NOSUID))
  public static let noDevices = MountAttributes(rawValue: UInt32(CL_MOUNT_ATTR_NODEV))
  public static let noExecute = MountAttributes(rawValue: UInt32(CL_MOUNT_ATTR_NOEXEC))
}

/// An option of a new file-system (fsconfig(2)).
public enum MountOption: Sendable, Equatable, Hashable {
  case flag(String)
  case value(String, String)
  /// A borrowed descriptor.
  case descriptor(String, Int32)

  var name: String {
    switch self {
    case .flag(let name), .value(let name, _), .descriptor(let name, _): name
    }
  }
}

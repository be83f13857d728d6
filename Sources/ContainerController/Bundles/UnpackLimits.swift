// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// How much an archive may become.
public struct UnpackLimits: Sendable {
  public var files: UInt64 = 1_000_000
  public var bytes: UInt64 = 32 << 30
  public var descriptorBytes = 256 << 10
  /// An archive that grows by more than this factor, above the first 256 MiB, is taken for a bomb.
  public var ratio: UInt64 = 200
  public var pathBytes = 4096
  public var pathDepth = 256

  public init() {}
}

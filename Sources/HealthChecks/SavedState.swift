// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// What the agent keeps about itself in a JSON file, so that a restart changes nothing.
public enum SavedState {
  /// `nil` where nothing was saved. What cannot be read is put aside, told of in the log, and taken for nothing: the node
  /// has to come up.
  public static func read<Value: Decodable>(_ type: Value.Type, _ path: String, logger: Logger) -> Value? {
    do {
      return try JSONCoding.decode(type, from: try FileSystem.read(path, limit: 16 << 20))
    } catch let error as SyscallError where error.errno == ENOENT {
      return nil
    } catch {
      let aside = "\(path).bad"
      let isKept = rename(path, aside) == 0
      logger.error(
        "saved state cannot be read and is taken for none",
        metadata: ["file": "\(isKept ? aside : path)", "error": "\(error)"])
      return nil
    }
  }
}

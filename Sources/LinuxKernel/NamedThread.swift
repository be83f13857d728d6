// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// A thread with a name that `ps -L` shows, for loops that wait in the kernel.
public enum NamedThread {
  private final class Body: Sendable {
    let name: String
    let run: @Sendable () -> Void
    init(name: String, run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts a detached thread; `name` is cut to 15 bytes.
  public static func start(_ name: String, _ run: @escaping @Sendable () -> Void) throws(SyscallError) {
    let body = Unmanaged.passRetained(Body(name: String(name.prefix(15)), run: run))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 512 << 10)
    var thread = pthread_t()
    let result = pthread_create(
      &thread, &attributes,
      { argument in
        let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
        _ = body.name.withCString { cl_prctl(CL_PR_SET_NAME, UInt(bitPattern: $0), 0, 0, 0) }
        body.run()
        return nil
      }, body.toOpaque())
    if result != 0 {
      body.release()
      throw SyscallError(call: "pthread_create", object: name, errno: result)
    }
  }
}

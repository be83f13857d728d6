// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import LinuxKernel
import Synchronization
import X509

/// The keys that an authority signs with, as its directory has them: another process may make the next one.
final class SigningKeys: Sendable {
  private struct State {
    var authorities: SigningAuthorities
    /// `authority.json`, as it was read.
    var settings: [UInt8]
  }

  private let files: AuthorityDirectory
  private let state: Mutex<State>

  init(_ files: AuthorityDirectory) throws {
    self.files = files
    state = Mutex(try Self.read(files))
  }

  private static func read(_ files: AuthorityDirectory) throws -> State {
    let (settings, bytes) = try AuthorityDirectory.settings(files.path)
    return State(authorities: try files.authorities(settings), settings: bytes)
  }

  var known: SigningAuthorities { state.withLock { $0.authorities } }
  var isOnToken: Bool { files.token != nil }

  /// - Throws: where the directory cannot be read; what was known stays known.
  func refresh() throws {
    let bytes = try FileSystem.read("\(files.path)/authority.json")
    guard state.withLock({ $0.settings != bytes }) else { return }
    let read = try Self.read(files)
    state.withLock { $0 = read }
  }

  /// - Parameter willSign: called when it is on the disk, and before it counts.
  func makeNext(
    rootKey file: String?, now: Date, willSign: (CertificateAuthority) throws -> Void
  ) throws -> Certificate {
    let made = try files.exclusively {
      var settings = try AuthorityDirectory.settings(files.path).settings
      let root = try files.root
      let rootKey = try files.rootKey(settings, file)
      guard let kind = KeyKind(root.publicKey) else {
        throw CertificateProblem.unusable("the root's key is of no kind")
      }
      let present = settings.intermediate ?? 1
      let next = try CertificateAuthority.next(
        of: root, rootKey: rootKey, application: settings.application, number: present + 1, url: settings.url,
        key: try files.makeKey(present + 1, settings, kind), now: now)
      try files.write(next, number: present + 1)
      try willSign(next)
      let ends = (now + CertificateAuthority.lives.upperBound + CertificateAuthority.skew).timeIntervalSince1970
      settings.intermediate = present + 1
      settings.retired = (settings.retired ?? []) + [.init(number: present, ends: Int64(ends.rounded(.up)))]
      try files.write(settings)
      return next.intermediate
    }
    try refresh()
    return made
  }

  func forgetRetired(now: Date) throws {
    let settings = try AuthorityDirectory.settings(files.path).settings
    guard (settings.retired ?? []).contains(where: { Self.isOver($0, now) }) else { return }
    try files.exclusively {
      var settings = try AuthorityDirectory.settings(files.path).settings
      let over = (settings.retired ?? []).filter { Self.isOver($0, now) }
      settings.retired?.removeAll { Self.isOver($0, now) }
      // First nobody needs them.
      try files.write(settings)
      for one in over { try files.removeKey(one.number, settings) }
    }
    try refresh()
  }

  private static func isOver(_ retired: AuthorityDirectory.Settings.Retired, _ now: Date) -> Bool {
    TimeInterval(retired.ends) <= now.timeIntervalSince1970
  }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import LinuxKernel
import X509

/// The files of an authority.
///
/// `root.pem`, `root.key`, `intermediate.pem`, `intermediate.key`, those of later intermediates with their number (`intermediate-2.pem`),
/// `ledger.key`, `ledger.db`, and `authority.json`, which says which intermediate signs. The root's key is of use for a next intermediate only,
/// and better kept elsewhere.
struct AuthorityDirectory: Sendable {
  struct Settings: Codable, Hashable {
    /// An intermediate that signs no more.
    struct Retired: Codable, Hashable {
      var number: Int
      /// When its last certificate has ended, in seconds since 1970.
      var ends: Int64
    }

    var application: String
    var url: String?
    /// The token that has the keys (RFC 7512); `nil`: they are in files.
    var token: String?
    /// Of the intermediate that signs; `nil`: the first.
    var intermediate: Int?
    var retired: [Retired]?
  }

  let path: String
  let sealed: SealedFile
  let token: KeyToken?

  /// - Parameter credential: a file that the keys are encrypted with.
  init(_ path: String, credential: String?, token: String?) throws {
    self.path = path
    sealed = try SealedFile(credential: credential)
    self.token = try token.map { uri throws(CertificateProblem) in try KeyToken(uri) }
  }

  static func hasAuthority(_ path: String) -> Bool { FileSystem.exists("\(path)/authority.json") }

  /// Of a directory that has an authority.
  static func settings(_ path: String) throws -> (settings: Settings, bytes: [UInt8]) {
    let bytes = try FileSystem.read("\(path)/authority.json")
    return (try JSONDecoder().decode(Settings.self, from: Data(bytes)), bytes)
  }

  /// Makes what is written before it count.
  func write(_ settings: Settings) throws {
    let bytes = Array(try JSONEncoder().encode(settings))
    try FileSystem.replace("\(path)/authority.json", with: bytes, mode: 0o600, durable: true)
  }

  // MARK: - Intermediates

  private static func name(_ number: Int) -> String { number == 1 ? "intermediate" : "intermediate-\(number)" }
  private static func label(_ application: String, _ number: Int) -> String {
    "\(application) intermediate\(number == 1 ? "" : " \(number)")"
  }
  private static func rootLabel(_ application: String) -> String { "\(application) root" }

  func authorities(_ settings: Settings, now: Date = Date()) throws -> SigningAuthorities {
    let alive = (settings.retired ?? []).filter { TimeInterval($0.ends) > now.timeIntervalSince1970 }
    return SigningAuthorities(
      current: try authority(settings.intermediate ?? 1, settings),
      retired: try alive.map { try authority($0.number, settings) })
  }

  private func authority(_ number: Int, _ settings: Settings) throws -> CertificateAuthority {
    let key =
      if let token {
        Certificate.PrivateKey(try token.key(Self.label(settings.application, number)))
      } else {
        try readKey("\(path)/\(Self.name(number)).key")
      }
    return try CertificateAuthority(
      root: try root, intermediate: try certificate(Self.name(number)), key: key, url: settings.url)
  }

  var root: Certificate { get throws { try certificate("root") } }

  private func certificate(_ name: String) throws -> Certificate {
    try Certificate(pemEncoded: String(decoding: try FileSystem.read("\(path)/\(name).pem"), as: UTF8.self))
  }

  func write(_ certificate: Certificate, _ name: String) throws {
    try FileSystem.replace(
      "\(path)/\(name).pem", with: Array(try AuthorityStore.pem(certificate).utf8), mode: 0o644, durable: true)
  }

  /// Writes an intermediate down; where there is a token its key is there already.
  func write(_ authority: CertificateAuthority, number: Int) throws {
    try write(authority.intermediate, Self.name(number))
    if token == nil { try write(authority.key, Self.name(number)) }
  }

  func write(_ key: Certificate.PrivateKey, _ name: String) throws {
    try sealed.write(Array("\(try key.serializeAsPEM().pemString)\n".utf8), to: "\(path)/\(name).key")
  }

  private func readKey(_ file: String) throws -> Certificate.PrivateKey {
    try Certificate.PrivateKey(pemEncoded: String(decoding: try sealed.read(file), as: UTF8.self))
  }

  // MARK: - Keys

  /// A key for an intermediate. In a token one that an attempt before this has left is taken: nothing was signed with it.
  func makeKey(_ number: Int, _ settings: Settings, _ kind: KeyKind) throws -> Certificate.PrivateKey {
    guard let token else { return try kind.generate() }
    let label = Self.label(settings.application, number)
    return Certificate.PrivateKey(try (try? token.key(label)) ?? token.generate(label))
  }

  func makeRootKey(_ settings: Settings, _ kind: KeyKind) throws -> Certificate.PrivateKey {
    guard let token else { return try kind.generate() }
    return Certificate.PrivateKey(try token.generate(Self.rootLabel(settings.application)))
  }

  /// - Parameter file: where it was put; `nil`: it is where it was made.
  func rootKey(_ settings: Settings, _ file: String?) throws -> Certificate.PrivateKey {
    if let token, file == nil { return Certificate.PrivateKey(try token.key(Self.rootLabel(settings.application))) }
    let place = file ?? "\(path)/root.key"
    guard FileSystem.exists(place) else {
      throw CertificateProblem.unusable("\(place) is not there; --root-key names the file with the root's key")
    }
    return try readKey(place)
  }

  /// Takes away the key of an intermediate whose certificates have all ended.
  func removeKey(_ number: Int, _ settings: Settings) throws {
    if let token { return try token.remove(Self.label(settings.application, number)) }
    let file = "\(path)/\(Self.name(number)).key"
    if FileSystem.exists(file) { try FileSystem.remove(file) }
  }

  /// - Throws: where somebody else is changing the authority.
  func exclusively<Result>(_ body: () throws -> Result) throws -> Result {
    guard let lock = try FileSystem.lock("\(path)/lock") else {
      throw CertificateProblem.unusable("\(path) is being changed by another process; try again")
    }
    return try withExtendedLifetime(lock, body)
  }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import JSONRPC
import NIOCore
import NIOSSL

/// A private key that is not here: the certificate manager signs.
final class ManagedKey: NIOSSLCustomPrivateKey, Hashable {
  private let instance: Instance
  private let agent: String
  private let serial: String

  private static let patienceSeconds = 10

  init(instance: Instance, agent: String, serial: String) {
    self.instance = instance
    self.agent = agent
    self.serial = serial
  }

  /// The agent's own daemons have keys of this kind.
  var signatureAlgorithms: [SignatureAlgorithm] { [.ecdsaSecp256R1Sha256] }

  func sign(channel: any Channel, algorithm: SignatureAlgorithm, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
    let request = CertMethods.Sign(
      agent: agent, serial: serial, data: Data(data.readableBytesView).base64EncodedString())
    let path = instance.certificateSocket
    return channel.eventLoop.makeFutureWithTask {
      try await Blocking.run {
        let answer = try RPCClient(path: path, seconds: Self.patienceSeconds).call(CertMethods.sign, request)
        guard let signature = Data(base64Encoded: answer.signature) else {
          throw RPCError(.internalError, "the certificate manager has answered with something else than a signature")
        }
        return ByteBuffer(bytes: signature)
      }
    }
  }

  func decrypt(channel: any Channel, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
    channel.eventLoop.makeFailedFuture(RPCError(.internalError, "this key only signs"))
  }

  static func == (left: ManagedKey, right: ManagedKey) -> Bool {
    (left.agent, left.serial) == (right.agent, right.serial)
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(agent)
    hasher.combine(serial)
  }
}

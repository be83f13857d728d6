// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOHTTP1

/// What is answered to a request over HTTP.
struct AuthorityAnswer: Sendable {
  var status: HTTPResponseStatus
  var type: String
  var body: [UInt8]

  init(_ status: HTTPResponseStatus, _ type: String, _ body: [UInt8]) {
    self.status = status
    self.type = type
    self.body = body
  }

  /// Why something is not done, as problem details (RFC 9457).
  static func problem(_ status: HTTPResponseStatus, _ detail: String) -> AuthorityAnswer {
    struct Problem: Encodable {
      var title: String
      var status: UInt
      var detail: String
    }
    let text = (try? JSONText.encode(Problem(title: status.reasonPhrase, status: status.code, detail: detail))) ?? "{}"
    return AuthorityAnswer(status, "application/problem+json", Array("\(text)\n".utf8))
  }
}

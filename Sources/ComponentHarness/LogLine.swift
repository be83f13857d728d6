// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// One event of the log as a line of JSON, written without a JSON library: PID 1 has none.
public enum LogLine {
  public static func encode(
    _ text: some Collection<UInt8>, stream: LogStream, partial: Bool, time: Int64, to buffer: inout [UInt8]
  ) {
    buffer += "{\"t\":\(time),\"s\":\"\(stream.rawValue)\"".utf8
    if partial { buffer += ",\"p\":true".utf8 }
    let bytes = Array(text)
    if String(validating: bytes, as: UTF8.self) != nil {
      buffer += ",\"m\":\"".utf8
      escape(bytes, to: &buffer)
    } else {
      buffer += ",\"b\":\"".utf8
      base64(bytes, to: &buffer)
    }
    buffer += "\"}\n".utf8
  }

  private static let hexDigits = Array("0123456789abcdef".utf8)

  private static func escape(_ bytes: [UInt8], to buffer: inout [UInt8]) {
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        buffer.append(UInt8(ascii: "\\"))
        buffer.append(byte)
      case UInt8(ascii: "\t"): buffer += "\\t".utf8
      case UInt8(ascii: "\r"): buffer += "\\r".utf8
      case UInt8(ascii: "\n"): buffer += "\\n".utf8
      case 0..<0x20, 0x7f:
        buffer += "\\u00".utf8
        buffer.append(hexDigits[Int(byte >> 4)])
        buffer.append(hexDigits[Int(byte & 15)])
      default: buffer.append(byte)
      }
    }
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static func base64(_ bytes: [UInt8], to buffer: inout [UInt8]) {
    var index = 0
    while index < bytes.count {
      let count = min(3, bytes.count - index)
      var group: UInt32 = 0
      for offset in 0..<3 { group = group << 8 | (offset < count ? UInt32(bytes[index + offset]) : 0) }
      for position in 0..<4 {
        buffer.append(
          position <= count ? alphabet[Int(group >> (18 - 6 * UInt32(position)) & 63)] : UInt8(ascii: "="))
      }
      index += 3
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import Glibc
import LinuxKernel

/// What is special about writing for people.
enum Terminal {
  enum Style: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
  }

  /// Colour only where a person sees it (no-color.org).
  static let coloursOutput =
    isatty(1) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  static let errorIsTerminal = isatty(2) == 1

  static func styled(_ text: String, _ style: Style) -> String {
    coloursOutput ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text
  }

  static func complain(_ text: String) { writeError("nodeagent: \(printable(text))\n") }

  static func writeError(_ text: String) { write(text, to: 2) }

  /// Writes at once, past the C library's buffer. A reader that has gone ends the program, as it does any other's.
  static func write(_ text: String, to descriptor: Int32) {
    fflush(nil)
    do {
      try FileSystem.write(text.utf8, to: descriptor)
    } catch {
      exit(error.errno == EPIPE ? 128 + SIGPIPE : 1)
    }
  }

  /// Text from outside cannot move the cursor or change the terminal: control characters but tabs and line ends are
  /// shown as `?`.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "?" : $0 }))
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    (scalar.value < 32 && scalar != "\t" && scalar != "\n") || (0x7f...0x9f).contains(scalar.value)
  }
}

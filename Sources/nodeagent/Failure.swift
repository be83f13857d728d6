// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ArgumentParser
import Glibc
import JSONRPC
import LinuxKernel

/// Runs a command's body and turns its errors into a line on stderr and a documented exit code.
func reporting(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch let code as ExitCode {
    throw code
  } catch let error as ValidationError {
    throw error
  } catch let error as RPCError {
    Terminal.complain(error.message)
    throw ExitCode(exitCode(for: error.code))
  } catch let error as SyscallError {
    Terminal.complain(error.description)
    throw ExitCode(1)
  } catch {
    Terminal.complain("\(error)")
    throw ExitCode(1)
  }
}

private func exitCode(for code: RPCError.Code) -> Int32 {
  switch code {
  case .unavailable: 3
  case .notFound: 4
  case .wrongState, .alreadyExists: 5
  default: 1
  }
}

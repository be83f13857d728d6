// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import NIOCore

/// One connection of a server: cuts lines, answers requests, feeds subscriptions.
///
/// All state belongs to the channel's event loop. Reading stops while the peer does not read its answers or has too
/// many requests open: a peer can slow down only itself.
final class RPCConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let server: RPCServer
  private var peer: Peer
  private var context: ChannelHandlerContext?
  private var lines: LineCutter
  private var tasks: [UInt64: Task<Void, Never>] = [:]
  private var nextTask: UInt64 = 0
  private var subscriptions: [String: (sink: EventSink, task: Task<Void, Never>)] = [:]
  private var nextSubscription = 1
  private var readPending = false
  private var switched = false
  private var inputClosed = false

  init(server: RPCServer, peer: Peer) {
    self.server = server
    lines = LineCutter(server)
    self.peer = peer
  }

  // MARK: - Channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    server.connections.add(1, ordering: .relaxed)
    _ = context.channel.setOption(.autoRead, value: false)
  }

  func channelActive(context: ChannelHandlerContext) { context.read() }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    server.connections.subtract(1, ordering: .relaxed)
    lines.forget()
    for task in tasks.values { task.cancel() }
    for (sink, task) in subscriptions.values {
      sink.close()
      task.cancel()
    }
    subscriptions = [:]
  }

  func channelInactive(context: ChannelHandlerContext) { context.close(promise: nil) }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case ChannelEvent.inputClosed? = event as? ChannelEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    inputClosed = true
    closeIfDone()
  }

  /// A peer that has ended its side gets what it has asked for, and then the end.
  private func closeIfDone() {
    guard inputClosed, !switched, tasks.isEmpty, subscriptions.isEmpty, let context else { return }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in bound.value.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      for (id, subscription) in subscriptions { drain(id, subscription.sink) }
      readMore()
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var part = unwrapInboundIn(data)
    while !switched, let line = lines.next(&part) {
      switch line {
      case .whole(let bytes): handle(bytes)
      case .tooLong: refuseLine()
      }
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    context.flush()
    readPending = true
    readMore()
  }

  /// Asks for more only when the peer takes its answers and has room for requests.
  private func readMore() {
    closeIfDone()
    guard readPending, !switched, let context, context.channel.isWritable, tasks.count < server.limits.inFlight else {
      return
    }
    readPending = false
    context.read()
  }

  // MARK: - Lines

  private func refuseLine() {
    let error = RPCError(.lineTooLong, "the request is longer than \(server.limits.line) bytes; send it in parts")
    write(RequestEnvelope.answer(id: nil, error: error))
  }

  private func write(_ line: [UInt8]) {
    guard let context, !switched else { return }
    var buffer = context.channel.allocator.buffer(capacity: line.count + 1)
    buffer.writeBytes(line)
    buffer.writeInteger(UInt8(ascii: "\n"))
    context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
  }

  // MARK: - Requests

  private func handle(_ line: [UInt8]) {
    if line.allSatisfy({ $0 == 0x20 || $0 == 0x0d || $0 == 0x09 }) { return }
    let outline: JSONScanner.Outline
    do {
      outline = try JSONScanner.outline(of: line)
    } catch {
      return write(RequestEnvelope.answer(id: nil, error: RPCError(.parseError, "not JSON: \(error)")))
    }
    if case .array(let elements) = outline {
      handleBatch(elements.map { Array(line[$0]) })
    } else {
      let request: RequestEnvelope
      do throws(RequestEnvelope.Invalid) {
        request = try RequestEnvelope(line, outline: outline)
      } catch {
        return write(RequestEnvelope.answer(id: error.id, error: RPCError(.invalidRequest, error.reason)))
      }
      start(request)
    }
  }

  private func start(_ request: RequestEnvelope) {
    switch request.method {
    case RPCRouter.subscribe.name: return answer(request, Result { try subscribe(request) })
    case RPCRouter.unsubscribe.name: return answer(request, Result { try unsubscribe(request) })
    case RPCRouter.assume.name: return answer(request, Result { try assume(request) })
    default: break
    }
    guard let context else { return }
    let id = newTaskID()
    let loop = context.eventLoop
    let bound = NIOLoopBound(self, eventLoop: loop)
    let server = server
    let peer = peer
    if let deadline = request.deadline {
      loop.scheduleTask(in: .milliseconds(deadline)) { bound.value.expire(id, request) }
    }
    tasks[id] = Task {
      let result = await server.dispatch(request, peer: peer)
      loop.execute { bound.value.finish(id, request, result) }
    }
  }

  private func newTaskID() -> UInt64 {
    nextTask += 1
    return nextTask
  }

  private func expire(_ id: UInt64, _ request: RequestEnvelope) {
    guard let task = tasks.removeValue(forKey: id) else { return }
    task.cancel()
    if let requestID = request.id {
      let error = RPCError(
        .deadlineExceeded, "\(request.method) was not done within \(request.deadline ?? 0) ms; it was told to stop")
      write(RequestEnvelope.answer(id: requestID, error: error))
    }
    readMore()
  }

  private func finish(_ id: UInt64, _ request: RequestEnvelope, _ result: Result<RPCServer.Outcome, RPCError>) {
    guard tasks.removeValue(forKey: id) != nil else { return }
    switch result {
    case .success(.answer(let bytes)):
      if let requestID = request.id { write(RequestEnvelope.answer(id: requestID, result: bytes)) }
    case .success(.stream(let bytes, let body)): switchToStream(request, bytes, body)
    case .failure(let error):
      if let requestID = request.id { write(RequestEnvelope.answer(id: requestID, error: error)) }
    }
    readMore()
  }

  private func answer(_ request: RequestEnvelope, _ result: Result<[UInt8], any Error>) {
    guard let id = request.id else { return }
    switch result {
    case .success(let bytes): write(RequestEnvelope.answer(id: id, result: bytes))
    case .failure(let error):
      write(
        RequestEnvelope.answer(
          id: id, error: RPCServer.wrap(error, logger: server.logger, method: request.method)))
    }
  }

  private func handleBatch(_ elements: [[UInt8]]) {
    guard !elements.isEmpty else {
      return write(RequestEnvelope.answer(id: nil, error: RPCError(.invalidRequest, "an empty batch")))
    }
    guard elements.count <= server.limits.batch else {
      return write(
        RequestEnvelope.answer(
          id: nil, error: RPCError(.invalidRequest, "a batch of more than \(server.limits.batch) requests")))
    }
    guard let context else { return }
    let id = newTaskID()
    let loop = context.eventLoop
    let bound = NIOLoopBound(self, eventLoop: loop)
    let server = server
    let peer = peer
    tasks[id] = Task {
      let answers = await RPCBatch.run(elements, server: server, peer: peer)
      loop.execute {
        let connection = bound.value
        guard connection.tasks.removeValue(forKey: id) != nil else { return }
        if !answers.isEmpty {
          connection.write(Array("[".utf8) + answers.joined(separator: Array(",".utf8)) + Array("]".utf8))
        }
        connection.readMore()
      }
    }
  }

  // MARK: - Streams

  /// Answers, then hands the socket to the method: the channel gives up its own descriptor and never touches the
  /// connection again.
  private func switchToStream(_ request: RequestEnvelope, _ bytes: [UInt8], _ body: @escaping StreamBody) {
    guard let context, let id = request.id else { return }
    guard lines.isBetweenLines, tasks.isEmpty, subscriptions.isEmpty else {
      return write(
        RequestEnvelope.answer(
          id: id,
          error: RPCError(.invalidRequest, "\(request.method) needs a connection with no other request or subscription")
        ))
    }
    let line = RequestEnvelope.answer(id: id, result: bytes)
    var buffer = context.channel.allocator.buffer(capacity: line.count + 1)
    buffer.writeBytes(line)
    buffer.writeInteger(UInt8(ascii: "\n"))
    switched = true
    let copy = try? context.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
      of: NIOBSDSocket.Handle.self
    ) { handle in
      SharedDescriptor(try Descriptor.copy(of: handle))
    }
    guard let copy else { return context.close(promise: nil) }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(buffer)).whenComplete { result in
      bound.value.close(promise: nil)
      guard case .success = result else { return }
      StreamTasks.shared.run {
        // NIO is done with its descriptor, so the shared flag is ours to change.
        guard (try? Descriptor.setNonblocking(copy.raw, false)) != nil else { return }
        await body(FramedSocket(copy))
      }
    }
  }

  // MARK: - Others' connections

  /// Once, and before anything else: nothing that was asked for with other roles is under way then.
  private func assume(_ request: RequestEnvelope) throws -> [UInt8] {
    let entry = try server.find(request.method, peer: peer)
    try RPCRouter.check(request.params, entry)
    let remote = try JSONCoding.decode(RemotePeer.self, from: request.params)
    guard nextTask == 0, subscriptions.isEmpty else {
      throw RPCError(.permissionDenied, "peer.assume is the first request of a connection, or none")
    }
    try peer.become(remote)
    return Array("{}".utf8)
  }

  // MARK: - Subscriptions

  private func subscribe(_ request: RequestEnvelope) throws -> [UInt8] {
    let entry = try server.find(request.method, peer: peer)
    try RPCRouter.check(request.params, entry)
    let wanted = try JSONCoding.decode(RPCRouter.Subscribe.self, from: request.params)
    guard let topic = server.router.entries[wanted.topic], case .topic(let body) = topic.handler else {
      let topics = server.router.entries.values.filter { $0.description.kind == .topic }.map(\.description.name)
      throw RPCError(
        .notFound,
        "there is no topic \"\(wanted.topic.prefix(128))\"; there are \(topics.sorted().joined(separator: ", "))")
    }
    _ = try server.find(wanted.topic, peer: peer)
    guard subscriptions.count < server.limits.subscriptions, let context else {
      throw RPCError(.busy, "this connection has \(server.limits.subscriptions) subscriptions already")
    }
    let params = try JSONCoding.encode(wanted.params ?? [:])
    try RPCRouter.check(params, topic)
    let id = "s\(nextSubscription)"
    nextSubscription += 1
    let loop = context.eventLoop
    let bound = NIOLoopBound(self, eventLoop: loop)
    let sink = EventSink { loop.execute { bound.value.drain(id) } }
    let call = RPCContext(peer: peer, correlationID: server.newCorrelationID())
    let logger = server.logger
    // The answer with the id is written before any event: the task's first event comes by the event loop.
    let task = Task {
      do {
        try await body(call, params, sink)
        sink.end(nil)
      } catch {
        sink.end(RPCServer.wrap(error, logger: logger, method: wanted.topic))
      }
    }
    subscriptions[id] = (sink, task)
    return try JSONCoding.encode(RPCRouter.Subscription(subscription: id))
  }

  private func unsubscribe(_ request: RequestEnvelope) throws -> [UInt8] {
    let wanted = try JSONCoding.decode(RPCRouter.Subscription.self, from: request.params)
    guard let subscription = subscriptions.removeValue(forKey: wanted.subscription) else {
      throw RPCError(.notFound, "this connection has no subscription \"\(wanted.subscription.prefix(64))\"")
    }
    subscription.sink.close()
    subscription.task.cancel()
    return Array("{}".utf8)
  }

  private func drain(_ id: String) {
    if let subscription = subscriptions[id] { drain(id, subscription.sink) }
  }

  private func drain(_ id: String, _ sink: EventSink) {
    while let context, context.channel.isWritable, let item = sink.next() {
      let name = Array("{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"subscription\":\"\(id)\",".utf8)
      switch item {
      case .event(let bytes): write(name + Array("\"event\":".utf8) + bytes + Array("}}".utf8))
      case .dropped(let count): write(name + Array("\"dropped\":\(count)}}".utf8))
      case .end(let error):
        let reason = error.flatMap { try? JSONCoding.encode($0) }
        write(
          name + Array("\"end\":true".utf8) + (reason.map { Array(",\"error\":".utf8) + $0 } ?? []) + Array("}}".utf8))
        subscriptions.removeValue(forKey: id)
      }
    }
    closeIfDone()
  }
}

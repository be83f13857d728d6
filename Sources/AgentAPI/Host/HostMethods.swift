// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel

/// What the container controller asks the node controller to do with privilege.
///
/// `host.open` switches a connection; from then on it carries one JSON value a line in both directions still, and
/// descriptors may accompany a line (`SCM_RIGHTS`). The calls are answered one after the other.
public enum HostMethods {
  public static let open = Method<Empty, Empty>(
    "host.open", kind: .stream, role: .containerController,
    "Opens the container controller's channel for host calls, which carry descriptors.")

  public struct Create: Codable, Sendable, Hashable {
    public var name: String
    public init(name: String) { self.name = name }
  }

  /// A container's place on the host.
  public struct Place: Codable, Sendable, Hashable {
    /// The host uid and gid that are 0 inside; 65536 belong to the container.
    public var firstUID: UInt32
    /// Where the container's log and exit record are.
    public var stateDirectory: String
    public var address: String?
    public init(firstUID: UInt32, stateDirectory: String, address: String?) {
      self.firstUID = firstUID
      self.stateDirectory = stateDirectory
      self.address = address
    }
  }

  public struct Publication: Codable, Sendable, Hashable {
    public var name: String
    public var proto: BundleDescriptor.Endpoint.Proto
    public var port: UInt16
    /// 0 lets the node choose.
    public var hostPort: UInt16
    /// `nil`, in records of versions without scopes: ``EndpointScope/node``.
    public var scope: EndpointScope?
    /// Ports in a row from `port` and `hostPort` on; `nil`: one.
    public var count: UInt16?
    /// New connections that it takes, of everybody together and of each source.
    public var rate: PacketRate?
    public var ratePerSource: PacketRate?
    public init(
      name: String, proto: BundleDescriptor.Endpoint.Proto, port: UInt16, hostPort: UInt16, scope: EndpointScope,
      count: UInt16? = nil
    ) {
      self.scope = scope
      self.count = count
      self.name = name
      self.proto = proto
      self.port = port
      self.hostPort = hostPort
    }
  }

  /// What a container serves, published or not.
  public struct Served: Codable, Sendable, Hashable {
    public var name: String
    public var proto: TransportProtocol
    public var port: UInt16
    /// Ports in a row; `nil`: one.
    public var count: UInt16?
    public var scope: EndpointScope
    public init(name: String, proto: TransportProtocol, port: UInt16, count: UInt16?, scope: EndpointScope) {
      self.name = name
      self.proto = proto
      self.port = port
      self.count = count
      self.scope = scope
    }
  }

  /// With the container's pidfd.
  public struct Launch: Codable, Sendable, Hashable {
    public var name: String
    /// The template's digest.
    public var template: String
    public var limits: CgroupLimits
    public var network: NetworkMode
    public var publish: [Publication]
    /// Containers that it may talk to.
    public var links: [String]?
    public var served: [Served]?
    public var bandwidth: BandwidthLimits?
    /// It is to serve a file-system: the last descriptor of the answer is `/dev/fuse`, opened for it.
    public var serves: Bool?
    public init(
      name: String, template: String, limits: CgroupLimits, network: NetworkMode, publish: [Publication],
      links: [String]? = nil, served: [Served]? = nil, bandwidth: BandwidthLimits? = nil, serves: Bool? = nil
    ) {
      self.serves = serves
      self.links = links
      self.served = served
      self.bandwidth = bandwidth
      self.name = name
      self.template = template
      self.limits = limits
      self.network = network
      self.publish = publish
    }
  }

  /// With the root file-system as a detached mount, and on cgroup v1 with a descriptor for each hierarchy by which PID 1
  /// enters its group.
  public struct Launched: Codable, Sendable, Hashable {
    public var address: String?
    public var address6: String?
    public var publications: [Publication]
    public var cgroups: [String]
    /// The AppArmor profile of the container's programs, where one is loaded.
    public var profile: String?
    /// Where it asks for names.
    public var gateway: String?
    /// The host's end of its network interface.
    public var interface: String?
    /// The addresses of the containers that it is linked to.
    public var linked: [String: [String]]?
    public init(
      address: String?, address6: String? = nil, publications: [Publication], cgroups: [String], profile: String?,
      gateway: String? = nil, interface: String? = nil, linked: [String: [String]]? = nil
    ) {
      self.address6 = address6
      self.gateway = gateway
      self.interface = interface
      self.linked = linked
      self.profile = profile
      self.address = address
      self.publications = publications
      self.cgroups = cgroups
    }
  }

  public struct Template: Codable, Sendable, Hashable {
    public var digest: String
    public init(digest: String) { self.digest = digest }
  }

  public struct Inventory: Codable, Sendable, Hashable {
    public struct Container: Codable, Sendable, Hashable {
      public var name: String
      public var place: Place
      /// Its cgroup exists.
      public var running: Bool
      public var cgroups: [String]
      public var publications: [Publication]
      public init(name: String, place: Place, running: Bool, cgroups: [String], publications: [Publication]) {
        self.name = name
        self.place = place
        self.running = running
        self.cgroups = cgroups
        self.publications = publications
      }
    }
    public var containers: [Container]
    public var templates: [String]
    public init(containers: [Container], templates: [String]) {
      self.containers = containers
      self.templates = templates
    }
  }

  /// Makes the container's directories and gives it a range of ids.
  public static let create = Method<Create, Place>(
    "host.container.create", role: .containerController, "Makes a container's directories and gives it a range of ids.")
  /// Gives the caller's own child, which waits at its gate, everything of the host that it needs.
  public static let launch = Method<Launch, Launched>(
    "host.container.launch", role: .containerController,
    "Writes the id maps, makes the cgroup, the root file-system and the network of the caller's child, held by the pidfd that comes with the call.",
    errors: [.permissionDenied, .notFound, .kernelRefused])
  public static let release = Method<Create, Empty>(
    "host.container.release", role: .containerController,
    "Ends what is left in a container's cgroup and takes back cgroup and network.")
  public static let update = Method<Update, Empty>(
    "host.container.update", role: .containerController, "Changes the limits of a running container.")
  public static let remove = Method<Create, Empty>(
    "host.container.remove", role: .containerController, "Releases a container and removes its files and its ids.")
  public static let templateBegin = Method<Template, Empty>(
    "host.template.begin", role: .containerController,
    "Maps the caller's child, held by the pidfd that comes with the call, to the ids of templates, and answers with the directory to unpack into."
  )
  public static let templateCommit = Method<Template, Empty>(
    "host.template.commit", role: .containerController, "Makes an unpacked template available.")
  public static let templateRemove = Method<Template, Empty>(
    "host.template.remove", role: .containerController, "Removes a template, finished or not.")
  public static let inventory = Method<Empty, Inventory>(
    "host.inventory", role: .containerController, "What exists on the host for containers.")

  public struct Update: Codable, Sendable, Hashable {
    public var name: String
    public var limits: CgroupLimits
    public init(name: String, limits: CgroupLimits) {
      self.name = name
      self.limits = limits
    }
  }
}

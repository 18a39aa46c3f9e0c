/**
 * Flags that kube-apiserver has, and start scripts and test environments pass, and that have no effect here. They are
 * accepted, and the log says of each that was given why it changes nothing.
 *
 * Source: flags of kube-apiserver 1.35 and later. Callers: read-options.ts; docs/differences.md has the list.
 */
interface Accepted {
  /** Why it has no effect: follows "has no effect here: ". */
  readonly why: string
  /** Those that stand alone, without a value. */
  readonly flags?: readonly string[]
  readonly values?: readonly string[]
}

const ACCEPTED: readonly Accepted[] = [
  {
    why: 'the version is always 1.35',
    flags: ['emulation-forward-compatible', 'runtime-config-emulation-forward-compatible'],
    values: ['emulated-version', 'min-compatibility-version'],
  },
  {
    why: 'features have no gates here',
    values: ['feature-gates'],
  },
  {
    why: 'requests are limited per backend, by BackendPolicies',
    values: ['max-mutating-requests-inflight', 'max-requests-inflight'],
  },
  {
    why: 'requests that come too late get Retry-After always',
    flags: ['shutdown-send-retry-after'],
  },
  {
    why: 'the storage here has its own way of it',
    values: [
      'delete-collection-workers',
      'etcd-count-metric-poll-period',
      'etcd-db-metric-poll-interval',
      'etcd-healthcheck-timeout',
      'etcd-readycheck-timeout',
      'lease-reuse-duration-seconds',
    ],
  },
  {
    why: 'there is no garbage collector',
    flags: ['enable-garbage-collector'],
  },
  {
    why: 'OBJECTS ARE STORED AS THEY ARE, not encrypted',
    values: ['encryption-provider-config'],
  },
  {
    why: 'objects are stored as they are, not encrypted',
    flags: ['encryption-provider-config-automatic-reload'],
  },
  {
    why: 'all kinds are stored in --etcd-servers',
    values: ['etcd-servers-overrides'],
  },
  {
    why: 'built-in kinds are stored as protobuf',
    values: ['storage-media-type'],
  },
  {
    why: 'every kind has a watch cache',
    flags: ['watch-cache'],
    values: ['watch-cache-sizes', 'default-watch-cache-size'],
  },
  {
    why: 'addresses and ports are not shared',
    flags: ['permit-address-sharing', 'permit-port-sharing'],
  },
  {
    why: 'curves are those of Node',
    values: ['tls-curve-preferences'],
  },
  {
    why: 'there is one serving certificate',
    values: ['tls-sni-cert-key'],
  },
  {
    why: 'there is no audit log yet',
    flags: [
      'audit-log-compress',
      'audit-log-batch-throttle-enable',
      'audit-log-truncate-enabled',
      'audit-webhook-batch-throttle-enable',
      'audit-webhook-truncate-enabled',
    ],
    values: [
      'audit-policy-file',
      'audit-log-path',
      'audit-log-maxage',
      'audit-log-maxbackup',
      'audit-log-maxsize',
      'audit-log-format',
      'audit-log-version',
      'audit-log-mode',
      'audit-log-batch-buffer-size',
      'audit-log-batch-max-size',
      'audit-log-batch-max-wait',
      'audit-log-batch-throttle-qps',
      'audit-log-batch-throttle-burst',
      'audit-log-truncate-max-batch-size',
      'audit-log-truncate-max-event-size',
      'audit-webhook-config-file',
      'audit-webhook-initial-backoff',
      'audit-webhook-version',
      'audit-webhook-mode',
      'audit-webhook-batch-buffer-size',
      'audit-webhook-batch-max-size',
      'audit-webhook-batch-max-wait',
      'audit-webhook-batch-throttle-qps',
      'audit-webhook-batch-throttle-burst',
      'audit-webhook-truncate-max-batch-size',
      'audit-webhook-truncate-max-event-size',
      'audit-webhook-batch-initial-backoff',
    ],
  },
  {
    why: 'there is no profiling interface',
    flags: ['contention-profiling', 'profiling'],
    values: ['debug-socket-path'],
  },
  {
    why: 'there is no priority and fairness: requests are limited per backend',
    flags: ['enable-priority-and-fairness'],
  },
  {
    why: 'there is no such authenticator yet: its tokens are refused',
    flags: ['enable-bootstrap-token-auth'],
    values: ['api-audiences', 'authentication-config'],
  },
  {
    why: 'OpenID tokens are not accepted yet',
    values: [
      'oidc-ca-file',
      'oidc-client-id',
      'oidc-groups-claim',
      'oidc-groups-prefix',
      'oidc-issuer-url',
      'oidc-required-claim',
      'oidc-signing-algs',
      'oidc-username-claim',
      'oidc-username-prefix',
    ],
  },
  {
    why: 'there are no service account tokens yet',
    flags: ['service-account-extend-token-expiration', 'service-account-lookup'],
    values: [
      'service-account-issuer',
      'service-account-jwks-uri',
      'service-account-key-file',
      'service-account-max-token-expiration',
      'service-account-signing-endpoint',
      'service-account-signing-key-file',
    ],
  },
  {
    why: 'there is no such authorizer yet: it permits nobody anything',
    values: ['authorization-config', 'authorization-policy-file'],
  },
  {
    why: 'connections go out directly',
    values: ['egress-selector-config-file'],
  },
  {
    why: 'there are no admission plugins but the life cycle of namespaces',
    values: [
      'admission-control-config-file',
      'disable-admission-plugins',
      'enable-admission-plugins',
      'admission-control',
    ],
  },
  {
    why: 'there are no pods',
    flags: ['allow-privileged'],
    values: ['default-not-ready-toleration-seconds', 'default-unreachable-toleration-seconds'],
  },
  {
    why: 'all metrics are shown',
    values: [
      'allow-metric-labels',
      'allow-metric-labels-manifest',
      'disabled-metrics',
      'show-hidden-metrics-for-version',
    ],
  },
  {
    why: 'logs are lines of JSON',
    flags: ['log-json-split-stream', 'log-text-split-stream'],
    values: [
      'log-flush-frequency',
      'log-json-info-buffer-size',
      'log-text-info-buffer-size',
      'logging-format',
      'vmodule',
    ],
  },
  {
    why: 'leaders are elected by Leases alone',
    values: [
      'coordinated-leadership-lease-duration',
      'coordinated-leadership-renew-deadline',
      'coordinated-leadership-retry-period',
    ],
  },
  {
    why: 'no endpoints of this server are published',
    values: ['endpoint-reconciler-type', 'apiserver-count'],
  },
  {
    why: 'there are no nodes',
    values: [
      'kubelet-certificate-authority',
      'kubelet-client-certificate',
      'kubelet-client-key',
      'kubelet-preferred-address-types',
      'kubelet-timeout',
      'kubelet-port',
      'kubelet-read-only-port',
    ],
  },
  {
    why: 'no node ports are allocated',
    values: ['kubernetes-service-node-port', 'service-node-port-range'],
  },
  {
    why: 'nothing here needs it',
    values: ['max-connection-bytes-per-sec'],
  },
  {
    why: 'replicas do not call each other',
    values: ['peer-advertise-ip', 'peer-advertise-port', 'peer-ca-file'],
  },
  {
    why: 'no cluster IPs are allocated',
    values: ['service-cluster-ip-range'],
  },
  {
    why: 'there is no logs handler',
    flags: ['enable-logs-handler'],
  },
]

export interface AcceptedFlag {
  readonly name: string
  readonly why: string
  readonly takesValue: boolean
}

/** @returns undefined for a flag that kube-apiserver does not have, or that has an effect here. */
export function acceptedFlag(name: string): AcceptedFlag | undefined {
  for (const { why, flags = [], values = [] } of ACCEPTED) {
    if (flags.includes(name)) return { name, why, takesValue: false }
    if (values.includes(name)) return { name, why, takesValue: true }
  }
  return undefined
}

/** Names by reason, for the documentation. */
export function acceptedFlags(): readonly { readonly why: string; readonly names: readonly string[] }[] {
  return ACCEPTED.map(({ why, flags = [], values = [] }) => ({ why, names: [...flags, ...values].toSorted() }))
}

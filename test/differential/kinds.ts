/** Built-in kinds with objects to try: a minimal one, a rich one, and values that spoil it. */

export interface TriedKind {
  /** `/apis/coordination.k8s.io/v1`. */
  readonly root: string
  readonly kind: string
  readonly resource: string
  readonly namespaced: boolean
  /** Without kind, apiVersion and metadata. */
  readonly minimal: object
  readonly rich: object
  /** Dotted path -> a value that is put there in the rich object; undefined takes the field away. */
  readonly spoilt: readonly (readonly [path: string, value: unknown])[]
  /** A merge patch and a configuration to apply, of fields that may change. */
  readonly change: object
  /** Whether it has a status of its own path; its merge patch. */
  readonly status?: object
}

const selector = { matchLabels: { app: 'a' } }
const webhook = {
  name: 'a.example.com',
  clientConfig: { service: { namespace: 'default', name: 'hook', path: '/x' } },
  rules: [{ operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
}
const SPOILT_WEBHOOKS = [
  ['webhooks.0.name', 'short'],
  ['webhooks.0.name', undefined],
  ['webhooks.0.sideEffects', 'Some'],
  ['webhooks.0.failurePolicy', 'Maybe'],
  ['webhooks.0.timeoutSeconds', 31],
  ['webhooks.0.timeoutSeconds', 'ten'],
  ['webhooks.0.admissionReviewVersions', []],
  ['webhooks.0.admissionReviewVersions', ['v9']],
  ['webhooks.0.clientConfig', {}],
  ['webhooks.0.clientConfig.url', 'https://example.com'],
  ['webhooks.0.clientConfig.service.port', 0],
  ['webhooks.0.rules.0.operations', ['MAKE']],
  ['webhooks.0.rules.0.apiGroups', []],
  ['webhooks.0.rules.0.scope', 'Everywhere'],
  ['webhooks.0.matchConditions', [{ name: 'a b', expression: '' }]],
  ['webhooks.0.namespaceSelector', { matchExpressions: [{ key: 'a', operator: 'Near' }] }],
] as const

export const KINDS: readonly TriedKind[] = [
  {
    root: '/api/v1',
    kind: 'ConfigMap',
    resource: 'configmaps',
    namespaced: true,
    minimal: {},
    rich: { data: { a: '1', 'b.c': 'x\ny' }, binaryData: { bin: 'AAE=' }, immutable: false },
    spoilt: [
      ['data', { 'a b': '1' }],
      ['data', { '..': '1' }],
      ['data.bin', 'twice'],
      ['data.a', 5],
      ['binaryData.bin', 'no base64'],
      ['immutable', 'yes'],
      ['data', ['a']],
    ],
    change: { data: { a: '2' } },
  },
  {
    root: '/api/v1',
    kind: 'Secret',
    resource: 'secrets',
    namespaced: true,
    minimal: {},
    rich: { type: 'Opaque', data: { a: 'MQ==' }, stringData: { b: 'x' } },
    spoilt: [
      ['type', 'kubernetes.io/dockerconfigjson'],
      ['type', 'kubernetes.io/tls'],
      ['type', 'kubernetes.io/basic-auth'],
      ['type', 'kubernetes.io/ssh-auth'],
      ['type', 'kubernetes.io/service-account-token'],
      ['data', { 'a b': 'MQ==' }],
      ['data.a', '1'],
      ['stringData.a', 1],
    ],
    change: { data: { a: 'Mg==' } },
  },
  {
    root: '/api/v1',
    kind: 'Service',
    resource: 'services',
    namespaced: true,
    minimal: { spec: { type: 'ExternalName', externalName: 'x.example.com' } },
    rich: {
      spec: { clusterIP: 'None', selector: { app: 'a' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
    },
    spoilt: [
      ['spec.ports.0.port', 0],
      ['spec.ports.0.port', 70_000],
      ['spec.ports.0.protocol', 'ICMP'],
      ['spec.ports.0.targetPort', 'Not_A_Port'],
      ['spec.ports.0.name', 'Upper'],
      ['spec.ports', [{ port: 1 }, { port: 2 }]],
      [
        'spec.ports',
        [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      ],
      ['spec.sessionAffinity', 'Sticky'],
      ['spec.selector', { 'a b': 'c' }],
      ['spec.externalIPs', ['300.1.1.1']],
      ['spec.clusterIPs', ['None', 'None']],
      ['spec.internalTrafficPolicy', 'Near'],
      ['spec.publishNotReadyAddresses', 'yes'],
      ['spec.healthCheckNodePort', 1],
      ['spec.loadBalancerClass', 'a b'],
      ['spec.ipFamilyPolicy', 'All'],
      ['spec.trafficDistribution', 'Far'],
    ],
    change: { spec: { sessionAffinity: 'ClientIP' } },
    status: {
      status: {
        loadBalancer: {},
        conditions: [
          { type: 'A', status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
        ],
      },
    },
  },
  {
    root: '/api/v1',
    kind: 'ServiceAccount',
    resource: 'serviceaccounts',
    namespaced: true,
    minimal: {},
    rich: { secrets: [{ name: 'a' }], imagePullSecrets: [{ name: 'b' }], automountServiceAccountToken: false },
    spoilt: [
      ['secrets', 'a'],
      ['automountServiceAccountToken', 'no'],
    ],
    change: { automountServiceAccountToken: true },
  },
  {
    root: '/api/v1',
    kind: 'Endpoints',
    resource: 'endpoints',
    namespaced: true,
    minimal: {},
    rich: { subsets: [{ addresses: [{ ip: '10.1.1.1', nodeName: 'n' }], ports: [{ name: 'a', port: 80 }] }] },
    spoilt: [
      ['subsets.0.addresses.0.ip', '127.0.0.1'],
      ['subsets.0.addresses.0.ip', 'x'],
      ['subsets.0.addresses.0.ip', '169.254.1.1'],
      ['subsets.0.ports.0.port', 0],
      ['subsets.0.ports.0.protocol', 'X'],
      ['subsets.0.addresses', []],
    ],
    change: { subsets: [{ addresses: [{ ip: '10.1.1.2' }], ports: [{ port: 81 }] }] },
  },
  {
    root: '/apis/discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    resource: 'endpointslices',
    namespaced: true,
    minimal: { addressType: 'IPv4', endpoints: [] },
    rich: {
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['10.1.1.1'], conditions: { ready: true }, zone: 'z', hints: { forZones: [{ name: 'z' }] } },
      ],
      ports: [{ name: 'a', port: 80 }],
    },
    spoilt: [
      ['addressType', 'IPv5'],
      ['addressType', undefined],
      ['endpoints.0.addresses', []],
      ['endpoints.0.addresses', ['fd00::1']],
      ['endpoints.0.addresses', ['127.0.0.1']],
      ['endpoints.0.addresses', ['10.1.1.1', '10.1.1.1']],
      ['endpoints.0.hostname', 'Upper'],
      ['ports.0.name', 'Upper'],
      ['ports.0.protocol', 'X'],
      ['ports', [{ name: 'a' }, { name: 'a' }]],
    ],
    change: { ports: [{ name: 'a', port: 81 }] },
  },
  {
    root: '/apis/coordination.k8s.io/v1',
    kind: 'Lease',
    resource: 'leases',
    namespaced: true,
    minimal: {},
    rich: {
      spec: {
        holderIdentity: 'me',
        leaseDurationSeconds: 15,
        acquireTime: '2026-01-01T00:00:00.000000Z',
        leaseTransitions: 1,
      },
    },
    spoilt: [
      ['spec.leaseDurationSeconds', 0],
      ['spec.leaseDurationSeconds', 1.5],
      ['spec.leaseTransitions', -1],
      ['spec.renewTime', '2026-01-01'],
      ['spec.preferredHolder', 'you'],
    ],
    change: { spec: { holderIdentity: 'you' } },
  },
  {
    root: '/api/v1',
    kind: 'Event',
    resource: 'events',
    namespaced: true,
    minimal: { involvedObject: { kind: 'Pod', namespace: 'NS', name: 'p' } },
    rich: {
      involvedObject: { kind: 'Pod', namespace: 'NS', name: 'p', apiVersion: 'v1' },
      reason: 'R',
      message: 'm',
      type: 'Normal',
      count: 2,
      source: { component: 'c' },
      firstTimestamp: '2026-01-01T00:00:00Z',
    },
    spoilt: [
      ['involvedObject.namespace', 'other'],
      ['count', 'two'],
      ['eventTime', '2026-01-01T00:00:00.000000Z'],
      ['firstTimestamp', 'yesterday'],
    ],
    change: { count: 3 },
  },
  {
    root: '/apis/events.k8s.io/v1',
    kind: 'Event',
    resource: 'events',
    namespaced: true,
    minimal: {
      regarding: { kind: 'Pod', namespace: 'NS', name: 'p' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'a.example.com/c',
      reportingInstance: 'i',
      action: 'A',
      reason: 'R',
      type: 'Normal',
    },
    rich: {
      regarding: { kind: 'Pod', namespace: 'NS', name: 'p', apiVersion: 'v1' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'a.example.com/c',
      reportingInstance: 'i',
      action: 'A',
      reason: 'R',
      type: 'Warning',
      note: 'n',
      series: { count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z' },
    },
    spoilt: [
      ['eventTime', undefined],
      ['reportingController', undefined],
      ['reportingController', 'a b'],
      ['reportingInstance', ''],
      ['action', undefined],
      ['reason', undefined],
      ['type', 'Odd'],
      ['series.count', 1],
      ['deprecatedCount', 1],
      ['note', 'x'.repeat(1025)],
    ],
    change: { series: { count: 3, lastObservedTime: '2026-01-01T00:00:01.000000Z' } },
  },
  {
    root: '/api/v1',
    kind: 'Namespace',
    resource: 'namespaces',
    namespaced: false,
    minimal: {},
    rich: { spec: { finalizers: ['kubernetes', 'a.example.com/x'] } },
    spoilt: [
      ['spec.finalizers', ['no']],
      ['spec.finalizers', ['a/b/c']],
      ['metadata.name', 'Upper'],
      ['metadata.name', 'a.b'],
      ['metadata.finalizers', ['x']],
      ['metadata.labels', { 'a b': 'c' }],
      ['metadata.annotations', { 'A/b/c': '' }],
    ],
    change: { metadata: { labels: { more: 'yes' } } },
  },
  {
    root: '/apis/autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    resource: 'horizontalpodautoscalers',
    namespaced: true,
    minimal: { spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } } },
    rich: {
      spec: {
        minReplicas: 2,
        maxReplicas: 3,
        scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
        metrics: [
          {
            type: 'Pods',
            pods: { metric: { name: 'q', selector }, target: { type: 'AverageValue', averageValue: '1500m' } },
          },
        ],
        behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
      },
    },
    spoilt: [
      ['spec.maxReplicas', '3'],
      ['spec.metrics.0.pods.target.averageValue', 'much'],
      ['spec.metrics.0.pods.target.type', 'Odd'],
      ['spec.metrics.0.resource', { name: 'cpu' }],
      ['spec.behavior.scaleUp', { policies: [{}] }],
    ],
    change: { spec: { maxReplicas: 9 } },
    status: { status: { desiredReplicas: 2, currentReplicas: 1 } },
  },
  {
    root: '/apis/admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    resource: 'validatingwebhookconfigurations',
    namespaced: false,
    minimal: {},
    rich: { webhooks: [webhook] },
    spoilt: SPOILT_WEBHOOKS,
    change: { metadata: { labels: { more: 'yes' } } },
  },
  {
    root: '/apis/admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    resource: 'mutatingwebhookconfigurations',
    namespaced: false,
    minimal: {},
    rich: { webhooks: [{ ...webhook, reinvocationPolicy: 'IfNeeded' }] },
    spoilt: [...SPOILT_WEBHOOKS, ['webhooks.0.reinvocationPolicy', 'Always']],
    change: { metadata: { labels: { more: 'yes' } } },
  },
  {
    root: '/apis/flowcontrol.apiserver.k8s.io/v1',
    kind: 'PriorityLevelConfiguration',
    resource: 'prioritylevelconfigurations',
    namespaced: false,
    minimal: { spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } } },
    rich: {
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: 5,
          limitResponse: { type: 'Queue', queuing: { queues: 8, handSize: 4, queueLengthLimit: 10 } },
        },
      },
    },
    spoilt: [
      ['spec.type', 'Odd'],
      ['spec.limited.limitResponse.type', 'Odd'],
      ['spec.limited.limitResponse.queuing.queues', 0],
      ['spec.limited.limitResponse.queuing.handSize', 9],
      ['spec.limited.nominalConcurrencyShares', -1],
    ],
    change: { spec: { limited: { nominalConcurrencyShares: 7 } } },
  },
  {
    root: '/apis/flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    resource: 'flowschemas',
    namespaced: false,
    minimal: { spec: { priorityLevelConfiguration: { name: 'catch-all' } } },
    rich: {
      spec: {
        priorityLevelConfiguration: { name: 'catch-all' },
        matchingPrecedence: 500,
        distinguisherMethod: { type: 'ByUser' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: 'u' } }],
            resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], namespaces: ['default'] }],
          },
        ],
      },
    },
    spoilt: [
      ['spec.matchingPrecedence', 10_001],
      ['spec.priorityLevelConfiguration.name', ''],
      ['spec.distinguisherMethod.type', 'ByLuck'],
      ['spec.rules.0.subjects', []],
      ['spec.rules.0.subjects.0.kind', 'Robot'],
      ['spec.rules.0.resourceRules.0.verbs', ['*', 'get']],
      ['spec.rules.0.resourceRules.0.namespaces', []],
    ],
    change: { spec: { matchingPrecedence: 600 } },
  },
]

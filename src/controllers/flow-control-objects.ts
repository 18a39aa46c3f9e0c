/**
 * The flow schemas and priority levels that every server has. Nothing is limited by them here: servers behind us,
 * built on Kubernetes' generic library, watch these kinds and take their own limits from them.
 * Source: Kubernetes' mandatory objects of flowcontrol.apiserver.k8s.io/v1. Their specs are put back when they
 * differ, but for the shares of level `exempt`, which are the administrator's.
 */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../api/meta.ts'
import { formatTime } from '../api/time.ts'
import type { Client, ResourceClient } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'
import { keepObjects, unlessCode } from './kept-objects.ts'

const GROUP = 'flowcontrol.apiserver.k8s.io'
const VERSION = 'v1'
const AUTO_UPDATE = 'apf.kubernetes.io/autoupdate-spec'
const FIELD_MANAGER = 'api-priority-and-fairness-config-producer-v1'

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}
interface FlowControlObject extends KubeObject {
  spec?: { readonly exempt?: object; readonly priorityLevelConfiguration?: { readonly name: string } }
  status?: { readonly conditions?: readonly Condition[] }
}

const EVERYTHING = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
}
const groups = (...names: string[]): object[] => names.map((name) => ({ kind: 'Group', group: { name } }))

const PRIORITY_LEVELS: Readonly<Record<string, object>> = {
  'catch-all': {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' }, lendablePercent: 0 },
  },
  exempt: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
}
const FLOW_SCHEMAS: Readonly<Record<string, object>> = {
  exempt: {
    priorityLevelConfiguration: { name: 'exempt' },
    matchingPrecedence: 1,
    rules: [{ subjects: groups('system:masters'), ...EVERYTHING }],
  },
  'catch-all': {
    priorityLevelConfiguration: { name: 'catch-all' },
    matchingPrecedence: 10_000,
    distinguisherMethod: { type: 'ByUser' },
    rules: [{ subjects: groups('system:unauthenticated', 'system:authenticated'), ...EVERYTHING }],
  },
}

/** Resolves when all are there; looks again until the signal is aborted. */
export function keepFlowControlObjects(
  o: { client: Client; clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const of = (resource: string): ResourceClient<FlowControlObject> =>
    o.client.resource<FlowControlObject>({ group: GROUP, version: VERSION, resource })
  const levels = of('prioritylevelconfigurations')
  const schemas = of('flowschemas')
  const ensure = async (): Promise<void> => {
    for (const [name, spec] of Object.entries(PRIORITY_LEVELS))
      await ensureOne(levels, { kind: 'PriorityLevelConfiguration', name, spec }, signal)
    for (const [name, spec] of Object.entries(FLOW_SCHEMAS))
      await ensureFound(schemas, await ensureOne(schemas, { kind: 'FlowSchema', name, spec }, signal), o.clock, signal)
  }
  return keepObjects({ what: 'flow control objects', ensure }, o, signal)
}

async function ensureOne(
  client: ResourceClient<FlowControlObject>,
  wanted: { readonly kind: string; readonly name: string; readonly spec: object },
  signal: AbortSignal,
): Promise<FlowControlObject | undefined> {
  const { kind, name, spec } = wanted
  const write = { fieldManager: FIELD_MANAGER, signal }
  const current = await client.get(name, { resourceVersion: '0', signal }).catch(unlessCode<FlowControlObject>(404))
  if (!current) {
    const metadata = { name, annotations: { [AUTO_UPDATE]: 'true' } }
    // Another replica may have been quicker.
    const made = { kind, apiVersion: `${GROUP}/${VERSION}`, metadata, spec }
    return client.create(made, write).catch(unlessCode<FlowControlObject>(409))
  }
  const right = current.spec?.exempt ? { ...spec, exempt: current.spec.exempt } : spec
  const annotations = { ...current.metadata.annotations, [AUTO_UPDATE]: 'true' }
  if (isDeepStrictEqual(current.spec, right) && current.metadata.annotations?.[AUTO_UPDATE] === 'true') return current
  const metadata = { ...current.metadata, annotations }
  return client.update({ ...current, metadata, spec: right }, write).catch(unlessCode<FlowControlObject>(409))
}

/** Servers behind us would write this condition themselves, which they may not. @param schema undefined: written by another replica. */
async function ensureFound(
  client: ResourceClient<FlowControlObject>,
  schema: FlowControlObject | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (!schema) return
  const conditions = schema.status?.conditions ?? []
  const level = schema.spec?.priorityLevelConfiguration?.name
  const wanted = {
    type: 'Dangling',
    status: 'False',
    reason: 'Found',
    message: `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)} and it exists`,
  }
  const known = conditions.find((c) => c.type === wanted.type)
  if (known?.status === wanted.status && known.message === wanted.message) return
  const others = conditions.filter((c) => c.type !== wanted.type)
  const status = { conditions: [...others, { ...wanted, lastTransitionTime: formatTime(clock.now()) }] }
  await client.update({ ...schema, status }, { subresource: 'status', signal }).catch(unlessCode(409))
}

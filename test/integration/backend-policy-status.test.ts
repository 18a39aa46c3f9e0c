/** What a BackendPolicy's status says: whether it is accepted, which spec that is about, and what of it is in force where. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { BackendPolicy, BackendPolicySpec } from '../../src/api/backend-policy.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const dataDir = await mkdtemp(join(tmpdir(), 'portico-policy-'))
after(() => rm(dataDir, { recursive: true }))

const POLICIES = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'
const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const GROUP = 'told.example.com'
const STABLE = `v1.${GROUP}`
const BETA = `v1beta1.${GROUP}`
type PolicyStatus = NonNullable<BackendPolicy['status']>

/** Follows the policy until its status is as wanted; fails after 15 s. */
async function untilStatus(
  portico: TestServer,
  name: string,
  wanted: (status: PolicyStatus) => boolean,
): Promise<PolicyStatus> {
  const signal = AbortSignal.timeout(15_000)
  const { body } = await portico.admin.stream(`${POLICIES}?watch=1&fieldSelector=metadata.name%3D${name}`, { signal })
  let [rest, last] = ['', {}]
  try {
    for await (const chunk of body) {
      const lines = `${rest}${String(chunk)}`.split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const { status } = (JSON.parse(line) as { object: BackendPolicy }).object
        if (status && wanted((last = status))) return status
      }
    }
  } catch (e) {
    throw new Error(`${name}: last seen ${JSON.stringify(last)}`, { cause: e })
  } finally {
    body.destroy()
  }
  throw new Error(`${name}: the watch ended`)
}
const acceptedIn = (status: PolicyStatus) => status.conditions?.find((c) => c.type === 'Accepted')
const targetsIn = (status: PolicyStatus): Record<string, readonly string[]> =>
  Object.fromEntries((status.targets ?? []).map((t) => [t.apiService, t.sections ?? []]))
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

async function make(portico: TestServer, name: string, spec: BackendPolicySpec): Promise<void> {
  const made = await portico.admin.post(POLICIES, { metadata: { name }, spec })
  assert.equal(made.status, 201, made.text)
}
async function register(portico: TestServer, name: string): Promise<void> {
  const version = name.slice(0, name.indexOf('.'))
  const made = await portico.admin.post(APISERVICES, {
    metadata: { name },
    spec: {
      group: GROUP,
      version,
      service: { namespace: 'default', name: 'told' },
      groupPriorityMinimum: 1000,
      versionPriority: version === 'v1' ? 15 : 10,
    },
  })
  assert.equal(made.status, 201, made.text)
}
/** Column -> what kubectl shows of this policy. */
async function cellsOf(portico: TestServer, name: string): Promise<Record<string, unknown>> {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const table = (await portico.admin.get(`${POLICIES}/${name}`, { headers: { accept } })).json<{
    columnDefinitions: { name: string }[]
    rows: { cells: unknown[] }[]
  }>()
  return Object.fromEntries(table.columnDefinitions.map((c, i) => [c.name, table.rows[0]!.cells[i]]))
}

test('an accepted policy says so, of which generation, and which of its sections are in force for which APIService', async () => {
  await using portico = await startTestServer()
  await make(portico, 'wide', {
    targets: [{ group: GROUP }],
    priority: 3,
    retries: { attempts: 1 },
    bulkhead: { maxInFlight: 5 },
  })
  const alone = await untilStatus(portico, 'wide', (s) => acceptedIn(s) !== undefined)
  assert.deepEqual(targetsIn(alone), {}, 'for nobody yet')
  const { lastTransitionTime, ...accepted } = acceptedIn(alone)!
  assert.match(String(lastTransitionTime), /^\d{4}-\d\d-\d\dT/)
  assert.deepEqual(accepted, {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: 'the policy is in force for its targets',
    observedGeneration: 1,
  })
  await register(portico, STABLE)
  await register(portico, BETA)
  const both = ['retries', 'bulkhead']
  await untilStatus(portico, 'wide', (s) => same(targetsIn(s), { [STABLE]: both, [BETA]: both }))
  const { Age: age, ...cells } = await cellsOf(portico, 'wide')
  assert.deepEqual(cells, { Name: 'wide', Accepted: 'True', APIServices: 2, Priority: 3 })
  assert.match(String(age), /^\d+s$/)

  // A narrower one takes what it speaks of, for the one that it speaks of.
  await make(portico, 'narrow', { targets: [{ apiService: STABLE }], priority: 7, bulkhead: { maxInFlight: 9 } })
  await untilStatus(portico, 'narrow', (s) => same(targetsIn(s), { [STABLE]: ['bulkhead'] }))
  await untilStatus(portico, 'wide', (s) => same(targetsIn(s), { [STABLE]: ['retries'], [BETA]: both }))
  const { Age: _, ...narrow } = await cellsOf(portico, 'narrow')
  assert.deepEqual(narrow, { Name: 'narrow', Accepted: 'True', APIServices: 1, Priority: 7 })

  const changed = await portico.admin.patch(`${POLICIES}/wide`, 'merge', { spec: { probe: { interval: '5s' } } })
  assert.equal(changed.json<BackendPolicy>().metadata.generation, 2)
  const second = await untilStatus(portico, 'wide', (s) => s.observedGeneration === 2)
  assert.equal(acceptedIn(second)?.observedGeneration, 2)
  assert.equal(acceptedIn(second)?.lastTransitionTime, lastTransitionTime, 'it did not change')
  assert.deepEqual(targetsIn(second), { [STABLE]: ['retries', 'probe'], [BETA]: [...both, 'probe'] })

  await portico.admin.delete(`${APISERVICES}/${BETA}`)
  await untilStatus(portico, 'wide', (s) => same(targetsIn(s), { [STABLE]: ['retries', 'probe'] }))
  await portico.admin.delete(`${POLICIES}/narrow`)
  await untilStatus(portico, 'wide', (s) => same(targetsIn(s), { [STABLE]: [...both, 'probe'] }))
})

/** As an older version would have, which did not know today's rules. */
async function storeUnchecked(dataDir: string, name: string, spec: object): Promise<void> {
  await using storage = new EmbeddedStorage({ folder: join(dataDir, 'storage'), clock: systemClock, log: noopLogger })
  const prefix = `/registry/gateway.portico.dev/backendpolicies/${name}`
  const { item } = await storage.get(prefix)
  const stored = JSON.parse(Buffer.from(item!.value).toString()) as { spec: object }
  const text = JSON.stringify({ ...stored, spec: { ...stored.spec, ...spec } })
  const written = await storage.put(prefix, Buffer.from(text), { expected: item!.revision })
  assert.equal(written.kind, 'written')
}

test('a stored policy that the rules no longer allow is not accepted, says why, and holds nowhere until it is mended', async () => {
  const args = ['--storage-backend=embedded']
  await using before = await startTestServer(args, { dataDir })
  await register(before, STABLE)
  await make(before, 'older', { targets: [{ group: GROUP }], bulkhead: { maxInFlight: 5 } })
  await untilStatus(before, 'older', (s) => same(targetsIn(s), { [STABLE]: ['bulkhead'] }))
  await before.stop()
  await storeUnchecked(dataDir, 'older', { bulkhead: { maxInFlight: 0 }, retries: { budgetPercent: 101 } })

  await using portico = await startTestServer(args, { dataDir })
  const refused = await untilStatus(portico, 'older', (s) => acceptedIn(s)?.status === 'False')
  assert.equal(acceptedIn(refused)?.reason, 'Invalid')
  assert.match(acceptedIn(refused)?.message ?? '', /spec\.retries\.budgetPercent: Invalid value: 101: .*, /)
  assert.match(acceptedIn(refused)?.message ?? '', /spec\.bulkhead\.maxInFlight: Invalid value: 0: must be between 1/)
  await untilStatus(portico, 'older', (s) => same(targetsIn(s), {}))
  const cells = await cellsOf(portico, 'older')
  assert.deepEqual([cells['Accepted'], cells['APIServices']], ['False', 0])

  const spec = { bulkhead: { maxInFlight: 6 }, retries: null }
  assert.equal((await portico.admin.patch(`${POLICIES}/older`, 'merge', { spec })).status, 200)
  const mended = await untilStatus(portico, 'older', (s) => acceptedIn(s)?.status === 'True')
  assert.equal(mended.observedGeneration, 2)
  await untilStatus(portico, 'older', (s) => same(targetsIn(s), { [STABLE]: ['bulkhead'] }))
})

/** Sample backends in this process, registered with a Portico under test. */
import { fixedAccess } from '../../fixtures/backends/delegated-access.ts'
import { SAMPLES, type SampleDefinition } from '../../fixtures/backends/definitions.ts'
import { type SampleServer, startSampleServer } from '../../fixtures/backends/sample-server.ts'
import type { Tracer } from '../../src/observability/tracer.ts'
import type { TestServer } from './server.ts'

export interface RegisteredSample extends AsyncDisposable {
  readonly sample: SampleServer
  readonly definition: SampleDefinition
  /** `v1.garden.example.com`. */
  readonly apiService: string
  /** Of the collection, in namespace default where the kind has namespaces. */
  readonly collection: string
}

export interface RegisterOptions {
  /** Names in the serving certificate; the right one when absent. */
  readonly certificateNames?: readonly string[]
  readonly tracer?: Tracer
  /** Default: wait until it is available. */
  readonly wait?: boolean
}

export async function registerSample(
  portico: TestServer,
  name: keyof typeof SAMPLES,
  o: RegisterOptions = {},
): Promise<RegisteredSample> {
  const definition = SAMPLES[name]!
  const { namespace, name: service } = definition.service
  const { pki } = portico
  const sample = await startSampleServer({
    definition,
    tls: pki.servingFor(name, o.certificateNames ?? [`${service}.${namespace}.svc`]),
    access: fixedAccess(pki.frontProxyCA().cert),
    ...(o.tracer ? { tracer: o.tracer } : {}),
  })
  const apiService = `${definition.version}.${definition.group}`
  await registerBackend(portico, {
    definition,
    port: sample.port,
    caBundle: Buffer.from(pki.ca().cert).toString('base64'),
  })
  if (o.wait !== false) await untilCondition(portico, apiService, (c) => c?.status === 'True')
  const root = `/apis/${definition.group}/${definition.version}`
  return {
    sample,
    definition,
    apiService,
    collection: definition.namespaced
      ? `${root}/namespaces/default/${definition.resource}`
      : `${root}/${definition.resource}`,
    [Symbol.asyncDispose]: () => sample.close(),
  }
}

export async function registerBackend(
  portico: TestServer,
  o: {
    definition: Pick<SampleDefinition, 'group' | 'version' | 'service'>
    port: number
    caBundle?: string
    insecure?: boolean
  },
): Promise<void> {
  const { group, version, service } = o.definition
  const made = await portico.admin.post(`/api/v1/namespaces/${service.namespace}/services`, {
    metadata: { name: service.name },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  if (made.status !== 201 && made.status !== 409) throw new Error(made.text)
  const registered = await portico.admin.post('/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name: `${version}.${group}` },
    spec: {
      group,
      version,
      service: { ...service, port: o.port },
      groupPriorityMinimum: 1000,
      versionPriority: 15,
      ...(o.caBundle === undefined ? {} : { caBundle: o.caBundle }),
      ...(o.insecure === true ? { insecureSkipTLSVerify: true } : {}),
    },
  })
  if (registered.status !== 201) throw new Error(registered.text)
}

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

/** Follows the APIService until one of its conditions is as wanted; fails after 15 s. */
export async function untilCondition(
  portico: TestServer,
  apiService: string,
  wanted: (c: Condition | undefined) => boolean,
  type = 'Available',
): Promise<Condition> {
  const signal = AbortSignal.timeout(15_000)
  const path = `/apis/apiregistration.k8s.io/v1/apiservices?watch=1&fieldSelector=metadata.name%3D${apiService}`
  const { body } = await portico.admin.stream(path, { signal })
  let rest = ''
  let last: Condition | undefined
  try {
    for await (const chunk of body) {
      rest += String(chunk)
      const lines = rest.split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const event = JSON.parse(line) as { object: { status?: { conditions?: Condition[] } } }
        last = event.object.status?.conditions?.find((c) => c.type === type)
        if (wanted(last)) return last!
      }
    }
  } catch (e) {
    throw new Error(`${apiService}: last seen ${JSON.stringify(last)}`, { cause: e })
  } finally {
    body.destroy()
  }
  throw new Error(`${apiService}: the watch ended`)
}

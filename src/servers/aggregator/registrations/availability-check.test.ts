import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Facts, checkService } from './availability-check.ts'
import type { EndpointSlice, Service } from '../../../proxy/reach/service-resolver.ts'

const service: Service = { metadata: { name: 's' }, spec: { type: 'ClusterIP', ports: [{ name: 'https', port: 443 }] } }
const slice = (o: Partial<EndpointSlice>): EndpointSlice => ({
  metadata: { name: 'x' },
  endpoints: [{ addresses: ['10.0.0.1'] }],
  ports: [{ name: 'https', port: 8443 }],
  ...o,
})
const facts = (o: Partial<Facts>): Facts => ({
  namespace: 'ns',
  name: 's',
  port: 443,
  service,
  slices: [slice({})],
  ...o,
})

const rows: readonly { name: string; facts: Facts; want: [reason: string, message: string] | undefined }[] = [
  { name: 'all is well', facts: facts({}), want: undefined },
  {
    name: 'no service',
    facts: facts({ service: undefined }),
    want: ['ServiceNotFound', 'service/s in "ns" is not present'],
  },
  {
    name: 'another port',
    facts: facts({ port: 8443 }),
    want: ['ServicePortError', 'service/s in "ns" is not listening on port 8443'],
  },
  {
    name: 'no slices',
    facts: facts({ slices: [] }),
    want: ['EndpointsNotFound', 'cannot find endpointslices for service/s in "ns"'],
  },
  {
    name: 'no endpoints in the slices',
    facts: facts({ slices: [slice({ endpoints: [] })] }),
    want: ['MissingEndpoints', 'endpointslices for service/s in "ns" have no addresses with port name "https"'],
  },
  {
    name: 'another port name',
    facts: facts({ slices: [slice({ ports: [{ name: 'http', port: 80 }] })] }),
    want: ['MissingEndpoints', 'endpointslices for service/s in "ns" have no addresses with port name "https"'],
  },
  {
    name: 'an endpoint that is not ready',
    facts: facts({ slices: [slice({ endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }] })] }),
    want: ['MissingEndpoints', 'endpointslices for service/s in "ns" have no addresses with port name "https"'],
  },
  {
    name: 'readiness and port in different slices do not add up',
    facts: facts({ slices: [slice({ ports: [] }), slice({ endpoints: [] })] }),
    want: ['MissingEndpoints', 'endpointslices for service/s in "ns" have no addresses with port name "https"'],
  },
  {
    name: 'an unknown readiness counts as ready',
    facts: facts({ slices: [slice({ endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }] })] }),
    want: undefined,
  },
  {
    name: 'other types of service are only probed',
    facts: facts({ service: { metadata: {}, spec: { type: 'ExternalName', externalName: 'x' } }, slices: [] }),
    want: undefined,
  },
]
for (const { name, facts: given, want } of rows) {
  test(`checkService: ${name}`, () => {
    const verdict = checkService(given)
    assert.deepEqual(verdict && [verdict.reason, verdict.message], want)
    if (verdict) assert.equal(verdict.status, 'False')
  })
}

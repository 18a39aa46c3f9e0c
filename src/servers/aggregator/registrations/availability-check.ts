/** Whether a backend can be reached, judged from facts that are at hand. Pure: the probe is the caller's. Texts are exact. */
import type { APIServiceCondition } from '../../../api/apiservice.ts'
import type { EndpointSlice, Service } from '../../../proxy/reach/service-resolver.ts'

export type Verdict = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>

export interface Facts {
  readonly namespace: string
  readonly name: string
  readonly port: number
  readonly service: Service | undefined
  readonly slices: readonly EndpointSlice[]
}

const failed = (reason: string, message: string): Verdict => ({ status: 'False', reason, message })

export const PASSED: Verdict = { status: 'True', reason: 'Passed', message: 'all checks passed' }

/** @returns undefined where nothing speaks against probing it. */
export function checkService({ namespace, name, port, service, slices }: Facts): Verdict | undefined {
  const what = `service/${name} in "${namespace}"`
  if (!service) return failed('ServiceNotFound', `${what} is not present`)
  if ((service.spec?.type ?? 'ClusterIP') !== 'ClusterIP') return undefined
  const servicePort = service.spec?.ports?.find((p) => p.port === port)
  if (!servicePort) return failed('ServicePortError', `${what} is not listening on port ${port}`)
  if (slices.length === 0) return failed('EndpointsNotFound', `cannot find endpointslices for ${what}`)
  const portName = servicePort.name ?? ''
  if (!slices.some((s) => isReady(s, portName)))
    return failed('MissingEndpoints', `endpointslices for ${what} have no addresses with port name "${portName}"`)
  return undefined
}

function isReady(slice: EndpointSlice, portName: string): boolean {
  const hasEndpoint = slice.endpoints?.some((e) => e.conditions?.ready !== false) ?? false
  return hasEndpoint && (slice.ports?.some((p) => (p.name ?? '') === portName && p.port !== undefined) ?? false)
}

export function probeFailed(message: string): Verdict {
  return failed('FailedDiscoveryCheck', message)
}

/** Defaults of flowcontrol.apiserver.k8s.io/v1. */
import { type Defaulter, type Fields, objectAt, objectIn, setDefault } from './defaulting.ts'

export const FLOW_CONTROL_DEFAULTERS: ReadonlyMap<string, Defaulter> = new Map<string, Defaulter>([
  ['FlowSchema', (schema) => setDefault(objectAt(schema, 'spec'), 'matchingPrecedence', 1000)],
  ['PriorityLevelConfiguration', defaultPriorityLevel],
])

function defaultPriorityLevel(level: Fields): void {
  const spec = objectAt(level, 'spec')
  const exempt = objectIn(spec, 'exempt')
  if (exempt) {
    exempt['nominalConcurrencyShares'] ??= 0
    exempt['lendablePercent'] ??= 0
  }
  const limited = objectIn(spec, 'limited')
  if (!limited) return
  limited['nominalConcurrencyShares'] ??= 30
  limited['lendablePercent'] ??= 0
  const queuing = objectIn(objectIn(limited, 'limitResponse') ?? {}, 'queuing')
  if (!queuing) return
  setDefault(queuing, 'handSize', 8)
  setDefault(queuing, 'queues', 64)
  setDefault(queuing, 'queueLengthLimit', 50)
}

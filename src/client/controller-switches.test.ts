import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControllerSwitches } from './controller-switches.ts'

const KNOWN = ['identity-probe', 'namespace']
const cases: readonly { list: string; on: readonly string[]; unknown?: readonly string[] }[] = [
  { list: '*', on: KNOWN },
  { list: '', on: [] },
  { list: '*,-namespace', on: ['identity-probe'] },
  { list: '-namespace,*', on: ['identity-probe'] },
  { list: '*,-namespace-controller', on: ['identity-probe'] },
  { list: 'namespace', on: ['namespace'] },
  { list: '+namespace', on: ['namespace'] },
  { list: '-namespace', on: [] },
  { list: '*,+namespace,-identity-probe', on: ['namespace'] },
  // The first of several entries for one controller counts.
  { list: '-namespace,namespace', on: [] },
  { list: 'namespace,-namespace', on: ['namespace'] },
  { list: '*,-route,daemonset-controller', on: KNOWN, unknown: ['route', 'daemonset'] },
]
for (const { list, on, unknown = [] } of cases) {
  test(`controllers: ${JSON.stringify(list)} switches on ${on.join(', ') || 'none'}`, () => {
    const switches = new ControllerSwitches(list === '' ? [] : list.split(','))
    assert.deepEqual(
      KNOWN.filter((name) => switches.isOn(name)),
      on,
    )
    assert.deepEqual(switches.unknown(KNOWN), unknown)
  })
}

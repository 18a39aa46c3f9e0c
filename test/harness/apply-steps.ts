/** Requests in turn against one object, as tests of apply tell them. */
import assert from 'node:assert/strict'
import type { KubeObject } from '../../src/api/meta.ts'
import { StatusError } from '../../src/api/status-error.ts'
import type { FieldManager } from '../../src/registry/apply/field-manager.ts'
import { asObject, conformed, type Json, WIDGET, WORKLOAD } from './apply-kinds.ts'

/** Milliseconds; each step is a second later. */
export const NOW = Date.UTC(2026, 0, 2)

export const configMap = (data: unknown, metadata: Json = {}): Json => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'b', ...metadata },
  ...(data === undefined ? {} : { data }),
})
export const service = (spec: Json): Json => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' }, spec })
export const widget = (spec: Json): Json => ({ ...WIDGET, metadata: { name: 'b' }, spec })
export const workload = (spec: Json): Json => ({ ...WORKLOAD, metadata: { name: 'b' }, spec: { template: { spec } } })

/** An apply by a manager, or an update where it says so. */
export interface Step {
  readonly by: string
  readonly config: Json
  readonly update?: true
  readonly force?: true
}
/** Each result is conformed and given a uid, as the write path does. */
export function play(manager: FieldManager, steps: readonly Step[]): KubeObject {
  let live: KubeObject | undefined
  for (const [i, { by, config, update = false, force = false }] of steps.entries()) {
    const now = NOW + i * 1000
    const object = asObject(config)
    const next = update
      ? manager.afterWrite({ live, object: withUid(object), manager: by, now })
      : manager.apply({ live, config: object, manager: by, force, now })
    const { managedFields, ...metadata } = next.metadata
    const body = conformed({ ...next, metadata: { ...metadata, uid: 'u' } })
    live = { ...body, metadata: { ...body.metadata, ...(managedFields && { managedFields }) } }
  }
  return live!
}

const withUid = (object: KubeObject): KubeObject => ({ ...object, metadata: { ...object.metadata, uid: 'u' } })

/** The error of the first step that is refused. */
export function refusal(manager: FieldManager, steps: readonly Step[]): StatusError {
  try {
    play(manager, steps)
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error))
    return error
  }
  assert.fail('it was not refused')
}

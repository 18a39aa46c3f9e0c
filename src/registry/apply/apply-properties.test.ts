import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asObject, configMaps, conformed, type Json, ownersOf, widgets } from '../../../test/harness/apply-kinds.ts'
import { configMap, NOW, widget } from '../../../test/harness/apply-steps.ts'
import { fc } from '../../../test/harness/property.ts'
import type { KubeObject } from '../../api/meta.ts'
import { isObject } from '../../api/json-value.ts'
import { StatusError } from '../../api/status-error.ts'

const text = fc.constantFrom('0', '1')
const some = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined, freq: 2 })
const texts = fc.dictionary(fc.constantFrom('a', 'b', 'c'), text)
const item = fc.record({ k: fc.constantFrom('1', '2', '3'), v: text }, { requiredKeys: ['k'] })
const spec: fc.Arbitrary<Json> = fc
  .record({
    m: some(texts),
    am: some(texts),
    s: some(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'))),
    al: some(fc.array(text, { maxLength: 2 })),
    l: some(fc.uniqueArray(item, { selector: ({ k }) => k })),
    n: some(fc.nat({ max: 2 })),
    free: some(fc.dictionary(fc.constantFrom('a', 'b'), fc.oneof(text, texts))),
    o: some(fc.record({ p: text, q: text }, { requiredKeys: [] })),
  })
  .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))

/** The result as the write path would store it; undefined for a conflict. */
function apply(live: KubeObject | undefined, config: Json, manager: string, force = false): KubeObject | undefined {
  try {
    const applied = widgets.apply({ live, config: asObject(widget(config)), manager, force, now: NOW })
    return stored(applied)
  } catch (error) {
    if (error instanceof StatusError && error.code === 409) return undefined
    throw error
  }
}
function stored(object: KubeObject): KubeObject {
  const { managedFields, ...metadata } = object.metadata
  return {
    ...conformed({ ...object, metadata: {} }),
    metadata: { ...metadata, uid: 'u', ...(managedFields && { managedFields }) },
  }
}
const created = (config: Json): KubeObject =>
  stored(widgets.afterWrite({ live: undefined, object: stored(asObject(widget(config))), manager: 'u', now: NOW }))

/** The spec without what order means in sets and list maps. */
function bodyOf(object: KubeObject): unknown {
  const body = (object as unknown as Json)['spec']
  if (!isObject(body)) return undefined
  const sorted = (value: unknown): unknown =>
    Array.isArray(value) ? value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : value
  return { ...body, ...('s' in body && { s: sorted(body['s']) }), ...('l' in body && { l: sorted(body['l']) }) }
}

test('apply: twice is once', () => {
  fc.assert(
    fc.property(spec, spec, (before, config) => {
      const once = apply(created(before), config, 'm', true)!
      assert.deepEqual(apply(once, config, 'm', true), once)
      assert.deepEqual(apply(once, config, 'm'), once, 'and it needs no force')
    }),
  )
})

test('apply: what a manager adds goes when it applies nothing', () => {
  fc.assert(
    fc.property(spec, spec, (before, config) => {
      const live = created(before)
      const applied = apply(live, config, 'm')
      if (!applied) return
      const dropped = apply(applied, {}, 'm')!
      assert.deepEqual(bodyOf(conformed(dropped)), bodyOf(conformed(live)))
    }),
  )
})

test('apply: managers that do not conflict commute', () => {
  fc.assert(
    fc.property(spec, spec, spec, (before, one, two) => {
      const live = created(before)
      const first = apply(live, one, 'm1')
      const both = first && apply(first, two, 'm2')
      const other = apply(live, two, 'm2')
      const bothToo = other && apply(other, one, 'm1')
      if (!both || !bothToo) return
      assert.deepEqual(bodyOf(bothToo), bodyOf(both))
      assert.deepEqual(new Map(ownersOf(bothToo)), new Map(ownersOf(both)))
    }),
  )
})

test('apply: what a forced apply names has its values, and its manager alone owns what differed', () => {
  fc.assert(
    fc.property(spec, spec, (before, config) => {
      const live = created(before)
      const forced = apply(live, config, 'm', true)!
      assert.deepEqual(apply(forced, config, 'm')?.metadata, forced.metadata)
      assert.equal(apply(live, config, 'm') === undefined, isTakenFrom(live, forced), 'a conflict is what force takes')
    }),
  )
})
const isTakenFrom = (live: KubeObject, forced: KubeObject): boolean => {
  const fieldsOf = (object: KubeObject): string | undefined =>
    ownersOf(object).find(([name]) => name.startsWith('u '))?.[1]
  return fieldsOf(live) !== fieldsOf(forced)
}

/** A ConfigMap as a plain table of keys: their values, and who owns them. */
class Model {
  readonly values = new Map<string, string>()
  readonly owners = new Map<string, Set<string>>()

  update(data: Readonly<Record<string, string>>, manager: string): void {
    const keys = new Set([...this.values.keys(), ...Object.keys(data)])
    for (const key of keys) {
      if (this.values.get(key) === data[key]) continue
      for (const owned of this.owners.values()) owned.delete(key)
      if (data[key] === undefined) this.values.delete(key)
      else this.own(key, data[key], `${manager} Update v1`)
    }
  }
  /** @returns the keys in conflict. */
  apply(data: Readonly<Record<string, string>>, manager: string, force: boolean): string[] {
    const name = `${manager} Apply v1`
    const others = (key: string): Set<string>[] =>
      Array.from(this.owners).flatMap(([owner, keys]) => (owner !== name && keys.has(key) ? [keys] : []))
    const changed = Object.keys(data).filter((key) => this.values.has(key) && this.values.get(key) !== data[key])
    const conflicts = changed.filter((key) => others(key).length > 0)
    if (conflicts.length > 0 && !force) return conflicts
    for (const key of conflicts) for (const keys of others(key)) keys.delete(key)
    for (const key of this.owners.get(name) ?? [])
      if (data[key] === undefined && others(key).length === 0) this.values.delete(key)
    this.owners.set(name, new Set())
    for (const [key, value] of Object.entries(data)) this.own(key, value, name)
    return []
  }
  own(key: string, value: string, owner: string): void {
    this.values.set(key, value)
    this.owners.set(owner, (this.owners.get(owner) ?? new Set()).add(key))
  }
  fields(): string[] {
    return Array.from(this.owners)
      .filter(([, keys]) => keys.size > 0)
      .map(([owner, keys]) => `${owner}: ${Array.from(keys).toSorted().join(' ')}`)
      .toSorted()
  }
}

/** Owners of keys of data; who owns the map itself is left out. */
function keysOf(object: KubeObject): string[] {
  return ownersOf(object)
    .map(([owner, fields]) => {
      const data = (JSON.parse(fields) as Record<string, Json>)['f:data'] ?? {}
      return [owner, Object.keys(data).flatMap((element) => (element === '.' ? [] : [element.slice(2)]))] as const
    })
    .flatMap(([owner, keys]) => (keys.length === 0 ? [] : [`${owner}: ${keys.toSorted().join(' ')}`]))
    .toSorted()
}

const request = fc.record({
  manager: fc.constantFrom('m1', 'm2', 'm3'),
  // An empty map has an owner of its own, which the table does not know.
  data: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), text, { minKeys: 1 }),
  kind: fc.constantFrom('update', 'apply', 'force' as const),
})

test('apply and update: many requests of many managers end as in a plain table of keys', () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), (requests) => {
      const model = new Model()
      // A label of another manager: an object without any manager is no longer tracked.
      let live = stored(
        configMaps.afterWrite({
          live: undefined,
          object: asObject(configMap(undefined, { labels: { l: '1' } })),
          manager: 'x',
          now: NOW,
        }),
      )
      for (const { manager, data, kind } of requests) {
        const config = asObject(configMap(data, kind === 'update' ? { uid: 'u', labels: { l: '1' } } : {}))
        if (kind === 'update') {
          model.update(data, manager)
          live = stored(configMaps.afterWrite({ live, object: stored(config), manager, now: NOW }))
        } else {
          const conflicts = model.apply(data, manager, kind === 'force')
          const attempt = (): KubeObject =>
            configMaps.apply({ live, config, manager, force: kind === 'force', now: NOW })
          if (conflicts.length > 0) assert.throws(attempt, { code: 409 })
          else live = stored(attempt())
        }
        assert.deepEqual((live as unknown as Json)['data'] ?? {}, Object.fromEntries(model.values))
        assert.deepEqual(keysOf(live), model.fields())
      }
    }),
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../endpoints/openapi/schemas.ts'
import { ownedPaths } from './document-source.ts'

const KEY = 'apis/g.io/v1'
const owners = new Map([['moves', 'next']])
const share = (name: string) => ({ name, owners, fallback: 'old' })
const to = (form: 'v3' | 'v2', name: string): Json => ({
  $ref: form === 'v3' ? `#/components/schemas/${name}` : `#/definitions/${name}`,
})

for (const form of ['v3', 'v2'] as const) {
  /** @param paths resource -> schema. @param schemas name -> those that it refers to. */
  const part = (server: string, paths: Record<string, string>, schemas: Record<string, string[]>) => {
    const all = Object.fromEntries(
      Object.entries(schemas).map(([name, refs]) => [
        name,
        { title: server, properties: Object.fromEntries(refs.map((r) => [r, { items: to(form, r) }])) },
      ]),
    )
    const document: Json = {
      paths: Object.fromEntries(
        Object.entries(paths).map(([resource, name]) => [`/${KEY}/${resource}`, { get: { schema: to(form, name) } }]),
      ),
      ...(form === 'v3' ? { components: { schemas: all } } : { definitions: all }),
    }
    return { share: share(server), document }
  }
  /** Schema -> whose it is. */
  const united = (...parts: ReturnType<typeof part>[]): Record<string, string> => {
    const document = ownedPaths(parts, KEY, form)!
    const schemas = (form === 'v3' ? (document['components'] as Json)['schemas'] : document['definitions']) as Json
    return Object.fromEntries(Object.entries(schemas).map(([name, s]) => [name, (s as { title: string }).title]))
  }
  const cases: readonly { name: string; old: ReturnType<typeof part>; next: ReturnType<typeof part>; want: object }[] =
    [
      {
        name: 'a schema is the one of who has the resource, and so is what it leads to',
        old: part('old', { stays: 'S', moves: 'M' }, { S: [], M: ['MSpec'], MSpec: [] }),
        next: part('next', { moves: 'M' }, { M: ['MSpec'], MSpec: ['M'] }),
        want: { S: 'old', M: 'next', MSpec: 'next' },
      },
      {
        name: 'what only a resource of somebody else needs is left out',
        old: part('old', { stays: 'S', moves: 'OldM' }, { S: [], OldM: ['Shared'], Shared: [] }),
        next: part('next', { moves: 'M' }, { M: [] }),
        want: { S: 'old', M: 'next' },
      },
      {
        name: 'of what both need, the first counts',
        old: part('old', { stays: 'S' }, { S: ['Meta'], Meta: [] }),
        next: part('next', { moves: 'M' }, { M: ['Meta'], Meta: [] }),
        want: { S: 'old', M: 'next', Meta: 'old' },
      },
      {
        name: 'what no path needs stays',
        old: part('old', { stays: 'S' }, { S: [], Options: [] }),
        next: part('next', { moves: 'M' }, { M: [], Options: [], Scale: [] }),
        want: { S: 'old', M: 'next', Options: 'old', Scale: 'next' },
      },
    ]
  for (const { name, old, next, want } of cases)
    test(`documents of several servers, ${form}: ${name}`, () => assert.deepEqual(united(old, next), want))
}

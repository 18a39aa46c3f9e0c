/** Patches of many operations, copies, items and levels. */
import { type Body, filled, numbered, MOST } from './texts.ts'

export const PATCHES: readonly (Body & { type: string })[] = [
  { name: 'operations', type: 'json', body: () => filled('{},', '[', '{}]') },
  {
    name: 'insertions at the front',
    type: 'json',
    body: () => {
      const list = Array.from({ length: 40_000 }, () => '0').join(',')
      return `[{"op":"add","path":"/x","value":[${list}]}${',{"op":"add","path":"/x/0","value":0}'.repeat(9_999)}]`
    },
  },
  {
    name: 'copies of copies',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":{"a":"${'x'.repeat(1000)}"}}${Array.from({ length: 9_000 }, (_, i) => `,{"op":"copy","from":"/x","path":"/x/k${i}"}`).join('')}]`,
  },
  {
    name: 'copies of a large part',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":"${'x'.repeat(1_000_000)}"}${',{"op":"copy","from":"/x","path":"/y"}'.repeat(9_000)}]`,
  },
  {
    name: 'moves of a large part',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":{${Array.from({ length: 40_000 }, (_, i) => `"k${i}":1`).join(',')}}}${',{"op":"move","from":"/x","path":"/y"},{"op":"move","from":"/y","path":"/x"}'.repeat(4_900)}]`,
  },
  {
    name: 'tests of a large part',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":[${Array.from({ length: 40_000 }, () => '0').join(',')}]}${',{"op":"test","path":"/x/0","value":0}'.repeat(9_900)}]`,
  },
  { name: 'a long path', type: 'json', body: () => filled('/a', '[{"op":"add","value":1,"path":"', '"}]') },
  {
    name: 'a long path of escapes',
    type: 'json',
    body: () => filled('~1', '[{"op":"add","value":1,"path":"/data/', '"}]'),
  },
  { name: 'keys', type: 'merge', body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',') },
  { name: 'depth', type: 'merge', body: () => `${'{"a":'.repeat(9_990)}1${'}'.repeat(9_990)}` },
  {
    name: 'depth below a list',
    type: 'strategic',
    body: () => `${'{"a":[{"b":'.repeat(3_300)}1${'}]}'.repeat(3_300)}`,
  },
  { name: 'depth', type: 'strategic', body: () => `${'{"data":'.repeat(9_990)}1${'}'.repeat(9_990)}` },
  { name: 'keys', type: 'strategic', body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',') },
  {
    name: 'items to delete',
    type: 'strategic',
    body: () => numbered((i) => `{"$patch":"delete","uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ','),
  },
  {
    name: 'items',
    type: 'strategic',
    body: () => numbered((i) => `{"uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ','),
  },
  {
    name: 'an order',
    type: 'strategic',
    body: () =>
      numbered((i) => `"a/${i}"`, '{"metadata":{"finalizers":["a/1"],"$setElementOrder/finalizers":[', ']}}', ','),
  },
  { name: 'brackets', type: 'merge', body: () => filled('[') },
  {
    name: 'keys just allowed',
    type: 'merge',
    body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',', MOST),
  },
  {
    name: 'keys just allowed',
    type: 'strategic',
    body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',', MOST),
  },
  {
    name: 'keys nobody knows, just allowed',
    type: 'merge',
    body: () => numbered((i) => `"k${i}":"v"`, '{', '}', ',', MOST),
  },
  {
    name: 'items to delete just allowed',
    type: 'strategic',
    body: () =>
      numbered((i) => `{"$patch":"delete","uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ',', MOST / 3),
  },
  {
    name: 'items just allowed',
    type: 'strategic',
    body: () => numbered((i) => `{"uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ',', MOST / 2),
  },
  {
    name: 'an order just allowed',
    type: 'strategic',
    body: () =>
      numbered(
        (i) => `"a/${i}"`,
        '{"metadata":{"finalizers":["a/1"],"$setElementOrder/finalizers":[',
        ']}}',
        ',',
        MOST,
      ),
  },
  {
    name: 'insertions at the front of what is just allowed',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":[${Array.from({ length: 18_000 }, () => '0').join(',')}]}${',{"op":"add","path":"/x/0","value":0}'.repeat(7_000)}]`,
  },
  {
    name: 'moves of what is just allowed',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":{${Array.from({ length: 18_000 }, (_, i) => `"k${i}":1`).join(',')}}}${',{"op":"move","from":"/x","path":"/y"},{"op":"move","from":"/y","path":"/x"}'.repeat(3_500)}]`,
  },
  {
    name: 'copies just allowed',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/data/x","value":"${'x'.repeat(300)}"}${Array.from({ length: 7_900 }, (_, i) => `,{"op":"copy","from":"/data/x","path":"/data/k${i}"}`).join('')}]`,
  },
  {
    name: 'copies that double',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/data/x","value":{"a":{"a":{}}}}${Array.from({ length: 900 }, (_, i) => `,{"op":"copy","from":"/data","path":"/data/x/k${i}"}`).join('')}]`,
  },
]

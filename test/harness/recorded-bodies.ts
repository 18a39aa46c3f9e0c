/** Bodies of recorded requests that are too large to be kept. */
const MIB = 1 << 20

const configMap = (name: string, more: object): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, ...more })

const BODIES: ReadonlyMap<string, () => string> = new Map([
  ['deep-json', () => '{"a":'.repeat(11_000)],
  ['configmap-4mib', () => configMap('big', { data: { a: 'x'.repeat(4 * MIB) } })],
  ['configmap-1mib', () => configMap('k', { data: { a: 'x'.repeat(MIB + 1) } })],
  [
    'configmap-annotations',
    () => configMap('l', { metadata: { name: 'l', annotations: { a: 'x'.repeat(MIB / 4 + 1) } } }),
  ],
  [
    'secret-1mib',
    () =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 's' },
        data: { a: Buffer.alloc(MIB + 1).toString('base64') },
      }),
  ],
  ['apiservice-4mib', () => JSON.stringify({ metadata: { annotations: { a: 'x'.repeat(4 * MIB) } } })],
  [
    'json-patch-10001',
    () => JSON.stringify(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/kind', value: 'x' }))),
  ],
])

/** As Latin-1 text. */
export function generatedBody(name: string): string {
  return BODIES.get(name)!()
}

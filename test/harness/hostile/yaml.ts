/** YAML that is deep, wide, repeated or expanding. */
import { type Body, filled, numbered, MOST } from './texts.ts'

export const YAML: readonly Body[] = [
  { name: 'opening brackets', body: () => filled('[') },
  { name: 'opening braces', body: () => filled('{a: ') },
  { name: 'lists in lists', body: () => filled('- ') },
  { name: 'explicit keys in each other', body: () => filled('? ') },
  {
    name: 'maps in maps by indentation',
    body: () => Array.from({ length: 2400 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  },
  { name: 'closing brackets', body: () => filled(']') },
  { name: 'empty lists', body: () => filled('[],', 'data: [', ']') },
  {
    name: 'aliases of a long text',
    body: () => `a: &a ${'x'.repeat(100_000)}\nb: [${Array.from({ length: 5000 }, () => '*a').join(',')}]`,
  },
  {
    name: 'aliases of aliases',
    body: () =>
      Array.from(
        { length: 40 },
        (_, i) => `a${i}: &a${i} [${Array.from({ length: 9 }, () => (i === 0 ? 'x' : `*a${i - 1}`)).join(',')}]`,
      ).join('\n'),
  },
  { name: 'anchors', body: () => numbered((i) => `- &a${i} x\n`, '', '') },
  { name: 'aliases', body: () => filled('*a,', 'a: &a x\nb: [', ']') },
  { name: 'aliases of nothing', body: () => filled('*a,', '[', ']') },
  { name: 'merge keys', body: () => filled('<<: *a\n', 'a: &a {x: y}\n') },
  {
    name: 'keys',
    body: () =>
      numbered((i) => `  k${i}: v\n`, 'kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: hostile\ndata:\n', ''),
  },
  { name: 'equal keys', body: () => filled('a: b\n') },
  {
    name: 'keys just allowed',
    body: () =>
      numbered(
        (i) => `  k${i}: v\n`,
        'kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: hostile\ndata:\n',
        '',
        '',
        MOST,
      ),
  },
  { name: 'commas', body: () => filled(',', '[', ']', 400_000) },
  { name: 'anchors of one node', body: () => filled('&a ', '', '', 600_000) },
  { name: 'aliases that are small enough to be read at once', body: () => filled('*a,', 'a: &a x\nb: [', ']', 16_000) },
  { name: 'brackets that are small enough to be read at once', body: () => filled('[],', '[', ']', 16_000) },
  { name: 'commas that are small enough to be read at once', body: () => filled(',', '[', ']', 16_000) },
  { name: 'documents', body: () => filled('---\n') },
  { name: 'directives', body: () => filled('%YAML 1.1\n') },
  { name: 'tags', body: () => filled('!!str ', 'a: ') },
  { name: 'comments', body: () => filled('#\n') },
  { name: 'empty lines', body: () => filled('\n') },
  { name: 'spaces', body: () => filled(' ') },
  { name: 'a text of many lines', body: () => filled('x\n ', 'a:\n ') },
  { name: 'a quoted text of escapes', body: () => filled(String.raw`\x41`, 'a: "', '"') },
  { name: 'a folded text', body: () => filled('  x\n\n', 'a: >\n') },
  { name: 'a long number', body: () => filled('9', 'a: ') },
  { name: 'underscores in a number', body: () => filled('1_', 'a: ') },
]

export const SOME_YAML = [
  ...YAML.slice(0, 3),
  ...YAML.filter(({ name }) => name === 'aliases of a long text' || name === 'keys'),
]

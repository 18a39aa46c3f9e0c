/** References inside OpenAPI documents: finding them, following them, renaming their targets. */
import type { Json } from './schemas.ts'

/** Calls `found` for every `$ref` below value. Iterative: foreign documents may be deep. */
export function eachReference(value: unknown, found: (reference: string) => void): void {
  const open: unknown[] = [value]
  while (open.length > 0) {
    const node = open.pop()
    if (typeof node !== 'object' || node === null) continue
    for (const [key, child] of Object.entries(node)) {
      if (key === '$ref' && typeof child === 'string') found(child)
      else if (typeof child === 'object') open.push(child)
    }
  }
}

/** Names of definitions that are reachable from the roots. */
export function reachable(roots: readonly unknown[], definitions: Json, prefix: string): Set<string> {
  const names = new Set<string>()
  const open: unknown[] = [...roots]
  while (open.length > 0) {
    eachReference(open.pop(), (reference) => {
      const name = reference.startsWith(prefix) ? reference.slice(prefix.length) : undefined
      if (name === undefined || names.has(name)) return
      names.add(name)
      if (Object.hasOwn(definitions, name)) open.push(definitions[name])
    })
  }
  return names
}

/** A copy with references changed; parts without references are shared. */
export function rewriteReferences<T>(value: T, rename: (reference: string) => string): T {
  return rewrite(value, rename) as T
}

function rewrite(value: unknown, rename: (reference: string) => string): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => rewrite(item, rename))
    return items.some((item, i) => item !== value[i]) ? items : value
  }
  if (typeof value !== 'object' || value === null) return value
  let changed = false
  const entries = Object.entries(value).map(([key, child]): [string, unknown] => {
    const next = key === '$ref' && typeof child === 'string' ? rename(child) : rewrite(child, rename)
    changed ||= next !== child
    return [key, next]
  })
  return changed ? Object.fromEntries(entries) : value
}

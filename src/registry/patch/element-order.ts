/**
 * The order of a list after a strategic merge: items of the patch stand in the patch's order, items that only
 * the server has keep theirs, and where nothing says otherwise the patch's come first.
 */
import { goText, isObject } from '../../api/json-value.ts'

/** The identity of an item: its merge key's value, or a scalar itself. */
export type Identify = (item: unknown) => string

export function identifyBy(mergeKey: string): Identify {
  if (mergeKey === '') return (item) => goText(item)
  return (item) => (isObject(item) ? goText(item[mergeKey]) : goText(item))
}

/**
 * @param merged all items.
 * @param patchOrder items of the patch, or of its $setElementOrder list.
 * @param serverOrder the list as it was.
 */
export function orderElements(
  merged: readonly unknown[],
  patchOrder: readonly unknown[],
  serverOrder: readonly unknown[],
  identify: Identify,
): unknown[] {
  const inPatch = positions(patchOrder, identify)
  const inServer = positions(serverOrder, identify)
  const fromPatch = sortBy(
    merged.filter((item) => inPatch.has(identify(item))),
    inPatch,
    identify,
  )
  const fromServer = sortBy(
    merged.filter((item) => !inPatch.has(identify(item))),
    inServer,
    identify,
  )
  return interleave(fromServer, fromPatch, (item) => inServer.get(identify(item)))
}

function positions(items: readonly unknown[], identify: Identify): Map<string, number> {
  return new Map(items.map((item, i) => [identify(item), i]))
}

/** Items without a position come last, in the order they have. */
function sortBy(items: unknown[], order: ReadonlyMap<string, number>, identify: Identify): unknown[] {
  const at = (item: unknown): number => order.get(identify(item)) ?? Number.MAX_SAFE_INTEGER
  return items.sort((a, b) => at(a) - at(b))
}

function interleave(
  server: unknown[],
  patch: unknown[],
  serverPosition: (item: unknown) => number | undefined,
): unknown[] {
  const result: unknown[] = []
  let s = 0
  for (const item of patch) {
    const position = serverPosition(item)
    while (s < server.length && position !== undefined && isBefore(serverPosition(server[s]), position))
      result.push(server[s++])
    result.push(item)
  }
  return [...result, ...server.slice(s)]
}

function isBefore(a: number | undefined, b: number): boolean {
  return a !== undefined && a < b
}

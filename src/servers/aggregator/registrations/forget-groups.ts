/** Drops the request series of API groups that are served no more: a server whose groups come and go stays small. */
import type { Cancel } from '../../../lib/clock.ts'
import type { Published } from '../../../lib/published.ts'
import type { ServerContext } from '../../generic/server-context.ts'
import type { APIServiceTable } from './apiservice-table.ts'

/** Requests that were under way, watches above all, are counted when they end. */
const LINGER_MS = 60_000

export function forgetGoneGroups({ metrics, clock, life }: ServerContext, table: Published<APIServiceTable>): void {
  let served = new Set<string>()
  /** Groups that are gone, with the function that cancels their time. */
  const gone = new Map<string, Cancel>()
  const forget = (): void => {
    if (gone.size > 0) metrics.forget('group', new Set(gone.keys()))
  }
  table.subscribe(({ groups }) => {
    const now = new Set(groups.map((g) => g.group))
    for (const group of served) {
      if (now.has(group)) continue
      const end = (): void => {
        forget()
        gone.delete(group)
      }
      gone.set(group, clock.after(LINGER_MS, end))
    }
    for (const group of now) {
      gone.get(group)?.()
      gone.delete(group)
    }
    served = now
  })
  metrics.onCollect(forget)
  life.defer(() => {
    for (const cancel of gone.values()) cancel()
  })
}

/** Requests at a fixed rate, whether or not earlier ones are answered. */
import { setTimeout as pause } from 'node:timers/promises'

export interface Paced {
  readonly perSecond: number
  readonly sent: number
  /** How often each came: a status, or what was thrown. */
  readonly outcomes: Readonly<Record<string, number>>
}

const MAX_BEHIND_MS = 250

/** @param during ends it. */
export async function paced(
  perSecond: number,
  during: Promise<unknown>,
  send: (n: number) => Promise<{ status: number; text: string }>,
): Promise<Paced> {
  const outcomes: Record<string, number> = {}
  const one = async (n: number): Promise<void> => {
    const outcome = await send(n).then(
      ({ status, text }) => (status < 300 ? String(status) : `${status} ${text}`),
      (e: Error) => e.message,
    )
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  const all: Promise<void>[] = []
  let over = false
  const ended = during.finally(() => (over = true))
  const startedMs = performance.now()
  let due = 0
  for (let lastMs = startedMs; !over; await pause(2)) {
    const nowMs = performance.now()
    // Where this process stood still, the time is lost: all at once would be another load than a steady one.
    due += (Math.min(nowMs - lastMs, MAX_BEHIND_MS) * perSecond) / 1_000
    lastMs = nowMs
    while (all.length < due) all.push(one(all.length))
  }
  const seconds = (performance.now() - startedMs) / 1_000
  await Promise.all([ended, ...all])
  return { perSecond: Math.round(all.length / seconds), sent: all.length, outcomes }
}

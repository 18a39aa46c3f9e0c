/** Watches of the raw backend's things, and a backend that sends events in halves. */
import { untilTurn } from './until.ts'
import { RAW_PATH, type RawHandler } from './raw-backend.ts'
import type { HttpClient } from './http-client.ts'

export const EVENT = `{"type":"ADDED","object":{"kind":"Thing","spec":"${'x'.repeat(200)}"}}\n`

const OPENED_AT_ONCE = 100

export interface OpenWatch {
  /** Everything that came, once it ended. */
  readonly text: Promise<string>
  readonly ended: () => boolean
  readonly seen: () => string
}
export async function openWatch(client: HttpClient, path = `${RAW_PATH}/things?watch=1`): Promise<OpenWatch> {
  const { body } = await client.stream(path)
  let [all, done] = ['', false]
  const text = (async () => {
    for await (const chunk of body) all += String(chunk)
    done = true
    return all
  })().catch(() => {
    done = true
    return 'broken off'
  })
  return { text, ended: () => done, seen: () => all }
}

/** Some at a time: more connections at once than a process can take in hand in time are refused by nobody, and time out. */
export async function openWatches(client: HttpClient, count: number): Promise<OpenWatch[]> {
  const watches: OpenWatch[] = []
  while (watches.length < count) {
    const next = Array.from({ length: Math.min(OPENED_AT_ONCE, count - watches.length) }, () => openWatch(client))
    watches.push(...(await Promise.all(next)))
  }
  return watches
}

/** An event and the first part of another at once, the rest when it is let go. */
export function halves(): { handler: RawHandler; letGo: () => void; open: () => number } {
  const waiting: (() => void)[] = []
  return {
    handler: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write(EVENT + EVENT.slice(0, 50))
      waiting.push(() => response.write(EVENT.slice(50)))
    },
    letGo: () => {
      for (const send of waiting) send()
    },
    open: () => waiting.length,
  }
}

/** A backend that answers when it is told to. */
export class HeldAnswers {
  readonly #held: (() => void)[] = []
  readonly handler: RawHandler = (_request, response) => void this.#held.push(() => response.end('{}'))

  get count(): number {
    return this.#held.length
  }
  /** Until so many are there. */
  async reach(count: number): Promise<void> {
    await untilTurn(`${count} requests are with the backend`, () => this.#held.length >= count)
  }
  end(index: number): void {
    this.#held[index]!()
  }
  endAll(): void {
    for (const end of this.#held) end()
  }
}
